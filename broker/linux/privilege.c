/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Privileges.
 *
 * What needs them: links, TAP devices, nftables and the network's settings in
 * /proc/sys take CAP_NET_ADMIN; dnsmasq's ports take CAP_NET_BIND_SERVICE, and
 * its raw sockets CAP_NET_RAW. Nothing takes root. The systemd unit starts the
 * broker as its own user with just these; started as root, it does the same to
 * itself:
 *
 *	1. while root: the directories are made and given to the service user,
 *	   and where /dev/net/tun is root's alone, a node of it
 *	2. the bounding set shrinks to the three capabilities
 *	3. groups, group and user change, the capabilities are kept
 *	4. they become ambient, for dnsmasq, which does not start without all
 *	   three, and no_new_privs shuts the way back
 *
 * Without the service user (nothing was installed) the broker stays root, with
 * these and what it takes to make dnsmasq a lesser user, which then has less.
 */
#include "privilege.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../log.h"

#define SERVICE_USER "vmnet-broker"

/* linux/Documentation/admin-guide/devices.txt */
#define TUN_MAJOR 10
#define TUN_MINOR 200

/* The service user's first; without one, what dnsmasq becomes another user by, and ends as one. */
static const cap_value_t needed[] = { CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_NET_RAW,
				      CAP_SETGID,    CAP_SETUID,	   CAP_KILL };

#define N_NEEDED 3
#define N_NEEDED_AS_ROOT 6

static char tun_path[32] = "/dev/net/tun";

const char *privilege_tun_path(void)
{
	return tun_path;
}

static int failed(const char *what)
{
	log_error(NULL, "cannot %s: %s", what, strerror(errno));
	return -1;
}

/* What a broker that ran as root left there is the service user's, too. */
static int give_files(const char *path, const struct passwd *user)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int result = 0;

	if (!directory)
		return -1;
	while (result == 0 && (entry = readdir(directory)))
		if (strcmp(entry->d_name, "..") != 0)
			result = fchownat(dirfd(directory), entry->d_name, user->pw_uid,
					  user->pw_gid, AT_SYMLINK_NOFOLLOW);
	closedir(directory);
	return result;
}

static int make_directory(const char *path, const struct passwd *user)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST) {
		log_error(NULL, "cannot make directory %s: %s", path, strerror(errno));
		return -1;
	}
	if (user && give_files(path, user) < 0) {
		log_error(NULL, "cannot give directory %s to user %s: %s", path, user->pw_name,
			  strerror(errno));
		return -1;
	}
	return 0;
}

/*
 * Most hosts let everyone open /dev/net/tun (what counts is CAP_NET_ADMIN).
 * Where only root may, the service user gets a node of its own, which has no
 * name: a descriptor stands for it.
 */
static int make_tun_node(const char *runtime_dir, const struct passwd *user)
{
	char path[PATH_MAX];
	struct stat status;
	int fd;

	if (stat(tun_path, &status) < 0 || (status.st_mode & 0006) == 0006)
		return 0; /* without it networks still work; attaching says what is missing */
	if ((size_t)snprintf(path, sizeof(path), "%s/tun", runtime_dir) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return failed("name a node for TAP devices");
	}
	if (unlink(path) < 0 && errno != ENOENT)
		return failed("replace the node for TAP devices");
	if (mknod(path, S_IFCHR | 0600, makedev(TUN_MAJOR, TUN_MINOR)) < 0 ||
	    lchown(path, user->pw_uid, user->pw_gid) < 0)
		return failed("make a node for TAP devices");
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 || unlink(path) < 0)
		return failed("take the node for TAP devices");
	(void)snprintf(tun_path, sizeof(tun_path), "/proc/self/fd/%d", fd);
	return 0;
}

static int shrink_bounding_set(int n_needed)
{
	for (cap_value_t value = 0; value < cap_max_bits(); value++) {
		bool keep = false;

		for (int i = 0; i < n_needed; i++)
			keep = keep || needed[i] == value;
		if (!keep && cap_drop_bound(value) < 0)
			return failed("give up a capability");
	}
	return 0;
}

static int change_user(const struct passwd *user)
{
	if (prctl(PR_SET_KEEPCAPS, 1) < 0)
		return failed("keep capabilities");
	if (initgroups(user->pw_name, user->pw_gid) < 0 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
		return failed("become user " SERVICE_USER);
	return 0;
}

static int keep_only_needed(int n_needed)
{
	cap_t capabilities = cap_init();
	int result = -1;

	if (!capabilities)
		return failed("allocate capabilities");
	if (cap_set_flag(capabilities, CAP_PERMITTED, n_needed, needed, CAP_SET) < 0 ||
	    cap_set_flag(capabilities, CAP_EFFECTIVE, n_needed, needed, CAP_SET) < 0 ||
	    cap_set_flag(capabilities, CAP_INHERITABLE, n_needed, needed, CAP_SET) < 0 ||
	    cap_set_proc(capabilities) < 0) {
		failed("keep the capabilities that networks need");
		goto out;
	}
	for (int i = 0; i < n_needed; i++) {
		if (cap_set_ambient(needed[i], CAP_SET) < 0) {
			failed("pass capabilities on");
			goto out;
		}
	}
	result = 0;
out:
	cap_free(capabilities);
	return result;
}

static int check_capabilities(void)
{
	cap_t capabilities = cap_get_proc();
	cap_flag_value_t has = CAP_CLEAR;
	int result =
		capabilities ? cap_get_flag(capabilities, CAP_NET_ADMIN, CAP_EFFECTIVE, &has) : -1;

	cap_free(capabilities);
	if (result < 0)
		return failed("read capabilities");
	if (has != CAP_SET) {
		log_error(NULL, "networks take the capability CAP_NET_ADMIN; start the broker by "
				"systemd, or as root");
		return -1;
	}
	return 0;
}

int privilege_become_service(const struct options *options)
{
	const struct passwd *user = NULL;
	int n_needed;

	if (geteuid() == 0) {
		user = getpwnam(SERVICE_USER);
		if (!user)
			log_info(NULL,
				 "there is no user %s; running as root with fewer "
				 "capabilities (systemd-sysusers makes it)",
				 SERVICE_USER);
	}
	if (make_directory(options->state_dir, user) < 0 ||
	    make_directory(options->runtime_dir, user) < 0)
		return -1;
	/* Who holds what, and whose lease is which, is for those whom a network is for. */
	(void)umask(S_IRWXG | S_IRWXO);
	if (geteuid() != 0)
		return check_capabilities();
	if (user && make_tun_node(options->runtime_dir, user) < 0)
		return -1;
	n_needed = user ? N_NEEDED : N_NEEDED_AS_ROOT;
	if (shrink_bounding_set(n_needed) < 0 || (user && change_user(user) < 0) ||
	    keep_only_needed(n_needed) < 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed("shut the way back to privileges");
	return 0;
}
