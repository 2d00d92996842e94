/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits by the kernel's token bucket (tc-tbf(8)), in which what is too much waits for a moment,
 * and is lost when more comes. Nothing else holds back what a machine sends: so it is let wait in
 * a device of its own, too, and not dropped at once, which TCP would pay for dearly. What is for
 * several machines waits in one queue.
 */
#include "limiter.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "host/link.h"
#include "host/names.h"
#include "host/netlink_socket.h"
#include "ingress.h"

/* By this number a token bucket of ours is known. */
#define HANDLE 0x766d0000U

/* A frame that is longer than what may pass at once would never pass. */
static uint32_t burst(const struct rate_limit *rate, unsigned int mtu)
{
	const uint32_t frame = mtu + ETH_HLEN + 2 * 4; /* with two tags of VLANs */

	return rate->burst_bytes > frame ? rate->burst_bytes : frame;
}

static int put_bucket(struct nl_msg *message, const struct rate_limit *rate, unsigned int mtu)
{
	const uint64_t bytes = rate->bits_per_second / 8;
	const struct tc_tbf_qopt bucket = {
		.rate = {
			.linklayer = TC_LINKLAYER_ETHERNET,
			.rate = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX,
		},
		.limit = rate_limit_waiting(rate),
	};
	struct nlattr *options = nla_nest_start(message, TCA_OPTIONS);

	if (!options || nla_put(message, TCA_TBF_PARMS, sizeof(bucket), &bucket) < 0 ||
	    nla_put_u64(message, TCA_TBF_RATE64, bytes) < 0 ||
	    nla_put_u32(message, TCA_TBF_BURST, burst(rate, mtu)) < 0)
		return -ENOMEM;
	nla_nest_end(message, options);
	return 0;
}

/*
 * With these flags another kind is replaced, and ours is refused as being there: to set it again
 * would fill the bucket, and whoever has ports repaired over and over would have no limit.
 */
int limiter_limit(int index, const struct rate_limit *rate, unsigned int mtu)
{
	const struct tcmsg header = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = index,
		.tcm_handle = HANDLE,
		.tcm_parent = TC_H_ROOT,
	};
	struct nl_msg *message = ingress_tc_message(
		RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_EXCL, &header, "tbf");
	int result;

	if (!message || put_bucket(message, rate, mtu) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	result = netlink_request(message);
	return result == -EEXIST ? 0 : result;
}

int limiter_make(int port, const struct rate_limit *rate, unsigned int mtu, int *index)
{
	char name[INTERFACE_NAME_SIZE];
	int result;

	limiter_name(port, name);
	result = ingress_make_device(name, index);
	return result == 0 ? limiter_limit(*index, rate, mtu) : result;
}

int limiter_remove(int port)
{
	char name[INTERFACE_NAME_SIZE];
	int index;
	int result;

	limiter_name(port, name);
	index = link_index(name);
	result = index ? link_delete(index) : 0;
	return result == -ENODEV ? 0 : result;
}
