/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnet's configurations of networks, and what tests have vmnet's calls do.
 * Most of what a configuration says is only minded when a network is made of it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmnet_double.h"

#define LINE_MAX_SIZE 256

/* What tests ask for */

/* The number in a file of the world; when there is none, what else to take. */
static int number_in(const char *what, const char *call, int otherwise)
{
	char name[64];
	FILE *file;

	(void)snprintf(name, sizeof(name), "%s-%s", what, call);
	file = fopen(world_path(name), "re");
	if (!file)
		return otherwise;
	if (fscanf(file, "%d", &otherwise) != 1)
		broken(name);
	(void)fclose(file);
	return otherwise;
}

vmnet_return_t told(const char *call)
{
	char hold[64];

	(void)snprintf(hold, sizeof(hold), "hold-%s", call);
	while (access(world_path(hold), F_OK) == 0)
		(void)poll(NULL, 0, 2);
	(void)poll(NULL, 0, number_in("delay", call, 0));
	return (vmnet_return_t)number_in("refuse", call, VMNET_SUCCESS);
}

bool is_entitled(void)
{
	FILE *unsigned_programs = fopen(world_path("unsigned"), "re");
	char name[LINE_MAX_SIZE];
	bool entitled = true;

	if (!unsigned_programs)
		return true;
	while (fscanf(unsigned_programs, "%255s", name) == 1)
		if (strcmp(name, program_invocation_short_name) == 0)
			entitled = false;
	(void)fclose(unsigned_programs);
	return entitled;
}

/* Configurations */

static void configuration_dispose(struct object *object)
{
	free(((vmnet_network_configuration_ref)object)->lines);
}

vmnet_network_configuration_ref vmnet_network_configuration_create(vmnet_mode_t mode,
								   vmnet_return_t *status)
{
	vmnet_network_configuration_ref config;

	*status = told("configuration_create");
	if (*status != VMNET_SUCCESS)
		return NULL;
	if (mode != VMNET_HOST_MODE && mode != VMNET_SHARED_MODE) {
		*status = VMNET_INVALID_ARGUMENT;
		return NULL;
	}
	config = object_new(sizeof(*config), OBJECT_VMNET_CONFIGURATION, configuration_dispose);
	config->mode = mode;
	config->lines = copy_text(mode == VMNET_HOST_MODE ? "mode host\n" : "mode shared\n");
	config->mtu = 1500;
	return config;
}

__attribute__((format(printf, 2, 3))) static void add_line(vmnet_network_configuration_ref config,
							   const char *format, ...)
{
	char line[LINE_MAX_SIZE];
	va_list arguments;
	char *lines;

	va_start(arguments, format);
	(void)vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (asprintf(&lines, "%s%s\n", config->lines, line) < 0)
		broken("double: asprintf");
	free(config->lines);
	config->lines = lines;
}

static vmnet_return_t check_call(vmnet_network_configuration_ref config, const char *call)
{
	object_check(config, OBJECT_VMNET_CONFIGURATION, call);
	return told(call);
}

vmnet_return_t vmnet_network_configuration_set_ipv4_subnet(vmnet_network_configuration_ref config,
							   const struct in_addr *subnet,
							   const struct in_addr *mask)
{
	vmnet_return_t status = check_call(config, "set_ipv4_subnet");
	uint32_t host = ~ntohl(mask->s_addr);

	if (status != VMNET_SUCCESS)
		return status;
	if ((host & (host + 1)) != 0)
		return VMNET_INVALID_ARGUMENT;
	/* The host's own address, whatever it is: nobody looks at it. */
	config->addresses.host = *subnet;
	config->addresses.mask = *mask;
	return VMNET_SUCCESS;
}

vmnet_return_t vmnet_network_configuration_set_ipv6_prefix(vmnet_network_configuration_ref config,
							   const struct in6_addr *prefix,
							   uint8_t length)
{
	vmnet_return_t status = check_call(config, "set_ipv6_prefix");

	if (status != VMNET_SUCCESS)
		return status;
	if (length != 64)
		return VMNET_INVALID_ARGUMENT;
	config->addresses.prefix = *prefix;
	config->addresses.prefix_length = length;
	return VMNET_SUCCESS;
}

vmnet_return_t
vmnet_network_configuration_set_external_interface(vmnet_network_configuration_ref config,
						   const char *interface_name)
{
	vmnet_return_t status = check_call(config, "set_external_interface");

	if (status == VMNET_SUCCESS)
		add_line(config, "external_interface %s", interface_name);
	return status;
}

vmnet_return_t vmnet_network_configuration_set_mtu(vmnet_network_configuration_ref config,
						   uint32_t mtu)
{
	vmnet_return_t status = check_call(config, "set_mtu");

	if (status == VMNET_SUCCESS)
		config->mtu = mtu;
	return status;
}

vmnet_return_t
vmnet_network_configuration_add_dhcp_reservation(vmnet_network_configuration_ref config,
						 const ether_addr_t *client,
						 const struct in_addr *reservation)
{
	vmnet_return_t status = check_call(config, "add_dhcp_reservation");
	const unsigned char *mac = client->octet;
	char address[INET_ADDRSTRLEN];

	if (status == VMNET_SUCCESS)
		add_line(config, "dhcp_reservation %02x:%02x:%02x:%02x:%02x:%02x %s", mac[0],
			 mac[1], mac[2], mac[3], mac[4], mac[5],
			 inet_ntop(AF_INET, reservation, address, sizeof(address)));
	return status;
}

vmnet_return_t vmnet_network_configuration_add_port_forwarding_rule(
	vmnet_network_configuration_ref config, uint8_t protocol, sa_family_t family,
	uint16_t internal_port, uint16_t external_port, const void *internal_address)
{
	vmnet_return_t status = check_call(config, "add_port_forwarding_rule");
	char address[INET6_ADDRSTRLEN];

	if (status != VMNET_SUCCESS)
		return status;
	if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) ||
	    (family != AF_INET && family != AF_INET6))
		return VMNET_INVALID_ARGUMENT;
	add_line(config, "port_forwarding %s %u %s %u", protocol == IPPROTO_TCP ? "tcp" : "udp",
		 external_port, inet_ntop(family, internal_address, address, sizeof(address)),
		 internal_port);
	return VMNET_SUCCESS;
}

static void disable(vmnet_network_configuration_ref config, const char *service)
{
	object_check(config, OBJECT_VMNET_CONFIGURATION, service);
	add_line(config, "no %s", service);
}

void vmnet_network_configuration_disable_nat44(vmnet_network_configuration_ref config)
{
	disable(config, "nat44");
	config->nat44_disabled = true;
}

void vmnet_network_configuration_disable_nat66(vmnet_network_configuration_ref config)
{
	disable(config, "nat66");
}

void vmnet_network_configuration_disable_dhcp(vmnet_network_configuration_ref config)
{
	disable(config, "dhcp");
}

void vmnet_network_configuration_disable_dns_proxy(vmnet_network_configuration_ref config)
{
	disable(config, "dns_proxy");
}

void vmnet_network_configuration_disable_router_advertisement(
	vmnet_network_configuration_ref config)
{
	disable(config, "router_advertisement");
}
