/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the filters on a port, and makes the device (vmc-NETWORK) that they redirect frames to.
 *
 * A machine may leave the checksum of a frame to the host, and says with each
 * frame where it begins and where it goes (struct virtio_net_hdr). The kernel
 * believes that, and writes when a device that cannot do it sends the frame:
 * after all filters, and anywhere behind the first bytes of the IP header, in a
 * frame that a filter took for something else.
 *
 * So frames for the host are sent through a device that cannot do it (an ifb,
 * whose checksum offload is off), and come back as they were but complete,
 * before the bridge and the host's filters look at them. Longer ones than any
 * link takes are to be cut into segments: for those the kernel looks itself
 * whether the checksum is where the TCP header has it. But IPv4 without DF may
 * be cut into fragments instead, as it is: it takes this way, too. What machines
 * get from each other they filter themselves, when it is complete
 * (gateway_filter.h). A device that is opened by name, or whose machine switches
 * queues on, has no filter: the kernel would have to read it anew, from where it
 * was in the memory of who set it. On a network with one all frames take this way.
 *
 * Those of a machine that is limited take the way by its limiter (limiter.h), all of them:
 * that is such a device, too.
 *
 * Frames for a bridge itself (IEEE 802.1D, table 7-10) end here. One of the
 * host's own is not to be told by a machine who its neighbours are. One of ours
 * would pass them to the host as from the port, by some of them without asking
 * a filter of bridges: they would be from whatever address they say.
 */
#include "ingress.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/tc_act/tc_mirred.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/array.h"
#include "host/names.h"
#include "host/netlink_socket.h"

#define KIND "ifb"
#define BOTH_WAYS "clsact"
/* A frame that is longer is one that has to be cut: the MTU of Ethernet with jumbo frames. */
#define FRAME_MAX (9216 + ETH_HLEN + 4)
#define TYPE 12
#define IPV4_FRAGMENT (ETH_HLEN + 6)

/* Waiting, while each processor has machines that send: with the kernel's own 32 some are lost. */
#define FRAMES 4096U

/* What a filter of tc's without an action of its own returns. */
#define NO_MATCH 0U
#define MATCH UINT32_MAX

/* The order of a port's filters: what is sent is mirrored before anything becomes of it. */
#define FOR_CAPTURES 1U
#define FOR_BRIDGE 2U
#define FOR_CHECKSUMS 3U

#define FROM_MACHINE TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define TO_MACHINE TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

/* Where a filter is, among all of a link. */
struct place {
	int index;
	uint32_t parent;
	uint32_t order;
	uint32_t handle;
};

/* What is done with a frame: mirred's parameters. */
struct sending {
	int index; /* of the link that it is sent by */
	int how;
	int then; /* what becomes of it where it was */
};

/*
 * Its address matters to nobody. But to one that has a random address udev gives
 * another, which this kind refuses, and each time that goes into the journal.
 */
static const unsigned char checksums_mac[ETH_ALEN] = { 0x02 };

static int request_device(const char *name)
{
	struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info;

	if (!message || nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO) < 0 ||
	    nla_put_string(message, IFLA_IFNAME, name) < 0 ||
	    nla_put(message, IFLA_ADDRESS, sizeof(checksums_mac), checksums_mac) < 0 ||
	    nla_put_u32(message, IFLA_TXQLEN, FRAMES) < 0)
		goto failed;
	info = nla_nest_start(message, IFLA_LINKINFO);
	if (!info || nla_put_string(message, IFLA_INFO_KIND, KIND) < 0)
		goto failed;
	nla_nest_end(message, info);
	return netlink_request(message);
failed:
	nlmsg_free(message);
	return -ENOMEM;
}

static int find_device(const char *name, int *index)
{
	struct link link;
	int result = link_get(name, &link);

	if (result == 0 && strcmp(link.kind, KIND) != 0)
		return -EEXIST;
	*index = link.index;
	return result;
}

