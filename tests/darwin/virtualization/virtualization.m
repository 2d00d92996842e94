/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A double of Virtualization and Foundation, as far as examples/vm.m calls
 * them, on the double of vmnet. A machine here is nothing but its network
 * device, and that behaves as the system's was measured to:
 *
 * - an attachment is an interface on the network, started with the machine, or
 *   when it is set on a device of a running one;
 * - a network that fails leaves the device without an attachment and is told to
 *   the delegate alone; the machine runs on. It fails when this process gets
 *   SIGUSR1 (the system's own way to find out is not known), and when an
 *   interface cannot be started.
 *
 * Each interface that starts is one line on standard output. References are
 * counted (but not by blocks), and what has none is freed: the sanitizers see
 * what vm.m does wrong.
 * An attachment keeps no reference to its network, as far as is known.
 */
#include <Foundation/Foundation.h>
#include <Virtualization/Virtualization.h>
#include <arpa/inet.h>
#include <objc/runtime.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Foundation */

static struct pool {
	struct pool *next;
	id object;
} * autoreleased;

@implementation NSObject
+ (id)alloc
{
	NSObject *object = class_createInstance(self, 0);

	object->references = 1;
	return object;
}
- (id)init
{
	return self;
}
- (id)retain
{
	__atomic_add_fetch(&references, 1, __ATOMIC_SEQ_CST);
	return self;
}
- (void)release
{
	if (__atomic_sub_fetch(&references, 1, __ATOMIC_SEQ_CST) == 0)
		[self dealloc];
}
/* Only before the machine runs: the pools of queues are the system's. */
- (id)autorelease
{
	struct pool *entry = malloc(sizeof(*entry));

	*entry = (struct pool){ .next = autoreleased, .object = self };
	autoreleased = entry;
	return self;
}
- (void)dealloc
{
	[kept[0] release];
	[kept[1] release];
	object_dispose(self);
}
@end

static void keep(id *slot, id object)
{
	(void)[object retain];
	[*slot release];
	*slot = object;
}

@implementation NSAutoreleasePool
- (void)drain
{
	while (autoreleased) {
		struct pool *entry = autoreleased;

		autoreleased = entry->next;
		[entry->object release];
		free(entry);
	}
	[self release];
}
@end

@implementation NSString
+ (instancetype)stringWithUTF8String:(const char *)text
{
	NSString *string = [[self alloc] autorelease];

	string->raw = strdup(text);
	return string;
}
- (void)dealloc
{
	free(raw);
	[super dealloc];
}
- (const char *)UTF8String
{
	return raw;
}
@end

/* Of one object: none here has more. */
@implementation NSArray
+ (instancetype)arrayWithObjects:(const id _Nonnull[])objects count:(NSUInteger)count
{
	NSArray *array = [[self alloc] autorelease];

	if (count != 1)
		abort();
	keep(&array->kept[0], objects[0]);
	return array;
}
@end

@implementation NSURL
+ (NSURL *)fileURLWithPath:(NSString *)path
{
	NSURL *url = [[self alloc] autorelease];

	keep(&url->kept[0], path);
	return url;
}
@end

@implementation NSError
- (NSString *)localizedDescription
{
	return kept[0];
}
@end

@implementation NSFileHandle
+ (NSFileHandle *)fileHandleWithStandardInput
{
	return [[self alloc] autorelease];
}
+ (NSFileHandle *)fileHandleWithStandardOutput
{
	return [[self alloc] autorelease];
}
@end

/* Virtualization: what a machine is made of, and is not looked at here */

@implementation VZBootLoader
@end

@implementation VZLinuxBootLoader
- (instancetype)initWithKernelURL:(NSURL *)kernelURL
{
	keep(&kept[0], kernelURL);
	return self;
}
- (void)setInitialRamdiskURL:(NSURL *)url
{
	(void)url;
}
- (void)setCommandLine:(NSString *)line
{
	(void)line;
}
@end

@implementation VZSerialPortAttachment
@end

@implementation VZFileHandleSerialPortAttachment
- (instancetype)initWithFileHandleForReading:(NSFileHandle *)input
			fileHandleForWriting:(NSFileHandle *)output
{
	keep(&kept[0], input);
	keep(&kept[1], output);
	return self;
}
@end

@implementation VZSerialPortConfiguration
- (void)setAttachment:(VZSerialPortAttachment *)attachment
{
	keep(&kept[0], attachment);
}
@end

@implementation VZVirtioConsoleDeviceSerialPortConfiguration
- (instancetype)init
{
	return self;
}
@end

@implementation VZEntropyDeviceConfiguration
@end

@implementation VZVirtioEntropyDeviceConfiguration
- (instancetype)init
{
	return self;
}
@end

@implementation VZMACAddress
- (NSString *)string
{
	return [NSString stringWithUTF8String:"52:54:00:12:34:56"];
}
@end

/* Virtualization: networks */

@implementation VZNetworkDeviceAttachment
@end

@implementation VZVmnetNetworkDeviceAttachment
- (instancetype)initWithNetwork:(vmnet_network_ref)network
{
	raw = network;
	return self;
}
@end

@implementation VZNetworkDeviceConfiguration
- (VZNetworkDeviceAttachment *)attachment
{
	return kept[0];
}
- (void)setAttachment:(VZNetworkDeviceAttachment *)attachment
{
	keep(&kept[0], attachment);
}
- (VZMACAddress *)MACAddress
{
	if (!kept[1])
		kept[1] = [VZMACAddress alloc];
	return kept[1];
}
@end

@implementation VZVirtioNetworkDeviceConfiguration
- (instancetype)init
{
	return self;
}
@end

@implementation VZVirtualMachineConfiguration
- (void)setBootLoader:(VZBootLoader *)loader
{
	(void)loader;
}
- (void)setMemorySize:(uint64_t)size
{
	(void)size;
}
- (void)setCPUCount:(NSUInteger)count
{
	(void)count;
}
- (void)setEntropyDevices:(NSArray<VZEntropyDeviceConfiguration *> *)devices
{
	(void)devices;
}
- (void)setSerialPorts:(NSArray<VZSerialPortConfiguration *> *)ports
{
	(void)ports;
}
- (void)setNetworkDevices:(NSArray<VZNetworkDeviceConfiguration *> *)devices
{
	keep(&kept[0], devices->kept[0]);
}
- (BOOL)validateWithError:(NSError **)error
{
	(void)error;
	return YES;
}
@end

/* The machine, of which a process has one. */
static VZVirtualMachine *running;
static id<VZVirtualMachineDelegate> delegate;
static interface_ref interface;

/* kept[0]: the attachment. */
@implementation VZNetworkDevice
- (VZNetworkDeviceAttachment *)attachment
{
	return kept[0];
}

- (void)loseWithReason:(const char *)reason
{
	NSError *error = [NSError alloc];

	keep(&kept[0], nil);
	keep(&error->kept[0], [NSString stringWithUTF8String:reason]);
	[delegate virtualMachine:running
				     networkDevice:self
		attachmentWasDisconnectedWithError:error];
	[error release];
}

- (void)stop
{
	dispatch_semaphore_t stopped = dispatch_semaphore_create(0);
	dispatch_queue_t queue = dispatch_queue_create("stop", DISPATCH_QUEUE_SERIAL);

	(void)vmnet_stop_interface(interface, queue, ^(vmnet_return_t status) {
		(void)status;
		dispatch_semaphore_signal(stopped);
	});
	dispatch_semaphore_wait(stopped, DISPATCH_TIME_FOREVER);
	dispatch_release(queue);
	dispatch_release(stopped);
	interface = NULL;
}

/* On the main queue, as all here. */
- (void)isStarted:(vmnet_return_t)status on:(vmnet_network_ref)network
{
	struct in_addr address;
	struct in_addr mask;

	if (status != VMNET_SUCCESS) {
		interface = NULL;
		[self loseWithReason:"the interface cannot be started"];
		return;
	}
	vmnet_network_get_ipv4_subnet(network, &address, &mask);
	address.s_addr &= mask.s_addr;
	printf("interface on %s\n", inet_ntoa(address));
	fflush(stdout);
}

- (void)start
{
	xpc_object_t description = xpc_dictionary_create(NULL, NULL, 0);
	vmnet_network_ref network = ((NSObject *)kept[0])->raw;

	interface = vmnet_interface_start_with_network(
		network, description, dispatch_get_main_queue(),
		^(vmnet_return_t status, xpc_object_t parameters) {
			(void)parameters;
			[self isStarted:status on:network];
		});
	xpc_release(description);
	if (!interface)
		[self loseWithReason:"the interface cannot be started"];
}

- (void)setAttachment:(VZNetworkDeviceAttachment *)attachment
{
	if (interface)
		[self stop];
	keep(&kept[0], attachment);
	if (running && attachment)
		[self start];
}
@end

/* kept[0]: its network device. */
@implementation VZVirtualMachine
- (instancetype)initWithConfiguration:(VZVirtualMachineConfiguration *)configuration
{
	VZNetworkDeviceConfiguration *device = configuration->kept[0];

	kept[0] = [VZNetworkDevice alloc];
	((VZNetworkDevice *)kept[0]).attachment = device.attachment;
	return self;
}

- (id<VZVirtualMachineDelegate>)delegate
{
	return delegate;
}

- (void)setDelegate:(id<VZVirtualMachineDelegate>)other
{
	delegate = other;
}

- (void)loseNetworkAtSignal
{
	dispatch_source_t source = dispatch_source_create(DISPATCH_SOURCE_TYPE_SIGNAL, SIGUSR1, 0,
							  dispatch_get_main_queue());

	signal(SIGUSR1, SIG_IGN);
	dispatch_source_set_event_handler(source, ^{
		if (interface)
			[kept[0] stop];
		[kept[0] loseWithReason:"the network has failed"];
	});
	dispatch_resume(source);
}

- (void)startWithCompletionHandler:(void (^)(NSError *errorOrNil))handler
{
	running = self;
	[self loseNetworkAtSignal];
	[kept[0] start];
	dispatch_async(dispatch_get_main_queue(), ^{
		handler(nil);
	});
}
@end
