/* SPDX-License-Identifier: Apache-2.0 */
/* vmnet_broker_monitor() and its events, on a connection that serves nothing else from then on. */
#include "monitor.h"

#include <errno.h>

#include "decode.h"
#include "reconnect.h"

/*
 * Calls of a connection are served in order, and Monitor is not answered before
 * the first event. The reply to the call before it tells that it is next: what
 * anybody asks for after that is served later.
 */
vmnet_broker_return_t vmnet_broker_start_monitoring(struct vmnet_broker *broker)
{
	vmnet_broker_return_t status;
	json_t *reply;

	status = vmnet_broker_send_call(broker, SERVICE "GetInfo", json_object(), false, NULL);
	if (status == VMNET_BROKER_SUCCESS)
		status = vmnet_broker_send_call(broker, INTERFACE "Monitor", json_object(), true,
						NULL);
	if (status == VMNET_BROKER_SUCCESS)
		status = vmnet_broker_receive_reply(broker, NULL, &reply);
	if (status == VMNET_BROKER_SUCCESS)
		json_decref(reply);
	return status;
}

vmnet_broker_return_t vmnet_broker_monitor(struct vmnet_broker *broker)
{
	vmnet_broker_return_t status;
	unsigned int brokers = 1;

	if (broker->monitoring)
		return VMNET_BROKER_SUCCESS;
	status = vmnet_broker_start_monitoring(broker);
	while (vmnet_broker_find_another(broker, &status, &brokers))
		status = vmnet_broker_start_monitoring(broker);
	broker->monitoring = status == VMNET_BROKER_SUCCESS;
	return status;
}

vmnet_broker_return_t vmnet_broker_next_event(struct vmnet_broker *broker, int timeout,
					      struct vmnet_broker_event **event)
{
	const char *message;
	vmnet_broker_return_t status;
	size_t length;
	json_t *reply;
	int r;

	*event = NULL;
	if (!broker->monitoring) {
		vmnet_broker_set_error(&broker->error, "this connection does not monitor; call "
						       "vmnet_broker_monitor() first");
		return VMNET_BROKER_INVALID_REQUEST;
	}
	r = vmnet_broker_transport_receive(&broker->transport, timeout, &message, &length);
	if (r == -ETIMEDOUT || r == -EINTR)
		return VMNET_BROKER_SUCCESS;
	if (r < 0) {
		status = vmnet_broker_transport_failed(broker, r, NULL);
		return broker->lost && broker->reconnect
			       ? vmnet_broker_reconnect_monitor(broker, timeout, event)
			       : status;
	}
	status = vmnet_broker_take_reply(broker, message, length, NULL, &reply);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	status = vmnet_broker_decode_event(json_object_get(reply, "event"), event);
	json_decref(reply);
	return status == VMNET_BROKER_SUCCESS ? status
					      : vmnet_broker_failed(&broker->error, status, NULL);
}
