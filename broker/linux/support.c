/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration may ask of Linux: everything. */
#include "../config.h"

const struct config_support config_support = {
	.system = "Linux",
	.bridged = true,
	.isolated = true,
	.link_local = true,
	.max_interfaces = true,
};
