/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hears nftables' notifications. Each transaction is told as what it changed, followed by the new
 * generation, with the name of the process that began it. What we replace ourselves is told too,
 * so the name is what counts: when a process of another name has removed anything in a table of
 * ours ("nft flush ruleset", the restart of another firewall), every network's rules are made
 * again. When it has changed chains or rules of others, our place among them is looked at.
 */
#include "rules_monitor.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "broker/linux/linux.h"
#include "broker/linux/timer.h"
#include "host/netlink_listener.h"
#include "host/nft_query.h"
#include "monitor.h"
#include "network.h"

#define TABLE_PREFIX "vmnet-broker"
#define TASK_NAME_SIZE 16 /* of the kernel: TASK_COMM_LEN */

/*
 * Rules that are made again are told of, too: if that is more than the socket holds, it must not
 * lead to the next repair at once, and so on for ever.
 */
#define REPAIRED_USEC ((uint64_t)5 * 1000 * 1000)

static struct {
	struct nl_sock *socket;
	sd_event_source *source;
	char own_name[TASK_NAME_SIZE];
	/* By the transaction that is being told: */
	bool removed; /* something of ours */
	bool changed; /* chains or rules, whosever they are */
	sd_event_source *repaired; /* on for a while after a loss was made up for */
	bool lost; /* again, meanwhile */
} monitor;

/* Of each of them the table's name is the first attribute. */
static void note_removal(const struct nlmsghdr *message)
{
	if (strncmp(nft_text(message, NFTA_TABLE_NAME), TABLE_PREFIX, strlen(TABLE_PREFIX)) == 0)
		monitor.removed = true;
}

static void repair_all(void)
{
	for (struct network *network = linux_platform.broker->networks; network;
	     network = network->next)
		network_repair(network, REPAIR_EVERYTHING);
	monitor_look_around();
}

/* A transaction is told to its end. process: whose it was. */
static void on_generation(const char *process)
{
	bool is_own = strcmp(process, monitor.own_name) == 0;

	if (monitor.removed && !is_own) {
		log_warning(NULL, "%s has removed rules of ours; they are made again", process);
		repair_all();
	} else if (monitor.changed && !is_own && linux_platform.broker->networks) {
		monitor_look_around();
	}
	monitor.removed = false;
	monitor.changed = false;
}

static void on_message(const struct nlmsghdr *message)
{
	if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES)
		return;
	switch (NFNL_MSG_TYPE(message->nlmsg_type)) {
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_NEWRULE:
		monitor.changed = true;
		break;
	case NFT_MSG_DELTABLE:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_DELRULE:
		monitor.changed = true;
		note_removal(message);
		break;
	case NFT_MSG_DELSET:
	case NFT_MSG_DELSETELEM:
		note_removal(message);
		break;
	case NFT_MSG_NEWGEN:
		on_generation(nft_text(message, NFTA_GEN_PROC_NAME));
		break;
	default:
		break;
	}
}

static void on_loss(void)
{
	if (timer_is_on(monitor.repaired)) {
		monitor.lost = true;
		return;
	}
	log_warning(NULL, "notifications of nftables were lost; our rules are made again");
	repair_all();
	timer_set(monitor.repaired, REPAIRED_USEC);
}

static int on_repaired(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	(void)userdata;
	if (monitor.lost)
		on_loss();
	monitor.lost = false;
	return 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	bool lost;
	int result = netlink_listener_read(monitor.socket, on_message, &lost);

	(void)source;
	(void)fd;
	(void)events;
	(void)userdata;
	/* Anything may have gone. */
	if (lost)
		on_loss();
	if (result < 0 && result != -EAGAIN)
		log_warning(NULL, "a notification of nftables cannot be read: %s",
			    strerror(-result));
	return 0;
}

static int open_socket(void)
{
	int result = netlink_listener_open(&monitor.socket, NETLINK_NETFILTER);

	return result < 0 ? result : nl_socket_add_memberships(monitor.socket, NFNLGRP_NFTABLES, 0);
}

int rules_monitor_start(void)
{
	int result = open_socket();

	if (result < 0) {
		log_error(NULL, "nftables' notifications cannot be had: %s", nl_geterror(result));
		rules_monitor_stop();
		return -EIO;
	}
	(void)prctl(PR_GET_NAME, monitor.own_name);
	result = sd_event_add_io(linux_platform.event, &monitor.source,
				 nl_socket_get_fd(monitor.socket), EPOLLIN, on_readable, NULL);
	if (result >= 0)
		result = timer_add(linux_platform.event, &monitor.repaired, on_repaired, NULL);
	if (result < 0) {
		log_error(NULL, "cannot watch nftables: %s", strerror(-result));
		rules_monitor_stop();
	}
	return result;
}

void rules_monitor_stop(void)
{
	monitor.source = sd_event_source_disable_unref(monitor.source);
	monitor.repaired = sd_event_source_disable_unref(monitor.repaired);
	nl_socket_free(monitor.socket);
	monitor.socket = NULL;
}
