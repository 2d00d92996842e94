/* SPDX-License-Identifier: Apache-2.0 */
/* Names and addresses of interfaces: whose they are, and which are free. Limits of rates. */
#include "interface_options.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/machine_name.h"
#include "platform.h"

/* So many addresses are looked at for a free one: a full network of any size is no long search. */
#define LOOKS_MAX 1024

static uint64_t hash(uint64_t value, const void *bytes, size_t size)
{
	for (const uint8_t *byte = bytes; size > 0; byte++, size--)
		value = (value ^ *byte) * UINT64_C(0x100000001b3);
	return value;
}

/* The last bytes reach all bits of what is made of it. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 33) * UINT64_C(0xff51afd7ed558ccd);
	value = (value ^ value >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return value ^ value >> 33;
}

struct mac_address interface_named_mac(const struct network *network, const struct host_key *key,
				       uid_t uid, const char *name, unsigned int attempt)
{
	const uint32_t numbers[] = { (uint32_t)uid, attempt };
	uint64_t value = hash(UINT64_C(0xcbf29ce484222325), key->bytes, sizeof(key->bytes));
	struct mac_address mac;

	value = hash(value, network->config->name, strlen(network->config->name) + 1);
	value = hash(value, numbers, sizeof(numbers));
	for (; *name; name++)
		value = hash(value, &(char){ (char)tolower((unsigned char)*name) }, 1);
	value = mix(value);
	memcpy(mac.bytes, &value, sizeof(mac.bytes));
	mac.bytes[0] = (uint8_t)((mac.bytes[0] & 0xfc) | 0x02);
	return mac;
}

/* Who has it */

static const struct dhcp_reservation *reservation_of(const struct network_config *config,
						     const struct mac_address *mac)
{
	for (size_t i = 0; mac && i < config->n_dhcp_reservations; i++)
		if (mac_address_equal(&config->dhcp_reservations[i].mac, mac))
			return &config->dhcp_reservations[i];
	return NULL;
}

static const struct mac_address *reserved_name(const struct network_config *config,
					       const char *name)
{
	for (size_t i = 0; i < config->n_dhcp_reservations; i++) {
		const struct dhcp_reservation *reservation = &config->dhcp_reservations[i];

		if (reservation->hostname && strcasecmp(reservation->hostname, name) == 0)
			return &reservation->mac;
	}
	return NULL;
}

static const struct mac_address *reserved_ipv4(const struct network_config *config,
					       struct in_addr address)
{
	for (size_t i = 0; i < config->n_dhcp_reservations; i++)
		if (config->dhcp_reservations[i].address.s_addr == address.s_addr)
			return &config->dhcp_reservations[i].mac;
	return NULL;
}

static const struct mac_address *asked_ipv4(const struct network *network, struct in_addr address)
{
	for (const struct interface *i = network->interfaces; i; i = i->next)
		if (i->options.has_ipv4 && i->options.ipv4.s_addr == address.s_addr)
			return &i->mac;
	return NULL;
}

/* By a machine that is there. */
static const struct mac_address *leased_ipv4(const struct network *network, struct in_addr address)
{
	const struct mac_address *taken;
	char text[INET_ADDRSTRLEN];

	(void)inet_ntop(AF_INET, &address, text, sizeof(text));
	for (const struct lease *lease = network->leases; lease; lease = lease->next)
		if (strcmp(lease->address, text) == 0 && interfaces_have_mac(network, &lease->mac))
			return &lease->mac;
	taken = platform_taken_ipv4(network, address);
	return taken && interfaces_have_mac(network, taken) ? taken : NULL;
}

/* As far as the hosts that the network is on have heard of each other. */
static const struct mac_address *known_ipv4(const struct network *network, struct in_addr address)
{
	bool is_elsewhere;

	return platform_known_ipv4(network, address, &is_elsewhere);
}

static bool is_other(const struct mac_address *whose, const struct mac_address *mac)
{
	return whose && !(mac && mac_address_equal(whose, mac));
}

static bool is_given_by_nobody(const struct network *network, const struct mac_address *mac,
			       struct in_addr address)
{
	return !is_other(reserved_ipv4(network->config, address), mac) &&
	       !asked_ipv4(network, address) && !is_other(leased_ipv4(network, address), mac);
}

