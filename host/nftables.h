/* SPDX-License-Identifier: Apache-2.0 */
/* The one way to nftables. On the worker's thread only, but for start and stop. */
#ifndef VMNET_BROKER_NFTABLES_H
#define VMNET_BROKER_NFTABLES_H

#include <jansson.h>

#include "base/error.h"

/*
 * Makes the process that runs nftables, with the privileges that the broker has
 * now, and fewer system calls. Before there are threads and clients. Returns 0
 * or a negative errno.
 */
int nftables_start(void);

/* Ends that process. */
void nftables_stop(void);

/*
 * Runs commands as one transaction.
 *
 * text: the commands; taken over. NULL when there was no memory for them.
 *
 * Returns 0, or -1 with error (ERROR_CREATE_FAILED): they were refused, and
 * nothing has changed, or nftables has ended and it is not known what has.
 */
int nftables_run(char *text, struct error *error);

/*
 * The same for what may be done twice, and nobody else would do later: when
 * nftables has ended it is tried again.
 */
int nftables_remove(char *text, struct error *error);

/*
 * What a list command answers, as the caller's, without what sets have in them;
 * NULL when there is nothing of that name, or memory is short. For tables use
 * foreign_table.h.
 */
json_t *nftables_list(const char *command);

#endif
