/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How clients' connections go on with this broker that an earlier one left. Their networks are
 * adopted before (broker/linux/network/adopt.h).
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_RESTORE_H
#define VMNET_BROKER_LINUX_VARLINK_RESTORE_H

/*
 * Goes on with the connections that an earlier broker left: their holds are put
 * back on the networks that were adopted. One that cannot go on is ended.
 */
void connections_restore(void);

#endif