static int switch_offload_off(const char *name)
{
	struct ethtool_value value = { .cmd = ETHTOOL_STXCSUM };
	struct ifreq request = { .ifr_data = (void *)&value };

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(netlink_fd(), SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

int ingress_make_device(const char *name, int *index)
{
	int result = find_device(name, index);

	if (result == -ENODEV) {
		result = request_device(name);
		*index = link_index(name);
		if (result == 0 && !*index)
			result = -ENODEV;
	}
	if (result == 0)
		result = switch_offload_off(name);
	if (result == 0)
		result = link_make_silent(*index);
	if (result == 0)
		result = link_set_up(*index, 0);
	return result;
}

int ingress_make_checksums(const char *bridge, int *index)
{
	char name[INTERFACE_NAME_SIZE];

	checksums_name(bridge, name);
	return ingress_make_device(name, index);
}

int ingress_find_checksums(const char *bridge)
{
	char name[INTERFACE_NAME_SIZE];
	int index;
	int result;

	checksums_name(bridge, name);
	result = find_device(name, &index);
	if (result == 0)
		return index;
	return result == -ENODEV || result == -EEXIST ? 0 : result;
}

struct nl_msg *ingress_tc_message(int type, int flags, const struct tcmsg *header, const char *kind)
{
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);

	if (message && (nlmsg_append(message, (void *)header, sizeof(*header), NLMSG_ALIGNTO) < 0 ||
			nla_put_string(message, TCA_KIND, kind) < 0)) {
		nlmsg_free(message);
		return NULL;
	}
	return message;
}

/* Where filters hang, for both ways. What is there already stays, another program's, too. */
static struct nl_msg *both_ways(int index)
{
	return ingress_tc_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL,
				  &(struct tcmsg){
					  .tcm_family = AF_UNSPEC,
					  .tcm_ifindex = index,
					  .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
					  .tcm_parent = TC_H_CLSACT,
				  },
				  BOTH_WAYS);
}

static int put_sending(struct nl_msg *message, const struct sending *sending)
{
	const struct tc_mirred mirred = {
		.action = sending->then,
		.eaction = sending->how,
		.ifindex = (uint32_t)sending->index,
	};
	struct nlattr *actions = nla_nest_start(message, TCA_BPF_ACT);
	struct nlattr *action = actions ? nla_nest_start(message, 1) : NULL;
	struct nlattr *options;

	if (!action || nla_put_string(message, TCA_ACT_KIND, "mirred") < 0)
		return -ENOMEM;
	options = nla_nest_start(message, TCA_ACT_OPTIONS);
	if (!options || nla_put(message, TCA_MIRRED_PARMS, sizeof(mirred), &mirred) < 0)
		return -ENOMEM;
	nla_nest_end(message, options);
	nla_nest_end(message, action);
	nla_nest_end(message, actions);
	return 0;
}

/* sending: of what the program matches; NULL: it says itself what becomes of a frame. */
static int put_filter(struct nl_msg *message, const struct sock_filter *program, size_t n,
		      const struct sending *sending)
{
	struct nlattr *options = nla_nest_start(message, TCA_OPTIONS);

	if (!options || nla_put_u16(message, TCA_BPF_OPS_LEN, (uint16_t)n) < 0 ||
	    nla_put(message, TCA_BPF_OPS, (int)(n * sizeof(*program)), program) < 0)
		return -ENOMEM;
	if (sending ? put_sending(message, sending) < 0
		    : nla_put_u32(message, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT) < 0)
		return -ENOMEM;
	nla_nest_end(message, options);
	return 0;
}

static struct nl_msg *filter_message(int type, int flags, const struct place *place)
{
	return ingress_tc_message(
		type, flags,
		&(struct tcmsg){
			.tcm_family = AF_UNSPEC,
			.tcm_ifindex = place->index,
			.tcm_handle = place->handle,
			.tcm_parent = place->parent,
			.tcm_info = TC_H_MAKE(place->order << 16, htons(ETH_P_ALL)),
		},
		"bpf");
}

/* Replaces the one that is in that place. */
static struct nl_msg *filter(const struct place *place, const struct sock_filter *program, size_t n,
			     const struct sending *sending)
{
	struct nl_msg *message = filter_message(RTM_NEWTFILTER, NLM_F_CREATE, place);

	if (!message || put_filter(message, program, n, sending) < 0) {
		nlmsg_free(message);
		return NULL;
	}
	return message;
}

/* The one filter of its kind on a port. */
static struct place place_on(int index, uint32_t order)
{
	return (struct place){ index, FROM_MACHINE, order, 1 };
}

/* Of a bridge of ours: what is for the host is completed, or all that it gets. */
static struct nl_msg *redirect_to_checksums(const struct port_setup *setup)
{
	const uint8_t no_match = setup->completes_all ? 0 : 1; /* how much further it is */
	const uint8_t *mac = setup->gateway.bytes;
	const uint32_t high = (uint32_t)mac[0] << 24 | (uint32_t)mac[1] << 16 |
			      (uint32_t)mac[2] << 8 | (uint32_t)mac[3];
	const uint32_t low = (uint32_t)mac[4] << 8 | (uint32_t)mac[5];
	const struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, FRAME_MAX, 0, 5),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, TYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 8, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 2),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, IPV4_FRAGMENT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IP_DF, 5, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, 2 + no_match),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low, 0, no_match),
		BPF_STMT(BPF_RET | BPF_K, MATCH),
		BPF_STMT(BPF_RET | BPF_K, NO_MATCH),
	};

	const struct place place = place_on(setup->index, FOR_CHECKSUMS);
	const struct sending sending = { setup->checksums, TCA_EGRESS_REDIR, TC_ACT_STOLEN };

	return filter(&place, program, ARRAY_SIZE(program), &sending);
}

