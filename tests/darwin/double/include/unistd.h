/* SPDX-License-Identifier: Apache-2.0 */
/* What macOS declares in <unistd.h>, and as it does: elsewhere groups are gid_t, in <grp.h>. */
#ifndef TESTS_DARWIN_UNISTD_H
#define TESTS_DARWIN_UNISTD_H

#include_next <unistd.h>

int getgrouplist(const char *user, int group, int *groups, int *n_groups);

#endif
