/* SPDX-License-Identifier: Apache-2.0 */
/* The names of events, as both systems' protocols have them. */
#include "broker.h"

static const char *const event_names[] = {
	[EVENT_NETWORK_CREATED] = "network_created",
	[EVENT_NETWORK_REMOVED] = "network_removed",
	[EVENT_CLIENT_ACQUIRED] = "client_acquired",
	[EVENT_CLIENT_RELEASED] = "client_released",
	[EVENT_INTERFACE_ATTACHED] = "interface_attached",
	[EVENT_INTERFACE_DETACHED] = "interface_detached",
	[EVENT_LEASE_ADDED] = "lease_added",
	[EVENT_LEASE_REMOVED] = "lease_removed",
	[EVENT_NETWORK_FAULTED] = "network_faulted",
	[EVENT_NETWORK_MENDED] = "network_mended",
};

const char *event_type_name(enum event_type type)
{
	return event_names[type];
}
