/* SPDX-License-Identifier: Apache-2.0 */
/* The key "vxlan": the hosts that a network is on, and what each has of its addresses. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "reader.h"

#define VNI_MAX 16777215U
#define POOL_LENGTH_MAX 30U /* the host, and a machine */

struct in_addr vxlan_host_ipv4(const struct vxlan_host *host)
{
	return ipv4_subnet_host(&host->pool, 1);
}

struct in6_addr vxlan_host_ipv6(const struct network_config *config, const struct vxlan_host *host)
{
	const struct in_addr ipv4 = vxlan_host_ipv4(host);
	struct in6_addr address = config->ipv6_prefix.address;

	memcpy(&address.s6_addr[12], &ipv4, sizeof(ipv4));
	return address;
}

struct mac_address vxlan_mac(struct in_addr address)
{
	struct mac_address mac = { { 'v', 'm' } }; /* which is unicast, and locally administered */

	memcpy(&mac.bytes[2], &address, sizeof(address));
	return mac;
}

struct in6_addr vxlan_link_local(struct in_addr address)
{
	struct in6_addr result = { .s6_addr = { 0xfe, 0x80 } };

	memcpy(&result.s6_addr[12], &address, sizeof(address));
	return result;
}

const struct vxlan_host *vxlan_host_of(const struct vxlan *vxlan, struct in_addr address)
{
	for (size_t i = 0; i < vxlan->n_hosts; i++)
		if (ipv4_subnet_contains(&vxlan->hosts[i].pool, address))
			return &vxlan->hosts[i];
	return NULL;
}

const struct vxlan_host *vxlan_host_at(const struct network_config *config, int family,
				       const void *address)
{
	const struct vxlan_host *host;
	struct in6_addr ipv6;
	struct in_addr ipv4;

	/* The last bytes of an IPv6 address are those of the IPv4 one. */
	memcpy(&ipv4, (const uint8_t *)address + (family == AF_INET ? 0 : 12), sizeof(ipv4));
	host = vxlan_host_of(&config->vxlan, ipv4);
	if (!host || vxlan_host_ipv4(host).s_addr != ipv4.s_addr)
		return NULL;
	ipv6 = vxlan_host_ipv6(config, host);
	return family == AF_INET || memcmp(&ipv6, address, sizeof(ipv6)) == 0 ? host : NULL;
}

const char *vxlan_owner(const struct network_config *config, int family, const void *address,
			char text[VXLAN_OWNER_SIZE])
{
	const struct vxlan_host *host = vxlan_host_at(config, family, address);

	if (!host)
		return NULL;
	(void)snprintf(text, VXLAN_OWNER_SIZE, "host \"%s\"'s own", host->name ? host->name : "");
	return text;
}

bool vxlan_mac_is_hosts(const struct network_config *config, const struct mac_address *mac)
{
	const struct in_addr gateway = ipv4_subnet_host(&config->subnet, 1);
	struct mac_address made;
	struct in_addr address;

	memcpy(&address, &mac->bytes[2], sizeof(address));
	made = vxlan_mac(address);
	return config->vxlan.vni && mac_address_equal(mac, &made) &&
	       (address.s_addr == gateway.s_addr || vxlan_host_at(config, AF_INET, &address));
}

static const char *const controls[] = {
	[VXLAN_EVPN] = "evpn",
	[VXLAN_STATIC] = "static",
};

const char *vxlan_control_name(enum vxlan_control control)
{
	return controls[control];
}

static void read_vni(struct config_reader *reader, const struct place *place, const json_t *value,
		     void *field)
{
	const unsigned int vni = (unsigned int)config_read_number(reader, place, value, 1, VNI_MAX);
	char what[sizeof("the VNI 4294967295")];

	if (!vni)
		return;
	(void)snprintf(what, sizeof(what), "the VNI %u", vni);
	config_claim(reader, place, NULL, what);
	*(unsigned int *)field = vni;
}

static void read_control(struct config_reader *reader, const struct place *place,
			 const json_t *value, void *field)
{
	const int choice = config_read_choice(reader, place, value, controls, ARRAY_SIZE(controls),
					      "\"evpn\" or \"static\"");

	if (choice >= 0)
		*(enum vxlan_control *)field = (enum vxlan_control)choice;
}

static void read_port(struct config_reader *reader, const struct place *place, const json_t *value,
		      void *field)
{
	*(uint16_t *)field =
		(uint16_t)config_read_number(reader, place, value, VXLAN_PORT_MIN, UINT16_MAX);
}

