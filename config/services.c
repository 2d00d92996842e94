/* SPDX-License-Identifier: Apache-2.0 */
/* The key "dhcp_reservations": the machines that a network's configuration names. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/machine_name.h"
#include "reader.h"

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
	(void)mac_address_format(&mac, canonical);
	if (vxlan_mac_is_hosts(reader->network, &mac)) {
		config_report(reader, place,
			      "must be a machine's own MAC address, but %s is that of "
			      "one of the hosts of \"vxlan\"",
			      canonical);
		return;
	}
	config_claim(reader, place, reader->scope, canonical);
	*(struct mac_address *)field = mac;
}

bool config_check_machine(struct config_reader *reader, const struct place *place, const char *text,
			  struct in_addr address)
{
	const struct ipv4_subnet *subnet = &reader->network->subnet;
	char subnet_text[IPV4_SUBNET_TEXT_SIZE];
	char owner[VXLAN_OWNER_SIZE];
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
	else
		whose = vxlan_owner(reader->network, AF_INET, &address, owner);
	if (whose)
		config_report(reader, place, "must be a machine's address, but %s is %s in %s",
			      text, whose, subnet_text);
	return !whose;
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
	if (!config_check_machine(reader, place, text, address))
		return;
	config_claim(reader, place, reader->scope, text);
	*(struct in_addr *)field = address;
}

static void read_hostname(struct config_reader *reader, const struct place *place,
			  const json_t *value, void *field)
{
	char **hostname = field;
	const char *name = json_string_value(value);
	char what[sizeof("the name \"\"") + DNS_LABEL_MAX];

	if (config_support.no_hostname) {
		config_report_key(reader, place, "%s", config_support.no_hostname);
		return;
	}
	if (!name || !dns_label_is_valid(name)) {
		config_report_value(reader, place, value,
				    "a host name such as \"db\", 1 to 63 of a-z A-Z 0-9 -");
		return;
	}
	if (machine_name_is_dhcp_word(name)) {
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

void config_read_reservations(struct config_reader *reader, const struct place *place,
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
	if (!reader->given[NETWORK_KEY_SUBNET])
		config_report_key(reader, place,
				  "needs a \"subnet\", or no address is sure to be "
				  "the network's");
}
