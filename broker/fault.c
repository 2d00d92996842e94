/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults: what is wrong with an active network. Each kind comes and goes by itself, is logged
 * when it does, and clients are told of all at once. Finding and mending it is the platform's
 * (broker/linux/network/).
 */
#include "broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "platform.h"

/* All faults of a network in one sentence. NULL: there is none, or memory is short. */
static char *join_faults(const struct network *network)
{
	char *text = NULL;

	for (size_t i = 0; i < N_FAULTS; i++) {
		char *longer = NULL;

		if (!network->faults[i])
			continue;
		if (asprintf(&longer, "%s%s%s", text ? text : "", text ? "; " : "",
			     network->faults[i]) < 0)
			longer = NULL;
		free(text);
		text = longer;
	}
	return text;
}

/* fault: the last one, for when memory was too short to join them. */
static void tell(const struct network *network, const char *fault)
{
	struct event event = {
		.network = network,
		.fault = network->fault ? network->fault : fault,
	};

	event.type = event.fault ? EVENT_NETWORK_FAULTED : EVENT_NETWORK_MENDED;
	platform_event(&event);
}

void broker_network_fault(struct network *network, enum fault_kind kind, const char *fault)
{
	char **known = &network->faults[kind];

	if (fault ? *known && strcmp(*known, fault) == 0 : !*known)
		return;
	free(*known);
	*known = fault ? strdup(fault) : NULL;
	free(network->fault);
	network->fault = join_faults(network);
	platform_fault_changed();
	tell(network, fault);
	if (fault)
		log_error(network->config->name, "%s", fault);
	else if (network->fault)
		log_info(network->config->name, "mended but for this: %s", network->fault);
	else
		log_info(network->config->name, "whole again");
}
