/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration may ask of macOS: what vmnet's network objects know. */
#include "../config.h"

const struct config_support config_support = {
	.system = "macOS",
	.bridged = false,
	.isolated = false,
	.link_local = false,
	.max_interfaces = false,
};
