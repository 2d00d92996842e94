/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where addresses come from, in this order:
 *
 *	1. what the configuration says: taken by somebody else, it is an error
 *	2. what the network had in its last life, unless taken since
 *	3. a free subnet, a random prefix (RFC 4193), a random MAC address
 *
 * Taken is what the host uses at this moment, and what other networks are
 * configured with or have had: theirs is kept for them, too. A route that is
 * broader than the subnet, of a VPN for instance, takes nothing: what is for the
 * network's machines goes to them all the same.
 *
 * A network that is on several hosts has what its configuration says on all of them: the gateway's
 * addresses, from which its MAC address is made, too. Each host finds itself by its address.
 */
#include "addresses.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/subnet.h"
#include "broker/platform.h"
#include "broker/state.h"
#include "host/link.h"
#include "host/ranges.h"
#include "host/route.h"
#include "host/vxlan_link.h"
#include "tap.h"

#define PREFIX_LENGTH 64
#define IPV6_MTU_MIN 1280U /* RFC 8200 */
#define ETHERNET_MTU 1500U

static int out_of_memory(struct error *error)
{
	return error_set(error, ERROR_CREATE_FAILED, "out of memory for its addresses");
}

static int add_other(struct ranges *taken, const struct other_network *other, const char *state_dir)
{
	struct network_state_kept kept = { 0 };
	struct range ipv4 = { .ipv4 = other->subnet };
	struct range ipv6 = { .ipv6 = other->prefix };

	if (!ipv4.ipv4.length || !ipv6.ipv6.length)
		(void)state_load(state_dir, other->name, &kept);
	if (!ipv4.ipv4.length)
		ipv4.ipv4 = kept.ipv4_subnet;
	if (!ipv6.ipv6.length)
		ipv6.ipv6 = kept.ipv6_prefix;
	(void)snprintf(ipv4.owner, sizeof(ipv4.owner), "network \"%s\"", other->name);
	(void)snprintf(ipv6.owner, sizeof(ipv6.owner), "network \"%s\"", other->name);
	if (ranges_add(taken, &ipv4) < 0)
		return -1;
	return ranges_add(taken, &ipv6);
}

/* Only the host's own uses keep a network from what the configuration gives it. */
static int check_configured(const struct network_config *config, const struct ranges *host,
			    struct error *error)
{
	const struct range *subnet = ranges_find_ipv4(host, &config->subnet);
	const struct range *prefix = ranges_find_ipv6(host, &config->ipv6_prefix);
	char text[IPV6_PREFIX_TEXT_SIZE];
	char owner[RANGE_OWNER_SIZE];

	if (config->subnet.length && subnet)
		return error_set(error, ERROR_CREATE_FAILED,
				 "subnet %s is in use by %s; choose another \"subnet\"",
				 ipv4_subnet_format(&config->subnet, text),
				 range_owner(subnet, owner));
	if (config->ipv6_prefix.length && !link_ipv6_is_available())
		return error_set(error, ERROR_CREATE_FAILED,
				 "IPv6 is switched off on this host; %sswitch it on "
				 "(net.ipv6.conf.default.disable_ipv6)",
				 config->vxlan.vni ? "" : "remove \"ipv6_prefix\", or ");
	if (config->ipv6_prefix.length && prefix)
		return error_set(error, ERROR_CREATE_FAILED,
				 "prefix %s is in use by %s; choose another \"ipv6_prefix\"",
				 ipv6_prefix_format(&config->ipv6_prefix, text),
				 range_owner(prefix, owner));
	return 0;
}

static int choose_subnet(const struct network_config *config, const struct ranges *taken,
			 struct ipv4_subnet *subnet, struct error *error)
{
	const struct range *user = ranges_find_ipv4(taken, subnet);
	struct ipv4_subnet before = *subnet;
	char old[IPV4_SUBNET_TEXT_SIZE];
	char new[IPV4_SUBNET_TEXT_SIZE];
	char owner[RANGE_OWNER_SIZE];

	if (config->subnet.length) {
		*subnet = config->subnet;
		return 0;
	}
	if (before.length && !user)
		return 0;
	if (subnet_choose(taken, subnet) < 0)
		return error_set(error, ERROR_CREATE_FAILED,
				 "no /24 of 192.168.0.0/16, 10.0.0.0/8 or 172.16.0.0/12 is free; "
				 "set its \"subnet\"");
	if (before.length)
		log_warning(config->name, "its subnet %s is in use by %s now; it gets %s",
			    ipv4_subnet_format(&before, old), range_owner(user, owner),
			    ipv4_subnet_format(subnet, new));
	return 0;
}

