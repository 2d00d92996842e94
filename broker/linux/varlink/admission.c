/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets in whose turn it is, or tells why not. What is checked here is what the front end itself
 * has of a user; what its client may do is the policy's, call by call (broker/permission.h).
 */
#include "admission.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "broker/platform.h"
#include "broker/user_limits.h"
#include "connection.h"
#include "describe.h"
#include "disposal.h"
#include "peer.h"
#include "untaken.h"

/* Says no, whatever the client is going to ask. */
static void refuse(int fd, const struct credentials *credentials, const struct error *error)
{
	char *text = describe_error_text(error);

	if (platform_may_log(credentials->uid, true))
		log_warning(NULL, "%s (pid %jd, uid %ju) is refused: %s", credentials->command,
			    (intmax_t)credentials->pid, (uintmax_t)credentials->uid, error->reason);
	if (text)
		(void)send(fd, text, strlen(text) + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(text);
}

static int check_limits(const struct user *user, const struct credentials *credentials,
			struct error *error)
{
	uid_t uid = user->uid;

	if (!user_may_have_bytes(user, credentials->n_groups * sizeof(*credentials->groups))) {
		error_set(error, ERROR_LIMIT_EXCEEDED, "%s", TOO_MANY_BYTES);
		error->limit = "bytes_per_user";
		error->value = (unsigned int)(USERS_BYTES / 2);
		return -1;
	}
	if (!disposal_is_pending(uid))
		return limits_check_connection(uid, user->open, users_open(), error);
	error_set(error, ERROR_LIMIT_EXCEEDED,
		  "user %ju has sent descriptors, which no call takes, and they have not been "
		  "closed yet; try again later",
		  (uintmax_t)uid);
	error->limit = "descriptors_sent";
	return -1;
}

void connection_open(int fd)
{
	struct credentials credentials;
	struct connection *connection;
	struct error error;
	struct user *user;

	untaken_close(false);
	if (peer_credentials(fd, &credentials) < 0) {
		disposal_close(fd, DISPOSAL_NOBODY);
		return;
	}
	user = user_join(credentials.uid);
	if (!user) {
		disposal_close(fd, credentials.uid);
	} else if (check_limits(user, &credentials, &error) < 0) {
		refuse(fd, &credentials, &error);
		disposal_close(fd, user->uid);
	} else {
		connection = connection_new(fd, &credentials);
		if (connection)
			connection->stored = fdstore_add(fd);
		else
			disposal_close(fd, user->uid);
	}
	if (user)
		user_leave(user);
	free(credentials.groups);
}
