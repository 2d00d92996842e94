/* SPDX-License-Identifier: Apache-2.0 */
/* Finds what stands for an interface in a command's arguments, and replaces them. */
#include "template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* Writes the first max of n descriptors as "3:4". Returns 0, or -1 when there is none. */
static int write_fds(FILE *out, const int *fds, size_t n, size_t max)
{
	for (size_t i = 0; i < n && i < max; i++)
		(void)fprintf(out, "%s%d", i > 0 ? ":" : "", fds[i]);
	return n > 0 ? 0 : -1;
}

static int complain_of_no_fd(const struct substitution *from)
{
	complain("network \"%s\": an interface with --open-by-name has no descriptor; use {ifname}",
		 from->network);
	return -1;
}

static int complain_of_no_vhost(const struct substitution *from)
{
	if (from->vhost)
		complain("network \"%s\": this host has no vhost-net for {vhostfd}; "
			 "\"modprobe vhost_net\" may bring it, or leave out --vhost and {vhostfd}",
			 from->network);
	else
		complain("network \"%s\": add --vhost for {vhostfd}", from->network);
	return -1;
}

static int write_fd(FILE *out, const struct substitution *from)
{
	if (write_fds(out, from->fds, from->n_fds, 1) < 0)
		return complain_of_no_fd(from);
	return 0;
}

static int write_all_fds(FILE *out, const struct substitution *from)
{
	if (write_fds(out, from->fds, from->n_fds, from->n_fds) < 0)
		return complain_of_no_fd(from);
	return 0;
}

static int write_vhost_fd(FILE *out, const struct substitution *from)
{
	if (write_fds(out, from->vhost_fds, from->n_vhost_fds, 1) < 0)
		return complain_of_no_vhost(from);
	return 0;
}

static int write_all_vhost_fds(FILE *out, const struct substitution *from)
{
	if (write_fds(out, from->vhost_fds, from->n_vhost_fds, from->n_vhost_fds) < 0)
		return complain_of_no_vhost(from);
	return 0;
}

static int write_ifname(FILE *out, const struct substitution *from)
{
	(void)fputs(from->ifname, out);
	return 0;
}

static int write_mac(FILE *out, const struct substitution *from)
{
	(void)fputs(from->mac, out);
	return 0;
}

static const struct word {
	const char *name;
	int (*write)(FILE *out, const struct substitution *from);
} words[] = {
	{ "fd", write_fd },
	{ "fds", write_all_fds },
	{ "vhostfd", write_vhost_fd },
	{ "vhostfds", write_all_vhost_fds },
	{ "ifname", write_ifname },
	{ "mac", write_mac },
};

/* The word that text, behind a brace, starts with, up to its ":" or "}". */
static const struct word *find_word(const char *text)
{
	size_t length = strcspn(text, ":}");

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i].name) == length && strncmp(words[i].name, text, length) == 0)
			return &words[i];
	}
	return NULL;
}

static const struct substitution *find_network(const char *name, size_t length,
					       const struct substitution *substitutions, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *network = substitutions[i].network;

		if (strlen(network) == length && strncmp(network, name, length) == 0)
			return &substitutions[i];
	}
	complain("{...:%.*s} needs a --network %.*s", (int)length, name, (int)length, name);
	return NULL;
}

/*
 * Writes what stands at a brace, and moves text behind it. Returns 0, or -1
 * after complaining.
 */
static int replace(FILE *out, const char **text, const struct substitution *substitutions, size_t n)
{
	const struct word *word = find_word(*text + 1);
	const char *end = strchr(*text, '}');
	const struct substitution *from = substitutions;
	const char *name;

	if (!word || !end) {
		(void)fputc('{', out);
		*text += 1;
		return 0;
	}
	name = *text + 1 + strlen(word->name);
	if (*name == ':')
		from = find_network(name + 1, (size_t)(end - name - 1), substitutions, n);
	*text = end + 1;
	return from ? word->write(out, from) : -1;
}

char *substitute(const char *text, const struct substitution *substitutions, size_t n)
{
	char *result = NULL;
	int failed = 0;
	size_t size;
	FILE *out = open_memstream(&result, &size);

	if (!out) {
		complain("out of memory");
		return NULL;
	}
	while (*text && !failed) {
		if (*text == '{')
			failed = replace(out, &text, substitutions, n);
		else
			(void)fputc(*text++, out);
	}
	if (fclose(out) == 0 && !failed)
		return result;
	if (!failed)
		complain("out of memory");
	free(result);
	return NULL;
}
