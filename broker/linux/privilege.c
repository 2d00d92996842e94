/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up privileges: users, capabilities, directories, step by step.
 *
 * What needs them: links, TAP devices, nftables and the network's settings in
 * /proc/sys take CAP_NET_ADMIN. dnsmasq's ports take CAP_NET_BIND_SERVICE, and
 * its raw socket CAP_NET_RAW, both until it serves. Nothing takes root. Under
 * systemd there are two services with a user each, the broker's with the first
 * one and dnsmasq's with the others, see starter.c. Started as root, the broker
 * does the same to itself:
 *
 *	1. while root: the directories are made and given to the service user,
 *	   where /dev/net/tun is root's alone, a node of it, and the process that
 *	   starts dnsmasq, which becomes dnsmasq's user in the same way
 *	2. the bounding set shrinks to what is needed
 *	3. groups, group and user change, the capabilities are kept. The broker
 *	   is in dnsmasq's group, for the files that it has for it
 *	4. the rest is given up, and no_new_privs shuts the way back
 *	5. others of the same user cannot look into it any more
 *
 * Without the service user (nothing was installed) the broker stays root, with
 * this one capability; dnsmasq never does.
 */
#include "privilege.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/linux/dnsmasq/starter.h"

#define SERVICE_USER "vmnet-broker"

/* linux/Documentation/admin-guide/devices.txt */
#define TUN_MAJOR 10
#define TUN_MINOR 200

/* Without one of its own, it is another's that has little. */
static const char *const dnsmasq_users[] = { "vmnet-dnsmasq", "dnsmasq", "nobody" };

/* What one of the two processes is left with. */
struct capabilities {
	cap_value_t values[2];
	int n;
	bool are_passed_on; /* to what it starts */
};

static const struct capabilities of_broker = { { CAP_NET_ADMIN }, 1, false };
static const struct capabilities of_dnsmasq = { { CAP_NET_BIND_SERVICE, CAP_NET_RAW }, 2, true };

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

/* What a broker of another user left there is this one's, too. Groups stay: dnsmasq reads on. */
static int give_files(const char *path, uid_t uid)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int result = 0;

	if (!directory)
		return -1;
	while (result == 0 && (entry = readdir(directory)))
		if (strcmp(entry->d_name, "..") != 0)
			result = fchownat(dirfd(directory), entry->d_name, uid, (gid_t)-1,
					  AT_SYMLINK_NOFOLLOW);
	closedir(directory);
	return result;
}

