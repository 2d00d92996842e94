/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads credentials as they were when the client connected. The command's name alone is looked up
 * afterwards, for people to read: by then the process may have ended and its pid be another's, so
 * a handle on the process confirms it where the kernel gives one (Linux 6.5).
 */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* For headers older than the kernel. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* The primary group first: SO_PEERGROUPS names the supplementary ones. */
static int read_groups(int fd, gid_t primary, struct credentials *credentials)
{
	socklen_t size = 0;
	gid_t *groups;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 && errno != ERANGE)
		return -errno;
	groups = malloc(sizeof(*groups) + size);
	if (!groups)
		return -ENOMEM;
	groups[0] = primary;
	if (size > 0 && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups + 1, &size) < 0) {
		free(groups);
		return -errno;
	}
	credentials->groups = groups;
	credentials->n_groups = 1 + size / sizeof(*groups);
	return 0;
}

/* The process that connected has ended, as far as the kernel can tell. */
static bool has_ended(int fd)
{
	struct pollfd pidfd;
	socklen_t size = sizeof(pidfd.fd);
	bool ended;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd.fd, &size) < 0)
		return errno == ESRCH || errno == ENODATA;
	pidfd.events = POLLIN;
	ended = poll(&pidfd, 1, 0) != 0;
	close(pidfd.fd);
	return ended;
}

/* A process chooses its own name: it goes to logs and terminals as plain text. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static void read_command(int fd, pid_t pid, char command[COMMAND_MAX + 1])
{
	char path[32];
	ssize_t length = -1;
	int file;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file >= 0) {
		length = read(file, command, COMMAND_MAX);
		close(file);
	}
	if (length <= 0 || has_ended(fd)) {
		strcpy(command, "?");
		return;
	}
	command[length] = '\0';
	command[strcspn(command, "\n")] = '\0';
	make_printable(command);
}

int peer_credentials(int fd, struct credentials *credentials)
{
	struct ucred peer;
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){ sizeof(peer) }) < 0)
		return -errno;
	*credentials = (struct credentials){ .pid = peer.pid, .uid = peer.uid };
	r = read_groups(fd, peer.gid, credentials);
	if (r < 0)
		return r;
	read_command(fd, peer.pid, credentials->command);
	return 0;
}