/* A host's name is a part of those of its machines, where another machine's could be. */
static void read_name(struct config_reader *reader, const struct place *place, const json_t *value,
		      void *field)
{
	const char *name = json_string_value(value);
	char what[sizeof("the name \"\"") + DNS_LABEL_MAX];
	char **copy = field;

	if (!name || !dns_label_is_valid(name)) {
		config_report_value(reader, place, value,
				    "a host name such as \"a\", 1 to 63 of a-z A-Z 0-9 -");
		return;
	}
	if (strcasecmp(name, "gateway") == 0 || strcasecmp(name, "localhost") == 0) {
		config_report(reader, place,
			      "must be the name of one of the hosts, but \"%s\" is each one's",
			      name);
		return;
	}
	(void)snprintf(what, sizeof(what), "the name \"%s\"", name);
	for (char *c = what; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	config_claim(reader, place, reader->scope, what);
	*copy = config_copy(reader, name);
}

/* Why a host cannot be reached at an address, which follows it in a sentence, or NULL. */
static const char *explain_address(const struct network_config *network, int family,
				   const union forwarding_address *address)
{
	if (family == AF_INET ? ntohl(address->ipv4.s_addr) >> 24 == 0
			      : IN6_IS_ADDR_UNSPECIFIED(&address->ipv6))
		return "is that of no host";
	if (family == AF_INET ? ntohl(address->ipv4.s_addr) >> 24 == IN_LOOPBACKNET
			      : IN6_IS_ADDR_LOOPBACK(&address->ipv6))
		return "is every host's own";
	if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->ipv6))
		return "stands for one of IPv4";
	if (family == AF_INET && network->subnet.length &&
	    ipv4_subnet_contains(&network->subnet, address->ipv4))
		return "is of the network's own subnet";
	if (family == AF_INET6 && network->ipv6_prefix.length &&
	    ipv6_prefix_contains(&network->ipv6_prefix, &address->ipv6))
		return "is of the network's own prefix";
	return forwarding_address_explain(family, address);
}

static void read_address(struct config_reader *reader, const struct place *place,
			 const json_t *value, void *field)
{
	struct vxlan *vxlan = &reader->network->vxlan;
	const char *text = json_string_value(value);
	char what[sizeof("the host's address ") + INET6_ADDRSTRLEN];
	union forwarding_address address;
	char canonical[INET6_ADDRSTRLEN];
	const int family = address_parse(text, &address);
	const char *why;

	if (!family) {
		config_report_value(reader, place, value,
				    "an IPv4 or IPv6 address such as \"192.0.2.1\"");
		return;
	}
	why = explain_address(reader->network, family, &address);
	if (why) {
		config_report(reader, place,
			      "must be an address at which the others reach the host, but %s %s",
			      text, why);
		return;
	}
	if (vxlan->family && family != vxlan->family) {
		config_report(reader, place,
			      "must be an %s address, as the first host's is, not %s",
			      vxlan->family == AF_INET ? "IPv4" : "IPv6", text);
		return;
	}
	(void)snprintf(what, sizeof(what), "the host's address %s",
		       inet_ntop(family, &address, canonical, sizeof(canonical)));
	config_claim(reader, place, reader->scope, what);
	vxlan->family = family;
	*(union forwarding_address *)field = address;
}

/* Reports a pool that cannot be one host's part of the subnet. */
static bool check_pool(struct config_reader *reader, const struct place *place,
		       const struct ipv4_subnet *pool)
{
	const struct network_config *network = reader->network;
	const struct ipv4_subnet *subnet = &network->subnet;
	const struct in_addr gateway = ipv4_subnet_host(subnet, 1);
	char text[IPV4_SUBNET_TEXT_SIZE];
	char other[IPV4_SUBNET_TEXT_SIZE];
	char address[INET_ADDRSTRLEN];

	(void)ipv4_subnet_format(pool, text);
	if (!subnet->length)
		return true;
	if (pool->length < subnet->length || !ipv4_subnet_contains(subnet, pool->address)) {
		config_report(reader, place, "must be a part of the subnet %s, not %s",
			      ipv4_subnet_format(subnet, other), text);
		return false;
	}
	if (ipv4_subnet_contains(pool, gateway)) {
		config_report(reader, place,
			      "must be without %s, the gateway on each of the hosts, not %s",
			      inet_ntop(AF_INET, &gateway, address, sizeof(address)), text);
		return false;
	}
	for (size_t i = 0; i < network->vxlan.n_hosts; i++) {
		const struct vxlan_host *host = &network->vxlan.hosts[i];

		if (!host->pool.length || !ipv4_subnet_overlaps(pool, &host->pool))
			continue;
		config_report(reader, place, "%s overlaps %s of host \"%s\"; choose another", text,
			      ipv4_subnet_format(&host->pool, other), host->name ? host->name : "");
		return false;
	}
	return true;
}

