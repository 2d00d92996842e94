/* SPDX-License-Identifier: Apache-2.0 */
/* The checks on Linux that are in files of their own. */
#ifndef VMNETCTL_LINUX_DOCTOR_H
#define VMNETCTL_LINUX_DOCTOR_H

#include <vmnet-broker.h>

/* Forwarding is on where the network, if it is active, needs it. */
void check_forwarding(const struct vmnet_broker_network *network);

/* The host itself has a way to the outside. */
void check_route(void);

/* The subnets that are configured are free, and one is for those that are not. */
void check_subnets(void);

/* Other programs' rules let machines' packets pass. */
void check_filters(void);

#endif
