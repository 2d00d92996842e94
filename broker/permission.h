/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may have a network, by the client's uid and groups: this is where a uid is judged. Whether
 * one may be told of a network is broker_may_know().
 */
#ifndef VMNET_BROKER_PERMISSION_H
#define VMNET_BROKER_PERMISSION_H

#include "broker.h"

/* Whether the client may acquire a network of this configuration. Returns 0, or -1 with error. */
int permission_check(const struct client *client, const struct network_config *config,
		     struct error *error);

#endif