static void read_pool(struct config_reader *reader, const struct place *place, const json_t *value,
		      void *field)
{
	const char *text = json_string_value(value);
	char right[IPV4_SUBNET_TEXT_SIZE];
	struct ipv4_subnet pool;

	if (!text || ipv4_subnet_parse_masked(text, &pool) < 0) {
		config_report_value(reader, place, value,
				    "a part of the subnet such as \"10.80.1.0/24\"");
		return;
	}
	if (!pool.length || pool.length > POOL_LENGTH_MAX) {
		config_report(reader, place, "must be of a length up to /%u, not /%u",
			      POOL_LENGTH_MAX, pool.length);
		return;
	}
	if (ipv4_subnet_parse(text, &pool) < 0) {
		config_report(reader, place,
			      "must be the subnet \"%s\", not the address \"%s\" in it",
			      ipv4_subnet_format(&pool, right), text);
		return;
	}
	if (check_pool(reader, place, &pool))
		*(struct ipv4_subnet *)field = pool;
}

static void read_host(struct config_reader *reader, const struct place *place, const json_t *value,
		      struct vxlan_host *host)
{
	static const struct config_key keys[] = {
		{ "name", read_name, offsetof(struct vxlan_host, name),
		  "the host's, such as \"a\"" },
		{ "address", read_address, offsetof(struct vxlan_host, address),
		  "the one at which the others reach the host, such as \"192.0.2.1\"" },
		{ "pool", read_pool, offsetof(struct vxlan_host, pool),
		  "the part of the subnet for its machines, such as \"10.80.1.0/24\"" },
	};
	const struct place *given[ARRAY_SIZE(keys)];

	(void)config_read_object(reader, place, value, keys, ARRAY_SIZE(keys), given, host);
}

/* Not by config_read_list(): each host is compared with those before. */
static void read_hosts(struct config_reader *reader, const struct place *place, const json_t *value,
		       void *field)
{
	const struct place *at = places_first(&reader->places, place);
	const size_t n = json_array_size(value);
	struct vxlan *vxlan = field;

	if (!json_is_array(value)) {
		config_report_value(reader, place, value, "a list of hosts");
		return;
	}
	if (n < 2 || n > VXLAN_HOSTS_MAX) {
		config_report(reader, place, "must be 2 to %u hosts, not %zu", VXLAN_HOSTS_MAX, n);
		return;
	}
	vxlan->hosts = calloc(n, sizeof(*vxlan->hosts));
	if (!vxlan->hosts) {
		config_errors_memory_short(reader->errors);
		return;
	}
	for (; at; at = places_next(&reader->places, at), vxlan->n_hosts++)
		read_host(reader, at, json_array_get(value, vxlan->n_hosts),
			  &vxlan->hosts[vxlan->n_hosts]);
}

/* What the hosts could not agree upon otherwise. */
static void check_addresses(struct config_reader *reader)
{
	if (!reader->given[NETWORK_KEY_SUBNET])
		config_report_missing(reader, reader->scope, "subnet",
				      "the subnet that is the network's on all hosts of \"vxlan\"");
	if (!reader->given[NETWORK_KEY_IPV6_PREFIX])
		config_report_missing(reader, reader->scope, "ipv6_prefix",
				      "the prefix that is the network's on all hosts of \"vxlan\"");
}

void config_read_vxlan(struct config_reader *reader, const struct place *place, const json_t *value,
		       void *field)
{
	static const struct config_key keys[] = {
		{ "vni", read_vni, offsetof(struct vxlan, vni),
		  "the VXLAN's number, 1 to 16777215" },
		{ "control", read_control, offsetof(struct vxlan, control),
		  "\"evpn\" or \"static\"" },
		{ "hosts", read_hosts, 0, "the hosts that the network is on" },
		{ "port", read_port, offsetof(struct vxlan, port), NULL },
	};
	const struct place *given[ARRAY_SIZE(keys)];
	struct network_config *network = field;

	if (config_support.no_vxlan) {
		config_report_key(reader, place, "%s", config_support.no_vxlan);
		return;
	}
	if (!reader->given[NETWORK_KEY_MTU])
		network->mtu = 0;
	network->vxlan.port = VXLAN_PORT;
	if (!config_read_object(reader, place, value, keys, ARRAY_SIZE(keys), given,
				&network->vxlan))
		return;
	check_addresses(reader);
	if (!network->nat44 && reader->given[NETWORK_KEY_MODE])
		config_report(reader, reader->given[NETWORK_KEY_NAT44],
			      "cannot be false for now in a network with \"vxlan\"; remove it");
}
