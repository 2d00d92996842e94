/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the policy knows of networks in numbers, as io.systemd.Metrics has it. The kernel is asked
 * nothing: what machines send is counted by "vmnetctl metrics".
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_METRICS_H
#define VMNET_BROKER_LINUX_VARLINK_METRICS_H

#include <jansson.h>

#include "broker/broker.h"

#define METRICS_INTERFACE "io.systemd.Metrics"

/* One number. They are sorted by family, and in a family by network. */
struct metric {
	size_t family;
	const char *network; /* "": all that the caller may know; NULL: the end of an array */
	json_int_t value;
};

/*
 * All metrics of these networks, n of them, or each family once. Return an array that the caller
 * frees, in which names are those of infos, or NULL when memory is short.
 */
struct metric *metrics_of(const struct network_info *infos, size_t n);
struct metric *metrics_families(void);

/* The parameters of a reply of List, and of Describe. Return a new reference, or NULL. */
json_t *metric_describe(const struct metric *metric);
json_t *metric_describe_family(const struct metric *metric);

#endif
