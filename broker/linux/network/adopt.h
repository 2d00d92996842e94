/* SPDX-License-Identifier: Apache-2.0 */
/* What an earlier broker left: taken over where it is used, removed where not. */
#ifndef VMNET_BROKER_ADOPT_H
#define VMNET_BROKER_ADOPT_H

#include "broker/broker.h"

/*
 * At the start, before the first client. What is to be removed or put right is
 * submitted to the worker, which must not have been given anything before.
 * Returns 0, or a negative errno after logging why.
 */
int adopt(struct broker *broker);

#endif