static bool is_free(const struct network *network, const struct mac_address *mac,
		    struct in_addr address)
{
	return is_given_by_nobody(network, mac, address) &&
	       !is_other(known_ipv4(network, address), mac);
}

/*
 * The same when all of them are known: a machine elsewhere can say that it has any number, but
 * this host's server leases it a few.
 */
static bool is_only_claimed(const struct network *network, const struct mac_address *mac,
			    struct in_addr address)
{
	const struct mac_address *whose = known_ipv4(network, address);
	char text[INET_ADDRSTRLEN];

	(void)inet_ntop(AF_INET, &address, text, sizeof(text));
	for (const struct lease *lease = network->leases; lease && whose; lease = lease->next)
		if (strcmp(lease->address, text) == 0 && mac_address_equal(&lease->mac, whose))
			return false;
	whose = platform_taken_ipv4(network, address);
	return !is_other(whose, mac) && is_given_by_nobody(network, mac, address);
}

/* What is free */

/* Without the network's own, the host's and the broadcast address. */
static uint32_t count_hosts(const struct ipv4_subnet *subnet)
{
	return (UINT32_MAX >> subnet->length) - 2;
}

typedef bool free_function(const struct network *network, const struct mac_address *mac,
			   struct in_addr address);

static bool find(const struct network *network, const struct mac_address *mac, uint32_t from,
		 free_function *is_right, struct in_addr *address)
{
	const struct ipv4_subnet *pool = network_pool(network->config, &network->addresses);
	const uint32_t n = count_hosts(pool);

	for (uint32_t i = 0; i < n && i < LOOKS_MAX; i++) {
		*address = ipv4_subnet_host(pool, 2 + (from % n + i) % n);
		if (is_right(network, mac, *address))
			return true;
	}
	return false;
}

/* Looks from one of them on. Returns whether there is one. */
static bool find_free(const struct network *network, const struct mac_address *mac, uint32_t from,
		      struct in_addr *address)
{
	return find(network, mac, from, is_free, address) ||
	       (network->addresses.vxlan_host &&
		find(network, mac, from, is_only_claimed, address));
}

int interface_choose_ipv4(const struct network *network, const struct mac_address *mac,
			  struct in_addr *address, struct error *error)
{
	const struct dhcp_reservation *reservation = reservation_of(network->config, mac);
	const uint64_t from = mix(hash(0, mac, sizeof(*mac)));

	if (reservation) {
		*address = reservation->address;
		return 0;
	}
	if (platform_moved_ipv4(network, mac, address) && is_free(network, mac, *address))
		return 0;
	for (const struct lease *lease = network->leases; lease; lease = lease->next)
		if (mac_address_equal(&lease->mac, mac) &&
		    inet_pton(AF_INET, lease->address, address) == 1 &&
		    is_free(network, mac, *address))
			return 0;
	if (find_free(network, mac, (uint32_t)from, address))
		return 0;
	error_set(error, ERROR_INVALID_PARAMETER,
		  "no IPv4 address is free on network \"%s\"; stop a machine, or give %s",
		  network->config->name,
		  network->addresses.vxlan_host ? "this host a larger \"pool\""
						: "the network a larger \"subnet\"");
	error->parameter = "ipv4Address";
	return -1;
}

struct in6_addr interface_choose_ipv6(const struct network *network, const struct mac_address *mac)
{
	struct in6_addr address = network->addresses.ipv6_prefix.address;
	uint8_t *own = address.s6_addr + 8;

	memcpy(own, mac->bytes, 3);
	own[0] ^= 2;
	own[3] = 0xff;
	own[4] = 0xfe;
	memcpy(own + 5, mac->bytes + 3, 3);
	return address;
}

/* Names */

static int refuse(struct error *error, const char *parameter)
{
	error->parameter = parameter;
	return -1;
}

static bool is_name_of_host(const struct network_config *config, const char *name)
{
	for (size_t i = 0; i < config->vxlan.n_hosts; i++)
		if (strcasecmp(config->vxlan.hosts[i].name, name) == 0)
			return true;
	return false;
}

