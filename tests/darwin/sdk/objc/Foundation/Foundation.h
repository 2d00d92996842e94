/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of Foundation that examples/vm.m uses, declared as the system
 * declares it: enough for a compiler to check names and types, with nothing
 * behind it.
 */
#ifndef TESTS_DARWIN_FOUNDATION_H
#define TESTS_DARWIN_FOUNDATION_H

#include <stddef.h>
#include <stdint.h>

#include <CoreFoundation/CoreFoundation.h>
#include <objc/NSObject.h>

@interface NSString : NSObject
@property(readonly) const char *UTF8String;
+ (instancetype)stringWithUTF8String:(const char *)text;
@end

@interface NSArray<Object> : NSObject
+ (instancetype)arrayWithObjects:(const Object _Nonnull[])objects count:(NSUInteger)count;
@end

@interface NSURL : NSObject
+ (NSURL *)fileURLWithPath:(NSString *)path;
@end

@interface NSError : NSObject
@property(readonly, copy) NSString *localizedDescription;
@end

@interface NSFileHandle : NSObject
@property(class, readonly, strong) NSFileHandle *fileHandleWithStandardInput;
@property(class, readonly, strong) NSFileHandle *fileHandleWithStandardOutput;
@end

#endif
