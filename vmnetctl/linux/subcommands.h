/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands that only Linux has. */
#ifndef VMNET_VMNETCTL_LINUX_SUBCOMMANDS_H
#define VMNET_VMNETCTL_LINUX_SUBCOMMANDS_H

#include "vmnetctl/vmnetctl.h"

subcommand_function capture, cleanup, end, metrics, top;

#endif
