/* SPDX-License-Identifier: Apache-2.0 */
/* Asks nfnetlink for all connections of a family by one socket, and has another forget some. */
#include "conntrack.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/attr.h>
#include <netlink/netlink.h>
#include <string.h>

#define CONNTRACK_TYPE(type) ((NFNL_SUBSYS_CTNETLINK << 8) | (type))

struct visit {
	bool (*is_wanted)(const struct tracked_connection *connection, const void *wanted);
	const void *wanted;
	struct nl_sock *forgetting;
	int result; /* libnl's */
};

/* Both fail with -1 when there is no such attribute, or it is too short. */

static int parse_nested(struct nlattr *attribute, struct nlattr **parts, int max)
{
	return attribute ? nla_parse_nested(parts, max, attribute, NULL) : -1;
}

static int read_value(const struct nlattr *attribute, void *value, size_t size)
{
	if (!attribute || nla_len(attribute) < (int)size)
		return -1;
	memcpy(value, nla_data(attribute), size);
	return 0;
}

/* type: CTA_IP_V4_SRC or _DST; those of IPv6 are two more. */
static int read_address(struct nlattr *addresses, int type, int family, struct in6_addr *address)
{
	struct nlattr *parts[CTA_IP_MAX + 1];

	if (parse_nested(addresses, parts, CTA_IP_MAX) < 0)
		return -1;
	memset(address, 0, sizeof(*address));
	if (family == AF_INET)
		return read_value(parts[type], address, sizeof(struct in_addr));
	return read_value(parts[type + CTA_IP_V6_SRC - CTA_IP_V4_SRC], address, sizeof(*address));
}

static int read_port(struct nlattr *protocol, struct tracked_connection *connection)
{
	struct nlattr *parts[CTA_PROTO_MAX + 1];

	if (parse_nested(protocol, parts, CTA_PROTO_MAX) < 0 ||
	    read_value(parts[CTA_PROTO_NUM], &connection->protocol, sizeof(uint8_t)) < 0 ||
	    read_value(parts[CTA_PROTO_DST_PORT], &connection->to_port, sizeof(uint16_t)) < 0)
		return -1;
	connection->to_port = ntohs(connection->to_port);
	return 0;
}

bool conntrack_parse(const struct nlmsghdr *message, struct tracked_connection *connection)
{
	struct nlattr *attributes[CTA_MAX + 1], *tuple[CTA_TUPLE_MAX + 1];
	struct nlattr *answer[CTA_TUPLE_MAX + 1];
	struct nfgenmsg header;
	uint32_t status = 0;

	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(header), attributes, CTA_MAX, NULL) <
		    0 ||
	    attributes[CTA_ZONE] ||
	    parse_nested(attributes[CTA_TUPLE_ORIG], tuple, CTA_TUPLE_MAX) < 0 ||
	    parse_nested(attributes[CTA_TUPLE_REPLY], answer, CTA_TUPLE_MAX) < 0)
		return false;
	memcpy(&header, nlmsg_data(message), sizeof(header));
	connection->family = header.nfgen_family;
	(void)read_value(attributes[CTA_STATUS], &status, sizeof(status));
	connection->is_led = (ntohl(status) & IPS_DST_NAT) != 0;
	return (header.nfgen_family == AF_INET || header.nfgen_family == AF_INET6) &&
	       read_port(tuple[CTA_TUPLE_PROTO], connection) == 0 &&
	       read_address(tuple[CTA_TUPLE_IP], CTA_IP_V4_DST, connection->family,
			    &connection->to) == 0 &&
	       read_address(answer[CTA_TUPLE_IP], CTA_IP_V4_SRC, connection->family,
			    &connection->led_to) == 0;
}

static struct nl_msg *new_request(int type, int flags, uint8_t family)
{
	struct nfgenmsg header = { .nfgen_family = family, .version = NFNETLINK_V0 };
	struct nl_msg *message = nlmsg_alloc_simple(CONNTRACK_TYPE(type), flags);

	if (message && nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO) == 0)
		return message;
	nlmsg_free(message);
	return NULL;
}

/* This one, and no other that begins with the same ends by now. Returns libnl's result. */
static int forget(struct nl_sock *socket, const struct nlmsghdr *connection, int family)
{
	struct nlmsghdr *listed = (struct nlmsghdr *)connection;
	struct nlattr *tuple = nlmsg_find_attr(listed, sizeof(struct nfgenmsg), CTA_TUPLE_ORIG);
	struct nlattr *id = nlmsg_find_attr(listed, sizeof(struct nfgenmsg), CTA_ID);
	struct nl_msg *message = new_request(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, (uint8_t)family);
	int result = -NLE_NOMEM;

	if (message && id &&
	    nla_put(message, CTA_TUPLE_ORIG | NLA_F_NESTED, nla_len(tuple), nla_data(tuple)) == 0 &&
	    nla_put(message, CTA_ID, nla_len(id), nla_data(id)) == 0)
		result = nl_send_auto(socket, message);
	if (result >= 0)
		result = nl_wait_for_ack(socket);
	nlmsg_free(message);
	return result == -NLE_OBJ_NOTFOUND ? 0 : result;
}

static int on_connection(struct nl_msg *message, void *userdata)
{
	struct tracked_connection connection;
	struct visit *visit = userdata;

	if (visit->result >= 0 && conntrack_parse(nlmsg_hdr(message), &connection) &&
	    visit->is_wanted(&connection, visit->wanted))
		visit->result = forget(visit->forgetting, nlmsg_hdr(message), connection.family);
	return NL_OK;
}

/* Returns libnl's result. */
static int visit_all(struct nl_sock *listing, int family, struct visit *visit)
{
	struct nl_msg *message = new_request(IPCTNL_MSG_CT_GET, NLM_F_DUMP, (uint8_t)family);
	int result;

	if (!message)
		return -NLE_NOMEM;
	nl_socket_modify_cb(listing, NL_CB_VALID, NL_CB_CUSTOM, on_connection, visit);
	result = nl_send_auto(listing, message);
	nlmsg_free(message);
	if (result >= 0)
		result = nl_recvmsgs_default(listing);
	return result < 0 ? result : visit->result;
}

int conntrack_forget(int family,
		     bool (*is_wanted)(const struct tracked_connection *connection,
				       const void *wanted),
		     const void *wanted, const char **error)
{
	struct visit visit = {
		.is_wanted = is_wanted,
		.wanted = wanted,
		.forgetting = nl_socket_alloc(),
	};
	struct nl_sock *listing = nl_socket_alloc();
	int result = -NLE_NOMEM;

	if (listing && visit.forgetting)
		result = nl_connect(listing, NETLINK_NETFILTER);
	if (result >= 0)
		result = nl_connect(visit.forgetting, NETLINK_NETFILTER);
	if (result >= 0)
		result = visit_all(listing, family, &visit);
	nl_socket_free(visit.forgetting);
	nl_socket_free(listing);
	if (result < 0)
		*error = nl_geterror(result);
	return result < 0 ? -1 : 0;
}
