/* SPDX-License-Identifier: Apache-2.0 */
/* What has to hold, for doubles that fuzz targets use, too: without it the process ends. */
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
