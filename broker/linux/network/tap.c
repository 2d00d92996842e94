/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes and opens TAP devices. One is made by the first TUNSETIFF and goes with its last
 * descriptor: the broker passes its own on, and keeps none, so that a device outlives its client
 * for as long as the machine has it open.
 */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/linux/privilege.h"
#include "host/names.h"

/* The kernel puts the first free number in. */
#define TAP_NAME "vmt%d"
#define VHOST_PATH "/dev/vhost-net"

/* TUN_F_USO4 and TUN_F_USO6, for headers older than Linux 6.2. */
#define USO 0x60U

/*
 * Returns the descriptor of one more queue of the device in request, or -1 with error. The device
 * has its owner from the first one on.
 */
static int open_queue(struct ifreq *request, uid_t owner, struct error *error)
{
	const char *path = privilege_tun_path();
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return error_set(
			error, ERROR_CREATE_FAILED, "cannot open %s: %s%s", path, strerror(errno),
			errno == ENOENT || errno == ENODEV ? " (\"modprobe tun\" brings it)" : "");
	if (ioctl(fd, TUNSETIFF, request) < 0 || ioctl(fd, TUNSETOWNER, (unsigned long)owner) < 0) {
		error_set(error, ERROR_CREATE_FAILED, "cannot make a TAP device: %s",
			  strerror(errno));
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* For all queues that the device has. Who has it open can take it off: from itself alone. */
static int attach_filter(int fd, const struct gateway_filter *filter, struct error *error)
{
	const struct sock_fprog program = {
		.len = filter->n,
		.filter = (struct sock_filter *)filter->code,
	};

	if (ioctl(fd, TUNATTACHFILTER, &program) < 0)
		return error_set(error, ERROR_CREATE_FAILED, "cannot filter for a TAP device: %s",
				 strerror(errno));
	return 0;
}

int tap_open(unsigned int queues, uid_t owner, const struct gateway_filter *filter,
	     char name[INTERFACE_NAME_SIZE], struct interface_fds *fds, struct error *error)
{
	struct ifreq request = { .ifr_name = TAP_NAME };

	request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (queues > 1)
		request.ifr_flags |= IFF_MULTI_QUEUE;
	*fds = (struct interface_fds){ 0 };
	while (fds->n_tap < queues) {
		int fd = open_queue(&request, owner, error);

		if (fd < 0) {
			tap_close(fds);
			return -1;
		}
		fds->tap[fds->n_tap++] = fd;
	}
	memcpy(name, request.ifr_name, INTERFACE_NAME_SIZE);
	if (filter && attach_filter(fds->tap[0], filter, error) < 0) {
		tap_close(fds);
		return -1;
	}
	return 0;
}

/*
 * Frames longer than any link takes come whole, and a checksum that is left to the host is said to
 * be: else the kernel would cut and complete them on the machine's own time.
 */
static int take_whole_frames(int fd)
{
	const unsigned long offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	if (ioctl(fd, TUNSETOFFLOAD, offloads | USO) == 0)
		return 0;
	return ioctl(fd, TUNSETOFFLOAD, offloads); /* older than Linux 6.2 */
}

int tap_open_capture(char name[INTERFACE_NAME_SIZE], struct interface_fds *fds, struct error *error)
{
	struct ifreq request = { .ifr_name = CAPTURE_NAME };
	int fd;

	request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	fd = open_queue(&request, 0, error);
	if (fd < 0)
		return -1;
	fds->tap[fds->n_tap++] = fd;
	memcpy(name, request.ifr_name, INTERFACE_NAME_SIZE);
	if (take_whole_frames(fd) == 0)
		return 0;
	error_set(error, ERROR_CREATE_FAILED, "cannot have a TAP device take whole frames: %s",
		  strerror(errno));
	tap_close(fds);
	return -1;
}

int tap_keep(int fd, struct error *error)
{
	if (ioctl(fd, TUNSETPERSIST, 1UL) < 0)
		return error_set(error, ERROR_CREATE_FAILED,
				 "cannot keep a TAP device for its user: %s", strerror(errno));
	return 0;
}

void tap_open_vhost(struct interface_fds *fds)
{
	while (fds->n_vhost < fds->n_tap) {
		int fd = open(VHOST_PATH, O_RDWR | O_CLOEXEC);

		if (fd < 0) {
			log_debug(NULL, "no vhost-net: %s: %s", VHOST_PATH, strerror(errno));
			while (fds->n_vhost > 0)
				(void)close(fds->vhost[--fds->n_vhost]);
			return;
		}
		fds->vhost[fds->n_vhost++] = fd;
	}
}

void tap_close(struct interface_fds *fds)
{
	while (fds->n_vhost > 0)
		(void)close(fds->vhost[--fds->n_vhost]);
	while (fds->n_tap > 0)
		(void)close(fds->tap[--fds->n_tap]);
}
