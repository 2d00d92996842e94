/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry's files have in common; for vmnet_registry.c and vmnet_bridges.c. */
#ifndef TESTS_DARWIN_VMNET_REGISTRY_H
#define TESTS_DARWIN_VMNET_REGISTRY_H

#include "vmnet_double.h"

#define LINE_SIZE 256
#define RELEASED "released"

struct entry {
	char *name;
	char *text;
	bool locked; /* the process whose it is has it */
};

struct folder {
	struct entry *entries;
	size_t n;
};

void folder_load(struct folder *folder, const char *name);
void folder_drop(struct folder *folder, size_t index);
void folder_clear(struct folder *folder);

/* Static to the thread, as world_path()'s. */
const char *registry_path(const char *folder, const char *name);
void registry_write(const char *folder, const char *name, const char *text);

void each_line(const char *text, void (^visit)(const char *line));
bool begins_with(const char *line, const char *word);

/* What follows the word in the line that begins with it; "" when none does. Returns value. */
const char *value_of(const char *text, const char *word, char value[LINE_SIZE]);

/* What a network's file says of its addresses. */
void read_addresses(const char *text, struct network_addresses *addresses, uint32_t *mtu);

#endif
