/* SPDX-License-Identifier: Apache-2.0 */
/* The lock that keeps a second broker out of a network namespace. */
#ifndef VMNET_HOST_INSTANCE_LOCK_H
#define VMNET_HOST_INSTANCE_LOCK_H

#define INSTANCE_LOCK_NAME "com.github.nirs.vmnet-broker"

/*
 * Claims the network namespace, until the process ends: whoever else worked in it would take this
 * one's networks for what a dead broker left.
 *
 * unknown: gets why it cannot be told whose the lock is, a static sentence, or
 *	NULL.
 *
 * Returns 0, -EBUSY when a broker has it, -EADDRINUSE when a program has it that
 * is none, or another negative errno.
 */
int instance_lock_claim(const char **unknown);

#endif
