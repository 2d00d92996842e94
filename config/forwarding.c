/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key "port_forwarding": the ports of the host that lead to machines. What they may not share
 * with those of other networks is found here, too; what else has them on this host is not. And
 * "allow_port_forwarding": which others clients may ask for.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "reader.h"

#define PORT_MAX 65535U

static const char *const protocol_names[] = {
	[FORWARD_TCP] = "tcp",
	[FORWARD_UDP] = "udp",
	[FORWARD_TCP | FORWARD_UDP] = "tcp and udp",
};

const char *port_forwarding_format(const struct port_forwarding *forwarding,
				   char text[PORT_FORWARDING_TEXT_SIZE])
{
	const unsigned int first = forwarding->external_port;
	char address[INET6_ADDRSTRLEN];
	char ports[sizeof("s 65535-65535")];

	if (forwarding->n_ports == 1)
		(void)snprintf(ports, sizeof(ports), " %u", first);
	else
		(void)snprintf(ports, sizeof(ports), "s %u-%u", first & PORT_MAX,
			       (first + forwarding->n_ports - 1) & PORT_MAX);
	if (forwarding->has_external_address)
		inet_ntop(forwarding->family, &forwarding->external_address, address,
			  sizeof(address));
	(void)snprintf(text, PORT_FORWARDING_TEXT_SIZE, "%s port%s%s%s",
		       protocol_names[forwarding->protocols], ports,
		       forwarding->has_external_address ? " at "
		       : forwarding->family == AF_INET6 ? " (IPv6)"
							: "",
		       forwarding->has_external_address ? address : "");
	return text;
}

bool port_forwarding_is_private(const struct port_forwarding *forwarding)
{
	const union forwarding_address *address = &forwarding->external_address;

	if (!forwarding->has_external_address)
		return false;
	return forwarding->family == AF_INET ? ntohl(address->ipv4.s_addr) >> 24 == IN_LOOPBACKNET
					     : IN6_IS_ADDR_LOOPBACK(&address->ipv6);
}

static bool is_same_address(const struct port_forwarding *one, const struct port_forwarding *other)
{
	return memcmp(&one->external_address, &other->external_address,
		      address_size(one->family)) == 0;
}

bool port_forwarding_overlaps(const struct port_forwarding *one,
			      const struct port_forwarding *other, struct port_forwarding *shared)
{
	const unsigned int one_end = one->external_port + one->n_ports;
	const unsigned int other_end = other->external_port + other->n_ports;
	const unsigned int end = one_end < other_end ? one_end : other_end;

	*shared = one->has_external_address ? *one : *other;
	shared->protocols = one->protocols & other->protocols;
	if (one->external_port > other->external_port)
		shared->external_port = one->external_port;
	else
		shared->external_port = other->external_port;
	if (one->family != other->family || !shared->protocols || shared->external_port >= end)
		return false;
	shared->n_ports = (uint16_t)(end - shared->external_port);
	return !one->has_external_address || !other->has_external_address ||
	       is_same_address(one, other);
}

bool port_forwardings_share(const struct port_forwarding *some, size_t n_some,
			    const struct port_forwarding *others, size_t n_others,
			    struct port_forwarding *shared)
{
	for (size_t i = 0; i < n_some; i++)
		for (size_t j = 0; j < n_others; j++)
			if (port_forwarding_overlaps(&some[i], &others[j], shared))
				return true;
	return false;
}

static void read_protocol(struct config_reader *reader, const struct place *place,
			  const json_t *value, void *field)
{
	static const char *const names[] = { "tcp", "udp", "both" };
	static const unsigned int protocols[] = { FORWARD_TCP, FORWARD_UDP,
						  FORWARD_TCP | FORWARD_UDP };
	int choice = config_read_choice(reader, place, value, names, ARRAY_SIZE(names),
					"\"tcp\", \"udp\" or \"both\"");

	if (choice >= 0)
		*(unsigned int *)field = protocols[choice];
}

unsigned int port_scan(const char **text)
{
	char *end;
	unsigned long port;

	if (**text < '1' || **text > '9')
		return 0;
	port = strtoul(*text, &end, 10);
	*text = end;
	return port <= PORT_MAX ? (unsigned int)port : 0;
}

/* Finds the first and the last port of a value. Returns false when it has none. */
static bool parse_ports(const json_t *value, unsigned int *first, unsigned int *last)
{
	const char *text = json_string_value(value);
	json_int_t number = json_integer_value(value);

	if (!text) {
		*first = *last = number >= 1 && number <= PORT_MAX ? (unsigned int)number : 0;
		return *first != 0;
	}
	*first = port_scan(&text);
	if (!*first || *text++ != '-')
		return false;
	*last = port_scan(&text);
	return *last && *text == '\0';
}

