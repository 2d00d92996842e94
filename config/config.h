/* SPDX-License-Identifier: Apache-2.0 */
/*
 * networks.json as plain data. A struct network_config that exists is valid: every rule of the
 * format was checked when it was made. Which networks are active, and whether this host can
 * make them, is not known here.
 */
#ifndef VMNET_CONFIG_CONFIG_H
#define VMNET_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/name.h"

enum network_mode {
	NETWORK_SHARED,
	NETWORK_HOST,
	NETWORK_BRIDGED,
};

struct dhcp_reservation {
	struct mac_address mac;
	struct in_addr address;
	char *hostname; /* NULL: none */
};

/* What a port can be of; some are of both. */
#define FORWARD_TCP 1U
#define FORWARD_UDP 2U

union forwarding_address {
	struct in_addr ipv4;
	struct in6_addr ipv6;
};

/* One port, or several in a row that lead to as many. Ports are in host byte order. */
struct port_forwarding {
	unsigned int protocols; /* FORWARD_TCP, FORWARD_UDP or both */
	int family; /* AF_INET or AF_INET6: which of each address is meant */
	bool has_external_address; /* false: it is all of the host's */
	union forwarding_address external_address;
	union forwarding_address internal_address;
	uint16_t external_port; /* the first one */
	uint16_t internal_port; /* the first one */
	uint16_t n_ports;
};

#define PORT_FORWARDING_TEXT_SIZE 96

/* Reads a port's number, of digits alone, and goes on behind it. Returns it, or 0. */
unsigned int port_scan(const char **text);

/* At which addresses of the host whoever is not root may have ports forwarded. */
enum allowed_addresses {
	ALLOWED_ANY,
	ALLOWED_LOOPBACK,
	ALLOWED_NONE,
};

/* Which ports may lead to an interface because a client has asked for it. */
struct allow_port_forwarding {
	enum allowed_addresses addresses;
	unsigned int from_port;
};

/* How much may pass in the long run. */
#define RATE_MIN 1000U
#define RATE_MAX UINT64_C(1000000000000)
#define RATE_FRAME_MAX 65536U /* one that is to be cut into segments counts as one */
#define RATE_BURST_MIN RATE_FRAME_MAX
#define RATE_BURST_MAX 67108864U

struct rate_limit {
	uint64_t bits_per_second; /* 0: no limit */
	uint32_t burst_bytes; /* what may pass at once before; 0: see rate_limit_burst() */
};

/* Who tells a host of the machines of the others. */
enum vxlan_control {
	VXLAN_EVPN, /* the kernel is told by a routing daemon, such as FRR */
	VXLAN_STATIC, /* frames: those for everybody go to each host of the list */
};

#define VXLAN_PORT 4789 /* RFC 7348 */
#define VXLAN_PORT_MIN 1024 /* for those below the broker has no capability */
#define VXLAN_HOSTS_MAX 256

/* One of the hosts that a network is on. */
struct vxlan_host {
	char *name; /* a DNS label */
	union forwarding_address address; /* in the underlay, of the family of all */
	struct ipv4_subnet pool; /* what its DHCP server gives, but for the host's own address */
};

/* A network that is on several hosts. */
struct vxlan {
	unsigned int vni; /* 0: it is on one */
	enum vxlan_control control;
	uint16_t port; /* UDP, host byte order */
	int family; /* AF_INET or AF_INET6 */
	struct vxlan_host *hosts;
	size_t n_hosts;
};

/*
 * Who may acquire a network. restricted is false when the file has no "allow":
 * then everyone may. Names were looked up when the file was read; users_text
 * and groups_text keep them as written, for messages, in the same order.
 */
struct network_allow {
	bool restricted;
	uid_t *users;
	char **users_text;
	size_t n_users;
	gid_t *groups;
	char **groups_text;
	size_t n_groups;
};

