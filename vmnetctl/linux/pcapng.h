/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes frames as pcapng (draft-ietf-opsawg-pcapng), which Wireshark, tcpdump and their like read:
 * one section, of one interface. By hand, since libpcap writes the older format alone, which
 * knows no direction and no names. On a little or a big host, in its own order of bytes, as the
 * format has it.
 */
#ifndef VMNET_VMNETCTL_LINUX_PCAPNG_H
#define VMNET_VMNETCTL_LINUX_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/address.h"

/* The longest frame: what IP can say, and headers before it. */
#define PCAPNG_FRAME_MAX ((size_t)70000)

struct pcapng_interface {
	const char *name;
	const char *description;
	struct mac_address mac;
};

/*
 * Each writes a block whole, at once where that can be, so that a reader has it. Returns 0, or -1
 * with errno: EINTR, too, after which nothing more is to be written.
 */

/* What comes before all frames. */
int pcapng_begin(int fd, const struct pcapng_interface *interface);

/* sent: by the machine. length: no more than PCAPNG_FRAME_MAX. */
int pcapng_frame(int fd, const struct timespec *time, bool sent, const void *frame, size_t length);

/* What came of it; frames: also those that were lost. */
int pcapng_end(int fd, const struct timespec *time, uint64_t frames, uint64_t lost);

#endif
