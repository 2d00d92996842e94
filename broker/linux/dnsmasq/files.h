/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a network's dnsmasq has: where they are, made, read and removed. What is in
 * them is config.h's, leases.h's and resolvers.h's.
 */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_FILES_H
#define VMNET_BROKER_LINUX_DNSMASQ_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The longest lease file: tens of thousands of leases have room in it. */
#define DNSMASQ_FILE_SIZE_MAX (8 * 1024 * 1024)

/*
 * Where they are: absolute paths that need no escape. All are the broker's, in
 * directories that are the broker's. dnsmasq reads the configuration, the hosts and
 * the resolvers, and what it can write is what is in the leases.
 */
struct dnsmasq_files {
	char *config;
	char *pid;
	char *leases; /* kept across the network's lives */
	char *hosts; /* NAME.hosts: see reservations.h */
	char *names; /* NAME.names: see zones.h */
	char *resolvers; /* NAME.resolv.conf, after what it is made of: see resolvers.h */
};

/*
 * state_dir: NULL when the leases are not asked for, and not set.
 * Returns 0, or -1 with errno; to be cleared only after 0.
 */
int dnsmasq_files_init(struct dnsmasq_files *files, const char *network, const char *state_dir,
		       const char *runtime_dir);
void dnsmasq_files_clear(struct dnsmasq_files *files);

/*
 * Writes the configuration, and makes the files of leases, hosts and names if none are
 * there; all are for a group, dnsmasq's. Returns 0 or a negative errno.
 */
int dnsmasq_files_write(const struct dnsmasq_files *files, const char *config, gid_t group);

/* Notes its process. Returns 0 or a negative errno. */
int dnsmasq_files_write_pid(const struct dnsmasq_files *files, pid_t pid);

/* Whether the configuration that is there is just this one. */
bool dnsmasq_files_have(const struct dnsmasq_files *files, const char *config);

/* Removes all but the leases. */
void dnsmasq_files_remove(const struct dnsmasq_files *files);

/* Returns a file's text, terminated, for the caller to free, or NULL with errno. */
char *dnsmasq_file_read(const char *path, size_t *length);

#endif
