/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One socket for all networks. What there is already is asked for by the same one, so that it and
 * what changes meanwhile are read in their order. The kernel tells of the neighbours of all links,
 * of which a filter lets pass those of the networks' own devices: of a VXLAN device whose hosts a
 * routing daemon tells of only what it forgets.
 */
#include "elsewhere.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/array.h"
#include "base/log.h"
#include "broker/linux/linux.h"
#include "broker/linux/timer.h"
#include "host/netlink_listener.h"
#include "host/netlink_socket.h"

/* A routing daemon that has just been started knows of nobody for a while. */
#define ALONE_USEC ((uint64_t)20 * 1000 * 1000)

struct elsewhere {
	struct elsewhere *next;
	struct network *network;
	elsewhere_entry_function *on_entry;
	void (*on_changed)(void *userdata);
	void *userdata;
	struct elsewhere_links links;
	struct known_addresses known;
	bool is_unasked; /* what there is already */
	sd_event_source *alone; /* on while no other host is known */
};

static struct {
	struct elsewhere *networks;
	struct nl_sock *socket;
	sd_event_source *source;
	struct elsewhere *asked; /* whose are being told; NULL: nobody's, or of one that has gone */
	bool is_asking;
	bool is_interrupted; /* not all may have been told */
} listener;

static uint64_t now(void)
{
	uint64_t usec = 0;

	(void)sd_event_now(linux_platform.event, CLOCK_MONOTONIC, &usec);
	return usec;
}

/* Hosts */

static bool is_elsewhere(const struct elsewhere *self, const struct neighbour *neighbour)
{
	const struct known *known = known_find(&self->known, neighbour);

	return known && known->place == KNOWN_ELSEWHERE;
}

/*
 * Each tells of its own addresses as of a machine's; zebra of FRR 8.4 leaves out the one by IPv4,
 * which it takes for its own.
 */
static bool is_known(const struct elsewhere *self, const struct vxlan_host *host)
{
	const struct neighbour ipv4 = {
		.family = AF_INET,
		.address.ipv4 = vxlan_host_ipv4(host),
	};
	const struct neighbour ipv6 = {
		.family = AF_INET6,
		.address.ipv6 = vxlan_host_ipv6(self->network->config, host),
	};

	return is_elsewhere(self, &ipv4) || is_elsewhere(self, &ipv6);
}

/* Of hosts that are a list nothing is told: their names are asked for (dnsmasq/zones.c). */
static void look_at_hosts(struct elsewhere *self)
{
	const struct vxlan *vxlan = &self->network->config->vxlan;
	bool is_alone = true;

	if (vxlan->control != VXLAN_EVPN)
		return;
	for (size_t i = 0; i < vxlan->n_hosts && is_alone; i++)
		is_alone = !is_known(self, &vxlan->hosts[i]);
	if (is_alone) {
		timer_set_unless_on(self->alone, ALONE_USEC);
		return;
	}
	(void)sd_event_source_set_enabled(self->alone, SD_EVENT_OFF);
	broker_network_fault(self->network, FAULT_HOSTS, NULL);
}

static int on_alone(sd_event_source *source, uint64_t usec, void *userdata)
{
	const struct elsewhere *self = userdata;

	(void)source;
	(void)usec;
	broker_network_fault(self->network, FAULT_HOSTS,
			     "none of its other hosts is known: if one of them has it active, look "
			     "at FRR (vtysh -c \"show bgp l2vpn evpn summary\")");
	return 0;
}

/* Addresses */

static void take_address(struct elsewhere *self, const struct neighbour *neighbour,
			 enum neighbour_source source)
{
	struct known *known = known_find(&self->known, neighbour);
	bool is_new = known && known->place != KNOWN_GONE;

	if (source == NEIGHBOUR_KERNEL || source == NEIGHBOUR_ROUTING) {
		(void)known_set(&self->known, neighbour,
				source == NEIGHBOUR_KERNEL ? KNOWN_HERE : KNOWN_ELSEWHERE, &is_new);
	} else if (known) {
		known_unset(&self->known, known, now());
	}
	if (is_new)
		self->on_changed(self->userdata);
}

