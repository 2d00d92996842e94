/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many items an array has; and arrays that grow by an item at a time. The room of these doubles
 * whenever the number of items is a power of two, so that none needs to note how much it has.
 */
#ifndef VMNET_BASE_ARRAY_H
#define VMNET_BASE_ARRAY_H

#include <stdlib.h>

/* Of one whose size the compiler knows. */
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Makes room for one more item, of size bytes. The array only ever grew by
 * this; it may have lost items since.
 *
 * Returns the array, perhaps elsewhere, or NULL when memory is short: then it is
 * as it was.
 */
static inline void *array_grow(void *items, size_t n_items, size_t size)
{
	if ((n_items & (n_items - 1)) != 0)
		return items;
	return realloc(items, (n_items ? 2 * n_items : 1) * size);
}

#endif
