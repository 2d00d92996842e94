/* SPDX-License-Identifier: Apache-2.0 */
/* Plain structures to JSON, by json_pack(), which fails when one of its references is NULL. */
#include "describe.h"

/* Appends item, or gives list up when one of them is missing: returns the list or NULL. */
static json_t *appended(json_t *list, json_t *item)
{
	if (json_array_append_new(list, item) == 0)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *describe_texts(char *const *texts, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n && list; i++)
		list = appended(list, json_string(texts[i]));
	return list;
}

static json_t *describe_reservations(const struct network_config *config)
{
	json_t *list = json_array();

	for (size_t i = 0; i < config->n_dhcp_reservations && list; i++) {
		const struct dhcp_reservation *reservation = &config->dhcp_reservations[i];
		char address[INET_ADDRSTRLEN];
		char mac[MAC_TEXT_SIZE];

		inet_ntop(AF_INET, &reservation->address, address, sizeof(address));
		list = appended(list,
				json_pack("{s:s, s:s, s:s*}", "macAddress",
					  mac_address_format(&reservation->mac, mac), "address",
					  address, "hostname", reservation->hostname));
	}
	return list;
}

/* Returns the text, or NULL when the address is none. */
static const char *address_text(int family, bool has, const union forwarding_address *address,
				char text[INET6_ADDRSTRLEN])
{
	return has ? inet_ntop(family, address, text, INET6_ADDRSTRLEN) : NULL;
}

static bool is_any(int family, const union forwarding_address *address)
{
	return family == AF_INET ? address->ipv4.s_addr == htonl(INADDR_ANY)
				 : IN6_IS_ADDR_UNSPECIFIED(&address->ipv6);
}

static json_t *describe_forwarding(const struct port_forwarding *forwarding)
{
	static const char *const protocols[] = {
		[FORWARD_TCP] = "tcp",
		[FORWARD_UDP] = "udp",
		[FORWARD_TCP | FORWARD_UDP] = "both",
	};
	const int family = forwarding->family;
	char external[INET6_ADDRSTRLEN];
	char internal[INET6_ADDRSTRLEN];

	return json_pack("{s:s, s:s*, s:i, s:s*, s:i, s:i}", "protocol",
			 protocols[forwarding->protocols], "externalAddress",
			 address_text(family, forwarding->has_external_address,
				      &forwarding->external_address, external),
			 "externalPort", (int)forwarding->external_port, "internalAddress",
			 address_text(family, !is_any(family, &forwarding->internal_address),
				      &forwarding->internal_address, internal),
			 "internalPort", (int)forwarding->internal_port, "count",
			 (int)forwarding->n_ports);
}

json_t *port_forwardings_describe(const struct port_forwarding *forwardings, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n && list; i++)
		list = appended(list, describe_forwarding(&forwardings[i]));
	return list;
}

json_t *rate_limit_describe(const struct rate_limit *limit)
{
	if (limit->bits_per_second == 0)
		return NULL;
	return json_pack("{s:I, s:I}", "bitsPerSecond", (json_int_t)limit->bits_per_second,
			 "burstBytes", (json_int_t)rate_limit_burst(limit));
}

static json_t *describe_allow(const struct network_allow *allow)
{
	if (!allow->restricted)
		return json_null();
	return json_pack("{s:o, s:o}", "users", describe_texts(allow->users_text, allow->n_users),
			 "groups", describe_texts(allow->groups_text, allow->n_groups));
}

/* Nothing is forwarded in the other modes. */
static json_t *describe_allowed_ports(const struct network_config *config)
{
	const struct allow_port_forwarding *allow = &config->allow_port_forwarding;

	return json_pack("{s:s, s:I}", "addresses",
			 allowed_addresses_name(config->mode == NETWORK_SHARED ? allow->addresses
									       : ALLOWED_NONE),
			 "fromPort", (json_int_t)allow->from_port);
}

static json_t *describe_host(int family, const struct vxlan_host *host)
{
	char address[INET6_ADDRSTRLEN];
	char pool[IPV4_SUBNET_TEXT_SIZE];

	inet_ntop(family, &host->address, address, sizeof(address));
	return json_pack("{s:s, s:s, s:s}", "name", host->name, "address", address, "pool",
			 ipv4_subnet_format(&host->pool, pool));
}

/* NULL without an error: the network is on one host. */
static json_t *describe_vxlan(const struct vxlan *vxlan)
{
	json_t *hosts = vxlan->vni ? json_array() : NULL;

	for (size_t i = 0; i < vxlan->n_hosts && hosts; i++)
		hosts = appended(hosts, describe_host(vxlan->family, &vxlan->hosts[i]));
	if (!vxlan->vni)
		return NULL;
	return json_pack("{s:I, s:s, s:I, s:o}", "vni", (json_int_t)vxlan->vni, "control",
			 vxlan_control_name(vxlan->control), "port", (json_int_t)vxlan->port,
			 "hosts", hosts);
}

/* What there is of the network for machines and to the outside, in its mode. */
static json_t *describe_services(const struct network_config *config)
{
	const bool is_shared = config->mode == NETWORK_SHARED;
	const bool serves = config->mode != NETWORK_BRIDGED;

	return json_pack(
		"{s:b, s:b, s:b, s:b, s:b, s:o*, s:o, s:o, s:o, s:o*, s:o*, s:b, s:b, s:b, s:o, s:I}",
		"nat44", is_shared && config->nat44, "nat66", is_shared && config->nat66, "dhcp",
		serves && config->dhcp, "dnsProxy", serves && config->dns_proxy,
		"routerAdvertisement", serves && config->router_advertisement, "vxlan",
		describe_vxlan(&config->vxlan), "dhcpReservations", describe_reservations(config),
		"portForwarding",
		port_forwardings_describe(config->port_forwardings, config->n_port_forwardings),
		"allowPortForwarding", describe_allowed_ports(config), "rateLimitIn",
		rate_limit_describe(&config->rate_limit_in), "rateLimitOut",
		rate_limit_describe(&config->rate_limit_out), "isolated", config->isolated,
		"linkLocal", config->link_local, "bypassKillSwitch", config->bypass_kill_switch,
		"allow", describe_allow(&config->allow), "maxInterfaces",
		(json_int_t)config->max_interfaces);
}

static json_t *describe(const struct network_config *config)
{
	char subnet[IPV4_SUBNET_TEXT_SIZE];
	char prefix[IPV6_PREFIX_TEXT_SIZE];
	json_t *services = describe_services(config);
	json_t *described = json_pack(
		"{s:s, s:o, s:s*, s:s, s:s*, s:s*, s:s*, s:I}", "name", config->name, "aliases",
		describe_texts(config->aliases, config->n_aliases), "description",
		config->description, "mode", network_mode_name(config->mode), "subnet",
		config->subnet.length > 0 ? ipv4_subnet_format(&config->subnet, subnet) : NULL,
		"ipv6Prefix",
		config->ipv6_prefix.length > 0 ? ipv6_prefix_format(&config->ipv6_prefix, prefix)
					       : NULL,
		"externalInterface", config->external_interface, "mtu", (json_int_t)config->mtu);

	if (!services || json_object_update(described, services) < 0) {
		json_decref(described);
		described = NULL;
	}
	json_decref(services);
	return described;
}

json_t *network_config_describe(struct network_config *config)
{
	if (!config->described)
		config->described = describe(config);
	return json_incref(config->described);
}
