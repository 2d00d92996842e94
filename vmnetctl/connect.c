/* SPDX-License-Identifier: Apache-2.0 */
/* The way to the broker, and what to say when there is none or it refuses. */
#include <errno.h>

#include "system.h"
#include "text.h"
#include "vmnetctl.h"

struct vmnet_broker *connect_to_broker(void)
{
	vmnet_broker_return_t status;
	struct vmnet_broker *broker = vmnet_broker_connect(&status);

	if (broker)
		return broker;
	if (status == VMNET_BROKER_XPC_FAILURE)
		complain_of_no_broker(errno);
	else
		complain("%s", vmnet_broker_strerror(status));
	return NULL;
}

int with_broker(int (*ask)(struct vmnet_broker *broker, char **arguments, int option),
		char **arguments, int option)
{
	struct vmnet_broker *broker = connect_to_broker();
	int result = broker ? ask(broker, arguments, option) : FAILED;

	if (broker)
		vmnet_broker_close(broker);
	return result;
}

int complain_of(const struct vmnet_broker *broker, vmnet_broker_return_t status)
{
	const char *sentence = vmnet_broker_error(broker);

	complain("%s", *sentence ? sentence : vmnet_broker_strerror(status));
	return FAILED;
}
