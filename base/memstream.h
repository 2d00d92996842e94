/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a stream of open_memstream(3): its text, unless memory was short. */
#ifndef VMNET_BASE_MEMSTREAM_H
#define VMNET_BASE_MEMSTREAM_H

#include <stdio.h>
#include <stdlib.h>

/*
 * Closes a stream of open_memstream(), which text belongs to. Returns the text,
 * for free(), or NULL when memory was short.
 */
static inline char *memstream_close(FILE *file, char **text)
{
	int failed = ferror(file);

	if (fclose(file) == 0 && !failed)
		return *text;
	free(*text);
	return NULL;
}

#endif
