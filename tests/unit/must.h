/* SPDX-License-Identifier: Apache-2.0 */
/* What has to hold in doubles that fuzz targets use, too: without cmocka, the process ends where it does not. */
#ifndef VMNET_BROKER_MUST_H
#define VMNET_BROKER_MUST_H

#include <stdio.h>
#include <stdlib.h>

#define must(condition)                                                                   \
	do {                                                                              \
		if (!(condition)) {                                                       \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, \
				#condition);                                              \
			abort();                                                          \
		}                                                                         \
	} while (0)

#endif
