/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvmnet-broker: shared virtual machine networks, by name.
 *
 * A program connects to the broker, acquires a network, and holds it for as
 * long as the connection stays open or until it releases it. The broker makes
 * the network for the first holder and removes it after the last. No call
 * but vmnet_broker_reload() needs root.
 *
 *	struct vmnet_broker *broker = vmnet_broker_connect(&status);
 *
 *	status = vmnet_broker_acquire(broker, "default", NULL);
 *	status = vmnet_broker_attach(broker, "default", NULL, &attachment);
 *	... the machine runs, with attachment->tap_fds[0] ...
 *	vmnet_broker_attachment_free(attachment);
 *	vmnet_broker_close(broker);
 *
 * That is Linux; on macOS vmnet_broker_network_serialization() stands for the
 * attach. This file says, in this order:
 *
 *	results		what a call returns
 *	connection	to the broker: its beginning and end
 *	networks	to hold them, and to ask about them
 *	machines	what joins one to a network: of Linux, and of macOS
 *	events		what happens to networks, as it does
 *	configuration	to have it read again
 *	errors		in sentences for people
 *	memory		what frees that which a call returned
 *
 * Threads: the library keeps no global state. A connection is used by one
 * thread at a time; several threads each use one of their own.
 *
 * The library never prints, never exits and never raises SIGPIPE. Its
 * descriptors are closed on exec.
 *
 * A name is that of a network or one of its aliases, of 1 to 63 of a-z A-Z 0-9
 * . _ - that begin with a letter or digit. What a caller passes stays the
 * caller's, and is not needed after the call.
 *
 * Swift and Objective-C import it as the module VmnetBroker, by the module map
 * in the folder of that name beside this file.
 */
#ifndef VMNET_BROKER_H
#define VMNET_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __APPLE__
#include <xpc/xpc.h>
#endif

/*
 * What clang tells Objective-C and Swift beyond C; nothing to other compilers.
 * A pointer may be NULL where it says _Nullable, and nowhere else.
 */
#ifdef __clang__
#define VMNET_BROKER_SWIFT_NAME(name) __attribute__((swift_name(#name)))
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a name has none */
#define VMNET_BROKER_ENUM(name, type) __attribute__((enum_extensibility(open))) name : type
#define VMNET_BROKER_ENUM_TYPE(type) : type
#else
#pragma push_macro("_Nullable")
#pragma push_macro("_Nonnull")
#undef _Nullable
#undef _Nonnull
#define _Nullable
#define _Nonnull
#define VMNET_BROKER_SWIFT_NAME(name)
#define VMNET_BROKER_ENUM(name, type) name
#define VMNET_BROKER_ENUM_TYPE(type)
#endif

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpedantic"
#pragma clang assume_nonnull begin
#endif

/* Results */

/*
 * What a call returned. The numbers are also those of the macOS protocol. No
 * enumeration in Swift: programs there use these names, and rawValue.
 *
 * "Errors" of a call, below, are those of its own. Every call that asks the
 * broker may also return XPC_FAILURE, INVALID_REPLY, INTERNAL_ERROR or ENDED, and
 * on a connection that monitors INVALID_REQUEST. After an error there is nothing to
 * be freed: pointers that the call was to set are NULL.
 */
typedef enum VMNET_BROKER_ENUM_TYPE(unsigned int) {
	VMNET_BROKER_SUCCESS = 0,
	/* The broker could not be reached, or the connection has ended. */
	VMNET_BROKER_XPC_FAILURE = 1,
	/* The broker answered what the library does not understand. */
	VMNET_BROKER_INVALID_REPLY = 2,
	/* This user may not acquire the network (or may not reload). */
	VMNET_BROKER_NOT_ALLOWED = 3,
	/* A parameter is malformed, or the network is not held by this connection. */
	VMNET_BROKER_INVALID_REQUEST = 4,
	/* No network of this name is configured. */
	VMNET_BROKER_NOT_FOUND = 5,
	/* The system refused to make the network or the interface, or networks.json has errors. */
	VMNET_BROKER_CREATE_FAILURE = 6,
	/* The broker or the library failed (out of memory), or a limit was reached. */
	VMNET_BROKER_INTERNAL_ERROR = 7,
#ifdef __linux__
	/* Somebody has ended a network that this connection held, and with it the connection. */
	VMNET_BROKER_ENDED = 8,
#endif
} vmnet_broker_return_t;

