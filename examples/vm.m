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
 * It takes macOS 26.2: before that, Virtualization takes a network from no
 * other program.
 *
 * When the broker ends, so do its networks; the machine runs on without one,
 * until this program has asked the next broker for it. Try "sudo killall -9
 * vmnet-broker".
 *
 * What has to do with the broker is above main(), in open_network() and
 * Watcher; the rest is what any program does to boot Linux. Compiled without
 * automatic reference counting.
 */
#import <Foundation/Foundation.h>
#import <Virtualization/Virtualization.h>
#import <vmnet/vmnet.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <vmnet-broker.h>

enum {
	PROCESSORS = 1,
	MEMORY = 512 << 20,

	/* A network that was lost is asked for this often, with so many seconds between. */
	TRIES_MAX = 60,
	TRY_SECONDS = 1,
	/* One that is lost again this often, in so many seconds, is given up. */
	LOSSES_MAX = 5,
	LOSSES_SECONDS = 60,
};

static void vsay(const char *format, va_list arguments)
{
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsay(format, arguments);
	va_end(arguments);
}

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsay(format, arguments);
	va_end(arguments);
	exit(1);
}

/*
 * The broker makes the network for its first client, and hands it to each as a
 * serialization. A broker that has gone meanwhile is found again by the
 * library, and what we held is acquired again: so this gets the network at
 * first, and whenever it was lost.
 *
 * Returns the network, for CFRelease(), or NULL, and has said why.
 */
static vmnet_network_ref open_network(struct vmnet_broker *broker, const char *name)
{
	vmnet_broker_return_t broker_status;
	vmnet_return_t status;
	xpc_object_t serialization =
		vmnet_broker_network_serialization(broker, name, &broker_status);
	vmnet_network_ref network;

	if (!serialization) {
		say("%s", vmnet_broker_error(broker));
		return NULL;
	}
	network = vmnet_network_create_with_serialization(serialization, &status);
	xpc_release(serialization);
	if (!network)
		say("network \"%s\": vmnet cannot open it: %d", name, (int)status);
	return network;
}

/* Waits for a broker that has the network, but not for ever. */
static vmnet_network_ref reopen_network(struct vmnet_broker *broker, const char *name)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		vmnet_network_ref network;

		/* launchd takes up to ten seconds to start the next one; the call waits for it. */
		sleep(TRY_SECONDS);
		network = open_network(broker, name);
		if (network)
			return network;
	}
	return NULL;
}

static VZNetworkDeviceAttachment *attachment_of(vmnet_network_ref network)
{
	return [[[VZVmnetNetworkDeviceAttachment alloc] initWithNetwork:network] autorelease];
}

/*
 * What becomes of the machine: the program ends with it. And what becomes of
 * its network: where that fails, the machine is told nothing and runs on, and
 * the delegate is the only one to hear of it. All is called on the main queue.
 */
@interface Watcher : NSObject <VZVirtualMachineDelegate> {
	struct vmnet_broker *_broker;
	const char *_name;
	vmnet_network_ref _network;
	/* The broker is asked on this queue, and nowhere else once the machine runs. */
	dispatch_queue_t _queue;
	int _losses;
	time_t _first_loss;
}
- (id)initWithBroker:(struct vmnet_broker *)broker
		name:(const char *)name
	     network:(vmnet_network_ref)network;
@end

@implementation Watcher

- (id)initWithBroker:(struct vmnet_broker *)broker
		name:(const char *)name
	     network:(vmnet_network_ref)network
{
	self = [super init];
	if (self) {
		_broker = broker;
		_name = name;
		_network = network;
		_queue = dispatch_queue_create("vm.network", DISPATCH_QUEUE_SERIAL);
	}
	return self;
}

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

/* A network that fails as often as it is attached is no matter of the broker's. */
- (bool)isLostTooOften
{
	time_t now = time(NULL);

	if (now - _first_loss > LOSSES_SECONDS) {
		_first_loss = now;
		_losses = 0;
	}
	return ++_losses > LOSSES_MAX;
}

