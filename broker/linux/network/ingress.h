/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to a machine's frames before any filter sees them: redirected, so that their
 * checksums are complete, or dropped, by filters of tc(8) on its TAP. Below port.h, whose ports
 * get them. On either worker's thread. Functions return 0 or a negative errno.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_INGRESS_H
#define VMNET_BROKER_LINUX_NETWORK_INGRESS_H

#include "host/netlink_socket.h"
#include "port.h"

/* What brings that which a kernel lacks (ENOENT). */
#define INGRESS_REMEDY \
	" (\"modprobe -a sch_ingress cls_bpf act_mirred sch_tbf ifb\" may bring what is missing)"

/*
 * Makes a device that completes the checksums of what is redirected to it, or puts right the one
 * that is there. -EEXIST when something else has its name.
 * index: gets the device's index.
 */
int ingress_make_device(const char *name, int *index);

/*
 * Makes the device that completes the checksums of frames for the host from the
 * ports of a bridge of ours, as ingress_make_device().
 */
int ingress_make_checksums(const char *bridge, int *index);

/* Returns its index, 0 when it is not there, or a negative errno. */
int ingress_find_checksums(const char *bridge);

/* A request of tc(8)'s, to which a kind's options are added. NULL when memory is short. */
struct tcmsg;
struct nl_msg *ingress_tc_message(int type, int flags, const struct tcmsg *header,
				  const char *kind);

/*
 * Adds what has a port's frames go the way that is right for its kind of bridge: three requests
 * at most. The kernel's -ENOENT: see above.
 */
void ingress_add_filters(struct netlink_requests *requests, const struct port_setup *setup);

/*
 * Has each frame that a port's machine sends, before anything becomes of it, and each that it is
 * to get, sent by another device as well. -EOPNOTSUPP: the port has no place for filters of both
 * ways, as an older broker made it.
 */
int ingress_mirror(int port, int device);

/* No more of that. device: 0 is all of them. */
void ingress_end_mirror(int port, int device);

/* Drops all that comes in by a link that is new. */
int ingress_refuse_all(int index);

#endif
