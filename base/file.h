/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files, read and replaced whole. Nothing here waits for a disk, or for who has the
 * other end of a FIFO; what must be on the disk, its writer flushes (broker/state.c).
 */
#ifndef VMNET_BASE_FILE_H
#define VMNET_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Reads a file from its beginning, but no more than so many bytes: who minds that there
 * is more asks for one byte more than it takes. length: gets how many they are.
 *
 * Returns the text, with a null byte behind it, to be freed; or NULL with errno.
 */
char *file_read(const char *path, size_t most, size_t *length);

/* The same of one that is open. It stays where it was to be read next. */
char *file_read_open(int fd, size_t most, size_t *length);

/* What the name of a file has at its end until it is whole. */
#define FILE_NEW_SUFFIX ".new"

/*
 * Writes a file: as a new one, which replaces what is there once it is whole.
 * mode: its own, whatever the umask says; or 0. Returns 0 or a negative errno.
 */
int file_replace(const char *path, const char *text, mode_t mode);

/*
 * The same with mode 0640, for a group that is to read it: nobody of it finds the file there and
 * may not. The process has to be in the group, or root. Returns as file_replace() does.
 */
int file_replace_for(const char *path, const char *text, gid_t group);

#endif
