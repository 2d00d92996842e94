/* SPDX-License-Identifier: Apache-2.0 */
/* The part of CoreFoundation that the project calls; see vmnet/vmnet.h beside it. */
#ifndef TESTS_DARWIN_COREFOUNDATION_H
#define TESTS_DARWIN_COREFOUNDATION_H

typedef const void *CFTypeRef;

CFTypeRef CFRetain(CFTypeRef object);
void CFRelease(CFTypeRef object);

typedef struct __CFRunLoop *CFRunLoopRef;

CFRunLoopRef CFRunLoopGetMain(void);
void CFRunLoopRun(void);
void CFRunLoopStop(CFRunLoopRef loop);

#endif