/*
 * Strings and arrays in the structures below belong to the structure, and the
 * structure is the caller's: see "Memory", at the end. Later versions may add
 * members at their ends: only the library makes such structures, but for the
 * options of vmnet_broker_attach(), and one that has others has pointers to them.
 */

/* Connection */

/* A connection to the broker: holds are taken on one, and end with it. */
struct vmnet_broker;

/*
 * Connects to the broker. Where the broker is started on demand, this starts
 * it.
 *
 * status: gets VMNET_BROKER_SUCCESS, VMNET_BROKER_XPC_FAILURE (no broker, or no
 *	permission to reach it: errno says which) or
 *	VMNET_BROKER_INTERNAL_ERROR (out of memory). May be NULL.
 *
 * Returns the connection, for vmnet_broker_close(), or NULL.
 */
struct vmnet_broker *_Nullable vmnet_broker_connect(vmnet_broker_return_t *_Nullable status);

/*
 * Ends the connection, and with it every hold of it; so does the end of the
 * process. An interface that somebody has open stays. NULL is allowed.
 */
void vmnet_broker_close(struct vmnet_broker *_Nullable broker);

/*
 * Where the broker is looked for: on Linux the socket's path, which is what
 * VMNET_BROKER_SOCKET in the environment says, or /run/vmnet-broker/socket; on
 * macOS the Mach service's name. Never NULL; the environment's own string or
 * static.
 */
const char *vmnet_broker_address(void);

/* Networks */

/* How a network is connected. */
enum VMNET_BROKER_ENUM(vmnet_broker_mode, unsigned int) {
	/* To the outside, behind the host's address. */
	VMNET_BROKER_SHARED VMNET_BROKER_SWIFT_NAME(shared) = 0,
	/* To the host and each other only. */
	VMNET_BROKER_HOST VMNET_BROKER_SWIFT_NAME(host) = 1,
	/* To the physical network itself (Linux). */
	VMNET_BROKER_BRIDGED VMNET_BROKER_SWIFT_NAME(bridged) = 2,
};

/* A configured network. Members marked (active) are NULL while it is not active. */
struct vmnet_broker_network {
	char *name;
	char *_Nullable description; /* NULL: none */
	enum vmnet_broker_mode mode;
	bool active; /* exists in the operating system now */
	char *_Nullable ipv4_subnet; /* (active) CIDR, "192.168.64.0/24"; NULL too if it has none */
	char *_Nullable ipv4_gateway; /* (active) the host's own address on it, "192.168.64.1" */
	char *_Nullable ipv6_prefix; /* (active) CIDR; NULL too if it has none */
	char *_Nullable ipv6_gateway; /* (active) the host's own address on it; NULL on macOS */
	uint32_t mtu; /* bytes of payload in the largest frame */
	char *_Nullable bridge; /* (active) the host's device that joins the members; NULL on macOS */
	uint32_t clients; /* connections that hold it */
	uint32_t interfaces; /* machines' interfaces on it (Linux) */
	bool changed; /* the file has another version of it, for its next life, or none */
	bool removed; /* the file has none */
	char *_Nullable fault; /* (active) what is wrong with it now, a sentence; NULL: nothing */
	/*
	 * Its configuration as it was made, or will be made, with defaults: a JSON object, the
	 * protocol's NetworkConfiguration, which has the keys of networks.json in camelCase.
	 */
	char *_Nullable configuration; /* NULL: the broker is an older one (macOS) */
	char *_Nullable next_configuration; /* what the file has by now; NULL: the same, or none */
};

/*
 * Acquires a network: takes a hold on it. The first hold on it anywhere makes
 * it, and the call returns when it is usable. To acquire what this connection
 * holds already is no error and takes no second hold.
 *
 * name: the network's name or one of its aliases.
 * network: gets what it is, for vmnet_broker_network_free(); may be NULL.
 *
 * Errors: NOT_FOUND, NOT_ALLOWED, CREATE_FAILURE, INVALID_REQUEST (name is no
 * network name), INTERNAL_ERROR (a limit, too).
 */
vmnet_broker_return_t
vmnet_broker_acquire(struct vmnet_broker *broker, const char *name,
		     struct vmnet_broker_network *_Nullable *_Nullable network);

/*
 * Gives a hold back. The last one of all takes the network with it, unless an
 * interface on it is still open.
 *
 * name: the network's name or one of its aliases.
 *
 * Errors: INVALID_REQUEST (not held), and those of vmnet_broker_acquire().
 */
vmnet_broker_return_t vmnet_broker_release(struct vmnet_broker *broker, const char *name);

