/* SPDX-License-Identifier: Apache-2.0 */
/* The root class, as little of it as examples/vm.m and the classes here use. */
#ifndef TESTS_DARWIN_NSOBJECT_H
#define TESTS_DARWIN_NSOBJECT_H

#include <objc/objc.h>

typedef unsigned long NSUInteger;

@protocol NSObject
@end

__attribute__((objc_root_class))
@interface NSObject<NSObject> {
	Class isa;
      @public
	int references;
	/* What a class here keeps: its own declarations are the system's, which have no room. */
	id kept[2];
	void *raw;
}
+ (id)alloc;
- (id)init;
- (id)retain;
- (void)release;
- (id)autorelease;
- (void)dealloc;
@end

@interface NSAutoreleasePool : NSObject
- (void)drain;
@end

#endif
