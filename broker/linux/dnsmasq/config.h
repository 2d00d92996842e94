/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one network's dnsmasq is told to do, as the text of its configuration file: addresses, DHCP
 * options, names, router advertisements. Written to its place by files.h, put to use by dnsmasq.h.
 */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_CONFIG_H
#define VMNET_BROKER_LINUX_DNSMASQ_CONFIG_H

#include "broker/broker.h"
#include "files.h"

/*
 * The text of its configuration file.
 * Returns a text that the caller frees, or NULL when memory is short.
 */
char *dnsmasq_config(const struct network_config *config, const struct network_addresses *addresses,
		     const struct dnsmasq_files *files);

#endif
