/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses a line of dnsmasq's file of leases, which is
 *
 *	EXPIRES MAC ADDRESS HOSTNAME CLIENT-ID
 *
 * with "*" for what is not known, and a client id only where an earlier version
 * had it written. Others (a DUID, IPv6 leases) look different. For what machines
 * have taken MAC is 06-MAC:ADDRESS, in hexadecimal; for what is reserved, 06-MAC.
 */
#include "leases.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memstream.h"
#include "broker/interface.h"
#include "broker/platform.h"

#define N_FIELDS 5
/* How long it may take until a server does as it is asked. */
#define DELAY_SECONDS 30
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

/* One that can be told in microseconds. */
static int parse_time(const char *text, time_t *time)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || end == text || *end != '\0' || value < 0 || value > INT64_MAX / 1000000)
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

/* Of an Ethernet, or of what no machine has asked for; the lease has its address. */
static int parse_hardware(const char *text, struct dhcp_lease *lease)
{
	const uint8_t *bytes = (const uint8_t *)&lease->address;
	char start[MAC_TEXT_SIZE];
	char reserved[64];
	char taken[sizeof(reserved) + sizeof(":ff:ff:ff:ff")];

	if (mac_address_parse(text, &lease->mac) == 0)
		return 0;
	(void)snprintf(start, sizeof(start), "%s", text + strnlen(text, strlen("06-")));
	if (mac_address_parse(start, &lease->mac) < 0)
		return -1;
	(void)snprintf(reserved, sizeof(reserved), "%02x-%s", UNASKED_HARDWARE_TYPE, start);
	(void)snprintf(taken, sizeof(taken), "%s:%02x:%02x:%02x:%02x", reserved, bytes[0], bytes[1],
		       bytes[2], bytes[3]);
	lease->is_reserved = strcmp(text, reserved) == 0;
	lease->is_taken = strcmp(text, taken) == 0;
	return lease->is_reserved || lease->is_taken ? 0 : -1;
}

