/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a capture. A TAP device of its own gets a copy of each frame that its machine sends
 * and gets, by filters on the machine's device, and is passed to who captures: the frames are the
 * kernel's to copy, and for a reader that is too slow the device drops what it has no room for. It
 * is a member of no bridge, has no address, and what is written to it is dropped.
 *
 * The device lives as long as somebody has it open. Its end is heard of by rtnetlink, and then its
 * filters go. It is ended when its machine's device goes, so that its reader knows; when those
 * filters are removed by somebody, which nobody would see otherwise; and when who has it open makes
 * it outlive that.
 */
#include "capture.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "base/container_of.h"
#include "broker/capture.h"
#include "broker/interface.h"
#include "broker/linux/fds.h"
#include "broker/linux/linux.h"
#include "broker/linux/worker.h"
#include "broker/platform.h"
#include "broker/user_limits.h"
#include "host/names.h"
#include "host/netlink_socket.h"
#include "ingress.h"
#include "tap.h"

/* capture->platform */
struct device {
	struct job job; /* makes it, or ends it */
	struct capture *capture;
	int port; /* the index of its machine's device */
	int index; /* 0: not made yet */
	bool busy; /* the job is under way */
	bool ending; /* it is not to be, as soon as the job is done */
	struct interface_fds *fds; /* NULL: it is not made, or passed on */
	struct error error;
};

