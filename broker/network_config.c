/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One network of the configuration: a table of its keys, and the rules of each.
 * The rules between networks are in config.c.
 *
 * Keys are read in the order of the table, not of the file: a key may rely on
 * those above it. What is wrong is sorted into the order of the file later.
 */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "config_reader.h"
#include "json_text.h"

#define DESCRIPTION_MAX 255
#define EXTERNAL_INTERFACE_MAX 15
#define HOSTNAME_MAX 63
#define LOOKUP_BUFFER_MAX (1024 * 1024)

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

enum key {
	KEY_MODE,
	KEY_DESCRIPTION,
	KEY_ALIASES,
	KEY_SUBNET,
	KEY_IPV6_PREFIX,
	KEY_EXTERNAL_INTERFACE,
	KEY_MTU,
	KEY_NAT44,
	KEY_NAT66,
	KEY_DHCP,
	KEY_DNS_PROXY,
	KEY_ROUTER_ADVERTISEMENT,
	KEY_DHCP_RESERVATIONS,
	KEY_PORT_FORWARDING,
	KEY_ISOLATED,
	KEY_ALLOW,
	KEY_MAX_INTERFACES,
	N_KEYS,
};

/* Why a key makes no sense in a mode. */
static const char no_outside[] = "makes no sense in a \"host\" network, which has no way to the "
				 "outside";
static const char bridge_addresses[] = "makes no sense in a \"bridged\" network, whose addresses "
				       "are the physical network's";
static const char bridge_services[] = "makes no sense in a \"bridged\" network, whose services are "
				      "the physical network's";
static const char bridge_mtu[] = "makes no sense in a \"bridged\" network, which has the MTU of "
				 "its bridge";

static const struct {
	const char *host;
	const char *bridged;
} refusals[N_KEYS] = {
	[KEY_SUBNET] = { NULL, bridge_addresses },
	[KEY_IPV6_PREFIX] = { NULL, bridge_addresses },
	[KEY_EXTERNAL_INTERFACE] = { no_outside, NULL },
	[KEY_MTU] = { NULL, bridge_mtu },
	[KEY_NAT44] = { no_outside, bridge_services },
	[KEY_NAT66] = { no_outside, bridge_services },
	[KEY_DHCP] = { NULL, bridge_services },
	[KEY_DNS_PROXY] = { NULL, bridge_services },
	[KEY_ROUTER_ADVERTISEMENT] = { NULL, bridge_services },
	[KEY_DHCP_RESERVATIONS] = { NULL, bridge_services },
	[KEY_PORT_FORWARDING] = { no_outside, bridge_services },
};

static const char *const modes[] = {
	[NETWORK_SHARED] = "shared",
	[NETWORK_HOST] = "host",
	[NETWORK_BRIDGED] = "bridged",
};

const char *network_mode_name(enum network_mode mode)
{
	return modes[mode];
}

bool network_name_is_valid(const char *name)
{
	size_t length = strspn(name, ALNUM "._-");

	return name[length] == '\0' && length >= 1 && length <= NETWORK_NAME_MAX &&
	       strchr("._-", name[0]) == NULL;
}

static void read_mode(struct config_reader *reader, const struct place *place, const json_t *value,
		      void *field)
{
	enum network_mode *mode = field;
	int choice;

	/* Without the mode no key can be judged by it. */
	reader->given[KEY_MODE] = NULL;
	if (config_support.bridged)
		choice = config_read_choice(reader, place, value, modes, ARRAY_SIZE(modes),
					    "\"shared\", \"host\" or \"bridged\"");
	else
		choice = config_read_choice(reader, place, value, modes, ARRAY_SIZE(modes),
					    "\"shared\" or \"host\"");
	if (choice < 0)
		return;
	if (choice == NETWORK_BRIDGED && !config_support.bridged) {
		config_report(reader, place,
			      "cannot be \"bridged\" on %s; choose \"shared\" or "
			      "\"host\"",
			      config_support.system);
		return;
	}
	reader->given[KEY_MODE] = place;
	*mode = (enum network_mode)choice;
}

