/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links as ports of a network's bridge: a TAP joined so that its machine speaks for itself alone.
 * Above are attach.h (a new interface) and bridge.h (all of a bridge); below are ingress.h (its
 * filters) and host/link.h. No TCP or UDP port: those are host/ports.h's. On either worker's
 * thread, but for port_is_joined().
 *
 * Functions return 0 or a negative errno.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_PORT_H
#define VMNET_BROKER_LINUX_NETWORK_PORT_H

#include "config/config.h"
#include "host/link.h"

struct port_setup {
	int index; /* of the link */
	int bridge;
	struct mac_address mac; /* the host side's own */
	struct mac_address machine; /* of the machine's network device */
	struct mac_address gateway; /* of a bridge of ours */
	int checksums; /* the device of a bridge of ours, see ingress.h; 0: the bridge is the host's */
	int limiter; /* see limiter.h; for port.c alone */
	unsigned int mtu;
	unsigned int frames; /* for the machine, that each queue holds; 0: as many as it does */
	const char *alias;
	uint32_t group; /* of links: see firewall.h; 0 is the one of all others */
	bool isolated; /* exchanges nothing with other isolated ports */
	bool fixed; /* nobody but the machine is learned to be behind it */
	bool movable; /* a daemon may say that the machine is elsewhere: it is there then */
	bool completes_all; /* what it sends to other machines, too: see ingress.c */
	struct rate_limit rate_in; /* to the machine; of 0 bits: no limit */
	struct rate_limit rate_out;
};

/* Makes a link a port of a bridge and sets it up. */
int port_join(const struct port_setup *setup);

/*
 * What may be lost of a port that is joined: its limits, its filters, and its machine's place. Puts
 * it back.
 */
int port_keep_up(const struct port_setup *setup);

/* Whether a link is still as port_join() has made it, as far as packets go. */
bool port_is_joined(const struct link *link, const struct port_setup *setup);

#endif