static int check_name(const struct network *network, const struct mac_address *mac,
		      const char *name, struct error *error)
{
	const struct mac_address *reserved = reserved_name(network->config, name);
	char text[MAC_TEXT_SIZE];

	for (const struct interface *i = network->interfaces; i; i = i->next) {
		if (strcasecmp(i->options.name, name) != 0)
			continue;
		error_set(error, ERROR_INVALID_PARAMETER,
			  "name \"%s\" is that of a machine on network \"%s\" already, MAC address "
			  "%s; stop it or choose another",
			  name, network->config->name, mac_address_format(&i->mac, text));
		return refuse(error, "name");
	}
	if (is_other(reserved, mac))
		error_set(error, ERROR_INVALID_PARAMETER,
			  "name \"%s\" is reserved on network \"%s\" for MAC address %s; choose "
			  "another",
			  name, network->config->name, mac_address_format(reserved, text));
	else if (is_name_of_host(network->config, name))
		error_set(error, ERROR_INVALID_PARAMETER,
			  "name \"%s\" is that of a host of network \"%s\"; choose another", name,
			  network->config->name);
	else if (machine_name_is_sought(name))
		error_set(error, ERROR_INVALID_PARAMETER,
			  "name \"%s\" is one that programs look for by themselves, and no "
			  "machine's; choose another",
			  name);
	else if (machine_name_is_dhcp_word(name))
		error_set(error, ERROR_INVALID_PARAMETER,
			  "name \"%s\" means something else to a DHCP server; choose another",
			  name);
	else
		return 0;
	return refuse(error, "name");
}

/* IPv4 */

bool network_gives_ipv4(const struct network_config *config)
{
	return config->mode != NETWORK_BRIDGED && config->dhcp;
}

static const char *whose_ipv4(const struct network *network, struct in_addr address,
			      char owner[VXLAN_OWNER_SIZE])
{
	const struct ipv4_subnet *subnet = &network->addresses.ipv4_subnet;

	if (address.s_addr == subnet->address.s_addr)
		return "the network's own";
	if (address.s_addr == ipv4_subnet_host(subnet, 1).s_addr)
		return "the host's";
	if (address.s_addr == ipv4_subnet_last(subnet).s_addr)
		return "the broadcast address";
	return vxlan_owner(network->config, AF_INET, &address, owner);
}

/* Fills an error that ends with an address that is free, if there is one. */
static int refuse_ipv4(const struct network *network, const struct mac_address *mac,
		       const struct interface_options *options, const char *why,
		       struct error *error)
{
	const struct ipv4_subnet *pool = network_pool(network->config, &network->addresses);
	uint32_t offset = ntohl(options->ipv4.s_addr) - ntohl(pool->address.s_addr);
	char text[INET_ADDRSTRLEN];
	char other[INET_ADDRSTRLEN];
	struct in_addr address;
	bool is_one_free = find_free(
		network, mac,
		ipv4_subnet_contains(pool, options->ipv4) && offset > 2 ? offset - 2 : 0, &address);

	(void)inet_ntop(AF_INET, &options->ipv4, text, sizeof(text));
	error_set(error, ERROR_INVALID_PARAMETER, "IPv4 address %s %s on network \"%s\"; %s%s",
		  text, why, network->config->name,
		  is_one_free ? inet_ntop(AF_INET, &address, other, sizeof(other))
			      : "no other was found",
		  is_one_free ? " is free" : "");
	return refuse(error, "ipv4Address");
}

static int refuse_ipv4_of(const struct network *network, const struct mac_address *mac,
			  const struct interface_options *options, const char *how,
			  const struct mac_address *whose, struct error *error)
{
	char text[MAC_TEXT_SIZE];
	char why[64];

	(void)snprintf(why, sizeof(why), "%s MAC address %s", how, mac_address_format(whose, text));
	return refuse_ipv4(network, mac, options, why, error);
}

