/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnet networks. vmnet is called on a queue of its own, as a call may take
 * its time; what it is called with (a network's configuration) never changes,
 * and what came of it goes back to the main queue.
 *
 * A network keeps its addresses for life: what vmnet chose once is asked for
 * again the next time. vmnet does not say what it minds about a request, so
 * that when it refuses, one address after the other is left to its choice.
 */
#include "network.h"

#include <CoreFoundation/CoreFoundation.h>
#include <dispatch/dispatch.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <string.h>
#include <vmnet/vmnet.h>

#include "../log.h"
#include "../state.h"
#include "darwin.h"

/* A network while it is active: network->platform. */
struct vmnet {
	vmnet_network_ref network;
	xpc_object_t serialization;
};

/* What to ask vmnet for. A length of 0 leaves it to vmnet. */
struct wish {
	struct ipv4_subnet subnet;
	struct ipv6_prefix prefix;
};

static dispatch_queue_t vmnet_queue;

int networks_start(void)
{
	vmnet_queue = dispatch_queue_create("vmnet", DISPATCH_QUEUE_SERIAL);
	return vmnet_queue ? 0 : -1;
}

void networks_stop(void)
{
	if (vmnet_queue)
		dispatch_release(vmnet_queue);
	vmnet_queue = NULL;
}

xpc_object_t network_serialization(const struct network *network)
{
	const struct vmnet *vmnet = network->platform;

	return vmnet->serialization;
}

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
		return "is an address or a port of it in use? (VMNET_FAILURE)";
	default:
		return "for a reason unknown to the broker";
	}
}

/* what: "does not take \"mtu\" 1400". Returns -1. */
__attribute__((format(printf, 3, 4))) static int
set_vmnet_error(struct error *error, vmnet_return_t status, const char *format, ...)
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

/* Configuring */

static int set_addresses(vmnet_network_configuration_ref vmnet, const struct wish *wish,
			 struct error *error)
{
	char subnet_text[IPV4_SUBNET_TEXT_SIZE];
	char prefix_text[IPV6_PREFIX_TEXT_SIZE];
	vmnet_return_t status;

	if (wish->subnet.length > 0) {
		struct in_addr mask = ipv4_subnet_mask(&wish->subnet);

		status = vmnet_network_configuration_set_ipv4_subnet(vmnet, &wish->subnet.address,
								     &mask);
		if (status != VMNET_SUCCESS)
			return set_vmnet_error(error, status, "does not take subnet %s",
					       ipv4_subnet_format(&wish->subnet, subnet_text));
	}
	if (wish->prefix.length > 0) {
		status = vmnet_network_configuration_set_ipv6_prefix(vmnet, &wish->prefix.address,
								     (uint8_t)wish->prefix.length);
		if (status != VMNET_SUCCESS)
			return set_vmnet_error(error, status, "does not take IPv6 prefix %s",
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
			return set_vmnet_error(error, status,
					       "does not take \"external_interface\" %s",
					       config->external_interface);
	}
	status = vmnet_network_configuration_set_mtu(vmnet, config->mtu);
	if (status != VMNET_SUCCESS)
		return set_vmnet_error(error, status, "does not take \"mtu\" %u", config->mtu);
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
			return set_vmnet_error(error, status,
					       "does not take the DHCP reservation of %s",
					       mac_address_format(&reservation->mac, mac));
	}
	return 0;
}

