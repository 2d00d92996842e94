/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnet's networks. One is a file in the world's folder "networks", a line for
 * each thing that it was configured with, and locked by the process that made
 * it for as long as the object lives: so that, as with the system's, a network
 * ends with its process, and the addresses of one that lives are taken.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <vmnet/vmnet.h>

#include "double.h"

#define LINE_MAX_SIZE 256

const char *const vmnet_mac_address_key = "vmnet_mac_address";
const char *const vmnet_mtu_key = "vmnet_mtu";
const char *const vmnet_max_packet_size_key = "vmnet_max_packet_size";

struct vmnet_network_configuration {
	struct object object;
	char *lines; /* as in the network's file, but for its addresses */
	struct in_addr subnet;
	struct in_addr mask; /* zero: vmnet chooses */
	struct in6_addr prefix;
	uint8_t prefix_length; /* 0: vmnet chooses */
	uint32_t mtu;
};

struct vmnet_network {
	struct object object;
	char path[PATH_MAX];
	int fd; /* holds the lock; -1: it is another process's network */
	struct in_addr subnet;
	struct in_addr mask;
	struct in6_addr prefix;
	uint8_t prefix_length;
	uint32_t mtu;
};

struct vmnet_interface {
	struct object object;
};

/* What tests ask for */

static vmnet_return_t told_to_refuse(const char *call)
{
	char name[64];
	int status = VMNET_SUCCESS;
	FILE *file;

	(void)snprintf(name, sizeof(name), "hold-%s", call);
	while (access(world_path(name), F_OK) == 0)
		(void)poll(NULL, 0, 2);
	(void)snprintf(name, sizeof(name), "refuse-%s", call);
	file = fopen(world_path(name), "re");
	if (!file)
		return VMNET_SUCCESS;
	if (fscanf(file, "%d", &status) != 1)
		broken("double: refuse");
	(void)fclose(file);
	return (vmnet_return_t)status;
}

static bool succeed(const char *call, vmnet_return_t *status)
{
	*status = told_to_refuse(call);
	return *status == VMNET_SUCCESS;
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

	if (!succeed("configuration_create", status))
		return NULL;
	if (mode != VMNET_HOST_MODE && mode != VMNET_SHARED_MODE) {
		*status = VMNET_INVALID_ARGUMENT;
		return NULL;
	}
	config = object_new(sizeof(*config), OBJECT_VMNET_CONFIGURATION, configuration_dispose);
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
	return told_to_refuse(call);
}

vmnet_return_t vmnet_network_configuration_set_ipv4_subnet(vmnet_network_configuration_ref config,
							   const struct in_addr *subnet,
							   const struct in_addr *mask)
{
	vmnet_return_t status = check_call(config, "set_ipv4_subnet");
	uint32_t host = ~ntohl(mask->s_addr);

	if (status != VMNET_SUCCESS)
		return status;
	if ((host & (host + 1)) != 0 || (ntohl(subnet->s_addr) & host) != 0 || host < 7)
		return VMNET_INVALID_ARGUMENT;
	config->subnet = *subnet;
	config->mask = *mask;
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
	config->prefix = *prefix;
	config->prefix_length = length;
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

/* The registry */

static bool subnet_overlaps(const char *text, struct in_addr subnet, struct in_addr mask)
{
	char address[INET_ADDRSTRLEN];
	unsigned int length;
	struct in_addr other;
	uint32_t common;

	if (sscanf(text, "%15[0-9.]/%u", address, &length) != 2 || length == 0 || length > 32 ||
	    inet_pton(AF_INET, address, &other) != 1)
		return false;
	common = ntohl(mask.s_addr) & (UINT32_MAX << (32 - length));
	return (ntohl(other.s_addr) & common) == (ntohl(subnet.s_addr) & common);
}

static bool prefix_equals(const char *text, const struct in6_addr *prefix)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr other;

	return sscanf(text, "%45[0-9a-f:]/64", address) == 1 &&
	       inet_pton(AF_INET6, address, &other) == 1 &&
	       memcmp(&other, prefix, sizeof(other)) == 0;
}

/* Whether a file names an address of the network as its own. */
static bool file_conflicts(FILE *file, const struct vmnet_network *network)
{
	char line[LINE_MAX_SIZE];
	bool conflict = false;

	while (fgets(line, sizeof(line), file)) {
		const char *text = line;

		if (strncmp(text, "subnet ", strlen("subnet ")) == 0)
			text += strlen("subnet ");
		if (strncmp(text, "prefix ", strlen("prefix ")) == 0)
			text += strlen("prefix ");
		conflict = conflict || prefix_equals(text, &network->prefix) ||
			   subnet_overlaps(text, network->subnet, network->mask);
	}
	return conflict;
}

