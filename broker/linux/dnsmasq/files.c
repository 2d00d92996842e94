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

void dnsmasq_files_clear(struct dnsmasq_files *files)
{
	free(files->config);
	free(files->pid);
	free(files->leases);
	free(files->resolvers);
	*files = (struct dnsmasq_files){ 0 };
}

static char *make_path(const char *directory, const char *network, const char *suffix)
{
	char *real = realpath(directory, NULL);
	char *path = NULL;

	if (real && asprintf(&path, "%s/%s%s", real, network, suffix) < 0)
		path = NULL;
	free(real);
	return path;
}

int dnsmasq_files_init(struct dnsmasq_files *files, const char *network, const char *state_dir,
		       const char *runtime_dir)
{
	int reason;

	files->config = make_path(runtime_dir, network, ".dnsmasq.conf");
	files->pid = make_path(runtime_dir, network, ".dnsmasq.pid");
	files->resolvers = make_path(runtime_dir, network, ".resolv.conf");
	files->leases = state_dir ? make_path(state_dir, network, ".leases") : NULL;
	if (files->config && files->pid && files->resolvers && (files->leases || !state_dir))
		return 0;
	reason = errno;
	dnsmasq_files_clear(files);
	errno = reason;
	return -1;
}

char *dnsmasq_file_read(const char *path, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	char *text = NULL;
	ssize_t n = -1;

	if (fd < 0)
		return NULL;
	errno = EFBIG;
	if (fstat(fd, &status) == 0 && status.st_size <= DNSMASQ_FILE_SIZE_MAX)
		text = malloc((size_t)status.st_size + 1);
	if (text)
		n = read(fd, text, (size_t)status.st_size);
	(void)close(fd);
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	*length = (size_t)n;
	return text;
}

static int write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	bool failed;

	if (!file)
		return -1;
	failed = fputs(text, file) < 0;
	return fclose(file) < 0 || failed ? -1 : 0;
}

/* Makes it if it is not there. A FIFO in its place stops nobody. */
static int share(const char *path, gid_t group, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	bool failed;

	if (fd < 0)
		return -1;
	failed = fchown(fd, (uid_t)-1, group) < 0 || fchmod(fd, mode) < 0;
	return close(fd) < 0 || failed ? -1 : 0;
}

int dnsmasq_files_write(const struct dnsmasq_files *files, const char *config, gid_t group)
{
	if (write_text(files->config, config) < 0 || share(files->config, group, 0640) < 0)
		return -1;
	return share(files->leases, group, 0660);
}

int dnsmasq_files_write_pid(const struct dnsmasq_files *files, pid_t pid)
{
	char text[3 * sizeof(pid) + 2];

	(void)snprintf(text, sizeof(text), "%d\n", (int)pid);
	return write_text(files->pid, text);
}

int dnsmasq_files_replace_leases(const struct dnsmasq_files *files, const char *text)
{
	char *path;
	int result;

	if (asprintf(&path, "%s.new", files->leases) < 0)
		return -1;
	result = write_text(path, text);
	if (result == 0)
		result = rename(path, files->leases);
	if (result < 0)
		(void)unlink(path);
	free(path);
	return result;
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
	(void)unlink(files->resolvers);
}