struct network_config {
	unsigned int references; /* for network_config_ref() and _unref() alone */
	char *json; /* the network's object, compact, keys sorted: equal text is equal configuration */
	struct json_t *described; /* for network_config_describe() alone */
	char name[NETWORK_NAME_MAX + 1];
	char *description; /* NULL: none */
	enum network_mode mode;
	char **aliases;
	size_t n_aliases;
	struct ipv4_subnet subnet; /* length 0: the platform chooses */
	struct ipv6_prefix ipv6_prefix; /* length 0: the platform chooses */
	char *external_interface; /* NULL: by the routing table */
	unsigned int mtu; /* 0: what fits into the underlay of vxlan */
	bool nat44;
	bool nat66;
	bool dhcp;
	bool dns_proxy;
	bool router_advertisement;
	struct dhcp_reservation *dhcp_reservations;
	size_t n_dhcp_reservations;
	struct port_forwarding *port_forwardings;
	size_t n_port_forwardings;
	struct allow_port_forwarding allow_port_forwarding;
	struct rate_limit rate_limit_in; /* to each machine, where it asks for none */
	struct rate_limit rate_limit_out; /* from it */
	bool isolated;
	bool link_local; /* machines reach link-local addresses beyond their network */
	bool bypass_kill_switch; /* machines get out where rules close the host's own way out */
	struct network_allow allow;
	unsigned int max_interfaces;
	struct vxlan vxlan;
};

/* Owns its networks, sorted by name. */
struct config {
	struct network_config **networks;
	size_t n_networks;
	char *fault; /* why the file cannot be used, one sentence: then there is no network */
};

/*
 * What this system takes of what a configuration can ask for. Each platform
 * defines one (support_linux.c, support_darwin.c). A text is the error where it
 * cannot: it follows the network and the key; NULL: it can.
 */
struct config_support {
	unsigned int subnet_length_min;
	unsigned int subnet_length_max;
	const char *no_public_subnet; /* anything outside of RFC 1918 */
	const char *no_global_prefix; /* anything outside of fd00::/8 */
	const char *no_bridged; /* mode "bridged" */
	const char *no_unhidden; /* "nat44" false in mode "shared" */
	const char *no_hostname; /* of a reservation */
	const char *no_external_address; /* of a forwarded port */
	const char *no_allow_port_forwarding;
	const char *no_rate_limit;
	const char *no_isolated;
	const char *no_link_local;
	const char *no_bypass_kill_switch;
	const char *no_max_interfaces;
	const char *no_vxlan;
};

extern const struct config_support config_support;

/*
 * One mistake. line and column count from 1; both are 0 when the mistake is
 * the file's as a whole (its owner, say). message names network and key.
 */
struct config_error {
	size_t line;
	size_t column;
	char *message;
};

struct config_errors {
	struct config_error *items;
	size_t n_items;
	char *text; /* the file's, for the lines in config_errors_format(); NULL: not read */
	size_t text_length;
};

/*
 * Reads a configuration file.
 *
 * path: the file. One that does not exist is the default configuration:
 *	 networks "default" (shared, alias "shared") and "host".
 * trusted: refuse a file that is not owned by root, or that others can write
 *	 (the broker's own file; not one that a user only wants to have checked).
 * errors: gets every mistake, in the order of the file; to be cleared by
 *	 config_errors_clear() whatever is returned.
 *
 * Returns the configuration, which config_free() frees, or NULL with at least
 * one error.
 */
struct config *config_load(const char *path, bool trusted, struct config_errors *errors);

/* The same from a text of length bytes, which needs no terminator. */
struct config *config_parse(const char *text, size_t length, struct config_errors *errors);

void config_free(struct config *config);

/*
 * Looks up a user, or a group, in the system's database, which may take its time.
 * id: gets its number. Returns 0, or ENOENT or another errno.
 */
typedef int config_look_up_function(const char *name, bool group, uint32_t *id);
config_look_up_function config_look_up;

/* From now on the names in configurations are looked up by another function. */
void config_look_up_by(config_look_up_function *function);

/* The network of this name, or with this alias, or NULL. */
struct network_config *config_find(const struct config *config, const char *name);

/* The same without aliases. */
struct network_config *config_find_named(const struct config *config, const char *name);

/*
 * One network from the text that network_config.json holds, as kept by a
 * platform across a restart. Users and groups that have gone since are nobody
 * now, and no mistake. NULL when the text is damaged, or with errno ENOMEM.
 */
