/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configurations as the protocols have them, NetworkConfiguration in
 * data/com.github.nirs.vmnetbroker.varlink: the keys of networks.json in camelCase, with defaults.
 * Each function returns a new reference, or NULL when memory is short.
 */
#ifndef VMNET_CONFIG_DESCRIBE_H
#define VMNET_CONFIG_DESCRIBE_H

#include <jansson.h>

#include "config.h"

/* It is made once: every acquisition's reply has it. Not to be changed. For one thread alone. */
json_t *network_config_describe(struct network_config *config);

/* forwardings: n of them. One whose internal address is all zero is shown without it. */
json_t *port_forwardings_describe(const struct port_forwarding *forwardings, size_t n);

/* NULL without an error: there is no limit. */
json_t *rate_limit_describe(const struct rate_limit *limit);

#endif
