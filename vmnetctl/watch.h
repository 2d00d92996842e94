/* SPDX-License-Identifier: Apache-2.0 */
/* Subcommands that show something: once, or with --watch again whenever it changes. */
#ifndef VMNET_VMNETCTL_WATCH_H
#define VMNET_VMNETCTL_WATCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include <vmnet-broker.h>

#define WATCH_SYNOPSIS "[--json] [--watch] [--interval SECONDS]"
#define WATCH_HELP                                                           \
	"  --json              print JSON, for scripts\n"                    \
	"  --watch             show it again whenever it changes; q quits\n" \
	"  --interval SECONDS  look that often, too, instead of every 2\n"

/* What the options have said. */
struct view {
	bool json;
	bool watch;
	int interval; /* seconds */
};

/*
 * Writes what there is to be shown now; arguments are the subcommand's. Returns DONE, or FAILED
 * after complaining.
 */
typedef int show_function(struct vmnet_broker *broker, char **arguments, const struct view *view,
			  FILE *stream);

/* All of such a subcommand, with minimum to maximum arguments, of which what may be missing. */
int view(int argc, char **argv, int minimum, int maximum, const char *what, show_function *show);

/* Writes the value as these views do, and takes the reference. Returns as json_write(). */
int view_json(const struct view *view, json_t *value, FILE *stream);

#endif