static void choose_prefix(const struct network_config *config, const struct ranges *taken,
			  struct ipv6_prefix *prefix)
{
	const struct range *user = ranges_find_ipv6(taken, prefix);
	struct ipv6_prefix before = *prefix;
	char old[IPV6_PREFIX_TEXT_SIZE];
	char new[IPV6_PREFIX_TEXT_SIZE];
	char owner[RANGE_OWNER_SIZE];

	if (config->ipv6_prefix.length) {
		*prefix = config->ipv6_prefix;
		return;
	}
	if (before.length && !user)
		return;
	/* fd, 40 random bits, subnet 0: nobody has the same by accident. */
	*prefix = (struct ipv6_prefix){ .length = PREFIX_LENGTH };
	prefix->address.s6_addr[0] = 0xfd;
	platform_random(&prefix->address.s6_addr[1], 5);
	if (before.length)
		log_warning(config->name, "its prefix %s is in use by %s now; it gets %s",
			    ipv6_prefix_format(&before, old), range_owner(user, owner),
			    ipv6_prefix_format(prefix, new));
}

static void choose_mac(struct mac_address *mac)
{
	if (!mac_address_is_unicast(mac)) {
		platform_random(mac->bytes, sizeof(mac->bytes));
		mac->bytes[0] = (uint8_t)((mac->bytes[0] & 0xfc) | 0x02);
	}
}

static int gather(const struct network_config *config, const struct other_network *others,
		  size_t n_others, const char *state_dir, struct ranges *taken, struct error *error)
{
	int result = ranges_of_host(taken);

	if (result < 0)
		return error_set(error, ERROR_CREATE_FAILED,
				 "the host's addresses cannot be read: %s", strerror(-result));
	if (check_configured(config, taken, error) < 0)
		return -1;
	for (size_t i = 0; i < n_others; i++)
		if (add_other(taken, &others[i], state_dir) < 0)
			return out_of_memory(error);
	return 0;
}

void addresses_set(struct network_addresses *addresses, const struct ipv4_subnet *subnet,
		   const struct ipv6_prefix *prefix)
{
	addresses->ipv4_subnet = *subnet;
	if (subnet->length)
		addresses->ipv4_gateway = ipv4_subnet_host(subnet, 1);
	addresses->ipv6_prefix = *prefix;
	if (prefix->length)
		addresses->ipv6_gateway = ipv6_prefix_host(prefix, 1);
}

void addresses_set_own(const struct network_config *config, unsigned int vxlan_host,
		       struct network_addresses *addresses)
{
	const struct vxlan_host *host;

	if (!vxlan_host || vxlan_host > config->vxlan.n_hosts)
		return;
	host = &config->vxlan.hosts[vxlan_host - 1];
	addresses->vxlan_host = vxlan_host;
	addresses->own_ipv4 = vxlan_host_ipv4(host);
	addresses->own_ipv6 = vxlan_host_ipv6(config, host);
	addresses->own_mac = vxlan_mac(addresses->own_ipv4);
	addresses->bridge_mac = vxlan_mac(ipv4_subnet_host(&config->subnet, 1));
}

/* The least that passes between a host and the others; of: gets whither, NULL: to none of them. */
static unsigned int underlay_mtu(const struct vxlan *vxlan, const struct vxlan_host *own,
				 const struct vxlan_host **of)
{
	unsigned int least = 0;

	*of = NULL;
	for (size_t i = 0; i < vxlan->n_hosts; i++) {
		const struct vxlan_host *host = &vxlan->hosts[i];
		unsigned int mtu;

		if (host == own)
			continue;
		mtu = route_mtu(vxlan->family, &own->address, &host->address);
		if (!mtu || (least && mtu >= least))
			continue;
		least = mtu;
		*of = host;
	}
	if (!least)
		least = route_mtu(vxlan->family, &own->address, &own->address);
	return least ? least : ETHERNET_MTU;
}

