/* SPDX-License-Identifier: Apache-2.0 */
/* The input as a file, for parsers that read one. */
#ifndef VMNET_BROKER_WRITE_FILE_H
#define VMNET_BROKER_WRITE_FILE_H

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "tests/unit/must.h"

static inline void write_file(const char *path, const uint8_t *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0);
	must(write(fd, data, size) == (ssize_t)size);
	must(close(fd) == 0);
}

#endif
