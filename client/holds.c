/* SPDX-License-Identifier: Apache-2.0 */
/* An array in no order. */
#include "holds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool vmnet_broker_holds_reserve(struct holds *holds)
{
	struct hold *items = realloc(holds->items, (holds->n_items + 1) * sizeof(*items));

	if (!items)
		return false;
	holds->items = items;
	return true;
}

void vmnet_broker_holds_add(struct holds *holds, const char *network, const char *asked_as)
{
	struct hold *hold;

	if (vmnet_broker_holds_find(holds, network))
		return;
	hold = &holds->items[holds->n_items++];
	(void)snprintf(hold->network, sizeof(hold->network), "%s", network);
	(void)snprintf(hold->asked_as, sizeof(hold->asked_as), "%s", asked_as);
}

struct hold *vmnet_broker_holds_find(const struct holds *holds, const char *name)
{
	for (size_t i = 0; i < holds->n_items; i++)
		if (strcmp(holds->items[i].network, name) == 0 ||
		    strcmp(holds->items[i].asked_as, name) == 0)
			return &holds->items[i];
	return NULL;
}

void vmnet_broker_holds_remove(struct holds *holds, struct hold *hold)
{
	*hold = holds->items[--holds->n_items];
}

void vmnet_broker_holds_clear(struct holds *holds)
{
	free(holds->items);
	*holds = (struct holds){ 0 };
}
