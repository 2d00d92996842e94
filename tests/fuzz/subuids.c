/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as subuid(5): whatever it says, accounts of the host are charged
 * themselves, and nobody else's ids are charged to them.
 */
#include <stdint.h>
#include <stdio.h>

#include "broker/linux/subuids.h"
#include "broker/platform.h"
#include "tests/unit/log_double.h"
#include "tests/unit/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *file = fmemopen((void *)data, size, "r");

	if (!file)
		return 0;
	subuids_read(file, "FILE");
	(void)fclose(file);
	log_double_clear();
	for (uid_t uid = 0; uid < SUBUIDS_FIRST; uid += 255)
		must(platform_account(uid) == uid);
	for (uid_t uid = SUBUIDS_FIRST; uid < 1000000; uid += 9973)
		must(platform_account(uid) >= SUBUIDS_FIRST);
	return 0;
}
