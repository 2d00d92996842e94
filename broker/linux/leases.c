/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of dnsmasq's lease file is
 *
 *	EXPIRES MAC ADDRESS HOSTNAME CLIENT-ID
 *
 * with "*" for what is not known. Others (a DUID, IPv6 leases) look different.
 */
#include "leases.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_FIELDS 5
#define LINE_MAX_SIZE 1024

/* A name as in DNS: letters, digits, hyphens, dots. */
static bool is_hostname(const char *text)
{
	if (*text == '\0' || strlen(text) > HOSTNAME_TEXT_MAX)
		return false;
	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-._", *c))
			return false;
	return true;
}

static int parse_time(const char *text, time_t *time)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || end == text || *end != '\0' || value < 0)
		return -1;
	*time = (time_t)value;
	return 0;
}

/* Cuts a line at its spaces. Returns how many fields it has, at most N_FIELDS. */
static size_t split(char *line, char *fields[N_FIELDS])
{
	char *rest = NULL;
	size_t n = 0;

	for (char *field = strtok_r(line, " ", &rest); field && n < N_FIELDS;
	     field = strtok_r(NULL, " ", &rest))
		fields[n++] = field;
	return n;
}

static int parse_line(char *line, struct lease *lease)
{
	char *fields[N_FIELDS];
	struct in_addr address;

	*lease = (struct lease){ 0 };
	if (split(line, fields) < N_FIELDS || parse_time(fields[0], &lease->expires) < 0 ||
	    mac_address_parse(fields[1], &lease->mac) < 0 ||
	    inet_pton(AF_INET, fields[2], &address) != 1)
		return -1;
	inet_ntop(AF_INET, &address, lease->address, sizeof(lease->address));
	if (is_hostname(fields[3]))
		strcpy(lease->hostname, fields[3]);
	return 0;
}

int leases_parse(const char *text, size_t length, struct lease **leases)
{
	const char *end = text + length;
	struct lease **last = leases;

	*leases = NULL;
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t size = (size_t)((newline ? newline : end) - text);
		char line[LINE_MAX_SIZE];
		struct lease lease;

		if (size < sizeof(line)) {
			memcpy(line, text, size);
			line[size] = '\0';
			if (parse_line(line, &lease) == 0) {
				*last = malloc(sizeof(lease));
				if (!*last) {
					leases_free(*leases);
					*leases = NULL;
					return -1;
				}
				**last = lease;
				last = &(*last)->next;
			}
		}
		text += size + 1;
	}
	return 0;
}