/*
 * All networks that this user may acquire, active or not, sorted by name.
 *
 * networks, n_networks: get an array of pointers and its length, for
 *	vmnet_broker_networks_free().
 *
 * Errors: none of its own.
 */
vmnet_broker_return_t
vmnet_broker_list(struct vmnet_broker *broker,
		  struct vmnet_broker_network *_Nonnull *_Nullable *_Nonnull networks,
		  size_t *n_networks);

/* A connection that holds a network. */
struct vmnet_broker_client {
	int64_t pid;
	int64_t uid;
	char *command;
};

/* Protocols whose ports are forwarded. */
enum VMNET_BROKER_ENUM(vmnet_broker_protocol, unsigned int) {
	VMNET_BROKER_TCP VMNET_BROKER_SWIFT_NAME(tcp) = 1,
	VMNET_BROKER_UDP VMNET_BROKER_SWIFT_NAME(udp) = 2,
	VMNET_BROKER_TCP_AND_UDP VMNET_BROKER_SWIFT_NAME(both) = 3,
};

#define VMNET_BROKER_ADDRESS_SIZE 46 /* of the text of an IP address, with its NUL */

/* Ports of the host that lead to a machine (Linux). */
struct vmnet_broker_port_forwarding {
	enum vmnet_broker_protocol protocol;
	/* Of the host; "": all of its; "::" in a request: all of its IPv6 ones. */
	char external_address[VMNET_BROKER_ADDRESS_SIZE];
	uint16_t external_port; /* the first one */
	/* Of the machine; "": what its interface has, of the external address's family, or IPv4. */
	char internal_address[VMNET_BROKER_ADDRESS_SIZE];
	uint16_t internal_port; /* the first one; 0: external_port */
	uint16_t count; /* how many in a row; 0: 1 */
};

/* How much may pass in the long run (Linux). */
struct vmnet_broker_rate_limit {
	uint64_t bits_per_second; /* 0: no limit */
	uint32_t burst_bytes; /* what may pass at once before; 0: the broker chooses */
};

/* One virtual machine's port on a network (Linux). */
struct vmnet_broker_interface {
	char *device; /* the host's name of it */
	char *_Nullable name; /* what the machine is called there; NULL: nothing was asked for */
	char *mac_address; /* what the machine's own device should use */
	/*
	 * Given to it by DHCP, and to nobody else: what it asked for, or, with a name or ports, the
	 * broker's choice; NULL: what DHCP chooses.
	 */
	char *_Nullable ipv4_address;
	char *_Nullable ipv6_address; /* the same by DHCPv6, but that a name alone gets none */
	struct vmnet_broker_port_forwarding *port_forwardings; /* those that it asked for */
	size_t n_port_forwardings;
	struct vmnet_broker_rate_limit rate_limit_in; /* to the machine */
	struct vmnet_broker_rate_limit rate_limit_out; /* from the machine */
	uint32_t mtu;
	bool vnet_header; /* packets carry a virtio-net header */
	int64_t uid; /* who attached it */
	int64_t attached; /* seconds since 1970-01-01 00:00:00 UTC; 0: not known */
};

/* An address given to a machine (Linux). */
struct vmnet_broker_lease {
	char *mac_address;
	char *address;
	char *_Nullable hostname; /* NULL: it gave none */
	int64_t expires; /* seconds since 1970-01-01 00:00:00 UTC; 0: never */
};

/* All about one network. */
struct vmnet_broker_inspection {
	struct vmnet_broker_network *network;
	struct vmnet_broker_client *_Nonnull *_Nonnull clients;
	size_t n_clients;
	struct vmnet_broker_interface *_Nonnull *_Nonnull interfaces;
	size_t n_interfaces;
	struct vmnet_broker_lease *_Nonnull *_Nonnull leases;
	size_t n_leases;
	/*
	 * Frames in which a machine posed as the network's DHCP server, router or
	 * gateway, in this life of the network; all were dropped. -1: not counted
	 * (inactive or bridged networks, and macOS).
	 */
	int64_t rogue_packets;
};

/*
 * All about one network: who holds it, its interfaces, its leases. It need not
 * be held.
 *
 * name: the network's name or one of its aliases.
 * inspection: gets it, for vmnet_broker_inspection_free().
 *
 * Errors: NOT_FOUND, NOT_ALLOWED, CREATE_FAILURE (networks.json has errors),
 * INVALID_REQUEST (name is no network name).
 */
vmnet_broker_return_t
vmnet_broker_inspect(struct vmnet_broker *broker, const char *name,
		     struct vmnet_broker_inspection *_Nullable *_Nonnull inspection);