/* All of it. */
static const struct sock_filter any_frame[] = { BPF_STMT(BPF_RET | BPF_K, MATCH) };

static struct nl_msg *redirect_to_limiter(const struct port_setup *setup)
{
	const struct place place = place_on(setup->index, FOR_CHECKSUMS);
	const struct sending sending = { setup->limiter, TCA_EGRESS_REDIR, TC_ACT_STOLEN };

	return filter(&place, any_frame, ARRAY_SIZE(any_frame), &sending);
}

/* 01:80:c2:00:00:00 to 0f go no further. */
static struct nl_msg *keep_from_bridge(const struct port_setup *setup)
{
	static const struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0180c200, 0, 4),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfff0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, TC_ACT_SHOT),
		BPF_STMT(BPF_RET | BPF_K, (uint32_t)TC_ACT_UNSPEC),
	};

	const struct place place = place_on(setup->index, FOR_BRIDGE);

	return filter(&place, program, ARRAY_SIZE(program), NULL);
}

void ingress_add_filters(struct netlink_requests *requests, const struct port_setup *setup)
{
	struct nl_msg *qdisc = both_ways(setup->index);

	requests->messages[requests->n++] = qdisc;
	requests->may_exist = qdisc;
	/* First: an older broker had it where the other one is now. */
	if (setup->limiter)
		requests->messages[requests->n++] = redirect_to_limiter(setup);
	else if (setup->checksums)
		requests->messages[requests->n++] = redirect_to_checksums(setup);
	requests->messages[requests->n++] = keep_from_bridge(setup);
}

/* Known by the device, so that a port has as many as it is captured to. */
static struct place place_of_mirror(int port, uint32_t parent, int device)
{
	return (struct place){ port, parent, FOR_CAPTURES, (uint32_t)device };
}

static struct nl_msg *mirror(int port, uint32_t parent, int device)
{
	const struct place place = place_of_mirror(port, parent, device);
	const struct sending sending = { device, TCA_EGRESS_MIRROR, TC_ACT_UNSPEC };

	return filter(&place, any_frame, ARRAY_SIZE(any_frame), &sending);
}

/* Looked for among all of the host's: who asks for one alone gets no answer. */
struct search {
	int index;
	bool found;
};

static int find_both_ways(const struct nlmsghdr *message, void *userdata)
{
	const struct tcmsg *header = nlmsg_data(message);
	struct search *search = userdata;
	struct nlattr *kind;

	if (nlmsg_datalen(message) < (int)sizeof(*header) || header->tcm_ifindex != search->index)
		return 0;
	kind = nlmsg_find_attr((struct nlmsghdr *)message, sizeof(*header), TCA_KIND);
	if (kind && nla_strcmp(kind, BOTH_WAYS) == 0)
		search->found = true;
	return 0;
}

/* To one for the other way alone the kernel would add what is for both. */
static int check_both_ways(int port)
{
	struct tcmsg header = { .tcm_family = AF_UNSPEC };
	struct search search = { .index = port };
	int result = netlink_dump(&(struct netlink_dump){
		.type = RTM_GETQDISC,
		.header = &header,
		.size = sizeof(header),
		.each = find_both_ways,
		.userdata = &search,
	});

	return result < 0 || search.found ? result : -EOPNOTSUPP;
}

int ingress_mirror(int port, int device)
{
	struct nl_msg *qdisc = both_ways(port);
	struct netlink_requests requests = { { qdisc }, 1, qdisc };
	int result = netlink_request_all(&requests);

	if (result == 0)
		result = check_both_ways(port);
	if (result < 0)
		return result;
	requests = (struct netlink_requests){
		{ mirror(port, FROM_MACHINE, device), mirror(port, TO_MACHINE, device) }, 2, NULL
	};
	return netlink_request_all(&requests);
}

static struct nl_msg *no_mirror(int port, uint32_t parent, int device)
{
	const struct place place = place_of_mirror(port, parent, device);

	return filter_message(RTM_DELTFILTER, 0, &place);
}

void ingress_end_mirror(int port, int device)
{
	struct netlink_requests requests = { { no_mirror(port, FROM_MACHINE, device),
					       no_mirror(port, TO_MACHINE, device) },
					     2,
					     NULL };

	(void)netlink_request_all(&requests);
}

int ingress_refuse_all(int index)
{
	static const struct sock_filter program[] = { BPF_STMT(BPF_RET | BPF_K, TC_ACT_SHOT) };
	const struct place place = place_on(index, FOR_BRIDGE);
	struct netlink_requests requests = {
		{ both_ways(index), filter(&place, program, ARRAY_SIZE(program), NULL) }, 2, NULL
	};

	return netlink_request_all(&requests);
}
