/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A neighbour is written as one that the kernel looks after: routing daemons take that for a
 * machine that is here, and may go.
 */
#include "telling.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/container_of.h"
#include "host/fdb.h"
#include "host/link.h"
#include "host/names.h"
#include "host/netlink_socket.h"
#include "host/route.h"

static struct route route_to(const struct telling *self, const struct neighbour *neighbour)
{
	const bool is_ipv4 = neighbour->family == AF_INET;
	struct route route = {
		.table = RT_TABLE_MAIN,
		.device = (uint32_t)self->bridge,
		.family = (uint8_t)neighbour->family,
		.protocol = ROUTING_PROTOCOL,
		.scope = is_ipv4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.destination_length = (uint8_t)(8 * address_size(neighbour->family)),
	};

	memcpy(&route.destination, &neighbour->address, address_size(neighbour->family));
	if (is_ipv4)
		route.own = self->source;
	return route;
}

static int remove_route(const struct route *route)
{
	struct route there = *route;
	int result;

	there.own = (struct in_addr){ 0 };
	result = netlink_request(route_message(RTM_DELROUTE, 0, &there));
	return result == -ESRCH ? 0 : result;
}

/* Also in the table that comes before others' rules: it has the route to all machines, too. */
static int change_routes(struct route route, int (*change)(const struct route *route))
{
	int result = change(&route);

	route.table = NETWORKS_TABLE;
	return result < 0 ? result : change(&route);
}

/*
 * zebra of FRR 10.3 reads of a machine before it reads of the port that it is behind, at times,
 * and has no use for it then.
 */
static int claim(int port, const struct mac_address *mac)
{
	int result = fdb_claim(port, mac);

	return result < 0 ? result : fdb_tell_again(port, mac);
}

static int make_change(const struct telling *self, const struct change *change)
{
	const struct neighbour *neighbour = &change->neighbour;

	switch (change->kind) {
	case WRITE_NEIGHBOUR:
	case CONFIRM_NEIGHBOUR:
		return neighbour_write(self->bridge, neighbour, change->kind == CONFIRM_NEIGHBOUR);
	case FORGET_NEIGHBOUR:
		return neighbour_forget(self->bridge, neighbour);
	case ADD_ROUTE:
		return change_routes(route_to(self, neighbour), route_add);
	case REMOVE_ROUTE:
		return change_routes(route_to(self, neighbour), remove_route);
	case CLAIM_MACHINE:
		return claim(link_index(change->port), &neighbour->mac);
	}
	return 0;
}

static int take_route(const struct route *route, void *userdata)
{
	struct telling *self = userdata;
	struct neighbour neighbour = { .family = route->family };

	if (route->device != (uint32_t)self->bridge || route->table != RT_TABLE_MAIN ||
	    route->protocol != ROUTING_PROTOCOL ||
	    route->destination_length != 8 * address_size(route->family))
		return 0;
	memcpy(&neighbour.address, &route->destination, address_size(route->family));
	return address_list_add(&self->found, &neighbour);
}

static int take_routes(const struct nlmsghdr *message, void *userdata)
{
	return route_parse(message, take_route, userdata);
}

static void forget_found(void *userdata)
{
	((struct telling *)userdata)->found.n = 0;
}

static int find_routes(struct telling *self)
{
	const struct rtmsg header = { .rtm_family = AF_UNSPEC };

	return netlink_dump(&(struct netlink_dump){
		.type = RTM_GETROUTE,
		.header = &header,
		.size = sizeof(header),
		.begin = forget_found,
		.each = take_routes,
		.userdata = self,
	});
}

void telling_run(struct job *job)
{
	struct telling *self = container_of(job, struct telling, job);

	if (self->finds_routes)
		self->result = find_routes(self);
	for (size_t i = 0; i < self->n_changes; i++) {
		const int result = make_change(self, &self->changes[i]);

		if (result < 0 && self->result == 0)
			self->result = result;
	}
}