static void read_description(struct config_reader *reader, const struct place *place,
			     const json_t *value, void *field)
{
	char **description = field;
	const char *text = json_string_value(value);
	size_t length = 0;

	if (!text) {
		config_report_value(reader, place, value, "a text");
		return;
	}
	for (const char *at = text; *at; length++) {
		if (!config_is_printable(config_next_character(&at))) {
			config_report(reader, place,
				      "must be one line of text, without control "
				      "characters");
			return;
		}
	}
	if (length > DESCRIPTION_MAX) {
		config_report(reader, place, "must be at most %d characters long, not %zu",
			      DESCRIPTION_MAX, length);
		return;
	}
	*description = config_copy(reader, text);
}

void config_claim_name(struct config_reader *reader, const struct place *place, const char *name)
{
	char what[sizeof("the name \"\"") + NETWORK_NAME_MAX];

	(void)snprintf(what, sizeof(what), "the name \"%s\"", name);
	config_claim(reader, place, NULL, what);
}

static void read_alias(struct config_reader *reader, const struct place *place, const json_t *value,
		       void *field)
{
	char **alias = field;
	const char *name = json_string_value(value);

	if (!name || !network_name_is_valid(name)) {
		config_report_value(reader, place, value,
				    "a name of 1 to 63 of a-z A-Z 0-9 . _ -, "
				    "the first a letter or digit");
		return;
	}
	config_claim_name(reader, place, name);
	*alias = config_copy(reader, name);
}

static void read_aliases(struct config_reader *reader, const struct place *place,
			 const json_t *value, void *field)
{
	struct network_config *network = field;

	network->aliases =
		config_read_list(reader, place, value, "a list of names", sizeof(*network->aliases),
				 read_alias, &network->n_aliases);
}

