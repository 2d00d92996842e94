/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads and writes the file, a line for each thing:
 *
 *	bridge NAME
 *	all ipv6
 *	ipv4|ipv6 INDEX FORWARDING ACCEPT_RA
 */
#include "forwarding_state.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memstream.h"
#include "sysctl.h"

#define FILE_NAME "forwarding"

static int make_path(char path[PATH_MAX], const char *runtime_dir)
{
	int length = snprintf(path, PATH_MAX, "%s/" FILE_NAME, runtime_dir);

	return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* A damaged line says nothing: 0. */
static int parse_line(const char *line, struct forwarding_state *state)
{
	struct routed_interface interface = { 0 };
	char word[16];
	char name[INTERFACE_NAME_SIZE];
	int accept_ra;

	if (sscanf(line, "bridge %15s", name) == 1)
		return forwarding_state_add_bridge(state, name);
	if (strcmp(line, "all ipv6\n") == 0) {
		state->ipv6_all = true;
		return 0;
	}
	if (sscanf(line, "%15s %d %d %d", word, &interface.index, &interface.forwarding,
		   &accept_ra) != 4)
		return 0;
	if (strcmp(word, "ipv4") == 0)
		interface.family = AF_INET;
	else if (strcmp(word, "ipv6") == 0)
		interface.family = AF_INET6;
	else
		return 0;
	interface.accept_ra = accept_ra == 1;
	return forwarding_state_add_interface(state, &interface);
}

int forwarding_state_load(const char *runtime_dir, struct forwarding_state *state)
{
	char path[PATH_MAX];
	char line[64];
	FILE *file;
	int result = make_path(path, runtime_dir);

	if (result < 0)
		return result;
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (result == 0 && fgets(line, sizeof(line), file))
		result = parse_line(line, state);
	if (result == 0 && ferror(file))
		result = -EIO;
	(void)fclose(file);
	return result;
}

static char *to_text(const struct forwarding_state *state)
{
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	for (const struct routed_bridge *bridge = state->bridges; bridge; bridge = bridge->next)
		(void)fprintf(file, "bridge %s\n", bridge->name);
	if (state->ipv6_all)
		(void)fprintf(file, "all ipv6\n");
	for (const struct routed_interface *interface = state->interfaces; interface;
	     interface = interface->next)
		(void)fprintf(file, "%s %d %d %d\n", interface->family == AF_INET ? "ipv4" : "ipv6",
			      interface->index, interface->forwarding, interface->accept_ra);
	return memstream_close(file, &text);
}

int forwarding_state_save(const char *runtime_dir, const struct forwarding_state *state)
{
	char path[PATH_MAX];
	char *text;
	int result = make_path(path, runtime_dir);

	if (result < 0)
		return result;
	if (!state->bridges && !state->interfaces && !state->ipv6_all)
		return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
	text = to_text(state);
	result = text ? file_replace(path, text, 0) : -ENOMEM;
	free(text);
	return result;
}

int forwarding_state_add_bridge(struct forwarding_state *state, const char *name)
{
	struct routed_bridge *bridge;

	for (bridge = state->bridges; bridge; bridge = bridge->next)
		if (strcmp(bridge->name, name) == 0)
			return 0;
	bridge = calloc(1, sizeof(*bridge));
	if (!bridge)
		return -ENOMEM;
	(void)snprintf(bridge->name, sizeof(bridge->name), "%s", name);
	bridge->next = state->bridges;
	state->bridges = bridge;
	return 0;
}

void forwarding_state_remove_bridge(struct forwarding_state *state, const char *name)
{
	for (struct routed_bridge **link = &state->bridges; *link; link = &(*link)->next) {
		struct routed_bridge *bridge = *link;

		if (strcmp(bridge->name, name) != 0)
			continue;
		*link = bridge->next;
		free(bridge);
		return;
	}
}

struct routed_interface *forwarding_state_interface(const struct forwarding_state *state,
						    int family, int index)
{
	struct routed_interface *interface = state->interfaces;

	while (interface && (interface->family != family || interface->index != index))
		interface = interface->next;
	return interface;
}

int forwarding_state_add_interface(struct forwarding_state *state,
				   const struct routed_interface *interface)
{
	struct routed_interface *added;

	added = forwarding_state_interface(state, interface->family, interface->index);
	if (added) {
		added->accept_ra |= interface->accept_ra && !added->forwarding;
		added->is_off = interface->is_off;
		if (added->is_off)
			added->forwarding = 0;
		return 0;
	}
	added = malloc(sizeof(*added));
	if (!added)
		return -ENOMEM;
	*added = *interface;
	added->next = state->interfaces;
	state->interfaces = added;
	return 0;
}

void forwarding_state_forget(struct forwarding_state *state, int family)
{
	struct routed_interface **link = &state->interfaces;

	while (*link) {
		struct routed_interface *interface = *link;

		if (family != AF_UNSPEC && interface->family != family) {
			link = &interface->next;
			continue;
		}
		*link = interface->next;
		free(interface);
	}
}

static bool is_among(int index, const struct link *links, size_t n_links)
{
	for (size_t i = 0; i < n_links; i++)
		if (links[i].index == index)
			return true;
	return false;
}

void forwarding_state_forget_gone(struct forwarding_state *state, const struct link *links,
				  size_t n_links)
{
	struct routed_interface **next = &state->interfaces;

	while (*next) {
		struct routed_interface *interface = *next;

		if (is_among(interface->index, links, n_links)) {
			next = &interface->next;
			continue;
		}
		*next = interface->next;
		free(interface);
	}
}

void forwarding_state_clear(struct forwarding_state *state)
{
	forwarding_state_forget(state, AF_UNSPEC);
	while (state->bridges)
		forwarding_state_remove_bridge(state, state->bridges->name);
	state->ipv6_all = false;
}

bool forwarding_has_own_switch(int family)
{
	static bool found; /* a kernel that has it keeps it */
	int value;

	if (family == AF_INET)
		return true;
	found = found || sysctl_read(family, "all", FORCE_FORWARDING, &value) == 0;
	return found;
}

const char *forwarding_own_switch(int family)
{
	return family == AF_INET || !forwarding_has_own_switch(family) ? "forwarding"
								       : FORCE_FORWARDING;
}

int forwarding_set(const struct routed_interface *interface, const char *name, int value,
		   struct error *error)
{
	char ifname[INTERFACE_NAME_SIZE];
	int result;

	if (!link_name(interface->index, ifname))
		return 0;
	result = sysctl_set(interface->family, ifname, name, value, error);
	return result == -ENOENT ? 0 : result;
}

int forwarding_replace_accept_ra(const struct routed_interface *interface, int before, int value,
				 struct error *error)
{
	char ifname[INTERFACE_NAME_SIZE];
	int now;

	if (!interface->accept_ra || !link_name(interface->index, ifname) ||
	    sysctl_read(AF_INET6, ifname, "accept_ra", &now) < 0 || now != before)
		return 0;
	return forwarding_set(interface, "accept_ra", value, error);
}

int forwarding_switch_off(struct forwarding_state *state, int family, struct error *error)
{
	int result = 0;

	if (family == AF_INET6 && state->ipv6_all)
		result = sysctl_set(family, "all", "forwarding", 0, error);
	for (const struct routed_interface *interface = state->interfaces; interface && result == 0;
	     interface = interface->next)
		if (interface->family == family)
			result = forwarding_set(interface, forwarding_own_switch(family),
						interface->forwarding, error);
	for (const struct routed_interface *interface = state->interfaces; interface && result == 0;
	     interface = interface->next)
		if (interface->family == family)
			result = forwarding_replace_accept_ra(interface, 2, 1, error);
	if (result < 0)
		return result;
	if (family == AF_INET6)
		state->ipv6_all = false;
	forwarding_state_forget(state, family);
	return 0;
}