static int add_port_forwardings(vmnet_network_configuration_ref vmnet,
				const struct network_config *config, struct error *error)
{
	for (size_t i = 0; i < config->n_port_forwardings; i++) {
		const struct port_forwarding *rule = &config->port_forwardings[i];
		vmnet_return_t status = vmnet_network_configuration_add_port_forwarding_rule(
			vmnet, (uint8_t)rule->protocol, (sa_family_t)rule->family,
			rule->internal_port, rule->external_port, &rule->internal_address);

		if (status != VMNET_SUCCESS)
			return set_vmnet_error(
				error, status, "does not take the forwarding of %s port %u",
				rule->protocol == IPPROTO_TCP ? "tcp" : "udp", rule->external_port);
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
		set_vmnet_error(error, status, "makes no configuration of mode \"%s\"",
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

/* Creating */

static vmnet_network_ref network_try(const struct network_config *config, const struct wish *wish,
				     struct error *error)
{
	vmnet_network_configuration_ref configuration = configuration_new(config, wish, error);
	vmnet_return_t status = VMNET_SUCCESS;
	vmnet_network_ref network;

	if (!configuration)
		return NULL;
	network = vmnet_network_create(configuration, &status);
	CFRelease(configuration);
	if (!network)
		set_vmnet_error(error, status, "refuses the network");
	return network;
}

/* Tries with all of what is kept, then with less and less of it. */
static vmnet_network_ref network_make(const struct network_config *config, const struct wish *kept,
				      struct error *error)
{
	enum {
		KEEP_PREFIX = 1,
		KEEP_SUBNET = 2,
		KEEP_BOTH = 3
	};
	const int has = (kept->subnet.length > 0 ? KEEP_SUBNET : 0) |
			(kept->prefix.length > 0 ? KEEP_PREFIX : 0);
	char subnet[IPV4_SUBNET_TEXT_SIZE];
	char prefix[IPV6_PREFIX_TEXT_SIZE];

	for (int keep = KEEP_BOTH; keep >= 0; keep--) {
		struct wish wish = { .subnet = config->subnet, .prefix = config->ipv6_prefix };
		vmnet_network_ref network;

		if (keep & ~has)
			continue;
		if (keep & KEEP_SUBNET)
			wish.subnet = kept->subnet;
		if (keep & KEEP_PREFIX)
			wish.prefix = kept->prefix;
		network = network_try(config, &wish, error);
		if (!network)
			continue;
		if (has & ~keep & KEEP_SUBNET)
			log_warning(config->name,
				    "vmnet refuses its old subnet %s; it gets another",
				    ipv4_subnet_format(&kept->subnet, subnet));
		if (has & ~keep & KEEP_PREFIX)
			log_warning(config->name,
				    "vmnet refuses its old IPv6 prefix %s; it gets another",
				    ipv6_prefix_format(&kept->prefix, prefix));
		return network;
	}
	return NULL;
}

static unsigned int mask_length(struct in_addr mask)
{
	return (unsigned int)__builtin_popcount(mask.s_addr);
}

/* What vmnet says of the network, as the policy has it. */
static void read_addresses(vmnet_network_ref network, unsigned int mtu,
			   struct network_addresses *addresses)
{
	struct in_addr subnet = { 0 };
	struct in_addr mask = { 0 };
	struct in6_addr prefix = { 0 };
	uint8_t prefix_length = 0;

	vmnet_network_get_ipv4_subnet(network, &subnet, &mask);
	vmnet_network_get_ipv6_prefix(network, &prefix, &prefix_length);
	*addresses = (struct network_addresses){ .mtu = mtu };
	addresses->ipv4_subnet.address.s_addr = subnet.s_addr & mask.s_addr;
	addresses->ipv4_subnet.length = mask_length(mask);
	if (addresses->ipv4_subnet.length > 0)
		addresses->ipv4_gateway = ipv4_subnet_host(&addresses->ipv4_subnet, 1);
	addresses->ipv6_prefix.address = prefix;
	addresses->ipv6_prefix.length = prefix_length;
}

static struct vmnet *vmnet_new(const struct network_config *config, const struct wish *kept,
			       struct error *error)
{
	vmnet_return_t status = VMNET_SUCCESS;
	struct vmnet *vmnet = calloc(1, sizeof(*vmnet));

	if (!vmnet) {
		error_set(error, ERROR_INTERNAL, "out of memory");
		return NULL;
	}
	vmnet->network = network_make(config, kept, error);
	if (!vmnet->network)
		goto fail;
	vmnet->serialization = vmnet_network_copy_serialization(vmnet->network, &status);
	if (!vmnet->serialization) {
		set_vmnet_error(error, status, "does not serialize the network");
		goto fail_network;
	}
	return vmnet;

fail_network:
	CFRelease(vmnet->network);
fail:
	free(vmnet);
	return NULL;
}

static void vmnet_free(struct vmnet *vmnet)
{
	xpc_release(vmnet->serialization);
	CFRelease(vmnet->network);
	free(vmnet);
}

/* Keeping */

/* Another network's configuration may have been given the subnet since. */
static bool is_configured_elsewhere(const struct network *network, const struct ipv4_subnet *subnet)
{
	const struct config *config = network->broker->config;

	for (size_t i = 0; i < config->n_networks; i++) {
		const struct network_config *other = config->networks[i];

		if (strcmp(other->name, network->config->name) != 0 && other->subnet.length > 0 &&
		    ipv4_subnet_overlaps(&other->subnet, subnet))
			return true;
	}
	return false;
}

/* What to ask for again. What is configured now takes precedence over it. */
static void load_wish(const struct network *network, struct network_state_kept *kept,
		      struct wish *wish)
{
	const struct network_config *config = network->config;
	char subnet[IPV4_SUBNET_TEXT_SIZE];

	(void)state_load(darwin_platform.options->state_dir, config->name, kept);
	*wish = (struct wish){ 0 };
	if (config->subnet.length == 0)
		wish->subnet = kept->ipv4_subnet;
	if (config->ipv6_prefix.length == 0)
		wish->prefix = kept->ipv6_prefix;
	if (wish->subnet.length > 0 && is_configured_elsewhere(network, &wish->subnet)) {
		log_warning(config->name,
			    "its old subnet %s is another network's by now; it gets another",
			    ipv4_subnet_format(&wish->subnet, subnet));
		wish->subnet = (struct ipv4_subnet){ 0 };
	}
}

static bool are_kept(const struct network_state_kept *kept,
		     const struct network_addresses *addresses)
{
	const struct ipv4_subnet *subnet = &addresses->ipv4_subnet;
	const struct ipv6_prefix *prefix = &addresses->ipv6_prefix;

	return kept->ipv4_subnet.address.s_addr == subnet->address.s_addr &&
	       kept->ipv4_subnet.length == subnet->length &&
	       IN6_ARE_ADDR_EQUAL(&kept->ipv6_prefix.address, &prefix->address) &&
	       kept->ipv6_prefix.length == prefix->length;
}

/* Failing to keep costs the addresses of the next life, not this one. */
static void save_addresses(const char *name, const struct network_state_kept *before,
			   const struct network_addresses *addresses)
{
	struct network_state_kept kept = *before;
	int result;

	if (are_kept(before, addresses))
		return;
	kept.ipv4_subnet = addresses->ipv4_subnet;
	kept.ipv6_prefix = addresses->ipv6_prefix;
	result = state_save(darwin_platform.options->state_dir, name, &kept);
	if (result < 0)
		log_error(name, "its addresses cannot be kept in %s: %s",
			  darwin_platform.options->state_dir, strerror(-result));
}

/* The policy's requests */

void platform_network_create(struct network *network)
{
	const struct network_config *config = network->config;
	struct network_state_kept kept;
	struct wish wish;

	load_wish(network, &kept, &wish);
	log_debug(config->name, "asks vmnet for it");
	dispatch_async(vmnet_queue, ^{
		struct network_addresses addresses = { 0 };
		struct error error = { 0 };
		struct vmnet *vmnet = vmnet_new(config, &wish, &error);

		if (vmnet) {
			read_addresses(vmnet->network, config->mtu, &addresses);
			save_addresses(config->name, &kept, &addresses);
		}
		dispatch_async(dispatch_get_main_queue(), ^{
			network->platform = vmnet;
			network->addresses = addresses;
			broker_network_created(network, vmnet ? NULL : &error);
		});
	});
}

void platform_network_remove(struct network *network)
{
	struct vmnet *vmnet = network->platform;

	dispatch_async(vmnet_queue, ^{
		vmnet_free(vmnet);
		dispatch_async(dispatch_get_main_queue(), ^{
			broker_network_removed(network);
		});
	});
}
