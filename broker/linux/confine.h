/* SPDX-License-Identifier: Apache-2.0 */
/* Which system calls may be made. */
#ifndef VMNET_BROKER_CONFINE_H
#define VMNET_BROKER_CONFINE_H

/* Before the rest. Returns 0, or -1 after logging why. */
int confine_start(void);

/*
 * When everything is set up: from now on only the system calls that serving
 * takes. A call outside them ends the process, which logs the call's name.
 *
 * Returns 0, or -1 after logging why.
 */
int confine_broker(void);

/*
 * Calls function on a thread of its own, and waits for it. What that starts may
 * do less than the broker, for good, as dnsmasq does: it cannot change packet
 * filters, open TAP devices, or see packets that are not for it.
 *
 * Returns what function returned: 0 or an errno; or the errno why it was not called.
 */
int confine_call(int (*function)(void *argument), void *argument);

#endif
