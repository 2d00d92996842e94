/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy: which networks exist, who holds them, and for how long. It makes no system call.
 * Front ends (the Varlink service of broker/linux/varlink/, the XPC listener of
 * broker/darwin/xpc.c) call in with what clients ask; the platform calls in with what has
 * happened; both are called back through platform.h. All of the policy runs on one thread.
 *
 * Ownership goes one way: the broker owns its networks and clients, a network
 * owns its interfaces and leases, a client owns its holds.
 */
#ifndef VMNET_BROKER_BROKER_H
#define VMNET_BROKER_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/address.h"
#include "base/error.h"
#include "base/name.h"
#include "config/config.h"

#define COMMAND_MAX 63
#define HOSTNAME_TEXT_MAX 255

/* What the kernel says of the process at the other end of a connection. */
struct credentials {
	pid_t pid;
	uid_t uid;
	gid_t *groups; /* the primary group and the supplementary ones; owned */
	size_t n_groups;
	char command[COMMAND_MAX + 1];
};

/*
 * What a network has in the operating system while it is active, for clients
 * to be told. The platform fills it.
 */
struct network_addresses {
	struct ipv4_subnet ipv4_subnet; /* length 0: none (bridged) */
	struct in_addr ipv4_gateway; /* the host's own address */
	struct ipv6_prefix ipv6_prefix; /* length 0: none */
	struct in6_addr ipv6_gateway; /* the same; all zero where the system names none */
	char bridge[INTERFACE_NAME_SIZE]; /* "" where the system names none */
	struct mac_address bridge_mac; /* all zero where the system names none */
	unsigned int mtu;
	/* Of a network that is on several hosts: */
	unsigned int vxlan_host; /* which of the configuration's is this one, from 1; 0: no such */
	struct in_addr own_ipv4; /* this host's alone, as the gateway's addresses are everyone's */
	struct in6_addr own_ipv6;
	struct mac_address own_mac;
};

/* Which of the hosts that a network is on is this one; NULL: the network is on one. */
static inline const struct vxlan_host *network_host(const struct network_config *config,
						    const struct network_addresses *addresses)
{
	return addresses->vxlan_host ? &config->vxlan.hosts[addresses->vxlan_host - 1] : NULL;
}

/* Another of them, whose DHCP server gives this address, or NULL. */
static inline const struct vxlan_host *network_other_host(const struct network_config *config,
							  const struct network_addresses *addresses,
							  struct in_addr address)
{
	const struct vxlan_host *host = vxlan_host_of(&config->vxlan, address);

	return host == network_host(config, addresses) ? NULL : host;
}

/*
 * What this host's DHCP server gives addresses of: its pool of a network that is on several hosts,
 * else all of the subnet. Of either, the first two and the last are nobody's.
 */
static inline const struct ipv4_subnet *network_pool(const struct network_config *config,
						     const struct network_addresses *addresses)
{
	const struct vxlan_host *host = network_host(config, addresses);

	return host ? &host->pool : &addresses->ipv4_subnet;
}

enum network_state {
	NETWORK_CREATING, /* the platform is at it; holds wait for their reply */
	NETWORK_ACTIVE,
	NETWORK_REMOVING, /* the platform is at it; holds wait for the next life */
};

struct lease {
	struct lease *next;
	struct mac_address mac;
	char address[INET6_ADDRSTRLEN];
	char hostname[HOSTNAME_TEXT_MAX + 1]; /* "": none */
	time_t expires; /* 0: never */
};

struct hold {
	struct hold *next; /* of the client */
	struct hold *next_on_network;
	struct client *client;
	struct network *network;
	uint64_t number; /* higher than that of every one before it */
	bool waiting; /* the client has not been answered yet */
	bool kept; /* the platform's: it is written down for another broker */
};

/* What can be wrong with an active network at a time, the most important first. */
enum fault_kind {
	FAULT_NETWORK, /* what it is made of: its device, addresses, rules */
	FAULT_SERVERS, /* who gives its machines addresses and names */
	FAULT_ROUTING, /* how its packets are led, and the one interface that they leave by */
	FAULT_HOSTS, /* the other hosts that it is on: none of them is known */
	FAULT_RECORDS, /* what is written down of it, for its next life or the next broker */
};

#define N_FAULTS 5

struct network {
	struct network *next;
	struct broker *broker;
	struct network_config *config; /* counted; what it was created with */
	enum network_state state;
	bool ending; /* somebody has ended it: who comes meanwhile waits for its next life */
	struct network_addresses addresses; /* set while active */
	struct hold *holds;
	struct interface *interfaces;
	struct lease *leases;
	char *faults[N_FAULTS]; /* one sentence each; NULL: nothing */
	char *fault; /* all of them, for clients; NULL: none */
	uid_t user; /* who was the last to have it made or removed: what is logged of it is his */
	void *platform; /* the platform's own, from create to removed */
};

struct usage;

struct client {
	struct client *next;
	struct broker *broker;
	struct credentials credentials;
	struct usage *usage; /* its account's (user_limits.h) */
	struct hold *holds;
	bool monitoring;
	void *connection; /* the front end's own: its connection */
};

struct broker {
	struct config *config;
	char *config_path;
	struct network *networks; /* those not inactive */
	struct client *clients;
	uint64_t last_number; /* of a hold or an interface */
	struct capture *captures; /* of capture.h */
};

