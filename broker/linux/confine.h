/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters of system calls (seccomp): which may be made, for good. Which privileges there are
 * for those is privilege.h's.
 */
#ifndef VMNET_BROKER_LINUX_CONFINE_H
#define VMNET_BROKER_LINUX_CONFINE_H

/* Makes the filters, before the rest. Returns 0, or -1 after logging why. */
int confine_start(void);

/*
 * When everything is set up: from now on only the system calls that serving
 * takes. A call outside them ends the process, which logs the call's name.
 *
 * Returns 0, or -1 after logging why.
 */
int confine_broker(void);

/*
 * For the process that becomes dnsmasq: from now on it does only what that one
 * does, and writes to nothing but its lease file, which is there.
 *
 * Returns 0, or -1 with errno.
 */
int confine_dnsmasq(const char *leases);

#endif
