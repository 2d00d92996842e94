/* SPDX-License-Identifier: Apache-2.0 */
/* How files are read and replaced, so that nobody ever sees half of one. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The one of who makes the file. */
#define SAME_GROUP ((gid_t)-1)

/* Returns how many bytes were read, or -1 with errno. */
static ssize_t read_bytes(int fd, char *bytes, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t n = pread(fd, bytes + length, size - length, (off_t)length);

		if (n == 0)
			break;
		if (n > 0)
			length += (size_t)n;
		else if (errno != EINTR)
			return -1;
	}
	return (ssize_t)length;
}

char *file_read_open(int fd, size_t most, size_t *length)
{
	struct stat status;
	size_t size;
	ssize_t n = -1;
	char *text;

	if (fstat(fd, &status) < 0)
		return NULL;
	size = (size_t)status.st_size < most ? (size_t)status.st_size : most;
	text = malloc(size + 1);
	if (text)
		n = read_bytes(fd, text, size);
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	*length = (size_t)n;
	return text;
}

char *file_read(const char *path, size_t most, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text;
	int error;

	if (fd < 0)
		return NULL;
	text = file_read_open(fd, most, length);
	error = errno;
	(void)close(fd);
	errno = error;
	return text;
}

/* Returns 0 or a negative errno. */
static int write_bytes(int fd, const char *text)
{
	size_t rest = strlen(text);

	while (rest > 0) {
		ssize_t n = write(fd, text, rest);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			rest -= (size_t)n;
		}
	}
	return 0;
}

static int write_text(const char *path, const char *text, mode_t mode, gid_t group)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int result;

	if (fd < 0)
		return -errno;
	result = write_bytes(fd, text);
	if (result == 0 && group != SAME_GROUP && fchown(fd, (uid_t)-1, group) < 0)
		result = -errno;
	if (result == 0 && mode && fchmod(fd, mode) < 0)
		result = -errno;
	if (close(fd) < 0 && result == 0)
		result = -errno;
	return result;
}

static int replace(const char *path, const char *text, mode_t mode, gid_t group)
{
	char new_path[PATH_MAX];
	int result;

	if ((size_t)snprintf(new_path, sizeof(new_path), "%s" FILE_NEW_SUFFIX, path) >=
	    sizeof(new_path))
		return -ENAMETOOLONG;
	result = write_text(new_path, text, mode, group);
	if (result == 0 && rename(new_path, path) < 0)
		result = -errno;
	if (result < 0)
		(void)unlink(new_path);
	return result;
}

int file_replace(const char *path, const char *text, mode_t mode)
{
	return replace(path, text, mode, SAME_GROUP);
}

int file_replace_for(const char *path, const char *text, gid_t group)
{
	return replace(path, text, 0640, group);
}
