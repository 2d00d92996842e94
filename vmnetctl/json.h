/* SPDX-License-Identifier: Apache-2.0 */
/* What the library returns as JSON, for scripts: the objects and keys of the Varlink interface. */
#ifndef VMNET_VMNETCTL_JSON_H
#define VMNET_VMNETCTL_JSON_H

#include <jansson.h>

#include <vmnet-broker.h>

/*
 * Each returns a new reference, or NULL when memory is short. Text that is NULL becomes null, and a
 * timestamp of 0, too.
 */
json_t *json_text(const char *text);
json_t *json_timestamp(int64_t seconds);
json_t *json_forwardings(const struct vmnet_broker_interface *interface);

/* Null for none: NULL, or no bits. */
json_t *json_rate_limit(const struct vmnet_broker_rate_limit *limit);

json_t *json_networks(struct vmnet_broker_network *const *networks, size_t n_networks);
json_t *json_inspection(const struct vmnet_broker_inspection *inspection);
json_t *json_event(const struct vmnet_broker_event *event);

/*
 * Writes value and the end of a line, and takes the reference.
 * flags: jansson's; JSON_COMPACT or JSON_INDENT().
 * Returns DONE, or FAILED after complaining (also of NULL).
 */
int json_write(json_t *value, size_t flags, FILE *stream);

#endif
