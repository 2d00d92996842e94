/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, and what is read and written there. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "host/names.h"

void dnsmasq_files_clear(struct dnsmasq_files *files)
{
	free(files->config);
	free(files->pid);
	free(files->leases);
	free(files->hosts);
	free(files->names);
	free(files->resolvers);
	*files = (struct dnsmasq_files){ 0 };
}

/* directory: NULL for none. */
static char *make_path(const char *directory, const char *network, const char *suffix)
{
	char *path;

	return directory && asprintf(&path, "%s/%s%s", directory, network, suffix) >= 0 ? path
											: NULL;
}

int dnsmasq_files_init(struct dnsmasq_files *files, const char *network, const char *state_dir,
		       const char *runtime_dir)
{
	char *runtime = realpath(runtime_dir, NULL);
	char *state = runtime && state_dir ? realpath(state_dir, NULL) : NULL;
	int reason = errno;

	files->config = make_path(runtime, network, DNSMASQ_CONFIG_SUFFIX);
	files->pid = make_path(runtime, network, ".dnsmasq.pid");
	files->hosts = make_path(runtime, network, ".hosts");
	files->names = make_path(runtime, network, ".names");
	files->resolvers = make_path(runtime, network, ".resolv.conf");
	files->leases = make_path(state, network, ".leases");
	if (runtime && (state || !state_dir))
		reason = ENOMEM;
	free(runtime);
	free(state);
	if (files->config && files->pid && files->hosts && files->names && files->resolvers &&
	    (files->leases || !state_dir))
		return 0;
	dnsmasq_files_clear(files);
	errno = reason;
	return -1;
}

char *dnsmasq_file_read(const char *path, size_t *length)
{
	char *text = file_read(path, DNSMASQ_FILE_SIZE_MAX + 1, length);

	if (!text || *length <= DNSMASQ_FILE_SIZE_MAX)
		return text;
	free(text);
	errno = EFBIG;
	return NULL;
}

/* Makes it if it is not there. A FIFO in its place stops nobody. */
static int share(const char *path, gid_t group, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	int result = 0;

	if (fd < 0)
		return -errno;
	if (fchown(fd, (uid_t)-1, group) < 0 || fchmod(fd, mode) < 0)
		result = -errno;
	(void)close(fd);
	return result;
}

int dnsmasq_files_write(const struct dnsmasq_files *files, const char *config, gid_t group)
{
	int result = file_replace_for(files->config, config, group);

	if (result == 0)
		result = share(files->hosts, group, 0640);
	if (result == 0)
		result = share(files->names, group, 0640);
	return result < 0 ? result : share(files->leases, group, 0660);
}

int dnsmasq_files_write_pid(const struct dnsmasq_files *files, pid_t pid)
{
	char text[3 * sizeof(pid) + 2];

	(void)snprintf(text, sizeof(text), "%d\n", (int)pid);
	return file_replace(files->pid, text, 0);
}

bool dnsmasq_files_have(const struct dnsmasq_files *files, const char *config)
{
	size_t length;
	char *text = dnsmasq_file_read(files->config, &length);
	bool same = text && strcmp(text, config) == 0;

	free(text);
	return same;
}

void dnsmasq_files_remove(const struct dnsmasq_files *files)
{
	(void)unlink(files->pid);
	(void)unlink(files->config);
	(void)unlink(files->hosts);
	(void)unlink(files->names);
	(void)unlink(files->resolvers);
}
