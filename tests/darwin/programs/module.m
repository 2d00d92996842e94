/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client in Objective-C that has nothing of the library but its module, with
 * automatic reference counting. Only compiled, and not part of a build.
 */
@import VmnetBroker;

/* A program's own header may include it as well. */
#include <vmnet-broker.h>

static const char *word(enum vmnet_broker_mode mode)
{
	switch (mode) {
	case VMNET_BROKER_SHARED:
		return "shared";
	case VMNET_BROKER_HOST:
		return "host";
	case VMNET_BROKER_BRIDGED:
		return "bridged";
	}
	return "of a newer broker";
}

/* The caller's own to return: nobody retains, and the compiler releases. */
static xpc_object_t _Nullable serialization(struct vmnet_broker *_Nonnull broker)
{
	return vmnet_broker_network_serialization(broker, "default", NULL);
}

int main(void)
{
	vmnet_broker_return_t status;
	struct vmnet_broker_network *network;
	struct vmnet_broker *broker = vmnet_broker_connect(&status);

	if (!broker || vmnet_broker_acquire(broker, "default", &network) != VMNET_BROKER_SUCCESS)
		return 1;
	status = word(network->mode)[0] == 's' ? VMNET_BROKER_SUCCESS : VMNET_BROKER_NOT_FOUND;
	vmnet_broker_network_free(network);
	if (!serialization(broker) || !vmnet_broker_acquire_network("host", &status))
		return (int)status;
	vmnet_broker_close(broker);
	return 0;
}