/* Returns how many ports a value has, and the first of them; 0: none (reported). */
static unsigned int read_ports(struct config_reader *reader, const struct place *place,
			       const json_t *value, uint16_t *port)
{
	unsigned int first, last;

	if (!parse_ports(value, &first, &last)) {
		config_report_value(
			reader, place, value,
			"a whole number from 1 to 65535, or a range such as \"8000-8010\"");
		return 0;
	}
	if (first > last) {
		config_report(reader, place,
			      "must begin with its lowest port, as \"%u-%u\", not \"%u-%u\"", last,
			      first, first, last);
		return 0;
	}
	*port = (uint16_t)first;
	return last - first + 1;
}

static void read_external_port(struct config_reader *reader, const struct place *place,
			       const json_t *value, void *field)
{
	struct port_forwarding *forwarding = field;

	forwarding->n_ports =
		(uint16_t)read_ports(reader, place, value, &forwarding->external_port);
}

static void read_internal_port(struct config_reader *reader, const struct place *place,
			       const json_t *value, void *field)
{
	struct port_forwarding *forwarding = field;
	const unsigned int n = forwarding->n_ports;
	unsigned int given = read_ports(reader, place, value, &forwarding->internal_port);

	if (!given || !n)
		return;
	if (given != n && json_is_string(value))
		config_report(reader, place,
			      "must be as many ports as \"external_port\" is (%u), not %u; give "
			      "the first of them alone",
			      n, given);
	else if (forwarding->internal_port + n - 1 > PORT_MAX)
		config_report(reader, place,
			      "must be at most %u, for %u ports from there on, not %u",
			      PORT_MAX - n + 1, n, forwarding->internal_port);
}

/* As config_check_machine() of IPv4. */
static bool check_ipv6(struct config_reader *reader, const struct place *place, const char *text,
		       const struct in6_addr *address)
{
	const struct ipv6_prefix *prefix = &reader->network->ipv6_prefix;
	char prefix_text[IPV6_PREFIX_TEXT_SIZE];
	struct in6_addr host = prefix->address;
	char owner[VXLAN_OWNER_SIZE];
	const char *whose = NULL;

	if (!prefix->length)
		return true;
	(void)ipv6_prefix_format(prefix, prefix_text);
	if (!ipv6_prefix_contains(prefix, address)) {
		config_report(reader, place, "must be an address of the prefix %s, not %s",
			      prefix_text, text);
		return false;
	}
	host.s6_addr[sizeof(host.s6_addr) - 1] = 1;
	if (memcmp(address, &prefix->address, sizeof(*address)) == 0)
		whose = "the network's own";
	else if (memcmp(address, &host, sizeof(*address)) == 0)
		whose = "the host's";
	else
		whose = vxlan_owner(reader->network, AF_INET6, address, owner);
	if (whose)
		config_report(reader, place, "must be a machine's address, but %s is %s in %s",
			      text, whose, prefix_text);
	return !whose;
}

static void read_internal_address(struct config_reader *reader, const struct place *place,
				  const json_t *value, void *field)
{
	struct port_forwarding *forwarding = field;
	const char *text = json_string_value(value);

	if (text && inet_pton(AF_INET, text, &forwarding->internal_address.ipv4) == 1) {
		forwarding->family = AF_INET;
		(void)config_check_machine(reader, place, text, forwarding->internal_address.ipv4);
		if (!reader->given[NETWORK_KEY_SUBNET])
			config_report(reader, place,
				      "needs a \"subnet\", or no address is sure to "
				      "be the network's");
		return;
	}
	if (text && inet_pton(AF_INET6, text, &forwarding->internal_address.ipv6) == 1) {
		forwarding->family = AF_INET6;
		(void)check_ipv6(reader, place, text, &forwarding->internal_address.ipv6);
		if (!reader->given[NETWORK_KEY_IPV6_PREFIX])
			config_report(reader, place,
				      "needs an \"ipv6_prefix\", or no address is "
				      "sure to be the network's");
		return;
	}
	config_report_value(reader, place, value,
			    "an IPv4 or IPv6 address such as \"192.168.105.10\"");
}

const char *forwarding_address_explain(int family, const union forwarding_address *address)
{
	const uint32_t ipv4 = ntohl(address->ipv4.s_addr);
	const struct in6_addr *ipv6 = &address->ipv6;

	if (family == AF_INET ? !ipv4 : IN6_IS_ADDR_UNSPECIFIED(ipv6))
		return "stands for all of them; remove it";
	if (family == AF_INET ? ipv4 >= 0xe0000000 : IN6_IS_ADDR_MULTICAST(ipv6))
		return "is many hosts'";
	if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(ipv6))
		return "is a link's own, which it does not name";
	return NULL;
}

