/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's links, by rtnetlink: looking for them, making bridges, changing and removing what
 * is there. TAPs are made elsewhere (broker/linux/network/tap.h), and what a link
 * is to a network is not known here: above this stand broker/linux/network/bridge.h and port.h.
 * On either worker's thread, as netlink_socket.h says; only link_parse() is free of that.
 *
 * Functions return 0 or a negative errno.
 */
#ifndef VMNET_HOST_LINK_H
#define VMNET_HOST_LINK_H

#include <linux/netlink.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/error.h"
#include "base/name.h"
#include "bridge_port.h"

#define LINK_KIND_SIZE 16
#define LINK_ALIAS_SIZE 256

struct ifinfomsg;
struct nl_msg;

struct link {
	int index;
	int master; /* the bridge it is a port of, or 0 */
	bool up;
	bool carrier; /* of a TAP: somebody has it open */
	bool persistent; /* a TAP that outlives its last descriptor */
	uid_t owner; /* of a TAP: who may open it by name; 0: root, or anybody */
	bool multi_queue; /* a TAP that may have several queues */
	unsigned int queues; /* of such a one: how many somebody has open */
	unsigned int frames; /* that each queue may hold */
	struct port_flags port; /* as a port of a bridge */
	int lower; /* what it is made upon; of a veth: the other end */
	uint32_t group;
	unsigned int mtu;
	struct mac_address mac;
	char name[INTERFACE_NAME_SIZE];
	char kind[LINK_KIND_SIZE]; /* "bridge", "tun"; "" for hardware */
	char alias[LINK_ALIAS_SIZE]; /* a longer one is cut */
};

/* A request about a link, for netlink_request(). NULL when memory is short. */
struct nl_msg *link_message(int type, int flags, const struct ifinfomsg *header);

/*
 * Has a link that exists make no IPv6 address for itself. A kernel without IPv6 refuses the whole
 * request with EAFNOSUPPORT, before it changes anything: asking is cheaper than finding out first.
 * Returns 0 or -ENOMEM.
 */
int link_put_no_own_ipv6(struct nl_msg *message);

/* What the kernel says of a link in an RTM_NEWLINK or RTM_DELLINK message. */
int link_parse(const struct nlmsghdr *message, struct link *link);

/* -ENODEV when there is none. */
int link_get(const char *name, struct link *link);

/* The same, for who reads more of the answer, as netlink_query() says. */
int link_query(const char *name, int (*each)(const struct nlmsghdr *, void *), void *userdata);

/* The index of the link with this name, or 0. Cheaper than all else. */
int link_index(const char *name);

/* name: gets that of the link with this index. Returns false when it has gone. As cheap. */
bool link_name(int index, char name[INTERFACE_NAME_SIZE]);

/* All links, in an array that the caller frees. */
int link_list(struct link **links, size_t *n_links);

/* All TAP devices, and where the kernel cannot tell these, all links. The caller frees them. */
int link_list_taps(struct link **links, size_t *n_links);

/*
 * Whether there is a link that is wanted; true also when that cannot be found out.
 * userdata: for is_wanted.
 */
bool link_may_exist(bool (*is_wanted)(const struct link *link, const void *userdata),
		    const void *userdata);

struct bridge_setup {
	const char *name;
	struct mac_address mac;
	unsigned int mtu;
	const char *alias;
};

/*
 * Makes a bridge that forwards from its first packet on and makes no address
 * for itself; it is still down. -EEXIST when a link has this name.
 * index: gets the link's index.
 */
int link_create_bridge(const struct bridge_setup *setup, int *index);

/* group: of links, that it is in before it is up; 0: whichever it is in. */
int link_set_up(int index, uint32_t group);
int link_set_down(int index);

int link_set_group(int index, uint32_t group);

/* What a link has to be before it is up. */
struct link_place {
	struct mac_address mac; /* all zero: whichever it has */
	unsigned int mtu;
	uint32_t group;
	int master; /* 0: none */
};

int link_set_place(int index, const struct link_place *place);

/* Keeps the kernel from giving a link an IPv6 address, and from speaking by it. */
int link_make_silent(int index);

int link_rename(int index, const char *name);
int link_delete(int index);

/*
 * Several at once, which takes the kernel half as long: it waits once for all readers, but for
 * what it waits for each bridge. Those that are to go join; first: the index of one of them.
 */
int link_join_leaving(int index, int first);
int link_delete_group(int first);

/*
 * Adds an address, usable at once; one that is there already is no error.
 * flags: 0, or IFA_F_NOPREFIXROUTE: the others with this prefix are not found by it.
 */
int link_add_ipv4(int index, struct in_addr address, unsigned int length, uint32_t flags);
int link_add_ipv6(int index, const struct in6_addr *address, unsigned int length, uint32_t flags);

/*
 * Or a machine on a bridge could make itself the host's IPv6 router. Returns 0, or
 * with error (ERROR_CREATE_FAILED) a negative errno.
 */
int link_refuse_router_advertisements(const char *name, struct error *error);

/*
 * Has what machines on a bridge announce by ARP in the list of neighbours, in which without that
 * are those alone who have talked with the host; addresses of the bridge's subnets alone, or the
 * list, which is the whole host's, could be filled. Where it cannot be so, it is not.
 */
void link_hear_announcements(const char *name);

/*
 * Lets machines on a bridge answer what came from the host's loopback, and was
 * given another address on its way. All these settings go with the link.
 * Returns as link_refuse_router_advertisements() does.
 */
int link_route_loopback(const char *name, struct error *error);
int link_route_ipv6_loopback(int index);

/* Undoes it. What is not there is no error. */
void link_unroute_loopback(const char *name);
int link_unroute_ipv6_loopback(int index);

/* Of a bridge's own message of a port (AF_BRIDGE). Returns false when there is nothing of it. */
bool link_parse_port(const struct nlmsghdr *message, struct port_flags *flags);

/* The host has IPv6, and new links get it. */
bool link_ipv6_is_available(void);

#endif
