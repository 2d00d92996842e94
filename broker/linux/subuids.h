/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids that users have for their user namespaces (subuid(5)): platform_account() takes all of one
 * owner for one user. Which limits that user has is broker/user_limits.h's.
 */
#ifndef VMNET_BROKER_LINUX_SUBUIDS_H
#define VMNET_BROKER_LINUX_SUBUIDS_H

#include <stdio.h>

#define SUBUIDS_PATH "/etc/subuid"

/* Lower ids are accounts of their own, whatever the file says. */
#define SUBUIDS_FIRST 65536U
/* So many lines count. */
#define SUBUIDS_MAX 4096U

/*
 * Reads the file anew: there may be none. What cannot be read is logged, and what
 * was known stays when nothing can be.
 */
void subuids_load(const char *path);

/* The same of one that is open, and stays so. path: what it is called in messages. */
void subuids_read(FILE *file, const char *path);

#endif
