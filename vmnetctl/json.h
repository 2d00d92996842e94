/* SPDX-License-Identifier: Apache-2.0 */
/* What the library returns as JSON, for scripts: the objects and keys of the Varlink interface. */
#ifndef VMNET_VMNETCTL_JSON_H
#define VMNET_VMNETCTL_JSON_H

#include <jansson.h>

#include <vmnet-broker.h>

/* Each returns a new reference, or NULL when memory is short. */
json_t *json_networks(struct vmnet_broker_network *const *networks, size_t n_networks);
json_t *json_inspection(const struct vmnet_broker_inspection *inspection);
json_t *json_event(const struct vmnet_broker_event *event);

/*
 * Prints value on standard output, and takes the reference.
 * flags: jansson's; JSON_COMPACT or JSON_INDENT().
 * Returns DONE, or FAILED after complaining (also of NULL).
 */
int json_print(json_t *value, size_t flags);

#endif
