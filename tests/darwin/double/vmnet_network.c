/* SPDX-License-Identifier: Apache-2.0 */
/* vmnet's networks, as a process has them. What the Mac has of them: vmnet_registry.c. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmnet_double.h"

#define NETWORKS_MAX 255 /* of a process */

/* The subnets that the system chooses from, all of them /24 in 192.168.0.0/16. */
#define SHARED_FIRST 64
#define HOST_FIRST 128
#define ROOT_FIRST 2
#define CHOICES 64

/* The one value of a serialization. What the system calls it is nobody's business. */
#define SERIALIZATION_KEY "data"
#define SERIALIZATION_HEAD "double of vmnet:"

static atomic_uint networks_made;

static void network_dispose(struct object *object)
{
	vmnet_network_ref network = (vmnet_network_ref)object;
	int registry;

	if (network->fd < 0)
		return;
	registry = registry_lock();
	registry_release_network(network);
	registry_unlock(registry);
	atomic_fetch_sub(&networks_made, 1);
}

static vmnet_network_ref network_new(void)
{
	vmnet_network_ref network =
		object_new(sizeof(*network), OBJECT_VMNET_NETWORK, network_dispose);

	network->fd = -1;
	return network;
}

/* Addresses */

static bool is_private(struct in_addr address, uint32_t mask)
{
	static const struct {
		uint32_t address;
		uint32_t mask;
	} blocks[] = {
		{ 0x0a000000, 0xff000000 },
		{ 0xac100000, 0xfff00000 },
		{ 0xc0a80000, 0xffff0000 },
	};

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if ((ntohl(address.s_addr) & blocks[i].mask) == blocks[i].address &&
		    (mask & blocks[i].mask) == blocks[i].mask)
			return true;
	return false;
}

/* Whether the system makes a network with what was pinned, taken or not. */
static bool are_possible(const struct network_addresses *addresses)
{
	uint32_t mask = ntohl(addresses->mask.s_addr);
	int length = __builtin_popcount(mask);

	/* Others than /16 to /28 were not tried. */
	if (length > 0 && (length < 16 || length > 28 || !is_private(addresses->host, mask)))
		return false;
	return addresses->prefix_length == 0 || addresses->prefix.s6_addr[0] == 0xfd;
}

static uint32_t first_choice(vmnet_mode_t mode)
{
	if (access(world_path("creator-is-root"), F_OK) == 0)
		return ROOT_FIRST;
	return mode == VMNET_HOST_MODE ? HOST_FIRST : SHARED_FIRST;
}

/* Chooses what was left to the system. Returns whether the addresses can be had. */
static bool choose_addresses(vmnet_mode_t mode, struct network_addresses *addresses,
			     const char *taken)
{
	uint32_t first = first_choice(mode);

	if (addresses->prefix_length == 0) {
		addresses->prefix_length = 64;
		addresses->prefix.s6_addr[0] = 0xfd;
		arc4random_buf(addresses->prefix.s6_addr + 1, 7);
	}
	if (addresses->mask.s_addr != 0)
		return !taken_has(taken, addresses);
	addresses->mask.s_addr = htonl(0xffffff00);
	for (uint32_t i = first; i < first + CHOICES; i++) {
		addresses->host.s_addr = htonl(0xc0a80001 | i << 8);
		if (!taken_has(taken, addresses))
			return true;
	}
	return false;
}

/* Making */

static bool make(vmnet_network_ref network, vmnet_network_configuration_ref config)
{
	int registry = registry_lock();
	char *taken;
	bool made;

	registry_sweep();
	taken = registry_taken();
	made = choose_addresses(config->mode, &network->addresses, taken);
	if (made)
		registry_add_network(network, config->lines);
	registry_unlock(registry);
	free(taken);
	return made;
}

