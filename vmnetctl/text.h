/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for a terminal. Names, commands and sentences come from other people's
 * programs and machines: what a terminal would act on is shown as an escape.
 */
#ifndef VMNET_VMNETCTL_TEXT_H
#define VMNET_VMNETCTL_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <vmnet-broker.h>

/*
 * Writes text with each character that is not printable as \xNN, byte by byte.
 *
 * stream: NULL to measure only.
 * keep: unprintable characters to write as they are, "\n" say.
 *
 * Returns the columns that it takes on a terminal, what keep names not counted.
 */
size_t text_write(FILE *stream, const char *text, const char *keep);

/*
 * The same in at most limit columns, which is more than 0: of a longer text the beginning, with an
 * ellipsis. Returns the columns that it takes.
 */
size_t text_write_cut(FILE *stream, const char *text, size_t limit);

/* Prints one sentence on standard error, after the tool's name. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "shared", "host", "bridged"; static. */
const char *mode_name(enum vmnet_broker_mode mode);

/* A user's name, or the number of one that has none. */
#define USER_TEXT_SIZE 64
char *user_format(int64_t uid, char text[USER_TEXT_SIZE]);

/* A point in time, in seconds since 1970, as local time. */
#define TIME_TEXT_SIZE sizeof("2026-01-01 00:00:00")
char *time_format(int64_t seconds, char text[TIME_TEXT_SIZE]);

#endif
