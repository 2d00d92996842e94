/* SPDX-License-Identifier: Apache-2.0 */
/* What vmnetctl run takes with --publish, in the syntax of container engines. */
#ifndef VMNET_VMNETCTL_LINUX_PUBLISH_H
#define VMNET_VMNETCTL_LINUX_PUBLISH_H

#include <vmnet-broker.h>

/*
 * Takes [ADDRESS:]PORT[-PORT]:PORT[-PORT][/PROTOCOL]. Returns DONE, or WRONG_USAGE after
 * complaining.
 */
int publish_parse(const char *text, struct vmnet_broker_port_forwarding *forwarding);

#endif
