/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network's configuration as vmnet takes it, and what its refusals mean.
 * Which addresses are asked for is decided elsewhere (addresses.c).
 */
#include "configuration.h"

#include <CoreFoundation/CoreFoundation.h>
#include <net/ethernet.h>
#include <string.h>

/* Errors */

static const char *status_text(vmnet_return_t status)
{
	switch (status) {
	case VMNET_MEM_FAILURE:
		return "out of memory, or the broker is not signed with the entitlement "
		       "com.apple.security.virtualization (VMNET_MEM_FAILURE)";
	case VMNET_INVALID_ARGUMENT:
		return "not a value that it takes (VMNET_INVALID_ARGUMENT)";
	case VMNET_INVALID_ACCESS:
		return "permission denied (VMNET_INVALID_ACCESS)";
	case VMNET_SHARING_SERVICE_BUSY:
		return "the sharing service is busy; is Internet Sharing on? "
		       "(VMNET_SHARING_SERVICE_BUSY)";
	case VMNET_NOT_AUTHORIZED:
		return "not authorized; is the broker signed with its entitlements? "
		       "(VMNET_NOT_AUTHORIZED)";
	case VMNET_SETUP_INCOMPLETE:
		return "setup incomplete (VMNET_SETUP_INCOMPLETE)";
	case VMNET_FAILURE:
		return "it does not say why (VMNET_FAILURE)";
	default:
		return "for a reason unknown to the broker";
	}
}

int vmnet_error_set(struct error *error, vmnet_return_t status, const char *format, ...)
{
	char what[200];
	va_list arguments;

	va_start(arguments, format);
	/* A text for people may be cut. */
	(void)vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	return error_set(error, ERROR_CREATE_FAILED, "vmnet %s: %s, status %d", what,
			 status_text(status), (int)status);
}

/* What a refusal mostly means when that is all that vmnet says, and what helps. */
static void set_refusal(const struct network_config *config, vmnet_return_t status,
			struct error *error)
{
	char subnet[IPV4_SUBNET_TEXT_SIZE];
	char prefix[IPV6_PREFIX_TEXT_SIZE];

	ipv4_subnet_format(&config->subnet, subnet);
	ipv6_prefix_format(&config->ipv6_prefix, prefix);
	if (status != VMNET_FAILURE)
		vmnet_error_set(error, status, "refuses the network");
	else if (config->subnet.length > 0 || config->ipv6_prefix.length > 0)
		error_set(error, ERROR_CREATE_FAILED,
			  "vmnet refuses the network: another network may have its %s %s, or had "
			  "it when its broker was killed; choose another \"%s\", or restart the "
			  "Mac (VMNET_FAILURE), status %d",
			  config->subnet.length > 0 ? "subnet" : "prefix",
			  config->subnet.length > 0 ? subnet : prefix,
			  config->subnet.length > 0 ? "subnet" : "ipv6_prefix", (int)status);
	else
		error_set(error, ERROR_CREATE_FAILED,
			  "vmnet refuses the network: all 64 subnets that it has for %s networks "
			  "may be in use, those of brokers that were killed until the Mac is "
			  "restarted; set its \"subnet\", or restart the Mac (VMNET_FAILURE), "
			  "status %d",
			  network_mode_name(config->mode), (int)status);
}

/* Configuring */

static int set_addresses(vmnet_network_configuration_ref vmnet, const struct wish *wish,
			 struct error *error)
{
	char subnet_text[IPV4_SUBNET_TEXT_SIZE];
	char prefix_text[IPV6_PREFIX_TEXT_SIZE];
	vmnet_return_t status;

	if (wish->subnet.length > 0) {
		/* Not the network's address: with what it takes here the host is on the network. */
		struct in_addr host = ipv4_subnet_host(&wish->subnet, 1);
		struct in_addr mask = ipv4_subnet_mask(&wish->subnet);

		status = vmnet_network_configuration_set_ipv4_subnet(vmnet, &host, &mask);
		if (status != VMNET_SUCCESS)
			return vmnet_error_set(error, status, "does not take subnet %s",
					       ipv4_subnet_format(&wish->subnet, subnet_text));
	}
	if (wish->prefix.length > 0) {
		status = vmnet_network_configuration_set_ipv6_prefix(vmnet, &wish->prefix.address,
								     (uint8_t)wish->prefix.length);
		if (status != VMNET_SUCCESS)
			return vmnet_error_set(error, status, "does not take IPv6 prefix %s",
					       ipv6_prefix_format(&wish->prefix, prefix_text));
	}
	return 0;
}

static int set_link(vmnet_network_configuration_ref vmnet, const struct network_config *config,
		    struct error *error)
{
	vmnet_return_t status;

