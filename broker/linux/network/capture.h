/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Captures in the operating system: the devices by which machines' frames are read, from their
 * making to their end. Above stands broker/capture.h, which decides; below are tap.h (the device)
 * and ingress.h (what mirrors frames to it). On the policy's thread: what blocks is a job.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_CAPTURE_H
#define VMNET_BROKER_LINUX_NETWORK_CAPTURE_H

#include "broker/broker.h"
#include "host/link.h"

/*
 * A link has gone, or (link_changed) is not as it was: captures of that machine, or this one, end.
 */
void capture_link_gone(int index);
void capture_link_changed(const struct link *link);

/* Somebody has removed filters of a link: what mirrors its frames may be among them. */
void capture_filters_gone(int index);

/*
 * Goes on with captures that an earlier broker left, and removes what is left of others. The
 * interfaces have been taken over. Returns 0 or -ENOMEM.
 */
int captures_adopt(struct broker *broker, const struct link *links, size_t n_links);

/* As networks_forget(). */
void captures_forget(struct broker *broker);

#endif
