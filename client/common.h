/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both systems' libraries share beyond the public header. In a static library these names are
 * its users' too, hence the prefix.
 */
#ifndef VMNET_CLIENT_COMMON_H
#define VMNET_CLIENT_COMMON_H

#include "base/name.h"
#include "vmnet-broker.h"

/* For what is in other structures. NULL is allowed. */
void vmnet_broker_interface_free(struct vmnet_broker_interface *interface);
void vmnet_broker_client_free(struct vmnet_broker_client *client);
void vmnet_broker_lease_free(struct vmnet_broker_lease *lease);

/* The type with this name of the protocol, or VMNET_BROKER_EVENT_UNKNOWN. */
enum vmnet_broker_event_type vmnet_broker_event_type(const char *name);

/* Whether it is a network's name; *error gets a sentence if it is none. */
bool vmnet_broker_check_name(char **error, const char *name);

/*
 * The library's own sentence for a status, about a network or, with NULL, about
 * none. Returns the status.
 */
vmnet_broker_return_t vmnet_broker_failed(char **error, vmnet_broker_return_t status,
					  const char *network);

/* The broker's own reason, which the network's name is put before if it has none. */
void vmnet_broker_set_reason(char **error, const char *reason, const char *network);

/* Replaces *error, which is allocated or NULL, by a sentence; by NULL when memory is short. */
void vmnet_broker_set_error(char **error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
