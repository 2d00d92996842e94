/* SPDX-License-Identifier: Apache-2.0 */
/* A network's configuration, for people. */
#ifndef VMNET_VMNETCTL_CONFIGURATION_H
#define VMNET_VMNETCTL_CONFIGURATION_H

#include <stdio.h>

#include <vmnet-broker.h>

/*
 * Writes what is in force as a table of the file's keys, and beside each what the file has by now
 * where that is another. Nothing of a broker that does not tell. Returns DONE, or FAILED after
 * complaining.
 */
int configuration_write(const struct vmnet_broker_network *network, FILE *stream);

#endif
