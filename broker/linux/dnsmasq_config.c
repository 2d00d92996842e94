/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dnsmasq's configuration for one network.
 *
 * Everything in it is of a form that was checked: addresses, numbers, host
 * names of reservations (DNS labels), and paths of the broker's own.
 *
 * Names: a machine is found by the name it gave by DHCP, as NAME and as
 * NAME.NETWORK.internal, and the host as gateway.NETWORK.internal. The host's
 * own /etc/hosts is not looked at: what "localhost" or its own name stand for
 * there is wrong for a machine. All else is asked of the host's resolvers, on
 * shared networks; a host network has no outside to ask.
 */
#include "dnsmasq_config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linux.h"

#define LEASE_TIME "1h"
/* Seconds between unasked router advertisements, and how long a router is one. */
#define RA_INTERVAL 60
#define RA_LIFETIME 1800
#define LEASES_MAX 65536U

/* A network's name as one DNS label: what DNS does not know becomes a hyphen. */
static void write_label(FILE *file, const char *network)
{
	size_t length = strlen(network);

	while (length > 1 && !isalnum((unsigned char)network[length - 1]))
		length--;
	for (size_t i = 0; i < length; i++)
		(void)fputc(isalnum((unsigned char)network[i]) ? network[i] : '-', file);
}

static void write_name(FILE *file, const char *before, const char *network, const char *after)
{
	(void)fputs(before, file);
	write_label(file, network);
	(void)fprintf(file, ".internal%s", after);
}

static const char *text_of(struct in_addr address, char text[INET_ADDRSTRLEN])
{
	return inet_ntop(AF_INET, &address, text, INET_ADDRSTRLEN);
}

static void write_dns(FILE *file, const struct network_config *config,
		      const struct network_addresses *addresses)
{
	char gateway[INET_ADDRSTRLEN];
	char gateway6[INET6_ADDRSTRLEN];
	struct in6_addr address = addresses->ipv6_prefix.address;

	if (!config->dns_proxy) {
		(void)fputs("port=0\n"
			    "dhcp-option=option:dns-server\n",
			    file);
		return;
	}
	(void)fputs("no-hosts\n"
		    "expand-hosts\n"
		    "bogus-priv\n"
		    "domain-needed\n",
		    file);
	write_name(file, "domain=", config->name, "\n");
	write_name(file, "local=/", config->name, "/\n");
	write_name(file, "host-record=gateway.", config->name, "");
	(void)fprintf(file, ",%s", text_of(addresses->ipv4_gateway, gateway));
	if (addresses->ipv6_prefix.length > 0) {
		address.s6_addr[15] = 1;
		(void)fprintf(file, ",%s",
			      inet_ntop(AF_INET6, &address, gateway6, sizeof(gateway6)));
	}
	(void)fputc('\n', file);
	if (config->mode == NETWORK_HOST)
		(void)fputs("no-resolv\n", file);
}

static void write_dhcp(FILE *file, const struct network_config *config,
		       const struct network_addresses *addresses)
{
	const struct ipv4_subnet *subnet = &addresses->ipv4_subnet;
	uint32_t size = subnet->length > 16 ? 1U << (32 - subnet->length) : LEASES_MAX;
	struct in_addr last = ipv4_subnet_last(subnet);
	char text[3][INET_ADDRSTRLEN];

	if (!config->dhcp)
		return;
	last.s_addr = htonl(ntohl(last.s_addr) - 1);
	(void)fprintf(file,
		      "dhcp-authoritative\n"
		      "no-ping\n"
		      "dhcp-lease-max=%u\n"
		      "dhcp-range=%s,%s,%s," LEASE_TIME "\n"
		      "dhcp-option=option:mtu,%u\n",
		      size, text_of(ipv4_subnet_host(subnet, 2), text[0]), text_of(last, text[1]),
		      text_of(ipv4_subnet_mask(subnet), text[2]), addresses->mtu);
	/* A host network leads nowhere. */
	if (config->mode == NETWORK_HOST)
		(void)fputs("dhcp-option=option:router\n", file);
	for (size_t i = 0; i < config->n_dhcp_reservations; i++) {
		const struct dhcp_reservation *reservation = &config->dhcp_reservations[i];
		char mac[MAC_TEXT_SIZE];

		(void)fprintf(
			file, "dhcp-host=%s,%s%s%s\n", mac_address_format(&reservation->mac, mac),
			text_of(reservation->address, text[0]), reservation->hostname ? "," : "",
			reservation->hostname ? reservation->hostname : "");
	}
}

static void write_router_advertisement(FILE *file, const struct network_config *config,
				       const struct network_addresses *addresses)
{
	char prefix[INET6_ADDRSTRLEN];

	if (!config->router_advertisement || addresses->ipv6_prefix.length == 0)
		return;
	inet_ntop(AF_INET6, &addresses->ipv6_prefix.address, prefix, sizeof(prefix));
	(void)fprintf(file,
		      "enable-ra\n"
		      "dhcp-range=%s,ra-stateless,%u," LEASE_TIME "\n"
		      "ra-param=%s,mtu:%u,%d,%d\n",
		      prefix, addresses->ipv6_prefix.length, addresses->bridge, addresses->mtu,
		      RA_INTERVAL, config->mode == NETWORK_HOST ? 0 : RA_LIFETIME);
}

char *dnsmasq_config(const struct network_config *config, const struct network_addresses *addresses,
		     const struct dnsmasq_paths *paths, const char *user)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	bool failed;

	if (!file)
		return NULL;
	(void)fprintf(file,
		      "# Made by vmnet-broker for network \"%s\"; changes are overwritten.\n"
		      "pid-file=%s\n"
		      "dhcp-leasefile=%s\n"
		      "interface=%s\n"
		      "except-interface=lo\n"
		      "bind-dynamic\n",
		      config->name, paths->pid, paths->leases, addresses->bridge);
	if (user)
		(void)fprintf(file, "user=%s\n", user);
	write_dns(file, config, addresses);
	write_dhcp(file, config, addresses);
	write_router_advertisement(file, config, addresses);
	failed = ferror(file);
	if (fclose(file) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}