/* The block of addresses that no machine can have and that subnet overlaps, or NULL. */
static const char *unusable_subnet(const struct ipv4_subnet *subnet)
{
	static const struct {
		const char *text;
		const char *why;
	} blocks[] = {
		{ "0.0.0.0/8", "0.0.0.0/8 (this host)" },
		{ "127.0.0.0/8", "127.0.0.0/8 (loopback)" },
		{ "169.254.0.0/16", "169.254.0.0/16 (link-local)" },
		{ "224.0.0.0/3", "224.0.0.0/3 (multicast and reserved)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		struct ipv4_subnet block;

		if (ipv4_subnet_parse(blocks[i].text, &block) == 0 &&
		    ipv4_subnet_overlaps(&block, subnet))
			return blocks[i].why;
	}
	return NULL;
}

static void read_subnet(struct config_reader *reader, const struct place *place,
			const json_t *value, void *field)
{
	const char *text = json_string_value(value);
	char right[IPV4_SUBNET_TEXT_SIZE];
	struct ipv4_subnet parsed;
	const char *unusable;

	if (!text || ipv4_subnet_parse_masked(text, &parsed) < 0) {
		config_report_value(reader, place, value,
				    "an IPv4 subnet such as \"192.168.105.0/24\"");
		return;
	}
	if (parsed.length < 8 || parsed.length > 29) {
		config_report(reader, place, "must be of a length from /8 to /29, not /%u",
			      parsed.length);
		return;
	}
	if (ipv4_subnet_parse(text, &parsed) < 0) {
		config_report(reader, place,
			      "must be the subnet \"%s\", not the address \"%s\" in "
			      "it",
			      ipv4_subnet_format(&parsed, right), text);
		return;
	}
	unusable = unusable_subnet(&parsed);
	if (unusable) {
		config_report(reader, place, "must be addresses that machines can have, not of %s",
			      unusable);
		return;
	}
	*(struct ipv4_subnet *)field = parsed;
}

/* Unique local (fc00::/7) or global (2000::/3). */
static bool is_routable(const struct in6_addr *address)
{
	return (address->s6_addr[0] & 0xfe) == 0xfc || (address->s6_addr[0] & 0xe0) == 0x20;
}

static void read_ipv6_prefix(struct config_reader *reader, const struct place *place,
			     const json_t *value, void *field)
{
	const char *text = json_string_value(value);
	char what[sizeof("the prefix ") + IPV6_PREFIX_TEXT_SIZE];
	char right[IPV6_PREFIX_TEXT_SIZE];
	struct ipv6_prefix parsed;

	if (!text || ipv6_prefix_parse_masked(text, &parsed) < 0) {
		config_report_value(reader, place, value,
				    "an IPv6 prefix such as \"fd12:3456:789a:1::/64\"");
		return;
	}
	if (parsed.length != 64) {
		config_report(reader, place, "must be of the length /64, not /%u", parsed.length);
		return;
	}
	if (ipv6_prefix_parse(text, &parsed) < 0) {
		config_report(reader, place,
			      "must be the prefix \"%s\", not the address \"%s\" in "
			      "it",
			      ipv6_prefix_format(&parsed, right), text);
		return;
	}
	if (!is_routable(&parsed.address)) {
		config_report_value(reader, place, value,
				    "a unique local (fd00::/8) or global (2000::/3) prefix");
		return;
	}
	(void)snprintf(what, sizeof(what), "the prefix %s", ipv6_prefix_format(&parsed, right));
	config_claim(reader, place, NULL, what);
	*(struct ipv6_prefix *)field = parsed;
}

static void read_external_interface(struct config_reader *reader, const struct place *place,
				    const json_t *value, void *field)
{
	char **interface = field;
	const char *name = json_string_value(value);

	if (!name || name[0] == '\0' || strchr(".-@", name[0]) ||
	    strlen(name) > EXTERNAL_INTERFACE_MAX || name[strspn(name, ALNUM "._-@")] != '\0') {
		config_report_value(reader, place, value,
				    "the name of an interface such as "
				    "\"eth0\"");
		return;
	}
	*interface = config_copy(reader, name);
}

static void read_mtu(struct config_reader *reader, const struct place *place, const json_t *value,
		     void *field)
{
	*(unsigned int *)field = config_read_number(reader, place, value, 1280, 65535);
}

static void read_max_interfaces(struct config_reader *reader, const struct place *place,
				const json_t *value, void *field)
{
	*(unsigned int *)field = config_read_number(reader, place, value, 1, 1023);
}

static void read_port(struct config_reader *reader, const struct place *place, const json_t *value,
		      void *field)
{
	*(uint16_t *)field = (uint16_t)config_read_number(reader, place, value, 1, 65535);
}

static void read_mac_address(struct config_reader *reader, const struct place *place,
			     const json_t *value, void *field)
{
	const char *text = json_string_value(value);
	char canonical[MAC_TEXT_SIZE];
	struct mac_address mac;

	if (!text || mac_address_parse(text, &mac) < 0) {
		config_report_value(reader, place, value,
				    "a MAC address such as \"52:54:00:12:34:56\"");
		return;
	}
	if (!mac_address_is_unicast(&mac)) {
		config_report_value(reader, place, value,
				    "a machine's own MAC address, not all "
				    "zero and the second digit even");
		return;
	}
	config_claim(reader, place, reader->scope, mac_address_format(&mac, canonical));
	*(struct mac_address *)field = mac;
}

/*
 * Checks that a machine of the network can have this address. Without a subnet
 * there is nothing to check: that was reported where it is missing.
 */
static bool check_ipv4(struct config_reader *reader, const struct place *place, const char *text,
		       struct in_addr address)
{
	const struct ipv4_subnet *subnet = &reader->network->subnet;
	char subnet_text[IPV4_SUBNET_TEXT_SIZE];
	const char *whose = NULL;

	if (!subnet->length)
		return true;
	(void)ipv4_subnet_format(subnet, subnet_text);
	if (!ipv4_subnet_contains(subnet, address)) {
		config_report(reader, place, "must be an address of the subnet %s, not %s",
			      subnet_text, text);
		return false;
	}
	if (address.s_addr == subnet->address.s_addr)
		whose = "the network's own";
	else if (address.s_addr == ipv4_subnet_host(subnet, 1).s_addr)
		whose = "the host's";
	else if (address.s_addr == ipv4_subnet_last(subnet).s_addr)
		whose = "the broadcast address";
	if (whose)
		config_report(reader, place, "must be a machine's address, but %s is %s in %s",
			      text, whose, subnet_text);
	return !whose;
}

/* The same for IPv6. */
static bool check_ipv6(struct config_reader *reader, const struct place *place, const char *text,
		       const struct in6_addr *address)
{
	const struct ipv6_prefix *prefix = &reader->network->ipv6_prefix;
	char prefix_text[IPV6_PREFIX_TEXT_SIZE];
	struct in6_addr own = prefix->address;
	struct in6_addr host = prefix->address;

	host.s6_addr[15] = 1;
	if (!prefix->length)
		return true;
	(void)ipv6_prefix_format(prefix, prefix_text);
	if (!ipv6_prefix_contains(prefix, address)) {
		config_report(reader, place, "must be an address of the prefix %s, not %s",
			      prefix_text, text);
		return false;
	}
	if (memcmp(address, &own, sizeof(own)) == 0 || memcmp(address, &host, sizeof(host)) == 0) {
		config_report(reader, place, "must be a machine's address, but %s is %s in %s",
			      text,
			      memcmp(address, &own, sizeof(own)) == 0 ? "the network's own"
								      : "the host's",
			      prefix_text);
		return false;
	}
	return true;
}

static void read_reserved_address(struct config_reader *reader, const struct place *place,
				  const json_t *value, void *field)
{
	const char *text = json_string_value(value);
	struct in_addr address;

	if (!text || inet_pton(AF_INET, text, &address) != 1) {
		config_report_value(reader, place, value,
				    "an IPv4 address such as \"192.168.105.10\"");
		return;
	}
	if (!check_ipv4(reader, place, text, address))
		return;
	config_claim(reader, place, reader->scope, text);
	*(struct in_addr *)field = address;
}

/* 1 to 63 of a-z A-Z 0-9 -, the first and the last no -. */
static bool is_dns_label(const char *name)
{
	size_t length = strspn(name, ALNUM "-");

	return name[length] == '\0' && length >= 1 && length <= HOSTNAME_MAX && name[0] != '-' &&
	       name[length - 1] != '-';
}

/*
 * dnsmasq takes a number, with a unit of time or without, for the time of a
 * lease, and has two words of its own.
 */
static bool is_dhcp_keyword(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	if (digits > 0 && (name[digits] == '\0' ||
			   (strchr("smhdwSMHDW", name[digits]) && name[digits + 1] == '\0')))
		return true;
	return strcasecmp(name, "infinite") == 0 || strcasecmp(name, "ignore") == 0;
}

static void read_hostname(struct config_reader *reader, const struct place *place,
			  const json_t *value, void *field)
{
	char **hostname = field;
	const char *name = json_string_value(value);
	char what[sizeof("the name \"\"") + HOSTNAME_MAX];

	if (!name || !is_dns_label(name)) {
		config_report_value(reader, place, value,
				    "a host name such as \"db\", 1 to 63 of a-z A-Z 0-9 -");
		return;
	}
	if (is_dhcp_keyword(name)) {
		config_report_value(reader, place, value,
				    "a host name that means nothing else to a DHCP server");
		return;
	}
	if (strcasecmp(name, "gateway") == 0 || strcasecmp(name, "localhost") == 0) {
		config_report(reader, place, "must be a machine's name, but \"%s\" is the host's",
			      name);
		return;
	}
	*hostname = config_copy(reader, name);
	(void)snprintf(what, sizeof(what), "the name \"%s\"", name);
	for (char *c = what; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	config_claim(reader, place, reader->scope, what);
}

static void read_reservation(struct config_reader *reader, const struct place *place,
			     const json_t *value, void *field)
{
	static const struct config_key keys[] = {
		{ "mac_address", read_mac_address, offsetof(struct dhcp_reservation, mac),
		  "the machine's, such as \"52:54:00:12:34:56\"" },
		{ "address", read_reserved_address, offsetof(struct dhcp_reservation, address),
		  "an address of the network's subnet" },
		{ "hostname", read_hostname, offsetof(struct dhcp_reservation, hostname), NULL },
	};
	const struct place *given[ARRAY_SIZE(keys)];

	(void)config_read_object(reader, place, value, keys, ARRAY_SIZE(keys), given, field);
}

static void read_reservations(struct config_reader *reader, const struct place *place,
			      const json_t *value, void *field)
{
	struct network_config *network = field;

	network->dhcp_reservations = config_read_list(
		reader, place, value, "a list of reservations", sizeof(*network->dhcp_reservations),
		read_reservation, &network->n_dhcp_reservations);
	if (network->n_dhcp_reservations == 0)
		return;
	if (!network->dhcp)
		config_report_key(reader, place,
				  "needs DHCP, which \"dhcp\" switches off; remove "
				  "one of them");
	if (!reader->given[KEY_SUBNET])
		config_report_key(reader, place,
				  "needs a \"subnet\", or no address is sure to be "
				  "the network's");
}

static void read_protocol(struct config_reader *reader, const struct place *place,
			  const json_t *value, void *field)
{
	static const char *const names[] = { "tcp", "udp" };
	static const int protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	int choice = config_read_choice(reader, place, value, names, ARRAY_SIZE(names),
					"\"tcp\" or \"udp\"");

	if (choice >= 0)
		*(int *)field = protocols[choice];
}

static void read_internal_address(struct config_reader *reader, const struct place *place,
				  const json_t *value, void *field)
{
	struct port_forwarding *forwarding = field;
	const char *text = json_string_value(value);

	if (text && inet_pton(AF_INET, text, &forwarding->internal_address.ipv4) == 1) {
		forwarding->family = AF_INET;
		(void)check_ipv4(reader, place, text, forwarding->internal_address.ipv4);
		if (!reader->given[KEY_SUBNET])
			config_report(reader, place,
				      "needs a \"subnet\", or no address is sure to "
				      "be the network's");
		return;
	}
	if (text && inet_pton(AF_INET6, text, &forwarding->internal_address.ipv6) == 1) {
		forwarding->family = AF_INET6;
		(void)check_ipv6(reader, place, text, &forwarding->internal_address.ipv6);
		if (!reader->given[KEY_IPV6_PREFIX])
			config_report(reader, place,
				      "needs an \"ipv6_prefix\", or no address is "
				      "sure to be the network's");
		return;
	}
	config_report_value(reader, place, value,
			    "an IPv4 or IPv6 address such as \"192.168.105.10\"");
}

static void read_forwarding(struct config_reader *reader, const struct place *place,
			    const json_t *value, void *field)
{
	static const struct config_key keys[] = {
		{ "protocol", read_protocol, offsetof(struct port_forwarding, protocol),
		  "\"tcp\" or \"udp\"" },
		{ "external_port", read_port, offsetof(struct port_forwarding, external_port),
		  "the host's port, 1 to 65535" },
		{ "internal_address", read_internal_address, 0, "the machine's address" },
		{ "internal_port", read_port, offsetof(struct port_forwarding, internal_port),
		  "the machine's port, 1 to 65535" },
	};
	const struct place *given[ARRAY_SIZE(keys)];
	struct port_forwarding *forwarding = field;
	char what[64];

	if (!config_read_object(reader, place, value, keys, ARRAY_SIZE(keys), given, forwarding))
		return;
	if (!forwarding->protocol || !forwarding->external_port || !forwarding->family)
		return;
	/* Packets to one port of the host go to one machine, for each of IPv4 and IPv6. */
	(void)snprintf(what, sizeof(what), "%s port %u%s",
		       forwarding->protocol == IPPROTO_TCP ? "tcp" : "udp",
		       forwarding->external_port, forwarding->family == AF_INET6 ? " (IPv6)" : "");
	config_claim(reader, given[1], NULL, what);
}

static void read_forwardings(struct config_reader *reader, const struct place *place,
			     const json_t *value, void *field)
{
	struct network_config *network = field;

	network->port_forwardings = config_read_list(reader, place, value, "a list of forwardings",
						     sizeof(*network->port_forwardings),
						     read_forwarding, &network->n_port_forwardings);
}

/* A user or a group, and how the file has it. */
struct account {
	uint32_t id;
	char *text;
};

/* Looks a name up in the system's database. Returns 0, or ENOENT or another errno. */
static int look_up(const char *name, bool group, uint32_t *id)
{
	struct passwd user_entry;
	struct group group_entry;
	struct passwd *user_found = NULL;
	struct group *group_found = NULL;
	int error = ERANGE;

	for (size_t size = 4096; error == ERANGE && size <= LOOKUP_BUFFER_MAX; size *= 4) {
		char *buffer = malloc(size);

		if (!buffer)
			return ENOMEM;
		if (group)
			error = getgrnam_r(name, &group_entry, buffer, size, &group_found);
		else
			error = getpwnam_r(name, &user_entry, buffer, size, &user_found);
		free(buffer);
	}
	/* The entries' ids stay when the buffer, which has their strings, is gone. */
	if (group_found)
		*id = group_found->gr_gid;
	else if (user_found)
		*id = user_found->pw_uid;
	else if (!error)
		return ENOENT;
	return error;
}

/* A text of digits alone is a number, as for chown(1). Returns 0 or an errno. */
static int resolve(const char *text, bool group, uint32_t *id)
{
	unsigned long long number = 0;

	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
		return look_up(text, group, id);
	errno = 0;
	number = strtoull(text, NULL, 10);
	if (errno || number >= UINT32_MAX) /* the last number means nobody, or all */
		return ERANGE;
	*id = (uint32_t)number;
	return 0;
}

static void read_account(struct config_reader *reader, const struct place *place,
			 const json_t *value, bool group, struct account *account)
{
	const char *expected = group ? "a group of this host, by name or number"
				     : "a user of this host, by name or number";
	char number[24];
	const char *text = json_string_value(value);
	int error;

	if (json_is_integer(value)) {
		(void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			       json_integer_value(value));
		text = number;
	}
	error = text ? resolve(text, group, &account->id) : ENOENT;
	if (error == ENOMEM) {
		config_errors_memory_short(reader->errors);
		return;
	}
	if (error && text && reader->lenient) {
		account->id = UINT32_MAX; /* nobody's */
		error = 0;
	}
	if (error == ENOENT || error == ESRCH || error == ERANGE)
		config_report_value(reader, place, value, expected);
	else if (error)
		config_report(reader, place, "cannot be looked up: %s", strerror(error));
	else
		account->text = config_copy(reader, text);
}

static void read_user(struct config_reader *reader, const struct place *place, const json_t *value,
		      void *field)
{
	read_account(reader, place, value, false, field);
}

static void read_group(struct config_reader *reader, const struct place *place, const json_t *value,
		       void *field)
{
	read_account(reader, place, value, true, field);
}

/* Turns n accounts, which are freed, into an array of ids and one of texts. */
static void split_accounts(struct config_reader *reader, struct account *accounts, size_t n,
			   uint32_t **ids, char ***texts)
{
	*ids = calloc(n + 1, sizeof(**ids));
	*texts = calloc(n + 1, sizeof(**texts));
	if (!*ids || !*texts)
		config_errors_memory_short(reader->errors);
	for (size_t i = 0; i < n; i++) {
		if (*ids)
			(*ids)[i] = accounts[i].id;
		if (*texts)
			(*texts)[i] = accounts[i].text;
		else
			free(accounts[i].text);
	}
	free(accounts);
}

static void read_users(struct config_reader *reader, const struct place *place, const json_t *value,
		       void *field)
{
	struct network_allow *allow = field;
	struct account *users = config_read_list(reader, place, value, "a list of users",
						 sizeof(*users), read_user, &allow->n_users);

	split_accounts(reader, users, allow->n_users, &allow->users, &allow->users_text);
}

static void read_groups(struct config_reader *reader, const struct place *place,
			const json_t *value, void *field)
{
	struct network_allow *allow = field;
	struct account *groups = config_read_list(reader, place, value, "a list of groups",
						  sizeof(*groups), read_group, &allow->n_groups);

	split_accounts(reader, groups, allow->n_groups, &allow->groups, &allow->groups_text);
}

static void read_allow(struct config_reader *reader, const struct place *place, const json_t *value,
		       void *field)
{
	static const struct config_key keys[] = {
		{ "users", read_users, 0, NULL },
		{ "groups", read_groups, 0, NULL },
	};
	const struct place *given[ARRAY_SIZE(keys)];
	struct network_allow *allow = field;

	allow->restricted = true;
	(void)config_read_object(reader, place, value, keys, ARRAY_SIZE(keys), given, allow);
}

#define FIELD(field) offsetof(struct network_config, field)

static const struct config_key network_keys[N_KEYS] = {
	[KEY_MODE] = { "mode", read_mode, FIELD(mode),
		       "\"shared\" for a way to the outside, \"host\" for none" },
	[KEY_DESCRIPTION] = { "description", read_description, FIELD(description), NULL },
	[KEY_ALIASES] = { "aliases", read_aliases, 0, NULL },
	[KEY_SUBNET] = { "subnet", read_subnet, FIELD(subnet), NULL },
	[KEY_IPV6_PREFIX] = { "ipv6_prefix", read_ipv6_prefix, FIELD(ipv6_prefix), NULL },
	[KEY_EXTERNAL_INTERFACE] = { "external_interface", read_external_interface,
				     FIELD(external_interface), NULL },
	[KEY_MTU] = { "mtu", read_mtu, FIELD(mtu), NULL },
	[KEY_NAT44] = { "nat44", config_read_bool, FIELD(nat44), NULL },
	[KEY_NAT66] = { "nat66", config_read_bool, FIELD(nat66), NULL },
	[KEY_DHCP] = { "dhcp", config_read_bool, FIELD(dhcp), NULL },
	[KEY_DNS_PROXY] = { "dns_proxy", config_read_bool, FIELD(dns_proxy), NULL },
	[KEY_ROUTER_ADVERTISEMENT] = { "router_advertisement", config_read_bool,
				       FIELD(router_advertisement), NULL },
	[KEY_DHCP_RESERVATIONS] = { "dhcp_reservations", read_reservations, 0, NULL },
	[KEY_PORT_FORWARDING] = { "port_forwarding", read_forwardings, 0, NULL },
	[KEY_ISOLATED] = { "isolated", config_read_bool, FIELD(isolated), NULL },
	[KEY_ALLOW] = { "allow", read_allow, FIELD(allow), NULL },
	[KEY_MAX_INTERFACES] = { "max_interfaces", read_max_interfaces, FIELD(max_interfaces),
				 NULL },
};

/* Reports a key that is not for this system or not for the network's mode. */
static bool refuse(struct config_reader *reader, enum key key)
{
	const struct place *place = reader->given[key];
	const char *why = NULL;

	if ((key == KEY_ISOLATED && !config_support.isolated) ||
	    (key == KEY_MAX_INTERFACES && !config_support.max_interfaces)) {
		config_report_key(reader, place, "cannot be had on %s; remove it",
				  config_support.system);
		return true;
	}
	if (reader->given[KEY_MODE] && reader->network->mode == NETWORK_HOST)
		why = refusals[key].host;
	if (reader->given[KEY_MODE] && reader->network->mode == NETWORK_BRIDGED)
		why = refusals[key].bridged;
	if (why)
		config_report_key(reader, place, "%s; remove it", why);
	return why != NULL;
}

static struct network_config *network_config_new(const char *name)
{
	struct network_config *network = malloc(sizeof(*network));

	if (!network)
		return NULL;
	*network = (struct network_config){
		.references = 1,
		.mtu = 1500,
		.nat44 = true,
		.nat66 = true,
		.dhcp = true,
		.dns_proxy = true,
		.router_advertisement = true,
		.max_interfaces = 256,
	};
	/* A name that is cut here has been reported as too long. */
	(void)snprintf(network->name, sizeof(network->name), "%s", name);
	return network;
}

struct network_config *config_read_network(struct config_reader *reader, const struct place *place,
					   const json_t *value)
{
	const struct place *given[N_KEYS];
	struct network_config *network = network_config_new(place->key);

	if (!network)
		return NULL;
	network->json = json_text_dump(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	if (!network->json) {
		network_config_unref(network);
		return NULL;
	}
	reader->network = network;
	reader->scope = place;
	reader->given = given;
	if (!config_read_keys(reader, place, value, network_keys, N_KEYS, given))
		return network;
	for (enum key key = 0; key < N_KEYS; key++) {
		if (given[key] && !refuse(reader, key))
			network_keys[key].read(reader, given[key],
					       json_object_get(value, network_keys[key].name),
					       (char *)network + network_keys[key].offset);
	}
	if (network->mode == NETWORK_BRIDGED && !given[KEY_EXTERNAL_INTERFACE])
		config_report_missing(reader, place, "external_interface",
				      "the bridge of the host to join, such as \"br0\"");
	return network;
}

struct network_config *network_config_ref(struct network_config *config)
{
	config->references++;
	return config;
}

static void free_texts(char **texts, size_t n)
{
	for (size_t i = 0; texts && i < n; i++)
		free(texts[i]);
	free(texts);
}

void network_config_unref(struct network_config *config)
{
	if (!config || --config->references > 0)
		return;
	for (size_t i = 0; i < config->n_dhcp_reservations; i++)
		free(config->dhcp_reservations[i].hostname);
	free(config->dhcp_reservations);
	free(config->port_forwardings);
	free_texts(config->aliases, config->n_aliases);
	free_texts(config->allow.users_text, config->allow.n_users);
	free_texts(config->allow.groups_text, config->allow.n_groups);
	free(config->allow.users);
	free(config->allow.groups);
	free(config->description);
	free(config->external_interface);
	free(config->json);
	free(config);
}

bool network_config_has_name(const struct network_config *config, const char *name)
{
	if (strcmp(config->name, name) == 0)
		return true;
	for (size_t i = 0; i < config->n_aliases; i++) {
		if (strcmp(config->aliases[i], name) == 0)
			return true;
	}
	return false;
}
