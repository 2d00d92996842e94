/* SPDX-License-Identifier: Apache-2.0 */
/* container_of(), as the kernel has it: from a part of a structure to the whole. */
#ifndef VMNET_BASE_CONTAINER_OF_H
#define VMNET_BASE_CONTAINER_OF_H

#include <stddef.h>

/* The structure of that type whose member pointer points to. */
#define container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
