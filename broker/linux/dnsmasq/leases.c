/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses a line of dnsmasq's file of leases, which is
 *
 *	EXPIRES MAC ADDRESS HOSTNAME CLIENT-ID
 *
 * with "*" for what is not known, and a client id only where an earlier version
 * had it written. Others (a DUID, IPv6 leases) look different.
 */
#include "leases.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memstream.h"

#define N_FIELDS 5
/* As many leave room for others: see lease_release.c. */
#define LEASES_KEPT (LEASES_MAX / 4 * 3)
/* The longest name, the longest client id as "00:00:..", and the rest. */
#define LINE_MAX_SIZE (HOSTNAME_TEXT_MAX + 3 * 255 + 128)

/* A name as in DNS: letters, digits, hyphens, dots; and what machines use in spite of it. */
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

static int parse_line(char *line, struct dhcp_lease *lease)
{
	char *fields[N_FIELDS];

	*lease = (struct dhcp_lease){ 0 };
	if (split(line, fields) < N_FIELDS || parse_time(fields[0], &lease->expires) < 0 ||
	    mac_address_parse(fields[1], &lease->mac) < 0 ||
	    inet_pton(AF_INET, fields[2], &lease->address) != 1)
		return -1;
	if (is_hostname(fields[3]))
		strcpy(lease->hostname, fields[3]);
	return 0;
}

/* As many as a server gives, though more be written there. */
static size_t count_lines(const char *text, size_t length)
{
	size_t n = 1;

	for (size_t i = 0; i < length && n < LEASES_MAX; i++)
		n += text[i] == '\n';
	return n;
}

int leases_parse(const char *text, size_t length, struct dhcp_lease **leases, size_t *n_leases)
{
	const char *end = text + length;
	size_t room = count_lines(text, length);

	*n_leases = 0;
	*leases = calloc(room, sizeof(**leases));
	if (!*leases)
		return -1;
	while (text < end && *n_leases < room) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t size = (size_t)((newline ? newline : end) - text);
		char line[LINE_MAX_SIZE];

		if (size < sizeof(line)) {
			memcpy(line, text, size);
			line[size] = '\0';
			if (parse_line(line, &(*leases)[*n_leases]) == 0)
				(*n_leases)++;
		}
		text += size + 1;
	}
	return 0;
}

/* "EXPIRES MAC ADDRESS", with a hardware address of any kind. */
static bool read_address(const char *line, size_t size, struct in_addr *address)
{
	char text[INET_ADDRSTRLEN];
	char start[128];

	(void)snprintf(start, sizeof(start), "%.*s", (int)size, line);
	return sscanf(start, "%*s %*s %15s", text) == 1 && inet_pton(AF_INET, text, address) == 1;
}

char *leases_trim(const char *text, size_t length, const struct ipv4_subnet *subnet)
{
	const char *end = text + length;
	char *trimmed;
	size_t trimmed_size;
	FILE *file = open_memstream(&trimmed, &trimmed_size);
	unsigned int n = 0;

	if (!file)
		return NULL;
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t size = (size_t)((newline ? newline : end) - text);
		struct in_addr address;

		if (!read_address(text, size, &address) ||
		    (ipv4_subnet_contains(subnet, address) && n++ < LEASES_KEPT))
			(void)fprintf(file, "%.*s\n", (int)size, text);
		text += size + 1;
	}
	return memstream_close(file, &trimmed);
}

static struct lease *lease_new(const struct dhcp_lease *from)
{
	struct lease *lease = calloc(1, sizeof(*lease));

	if (!lease)
		return NULL;
	lease->mac = from->mac;
	lease->expires = from->expires;
	strcpy(lease->hostname, from->hostname);
	inet_ntop(AF_INET, &from->address, lease->address, sizeof(lease->address));
	return lease;
}

static int compare(const void *left, const void *right)
{
	return lease_compare(*(struct lease *const *)left, *(struct lease *const *)right);
}

int leases_list(const struct dhcp_lease *leases, size_t n_leases, struct lease **list)
{
	struct lease **items = calloc(n_leases + 1, sizeof(*items));
	size_t n = 0;

	*list = NULL;
	if (!items)
		return -1;
	while (n < n_leases && (items[n] = lease_new(&leases[n])))
		n++;
	qsort(items, n, sizeof(*items), compare);
	for (size_t i = n; i > 0; i--) {
		items[i - 1]->next = *list;
		*list = items[i - 1];
	}
	free(items);
	if (n == n_leases)
		return 0;
	leases_free(*list);
	*list = NULL;
	return -1;
}
