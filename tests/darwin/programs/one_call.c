/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client as others have written it, for the library of one call: it has to
 * compile in C and C++ as it is, and to link and run with this one.
 */
#include <stdio.h>
#include <vmnet-broker.h>

static const char *remedy(vmnet_broker_return_t status)
{
	switch (status) {
	case VMNET_BROKER_SUCCESS:
		return "nothing";
	case VMNET_BROKER_XPC_FAILURE:
	case VMNET_BROKER_INVALID_REPLY:
		return "install it";
	case VMNET_BROKER_NOT_ALLOWED:
	case VMNET_BROKER_INVALID_REQUEST:
	case VMNET_BROKER_NOT_FOUND:
		return "ask for another";
	case VMNET_BROKER_CREATE_FAILURE:
	case VMNET_BROKER_INTERNAL_ERROR:
		return "try again";
	}
	return "none";
}

int main(int argc, char **argv)
{
	vmnet_broker_return_t status = VMNET_BROKER_SUCCESS;
	xpc_object_t network = vmnet_broker_acquire_network(argc > 1 ? argv[1] : "shared", &status);

	if (network == NULL) {
		printf("(%d) %s: %s\n", status, vmnet_broker_strerror(status), remedy(status));
		return 1;
	}
	printf("acquired\n");
	xpc_release(network);
	return 0;
}
