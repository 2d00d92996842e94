/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The links of a network that is on several hosts, by rtnetlink: VXLANs, and veth pairs. What a
 * VXLAN knows of the other hosts is in fdb.h; above stands broker/linux/network/vxlan.h. On
 * network_worker.
 *
 * Functions return 0 or a negative errno.
 */
#ifndef VMNET_HOST_VXLAN_LINK_H
#define VMNET_HOST_VXLAN_LINK_H

#include "link.h"

/* What carries a frame: the headers of IPv4 or IPv6, UDP and VXLAN, and that of the frame. */
#define VXLAN_HEADERS_SIZE(family) (((family) == AF_INET ? 20U : 40U) + 8U + 8U + 14U)

/* What a VXLAN is. An IPv4 address is the first four bytes of one, in network byte order. */
struct vxlan_setup {
	unsigned int vni;
	int family;
	struct in6_addr local; /* this host's address in the underlay */
	uint16_t port; /* UDP, host byte order */
	bool learns; /* from frames, which host has whom */
};

/*
 * Makes one, which is down and makes no address for itself. -EEXIST: there is a link of this name,
 * or another VXLAN of this VNI and port; -EOPNOTSUPP: the kernel lacks them.
 * index: gets the link's index.
 */
int vxlan_link_create(const char *name, const struct vxlan_setup *setup, int *index);

/* Gives one that is there its local address and its learning: all that can be changed of it. */
int vxlan_link_change(int index, const struct vxlan_setup *setup);

/* What the kernel says of any link; setup is all zero unless it is a VXLAN. */
int vxlan_link_parse(const struct nlmsghdr *message, struct link *link, struct vxlan_setup *setup);

/* -ENODEV when there is none of this name. */
int vxlan_link_get(const char *name, struct link *link, struct vxlan_setup *setup);

/*
 * Makes a pair of links, both down, of which neither makes an address for itself. -EEXIST: one of
 * the names is taken.
 */
int veth_create(const char *name, const struct mac_address *mac, const char *peer);

#endif
