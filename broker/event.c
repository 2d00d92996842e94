/* SPDX-License-Identifier: Apache-2.0 */
/* Events: the protocol's names of them, and their way to the platform. */
#include "broker.h"
#include "platform.h"

static const char *const event_names[] = {
	[EVENT_NETWORK_CREATED] = "network_created",
	[EVENT_NETWORK_REMOVED] = "network_removed",
	[EVENT_CLIENT_ACQUIRED] = "client_acquired",
	[EVENT_CLIENT_RELEASED] = "client_released",
	[EVENT_INTERFACE_ATTACHED] = "interface_attached",
	[EVENT_INTERFACE_DETACHED] = "interface_detached",
	[EVENT_LEASE_ADDED] = "lease_added",
	[EVENT_LEASE_REMOVED] = "lease_removed",
};

const char *event_type_name(enum event_type type)
{
	return event_names[type];
}

void broker_event(const struct event *event)
{
	platform_event(event);
}