/* Up last: nothing comes in by it, and nothing is said by it, before. */
static int make_quiet(const struct device *self)
{
	const struct capture_alias named = { self->port, self->capture->owner };
	char alias[ALIAS_SIZE];
	struct nl_msg *message;
	int result = ingress_refuse_all(self->index);

	if (result == 0)
		result = link_make_silent(self->index);
	if (result < 0)
		return result;
	capture_alias_format(&named, alias);
	message = link_message(RTM_SETLINK, 0,
			       &(struct ifinfomsg){
				       .ifi_family = AF_UNSPEC,
				       .ifi_index = self->index,
				       .ifi_flags = IFF_UP | IFF_NOARP,
				       .ifi_change = IFF_UP | IFF_NOARP,
			       });
	if (!message || nla_put_u32(message, IFLA_TXQLEN, LIMIT_CAPTURE_FRAMES) < 0 ||
	    nla_put_string(message, IFLA_IFALIAS, alias) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(message);
}

static int make_device(struct device *self)
{
	char name[INTERFACE_NAME_SIZE];
	int result;

	if (tap_open_capture(name, self->fds, &self->error) < 0)
		return -1;
	self->index = link_index(name);
	result = self->index ? make_quiet(self) : -ENODEV;
	if (result == 0)
		result = ingress_mirror(self->port, self->index);
	if (result == 0)
		return 0;
	ingress_end_mirror(self->port, self->index);
	tap_close(self->fds);
	if (result == -EOPNOTSUPP)
		return error_set(
			&self->error, ERROR_CREATE_FAILED,
			"the machine's device was made by an older broker, which could not "
			"capture; start the machine again");
	return error_set(&self->error, ERROR_CREATE_FAILED,
			 "cannot mirror the machine's frames: "
			 "%s%s",
			 strerror(-result), result == -ENOENT ? INGRESS_REMEDY : "");
}

static void run_make(struct job *job)
{
	struct device *self = container_of(job, struct device, job);

	if (make_device(self) == 0)
		return;
	free(self->fds);
	self->fds = NULL;
}

static void run_end(struct job *job)
{
	const struct device *self = container_of(job, struct device, job);

	ingress_end_mirror(self->port, self->index);
	(void)link_delete(self->index); /* -ENODEV, for the most part */
}

static void end_done(struct job *job)
{
	struct device *self = container_of(job, struct device, job);

	broker_capture_ended(self->capture);
	free(self);
}

static void device_end(struct device *self)
{
	if (self->busy) {
		self->ending = true;
		return;
	}
	self->busy = true;
	self->job = (struct job){ .run = run_end, .done = end_done };
	worker_submit(&network_worker, &self->job);
}

static void make_done(struct job *job)
{
	struct device *self = container_of(job, struct device, job);
	char name[INTERFACE_NAME_SIZE];

	self->busy = false;
	if (!self->fds) {
		broker_capture_started(self->capture, NULL, &self->error);
		free(self);
		return;
	}
	broker_capture_started(self->capture, self->fds, NULL);
	self->fds = NULL;
	/* That either has gone may have been told before this. */
	if (self->ending || !link_name(self->index, name) || !link_name(self->port, name))
		device_end(self);
}

static struct device *device_new(struct capture *capture, int port)
{
	struct device *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	self->capture = capture;
	self->port = port;
	capture->platform = self;
	return self;
}

int platform_capture_start(struct capture *capture, const struct interface *interface)
{
	struct device *self = device_new(capture, interface_link(interface));

	if (!self)
		return -1;
	self->fds = calloc(1, sizeof(*self->fds));
	if (!self->fds) {
		free(self);
		return -1;
	}
	self->busy = true;
	self->job = (struct job){ .run = run_make,
				  .done = make_done,
				  .owner = JOB_OWNER(capture->usage->uid) };
	worker_submit(&attach_worker, &self->job);
	return 0;
}

static void end_all(bool (*is_meant)(const struct device *self, int index), int index)
{
	for (struct capture *i = linux_platform.broker->captures; i; i = i->next)
		if (is_meant(i->platform, index))
			device_end(i->platform);
}

static bool is_concerned(const struct device *self, int index)
{
	return self->index == index || self->port == index;
}

void capture_link_gone(int index)
{
	end_all(is_concerned, index);
}

void capture_filters_gone(int index)
{
	end_all(is_concerned, index);
}

static bool is_itself(const struct device *self, int index)
{
	return self->index == index;
}

void capture_link_changed(const struct link *link)
{
	if (link->persistent)
		end_all(is_itself, link->index);
}

/* Taking over */

struct adoption {
	struct job job;
	struct mirror {
		int port;
		int device; /* 0: those of all devices go */
	} * mirrors;
	size_t n;
};

static void run_adopt(struct job *job)
{
	const struct adoption *self = container_of(job, struct adoption, job);

	for (size_t i = 0; i < self->n; i++) {
		const struct mirror *mirror = &self->mirrors[i];

		if (!mirror->device)
			ingress_end_mirror(mirror->port, 0);
		else
			(void)ingress_mirror(mirror->port, mirror->device);
	}
}

static void adopt_done(struct job *job)
{
	struct adoption *self = container_of(job, struct adoption, job);

	free(self->mirrors);
	free(self);
}

/* Ends what is of no use any more. Returns 0 or -ENOMEM. */
static int adopt_device(struct broker *broker, const struct link *link,
			const struct capture_alias *alias, struct adoption *adoption)
{
	struct capture *capture = broker_capture_adopt(broker, alias->owner);
	struct device *self = capture ? device_new(capture, alias->port) : NULL;

	if (!self)
		return -ENOMEM;
	self->index = link->index;
	if (link->persistent || !interface_is_link(alias->port))
		device_end(self);
	else
		adoption->mirrors[adoption->n++] = (struct mirror){ alias->port, link->index };
	return 0;
}

/* With what is to be removed of each port. */
static struct adoption *adoption_new(const struct broker *broker, size_t n_links)
{
	struct adoption *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	self->job = (struct job){ .run = run_adopt, .done = adopt_done };
	self->mirrors = calloc(2 * n_links + 1, sizeof(*self->mirrors));
	if (!self->mirrors) {
		free(self);
		return NULL;
	}
	for (const struct network *network = broker->networks; network; network = network->next)
		for (const struct interface *i = network->interfaces; i; i = i->next)
			self->mirrors[self->n++].port = interface_link(i);
	return self;
}

/* Mirrors to devices that have gone meanwhile are known by nothing: all are made anew. */
int captures_adopt(struct broker *broker, const struct link *links, size_t n_links)
{
	struct adoption *adoption = adoption_new(broker, n_links);
	struct capture_alias alias;
	int result = adoption ? 0 : -ENOMEM;

	for (size_t i = 0; i < n_links && result == 0; i++)
		if (capture_alias_parse(links[i].alias, &alias) == 0)
			result = adopt_device(broker, &links[i], &alias, adoption);
	if (result < 0 || adoption->n == 0) {
		if (adoption)
			adopt_done(&adoption->job);
		return result;
	}
	worker_submit(&network_worker, &adoption->job);
	return 0;
}

void captures_forget(struct broker *broker)
{
	for (struct capture *i = broker->captures; i; i = i->next) {
		free(i->platform);
		i->platform = NULL;
	}
}