/* A network that nobody locks any more has ended with its process. */
static bool network_conflicts(const char *path, const struct vmnet_network *network)
{
	FILE *file = fopen(path, "re");
	bool conflict = false;

	if (!file)
		return false;
	if (flock(fileno(file), LOCK_SH | LOCK_NB) == 0)
		(void)unlink(path);
	else
		conflict = file_conflicts(file, network);
	(void)fclose(file);
	return conflict;
}

static bool is_taken(const struct vmnet_network *network)
{
	DIR *directory = opendir(world_path("networks"));
	FILE *taken = fopen(world_path("taken"), "re");
	const struct dirent *entry;
	bool conflict = false;

	if (!directory)
		broken("double: networks");
	while ((entry = readdir(directory))) {
		char path[PATH_MAX];
		char name[300];

		(void)snprintf(name, sizeof(name), "networks/%s", entry->d_name);
		(void)snprintf(path, sizeof(path), "%s", world_path(name));
		if (entry->d_name[0] != '.' && network_conflicts(path, network))
			conflict = true;
	}
	(void)closedir(directory);
	if (taken) {
		conflict = conflict || file_conflicts(taken, network);
		(void)fclose(taken);
	}
	return conflict;
}

static int lock_registry(void)
{
	int fd = open(world_path("lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		broken("double: lock");
	return fd;
}

static unsigned int mask_length(struct in_addr mask)
{
	return (unsigned int)__builtin_popcount(mask.s_addr);
}

static void network_write(struct vmnet_network *network, const char *lines)
{
	static unsigned int counter;
	char subnet[INET_ADDRSTRLEN];
	char prefix[INET6_ADDRSTRLEN];
	char name[64];

	(void)snprintf(name, sizeof(name), "networks/%d.%u", (int)getpid(), counter++);
	(void)snprintf(network->path, sizeof(network->path), "%s", world_path(name));
	network->fd = open(network->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (network->fd < 0 || flock(network->fd, LOCK_EX) < 0 ||
	    dprintf(network->fd, "%smtu %u\nsubnet %s/%u\nprefix %s/%u\n", lines, network->mtu,
		    inet_ntop(AF_INET, &network->subnet, subnet, sizeof(subnet)),
		    mask_length(network->mask),
		    inet_ntop(AF_INET6, &network->prefix, prefix, sizeof(prefix)),
		    network->prefix_length) < 0)
		broken("double: networks");
}

/* Networks */

static void network_dispose(struct object *object)
{
	vmnet_network_ref network = (vmnet_network_ref)object;

	if (network->fd < 0)
		return;
	(void)unlink(network->path);
	close(network->fd);
}

static bool choose_addresses(vmnet_network_ref network)
{
	if (network->prefix_length == 0) {
		network->prefix_length = 64;
		network->prefix.s6_addr[0] = 0xfd;
		arc4random_buf(network->prefix.s6_addr + 1, 7);
	}
	if (network->mask.s_addr != 0)
		return !is_taken(network);
	network->mask.s_addr = htonl(0xffffff00);
	for (uint32_t i = 64; i < 255; i++) {
		network->subnet.s_addr = htonl(0xc0a80000 | i << 8);
		if (!is_taken(network))
			return true;
	}
	return false;
}

vmnet_network_ref vmnet_network_create(vmnet_network_configuration_ref config,
				       vmnet_return_t *status)
{
	vmnet_network_ref network;
	int registry;

	object_check(config, OBJECT_VMNET_CONFIGURATION, "vmnet_network_create");
	if (!succeed("network_create", status))
		return NULL;
	network = object_new(sizeof(*network), OBJECT_VMNET_NETWORK, network_dispose);
	network->fd = -1;
	network->subnet = config->subnet;
	network->mask = config->mask;
	network->prefix = config->prefix;
	network->prefix_length = config->prefix_length;
	network->mtu = config->mtu;
	registry = lock_registry();
	if (choose_addresses(network)) {
		network_write(network, config->lines);
	} else {
		*status = VMNET_FAILURE;
		object_release(network);
		network = NULL;
	}
	close(registry);
	return network;
}

xpc_object_t vmnet_network_copy_serialization(vmnet_network_ref network, vmnet_return_t *status)
{
	xpc_object_t serialization;

	object_check(network, OBJECT_VMNET_NETWORK, "vmnet_network_copy_serialization");
	if (!succeed("copy_serialization", status))
		return NULL;
	serialization = xpc_dictionary_create(NULL, NULL, 0);
	xpc_dictionary_set_string(serialization, "path", network->path);
	return serialization;
}

static bool read_network(FILE *file, vmnet_network_ref network)
{
	char line[LINE_MAX_SIZE];
	char subnet[INET_ADDRSTRLEN] = "";
	char prefix[INET6_ADDRSTRLEN] = "";
	unsigned int length = 0;

	while (fgets(line, sizeof(line), file)) {
		(void)sscanf(line, "mtu %u", &network->mtu);
		(void)sscanf(line, "subnet %15[0-9.]/%u", subnet, &length);
		(void)sscanf(line, "prefix %45[0-9a-f:]/", prefix);
	}
	network->mask.s_addr = htonl(length > 0 ? UINT32_MAX << (32 - length) : 0);
	network->prefix_length = 64;
	return inet_pton(AF_INET, subnet, &network->subnet) == 1 &&
	       inet_pton(AF_INET6, prefix, &network->prefix) == 1;
}

vmnet_network_ref vmnet_network_create_with_serialization(xpc_object_t serialization,
							  vmnet_return_t *status)
{
	const char *path = xpc_dictionary_get_string(serialization, "path");
	vmnet_network_ref network;
	FILE *file;

	*status = VMNET_INVALID_ARGUMENT;
	if (!path)
		return NULL;
	*status = VMNET_FAILURE;
	file = fopen(path, "re");
	if (!file)
		return NULL;
	network = object_new(sizeof(*network), OBJECT_VMNET_NETWORK, network_dispose);
	network->fd = -1;
	/* It ends with the process that made it. */
	if (flock(fileno(file), LOCK_SH | LOCK_NB) < 0 && read_network(file, network)) {
		*status = VMNET_SUCCESS;
	} else {
		object_release(network);
		network = NULL;
	}
	(void)fclose(file);
	return network;
}

void vmnet_network_get_ipv4_subnet(vmnet_network_ref network, struct in_addr *subnet,
				   struct in_addr *mask)
{
	object_check(network, OBJECT_VMNET_NETWORK, "vmnet_network_get_ipv4_subnet");
	*subnet = network->subnet;
	*mask = network->mask;
}

void vmnet_network_get_ipv6_prefix(vmnet_network_ref network, struct in6_addr *prefix,
				   uint8_t *length)
{
	object_check(network, OBJECT_VMNET_NETWORK, "vmnet_network_get_ipv6_prefix");
	*prefix = network->prefix;
	*length = network->prefix_length;
}

/* Interfaces */

static void interface_dispose(struct object *object)
{
	(void)object;
}

interface_ref vmnet_interface_start_with_network(vmnet_network_ref network,
						 xpc_object_t interface_desc,
						 dispatch_queue_t queue,
						 vmnet_start_interface_completion_handler_t handler)
{
	xpc_object_t parameters;
	interface_ref interface;

	object_check(network, OBJECT_VMNET_NETWORK, "vmnet_interface_start_with_network");
	dictionary_check(interface_desc, "vmnet_interface_start_with_network");
	interface = object_new(sizeof(*interface), OBJECT_VMNET_INTERFACE, interface_dispose);
	parameters = xpc_dictionary_create(NULL, NULL, 0);
	xpc_dictionary_set_string(parameters, vmnet_mac_address_key, "52:54:00:00:00:01");
	xpc_dictionary_set_uint64(parameters, vmnet_mtu_key, network->mtu);
	xpc_dictionary_set_uint64(parameters, vmnet_max_packet_size_key, network->mtu + 14);
	dispatch_async(queue, ^{
		handler(VMNET_SUCCESS, parameters);
		xpc_release(parameters);
	});
	return interface;
}

vmnet_return_t vmnet_stop_interface(interface_ref interface, dispatch_queue_t queue,
				    vmnet_interface_completion_handler_t handler)
{
	object_check(interface, OBJECT_VMNET_INTERFACE, "vmnet_stop_interface");
	object_release(interface);
	dispatch_async(queue, ^{
		handler(VMNET_SUCCESS);
	});
	return VMNET_SUCCESS;
}
