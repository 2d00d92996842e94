/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine on a network is not called, whoever asks for it. */
#ifndef VMNET_BASE_MACHINE_NAME_H
#define VMNET_BASE_MACHINE_NAME_H

#include <stdbool.h>
#include <stddef.h>

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

#endif
