/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One network of the configuration: a table of its keys, and the rules of each. A new key
 * begins here. The rules between networks are in config.c.
 *
 * Keys are read in the order of the table, not of the file: a key may rely on those above it.
 * What is wrong is sorted into the order of the file later.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "reader.h"

#define DESCRIPTION_MAX 255
#define EXTERNAL_INTERFACE_MAX 15

/* Why a key makes no sense in a mode. */
static const char no_outside[] = "makes no sense in a \"host\" network, which has no way to the "
				 "outside";
static const char bridge_addresses[] = "makes no sense in a \"bridged\" network, whose addresses "
				       "are the physical network's";
static const char bridge_services[] = "makes no sense in a \"bridged\" network, whose services are "
				      "the physical network's";
static const char bridge_way[] =
	"makes no sense in a \"bridged\" network, which leaves the host by its "
	"bridge";
static const char bridge_mtu[] = "makes no sense in a \"bridged\" network, which has the MTU of "
				 "its bridge";
static const char bridge_hosts[] = "makes no sense in a \"bridged\" network, which is on the "
				   "hosts of the physical network";

static const struct {
	const char *host;
	const char *bridged;
} refusals[N_NETWORK_KEYS] = {
	[NETWORK_KEY_SUBNET] = { NULL, bridge_addresses },
	[NETWORK_KEY_IPV6_PREFIX] = { NULL, bridge_addresses },
	[NETWORK_KEY_EXTERNAL_INTERFACE] = { no_outside, NULL },
	[NETWORK_KEY_MTU] = { NULL, bridge_mtu },
	[NETWORK_KEY_NAT44] = { no_outside, bridge_services },
	[NETWORK_KEY_NAT66] = { no_outside, bridge_services },
	[NETWORK_KEY_DHCP] = { NULL, bridge_services },
	[NETWORK_KEY_DNS_PROXY] = { NULL, bridge_services },
	[NETWORK_KEY_ROUTER_ADVERTISEMENT] = { NULL, bridge_services },
	[NETWORK_KEY_VXLAN] = { NULL, bridge_hosts },
	[NETWORK_KEY_DHCP_RESERVATIONS] = { NULL, bridge_services },
	[NETWORK_KEY_PORT_FORWARDING] = { no_outside, bridge_services },
	[NETWORK_KEY_ALLOW_PORT_FORWARDING] = { no_outside, bridge_services },
	[NETWORK_KEY_LINK_LOCAL] = { no_outside, bridge_services },
	[NETWORK_KEY_BYPASS_KILL_SWITCH] = { no_outside, bridge_way },
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

static void read_mode(struct config_reader *reader, const struct place *place, const json_t *value,
		      void *field)
{
	enum network_mode *mode = field;
	int choice;

	/* Without the mode no key can be judged by it. */
	reader->given[NETWORK_KEY_MODE] = NULL;
	choice = config_read_choice(reader, place, value, modes, ARRAY_SIZE(modes),
				    config_support.no_bridged
					    ? "\"shared\" or \"host\""
					    : "\"shared\", \"host\" or \"bridged\"");
	if (choice < 0)
		return;
	if (choice == NETWORK_BRIDGED && config_support.no_bridged) {
		config_report(reader, place, "%s", config_support.no_bridged);
		return;
	}
	reader->given[NETWORK_KEY_MODE] = place;
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

	if (!network_name_is_valid(name)) {
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

static bool is_private(const struct ipv4_subnet *subnet)
{
	static const char *const blocks[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16" };

	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		struct ipv4_subnet block;

		if (ipv4_subnet_parse(blocks[i], &block) == 0 && subnet->length >= block.length &&
		    ipv4_subnet_contains(&block, subnet->address))
			return true;
	}
	return false;
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
	if (parsed.length < config_support.subnet_length_min ||
	    parsed.length > config_support.subnet_length_max) {
		config_report(reader, place, "must be of a length from /%u to /%u, not /%u",
			      config_support.subnet_length_min, config_support.subnet_length_max,
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
	if (config_support.no_public_subnet && !is_private(&parsed)) {
		config_report(reader, place, "%s", config_support.no_public_subnet);
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
	if (config_support.no_global_prefix && parsed.address.s6_addr[0] != 0xfd) {
		config_report(reader, place, "%s", config_support.no_global_prefix);
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
	*(unsigned int *)field =
		(unsigned int)config_read_number(reader, place, value, 1280, 65535);
}

static void read_nat44(struct config_reader *reader, const struct place *place, const json_t *value,
		       void *field)
{
	config_read_bool(reader, place, value, field);
	if (config_support.no_unhidden && reader->given[NETWORK_KEY_MODE] && json_is_false(value))
		config_report(reader, place, "%s", config_support.no_unhidden);
}

static void read_isolated(struct config_reader *reader, const struct place *place,
			  const json_t *value, void *field)
{
	config_read_bool(reader, place, value, field);
	if (config_support.no_isolated && json_is_true(value))
		config_report_key(reader, place, "%s", config_support.no_isolated);
}

/* why_not: why this system has no such key; NULL: it has. */
static void read_bool_if(const char *why_not, struct config_reader *reader,
			 const struct place *place, const json_t *value, void *field)
{
	if (why_not)
		config_report_key(reader, place, "%s", why_not);
	else
		config_read_bool(reader, place, value, field);
}

static void read_link_local(struct config_reader *reader, const struct place *place,
			    const json_t *value, void *field)
{
	read_bool_if(config_support.no_link_local, reader, place, value, field);
}

static void read_bypass_kill_switch(struct config_reader *reader, const struct place *place,
				    const json_t *value, void *field)
{
	read_bool_if(config_support.no_bypass_kill_switch, reader, place, value, field);
}

static void read_max_interfaces(struct config_reader *reader, const struct place *place,
				const json_t *value, void *field)
{
	if (config_support.no_max_interfaces) {
		config_report_key(reader, place, "%s", config_support.no_max_interfaces);
		return;
	}
	*(unsigned int *)field = (unsigned int)config_read_number(reader, place, value, 1, 1023);
}

#define FIELD(field) offsetof(struct network_config, field)

static const struct config_key network_keys[N_NETWORK_KEYS] = {
	[NETWORK_KEY_MODE] = { "mode", read_mode, FIELD(mode),
			       "\"shared\" for a way to the outside, \"host\" for none" },
	[NETWORK_KEY_DESCRIPTION] = { "description", read_description, FIELD(description), NULL },
	[NETWORK_KEY_ALIASES] = { "aliases", read_aliases, 0, NULL },
	[NETWORK_KEY_SUBNET] = { "subnet", read_subnet, FIELD(subnet), NULL },
	[NETWORK_KEY_IPV6_PREFIX] = { "ipv6_prefix", read_ipv6_prefix, FIELD(ipv6_prefix), NULL },
	[NETWORK_KEY_EXTERNAL_INTERFACE] = { "external_interface", read_external_interface,
					     FIELD(external_interface), NULL },
	[NETWORK_KEY_MTU] = { "mtu", read_mtu, FIELD(mtu), NULL },
	[NETWORK_KEY_NAT44] = { "nat44", read_nat44, FIELD(nat44), NULL },
	[NETWORK_KEY_NAT66] = { "nat66", config_read_bool, FIELD(nat66), NULL },
	[NETWORK_KEY_DHCP] = { "dhcp", config_read_bool, FIELD(dhcp), NULL },
	[NETWORK_KEY_DNS_PROXY] = { "dns_proxy", config_read_bool, FIELD(dns_proxy), NULL },
	[NETWORK_KEY_ROUTER_ADVERTISEMENT] = { "router_advertisement", config_read_bool,
					       FIELD(router_advertisement), NULL },
	[NETWORK_KEY_VXLAN] = { "vxlan", config_read_vxlan, 0, NULL },
	[NETWORK_KEY_DHCP_RESERVATIONS] = { "dhcp_reservations", config_read_reservations, 0,
					    NULL },
	[NETWORK_KEY_PORT_FORWARDING] = { "port_forwarding", config_read_forwardings, 0, NULL },
	[NETWORK_KEY_ALLOW_PORT_FORWARDING] = { "allow_port_forwarding",
						config_read_allow_forwarding,
						FIELD(allow_port_forwarding), NULL },
	[NETWORK_KEY_RATE_LIMIT_IN] = { "rate_limit_in", config_read_rate_limit,
					FIELD(rate_limit_in), NULL },
	[NETWORK_KEY_RATE_LIMIT_OUT] = { "rate_limit_out", config_read_rate_limit,
					 FIELD(rate_limit_out), NULL },
	[NETWORK_KEY_ISOLATED] = { "isolated", read_isolated, FIELD(isolated), NULL },
	[NETWORK_KEY_LINK_LOCAL] = { "link_local", read_link_local, FIELD(link_local), NULL },
	[NETWORK_KEY_BYPASS_KILL_SWITCH] = { "bypass_kill_switch", read_bypass_kill_switch,
					     FIELD(bypass_kill_switch), NULL },
	[NETWORK_KEY_ALLOW] = { "allow", config_read_allow, FIELD(allow), NULL },
	[NETWORK_KEY_MAX_INTERFACES] = { "max_interfaces", read_max_interfaces,
					 FIELD(max_interfaces), NULL },
};

/* Reports a key that is not for the network's mode. */
static bool refuse(struct config_reader *reader, enum network_key key)
{
	const struct place *place = reader->given[key];
	const char *why = NULL;

	if (reader->given[NETWORK_KEY_MODE] && reader->network->mode == NETWORK_HOST)
		why = refusals[key].host;
	if (reader->given[NETWORK_KEY_MODE] && reader->network->mode == NETWORK_BRIDGED)
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
		.allow_port_forwarding.from_port = 1024,
		.max_interfaces = 256,
	};
	/* A name that is cut here has been reported as too long. */
	(void)snprintf(network->name, sizeof(network->name), "%s", name);
	return network;
}

struct network_config *config_read_network(struct config_reader *reader, const struct place *place,
					   const json_t *value)
{
	const struct place **given = reader->given;
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
	if (!config_read_keys(reader, place, value, network_keys, N_NETWORK_KEYS, given))
		return network;
	for (enum network_key key = 0; key < N_NETWORK_KEYS; key++) {
		if (given[key] && !refuse(reader, key))
			network_keys[key].read(reader, given[key],
					       json_object_get(value, network_keys[key].name),
					       (char *)network + network_keys[key].offset);
	}
	if (network->mode == NETWORK_BRIDGED && !given[NETWORK_KEY_EXTERNAL_INTERFACE])
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
	for (size_t i = 0; i < config->vxlan.n_hosts; i++)
		free(config->vxlan.hosts[i].name);
	free(config->vxlan.hosts);
	free_texts(config->aliases, config->n_aliases);
	free_texts(config->allow.users_text, config->allow.n_users);
	free_texts(config->allow.groups_text, config->allow.n_groups);
	free(config->allow.users);
	free(config->allow.groups);
	free(config->description);
	free(config->external_interface);
	free(config->json);
	json_decref(config->described);
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