struct network_config *network_config_parse(const char *name, const char *json);
struct network_config *network_config_ref(struct network_config *config);
void network_config_unref(struct network_config *config); /* NULL is allowed */
bool network_config_has_name(const struct network_config *config, const char *name);

/* "shared", "host" or "bridged" */
const char *network_mode_name(enum network_mode mode);

/*
 * Whether there is a packet to the host that both would take.
 * shared: gets all that they share, without where it leads.
 */
bool port_forwarding_overlaps(const struct port_forwarding *one,
			      const struct port_forwarding *other, struct port_forwarding *shared);

/* The same of any of some and any of others. */
bool port_forwardings_share(const struct port_forwarding *some, size_t n_some,
			    const struct port_forwarding *others, size_t n_others,
			    struct port_forwarding *shared);

/* Whether the host alone gets there: at one of its loopback addresses. */
bool port_forwarding_is_private(const struct port_forwarding *forwarding);

/*
 * Why a port cannot be forwarded at this address, which follows it in a sentence, or NULL: what is
 * no address of one host for itself, on whatever link.
 */
const char *forwarding_address_explain(int family, const union forwarding_address *address);

/* "any", "loopback" or "none" */
const char *allowed_addresses_name(enum allowed_addresses addresses);

/* Writes what is forwarded, such as "tcp and udp ports 8000-8010 at 127.0.0.1". Returns text. */
const char *port_forwarding_format(const struct port_forwarding *forwarding,
				   char text[PORT_FORWARDING_TEXT_SIZE]);

/*
 * What a host has on a network that is on several, beside the gateway's addresses: the first
 * address of its pool, the same in the network's prefix, and the MAC address that is made of it.
 */
struct in_addr vxlan_host_ipv4(const struct vxlan_host *host);
struct in6_addr vxlan_host_ipv6(const struct network_config *config, const struct vxlan_host *host);

/* The MAC address of whoever of the hosts has this address: the same on all of them. */
struct mac_address vxlan_mac(struct in_addr address);

/* And the host's link-local address. */
struct in6_addr vxlan_link_local(struct in_addr address);

/* The host whose pool has this address, or NULL. */
const struct vxlan_host *vxlan_host_of(const struct vxlan *vxlan, struct in_addr address);

/* The host that has this one, a struct in_addr or in6_addr, on the network itself, or NULL. */
const struct vxlan_host *vxlan_host_at(const struct network_config *config, int family,
				       const void *address);

#define VXLAN_OWNER_SIZE (sizeof("host \"\"'s own") + DNS_LABEL_MAX)

/* Writes whose address that is, as vxlan_host_at() knows: text, or NULL. */
const char *vxlan_owner(const struct network_config *config, int family, const void *address,
			char text[VXLAN_OWNER_SIZE]);

/* Whether it is that of one of the hosts, or the gateway's, which is that of them all. */
bool vxlan_mac_is_hosts(const struct network_config *config, const struct mac_address *mac);

/* "evpn" or "static" */
const char *vxlan_control_name(enum vxlan_control control);

/* Whether a limit is one that can be kept; burst_bytes may be 0. */
bool rate_limit_is_valid(const struct rate_limit *rate);

/* Bytes that may pass at once: those given, or what passes in 50 ms, and no less than a frame. */
uint32_t rate_limit_burst(const struct rate_limit *rate);

/* Bytes of frames that wait until they may pass. */
uint32_t rate_limit_waiting(const struct rate_limit *rate);

/* Of the longest frames as many as these take of the kernel's memory at the most; 0: no limit. */
unsigned int rate_limit_frames(const struct rate_limit *rate);

/*
 * Writes the errors in the form of a compiler, FILE:LINE:COLUMN: MESSAGE, each
 * followed by its line of the file and a caret when with_source is set.
 * Returns a text that the caller frees, or NULL when memory is short.
 */
char *config_errors_format(const struct config_errors *errors, const char *path, bool with_source);

/*
 * What a broker has in place of the configuration with these errors: no network,
 * and a fault that names the first of them. NULL when memory is short, or was
 * when the file was read.
 */
struct config *config_unusable(const struct config_errors *errors, const char *path);
void config_errors_clear(struct config_errors *errors);

#endif