static int parse_line(char *line, struct dhcp_lease *lease)
{
	char *fields[N_FIELDS];

	*lease = (struct dhcp_lease){ 0 };
	if (split(line, fields) < N_FIELDS || parse_time(fields[0], &lease->expires) < 0 ||
	    inet_pton(AF_INET, fields[2], &lease->address) != 1 ||
	    parse_hardware(fields[1], lease) < 0)
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

/* A line of the file. Returns NULL when there is none left. */
static const char *next_line(const char **text, const char *end, size_t *size)
{
	const char *line = *text;
	const char *newline;

	if (line >= end)
		return NULL;
	newline = memchr(line, '\n', (size_t)(end - line));
	*size = (size_t)((newline ? newline : end) - line);
	*text = line + *size + 1;
	return line;
}

/* "EXPIRES MAC ADDRESS", with a hardware address of any kind. Gets the time's length, too. */
static bool read_start(const char *line, size_t size, time_t *expires, struct in_addr *address,
		       size_t *length)
{
	char time[32];
	char text[INET_ADDRSTRLEN];
	char start[128];

	(void)snprintf(start, sizeof(start), "%.*s", (int)size, line);
	if (sscanf(start, "%31s %*s %15s", time, text) != 2 || parse_time(time, expires) < 0 ||
	    inet_pton(AF_INET, text, address) != 1)
		return false;
	*length = (size_t)(strstr(start, time) - start) + strlen(time);
	return true;
}

/* When the last of them ends. */
static time_t last_end(const char *text, const char *end)
{
	struct in_addr address;
	const char *line;
	time_t last = 0;
	time_t expires;
	size_t size;

	while ((line = next_line(&text, end, &size)))
		if (read_start(line, size, &expires, &address, &size) && expires > last)
			last = expires;
	return last;
}

/* 0, which is never, remains. */
static time_t new_end(time_t expires, time_t last, time_t now)
{
	time_t before = last - expires;

	if (!expires)
		return 0;
	return now + LEASE_SECONDS - (before < LEASE_SECONDS / 2 ? before : LEASE_SECONDS / 2);
}

char *leases_prepare(const char *text, size_t length, const struct ipv4_subnet *subnet, time_t now)
{
	const char *end = text + length;
	const time_t last = last_end(text, end);
	char *prepared;
	size_t prepared_size;
	FILE *file = open_memstream(&prepared, &prepared_size);
	unsigned int n = 0;
	const char *line;
	size_t size;

	if (!file)
		return NULL;
	while ((line = next_line(&text, end, &size))) {
		struct in_addr address;
		time_t expires;
		size_t start;

		if (!read_start(line, size, &expires, &address, &start))
			(void)fprintf(file, "%.*s\n", (int)size, line);
		else if (ipv4_subnet_contains(subnet, address) && n++ < LEASES_KEPT)
			(void)fprintf(file, "%lld%.*s\n", (long long)new_end(expires, last, now),
				      (int)(size - start), line + start);
	}
	return memstream_close(file, &prepared);
}

/* Returns the interface that it is of, or NULL. */
static const struct interface *find_interface(const struct network *network,
					      const struct dhcp_lease *lease)
{
	const struct interface *i = network->interfaces;

	while (i && !mac_address_equal(&i->mac, &lease->mac))
		i = i->next;
	return i;
}

static time_t seconds_attached(const struct interface *interface)
{
	return (time_t)((platform_now() - interface->attached) / 1000000);
}

bool lease_is_asked_for(const struct network *network, const struct dhcp_lease *lease)
{
	const struct interface *interface = find_interface(network, lease);

	return interface && interface->options.has_ipv4 &&
	       interface->options.ipv4.s_addr == lease->address.s_addr;
}

bool lease_is_reserved(const struct network *network, const struct dhcp_lease *lease, time_t now)
{
	const struct interface *interface;
	time_t length;

	if (lease->is_taken || lease->is_reserved || !lease->expires)
		return lease->is_reserved;
	interface = find_interface(network, lease);
	if (!interface || !interface->may_have_former)
		return false;
	length = lease->expires - now + seconds_attached(interface);
	return length >= RESERVED_SECONDS - DELAY_SECONDS &&
	       length <= RESERVED_SECONDS + DELAY_SECONDS;
}

bool lease_has_gone_on(const struct network *network, const struct mac_address *mac,
		       struct in_addr address)
{
	bool is_elsewhere;
	const struct mac_address *whose = platform_known_ipv4(network, address, &is_elsewhere);

	return is_elsewhere && mac_address_equal(whose, mac);
}

bool lease_is_used(const struct network *network, const struct dhcp_lease *lease)
{
	return interfaces_have_mac(network, &lease->mac) ||
	       lease_has_gone_on(network, &lease->mac, lease->address);
}

static struct lease *lease_new(const struct dhcp_lease *from, time_t ahead)
{
	struct lease *lease = calloc(1, sizeof(*lease));

	if (!lease)
		return NULL;
	lease->mac = from->mac;
	lease->expires = from->expires ? from->expires + ahead : 0;
	strcpy(lease->hostname, from->hostname);
	inet_ntop(AF_INET, &from->address, lease->address, sizeof(lease->address));
	return lease;
}

static int compare(const void *left, const void *right)
{
	return lease_compare(*(struct lease *const *)left, *(struct lease *const *)right);
}

int leases_list(const struct network *network, const struct dhcp_lease *leases, size_t n_leases,
		time_t now, time_t ahead, struct lease **list)
{
	struct lease **items = calloc(n_leases + 1, sizeof(*items));
	bool failed = false;
	size_t n = 0;

	*list = NULL;
	if (!items)
		return -1;
	for (size_t i = 0; i < n_leases && !failed; i++) {
		if (leases[i].is_taken || lease_is_reserved(network, &leases[i], now))
			continue;
		items[n] = lease_new(&leases[i], ahead);
		failed = !items[n];
		n += !failed;
	}
	qsort(items, n, sizeof(*items), compare);
	for (size_t i = n; i > 0; i--) {
		items[i - 1]->next = *list;
		*list = items[i - 1];
	}
	free(items);
	if (!failed)
		return 0;
	leases_free(*list);
	*list = NULL;
	return -1;
}
