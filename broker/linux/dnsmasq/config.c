/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes dnsmasq's configuration, line by line: a DHCP option is added here. Everything in it is
 * of a form that was checked: addresses, numbers, names of networks, host names of reservations
 * (DNS labels), and paths of the broker's own.
 *
 * Names: a machine is found by the name it gave by DHCP, as NAME and as
 * NAME.NETWORK.internal, and the host as gateway.NETWORK.internal. The host's
 * own /etc/hosts is not looked at: what "localhost" or its own name stand for
 * there is wrong for a machine. All else is asked of the host's resolvers, on
 * shared networks; a host network has no outside to ask.
 *
 * A network on several hosts has a zone of each, HOST.NETWORK.internal, with the names of the
 * machines there. It is served to the other hosts at the host's own address, and nothing else
 * is; machines' questions about it are passed on to its host. The rest is in zones.h.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/machine_name.h"
#include "base/memstream.h"
#include "host/names.h"
#include "leases.h"
#include "zone.h"

/* Seconds between unasked router advertisements, and how long a router is one. */
#define RA_INTERVAL 60
#define RA_LIFETIME 1800

static const char *text_of(struct in_addr address, char text[INET_ADDRSTRLEN])
{
	return inet_ntop(AF_INET, &address, text, INET_ADDRSTRLEN);
}

/* A name for addresses: NAME and NAME.NETWORK.internal. */
static void write_host(FILE *file, const char *network, const char *name, const char *addresses)
{
	char domain[NETWORK_DOMAIN_SIZE];

	(void)fputs("host-record=", file);
	machine_name_write(file, name);
	(void)fputc(',', file);
	machine_name_write(file, name);
	(void)fprintf(file, ".%s,%s\n", network_domain(network, domain), addresses);
}

/* The addresses of a host: the gateway's, or its own. Without IPv6 the latter is not looked at. */
static const char *addresses_of(const struct network_addresses *addresses, struct in_addr ipv4,
				const struct in6_addr *ipv6,
				char text[INET_ADDRSTRLEN + 1 + INET6_ADDRSTRLEN])
{
	size_t length = strlen(text_of(ipv4, text));

	if (addresses->ipv6_prefix.length > 0) {
		text[length++] = ',';
		inet_ntop(AF_INET6, ipv6, text + length, INET6_ADDRSTRLEN);
	}
	return text;
}

/* Names that nobody else can take: the gateway's, the hosts', and those that are reserved. */
static void write_own_names(FILE *file, const struct network_config *config,
			    const struct network_addresses *addresses)
{
	char text[INET_ADDRSTRLEN + 1 + INET6_ADDRSTRLEN];

	write_host(
		file, config->name, "gateway",
		addresses_of(addresses, addresses->ipv4_gateway, &addresses->ipv6_gateway, text));
	for (size_t i = 0; i < config->vxlan.n_hosts; i++) {
		const struct vxlan_host *host = &config->vxlan.hosts[i];
		const struct in6_addr ipv6 = vxlan_host_ipv6(config, host);

		write_host(file, config->name, host->name,
			   addresses_of(addresses, vxlan_host_ipv4(host), &ipv6, text));
	}
	for (size_t i = 0; i < config->n_dhcp_reservations; i++) {
		const struct dhcp_reservation *reservation = &config->dhcp_reservations[i];

		if (reservation->hostname)
			write_host(file, config->name, reservation->hostname,
				   text_of(reservation->address, text));
	}
}