static int make_directory(const char *path, const struct passwd *user)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST) {
		log_error(NULL, "cannot make directory %s: %s", path, strerror(errno));
		return -1;
	}
	if (geteuid() == 0 && give_files(path, user ? user->pw_uid : 0) < 0) {
		log_error(NULL, "cannot give directory %s to user %s: %s", path,
			  user ? user->pw_name : "root", strerror(errno));
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

static int shrink_bounding_set(const struct capabilities *needed)
{
	for (cap_value_t value = 0; value < cap_max_bits(); value++) {
		bool keep = false;

		for (int i = 0; i < needed->n; i++)
			keep = keep || needed->values[i] == value;
		if (!keep && cap_drop_bound(value) < 0)
			return failed("give up a capability");
	}
	return 0;
}

/* Takes the groups of a process that is root still. more: a group to be in, too. */
static int change_user(const char *name, uid_t uid, gid_t gid, gid_t more)
{
	gid_t groups[NGROUPS_MAX];
	int n = NGROUPS_MAX - 1;

	if (prctl(PR_SET_KEEPCAPS, 1) < 0)
		return failed("keep capabilities");
	if (getgrouplist(name, gid, groups, &n) < 0)
		return failed("find the groups of a user");
	groups[n++] = more;
	if (setgroups((size_t)n, groups) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0) {
		log_error(NULL, "cannot become user %s: %s", name, strerror(errno));
		return -1;
	}
	return 0;
}

static int keep_only(const struct capabilities *needed)
{
	cap_t capabilities = cap_init();
	int result = -1;

	if (!capabilities)
		return failed("allocate capabilities");
	if (cap_set_flag(capabilities, CAP_PERMITTED, needed->n, needed->values, CAP_SET) < 0 ||
	    cap_set_flag(capabilities, CAP_EFFECTIVE, needed->n, needed->values, CAP_SET) < 0 ||
	    (needed->are_passed_on &&
	     cap_set_flag(capabilities, CAP_INHERITABLE, needed->n, needed->values, CAP_SET) < 0) ||
	    cap_set_proc(capabilities) < 0) {
		failed("keep the capabilities that networks need");
		goto out;
	}
	for (int i = 0; needed->are_passed_on && i < needed->n; i++) {
		if (cap_set_ambient(needed->values[i], CAP_SET) < 0) {
			failed("pass capabilities on");
			goto out;
		}
	}
	result = 0;
out:
	cap_free(capabilities);
	return result;
}

/* Whoever is this user must not write to its memory, or take its descriptors. */
static int shut(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed("shut the way back to privileges");
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return failed("keep others from looking into the process");
	return 0;
}

/*
 * user: gets NULL when there is none of this name, which is not said of one that cannot be looked
 * for: a broker does not know the servers of another that has run them as another user.
 */
static int find_user(const char *name, const struct passwd **user)
{
	*user = NULL;
	/* When memory is short, the C library may say once that there is none. */
	for (int i = 0; i < 2 && !*user; i++) {
		errno = 0;
		*user = getpwnam(name);
		/* Others are said where there is none, too: getpwnam(3). */
		if (!*user &&
		    (errno == EIO || errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
			log_error(NULL, "cannot look for the user %s: %s", name, strerror(errno));
			return -1;
		}
	}
	return 0;
}

static int find_dnsmasq_user(struct dnsmasq_user *user)
{
	const struct passwd *found = NULL;

	for (size_t i = 0; i < sizeof(dnsmasq_users) / sizeof(dnsmasq_users[0]) && !found; i++)
		if (find_user(dnsmasq_users[i], &found) < 0)
			return -1;
	if (!found || found->pw_uid == 0) {
		log_error(NULL,
			  "there is no user %s for dnsmasq to run as; systemd-sysusers makes it",
			  dnsmasq_users[0]);
		return -1;
	}
	*user = (struct dnsmasq_user){
		.uid = found->pw_uid,
		.is_own = strcmp(found->pw_name, dnsmasq_users[0]) == 0,
		.gid = found->pw_gid,
	};
	(void)snprintf(user->name, sizeof(user->name), "%s", found->pw_name);
	return 0;
}

int privilege_become_dnsmasq(const struct dnsmasq_user *user)
{
	if (user && shrink_bounding_set(&of_dnsmasq) < 0)
		return -1;
	if (user && change_user(user->name, user->uid, user->gid, user->gid) < 0)
		return -1;
	return keep_only(&of_dnsmasq) < 0 ? -1 : shut();
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

/* While root: what takes it. user: NULL when it stays so. */
static int prepare_as_root(const struct options *options, const struct passwd *user,
			   const struct dnsmasq_user *dnsmasq)
{
	if (user && make_tun_node(options->runtime_dir, user) < 0)
		return -1;
	if (starter_make(dnsmasq) < 0)
		return -1;
	return shrink_bounding_set(&of_broker);
}

static int find_service_user(const struct passwd **user)
{
	if (find_user(SERVICE_USER, user) < 0)
		return -1;
	if (!*user)
		log_info(NULL,
			 "there is no user %s; running as root with fewer capabilities "
			 "(systemd-sysusers makes it)",
			 SERVICE_USER);
	return 0;
}

static int become_service(const struct passwd *user, gid_t more)
{
	return user ? change_user(SERVICE_USER, user->pw_uid, user->pw_gid, more)
		    : change_user("root", 0, 0, more);
}

int privilege_become_service(const struct options *options, struct dnsmasq_user *dnsmasq)
{
	const bool is_root = geteuid() == 0;
	struct passwd copy;
	const struct passwd *user = NULL;

	if (find_dnsmasq_user(dnsmasq) < 0)
		return -1;
	if (is_root && find_service_user(&user) < 0)
		return -1;
	if (user)
		copy = *user;
	user = user ? &copy : NULL;
	if (make_directory(options->state_dir, user) < 0 ||
	    make_directory(options->runtime_dir, user) < 0)
		return -1;
	/* Who holds what, and whose lease is which, is for those whom a network is for. */
	(void)umask(S_IRWXG | S_IRWXO);
	if (!is_root && (check_capabilities() < 0 || starter_connect(options->runtime_dir) < 0))
		return -1;
	if (is_root &&
	    (prepare_as_root(options, user, dnsmasq) < 0 || become_service(user, dnsmasq->gid) < 0))
		return -1;
	return keep_only(&of_broker) < 0 ? -1 : shut();
}
