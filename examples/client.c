/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shortest complete client: acquires a network, attaches an interface to
 * it, and keeps both until Ctrl-C.
 *
 *	cc client.c $(pkg-config --cflags --libs vmnet-broker) -o client
 *	./client default
 *
 * On macOS with -framework vmnet -framework CoreFoundation, too.
 *
 * The first program that acquires a network brings it up, and with the last
 * one's end it goes: try two of these at once, and "vmnetctl networks" beside
 * them. No program needs root.
 */
#include <stdio.h>
#include <unistd.h>

#include <vmnet-broker.h>

#ifdef __APPLE__
#include <CoreFoundation/CoreFoundation.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <vmnet/vmnet.h>
#endif

#ifdef __linux__

/*
 * On Linux an interface is an open TAP device. A virtual machine monitor takes
 * the descriptor: QEMU as -netdev tap,id=net0,fd=N and -device
 * virtio-net-pci,netdev=net0,mac=ADDRESS. The device lives for as long as a
 * descriptor of it is open, also when the broker is restarted meanwhile.
 */
static vmnet_broker_return_t join(struct vmnet_broker *broker, const char *network)
{
	struct vmnet_broker_attachment *attachment;
	vmnet_broker_return_t status;

	/* NULL stands for the defaults: one queue, and a MAC address that the broker chooses. */
	status = vmnet_broker_attach(broker, network, NULL, &attachment);
	if (status != VMNET_BROKER_SUCCESS)
		return status;

	printf("interface %s, MAC address %s, descriptor %d\n", attachment->interface->device,
	       attachment->interface->mac_address, attachment->tap_fds[0]);

	/*
	 * vmnet_broker_attachment_free() would close the descriptor; to keep
	 * it, set attachment->tap_fds[0] to -1 before. Here the process's end
	 * does all that.
	 */
	return VMNET_BROKER_SUCCESS;
}

#else

/*
 * On macOS whoever runs the machine joins: vmnet makes an object of this process
 * of what the broker hands out. It starts an interface on that (client-xpc.c),
 * or Virtualization takes it as it is (vm.m). Here it tells what it knows.
 */
static vmnet_broker_return_t join(struct vmnet_broker *broker, const char *name)
{
	char subnet[INET_ADDRSTRLEN];
	char netmask[INET_ADDRSTRLEN];
	vmnet_broker_return_t broker_status;
	xpc_object_t serialization =
		vmnet_broker_network_serialization(broker, name, &broker_status);
	vmnet_return_t status;
	vmnet_network_ref network;
	struct in_addr address;
	struct in_addr mask;

	if (!serialization)
		return broker_status;
	network = vmnet_network_create_with_serialization(serialization, &status);
	xpc_release(serialization);
	if (!network) {
		fprintf(stderr, "network \"%s\": vmnet cannot open it: %d\n", name, (int)status);
		exit(1);
	}

	/* In spite of its name this gets the host's own address on the network. */
	vmnet_network_get_ipv4_subnet(network, &address, &mask);
	address.s_addr &= mask.s_addr;
	printf("vmnet has it as subnet %s, mask %s\n",
	       inet_ntop(AF_INET, &address, subnet, sizeof(subnet)),
	       inet_ntop(AF_INET, &mask, netmask, sizeof(netmask)));

	/* A machine's program keeps it for as long as the machine is on it. */
	CFRelease(network);
	return VMNET_BROKER_SUCCESS;
}

#endif

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "default";
	struct vmnet_broker_network *network;
	vmnet_broker_return_t status;

	/* One connection can hold any number of networks. */
	struct vmnet_broker *broker = vmnet_broker_connect(&status);

	if (!broker) {
		fprintf(stderr, "%s: %s\n", vmnet_broker_address(), vmnet_broker_strerror(status));
		return 1;
	}

	/* Returns when the network is usable. From here on it stays, until we go. */
	status = vmnet_broker_acquire(broker, name, &network);
	if (status == VMNET_BROKER_SUCCESS) {
		printf("network %s, subnet %s, the host is %s\n", network->name,
		       network->ipv4_subnet ? network->ipv4_subnet : "none",
		       network->ipv4_gateway ? network->ipv4_gateway : "elsewhere");
		vmnet_broker_network_free(network);
		status = join(broker, name);
	}
	if (status != VMNET_BROKER_SUCCESS) {
		/* The status is for programs; this is the sentence for people. */
		fprintf(stderr, "%s\n", vmnet_broker_error(broker));
		vmnet_broker_close(broker);
		return 1;
	}

	printf("Press Ctrl-C to let go.\n");
	fflush(stdout);

	/*
	 * The end of the connection is the end of the hold, however it comes:
	 * by vmnet_broker_close(), exit, a crash, or kill -9.
	 */
	pause();
	vmnet_broker_close(broker);
	return 0;
}
