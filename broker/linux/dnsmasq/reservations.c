/* SPDX-License-Identifier: Apache-2.0 */
/* Writes dnsmasq's hosts file, and speaks DHCP in machines' stead. */
#include "reservations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/machine_name.h"
#include "base/memstream.h"
#include "broker/linux/linux.h"
#include "dhcp_message.h"
#include "dhcpv6_release.h"
#include "files.h"

/* How often leases are read again. */
#define READS_MAX 4

/* The file */

static void write_line(FILE *file, const struct interface *interface)
{
	const struct interface_options *options = &interface->options;
	char text[INET6_ADDRSTRLEN];
	char mac[MAC_TEXT_SIZE];

	(void)fputs(mac_address_format(&interface->mac, mac), file);
	if (options->has_ipv6)
		(void)fprintf(file, ",[%s]",
			      inet_ntop(AF_INET6, &options->ipv6, text, sizeof(text)));
	if (options->has_ipv4)
		(void)fprintf(file, ",%s", inet_ntop(AF_INET, &options->ipv4, text, sizeof(text)));
	if (options->name[0])
		(void)fputc(',', file);
	machine_name_write(file, options->name);
	(void)fputc('\n', file);
}

char *reservations_text(const struct network *network)
{
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	for (const struct interface *i = network->interfaces; i; i = i->next)
		if (interface_reserves(i) && i->state != INTERFACE_DETACHING)
			write_line(file, i);
	return memstream_close(file, &text);
}

static int find_files(const struct network *network, struct dnsmasq_files *files)
{
	const struct options *options = linux_platform.options;

	return dnsmasq_files_init(files, network->config->name, options->state_dir,
				  options->runtime_dir);
}

int reservations_write(const struct network *network)
{
	struct dnsmasq_files files;
	char *text = reservations_text(network);
	int result;

	if (!text)
		return -ENOMEM;
	if (find_files(network, &files) < 0) {
		free(text);
		return -errno;
	}
	result = file_replace_for(files.hosts, text, linux_platform.dnsmasq.gid);
	dnsmasq_files_clear(&files);
	free(text);
	return result;
}

/* Leases */

/* A conversation with the server, whose socket is made when there is something to say. */
struct talk {
	const struct network *network;
	int fd;
};

static bool can_say(struct talk *talk)
{
	if (talk->fd < 0)
		talk->fd = dhcp_message_socket(talk->network->addresses.bridge);
	return talk->fd >= 0;
}

static void end_talk(const struct talk *talk)
{
	if (talk->fd >= 0)
		(void)close(talk->fd);
}

/* What does not reach it is looked after by reservations_keep(). */
static void release(struct talk *talk, const struct dhcp_lease *lease)
{
	if (can_say(talk))
		(void)dhcp_message_release(talk->fd, talk->network->addresses.ipv4_gateway, lease);
}

static void reserve(struct talk *talk, const struct dhcp_lease *lease)
{
	if (can_say(talk))
		(void)dhcp_message_reserve(talk->fd, talk->network->addresses.ipv4_gateway, lease);
}

static void reserve_asked(struct talk *talk, const struct interface *interface)
{
	reserve(talk, &(struct dhcp_lease){
			      .mac = interface->mac,
			      .address = interface->options.ipv4,
			      .is_reserved = true,
		      });
}

/* It is written in its place, and may be found without its end for a moment. */
static char *read_whole(const char *path, size_t *length)
{
	char *text = dnsmasq_file_read(path, length);

	for (int i = 0; i < READS_MAX && text && (*length == 0 || text[*length - 1] != '\n'); i++) {
		free(text);
		text = dnsmasq_file_read(path, length);
	}
	return text;
}

static char *read_leases(const struct network *network, size_t *length)
{
	struct dnsmasq_files files;
	char *text;

	if (find_files(network, &files) < 0)
		return NULL;
	text = read_whole(files.leases, length);
	dnsmasq_files_clear(&files);
	return text;
}

static void take_former(struct talk *talk, struct interface *interface,
			const struct dhcp_lease *lease, struct former_addresses *former)
{
	const struct interface_options *options = &interface->options;
	const bool is_own = mac_address_equal(&lease->mac, &interface->mac);

	if (is_own && former->n < FORMER_MAX)
		former->items[former->n++] = lease->address;
	/* Others know when it comes back: who asked first would have its address. */
	if (is_own && !lease->is_taken && !lease->is_reserved && !options->has_ipv4) {
		interface->may_have_former = true;
		reserve(talk, lease);
		return;
	}
	if (is_own || (options->has_ipv4 && options->ipv4.s_addr == lease->address.s_addr &&
		       !interfaces_have_mac(talk->network, &lease->mac)))
		release(talk, lease);
}

void reservations_begin(const struct network *network, struct interface *interface,
			struct former_addresses *former)
{
	struct talk talk = { network, -1 };
	struct dhcp_lease *leases = NULL;
	size_t length, n;
	char *text = read_leases(network, &length);

	former->n = 0;
	/* Its end has given it back. Of several hosts, its machine may be on its way here. */
	if (interface->options.has_ipv4 && !network->addresses.vxlan_host)
		former->items[former->n++] = interface->options.ipv4;
	if (text && leases_parse(text, length, &leases, &n) == 0)
		for (size_t i = 0; i < n; i++)
			take_former(&talk, interface, &leases[i], former);
	if (text && interface->options.has_ipv6)
		dhcpv6_release(network->addresses.bridge, text, &interface->options.ipv6);
	if (interface->options.has_ipv4)
		reserve_asked(&talk, interface);
	end_talk(&talk);
	free(leases);
	free(text);
}

/* With an address that only this host gives to others. */
static bool may_move(const struct network *network, const struct interface *interface)
{
	return network->addresses.vxlan_host &&
	       ipv4_subnet_contains(network_pool(network->config, &network->addresses),
				    interface->options.ipv4);
}

void reservations_end(const struct network *network, const struct interface *interface)
{
	struct dhcp_lease lease = {
		.mac = interface->mac,
		.address = interface->options.ipv4,
	};
	struct talk talk = { network, -1 };
	size_t length;
	/* First: when it is told something, the server writes them anew. */
	char *text = interface->options.has_ipv6 ? read_leases(network, &length) : NULL;

	if (text)
		dhcpv6_release(network->addresses.bridge, text, &interface->options.ipv6);
	/* Whether its machine has asked or not: unless it may go on elsewhere with it. */
	for (int i = 0; i < 2 && interface->options.has_ipv4 && !may_move(network, interface);
	     i++) {
		release(&talk, &lease);
		lease.is_reserved = true;
	}
	end_talk(&talk);
	free(text);
}

static bool is_leased(const struct interface *interface, const struct dhcp_lease *leases,
		      size_t n_leases)
{
	for (size_t i = 0; i < n_leases; i++)
		if (leases[i].address.s_addr == interface->options.ipv4.s_addr &&
		    mac_address_equal(&leases[i].mac, &interface->mac))
			return true;
	return false;
}

void reservations_keep(const struct network *network, const struct dhcp_lease *leases,
		       size_t n_leases)
{
	struct talk talk = { network, -1 };

	for (const struct interface *i = network->interfaces; i; i = i->next)
		if (i->options.has_ipv4 && i->state != INTERFACE_DETACHING &&
		    !is_leased(i, leases, n_leases))
			reserve_asked(&talk, i);
	end_talk(&talk);
}
