/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any message as one of rtnetlink about a link: what comes of it is terminated
 * text, and an alias in it that is taken for one of the broker's names a network
 * that there can be. The same as one about a route: what is read of it is the
 * same when it has been written. And as one about a rule, a tracked connection, a VXLAN, or who
 * is where.
 */
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "host/conntrack.h"
#include "host/fdb.h"
#include "host/link.h"
#include "host/names.h"
#include "host/route.h"
#include "host/rule.h"
#include "host/vxlan_link.h"
#include "tests/unit/must.h"

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

static int check_same(const struct route *route, void *userdata)
{
	must(memcmp(route, userdata, sizeof(*route)) == 0);
	return 1;
}

static int check_route(const struct route *route, void *userdata)
{
	struct nl_msg *message = route_message(RTM_NEWROUTE, 0, route);

	(void)userdata;
	must(message);
	must(route_parse(nlmsg_hdr(message), check_same, (void *)route) == 1);
	nlmsg_free(message);
	return 0;
}

static struct nlmsghdr *new_message(uint16_t type, size_t header, const uint8_t *data, size_t size)
{
	struct nlmsghdr *message = calloc(1, NLMSG_SPACE(header + size));

	must(message);
	message->nlmsg_len = (uint32_t)NLMSG_LENGTH(header + size);
	message->nlmsg_type = type;
	memcpy((char *)NLMSG_DATA(message) + header, data, size);
	return message;
}

/* The kernel's own part is always right: a header (here of links), and room for what follows. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nlmsghdr *message = new_message(RTM_NEWLINK, sizeof(struct ifinfomsg), data, size);
	struct tracked_connection connection;
	struct vxlan_setup vxlan;
	struct fdb_entry entry;
	struct link link;
	struct rule rule;

	if (link_parse(message, &link) == 0)
		check_link(&link);
	(void)link_parse_port(message, &link.port);
	if (vxlan_link_parse(message, &link, &vxlan) == 0)
		must(vxlan.family == 0 || vxlan.family == AF_INET || vxlan.family == AF_INET6);
	free(message);
	message = new_message(RTM_NEWROUTE, 0, data, size);
	must(route_parse(message, check_route, NULL) == 0);
	if (conntrack_parse(message, &connection))
		must(connection.family == AF_INET || connection.family == AF_INET6);
	if (rule_parse(message, &rule) == 0)
		must(memchr(rule.interface, '\0', sizeof(rule.interface)));
	free(message);
	message = new_message(RTM_NEWNEIGH, 0, data, size);
	if (fdb_parse(message, &entry) == 0)
		must(address_size(entry.family) <= sizeof(entry.host));
	free(message);
	return 0;
}
