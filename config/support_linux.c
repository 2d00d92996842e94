/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration may ask of Linux: everything. */
#include "config.h"

const struct config_support config_support = {
	.subnet_length_min = 8,
	.subnet_length_max = 29,
};
