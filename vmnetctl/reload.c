/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl reload: the broker reads its configuration again. */
#include <stddef.h>

#include "vmnetctl.h"

int reload(int argc, char **argv)
{
	int result = read_arguments(argc, argv, NULL, 0, 0, "");
	vmnet_broker_return_t status;
	struct vmnet_broker *broker;

	if (result != DONE)
		return result;
	broker = connect_to_broker();
	if (!broker)
		return FAILED;
	status = vmnet_broker_reload(broker);
	if (status != VMNET_BROKER_SUCCESS)
		result = complain_of(broker, status);
	vmnet_broker_close(broker);
	return result;
}
