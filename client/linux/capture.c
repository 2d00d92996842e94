/* SPDX-License-Identifier: Apache-2.0 */
/* vmnet_broker_capture() and vmnet_broker_end(): what is done to a machine whoever attached it. */
#include <string.h>

#include "reconnect.h"

/* As the kernel has the names of devices. */
#define DEVICE_SIZE 16

static bool check(struct vmnet_broker *broker, const char *network, const char *device)
{
	if (!vmnet_broker_check_name(&broker->error, network))
		return false;
	if (!device || (device[0] != '\0' && strlen(device) < DEVICE_SIZE))
		return true;
	vmnet_broker_set_error(&broker->error, "network \"%s\": \"%s\" is no name of a device",
			       network, device);
	return false;
}

/* Takes the one descriptor that a reply has come with. */
static vmnet_broker_return_t take_fd(struct vmnet_broker *broker, const char *network,
				     const json_t *reply, int *fd)
{
	struct transport *transport = &broker->transport;
	const json_t *index = json_object_get(reply, "tapFileDescriptor");

	if (transport->lost_fds) {
		vmnet_broker_set_error(&broker->error,
				       "network \"%s\": this process has no room for the "
				       "capture's descriptor; raise its limit of open files",
				       network);
		return VMNET_BROKER_INTERNAL_ERROR;
	}
	if (!json_is_integer(index) || json_integer_value(index) != 0 || transport->n_fds != 1)
		return vmnet_broker_failed(&broker->error, VMNET_BROKER_INVALID_REPLY, network);
	*fd = transport->fds[0];
	transport->fds[0] = -1;
	return VMNET_BROKER_SUCCESS;
}

vmnet_broker_return_t vmnet_broker_capture(struct vmnet_broker *broker, const char *network,
					   const char *device, int *fd)
{
	vmnet_broker_return_t status;
	json_t *reply;

	*fd = -1;
	if (!check(broker, network, device))
		return VMNET_BROKER_INVALID_REQUEST;
	broker->transport.wants_fds = true;
	status = vmnet_broker_call(broker, INTERFACE "Capture",
				   json_pack("{s:s, s:s}", "network", network, "device", device),
				   network, &reply);
	broker->transport.wants_fds = false;
	if (status == VMNET_BROKER_SUCCESS) {
		status = take_fd(broker, network, reply, fd);
		json_decref(reply);
	}
	vmnet_broker_transport_close_fds(&broker->transport);
	return status;
}

vmnet_broker_return_t vmnet_broker_end(struct vmnet_broker *broker, const char *network,
				       const char *device)
{
	vmnet_broker_return_t status;
	json_t *reply;

	if (!check(broker, network, device))
		return VMNET_BROKER_INVALID_REQUEST;
	status = vmnet_broker_call(broker, INTERFACE "End",
				   json_pack("{s:s, s:s*}", "network", network, "device", device),
				   network, &reply);
	if (status == VMNET_BROKER_SUCCESS)
		json_decref(reply);
	return status;
}
