/* SPDX-License-Identifier: Apache-2.0 */
/* How a client comes in: who it is and whether there is room for its user is looked at once. */
#ifndef VMNET_BROKER_LINUX_VARLINK_ADMISSION_H
#define VMNET_BROKER_LINUX_VARLINK_ADMISSION_H

/*
 * Serves a client on fd, which is taken over, and which stream_refuse_fds() knows. One that
 * cannot be served is told so.
 */
void connection_open(int fd);

#endif
