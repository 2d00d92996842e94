/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way to have nftables run commands, or list in JSON. In the broker on network_worker
 * only, but for start and stop.
 */
#ifndef VMNET_HOST_NFTABLES_H
#define VMNET_HOST_NFTABLES_H

#include <jansson.h>

#include "base/error.h"

/*
 * Makes the process that runs nftables, with the privileges that this one has
 * now. Before there are threads and clients.
 *
 * confine: called there, to take away what it does not need; it ends when this
 *	returns a negative number. NULL: it keeps all.
 * on_end: called when it has ended or hangs, since when nothing can be run. May
 *	end this process. NULL: what is asked for just fails.
 *
 * Returns 0 or a negative errno.
 */
int nftables_start(int (*confine)(void), void (*on_end)(void));

/* Ends that process. */
void nftables_stop(void);

/*
 * Runs commands as one transaction.
 *
 * text: the commands; taken over. NULL when there was no memory for them.
 *
 * Returns 0, or with error (ERROR_CREATE_FAILED) -1: they were refused, and
 * nothing has changed; or -ENOMEM: there was no text, or memory was short for them,
 * and it is not known what has.
 */
int nftables_run(char *text, struct error *error);

/*
 * What a list command answers, as the caller's, without what sets have in them; or NULL with
 * errno: ENOENT when there is nothing of that name, ENOMEM, or EBADMSG when it cannot be read.
 * For tables use foreign_table.h.
 */
json_t *nftables_list(const char *command);

#endif