/* Somebody else's, who may be elsewhere. */
static int refuse_known_ipv4(const struct network *network, const struct mac_address *mac,
			     const struct interface_options *options, struct error *error)
{
	char text[MAC_TEXT_SIZE];
	char why[VXLAN_OWNER_SIZE + 64];
	const struct mac_address *whose;
	bool is_elsewhere;

	whose = platform_known_ipv4(network, options->ipv4, &is_elsewhere);
	(void)snprintf(why, sizeof(why), "is that of MAC address %s%s",
		       mac_address_format(whose, text), is_elsewhere ? " on another host" : "");
	return refuse_ipv4(network, mac, options, why, error);
}

static int refuse_to_give(const struct network *network, const char *parameter, const char *key,
			  struct error *error)
{
	if (network->config->mode == NETWORK_BRIDGED)
		error_set(error, ERROR_INVALID_PARAMETER,
			  "network \"%s\" is bridged: its machines get their addresses from the "
			  "outside; ask for this one there",
			  network->config->name);
	else
		error_set(error, ERROR_INVALID_PARAMETER,
			  "network \"%s\" gives no such addresses: it would take \"%s\"",
			  network->config->name, key);
	return refuse(error, parameter);
}

static int check_ipv4(const struct network *network, const struct mac_address *mac,
		      const struct interface_options *options, struct error *error)
{
	const struct ipv4_subnet *subnet = &network->addresses.ipv4_subnet;
	const struct dhcp_reservation *own = reservation_of(network->config, mac);
	const struct in_addr address = options->ipv4;
	const struct vxlan_host *other =
		network_other_host(network->config, &network->addresses, address);
	char owner[VXLAN_OWNER_SIZE];
	char text[IPV4_SUBNET_TEXT_SIZE];
	char why[VXLAN_OWNER_SIZE + 32];
	const char *whose;

	if (!network_gives_ipv4(network->config))
		return refuse_to_give(network, "ipv4Address", "dhcp", error);
	if (!ipv4_subnet_contains(subnet, address)) {
		(void)snprintf(why, sizeof(why), "is outside of %s",
			       ipv4_subnet_format(subnet, text));
		return refuse_ipv4(network, mac, options, why, error);
	}
	whose = whose_ipv4(network, address, owner);
	if (whose) {
		(void)snprintf(why, sizeof(why), "is %s", whose);
		return refuse_ipv4(network, mac, options, why, error);
	}
	if (is_other(reserved_ipv4(network->config, address), mac))
		return refuse_ipv4_of(network, mac, options, "is reserved for",
				      reserved_ipv4(network->config, address), error);
	if (asked_ipv4(network, address))
		return refuse_ipv4_of(network, mac, options, "is that of",
				      asked_ipv4(network, address), error);
	if (is_other(leased_ipv4(network, address), mac))
		return refuse_ipv4_of(network, mac, options, "is leased to",
				      leased_ipv4(network, address), error);
	if (is_other(known_ipv4(network, address), mac))
		return refuse_known_ipv4(network, mac, options, error);
	if (own && own->address.s_addr == address.s_addr)
		return 0;
	/* A machine that has come from there keeps it. */
	if (other && !known_ipv4(network, address)) {
		(void)snprintf(why, sizeof(why), "is of the pool of host \"%s\"", other->name);
		return refuse_ipv4(network, mac, options, why, error);
	}
	if (!own)
		return 0;
	(void)snprintf(why, sizeof(why), "is not %s, the one of this MAC address",
		       inet_ntop(AF_INET, &own->address, text, sizeof(text)));
	return refuse_ipv4(network, mac, options, why, error);
}

/* IPv6 */

bool network_gives_ipv6(const struct network *network)
{
	return network->config->mode != NETWORK_BRIDGED && network->config->router_advertisement &&
	       network->addresses.ipv6_prefix.length > 0;
}

/* Those that were asked for, and those that machines make of their MAC addresses. */
static const struct mac_address *whose_ipv6(const struct network *network,
					    const struct in6_addr *address)
{
	for (const struct interface *i = network->interfaces; i; i = i->next) {
		struct in6_addr own = interface_choose_ipv6(network, &i->mac);

		if (IN6_ARE_ADDR_EQUAL(&own, address) ||
		    (i->options.has_ipv6 && IN6_ARE_ADDR_EQUAL(&i->options.ipv6, address)))
			return &i->mac;
	}
	return NULL;
}

