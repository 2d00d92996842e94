/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether another program's chain lets a kind of UDP packet pass, by what nftables lists of it in
 * JSON. Unlike host/ruleset.h this is about packets that the chain may well have rules about.
 */
#ifndef VMNET_HOST_PASSAGE_H
#define VMNET_HOST_PASSAGE_H

#include "ruleset.h"

/* UDP packets to a port, from an address or, of what the host sends, to it. */
struct passing {
	int family; /* AF_INET or AF_INET6 */
	const char *address; /* the other host's */
	const char *interface; /* that they come in or leave by */
	unsigned int port;
};

/*
 * chain: of input or output.
 *
 * Returns whether the chain stops the first packet of such. A rule of which that cannot be told
 * is taken as letting it pass when it accepts, and else as not about it.
 */
bool passage_is_stopped(json_t *list, const struct base_chain *chain,
			const struct passing *passing);

#endif