/* What this host tells the others, and what it asks them. */
static void write_zones(FILE *file, const struct network_config *config,
			const struct network_addresses *addresses,
			const struct dnsmasq_files *files)
{
	const struct vxlan_host *own = network_host(config, addresses);
	const struct vxlan *vxlan = &config->vxlan;
	char zone[ZONE_NAME_SIZE];
	char device[INTERFACE_NAME_SIZE];
	char subnet[IPV4_SUBNET_TEXT_SIZE];
	char prefix[IPV6_PREFIX_TEXT_SIZE];
	char text[ZONE_TEXT_SIZE];

	if (!own)
		return;
	(void)zone_name(config, own, zone);
	own_name(addresses->bridge, device);
	(void)fprintf(
		file,
		"auth-server=%s,%s\n"
		/* There come answers of machines that it asks whether they have an address. */
		"interface=%s\n"
		/* Of machines that have moved here, too. */
		"auth-zone=%s,%s%s%s\n"
		"auth-ttl=0\n"
		"txt-record=%s,\"%s\"\n"
		"addn-hosts=%s\n",
		zone, device, device, zone, ipv4_subnet_format(&addresses->ipv4_subnet, subnet),
		addresses->ipv6_prefix.length > 0 ? "," : "",
		addresses->ipv6_prefix.length > 0
			? ipv6_prefix_format(&addresses->ipv6_prefix, prefix)
			: "",
		zone, zone_text(config, text), files->names);
	for (size_t i = 0; i < vxlan->n_hosts; i++) {
		char address[INET_ADDRSTRLEN];

		if (&vxlan->hosts[i] == own)
			continue;
		(void)text_of(vxlan_host_ipv4(&vxlan->hosts[i]), address);
		(void)fprintf(file,
			      "auth-peer=%s\n"
			      "server=/%s/%s\n",
			      address, zone_name(config, &vxlan->hosts[i], zone), address);
	}
}

static void write_dns(FILE *file, const struct network_config *config,
		      const struct network_addresses *addresses, const struct dnsmasq_files *files)
{
	char subnet[IPV4_SUBNET_TEXT_SIZE];
	char prefix[IPV6_PREFIX_TEXT_SIZE];
	char domain[NETWORK_DOMAIN_SIZE];

	if (!config->dns_proxy) {
		(void)fputs("port=0\n", file);
		return;
	}
	(void)network_domain(config->name, domain);
	(void)fprintf(file,
		      "no-hosts\n"
		      "expand-hosts\n"
		      "domain-needed\n"
		      "domain=%s\n"
		      /* What is asked about the network itself is answered here or nowhere. */
		      "local=/%s/\n"
		      "rev-server=%s\n",
		      domain, domain, ipv4_subnet_format(&addresses->ipv4_subnet, subnet));
	if (addresses->ipv6_prefix.length > 0)
		(void)fprintf(file, "rev-server=%s\n",
			      ipv6_prefix_format(&addresses->ipv6_prefix, prefix));
	write_own_names(file, config, addresses);
	write_zones(file, config, addresses, files);
	/* Else it takes one of the few instances of inotify that its user has for all networks. */
	(void)fputs("no-resolv\n", file);
	if (config->mode == NETWORK_SHARED)
		(void)fprintf(file,
			      "servers-file=%s\n"
			      /* Servers of two networks can be among the host's resolvers. */
			      "dns-loop-detect\n",
			      files->resolvers);
}

/* What a machine calls itself, with a domain or without, is not taken for one of these. */
static void write_refused_name(FILE *file, const char *name)
{
	(void)fputs("dhcp-name-match=set:unnamed,", file);
	machine_name_write(file, name);
	(void)fputs("\ndhcp-name-match=set:unnamed,", file);
	machine_name_write(file, name);
	(void)fputs(".*\n", file);
}

/*
 * Names of machines, for IPv4 and IPv6, are those of its leases: what is not in
 * them is nowhere. A reserved name is in the lease of who it is for.
 */
static void write_refused_names(FILE *file, const struct network_config *config)
{
	for (size_t i = 0; sought_names[i]; i++)
		write_refused_name(file, sought_names[i]);
	for (size_t i = 0; i < config->vxlan.n_hosts; i++)
		write_refused_name(file, config->vxlan.hosts[i].name);
	for (size_t i = 0; i < config->n_dhcp_reservations; i++)
		if (config->dhcp_reservations[i].hostname)
			write_refused_name(file, config->dhcp_reservations[i].hostname);
	(void)fputs("dhcp-ignore-names=tag:unnamed\n", file);
}

