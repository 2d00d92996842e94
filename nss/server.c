/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks are known by their bridges' aliases, which the kernel tells everybody; questions are
 * asked by the C library's own client of DNS.
 */
#include "server.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/names.h"

/* What the kernel fills for who reads as much at once. */
#define DUMP_SIZE 8192

/* More than what the C library says that it takes by UDP. */
#define ANSWER_SIZE 4096

#define KIND "bridge"

/* A request for all bridges, as the kernel lays it out. */
struct request {
	struct nlmsghdr header;
	struct ifinfomsg link;
	struct rtattr info;
	struct rtattr kind;
	char text[RTA_ALIGN(sizeof(KIND))];
};

/* NETWORK.internal, of this network. */
static bool is_domain_of(const char *text, const char *network)
{
	char domain[NETWORK_DOMAIN_SIZE];
	size_t length = strlen(network_domain(network, domain));

	return strncasecmp(text, domain, length) == 0 &&
	       (text[length] == '\0' || strcmp(text + length, ".") == 0);
}

/* bridge: gets the name of the link in the message, if it is the bridge of the domain's network. */
static bool is_bridge_of(const struct nlmsghdr *message, const char *domain,
			 char bridge[INTERFACE_NAME_SIZE])
{
	const struct ifinfomsg *link = NLMSG_DATA(message);
	size_t length = IFLA_PAYLOAD(message);
	struct alias alias = { .is_interface = true };

	bridge[0] = '\0';
	for (const struct rtattr *i = IFLA_RTA(link); RTA_OK(i, length); i = RTA_NEXT(i, length)) {
		if (i->rta_type == IFLA_IFNAME)
			(void)snprintf(bridge, INTERFACE_NAME_SIZE, "%s", (char *)RTA_DATA(i));
		if (i->rta_type == IFLA_IFALIAS && alias_parse(RTA_DATA(i), &alias) < 0)
			return false;
	}
	return bridge[0] && !alias.is_interface && is_domain_of(domain, alias.network);
}

/* Looks through a part of the kernel's answer. Returns 1 when it is found, 0 at the end, or -1. */
static int look_through(const void *part, size_t size, const char *domain,
			char bridge[INTERFACE_NAME_SIZE])
{
	for (const struct nlmsghdr *i = part; NLMSG_OK(i, size); i = NLMSG_NEXT(i, size)) {
		if (i->nlmsg_type != RTM_NEWLINK)
			return 0;
		if (is_bridge_of(i, domain, bridge))
			return 1;
	}
	return -1;
}

static bool find_bridge(int fd, const char *domain, char bridge[INTERFACE_NAME_SIZE])
{
	const struct request request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.info = { offsetof(struct request, text) + sizeof(KIND) -
				  offsetof(struct request, info),
			  IFLA_LINKINFO },
		.kind = { RTA_LENGTH(sizeof(KIND)), IFLA_INFO_KIND },
		.text = KIND,
	};
	_Alignas(struct nlmsghdr) char part[DUMP_SIZE];
	ssize_t size = send(fd, &request, sizeof(request), 0);
	int found = -1;

	while (size >= 0 && found < 0) {
		size = recv(fd, part, sizeof(part), 0);
		if (size >= 0)
			found = look_through(part, (size_t)size, domain, bridge);
	}
	return found > 0;
}

static bool address_of(const char *bridge, struct in_addr *address)
{
	struct ifreq request = { .ifr_addr.sa_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool has_one;

	if (fd < 0)
		return false;
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", bridge);
	has_one = ioctl(fd, SIOCGIFADDR, &request) == 0;
	*address = ((const struct sockaddr_in *)&request.ifr_addr)->sin_addr;
	(void)close(fd);
	return has_one;
}

/* What no network's machine is called costs no system call. */
static bool may_be_a_machine(const char *name)
{
	static const char ending[] = ".internal";
	size_t length = strlen(name);

	length -= length > 0 && name[length - 1] == '.';
	return length > strlen(ending) &&
	       strncasecmp(name + length - strlen(ending), ending, strlen(ending)) == 0;
}

bool server_find(const char *name, struct in_addr *server)
{
	const char *dot = strchr(name, '.');
	char bridge[INTERFACE_NAME_SIZE];
	bool is_found = false;
	int fd;

	if (!may_be_a_machine(name) || dot == name)
		return false;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return false;
	/* MACHINE.NETWORK.internal, or else MACHINE.HOST.NETWORK.internal. */
	for (int i = 0; i < 2 && dot && !is_found; i++) {
		is_found = find_bridge(fd, dot + 1, bridge);
		dot = strchr(dot + 1, '.');
	}
	(void)close(fd);
	return is_found && address_of(bridge, server);
}

static void add(struct answer *answer, const ns_rr *record, int family, size_t size)
{
	if (ns_rr_rdlen(*record) != size || answer->n == ADDRESSES_MAX)
		return;
	answer->addresses[answer->n].family = family;
	memcpy(&answer->addresses[answer->n].bytes, ns_rr_rdata(*record), size);
	answer->ttl = (int32_t)ns_rr_ttl(*record);
	answer->n++;
}

static int read_answer(const unsigned char *bytes, int length, int type, struct answer *answer)
{
	ns_msg message;
	ns_rr record;

	if (ns_initparse(bytes, length, &message) < 0)
		return NO_RECOVERY;
	for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
		if (ns_parserr(&message, ns_s_an, i, &record) < 0)
			return NO_RECOVERY;
		if ((int)ns_rr_type(record) != type)
			continue;
		if (type == ns_t_a)
			add(answer, &record, AF_INET, sizeof(struct in_addr));
		else
			add(answer, &record, AF_INET6, sizeof(struct in6_addr));
	}
	return answer->n ? NETDB_SUCCESS : NO_DATA;
}

static int ask_for(struct __res_state *state, const char *name, int type, struct answer *answer)
{
	unsigned char bytes[ANSWER_SIZE];
	int length = res_nquery(state, name, ns_c_in, type, bytes, sizeof(bytes));

	return length < 0 ? state->res_h_errno : read_answer(bytes, length, type, answer);
}

/* Whatever else it is to look at, and whomever the host asks, it asks this server, by UDP. */
static void point_to(struct __res_state *state, struct in_addr server)
{
	state->options &= ~(unsigned long)(RES_DNSRCH | RES_DEFNAMES | RES_USEVC);
	state->options |= RES_IGNTC;
	state->retrans = 1;
	state->retry = 1;
	state->nscount = 1;
	state->nsaddr_list[0] = (struct sockaddr_in){ .sin_family = AF_INET,
						      .sin_port = htons(NS_DEFAULTPORT),
						      .sin_addr = server };
}

int server_ask(struct in_addr server, const char *name, int family, struct answer *answer)
{
	struct __res_state state = { 0 };
	int result = NO_DATA;

	answer->n = 0;
	if (res_ninit(&state) < 0)
		return TRY_AGAIN;
	point_to(&state, server);
	if (family != AF_INET6)
		result = ask_for(&state, name, ns_t_a, answer);
	if (family != AF_INET && (result == NETDB_SUCCESS || result == NO_DATA))
		result = ask_for(&state, name, ns_t_aaaa, answer);
	res_nclose(&state);
	return answer->n ? NETDB_SUCCESS : result;
}
