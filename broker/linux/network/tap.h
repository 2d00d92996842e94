/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TAP devices and vhost-net: the open files that a virtual machine's network card is made of.
 * Above stands attach.h, on attach_worker; below is the kernel. A TAP becomes a port of the bridge
 * in port.h.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_TAP_H
#define VMNET_BROKER_LINUX_NETWORK_TAP_H

#include "base/error.h"
#include "broker/linux/fds.h"
#include "gateway_filter.h"

/* The kernel takes no more for a TAP device: 65535, less the header of a frame. */
#define TAP_MTU_MAX 65521U

/*
 * Makes a TAP device with virtio-net header and opens each of its queues.
 * queues: 1 to INTERFACE_QUEUES_MAX.
 * owner: who else may open it by name; of one without an owner everybody may.
 * filter: of what it takes from the bridge, or NULL.
 * name: gets the device's name.
 * fds: gets the descriptors.
 * Returns 0, or -1 with error (ERROR_INTERNAL, and nothing is left open).
 */
int tap_open(unsigned int queues, uid_t owner, const struct gateway_filter *filter,
	     char name[INTERFACE_NAME_SIZE], struct interface_fds *fds, struct error *error);

/*
 * Makes and opens a TAP device that is for reading alone (capture.h): nobody may open it by name.
 * name, fds: get the device's name, and the descriptor besides what they have.
 * Returns 0, or -1 with error (ERROR_CREATE_FAILED, and nothing is left open).
 */
int tap_open_capture(char name[INTERFACE_NAME_SIZE], struct interface_fds *fds,
		     struct error *error);

/*
 * The device stays when its last descriptor is closed. Returns 0, or -1 with
 * error (ERROR_INTERNAL).
 */
int tap_keep(int fd, struct error *error);

/* Opens vhost-net for each queue; where the host has none to offer, for none. */
void tap_open_vhost(struct interface_fds *fds);

/* Closes all descriptors at once, which takes the kernel its time. */
void tap_close(struct interface_fds *fds);

#endif
