/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ports of bridges do. Whom the kernel knows to be behind one is in fdb.h, and links
 * themselves are link.h's.
 */
#ifndef VMNET_HOST_BRIDGE_PORT_H
#define VMNET_HOST_BRIDGE_PORT_H

#include <netlink/msg.h>
#include <stdbool.h>

struct port_flags {
	bool isolated; /* exchanges nothing with other isolated ports */
	bool learning; /* who is behind it, from frames */
	bool locked; /* takes frames from those alone that are known to be behind it */
	bool neigh_suppress; /* the bridge answers for whom it knows, and asks nobody behind it */
};

/* A request for netlink_request(), only for a link that is a port. NULL when memory is short. */
struct nl_msg *port_flags_message(int index, const struct port_flags *flags);

/* The port's part of a message about a link: IFLA_PROTINFO or IFLA_INFO_SLAVE_DATA. */
void port_flags_parse(struct nlattr *port, struct port_flags *flags);

#endif
