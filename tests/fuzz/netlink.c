/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any message as one of rtnetlink about a link: what comes of it is terminated
 * text, and an alias in it that is taken for one of the broker's names a network
 * that there can be.
 */
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "linux/link.h"
#include "linux/names.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_link(const struct link *link)
{
	struct alias alias;

	must(memchr(link->name, '\0', sizeof(link->name)));
	must(memchr(link->kind, '\0', sizeof(link->kind)));
	must(memchr(link->alias, '\0', sizeof(link->alias)));
	if (alias_parse(link->alias, &alias) < 0)
		return;
	must(network_name_is_valid(alias.network));
	must(!alias.is_interface || mac_address_is_unicast(&alias.mac));
}

/* The kernel's own part is always right: a header, and room for what it is followed by. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nlmsghdr *message = calloc(1, NLMSG_SPACE(sizeof(struct ifinfomsg) + size));
	struct link link;

	must(message);
	message->nlmsg_len = (uint32_t)NLMSG_LENGTH(sizeof(struct ifinfomsg) + size);
	message->nlmsg_type = RTM_NEWLINK;
	memcpy((char *)NLMSG_DATA(message) + sizeof(struct ifinfomsg), data, size);
	if (link_parse(message, &link) == 0)
		check_link(&link);
	(void)link_port_is_isolated(message);
	free(message);
	return 0;
}