/* A configured network, active or not, as clients are told of it. */
struct network_info {
	struct network_config *config;
	const struct network *network; /* NULL unless active */
	struct network_config *next; /* what the file has for it by now; NULL: the same */
	bool removed; /* the file has nothing for it any more */
	size_t n_clients;
	size_t n_interfaces;
};

enum event_type {
	EVENT_NETWORK_CREATED,
	EVENT_NETWORK_REMOVED,
	EVENT_CLIENT_ACQUIRED,
	EVENT_CLIENT_RELEASED,
	EVENT_INTERFACE_ATTACHED,
	EVENT_INTERFACE_DETACHED,
	EVENT_LEASE_ADDED,
	EVENT_LEASE_REMOVED,
	EVENT_NETWORK_FAULTED,
	EVENT_NETWORK_MENDED,
};

/* network is always set, one of the others where the type says so. */
struct event {
	enum event_type type;
	const struct network *network;
	const struct client *client;
	const struct interface *interface;
	const struct lease *lease;
	const char *fault; /* all that is wrong, a sentence */
};

/* "network_created" and so on: the protocol's names. */
const char *event_type_name(enum event_type type);

/*
 * The broker takes config; config_path is where broker_reload() reads the next
 * one. NULL when memory is short: config is the caller's still.
 */
struct broker *broker_new(struct config *config, const char *config_path);

/*
 * Frees the broker with all its records; asks nothing of the platform. For the
 * end of the process: what lives in the operating system stays.
 */
void broker_free(struct broker *broker);

/* Called by front ends. */

/*
 * A client has connected.
 * credentials: taken over, emptied, on success.
 * connection: what platform_* replies are called with: client->connection.
 * Returns the client, to be ended by broker_client_gone(), or NULL when memory
 * is short.
 */
struct client *broker_client_new(struct broker *broker, struct credentials *credentials,
				 void *connection);

/*
 * The connection is about to end: so do so many of its holds, at most. Any time.
 * Returns whether it has none any more.
 */
bool broker_client_end(struct client *client, unsigned int max);

/* The connection has ended: so do all its holds, and client is freed. Any time. */
void broker_client_gone(struct client *client);

/*
 * Takes a hold. The answer is one call of platform_acquired(), from within
 * this call or later; until then the front end passes on no other request of this
 * client, but may call broker_client_gone().
 */
void broker_acquire(struct client *client, const char *name);

/* Gives a hold back. Returns 0, or -1 with error. */
int broker_release(struct client *client, const char *name, struct error *error);

/*
 * The networks that the client may acquire, sorted by name.
 * infos: gets an array that the caller frees; what it points to is valid until
 *	  the next call into the broker.
 */
int broker_list(struct client *client, struct network_info **infos, size_t *n_infos,
		struct error *error);

/* One network; info->network has holds, interfaces and leases while active. */
int broker_inspect(struct client *client, const char *name, struct network_info *info,
		   struct error *error);

/* What an active network is, for the client that has just acquired it. */
void broker_describe(const struct network *network, struct network_info *info);

/* From now on the client monitors. */
void broker_monitor(struct client *client);

/* Reads the configuration again for a client (root only), or for the administrator. */
int broker_reload_for(struct client *client, struct error *error);
int broker_reload(struct broker *broker, struct error *error);

/* Called by the platform. */

/*
 * The answers to platform_network_create() and platform_network_remove(), never
 * from within them. error is NULL when the network is usable, and the network
 * is freed when it is not. A removed network may be asked for again at once.
 */
void broker_network_created(struct network *network, const struct error *error);
void broker_network_removed(struct network *network);

/*
 * All leases of a network, as they are now, in the order of lease_compare(): machines can have
 * tens of thousands. The broker finds what changed. Takes the list.
 */
void broker_leases_changed(struct network *network, struct lease *leases);
/* The machine of this address has begun anew: it has none of them any more. */
void broker_leases_forget(struct network *network, const struct mac_address *mac);
int lease_compare(const struct lease *a, const struct lease *b);
void leases_free(struct lease *leases);

/* What of this kind is wrong with an active network, or NULL when nothing is. Logged once. */
void broker_network_fault(struct network *network, enum fault_kind kind, const char *fault);

/*
 * A network that an earlier broker left: active, and without a hold. The
 * config is taken over (the reference, too). NULL when memory is short.
 */
struct network *broker_network_adopt(struct broker *broker, struct network_config *config,
				     const struct network_addresses *addresses, void *platform);

/*
 * A hold that an earlier broker granted, of a client whose connection has
 * outlived it, on an adopted network. Returns 0, or -1 when memory is short.
 */
int broker_hold_adopt(struct client *client, struct network *network);

/* Removes the network if it has neither hold nor interface. Frees nothing at once. */
void broker_network_check(struct network *network);

/* Nothing is held, nobody is connected, no network exists. */
bool broker_is_idle(const struct broker *broker);

/* Whether a client may know of what happens to a network of this configuration. */
bool broker_may_know(const struct client *client, const struct network_config *config);

/* For the other parts of the policy: tells the platform if broker_is_idle() by now. */
void broker_tell_if_idle(const struct broker *broker);

#endif
