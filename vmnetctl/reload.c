/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl reload: the broker reads its configuration again. */
#include <stddef.h>

#include "vmnetctl.h"

static int ask(struct vmnet_broker *broker, char **arguments, int option)
{
	vmnet_broker_return_t status = vmnet_broker_reload(broker);

	(void)arguments;
	(void)option;
	return status == VMNET_BROKER_SUCCESS ? DONE : complain_of(broker, status);
}

int reload(int argc, char **argv)
{
	int result = read_arguments(argc, argv, NULL, 0, 0, "");

	return result == DONE ? with_broker(ask, NULL, 0) : result;
}