static void on_address(struct elsewhere *self, const struct neighbour *neighbour,
		       enum neighbour_source source)
{
	take_address(self, neighbour, source);
	/* While it is being told of all, that is looked at once. */
	if (!self->is_unasked && listener.asked != self &&
	    vxlan_host_at(self->network->config, neighbour->family, &neighbour->address))
		look_at_hosts(self);
}

static void on_neighbour(const struct neighbour *neighbour, int link, enum neighbour_source source)
{
	for (struct elsewhere *self = listener.networks; self; self = self->next)
		if (link && self->links.bridge == link)
			on_address(self, neighbour, source);
}

static void tell_entry(const struct nlmsghdr *message)
{
	const int link = ((const struct ndmsg *)nlmsg_data(message))->ndm_ifindex;
	const struct elsewhere *self = listener.networks;

	while (self && self->links.vxlan != link && self->links.own_port != link)
		self = self->next;
	if (self && !netlink_is_own(message))
		self->on_entry(self->network, message);
}

/* What there is already */

static int send_question(const struct elsewhere *about)
{
	const struct ndmsg all = { .ndm_family = AF_UNSPEC };
	struct nl_msg *message = nlmsg_alloc_simple(RTM_GETNEIGH, NLM_F_DUMP);
	int result = -NLE_NOMEM;

	if (message && nlmsg_append(message, (void *)&all, sizeof(all), NLMSG_ALIGNTO) == 0 &&
	    nla_put_u32(message, NDA_IFINDEX, (uint32_t)about->links.bridge) == 0)
		result = nl_send_auto(listener.socket, message);
	nlmsg_free(message);
	return result;
}

static void ask(void)
{
	struct elsewhere *self = listener.networks;

	while (self && (!self->is_unasked || !self->links.bridge))
		self = self->next;
	if (!self || listener.is_asking || !listener.socket || send_question(self) < 0)
		return; /* or at the next look */
	self->is_unasked = false;
	known_begin(&self->known);
	listener.asked = self;
	listener.is_asking = true;
	listener.is_interrupted = false;
}

static void on_told(const struct nlmsghdr *message)
{
	struct elsewhere *self = listener.asked;

	if (!listener.is_asking)
		return;
	listener.asked = NULL;
	listener.is_asking = false;
	if (self && (listener.is_interrupted || message->nlmsg_type == NLMSG_ERROR)) {
		self->is_unasked = true; /* until the next look */
		return;
	}
	if (self) {
		known_end(&self->known, now());
		look_at_hosts(self);
		self->on_changed(self->userdata);
	}
	ask();
}

static void on_message(const struct nlmsghdr *message)
{
	enum neighbour_source source;
	struct neighbour neighbour;
	int link;

	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		listener.is_interrupted = true;
	if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
		on_told(message);
	else if (message->nlmsg_type != RTM_NEWNEIGH && message->nlmsg_type != RTM_DELNEIGH)
		return;
	else if (neighbour_parse(message, &neighbour, &link, &source) == 0)
		on_neighbour(&neighbour, link, source);
	else
		tell_entry(message);
}

/* The socket */

static void close_socket(void)
{
	listener.source = sd_event_source_disable_unref(listener.source);
	nl_socket_free(listener.socket);
	listener.socket = NULL;
	listener.asked = NULL;
	listener.is_asking = false;
}

