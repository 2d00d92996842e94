/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays in the order of their addresses, once they are sorted. */
#include "address_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static int compare_addresses(const struct neighbour *a, const struct neighbour *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(&a->address, &b->address, address_size(a->family));
}

static int compare_neighbours(const void *left, const void *right)
{
	const struct neighbour *a = left;
	const struct neighbour *b = right;
	const int order = compare_addresses(a, b);

	return order ? order : memcmp(&a->mac, &b->mac, sizeof(a->mac));
}

int address_list_add(struct address_list *list, const struct neighbour *neighbour)
{
	struct neighbour *items = array_grow(list->items, list->n, sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->n++] = *neighbour;
	return 0;
}

void address_list_sort(struct address_list *list)
{
	size_t n = 0;

	if (!list->n)
		return;
	qsort(list->items, list->n, sizeof(*list->items), compare_neighbours);
	for (size_t i = 0; i < list->n; i++)
		if (n == 0 || compare_addresses(&list->items[n - 1], &list->items[i]) != 0)
			list->items[n++] = list->items[i];
	list->n = n;
}

const struct neighbour *address_list_find(const struct address_list *list,
					  const struct neighbour *neighbour)
{
	size_t from = 0;
	size_t to = list->n;

	while (from < to) {
		const size_t middle = from + (to - from) / 2;
		const int order = compare_addresses(neighbour, &list->items[middle]);

		if (order == 0)
			return &list->items[middle];
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return NULL;
}

void address_list_clear(struct address_list *list)
{
	free(list->items);
	*list = (struct address_list){ 0 };
}
