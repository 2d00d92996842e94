/* SPDX-License-Identifier: Apache-2.0 */
/* Which machine of a network is meant: what every subcommand that takes a MACHINE understands. */
#ifndef VMNET_VMNETCTL_LINUX_MACHINE_H
#define VMNET_VMNETCTL_LINUX_MACHINE_H

#include <sys/types.h>

#include "base/address.h"
#include "base/name.h"
#include "vmnetctl/vmnetctl.h"

#define MACHINE_NAME_SIZE 256
#define MACHINE_TEXT_SIZE (MACHINE_NAME_SIZE + 64)

/* One that is attached. */
struct machine {
	char device[INTERFACE_NAME_SIZE]; /* the host's */
	char name[MACHINE_NAME_SIZE]; /* "": it has none */
	struct mac_address mac;
	uid_t uid; /* whose it is */
};

/*
 * Looks for the interface of the machine that is meant: by the name that was asked for with it, its
 * MAC address or its device, and where there is none, by what a machine calls itself by DHCP.
 *
 * found: gets it, a part of inspection, or NULL when there is none.
 *
 * Returns DONE, or FAILED after complaining of several that fit.
 */
int machine_look(const struct vmnet_broker_inspection *inspection, const char *word,
		 const struct vmnet_broker_interface **found);

/* The same of a network's machines now. None is a failure too, and told with what there is. */
int find_machine(struct vmnet_broker *broker, const char *network, const char *word,
		 struct machine *machine);

/* Whether the text is this MAC address. */
bool machine_has_mac(const char *text, const struct mac_address *mac);

/* What the machine with this MAC address calls itself, a part of inspection; NULL: nothing. */
const char *machine_hostname(const struct vmnet_broker_inspection *inspection,
			     const struct mac_address *mac);

/* The machine of one of the network's interfaces. */
void machine_of(const struct vmnet_broker_inspection *inspection,
		const struct vmnet_broker_interface *interface, struct machine *machine);

/* "web (52:54:00:12:34:56, vmt0)", or without a name "52:54:00:12:34:56 (vmt0)". */
void machine_describe(const struct machine *machine, char text[MACHINE_TEXT_SIZE]);

#endif