static int set_mtu(const struct network_config *config, const struct vxlan_host *own,
		   unsigned int *mtu, struct error *error)
{
	const struct vxlan *vxlan = &config->vxlan;
	const unsigned int size = VXLAN_HEADERS_SIZE(vxlan->family);
	const struct vxlan_host *of;
	const unsigned int underlay = underlay_mtu(vxlan, own, &of);
	unsigned int most;
	char way[sizeof("the way to host \"\"") + DNS_LABEL_MAX] = "this host's underlay";

	if (of)
		(void)snprintf(way, sizeof(way), "the way to host \"%s\"", of->name);
	if (underlay < IPV6_MTU_MIN + size)
		return error_set(error, ERROR_CREATE_FAILED,
				 "the MTU of %s is %u, which leaves less than the %u that a "
				 "network needs; raise it to at least %u",
				 way, underlay, IPV6_MTU_MIN, IPV6_MTU_MIN + size);
	most = underlay - size < TAP_MTU_MAX ? underlay - size : TAP_MTU_MAX;
	if (config->mtu > most)
		return error_set(error, ERROR_CREATE_FAILED,
				 "\"mtu\" %u is too large, as that of %s is %u, of which VXLAN "
				 "takes %u; choose %u on all hosts, or remove it",
				 config->mtu, way, underlay, size, most);
	*mtu = config->mtu ? config->mtu : most;
	return 0;
}

int addresses_find_host(const struct network_config *config, struct network_addresses *addresses,
			struct error *error)
{
	const struct vxlan *vxlan = &config->vxlan;
	const struct vxlan_host *own = NULL;

	for (size_t i = 0; i < vxlan->n_hosts; i++) {
		const struct vxlan_host *host = &vxlan->hosts[i];

		if (!route_is_to_host(vxlan->family, &host->address))
			continue;
		if (own)
			return error_set(error, ERROR_CREATE_FAILED,
					 "the addresses of its hosts \"%s\" and \"%s\" are both "
					 "this host's; give each host of \"vxlan\" one of its own",
					 own->name, host->name);
		own = host;
	}
	if (!own)
		return error_set(error, ERROR_CREATE_FAILED,
				 "none of its hosts has an address of this host; add this one to "
				 "the \"hosts\" of \"vxlan\", or the address of one to this host");
	addresses_set_own(config, (unsigned int)(own - vxlan->hosts) + 1, addresses);
	return set_mtu(config, own, &addresses->mtu, error);
}

int addresses_choose(const struct network_config *config, const struct other_network *others,
		     size_t n_others, const char *state_dir, struct network_addresses *addresses,
		     struct error *error)
{
	struct network_state_kept kept;
	struct ranges taken = { 0 };
	int result;

	result = state_load(state_dir, config->name, &kept);
	if (result < 0)
		return error_set(error, ERROR_CREATE_FAILED,
				 "its addresses, kept in %s, cannot be read: %s", state_dir,
				 strerror(-result));
	result = gather(config, others, n_others, state_dir, &taken, error);
	if (result == 0)
		result = choose_subnet(config, &taken, &kept.ipv4_subnet, error);
	if (result == 0) {
		choose_prefix(config, &taken, &kept.ipv6_prefix);
		choose_mac(&kept.bridge_mac);
	}
	ranges_clear(&taken);
	if (result < 0)
		return -1;
	addresses_set(addresses, &kept.ipv4_subnet,
		      link_ipv6_is_available() ? &kept.ipv6_prefix : &(struct ipv6_prefix){ 0 });
	addresses->bridge_mac = kept.bridge_mac;
	return config->vxlan.vni ? addresses_find_host(config, addresses, error) : 0;
}

static bool is_changed(const struct network_state_kept *before,
		       const struct network_state_kept *after)
{
	return memcmp(&before->ipv4_subnet, &after->ipv4_subnet, sizeof(after->ipv4_subnet)) != 0 ||
	       memcmp(&before->ipv6_prefix, &after->ipv6_prefix, sizeof(after->ipv6_prefix)) != 0 ||
	       !mac_address_equal(&before->bridge_mac, &after->bridge_mac);
}

int addresses_keep(const char *state_dir, const char *network,
		   const struct network_addresses *addresses)
{
	struct network_state_kept before;
	struct network_state_kept kept;

	(void)state_load(state_dir, network, &before);
	kept = before;
	kept.ipv4_subnet = addresses->ipv4_subnet;
	/* A host without IPv6 may have it again in the next life. */
	if (addresses->ipv6_prefix.length)
		kept.ipv6_prefix = addresses->ipv6_prefix;
	kept.bridge_mac = addresses->bridge_mac;
	return is_changed(&before, &kept) ? state_save(state_dir, network, &kept) : 0;
}
