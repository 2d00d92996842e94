/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that listens on a port would not be asked any more, so that is an error. A sender of
 * UDP that never pauses, syslog's or a phone's, is one connection for ever to the kernel, and NAT
 * is for new ones: the kernel has to forget those that would be led otherwise today, and no others.
 */
#include "forwarded.h"

#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/log.h"
#include "broker/linux/linux.h"
#include "host/conntrack.h"
#include "host/names.h"
#include "host/ports.h"
#include "host/route.h"
#include "host/sysctl.h"

/* 0: one that is never forwarded. */
static unsigned int forwarded_protocol(int protocol)
{
	if (protocol == IPPROTO_TCP)
		return FORWARD_TCP;
	return protocol == IPPROTO_UDP ? FORWARD_UDP : 0;
}

static bool is_bridges_address(const struct ifaddrs *entry, int family,
			       const struct in6_addr *address)
{
	const void *of_bridge;

	if (!entry->ifa_addr || entry->ifa_addr->sa_family != family ||
	    !is_own_link_name(entry->ifa_name))
		return false;
	if (family == AF_INET)
		of_bridge = &((const struct sockaddr_in *)(const void *)entry->ifa_addr)->sin_addr;
	else
		of_bridge =
			&((const struct sockaddr_in6 *)(const void *)entry->ifa_addr)->sin6_addr;
	return memcmp(of_bridge, address, address_size(family)) == 0;
}

/* Where dnsmasq's user is another program's too, it is known by its address. */
static bool is_networks_server(const struct listed_socket *socket)
{
	struct ifaddrs *entries;
	struct in6_addr address;
	bool found = false;
	int family;

	if (socket->uid != linux_platform.dnsmasq.uid)
		return false;
	if (linux_platform.dnsmasq.is_own)
		return true;
	if (getifaddrs(&entries) < 0)
		return false;
	family = ports_address(socket, &address);
	for (const struct ifaddrs *entry = entries; entry && !found; entry = entry->ifa_next)
		found = is_bridges_address(entry, family, &address);
	freeifaddrs(entries);
	return found;
}

static bool is_taken_from(const struct port_forwarding *forwarding,
			  const struct listed_socket *socket)
{
	const struct sent_to sent = {
		.protocol = socket->protocol,
		.family = forwarding->family,
		.address = forwarding->has_external_address ? &forwarding->external_address : NULL,
		.first = forwarding->external_port,
		.last = forwarding->external_port + forwarding->n_ports - 1U,
	};

	return (forwarded_protocol(socket->protocol) & forwarding->protocols) &&
	       ports_gets(socket, &sent);
}

static bool is_in_the_way(const struct listed_socket *socket, const void *wanted)
{
	const struct forwarded_ports *ports = wanted;

	for (size_t i = 0; i < ports->n; i++)
		if (is_taken_from(&ports->items[i], socket))
			return !is_networks_server(socket);
	return false;
}

/* What it listens at, if that is not every address: " at 127.0.0.53". */
static const char *describe_address(const struct listed_socket *socket, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr bound;
	int family = ports_address(socket, &bound);

	text[0] = '\0';
	if (!IN6_IS_ADDR_UNSPECIFIED(&bound))
		(void)snprintf(text, size, " at %s",
			       inet_ntop(family, &bound, address, sizeof(address)));
	return text;
}

static int check_listeners(const struct forwarded_ports *ports, struct error *error)
{
	char owner[128], at[INET6_ADDRSTRLEN + 4];
	struct listed_socket socket;
	const char *other;

	if (!ports_find_any(is_in_the_way, ports, &socket))
		return 0;
	(void)ports_describe_owner(&socket, owner, sizeof(owner));
	(void)describe_address(&socket, at, sizeof(at));
	if (ports->is_asked)
		other = at[0] ? "port of the host, or another of its addresses"
			      : "port of the host";
	else
		other = at[0] ? "\"external_port\", or another \"external_address\""
			      : "\"external_port\"";
	return error_set(
		error, ERROR_CREATE_FAILED, "%s port %u is in use%s by %s; choose another %s",
		socket.protocol == IPPROTO_TCP ? "tcp" : "udp", socket.port, at, owner, other);
}

