/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a broker that is short of memory where nobody asked for anything, and nobody could
 * be told: in removal, in repair, at the kernel's events. Half of it would be done, and what is
 * left known to nobody; machines notice nothing of the end, and the next broker takes over what
 * they use, and removes the rest. A request that fails for memory is an error instead.
 */
#ifndef VMNET_BROKER_LINUX_SHORTAGE_H
#define VMNET_BROKER_LINUX_SHORTAGE_H

/* Says so, and ends the process at once, on whichever thread. */
__attribute__((noreturn)) void shortage_end(void);

/* result: 0 or a negative errno. Ends the process when it is -ENOMEM, or else returns it. */
int shortage_check(int result);

#endif
