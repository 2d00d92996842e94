/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as networks.json. What is refused says why, at a place in the text;
 * what is accepted obeys the rules that the rest of the broker relies on, and
 * comes out the same when a network is read again from what is kept of it. What
 * jansson reads is no error of syntax to the scanner of places.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "config/config.h"
#include "config/places.h"
#include "tests/unit/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_places(const char *text, size_t size)
{
	struct places_error error = { 0 };
	struct places places;
	json_t *root = json_loadb(text, size, JSON_DECODE_ANY, NULL);
	int r = places_scan(text, size, &places, &error);

	must(r == 0 || error.message);
	must(r == 0 || !root || memchr(text, '\0', size)); /* which jansson may overlook */
	if (root && r == 0)
		must(places.n_items > 0 && places.items[0].next == places.n_items);
	places_clear(&places);
	json_decref(root);
}

static void check_errors(const struct config_errors *errors)
{
	char *text = config_errors_format(errors, "FILE", true);
	json_t *utf8 = json_string(text);

	must(errors->n_items > 0 && text);
	must(utf8); /* whatever the file has */
	for (size_t i = 0; i < errors->n_items; i++) {
		must(errors->items[i].message[0]);
		must(!strchr(errors->items[i].message, '\n'));
		must(!errors->items[i].line == !errors->items[i].column);
		must(i == 0 || errors->items[i - 1].line <= errors->items[i].line);
	}
	json_decref(utf8);
	free(text);
}

static void check_services(const struct network_config *network)
{
	for (size_t i = 0; i < network->n_dhcp_reservations; i++) {
		must(mac_address_is_unicast(&network->dhcp_reservations[i].mac));
		must(ipv4_subnet_contains(&network->subnet, network->dhcp_reservations[i].address));
	}
	for (size_t i = 0; i < network->n_port_forwardings; i++) {
		const struct port_forwarding *forwarding = &network->port_forwardings[i];

		must(forwarding->protocols &&
		     !(forwarding->protocols & ~(FORWARD_TCP | FORWARD_UDP)));
		must(forwarding->external_port && forwarding->internal_port && forwarding->n_ports);
		must(forwarding->external_port + forwarding->n_ports <= 65536);
		must(forwarding->internal_port + forwarding->n_ports <= 65536);
		if (forwarding->family == AF_INET)
			must(ipv4_subnet_contains(&network->subnet,
						  forwarding->internal_address.ipv4));
		else
			must(ipv6_prefix_contains(&network->ipv6_prefix,
						  &forwarding->internal_address.ipv6));
	}
}

static void check_hosts(const struct network_config *network)
{
	const struct vxlan *vxlan = &network->vxlan;

	must(vxlan->vni <= 16777215 && (vxlan->vni || !vxlan->n_hosts));
	if (!vxlan->vni)
		return;
	must(network->mode != NETWORK_BRIDGED && network->nat44 && vxlan->port);
	must(vxlan->n_hosts >= 2 && vxlan->n_hosts <= VXLAN_HOSTS_MAX);
	for (size_t i = 0; i < vxlan->n_hosts; i++) {
		const struct vxlan_host *host = &vxlan->hosts[i];
		const struct in_addr ipv4 = vxlan_host_ipv4(host);
		const struct in6_addr ipv6 = vxlan_host_ipv6(network, host);
		const struct mac_address mac = vxlan_mac(ipv4);

		must(host->name && ipv4_subnet_contains(&network->subnet, ipv4));
		must(vxlan_host_at(network, AF_INET, &ipv4) == host);
		must(vxlan_host_at(network, AF_INET6, &ipv6) == host);
		must(vxlan_mac_is_hosts(network, &mac));
		for (size_t j = 0; j < network->n_dhcp_reservations; j++)
			must(network->dhcp_reservations[j].address.s_addr != ipv4.s_addr);
		for (size_t j = 0; j < i; j++)
			must(memcmp(&host->address, &vxlan->hosts[j].address,
				    address_size(vxlan->family)) != 0);
	}
}

static void check_network(const struct network_config *network)
{
	struct network_config *again = network_config_parse(network->name, network->json);

	must(network_name_is_valid(network->name));
	must((network->vxlan.vni && !network->mtu) ||
	     (network->mtu >= 1280 && network->mtu <= 65535));
	must(network->max_interfaces >= 1 && network->max_interfaces <= 1023);
	must(!network->subnet.length ||
	     (network->subnet.length >= 8 && network->subnet.length <= 29));
	must(!network->ipv6_prefix.length || network->ipv6_prefix.length == 64);
	must(network->mode != NETWORK_BRIDGED || network->external_interface);
	must(network->mode == NETWORK_SHARED || !network->bypass_kill_switch);
	must(network->allow_port_forwarding.from_port >= 1 &&
	     network->allow_port_forwarding.from_port <= 65535);
	for (size_t i = 0; i < network->n_aliases; i++)
		must(network_name_is_valid(network->aliases[i]));
	must(network->allow.restricted || (!network->allow.n_users && !network->allow.n_groups));
	check_services(network);
	check_hosts(network);
	must(again && strcmp(again->json, network->json) == 0);
	network_config_unref(again);
}

static void check_ports(const struct network_config *network, const struct network_config *other)
{
	struct port_forwarding shared;

	for (size_t i = 0; i < network->n_port_forwardings; i++)
		for (size_t j = 0; j < other->n_port_forwardings; j++)
			must((network == other && i == j) ||
			     !port_forwarding_overlaps(&network->port_forwardings[i],
						       &other->port_forwardings[j], &shared));
}

static void check_config(const struct config *config)
{
	for (size_t i = 0; i < config->n_networks; i++) {
		const struct network_config *network = config->networks[i];

		check_network(network);
		must(config_find(config, network->name) == network);
		for (size_t j = 0; j < network->n_aliases; j++)
			must(config_find(config, network->aliases[j]) == network);
		for (size_t j = 0; j < i; j++)
			must(!network->subnet.length || !config->networks[j]->subnet.length ||
			     !ipv4_subnet_overlaps(&network->subnet, &config->networks[j]->subnet));
		for (size_t j = 0; j <= i; j++)
			check_ports(network, config->networks[j]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_errors errors;
	struct config *config = config_parse((const char *)data, size, &errors);

	check_places((const char *)data, size);
	if (config)
		check_config(config);
	else
		check_errors(&errors);
	config_errors_clear(&errors);
	config_free(config);
	return 0;
}
