/* SPDX-License-Identifier: Apache-2.0 */
/* The part of macOS's net/route.h that the project uses. */
#ifndef TESTS_DARWIN_ROUTE_H
#define TESTS_DARWIN_ROUTE_H

#include <stdint.h>
#include <sys/types.h>

#define RTM_VERSION 5
#define RTM_GET 0x4

#define RTF_UP 0x1
#define RTF_HOST 0x4
#define RTF_LLINFO 0x400
#define RTF_WASCLONED 0x20000
#define RTF_LOCAL 0x200000
#define RTF_BROADCAST 0x400000
#define RTF_MULTICAST 0x800000

#define RTA_DST 0x1
#define RTA_NETMASK 0x4
#define RTAX_DST 0
#define RTAX_NETMASK 2

struct rt_metrics {
	uint32_t values[14];
};

/* Addresses follow, as macOS has them: length, family, and each at a multiple of four bytes. */
struct rt_msghdr {
	u_short rtm_msglen;
	u_char rtm_version;
	u_char rtm_type;
	u_short rtm_index;
	int rtm_flags;
	int rtm_addrs;
	pid_t rtm_pid;
	int rtm_seq;
	int rtm_errno;
	int rtm_use;
	uint32_t rtm_inits;
	struct rt_metrics rtm_rmx;
};

#endif