/* Machines */

#ifdef __linux__

/*
 * What vmnet_broker_attach() is asked for. Zero is the default of every member but size. All of it
 * lives as long as the interface.
 */
struct vmnet_broker_attach_options {
	size_t size; /* sizeof(struct vmnet_broker_attach_options) */
	const char *_Nullable mac_address; /* "52:54:00:12:34:56"; NULL: the broker chooses */
	/* What the machine is to be called: a DNS label that no other machine there has. */
	const char *_Nullable name;
	/* Of the network, and free; NULL: DHCP's choice, or, with a name or ports, the broker's. */
	const char *_Nullable ipv4_address;
	/* The same; the broker chooses it for ports alone. */
	const char *_Nullable ipv6_address;
	const struct vmnet_broker_port_forwarding *_Nullable port_forwardings;
	size_t n_port_forwardings;
	struct vmnet_broker_rate_limit rate_limit_in; /* to the machine; 0: the configuration's */
	struct vmnet_broker_rate_limit rate_limit_out; /* from the machine; 0: the same */
	uint32_t queues; /* 1 to 16; 0: 1 */
	bool vhost; /* open /dev/vhost-net too, once per queue, where the host has it */
	/*
	 * A device that the caller's user can open by its name, for programs
	 * that take no descriptor. It goes when the hold does, and no
	 * descriptor comes with it.
	 */
	bool open_by_name;
};

/* An attached interface. It stays for as long as a descriptor of it is open. */
struct vmnet_broker_attachment {
	struct vmnet_broker_interface *interface;
	int *tap_fds; /* one per queue */
	size_t n_tap_fds; /* 0 with open_by_name */
	int *vhost_fds; /* one per queue, or none */
	size_t n_vhost_fds;
};

/*
 * Attaches one interface to a network that this connection holds.
 *
 * network: the network's name or one of its aliases.
 * options: NULL for the defaults.
 * attachment: gets it, for vmnet_broker_attachment_free(), which closes the
 *	descriptors that are still in it: set a descriptor in the array to -1 to keep
 *	it. They are closed on exec and blocking.
 *
 * A TAP descriptor reads and writes frames that start with a struct
 * virtio_net_hdr (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR); the holder sets the
 * header's size and the offloads with TUNSETVNETHDRSZ and TUNSETOFFLOAD
 * (<linux/if_tun.h>), which needs no privilege.
 *
 * Errors: INVALID_REQUEST (network not held, size not set, an option that is
 * malformed or cannot be had: vmnet_broker_error() says which, and what can),
 * CREATE_FAILURE, INTERNAL_ERROR (a limit, too), NOT_FOUND, NOT_ALLOWED.
 */
vmnet_broker_return_t
vmnet_broker_attach(struct vmnet_broker *broker, const char *network,
		    const struct vmnet_broker_attach_options *_Nullable options,
		    struct vmnet_broker_attachment *_Nullable *_Nonnull attachment);

/*
 * Opens what a machine sends and gets from now on, for reading. It need not be of this connection,
 * but of the same user; root may open anybody's.
 *
 * network: the network's name or one of its aliases.
 * device: the host's name of the machine's device, of a struct vmnet_broker_interface.
 * fd: gets a descriptor for the caller to close, which ends it. It is closed on exec and does not
 *	block.
 *
 * A read gives one frame, with a struct virtio_net_hdr of 10 bytes before it
 * (<linux/virtio_net.h>): frames come as the host passes them on, also longer ones than
 * a link takes, and a checksum that is left to others is where the header says. What the
 * machine has sent is from its MAC address. Frames for which a slow reader leaves no
 * room are lost. When the machine ends, reading fails with EBADFD.
 *
 * Errors: INVALID_REQUEST (no such machine), NOT_FOUND, NOT_ALLOWED, CREATE_FAILURE,
 * INTERNAL_ERROR (a limit, too).
 */
vmnet_broker_return_t vmnet_broker_capture(struct vmnet_broker *broker, const char *network,
					   const char *device, int *fd);

/*
 * Ends a network whoever uses it: the interfaces of its machines, and all holds with their
 * connections, on which the next call returns ENDED. A hold of this connection's own is released.
 * Returns when the network has gone, with SUCCESS also when there was none; who acquires it
 * meanwhile waits for its next life. Only for root, or when all that ends is the caller's own
 * user's.
 *
 * network: the network's name or one of its aliases.
 * device: NULL, or the host's name of a machine's device, which then ends alone.
 *
 * Errors: INVALID_REQUEST (no such machine), NOT_FOUND, NOT_ALLOWED.
 */
