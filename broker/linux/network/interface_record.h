/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was asked for with an interface, for the next broker: RUNTIME_DIR/NETWORK.MAC.interface,
 * there from before its device is made until that has gone. An interface with which nothing was
 * asked for has none.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_INTERFACE_RECORD_H
#define VMNET_BROKER_LINUX_NETWORK_INTERFACE_RECORD_H

#include "broker/interface.h"

/* The text of a record, to be freed. Returns NULL when memory is short. */
char *interface_record_text(const struct interface_options *options);

/* Each returns 0 or a negative errno. */
int interface_record_save(const char *runtime_dir, const char *network,
			  const struct mac_address *mac, const char *text);
int interface_record_remove(const char *runtime_dir, const char *network,
			    const struct mac_address *mac);

/*
 * Reads a record. What is missing was not asked for, and so was all of one that
 * is damaged, which is logged.
 *
 * options: gets what was asked for, with an array that the caller frees.
 */
void interface_record_load(const char *runtime_dir, const char *network,
			   const struct mac_address *mac, struct interface_options *options);

/*
 * Removes the records of which is_wanted() does not say that there is such an
 * interface. Returns 0 or a negative errno.
 */
int interface_records_sweep(const char *runtime_dir,
			    bool (*is_wanted)(const char *network, const struct mac_address *mac,
					      const void *userdata),
			    const void *userdata);

#endif
