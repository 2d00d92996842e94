/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of vmnet's double share. What each of them stands on was
 * measured on Macs, by others: docs/macos.md.
 *
 *	vmnet_configuration.c  what a network is asked to be
 *	vmnet_registry.c       the networks and interfaces of the whole Mac
 *	vmnet_bridges.c        the runs of networks, and their bridges
 *	vmnet_network.c        networks: made, serialized, made of a serialization
 *	vmnet_interface.c      interfaces on them
 *
 * Nobody who has the registry locked may wait for the lock of double.h: one
 * who releases a network's last reference has that one, and waits for this.
 */
#ifndef TESTS_DARWIN_VMNET_DOUBLE_H
#define TESTS_DARWIN_VMNET_DOUBLE_H

#include <vmnet/vmnet.h>

#include "double.h"

#define NETWORK_ID_SIZE 64
#define MAC_TEXT_SIZE 18

struct network_addresses {
	struct in_addr host; /* the host's own; what is passed, and what is told */
	struct in_addr mask; /* zero: the system chooses */
	struct in6_addr prefix;
	uint8_t prefix_length; /* 0: the system chooses */
};

struct vmnet_network_configuration {
	struct object object;
	vmnet_mode_t mode;
	char *lines; /* as in the network's file, but for its addresses and MTU */
	struct network_addresses addresses;
	uint32_t mtu;
	bool nat44_disabled;
};

struct vmnet_network {
	struct object object;
	char id[NETWORK_ID_SIZE]; /* the name of its file */
	int fd; /* holds the lock of that; -1: it was made of a serialization */
	struct network_addresses addresses;
	uint32_t mtu;
};

/* An interface as the registry has it: a file, locked by the process whose it is. */
struct registry_interface {
	char id[NETWORK_ID_SIZE];
	int fd;
	char mac[MAC_TEXT_SIZE];
};

/* What tests have a call do: it waits, it takes its time, it fails with what this returns. */
vmnet_return_t told(const char *call);

/* Whether the program is signed with the entitlement. */
bool is_entitled(void);

int registry_lock(void); /* returns what to unlock with */
void registry_unlock(int registry);

/* All of these with the registry locked. */

/* All addresses that something has, be it left behind by one who was killed; for free(). */
char *registry_taken(void);
bool taken_has(const char *taken, const struct network_addresses *addresses);
void registry_add_network(vmnet_network_ref network, const char *lines);
/* Whether the network with this id exists; if so, with what addresses and MTU. */
bool registry_find_network(const char *id, struct network_addresses *addresses, uint32_t *mtu);
/* Its maker lets go of it. An interface that another process has on it keeps its addresses. */
void registry_release_network(vmnet_network_ref network);
bool registry_add_interface(const char *network_id, struct registry_interface *interface);
void registry_remove_interface(struct registry_interface *interface);
/* The host's address on the bridge of the network's run; false when it does not run. */
bool registry_bridge(const char *network_id, struct in_addr *host);
void registry_each_bridge(void (^visit)(const char *name, const char *network_id,
					const struct network_addresses *addresses));
/* What has ended with its process goes, and bridges come and go with their interfaces. */
void registry_sweep(void);

/* Whether what is on the interface reaches the Mac at this address: the bridge's own, no other. */
bool interface_reaches(interface_ref interface, struct in_addr address);

#endif