/* key: where the address is from, with a space behind it, or "". */
static int check_address(const struct port_forwarding *forwarding, const char *key,
			 struct error *error)
{
	const void *address = &forwarding->external_address;
	char text[INET6_ADDRSTRLEN];

	if (!route_is_to_host(forwarding->family, address))
		return error_set(error, ERROR_CREATE_FAILED,
				 "%s%s is no address of this host; choose one that \"ip "
				 "address\" lists, or remove it for all of them",
				 key, inet_ntop(forwarding->family, address, text, sizeof(text)));
	if (forwarding->family == AF_INET6 && port_forwarding_is_private(forwarding) &&
	    sysctl_bridges_filter(AF_INET6))
		return error_set(
			error, ERROR_CREATE_FAILED,
			"%s::1 cannot be had where br_netfilter filters bridges; choose 127.0.0.1 "
			"and an IPv4 address of the machine, or set "
			"net.bridge.bridge-nf-call-ip6tables to 0",
			key);
	return 0;
}

int forwarded_check(const struct forwarded_ports *ports, struct error *error)
{
	const char *key = ports->is_asked ? "" : "\"external_address\" ";

	if (!ports->n)
		return 0;
	for (size_t i = 0; i < ports->n; i++)
		if (ports->items[i].has_external_address &&
		    check_address(&ports->items[i], key, error) < 0)
			return -1;
	return check_listeners(ports, error);
}

/* Connections that are older */

static bool is_sent_to(const struct tracked_connection *connection,
		       const struct port_forwarding *forwarding)
{
	const unsigned int port = connection->to_port;

	return connection->family == forwarding->family &&
	       (forwarded_protocol(connection->protocol) & forwarding->protocols) &&
	       port >= forwarding->external_port &&
	       port < (unsigned int)forwarding->external_port + forwarding->n_ports &&
	       (!forwarding->has_external_address ||
		memcmp(&connection->to, &forwarding->external_address,
		       address_size(connection->family)) == 0);
}

/*
 * One of TCP stays with the program that has it, though nobody listens for others any
 * more. What others' rules have led elsewhere they would again.
 */
static bool is_older(const struct tracked_connection *connection, const void *wanted)
{
	const struct forwarded_ports *ports = wanted;

	if (connection->protocol != IPPROTO_UDP || connection->is_led)
		return false;
	for (size_t i = 0; i < ports->n; i++)
		if (is_sent_to(connection, &ports->items[i]))
			return route_is_to_host(connection->family, &connection->to);
	return false;
}

static bool is_left(const struct tracked_connection *connection, const void *wanted)
{
	const struct forwarded_ports *ports = wanted;

	for (size_t i = 0; connection->is_led && i < ports->n; i++)
		if (is_sent_to(connection, &ports->items[i]) &&
		    memcmp(&connection->led_to, &ports->items[i].internal_address,
			   address_size(connection->family)) == 0)
			return true;
	return false;
}

static void forget(const struct forwarded_ports *ports,
		   bool (*is_wanted)(const struct tracked_connection *connection,
				     const void *wanted))
{
	const char *error;

	if (ports->n && (conntrack_forget(AF_INET, is_wanted, ports, &error) < 0 ||
			 conntrack_forget(AF_INET6, is_wanted, ports, &error) < 0))
		log_warning(ports->network,
			    "who used its forwarded ports before goes on where it did: %s", error);
}

void forwarded_begin(const struct forwarded_ports *ports)
{
	forget(ports, is_older);
}

void forwarded_end(const struct forwarded_ports *ports)
{
	forget(ports, is_left);
}
