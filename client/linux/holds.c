/* SPDX-License-Identifier: Apache-2.0 */
/* A list of names, in the order in which they were acquired. */
#include "holds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool vmnet_broker_holds_has(const struct held *holds, const char *network)
{
	for (; holds; holds = holds->next)
		if (strcmp(holds->network, network) == 0)
			return true;
	return false;
}

int vmnet_broker_holds_add(struct held **holds, const char *network)
{
	struct held *held;

	if (vmnet_broker_holds_has(*holds, network))
		return 0;
	held = calloc(1, sizeof(*held));
	if (!held)
		return -ENOMEM;
	held->network = strdup(network);
	if (!held->network) {
		free(held);
		return -ENOMEM;
	}
	while (*holds)
		holds = &(*holds)->next;
	*holds = held;
	return 0;
}

void vmnet_broker_holds_remove(struct held **holds, const char *network)
{
	struct held *held;

	while (*holds && strcmp((*holds)->network, network) != 0)
		holds = &(*holds)->next;
	held = *holds;
	if (!held)
		return;
	*holds = held->next;
	free(held->network);
	free(held);
}

void vmnet_broker_holds_clear(struct held **holds)
{
	while (*holds)
		vmnet_broker_holds_remove(holds, (*holds)->network);
}