/* Behind the internal address, whose family it has to be of. */
static void read_external_address(struct config_reader *reader, const struct place *place,
				  const json_t *value, void *field)
{
	struct port_forwarding *forwarding = field;
	const char *text = json_string_value(value);
	union forwarding_address address;
	int family;
	const char *why;

	if (config_support.no_external_address) {
		config_report_key(reader, place, "%s", config_support.no_external_address);
		return;
	}
	family = address_parse(text, &address);
	if (!family) {
		config_report_value(reader, place, value,
				    "an IPv4 or IPv6 address of the host's such as \"127.0.0.1\"");
		return;
	}
	why = forwarding_address_explain(family, &address);
	if (why)
		config_report(reader, place, "must be one address of the host's, but %s %s", text,
			      why);
	else if (forwarding->family && family != forwarding->family)
		config_report(reader, place,
			      "must be an %s address as \"internal_address\" is, not %s",
			      forwarding->family == AF_INET ? "IPv4" : "IPv6", text);
	else
		forwarding->has_external_address = true;
	forwarding->external_address = address;
}

/* A packet to the host goes to one machine: reports what another forwarding has already. */
static void claim(struct config_reader *reader, const struct place *place,
		  const struct port_forwarding *forwarding)
{
	char text[PORT_FORWARDING_TEXT_SIZE];
	struct claimed_ports *claims;

	for (size_t i = 0; i < reader->n_ports; i++) {
		const struct claimed_ports *claimed = &reader->ports[i];
		struct port_forwarding shared;

		if (!port_forwarding_overlaps(forwarding, &claimed->forwarding, &shared))
			continue;
		config_report_repeated(reader, place, claimed->place,
				       port_forwarding_format(&shared, text));
		return;
	}
	claims = array_grow(reader->ports, reader->n_ports, sizeof(*claims));
	if (!claims) {
		config_errors_memory_short(reader->errors);
		return;
	}
	reader->ports = claims;
	claims[reader->n_ports++] = (struct claimed_ports){ *forwarding, place };
}

static void read_forwarding(struct config_reader *reader, const struct place *place,
			    const json_t *value, void *field)
{
	enum {
		PROTOCOL,
		EXTERNAL_PORT,
		INTERNAL_ADDRESS,
		INTERNAL_PORT,
		EXTERNAL_ADDRESS,
		N_KEYS
	};
	static const struct config_key keys[N_KEYS] = {
		[PROTOCOL] = { "protocol", read_protocol,
			       offsetof(struct port_forwarding, protocols),
			       "\"tcp\", \"udp\" or \"both\"" },
		[EXTERNAL_PORT] = { "external_port", read_external_port, 0,
				    "the host's port, 1 to 65535" },
		[INTERNAL_ADDRESS] = { "internal_address", read_internal_address, 0,
				       "the machine's address" },
		[INTERNAL_PORT] = { "internal_port", read_internal_port, 0, NULL },
		[EXTERNAL_ADDRESS] = { "external_address", read_external_address, 0, NULL },
	};
	struct port_forwarding *forwarding = field;
	const struct place *given[N_KEYS];

	if (!config_read_object(reader, place, value, keys, N_KEYS, given, forwarding))
		return;
	if (!given[INTERNAL_PORT])
		forwarding->internal_port = forwarding->external_port;
	if (forwarding->protocols && forwarding->n_ports && forwarding->family &&
	    (forwarding->has_external_address || !given[EXTERNAL_ADDRESS]))
		claim(reader, given[EXTERNAL_PORT], forwarding);
}

void config_read_forwardings(struct config_reader *reader, const struct place *place,
			     const json_t *value, void *field)
{
	struct network_config *network = field;

	network->port_forwardings = config_read_list(reader, place, value, "a list of forwardings",
						     sizeof(*network->port_forwardings),
						     read_forwarding, &network->n_port_forwardings);
}

static const char *const allowed_names[] = {
	[ALLOWED_ANY] = "any",
	[ALLOWED_LOOPBACK] = "loopback",
	[ALLOWED_NONE] = "none",
};

const char *allowed_addresses_name(enum allowed_addresses addresses)
{
	return allowed_names[addresses];
}

static void read_allowed_addresses(struct config_reader *reader, const struct place *place,
				   const json_t *value, void *field)
{
	int choice =
		config_read_choice(reader, place, value, allowed_names, ARRAY_SIZE(allowed_names),
				   "\"any\", \"loopback\" or \"none\"");

	if (choice >= 0)
		*(enum allowed_addresses *)field = (enum allowed_addresses)choice;
}

static void read_from_port(struct config_reader *reader, const struct place *place,
			   const json_t *value, void *field)
{
	*(unsigned int *)field =
		(unsigned int)config_read_number(reader, place, value, 1, PORT_MAX);
}

void config_read_allow_forwarding(struct config_reader *reader, const struct place *place,
				  const json_t *value, void *field)
{
	static const struct config_key keys[] = {
		{ "addresses", read_allowed_addresses,
		  offsetof(struct allow_port_forwarding, addresses), NULL },
		{ "from_port", read_from_port, offsetof(struct allow_port_forwarding, from_port),
		  NULL },
	};
	const struct place *given[ARRAY_SIZE(keys)];

	if (config_support.no_allow_port_forwarding)
		config_report_key(reader, place, "%s", config_support.no_allow_port_forwarding);
	else
		(void)config_read_object(reader, place, value, keys, ARRAY_SIZE(keys), given,
					 field);
}