vmnet_broker_return_t vmnet_broker_end(struct vmnet_broker *broker, const char *network,
				       const char *_Nullable device);

/*
 * Whether the library finds the broker again by itself after it has gone
 * (crashed, say, or been upgraded where no service manager keeps connections).
 * Off at first. When it is on,
 *
 * - the next call waits up to ten seconds for a broker, acquires again what was
 *   acquired since this was switched on, and is then made anew; a broker that
 *   goes meanwhile is followed by the next, up to the fifth;
 * - vmnet_broker_next_event() does so in the time that it is given, and returns
 *   an event VMNET_BROKER_RECONNECTED: what happened meanwhile was missed.
 *
 * A network that cannot be acquired again fails the call, with the error of
 * vmnet_broker_acquire(); the next call tries everything once more. Interfaces
 * are not attached again: one that is open goes on, also without a hold; one
 * that is opened by name, and that no program has open, goes with the broker.
 */
void vmnet_broker_set_reconnect(struct vmnet_broker *broker, bool reconnect);

/* How many times the broker was found again, and everything acquired again. */
unsigned int vmnet_broker_reconnects(const struct vmnet_broker *broker);

/*
 * The connection's descriptor, for the caller's own event loop. It becomes
 * readable (POLLIN or POLLHUP) when the broker has gone, which ends the holds
 * of the connection, and after vmnet_broker_monitor() when an event has come.
 * Several events may come at once: take them with vmnet_broker_next_event() and
 * a timeout of 0 until there is none. The descriptor stays the library's: never
 * read, write or close it. After a reconnect it is another socket under the same
 * number.
 */
int vmnet_broker_fd(const struct vmnet_broker *broker);

#endif /* __linux__ */

#ifdef __APPLE__

/*
 * The serialization of a network that this connection holds, for
 * vmnet_network_create_with_serialization() (vmnet.framework, macOS 26.0; an
 * attachment of Virtualization takes what comes of it from macOS 26.2 on). A
 * broker that died meanwhile is found again, and what was held is acquired
 * again, by this and by every other call; a broker that goes in the midst of it
 * is followed by the next, up to the fifth. What was made of the serialization
 * before stays dead: a machine that loses its network is given this anew.
 *
 * network: the network's name or one of its aliases.
 * status: gets SUCCESS, INVALID_REQUEST (not held), or an error of
 *	vmnet_broker_acquire(). May be NULL.
 *
 * Returns an object that the caller releases (in Swift, and Objective-C with
 * automatic reference counting, the compiler does), or NULL.
 */
XPC_RETURNS_RETAINED
xpc_object_t _Nullable vmnet_broker_network_serialization(struct vmnet_broker *broker,
							  const char *network,
							  vmnet_broker_return_t *_Nullable status);

/*
 * Acquires a network for the rest of the process's life, in one call: the
 * connection stays open until the process ends. Whoever loses the network to a
 * broker that died calls again, which is a connection of its own.
 *
 * network_name: the network's name or one of its aliases.
 * status: gets SUCCESS or an error of vmnet_broker_acquire(). May be NULL.
 *
 * Returns the serialization, which the caller releases, or NULL.
 */
XPC_RETURNS_RETAINED
xpc_object_t _Nullable vmnet_broker_acquire_network(const char *network_name,
						    vmnet_broker_return_t *_Nullable status);

#endif /* __APPLE__ */

/* Events */

/* What can happen to a network. */
enum VMNET_BROKER_ENUM(vmnet_broker_event_type, int) {
	VMNET_BROKER_NETWORK_CREATED VMNET_BROKER_SWIFT_NAME(networkCreated) = 0,
	VMNET_BROKER_NETWORK_REMOVED VMNET_BROKER_SWIFT_NAME(networkRemoved) = 1,
	VMNET_BROKER_CLIENT_ACQUIRED VMNET_BROKER_SWIFT_NAME(clientAcquired) = 2,
	VMNET_BROKER_CLIENT_RELEASED VMNET_BROKER_SWIFT_NAME(clientReleased) = 3,
	VMNET_BROKER_INTERFACE_ATTACHED VMNET_BROKER_SWIFT_NAME(interfaceAttached) = 4,
	VMNET_BROKER_INTERFACE_DETACHED VMNET_BROKER_SWIFT_NAME(interfaceDetached) = 5,
	VMNET_BROKER_LEASE_ADDED VMNET_BROKER_SWIFT_NAME(leaseAdded) = 6,
	VMNET_BROKER_LEASE_REMOVED VMNET_BROKER_SWIFT_NAME(leaseRemoved) = 7,
	VMNET_BROKER_NETWORK_FAULTED VMNET_BROKER_SWIFT_NAME(networkFaulted) = 8,
	VMNET_BROKER_NETWORK_MENDED VMNET_BROKER_SWIFT_NAME(networkMended) = 9,
	/* Of no network, ""; see vmnet_broker_set_reconnect(). */
	VMNET_BROKER_RECONNECTED VMNET_BROKER_SWIFT_NAME(reconnected) = 10,
	/* Of a newer broker. */
	VMNET_BROKER_EVENT_UNKNOWN VMNET_BROKER_SWIFT_NAME(unknown) = -1,
};

