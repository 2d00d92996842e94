/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine on a network is not called, whoever asks for it. */
#ifndef VMNET_BASE_MACHINE_NAME_H
#define VMNET_BASE_MACHINE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Names that programs look for by themselves: for a proxy (wpad), a tunnel
 * (isatap), their own host, and for what a cloud's machine is to run
 * (cloud-init's instance-data and data-server). Whoever had one could tell
 * other machines what to do. NULL ends them.
 */
extern const char *const sought_names[];

/* In letters of either case. */
bool machine_name_is_sought(const char *name);

/* Whether dnsmasq would take it for something else than a name. */
bool machine_name_is_dhcp_word(const char *name);

/*
 * Writes a name, of a machine or of a network, for dnsmasq: in small letters, which is the same
 * name. One with a capital it takes for one of IDNA, which has none like "Ab--c".
 */
void machine_name_write(FILE *file, const char *name);

#endif
