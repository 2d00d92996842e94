/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads /etc/subuid. It names owners, and what a name stands for may be known far away only. So
 * nobody is asked: the ids of one name, on all of its lines, are charged to the lowest of them,
 * and an owner is two users at the most, himself and that.
 */
#include "subuids.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker/platform.h"

struct range {
	char *owner; /* while the file is read */
	uid_t first;
	uid_t last;
	uid_t account;
};

struct ranges {
	struct range *items;
	size_t n;
};

static struct ranges known;

/* Of a number that ends there. Returns whether it is one. */
static bool parse_number(const char *text, uint64_t *number)
{
	*number = 0;
	if (!*text || strlen(text) > 10 || text[strspn(text, "0123456789")])
		return false;
	*number = strtoull(text, NULL, 10);
	return true;
}

/* "OWNER:FIRST:COUNT", which it cuts. Returns whether it is one. */
static bool parse_line(char *line, struct range *range)
{
	char *first = strchr(line, ':');
	char *count = first ? strchr(first + 1, ':') : NULL;
	uint64_t from;
	uint64_t n;

	if (!count || first == line)
		return false;
	*first++ = '\0';
	*count++ = '\0';
	if (!parse_number(first, &from) || !parse_number(count, &n) || n == 0 ||
	    from + n > UINT32_MAX)
		return false;
	*range = (struct range){ .owner = line,
				 .first = (uid_t)from,
				 .last = (uid_t)(from + n - 1) };
	return true;
}

static int compare_owners(const void *a, const void *b)
{
	const struct range *left = a;
	const struct range *right = b;
	int order = strcmp(left->owner, right->owner);

	return order ? order : (left->first > right->first) - (left->first < right->first);
}

/* Returns 0, or -1 when memory is short. */
static int add(struct ranges *ranges, const struct range *range)
{
	struct range *items;

	if (range->last < SUBUIDS_FIRST)
		return 0;
	items = reallocarray(ranges->items, ranges->n + 1, sizeof(*items));
	if (!items)
		return -1;
	ranges->items = items;
	items += ranges->n;
	*items = *range;
	items->owner = strdup(range->owner);
	if (!items->owner)
		return -1;
	if (range->first < SUBUIDS_FIRST)
		items->first = SUBUIDS_FIRST;
	ranges->n++;
	return 0;
}

/* Returns 0, or -1 when memory is short. damaged: gets the number of the last line that is so. */
static int add_line(struct ranges *ranges, char *line, unsigned int number, unsigned int *damaged)
{
	struct range range;

	line[strcspn(line, "\n")] = '\0';
	if (!*line || *line == '#')
		return 0;
	if (parse_line(line, &range))
		return add(ranges, &range);
	*damaged = number;
	return 0;
}

/* Returns 0, or -1 when it cannot be read. */
static int read_lines(FILE *file, const char *path, struct ranges *ranges)
{
	unsigned int damaged = 0;
	unsigned int number = 0;
	char *line = NULL;
	size_t size = 0;
	int result = 0;

	while (result == 0 && ranges->n < SUBUIDS_MAX && getline(&line, &size, file) >= 0)
		result = add_line(ranges, line, ++number, &damaged);
	free(line);
	if (damaged)
		log_warning(NULL, "%s:%u: is not \"OWNER:FIRST:COUNT\", and has no effect", path,
			    damaged);
	return ferror(file) ? -1 : result;
}

/* The lowest id of each owner is the first in this order. */
static void settle(struct ranges *ranges)
{
	struct range *range = ranges->items;

	if (ranges->n > 0)
		qsort(range, ranges->n, sizeof(*range), compare_owners);
	for (size_t i = 0; i < ranges->n; i++, range++)
		range->account = i > 0 && strcmp(range->owner, range[-1].owner) == 0
					 ? range[-1].account
					 : range->first;
}

void subuids_read(FILE *file, const char *path)
{
	struct ranges ranges = { 0 };
	int result = read_lines(file, path, &ranges);

	settle(&ranges);
	for (size_t i = 0; i < ranges.n; i++)
		free(ranges.items[i].owner);
	if (result < 0) {
		log_warning(NULL, "%s cannot be read: what it had before has effect", path);
		free(ranges.items);
		return;
	}
	free(known.items);
	known = ranges;
}

void subuids_load(const char *path)
{
	FILE *file = fopen(path, "re");

	if (file) {
		subuids_read(file, path);
		(void)fclose(file);
	} else if (errno != ENOENT) {
		log_warning(NULL, "%s cannot be opened: %s", path, strerror(errno));
	} else {
		known.n = 0;
	}
}

uid_t platform_account(uid_t uid)
{
	if (uid < SUBUIDS_FIRST)
		return uid;
	for (size_t i = 0; i < known.n; i++)
		if (uid >= known.items[i].first && uid <= known.items[i].last)
			return known.items[i].account;
	return uid;
}