/* What has happened, to which network. */
struct vmnet_broker_event {
	enum vmnet_broker_event_type type;
	char *network;
	struct vmnet_broker_interface *_Nullable interface; /* NULL unless the type is about one */
	struct vmnet_broker_client *_Nullable client; /* the same */
	struct vmnet_broker_lease *_Nullable lease; /* the same */
	char *_Nullable fault; /* of NETWORK_FAULTED: all that is wrong, a sentence */
};

/*
 * Turns the connection into one that receives events, and nothing else: every
 * other call on it fails with INVALID_REQUEST from then on, but
 * vmnet_broker_next_event() and vmnet_broker_close(). Holds that it has stay.
 * Nothing is missed that is asked for after this call has returned.
 *
 * Errors: none of its own; INTERNAL_ERROR when a limit is reached, too.
 */
vmnet_broker_return_t vmnet_broker_monitor(struct vmnet_broker *broker);

/*
 * Waits for the next event.
 *
 * timeout: milliseconds; 0 does not wait, -1 waits for as long as it takes.
 * event: gets the event, for vmnet_broker_event_free(), or NULL when none came
 *	in time or a signal came first (Linux; nothing interrupts the wait on macOS).
 *
 * Errors: INVALID_REQUEST (no vmnet_broker_monitor() before).
 */
vmnet_broker_return_t vmnet_broker_next_event(struct vmnet_broker *broker, int timeout,
					      struct vmnet_broker_event *_Nullable *_Nonnull event);

/* The protocol's name of a type, "network_created". Static; never NULL. */
const char *vmnet_broker_event_name(enum vmnet_broker_event_type type);

/* Configuration */

/*
 * Has the broker read its configuration again. Root only. Active networks keep
 * the configuration that they were made with.
 *
 * Errors: NOT_ALLOWED, CREATE_FAILURE (the file has errors, which
 * vmnet_broker_error() lists, and nothing has changed).
 */
vmnet_broker_return_t vmnet_broker_reload(struct vmnet_broker *broker);

/* Errors */

/*
 * A sentence for a status, without a full stop. Static; never NULL, also for a
 * number that is no status.
 */
const char *vmnet_broker_strerror(vmnet_broker_return_t status);

/*
 * What the last failed call on this connection has to say beyond its status,
 * one sentence without a full stop that names the network; "" if none failed.
 * Valid until the next call on the connection.
 */
const char *vmnet_broker_error(const struct vmnet_broker *broker);

/*
 * Memory
 *
 * Each of these frees what the call named before it has returned, with all that
 * is in it. NULL is allowed.
 */

/* vmnet_broker_acquire() */
void vmnet_broker_network_free(struct vmnet_broker_network *_Nullable network);

/* vmnet_broker_list(): the array, of n_networks, and the networks. */
void vmnet_broker_networks_free(struct vmnet_broker_network *_Nonnull *_Nullable networks,
				size_t n_networks);

/* vmnet_broker_inspect() */
void vmnet_broker_inspection_free(struct vmnet_broker_inspection *_Nullable inspection);

#ifdef __linux__
/* vmnet_broker_attach(): and closes the descriptors that are not -1. */
void vmnet_broker_attachment_free(struct vmnet_broker_attachment *_Nullable attachment);
#endif /* __linux__ */

/* vmnet_broker_next_event() */
void vmnet_broker_event_free(struct vmnet_broker_event *_Nullable event);

#ifdef __clang__
#pragma clang assume_nonnull end
#pragma clang diagnostic pop
#else
#pragma pop_macro("_Nullable")
#pragma pop_macro("_Nonnull")
#endif
#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* VMNET_BROKER_H */
