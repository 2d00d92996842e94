/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the kernel for the control group in which a socket was made, and looks for that. */
#include "socket_unit.h"

#include <fts.h>
#include <linux/inet_diag.h>
#include <linux/magic.h>
#include <linux/sock_diag.h>
#include <netlink/attr.h>
#include <netlink/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "netlink_socket.h"

#define GROUPS "/sys/fs/cgroup"
/* Users can make as many as they like: no more are looked at. */
#define GROUPS_MAX 65536U

struct wanted {
	unsigned long inode;
	uint64_t group; /* 0: not found yet */
};

static int on_socket(struct nl_msg *message, void *userdata)
{
	struct nlattr *attributes[INET_DIAG_CGROUP_ID + 1];
	struct wanted *wanted = userdata;
	struct inet_diag_msg listed;

	if (nlmsg_parse(nlmsg_hdr(message), sizeof(listed), attributes, INET_DIAG_CGROUP_ID, NULL) <
	    0)
		return NL_SKIP;
	memcpy(&listed, nlmsg_data(nlmsg_hdr(message)), sizeof(listed));
	if (listed.idiag_inode == wanted->inode && attributes[INET_DIAG_CGROUP_ID])
		wanted->group = nla_get_u64(attributes[INET_DIAG_CGROUP_ID]);
	return NL_OK;
}

/* Returns the number of the control group, or 0. */
static uint64_t find_group(const struct listed_socket *socket)
{
	struct inet_diag_req_v2 request = {
		.sdiag_family = strlen(socket->address) > 8 ? AF_INET6 : AF_INET,
		.sdiag_protocol = (uint8_t)socket->protocol,
		.idiag_states = UINT32_MAX,
	};
	struct wanted wanted = { .inode = socket->inode };
	struct nl_sock *netlink;

	if (netlink_connect(&netlink, NETLINK_SOCK_DIAG) < 0)
		return 0;
	nl_socket_modify_cb(netlink, NL_CB_VALID, NL_CB_CUSTOM, on_socket, &wanted);
	if (nl_send_simple(netlink, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof(request)) >=
	    0)
		(void)nl_recvmsgs_default(netlink);
	nl_socket_free(netlink);
	return wanted.group;
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	return length > strlen(end) && strncmp(text + length - strlen(end), end, strlen(end)) == 0;
}

const char *socket_unit_in_path(const char *path, size_t *length)
{
	/* The outermost: what is in it is its program's, or a user's, to name. */
	for (path += strspn(path, "/"); *path; path += *length, path += strspn(path, "/")) {
		*length = strcspn(path, "/");
		if (ends_with(path, *length, ".service") || ends_with(path, *length, ".scope"))
			return path;
	}
	return NULL;
}

static bool write_unit(const char *path, char *name, size_t size)
{
	size_t length;
	const char *unit = socket_unit_in_path(path, &length);

	if (!unit || length >= size)
		return false;
	(void)snprintf(name, size, "%.*s", (int)length, unit);
	return true;
}

/* A control group's number is that of its directory. */
static bool find_unit(uint64_t group, char *name, size_t size)
{
	char *const roots[] = { GROUPS, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT | FTS_XDEV, NULL);
	const FTSENT *entry = NULL;
	bool found = false;
	unsigned int n = 0;

	if (!tree)
		return false;
	while (!found && n < GROUPS_MAX && (entry = fts_read(tree))) {
		n += entry->fts_info == FTS_D;
		found = entry->fts_info == FTS_D && entry->fts_ino == group;
	}
	found = found && write_unit(entry->fts_path + strlen(GROUPS), name, size);
	(void)fts_close(tree);
	return found;
}

bool socket_unit(const struct listed_socket *socket, char *name, size_t size)
{
	struct statfs mounted;
	uint64_t group;

	if (statfs(GROUPS, &mounted) < 0 || mounted.f_type != CGROUP2_SUPER_MAGIC)
		return false;
	group = find_group(socket);
	return group && find_unit(group, name, size);
}