	if (config->external_interface) {
		status = vmnet_network_configuration_set_external_interface(
			vmnet, config->external_interface);
		if (status != VMNET_SUCCESS)
			return vmnet_error_set(error, status,
					       "does not take \"external_interface\" %s",
					       config->external_interface);
	}
	status = vmnet_network_configuration_set_mtu(vmnet, config->mtu);
	if (status != VMNET_SUCCESS)
		return vmnet_error_set(error, status, "does not take \"mtu\" %u", config->mtu);
	return 0;
}

static void set_services(vmnet_network_configuration_ref vmnet, const struct network_config *config)
{
	if (!config->nat44)
		vmnet_network_configuration_disable_nat44(vmnet);
	if (!config->nat66)
		vmnet_network_configuration_disable_nat66(vmnet);
	if (!config->dhcp)
		vmnet_network_configuration_disable_dhcp(vmnet);
	if (!config->dns_proxy)
		vmnet_network_configuration_disable_dns_proxy(vmnet);
	if (!config->router_advertisement)
		vmnet_network_configuration_disable_router_advertisement(vmnet);
}

static int add_reservations(vmnet_network_configuration_ref vmnet,
			    const struct network_config *config, struct error *error)
{
	for (size_t i = 0; i < config->n_dhcp_reservations; i++) {
		const struct dhcp_reservation *reservation = &config->dhcp_reservations[i];
		char mac[MAC_TEXT_SIZE];
		ether_addr_t client;
		vmnet_return_t status;

		memcpy(client.octet, reservation->mac.bytes, sizeof(client.octet));
		status = vmnet_network_configuration_add_dhcp_reservation(vmnet, &client,
									  &reservation->address);
		if (status != VMNET_SUCCESS)
			return vmnet_error_set(error, status,
					       "does not take the DHCP reservation of %s",
					       mac_address_format(&reservation->mac, mac));
	}
	return 0;
}

/* vmnet knows single ports of one protocol. */
static int add_port(vmnet_network_configuration_ref vmnet, const struct port_forwarding *rule,
		    uint8_t protocol, unsigned int i, struct error *error)
{
	const unsigned int port = rule->external_port + i;
	vmnet_return_t status = vmnet_network_configuration_add_port_forwarding_rule(
		vmnet, protocol, (sa_family_t)rule->family, (uint16_t)(rule->internal_port + i),
		(uint16_t)port, &rule->internal_address);

	if (status == VMNET_SUCCESS)
		return 0;
	return vmnet_error_set(error, status, "does not take the forwarding of %s port %u",
			       protocol == IPPROTO_TCP ? "tcp" : "udp", port);
}

static int add_port_forwardings(vmnet_network_configuration_ref vmnet,
				const struct network_config *config, struct error *error)
{
	for (size_t i = 0; i < config->n_port_forwardings; i++) {
		const struct port_forwarding *rule = &config->port_forwardings[i];

		for (unsigned int j = 0; j < rule->n_ports; j++) {
			if ((rule->protocols & FORWARD_TCP) &&
			    add_port(vmnet, rule, IPPROTO_TCP, j, error) < 0)
				return -1;
			if ((rule->protocols & FORWARD_UDP) &&
			    add_port(vmnet, rule, IPPROTO_UDP, j, error) < 0)
				return -1;
		}
	}
	return 0;
}

static vmnet_network_configuration_ref
configuration_new(const struct network_config *config, const struct wish *wish, struct error *error)
{
	vmnet_mode_t mode = config->mode == NETWORK_HOST ? VMNET_HOST_MODE : VMNET_SHARED_MODE;
	vmnet_return_t status = VMNET_SUCCESS;
	vmnet_network_configuration_ref vmnet = vmnet_network_configuration_create(mode, &status);

	if (!vmnet) {
		vmnet_error_set(error, status, "makes no configuration of mode \"%s\"",
				network_mode_name(config->mode));
		return NULL;
	}
	set_services(vmnet, config);
	if (set_addresses(vmnet, wish, error) < 0 || set_link(vmnet, config, error) < 0 ||
	    add_reservations(vmnet, config, error) < 0 ||
	    add_port_forwardings(vmnet, config, error) < 0) {
		CFRelease(vmnet);
		return NULL;
	}
	return vmnet;
}

vmnet_network_ref configuration_create(const struct network_config *config, const struct wish *wish,
				       vmnet_return_t *status, struct error *error)
{
	vmnet_network_configuration_ref configuration = configuration_new(config, wish, error);
	vmnet_network_ref network;

	*status = VMNET_INVALID_ARGUMENT;
	if (!configuration)
		return NULL;
	network = vmnet_network_create(configuration, status);
	CFRelease(configuration);
	if (!network)
		set_refusal(config, *status, error);
	return network;
}
