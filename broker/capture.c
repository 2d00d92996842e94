/* SPDX-License-Identifier: Apache-2.0 */
/* Captures are counted as what their users have, with the frames that wait in their devices. */
#include "capture.h"

#include <inttypes.h>
#include <stdlib.h>

#include "interface.h"
#include "platform.h"
#include "user_limits.h"

static void capture_free(struct capture *capture)
{
	struct capture **link = &capture->broker->captures;

	while (*link != capture)
		link = &(*link)->next;
	*link = capture->next;
	usage_count_capture(capture->usage, -1);
	usage_leave(capture->usage);
	free(capture);
}

struct capture *broker_capture_adopt(struct broker *broker, uid_t owner)
{
	struct capture *capture = calloc(1, sizeof(*capture));

	if (!capture)
		return NULL;
	capture->usage = usage_join(platform_account(owner));
	if (!capture->usage) {
		free(capture);
		return NULL;
	}
	usage_count_capture(capture->usage, 1);
	capture->broker = broker;
	capture->owner = owner;
	capture->next = broker->captures;
	broker->captures = capture;
	return capture;
}

static int check(const struct client *client, const struct interface *interface,
		 struct error *error)
{
	const uid_t uid = client->credentials.uid;

	if (uid == 0 || uid == interface->owner)
		return limits_check_capture(client, error);
	return error_set(error, ERROR_NOT_ALLOWED,
			 "the machine with device %s on network \"%s\" is user %ju's, and only "
			 "that user and root may capture it",
			 interface->name, interface->network->config->name,
			 (uintmax_t)interface->owner);
}

/* Returns 0, or -1 with error. */
static int capture_start(struct client *client, const struct interface *interface,
			 struct error *error)
{
	struct capture *capture = broker_capture_adopt(client->broker, client->credentials.uid);

	if (capture) {
		capture->client = client;
		if (platform_capture_start(capture, interface) == 0)
			return 0;
		capture_free(capture);
	}
	return error_set(error, ERROR_INTERNAL, "out of memory for a capture of %s",
			 interface->name);
}

void broker_capture(struct client *client, const char *network, const char *device)
{
	struct error error;
	const struct interface *interface = broker_interface_find(client, network, device, &error);

	if (!interface || check(client, interface, &error) < 0 ||
	    capture_start(client, interface, &error) < 0)
		platform_captured(client, NULL, &error);
}

void broker_captures_release(const struct client *client)
{
	for (struct capture *i = client->broker->captures; i; i = i->next)
		if (i->client == client)
			i->client = NULL;
}

void broker_capture_started(struct capture *capture, struct interface_fds *fds,
			    const struct error *error)
{
	struct client *client = capture->client;

	capture->client = NULL;
	if (error)
		capture_free(capture);
	if (client)
		platform_captured(client, fds, error);
	else if (fds)
		platform_fds_discard(fds);
}

void broker_capture_ended(struct capture *capture)
{
	capture_free(capture);
}
