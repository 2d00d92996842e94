/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module of nsswitch.conf(5), as for accounts in a directory on the network.
 * It knows one user. It answers while there is no file of the name that
 * FARAWAY_GATE says, and makes a system call that serving does not take.
 */
#include <nss.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NAME "faraway"
#define ID 54321

/* What the C library calls. */
enum nss_status _nss_faraway_getpwnam_r(const char *name, struct passwd *user, char *buffer,
					size_t size, int *error);
enum nss_status _nss_faraway_getpwuid_r(uid_t uid, struct passwd *user, char *buffer, size_t size,
					int *error);

static void go_there(void)
{
	const struct timespec moment = { .tv_nsec = 10 * 1000 * 1000 };
	const char *gate = getenv("FARAWAY_GATE");

	(void)syscall(SYS_swapoff, "/nowhere");
	while (gate && access(gate, F_OK) == 0)
		(void)nanosleep(&moment, NULL);
}

enum nss_status _nss_faraway_getpwnam_r(const char *name, struct passwd *user, char *buffer,
					size_t size, int *error)
{
	(void)error;
	go_there();
	if (strcmp(name, NAME) != 0 || size < sizeof(NAME))
		return NSS_STATUS_NOTFOUND;
	strcpy(buffer, NAME);
	*user = (struct passwd){ .pw_name = buffer, .pw_uid = ID, .pw_gid = ID };
	return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_faraway_getpwuid_r(uid_t uid, struct passwd *user, char *buffer, size_t size,
					int *error)
{
	(void)uid;
	(void)user;
	(void)buffer;
	(void)size;
	(void)error;
	go_there();
	return NSS_STATUS_NOTFOUND;
}
