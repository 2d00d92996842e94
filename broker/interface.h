/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy of interfaces, the devices that join machines to a network: who may have one, and
 * for how long. The devices themselves are made below, in broker/linux/network/attach.c; only
 * systems where the broker makes them have any of this (Linux): elsewhere machines join a
 * network by themselves.
 */
#ifndef VMNET_BROKER_INTERFACE_H
#define VMNET_BROKER_INTERFACE_H

#include "broker.h"

#define INTERFACE_QUEUES_MAX 16
#define MACHINE_NAME_MAX 63 /* a DNS label */

struct interface_fds;

enum interface_state {
	INTERFACE_ATTACHING, /* the platform is at it, and the client waits */
	INTERFACE_ATTACHED,
	INTERFACE_DETACHING, /* the platform was asked to remove it */
};

/* What is asked for with an interface, and lives as long as it. */
struct interface_options {
	char name[MACHINE_NAME_MAX + 1]; /* "": none */
	bool has_ipv4;
	bool is_ipv4_chosen; /* by the broker: its machine may bring another one from another host */
	bool has_ipv6;
	struct in_addr ipv4;
	struct in6_addr ipv6;
	struct port_forwarding
		*port_forwardings; /* internal_address all zero: the interface's own */
	size_t n_port_forwardings;
	struct rate_limit rate_in; /* to the machine */
	struct rate_limit rate_out;
};

/* What a client asked for, checked for form by the front end. */
struct attach_request {
	const char *network;
	const struct mac_address *mac; /* NULL: one is made, of the name if there is one */
	unsigned int queues;
	bool vhost;
	bool by_name; /* it is opened by its device's name, and no descriptor is passed */
	/* The array in it is taken over, and is NULL then. NULL: none. */
	struct interface_options *options;
};

struct interface {
	struct interface *next;
	struct network *network;
	struct client *client; /* who attached it; NULL once it has let go of the network */
	enum interface_state state;
	char name[INTERFACE_NAME_SIZE]; /* set by the platform */
	struct mac_address mac;
	bool is_new_mac; /* made up for it: no machine has had it before */
	bool may_have_former; /* leases of its machine's, of before it was attached */
	unsigned int queues; /* it has no more of them */
	unsigned int frames; /* that each of them may hold */
	bool vhost;
	bool by_name; /* opened so, and goes with the hold */
	struct interface_options options;
	uint64_t number; /* higher than that of every one before it */
	int64_t attached; /* microseconds since the epoch */
	uid_t owner; /* who may open it by name */
	struct usage *usage; /* its account's (user_limits.h) */
	bool has_ports; /* those of its options lead to it: set by the platform */
	void *platform;
};

/*
 * Attaches an interface. The answer is one call of platform_attached(), from
 * within this call or later, under the same rule as broker_acquire().
 */
void broker_attach(struct client *client, const struct attach_request *request);

/* Called by the platform, never from within its own functions. */

/* The answer to platform_interface_attach(): error is NULL, or the interface is freed. */
void broker_interface_attached(struct interface *interface, struct interface_fds *fds,
			       const struct error *error);

/* The device is gone, by itself or because of platform_interface_detach(); interface is freed. */
void broker_interface_detached(struct interface *interface);

/* Whether anything was asked for. */
bool interface_options_are_given(const struct interface_options *options);

/*
 * The attached one whose device has this name, of a network that the client may know of. NULL with
 * error.
 */
struct interface *broker_interface_find(const struct client *client, const char *network,
					const char *device, struct error *error);

/* Whether one of them has this address and is not about to go. */
bool interfaces_have_mac(const struct network *network, const struct mac_address *mac);

#define INTERFACE_WHO_SIZE 256

/* Writes who it is: `machine "web" of network "lab" (device vmt0, user 1000)`. Returns text. */
const char *interface_describe(const struct interface *interface, char text[INTERFACE_WHO_SIZE]);

/* What an interface is made with, or was by an earlier broker. */
struct interface_made {
	const char *name; /* of one that is there */
	struct mac_address mac;
	uid_t owner;
	unsigned int queues;
	unsigned int frames;
	struct interface_options *options; /* NULL: none; its array is taken over, and NULL then */
	int64_t attached;
};

/*
 * One that an earlier broker left on an adopted network. It counts to what its
 * owner may have. Returns it, or NULL when memory is short.
 */
struct interface *broker_interface_adopt(struct network *network,
					 const struct interface_made *made);

/*
 * An interface of an adopted network that this client attached, to be opened by
 * its name, and whose hold there was adopted, too: it goes with that hold as
 * before. Does nothing when it is not there any more.
 */
void broker_interface_claim(const struct network *network, const struct mac_address *mac,
			    struct client *client);

/*
 * A client has let go of a network: its interfaces there that are opened by name go. For
 * platform_hold_ended().
 */
void broker_interfaces_release(struct client *client, struct network *network);

#endif
