/* SPDX-License-Identifier: Apache-2.0 */
/* The one way to nftables. On the worker's thread only. */
#ifndef VMNET_BROKER_NFTABLES_H
#define VMNET_BROKER_NFTABLES_H

#include <jansson.h>

#include "../error.h"

/*
 * Runs commands as one transaction.
 *
 * text: the commands; taken over. NULL when there was no memory for them.
 *
 * Returns 0, or -1 with error (ERROR_CREATE_FAILED, and nothing changed).
 */
int nftables_run(char *text, struct error *error);

/*
 * What a list command answers, as the caller's; NULL when there is nothing of
 * that name, or memory is short. For tables use foreign_table.h.
 */
json_t *nftables_list(const char *command);

#endif
