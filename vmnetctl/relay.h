/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input and output as the two ends of a connection. */
#ifndef VMNET_VMNETCTL_RELAY_H
#define VMNET_VMNETCTL_RELAY_H

/*
 * Passes on what comes in by either side until both have ended: the end of
 * standard input is told to the other side, which may go on. At a terminal the
 * other side's end is all.
 *
 * fd: a connected stream socket.
 *
 * Returns DONE, or FAILED after complaining.
 */
int relay(int fd);

#endif
