/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of "vmnetctl cleanup" share: each says what it removes, before it does. */
#ifndef VMNET_VMNETCTL_LINUX_CLEANUP_H
#define VMNET_VMNETCTL_LINUX_CLEANUP_H

#include <stdbool.h>

struct link;

/*
 * Says what is to go: the rest of a sentence that begins with "removed". Returns whether
 * it is to be done now, which cleanup_end() is told of: not in a dry run.
 */
bool cleanup_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What has come of it: a negative errno is complained of. */
void cleanup_end(int result);

/* The same for what cannot be looked for: what, in words. */
void cleanup_blind(const char *what, int result);

/* Ends the servers of all networks. */
void cleanup_servers(const char *runtime_dir);

/* Switches off what was switched on to route, and forgets that. */
void cleanup_forwarding(const char *runtime_dir);

/* Rules and routes by which packets are led. */
void cleanup_routing(void);

/* The tables of the broker's, and its rules in others' chains. */
void cleanup_filters(void);

/* What the broker noted for the next one. */
void cleanup_records(const char *runtime_dir);

#endif
