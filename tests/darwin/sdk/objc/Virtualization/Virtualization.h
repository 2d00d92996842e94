/* SPDX-License-Identifier: Apache-2.0 */
/* The part of Virtualization.framework that examples/vm.m uses; see Foundation/Foundation.h. */
#ifndef TESTS_DARWIN_VIRTUALIZATION_H
#define TESTS_DARWIN_VIRTUALIZATION_H

#include <Foundation/Foundation.h>
#include <vmnet/vmnet.h>

@interface VZBootLoader : NSObject
@end

@interface VZLinuxBootLoader : VZBootLoader
- (instancetype)initWithKernelURL:(NSURL *)kernelURL;
@property(copy) NSString *commandLine;
@property(copy) NSURL *initialRamdiskURL;
@end

@interface VZSerialPortAttachment : NSObject
@end

@interface VZFileHandleSerialPortAttachment : VZSerialPortAttachment
- (instancetype)initWithFileHandleForReading:(NSFileHandle *)fileHandleForReading
			fileHandleForWriting:(NSFileHandle *)fileHandleForWriting;
@end

@interface VZSerialPortConfiguration : NSObject
@property(strong) VZSerialPortAttachment *attachment;
@end

@interface VZVirtioConsoleDeviceSerialPortConfiguration : VZSerialPortConfiguration
- (instancetype)init;
@end

@interface VZMACAddress : NSObject
@property(readonly, copy) NSString *string;
@end

@interface VZNetworkDeviceAttachment : NSObject
@end

@interface VZVmnetNetworkDeviceAttachment : VZNetworkDeviceAttachment
- (instancetype)initWithNetwork:(vmnet_network_ref)network;
@end

/* Of a running machine; a new attachment may be set, or nil. */
@interface VZNetworkDevice : NSObject
@property(strong, nullable) VZNetworkDeviceAttachment *attachment;
@end

@interface VZNetworkDeviceConfiguration : NSObject
@property(strong) VZNetworkDeviceAttachment *attachment;
@property(copy) VZMACAddress *MACAddress;
@end

@interface VZVirtioNetworkDeviceConfiguration : VZNetworkDeviceConfiguration
- (instancetype)init;
@end

@interface VZEntropyDeviceConfiguration : NSObject
@end

@interface VZVirtioEntropyDeviceConfiguration : VZEntropyDeviceConfiguration
- (instancetype)init;
@end

@interface VZVirtualMachineConfiguration : NSObject
@property(strong) VZBootLoader *bootLoader;
@property uint64_t memorySize;
@property NSUInteger CPUCount;
@property(copy) NSArray<VZEntropyDeviceConfiguration *> *entropyDevices;
@property(copy) NSArray<VZNetworkDeviceConfiguration *> *networkDevices;
@property(copy) NSArray<VZSerialPortConfiguration *> *serialPorts;
- (BOOL)validateWithError:(NSError **)error;
@end

@class VZVirtualMachine;

@protocol VZVirtualMachineDelegate <NSObject>
@optional
- (void)guestDidStopVirtualMachine:(VZVirtualMachine *)virtualMachine;
- (void)virtualMachine:(VZVirtualMachine *)virtualMachine didStopWithError:(NSError *)error;
- (void)virtualMachine:(VZVirtualMachine *)virtualMachine
			     networkDevice:(VZNetworkDevice *)networkDevice
	attachmentWasDisconnectedWithError:(NSError *)error;
@end

@interface VZVirtualMachine : NSObject
- (instancetype)initWithConfiguration:(VZVirtualMachineConfiguration *)configuration;
@property(weak) id<VZVirtualMachineDelegate> delegate;
- (void)startWithCompletionHandler:(void (^)(NSError *errorOrNil))completionHandler;
@end

#endif