/* Numbers are loaded as the network has them, and are the host's. */
static int set_filter(void)
{
	const struct sock_filter begin[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWNEIGH), 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELNEIGH), 1, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_flags)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htons(NLM_F_MULTI), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 sizeof(struct nlmsghdr) + offsetof(struct ndmsg, ndm_ifindex)),
	};
	struct sock_filter items[BPF_MAXINSNS];
	struct sock_fprog program = { .filter = items };
	size_t n = ARRAY_SIZE(begin);

	memcpy(items, begin, sizeof(begin));
	for (const struct elsewhere *i = listener.networks; i; i = i->next) {
		const struct sock_filter of_network[] = {
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t)i->links.bridge), 4, 0),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t)i->links.own_port), 3,
				 0),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t)i->links.vxlan), 0, 4),
			BPF_STMT(BPF_MISC | BPF_TXA, 0),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELNEIGH), 0,
				 i->network->config->vxlan.control == VXLAN_EVPN),
			BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
			BPF_STMT(BPF_RET | BPF_K, 0),
		};

		if (n + ARRAY_SIZE(of_network) >= BPF_MAXINSNS)
			return -E2BIG;
		memcpy(&items[n], of_network, sizeof(of_network));
		n += ARRAY_SIZE(of_network);
	}
	items[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	program.len = (unsigned short)n;
	return setsockopt(nl_socket_get_fd(listener.socket), SOL_SOCKET, SO_ATTACH_FILTER, &program,
			  sizeof(program)) < 0
		       ? -errno
		       : 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata);

static int open_socket(void)
{
	int result = netlink_listener_open(&listener.socket, NETLINK_ROUTE);

	if (result == 0) {
		nl_socket_disable_auto_ack(listener.socket);
		result = nl_socket_add_membership(listener.socket, RTNLGRP_NEIGH);
	}
	if (result < 0)
		return -EIO;
	return sd_event_add_io(linux_platform.event, &listener.source,
			       nl_socket_get_fd(listener.socket), EPOLLIN, on_readable, NULL);
}

/* Also when there is one already: it listens to what there is now. */
static int listen_to_all(void)
{
	int result = listener.socket ? 0 : open_socket();

	if (result >= 0)
		result = set_filter();
	if (result < 0) {
		close_socket();
		return result;
	}
	ask();
	return 0;
}

static void start_over(void)
{
	close_socket();
	for (struct elsewhere *i = listener.networks; i; i = i->next) {
		i->is_unasked = true;
		i->on_entry(i->network, NULL);
	}
	if (listener.networks)
		(void)listen_to_all(); /* or at the next look */
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	bool lost;
	int result = netlink_listener_read(listener.socket, on_message, &lost);

	(void)source;
	(void)fd;
	(void)events;
	(void)userdata;
	if (!lost && (result == 0 || result == -EAGAIN))
		return 0;
	log_debug(NULL, "what the kernel tells of neighbours was lost; asking for all of it");
	start_over();
	return 0;
}

/* Networks */

struct elsewhere *elsewhere_new(struct network *network, elsewhere_entry_function *on_entry,
				void (*on_changed)(void *userdata), void *userdata)
{
	struct elsewhere *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	self->network = network;
	self->on_entry = on_entry;
	self->on_changed = on_changed;
	self->userdata = userdata;
	if (timer_add(linux_platform.event, &self->alone, on_alone, self) < 0) {
		free(self);
		return NULL;
	}
	self->next = listener.networks;
	listener.networks = self;
	return self;
}

int elsewhere_follow(struct elsewhere *self, const struct elsewhere_links *links)
{
	if (listener.socket && memcmp(&self->links, links, sizeof(*links)) == 0)
		return 0;
	self->is_unasked |= self->links.bridge != links->bridge || !listener.socket;
	self->links = *links;
	return listen_to_all();
}

void elsewhere_look(struct elsewhere *self)
{
	known_tidy(&self->known, now());
	if (listener.socket)
		ask();
	else
		start_over();
}

struct known_addresses *elsewhere_known(struct elsewhere *self)
{
	return &self->known;
}

void elsewhere_free(struct elsewhere *self)
{
	struct elsewhere **link = &listener.networks;

	if (!self)
		return;
	while (*link != self)
		link = &(*link)->next;
	*link = self->next;
	if (listener.asked == self)
		listener.asked = NULL;
	sd_event_source_disable_unref(self->alone);
	known_clear(&self->known);
	free(self);
	if (!listener.networks)
		close_socket();
	else if (listener.socket)
		(void)set_filter();
}