static int check_ipv6(const struct network *network, const struct mac_address *mac,
		      const struct in6_addr *address, struct error *error)
{
	const struct ipv6_prefix *prefix = &network->addresses.ipv6_prefix;
	const struct mac_address *whose;
	char owner[VXLAN_OWNER_SIZE];
	const char *host = NULL;
	char text[INET6_ADDRSTRLEN];
	char prefix_text[IPV6_PREFIX_TEXT_SIZE];
	char mac_text[MAC_TEXT_SIZE];
	bool is_elsewhere = false;

	if (!network_gives_ipv6(network))
		return refuse_to_give(network, "ipv6Address", "router_advertisement", error);
	(void)inet_ntop(AF_INET6, address, text, sizeof(text));
	(void)ipv6_prefix_format(prefix, prefix_text);
	whose = whose_ipv6(network, address);
	if (!whose) {
		whose = platform_known_ipv6(network, address, &is_elsewhere);
		whose = is_other(whose, mac) ? whose : NULL;
	}
	if (IN6_ARE_ADDR_EQUAL(address, &prefix->address))
		host = "the network's own";
	else if (IN6_ARE_ADDR_EQUAL(address, &network->addresses.ipv6_gateway))
		host = "the host's";
	else
		host = vxlan_owner(network->config, AF_INET6, address, owner);
	if (!ipv6_prefix_contains(prefix, address))
		error_set(error, ERROR_INVALID_PARAMETER,
			  "IPv6 address %s is outside of %s on network \"%s\"; choose one of it",
			  text, prefix_text, network->config->name);
	else if (host)
		error_set(error, ERROR_INVALID_PARAMETER,
			  "IPv6 address %s is %s on network \"%s\"; choose another of %s", text,
			  host, network->config->name, prefix_text);
	else if (whose)
		error_set(error, ERROR_INVALID_PARAMETER,
			  "IPv6 address %s is that of MAC address %s%s on network \"%s\"; choose "
			  "another of %s",
			  text, mac_address_format(whose, mac_text),
			  is_elsewhere ? " on another host" : "", network->config->name,
			  prefix_text);
	else
		return 0;
	return refuse(error, "ipv6Address");
}

int interface_options_check(const struct network *network, const struct mac_address *mac,
			    const struct interface_options *options, struct error *error)
{
	if (options->name[0] && check_name(network, mac, options->name, error) < 0)
		return -1;
	if (options->has_ipv4 && check_ipv4(network, mac, options, error) < 0)
		return -1;
	return options->has_ipv6 ? check_ipv6(network, mac, &options->ipv6, error) : 0;
}

/* common: the network's, for those that ask for none. */
static int set_rate(struct rate_limit *rate, const struct rate_limit *common, const char *parameter,
		    struct error *error)
{
	if (!rate->bits_per_second)
		*rate = *common;
	if (!rate->bits_per_second)
		return 0;
	if (!rate_limit_is_valid(rate)) {
		error_set(error, ERROR_INVALID_PARAMETER,
			  "a rate can be limited to between %u and %" PRIu64 " bits per second, "
			  "with bursts of %u to %u bytes",
			  RATE_MIN, RATE_MAX, RATE_BURST_MIN, RATE_BURST_MAX);
		error->parameter = parameter;
		return -1;
	}
	rate->burst_bytes = rate_limit_burst(rate);
	return 0;
}

bool interface_may_have_ipv4(const struct interface *interface, struct in_addr address)
{
	const struct interface_options options = { .has_ipv4 = true, .ipv4 = address };
	const struct network *network = interface->network;
	struct error ignored;

	return network_gives_ipv4(network->config) &&
	       interface_options_check(network, &interface->mac, &options, &ignored) == 0;
}

int interface_options_set_rates(const struct network *network, struct interface_options *options,
				struct error *error)
{
	const struct network_config *config = network->config;

	if (set_rate(&options->rate_in, &config->rate_limit_in, "rateLimitIn", error) < 0)
		return -1;
	return set_rate(&options->rate_out, &config->rate_limit_out, "rateLimitOut", error);
}