- (void)virtualMachine:(VZVirtualMachine *)machine
			     networkDevice:(VZNetworkDevice *)device
	attachmentWasDisconnectedWithError:(NSError *)error
{
	(void)machine;
	say("network \"%s\": the machine has lost it: %s", _name,
	    error.localizedDescription.UTF8String);
	if ([self isLostTooOften]) {
		say("network \"%s\": lost too often; the machine runs on without it", _name);
		return;
	}
	dispatch_async(_queue, ^{
		vmnet_network_ref network = reopen_network(_broker, _name);

		dispatch_async(dispatch_get_main_queue(), ^{
			[self attach:network to:device];
		});
	});
}

/*
 * Takes over the network, which may be NULL. Others measured that the guest of
 * a running machine has an address on it four seconds later.
 */
- (void)attach:(vmnet_network_ref)network to:(VZNetworkDevice *)device
{
	if (!network) {
		say("network \"%s\": no broker has it; the machine runs on without it", _name);
		return;
	}
	device.attachment = attachment_of(network);
	CFRelease(_network);
	_network = network;
	say("network \"%s\": the machine is on it again", _name);
}

@end

static VZVirtioNetworkDeviceConfiguration *network_device(vmnet_network_ref network)
{
	VZVirtioNetworkDeviceConfiguration *device =
		[[[VZVirtioNetworkDeviceConfiguration alloc] init] autorelease];

	device.attachment = attachment_of(network);
	/* "vmnetctl ip NETWORK MAC" finds the machine's address by it. */
	printf("MAC address %s\n", device.MACAddress.string.UTF8String);
	fflush(stdout);
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

/* The machine, not started: network, kernel, initial RAM disk, command line. */
static VZVirtualMachine *machine_on(vmnet_network_ref network, char **argv)
{
	VZVirtualMachineConfiguration *configuration =
		[[[VZVirtualMachineConfiguration alloc] init] autorelease];
	NSError *error = nil;

	configuration.CPUCount = PROCESSORS;
	configuration.memorySize = MEMORY;
	configuration.bootLoader = boot_loader(argv[2], argv[3], argv[4]);
	configuration.serialPorts = @[ console() ];
	configuration.networkDevices = @[ network_device(network) ];
	configuration.entropyDevices =
		@[ [[[VZVirtioEntropyDeviceConfiguration alloc] init] autorelease] ];
	if (![configuration validateWithError:&error])
		fail("no such machine can be: %s", error.localizedDescription.UTF8String);
	return [[VZVirtualMachine alloc] initWithConfiguration:configuration];
}

int main(int argc, char **argv)
{
	vmnet_broker_return_t status;
	struct vmnet_broker *broker;
	vmnet_network_ref network;
	VZVirtualMachine *machine;

	if (argc != 5)
		fail("usage: vm NETWORK KERNEL INITRD COMMAND-LINE");

	/* We use the network until this process ends: so does the broker. */
	broker = vmnet_broker_connect(&status);
	if (!broker)
		fail("%s: %s", vmnet_broker_address(), vmnet_broker_strerror(status));
	if (vmnet_broker_acquire(broker, argv[1], NULL) != VMNET_BROKER_SUCCESS)
		fail("%s", vmnet_broker_error(broker));
	network = open_network(broker, argv[1]);
	if (!network)
		return 1;

	@autoreleasepool {
		/* It lives on the main queue, which dispatch_main() serves. */
		machine = machine_on(network, argv);
		machine.delegate = [[Watcher alloc] initWithBroker:broker
							      name:argv[1]
							   network:network];
		[machine startWithCompletionHandler:^(NSError *reason) {
			if (reason)
				fail("the machine cannot start: %s",
				     reason.localizedDescription.UTF8String);
		}];
	}
	dispatch_main();
}
