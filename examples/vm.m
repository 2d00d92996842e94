/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest complete virtual machine on a network of the broker: boots a
 * Linux kernel with Virtualization.framework, its console on the terminal.
 *
 *	clang vm.m -I../include ../build/client/libvmnet-broker.a -framework Foundation \
 *		-framework Virtualization -framework vmnet -framework CoreFoundation -o vm
 *	codesign --force --sign - --entitlements ../data/entitlements.plist vm
 *	./vm default vmlinuz initrd.img "console=hvc0"
 *
 * Start it twice: the two machines reach each other, the host, and what the
 * network's mode allows. The kernel is the uncompressed one on Apple silicon.
 *
 * Only open_network() has to do with the broker; the rest is what any program
 * does to boot Linux. Compiled without automatic reference counting.
 */
#import <Foundation/Foundation.h>
#import <Virtualization/Virtualization.h>
#import <vmnet/vmnet.h>

#include <stdio.h>
#include <stdlib.h>

#include <vmnet-broker.h>

enum {
	PROCESSORS = 1,
	MEMORY = 512 << 20,
};

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

/*
 * The broker makes the network for its first client, and hands it to each as a
 * serialization. We use it until this process ends: so does the broker.
 */
static vmnet_network_ref open_network(const char *name)
{
	vmnet_broker_return_t broker_status;
	vmnet_return_t status;
	xpc_object_t serialization = vmnet_broker_acquire_network(name, &broker_status);
	vmnet_network_ref network;

	if (!serialization)
		fail("network \"%s\": %s", name, vmnet_broker_strerror(broker_status));
	network = vmnet_network_create_with_serialization(serialization, &status);
	if (!network)
		fail("network \"%s\": vmnet cannot open it: %d", name, (int)status);
	xpc_release(serialization);
	return network;
}

static VZVirtioNetworkDeviceConfiguration *network_device(vmnet_network_ref network)
{
	VZVirtioNetworkDeviceConfiguration *device =
		[[[VZVirtioNetworkDeviceConfiguration alloc] init] autorelease];
	VZVmnetNetworkDeviceAttachment *attachment =
		[[[VZVmnetNetworkDeviceAttachment alloc] initWithNetwork:network] autorelease];

	if (!attachment)
		fail("the network cannot be attached");
	device.attachment = attachment;
	/* "vmnetctl ip NETWORK MAC" finds the machine's address by it. */
	printf("MAC address %s\n", device.MACAddress.string.UTF8String);
	return device;
}

static VZLinuxBootLoader *boot_loader(const char *kernel, const char *initrd,
				      const char *command_line)
{
	VZLinuxBootLoader *loader = [[[VZLinuxBootLoader alloc]
		initWithKernelURL:[NSURL fileURLWithPath:@(kernel)]] autorelease];

	loader.initialRamdiskURL = [NSURL fileURLWithPath:@(initrd)];
	loader.commandLine = @(command_line);
	return loader;
}

static VZVirtioConsoleDeviceSerialPortConfiguration *console(void)
{
	VZVirtioConsoleDeviceSerialPortConfiguration *port =
		[[[VZVirtioConsoleDeviceSerialPortConfiguration alloc] init] autorelease];

	port.attachment = [[[VZFileHandleSerialPortAttachment alloc]
		initWithFileHandleForReading:NSFileHandle.fileHandleWithStandardInput
			fileHandleForWriting:NSFileHandle.fileHandleWithStandardOutput]
		autorelease];
	return port;
}

/* What becomes of the machine: the program ends with it. */
@interface Watcher : NSObject <VZVirtualMachineDelegate>
@end

@implementation Watcher

- (void)guestDidStopVirtualMachine:(VZVirtualMachine *)machine
{
	(void)machine;
	exit(0);
}

- (void)virtualMachine:(VZVirtualMachine *)machine didStopWithError:(NSError *)error
{
	(void)machine;
	fail("the machine stopped: %s", error.localizedDescription.UTF8String);
}

@end

int main(int argc, char **argv)
{
	VZVirtualMachineConfiguration *configuration;
	VZVirtualMachine *machine;
	NSError *error = nil;

	if (argc != 5)
		fail("usage: vm NETWORK KERNEL INITRD COMMAND-LINE");

	@autoreleasepool {
		configuration = [[VZVirtualMachineConfiguration alloc] init];
		configuration.CPUCount = PROCESSORS;
		configuration.memorySize = MEMORY;
		configuration.bootLoader = boot_loader(argv[2], argv[3], argv[4]);
		configuration.serialPorts = @[ console() ];
		configuration.networkDevices = @[ network_device(open_network(argv[1])) ];
		configuration.entropyDevices =
			@[ [[[VZVirtioEntropyDeviceConfiguration alloc] init] autorelease] ];
		if (![configuration validateWithError:&error])
			fail("no such machine can be: %s", error.localizedDescription.UTF8String);

		/* It lives on the main queue, which dispatch_main() serves. */
		machine = [[VZVirtualMachine alloc] initWithConfiguration:configuration];
		machine.delegate = [[Watcher alloc] init];
		[machine startWithCompletionHandler:^(NSError *reason) {
			if (reason)
				fail("the machine cannot start: %s",
				     reason.localizedDescription.UTF8String);
		}];
	}
	dispatch_main();
}
