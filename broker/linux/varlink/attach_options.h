/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Attach asks for with an interface, from JSON, checked for form: whether it can be had is the
 * policy's. Each takes a value, which is not null, into the options, and returns 0, or -1 when it
 * is wrong.
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_ATTACH_OPTIONS_H
#define VMNET_BROKER_LINUX_VARLINK_ATTACH_OPTIONS_H

#include <jansson.h>

#include "broker/interface.h"

int attach_take_name(const json_t *value, struct interface_options *options);
int attach_take_ipv4(const json_t *value, struct interface_options *options);
int attach_take_ipv6(const json_t *value, struct interface_options *options);

/* The array is allocated, and the caller's also when it is wrong. */
int attach_take_port_forwarding(const json_t *value, struct interface_options *options);
int attach_take_rate_limit(const json_t *value, struct rate_limit *limit);

#endif