vmnet_network_ref vmnet_network_create(vmnet_network_configuration_ref config,
				       vmnet_return_t *status)
{
	vmnet_network_ref network;

	object_check(config, OBJECT_VMNET_CONFIGURATION, "vmnet_network_create");
	*status = told("network_create");
	if (*status == VMNET_SUCCESS && !is_entitled())
		*status = VMNET_MEM_FAILURE;
	if (*status != VMNET_SUCCESS)
		return NULL;
	*status = VMNET_FAILURE;
	if ((config->mode == VMNET_SHARED_MODE && config->nat44_disabled) ||
	    !are_possible(&config->addresses))
		return NULL;
	if (atomic_fetch_add(&networks_made, 1) >= NETWORKS_MAX) {
		atomic_fetch_sub(&networks_made, 1);
		return NULL;
	}
	network = network_new();
	network->addresses = config->addresses;
	network->mtu = config->mtu;
	if (!make(network, config)) {
		atomic_fetch_sub(&networks_made, 1);
		object_release(network);
		return NULL;
	}
	*status = VMNET_SUCCESS;
	return network;
}

/* Serializing */

xpc_object_t vmnet_network_copy_serialization(vmnet_network_ref network, vmnet_return_t *status)
{
	char bytes[sizeof(SERIALIZATION_HEAD) + NETWORK_ID_SIZE];
	xpc_object_t serialization;
	int length;

	object_check(network, OBJECT_VMNET_NETWORK, "vmnet_network_copy_serialization");
	*status = told("copy_serialization");
	if (*status != VMNET_SUCCESS)
		return NULL;
	length = snprintf(bytes, sizeof(bytes), "%s%s", SERIALIZATION_HEAD, network->id);
	serialization = xpc_dictionary_create(NULL, NULL, 0);
	xpc_dictionary_set_data(serialization, SERIALIZATION_KEY, bytes, (size_t)length);
	return serialization;
}

/* Returns whether it has the form of one; id: the network that it names. */
static bool read_serialization(xpc_object_t serialization, char *id)
{
	const size_t head = strlen(SERIALIZATION_HEAD);
	const char *bytes;
	size_t length;

	if (!serialization || xpc_get_type(serialization) != XPC_TYPE_DICTIONARY ||
	    xpc_dictionary_get_count(serialization) != 1)
		return false;
	bytes = xpc_dictionary_get_data(serialization, SERIALIZATION_KEY, &length);
	if (!bytes || length <= head || length - head >= NETWORK_ID_SIZE ||
	    memcmp(bytes, SERIALIZATION_HEAD, head) != 0 ||
	    memchr(bytes + head, '/', length - head))
		return false;
	memcpy(id, bytes + head, length - head);
	id[length - head] = '\0';
	return true;
}

vmnet_network_ref vmnet_network_create_with_serialization(xpc_object_t serialization,
							  vmnet_return_t *status)
{
	char id[NETWORK_ID_SIZE];
	vmnet_network_ref network;
	int registry;
	bool found;

	*status = told("create_with_serialization");
	if (*status != VMNET_SUCCESS)
		return NULL;
	*status = VMNET_INVALID_ARGUMENT;
	if (!read_serialization(serialization, id))
		return NULL;
	network = network_new();
	memcpy(network->id, id, sizeof(id));
	registry = registry_lock();
	found = registry_find_network(id, &network->addresses, &network->mtu);
	registry_unlock(registry);
	*status = found ? VMNET_SUCCESS : VMNET_FAILURE;
	if (found)
		return network;
	object_release(network);
	return NULL;
}

/* Asking */

void vmnet_network_get_ipv4_subnet(vmnet_network_ref network, struct in_addr *subnet,
				   struct in_addr *mask)
{
	object_check(network, OBJECT_VMNET_NETWORK, "vmnet_network_get_ipv4_subnet");
	*subnet = network->addresses.host;
	*mask = network->addresses.mask;
}

void vmnet_network_get_ipv6_prefix(vmnet_network_ref network, struct in6_addr *prefix,
				   uint8_t *length)
{
	object_check(network, OBJECT_VMNET_NETWORK, "vmnet_network_get_ipv6_prefix");
	*prefix = network->addresses.prefix;
	*length = network->addresses.prefix_length;
}