static void write_dhcp(FILE *file, const struct network_config *config,
		       const struct network_addresses *addresses)
{
	const struct ipv4_subnet *subnet = &addresses->ipv4_subnet;
	const struct ipv4_subnet *pool = network_pool(config, addresses);
	struct in_addr last = ipv4_subnet_last(pool);
	char text[3][INET_ADDRSTRLEN];

	if (!config->dhcp)
		return;
	last.s_addr = htonl(ntohl(last.s_addr) - 1);
	(void)fprintf(file,
		      "dhcp-authoritative\n"
		      /* What else reaches who has no address yet takes CAP_NET_ADMIN. */
		      "dhcp-broadcast\n"
		      /* Clones of one machine send one client id. */
		      "dhcp-ignore-clid\n"
		      "no-ping\n"
		      "quiet-dhcp\n"
		      "dhcp-lease-max=%u\n"
		      "dhcp-range=%s,%s,%s,%d\n"
		      "dhcp-option=option:mtu,%u\n",
		      leases_max(subnet), text_of(ipv4_subnet_host(pool, 2), text[0]),
		      text_of(last, text[1]), text_of(ipv4_subnet_mask(subnet), text[2]),
		      LEASE_SECONDS, addresses->mtu);
	write_refused_names(file, config);
	/* A host network leads nowhere. */
	if (config->mode == NETWORK_HOST)
		(void)fputs("dhcp-option=option:router\n", file);
	for (size_t i = 0; i < config->n_dhcp_reservations; i++) {
		const struct dhcp_reservation *reservation = &config->dhcp_reservations[i];
		char mac[MAC_TEXT_SIZE];

		(void)fprintf(file, "dhcp-host=%s,%s%s", mac_address_format(&reservation->mac, mac),
			      text_of(reservation->address, text[0]),
			      reservation->hostname ? "," : "");
		if (reservation->hostname)
			machine_name_write(file, reservation->hostname);
		(void)fputc('\n', file);
	}
}

static void write_router_advertisement(FILE *file, const struct network_config *config,
				       const struct network_addresses *addresses)
{
	char prefix[INET6_ADDRSTRLEN];
	char gateway[INET6_ADDRSTRLEN];

	if (!config->router_advertisement || addresses->ipv6_prefix.length == 0)
		return;
	inet_ntop(AF_INET6, &addresses->ipv6_prefix.address, prefix, sizeof(prefix));
	(void)fprintf(file,
		      "enable-ra\n"
		      "quiet-ra\n"
		      "quiet-dhcp6\n"
		      "dhcp-range=%s,ra-stateless,ra-names,%u,%d\n"
		      "ra-param=%s,mtu:%u,%d,%d\n",
		      prefix, addresses->ipv6_prefix.length, LEASE_SECONDS, addresses->bridge,
		      addresses->mtu, RA_INTERVAL, config->mode == NETWORK_HOST ? 0 : RA_LIFETIME);
	/* Not by its link-local address, which many a resolver cannot use. */
	if (config->dns_proxy)
		(void)fprintf(
			file, "dhcp-option=option6:dns-server,[%s]\n",
			inet_ntop(AF_INET6, &addresses->ipv6_gateway, gateway, sizeof(gateway)));
}

char *dnsmasq_config(const struct network_config *config, const struct network_addresses *addresses,
		     const struct dnsmasq_files *files)
{
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	(void)fprintf(file,
		      "# Made by vmnet-broker for network \"%s\"; changes are overwritten.\n"
		      "keep-in-foreground\n"
		      "pid-file\n"
		      "dhcp-leasefile=%s\n"
		      "interface=%s\n"
		      "except-interface=lo\n"
		      /* Once: afterwards it may not any more, see preload.c. */
		      "bind-interfaces\n",
		      config->name, files->leases, addresses->bridge);
	/* What interfaces ask for comes and goes while it runs. */
	if (config->dhcp || config->router_advertisement)
		(void)fprintf(file, "dhcp-hostsfile=%s\n", files->hosts);
	write_dns(file, config, addresses, files);
	write_dhcp(file, config, addresses);
	write_router_advertisement(file, config, addresses);
	return memstream_close(file, &text);
}
