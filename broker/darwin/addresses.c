/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses vmnet is asked for, in this order:
 *
 *	1. what the configuration says: used by the Mac, or refused by vmnet, it is an error
 *	2. what the network had first: its own, for life
 *	3. what it had instead, when its own were not to be had
 *	4. what vmnet chooses, but for what others have had
 *
 * vmnet does not say what it minds about a request, so that when it refuses,
 * one combination after the other is tried.
 *
 * vmnet lets go of a network 90 ms after the last interface on it was stopped,
 * and refuses its subnet until then; and the interface may be a client's, of
 * which the broker knows nothing. A machine that is started again at once comes
 * before that. What the network had in its last life is therefore asked for
 * again and again, for PATIENCE, before anything less is; but not what it had
 * lost before: a broker that was killed may have left that taken for days.
 */
#include "addresses.h"

#include <CoreFoundation/CoreFoundation.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "configuration.h"
#include "darwin.h"
#include "host.h"

/* Milliseconds. With all else that is to be done no client waits for longer than 3 s. */
#define PATIENCE 2000
#define NAP 100

#define CHOICES_MAX 3

/* What to ask for, the best first. The last one of a network that has no choice is vmnet's. */
struct choices {
	struct ipv4_subnet subnets[CHOICES_MAX];
	size_t n_subnets;
	size_t last_subnet; /* what the network had in its last life; vmnet's when it had none */
	struct ipv6_prefix prefixes[CHOICES_MAX];
	size_t n_prefixes;
	size_t last_prefix;
};

/* Gathering */

static int add_range(struct ranges *ranges, const char *owner, const struct ipv4_subnet *subnet,
		     const struct ipv6_prefix *prefix)
{
	struct range ipv4 = { .ipv4 = *subnet };
	struct range ipv6 = { .ipv6 = *prefix };

	(void)snprintf(ipv4.owner, sizeof(ipv4.owner), "network \"%s\"", owner);
	(void)snprintf(ipv6.owner, sizeof(ipv6.owner), "network \"%s\"", owner);
	if (ranges_add(ranges, &ipv4) < 0)
		return -1;
	return ranges_add(ranges, &ipv6);
}

static int add_other(struct address_request *request, const struct network_config *other)
{
	struct network_state_kept kept;

	(void)state_load(darwin_platform.options->state_dir, other->name, &kept);
	if (add_range(&request->configured, other->name, &other->subnet, &other->ipv6_prefix) < 0 ||
	    add_range(&request->kept_by_others, other->name, &kept.ipv4_subnet, &kept.ipv6_prefix) <
		    0)
		return -1;
	return add_range(&request->kept_by_others, other->name, &kept.ipv4_subnet_instead,
			 &kept.ipv6_prefix_instead);
}

int address_request_gather(const struct network *network, struct address_request *request,
			   struct error *error)
{
	const struct config *config = network->broker->config;
	const char *state_dir = darwin_platform.options->state_dir;
	const char *name = network->config->name;
	int result;

	*request = (struct address_request){ 0 };
	result = state_load(state_dir, name, &request->kept);
	if (result < 0)
		return error_set(error, ERROR_CREATE_FAILED,
				 "its addresses, kept in %s, cannot be read: %s", state_dir,
				 strerror(-result));
	for (size_t i = 0; i < config->n_networks; i++)
		if (strcmp(config->networks[i]->name, name) != 0 &&
		    add_other(request, config->networks[i]) < 0)
			return error_set(error, ERROR_INTERNAL, "out of memory for its addresses");
	return 0;
}

void address_request_clear(struct address_request *request)
{
	ranges_clear(&request->configured);
	ranges_clear(&request->kept_by_others);
	ranges_clear(&request->used);
}

/* Choosing */

/* Only the Mac's own uses keep a network from what the configuration gives it. */
static int check_configured(const struct network_config *config, const struct ranges *used,
			    struct error *error)
{
	const struct range *subnet = ranges_find_ipv4(used, &config->subnet);
	const struct range *prefix = ranges_find_ipv6(used, &config->ipv6_prefix);
	char text[IPV6_PREFIX_TEXT_SIZE];

	if (config->subnet.length > 0 && subnet)
		return error_set(error, ERROR_CREATE_FAILED,
				 "subnet %s is in use by %s; choose another \"subnet\"",
				 ipv4_subnet_format(&config->subnet, text), subnet->owner);
	if (config->ipv6_prefix.length > 0 && prefix)
		return error_set(error, ERROR_CREATE_FAILED,
				 "prefix %s is in use by %s; choose another \"ipv6_prefix\"",
				 ipv6_prefix_format(&config->ipv6_prefix, text), prefix->owner);
	return 0;
}

/* Who keeps the network from what it had: the Mac, or another one's configuration. Or NULL. */
static const struct range *user_of_subnet(const struct address_request *request,
					  const struct ipv4_subnet *subnet)
{
	const struct range *user = ranges_find_ipv4(&request->used, subnet);

	return user ? user : ranges_find_ipv4(&request->configured, subnet);
}

static const struct range *user_of_prefix(const struct address_request *request,
					  const struct ipv6_prefix *prefix)
{
	const struct range *user = ranges_find_ipv6(&request->used, prefix);

	return user ? user : ranges_find_ipv6(&request->configured, prefix);
}

static void add_subnet(struct choices *choices, const struct address_request *request,
		       const struct ipv4_subnet *subnet)
{
	if (subnet->length == 0 || user_of_subnet(request, subnet))
		return;
	choices->last_subnet = choices->n_subnets;
	choices->subnets[choices->n_subnets++] = *subnet;
}

static void add_prefix(struct choices *choices, const struct address_request *request,
		       const struct ipv6_prefix *prefix)
{
	if (prefix->length == 0 || user_of_prefix(request, prefix))
		return;
	choices->last_prefix = choices->n_prefixes;
	choices->prefixes[choices->n_prefixes++] = *prefix;
}

static struct choices find_choices(const struct network_config *config,
				   const struct address_request *request)
{
	const struct network_state_kept *kept = &request->kept;
	struct choices choices = { 0 };

	if (config->subnet.length > 0) {
		choices.subnets[0] = config->subnet;
	} else {
		add_subnet(&choices, request, &kept->ipv4_subnet);
		add_subnet(&choices, request, &kept->ipv4_subnet_instead);
	}
	if (config->ipv6_prefix.length > 0) {
		choices.prefixes[0] = config->ipv6_prefix;
	} else {
		add_prefix(&choices, request, &kept->ipv6_prefix);
		add_prefix(&choices, request, &kept->ipv6_prefix_instead);
	}
	/* What is configured, or, of all zeroes, vmnet's choice. */
	choices.n_subnets++;
	choices.n_prefixes++;
	return choices;
}

/* Asking vmnet */

/* What vmnet says of the network, as the policy has it. */
static void read_addresses(vmnet_network_ref network, struct network_addresses *addresses)
{
	struct in_addr host = { 0 };
	struct in_addr mask = { 0 };
	struct in6_addr prefix = { 0 };
	uint8_t prefix_length = 0;

	vmnet_network_get_ipv4_subnet(network, &host, &mask);
	vmnet_network_get_ipv6_prefix(network, &prefix, &prefix_length);
	addresses->ipv4_subnet.address.s_addr = host.s_addr & mask.s_addr;
	addresses->ipv4_subnet.length = (unsigned int)__builtin_popcount(mask.s_addr);
	addresses->ipv4_gateway = host;
	addresses->ipv6_prefix.address = prefix;
	addresses->ipv6_prefix.length = prefix_length;
}

static bool is_free(const struct address_request *request, const struct ipv4_subnet *subnet)
{
	return !user_of_subnet(request, subnet) &&
	       !ranges_find_ipv4(&request->kept_by_others, subnet);
}

/*
 * vmnet chooses what nobody has at this moment. What is the Mac's own, or
 * another network's that is not active, is held while vmnet is asked once more.
 */
static vmnet_network_ref choose(const struct network_config *config,
				const struct address_request *request, vmnet_return_t *status,
				struct error *error)
{
	const struct wish nothing = { 0 };
	vmnet_network_ref network = configuration_create(config, &nothing, status, error);
	struct network_addresses addresses = { 0 };
	vmnet_network_ref next;

	if (!network)
		return NULL;
	read_addresses(network, &addresses);
	if (is_free(request, &addresses.ipv4_subnet))
		return network;
	next = choose(config, request, status, error);
	/* One that another network has had is better than none. */
	if (!next && !user_of_subnet(request, &addresses.ipv4_subnet))
		return network;
	CFRelease(network);
	return next;
}

/*
 * A prefix is one network's: those that are held while vmnet chooses a subnet do
 * without it, and without ports that may lead into it.
 */
static vmnet_network_ref choose_with_prefix(const struct network_config *config,
					    const struct address_request *request,
					    const struct ipv6_prefix *prefix,
					    vmnet_return_t *status, struct error *error)
{
	struct network_config plain = *config;
	struct network_addresses addresses = { 0 };
	struct wish wish = { .prefix = *prefix };
	vmnet_network_ref network;

	plain.ipv6_prefix.length = 0;
	plain.n_port_forwardings = 0;
	network = choose(&plain, request, status, error);
	if (!network)
		return NULL;
	read_addresses(network, &addresses);
	CFRelease(network);
	wish.subnet = addresses.ipv4_subnet;
	return configuration_create(config, &wish, status, error);
}

static vmnet_network_ref ask(const struct network_config *config,
			     const struct address_request *request, const struct wish *wish,
			     vmnet_return_t *status, struct error *error)
{
	if (wish->subnet.length > 0)
		return configuration_create(config, wish, status, error);
	if (wish->prefix.length > 0)
		return choose_with_prefix(config, request, &wish->prefix, status, error);
	return choose(config, request, status, error);
}

/* Asks for the choices' combinations, from one to before another. */
static vmnet_network_ref ask_for_each(const struct network_config *config,
				      const struct address_request *request,
				      const struct choices *choices, size_t from, size_t end,
				      vmnet_return_t *status, struct error *error)
{
	vmnet_network_ref network = NULL;

	for (size_t i = from; i < end && !network; i++) {
		struct wish wish = {
			.subnet = choices->subnets[i / choices->n_prefixes],
			.prefix = choices->prefixes[i % choices->n_prefixes],
		};

		network = ask(config, request, &wish, status, error);
	}
	return network;
}

static int64_t milliseconds(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000) + time.tv_nsec / 1000000;
}

static void nap(void)
{
	const struct timespec time = { .tv_nsec = NAP * 1000000L };

	(void)nanosleep(&time, NULL);
}

static vmnet_network_ref ask_patiently(const struct network_config *config,
				       const struct address_request *request,
				       const struct choices *choices, struct error *error)
{
	const size_t end = choices->n_subnets * choices->n_prefixes;
	const size_t last = choices->last_subnet * choices->n_prefixes + choices->last_prefix;
	const bool had_some = choices->subnets[choices->last_subnet].length > 0 ||
			      choices->prefixes[choices->last_prefix].length > 0;
	const int64_t deadline = milliseconds() + (had_some ? PATIENCE : 0);
	vmnet_return_t status;
	vmnet_network_ref network =
		ask_for_each(config, request, choices, 0, last + 1, &status, error);

	if (!network && status == VMNET_FAILURE && had_some)
		log_debug(config->name, "vmnet has not let go of its addresses yet");
	while (!network && status == VMNET_FAILURE && milliseconds() < deadline) {
		nap();
		network = ask_for_each(config, request, choices, 0, last + 1, &status, error);
	}
	if (!network)
		network = ask_for_each(config, request, choices, last + 1, end, &status, error);
	return network;
}

vmnet_network_ref addresses_create(const struct network_config *config,
				   struct address_request *request,
				   struct network_addresses *addresses, struct error *error)
{
	int result = host_ranges(&request->used);
	struct choices choices;
	vmnet_network_ref network;

	if (result < 0) {
		error_set(error, ERROR_CREATE_FAILED, "the Mac's addresses cannot be read: %s",
			  strerror(-result));
		return NULL;
	}
	if (check_configured(config, &request->used, error) < 0)
		return NULL;
	choices = find_choices(config, request);
	network = ask_patiently(config, request, &choices, error);
	if (!network)
		return NULL;
	*addresses = (struct network_addresses){ .mtu = config->mtu };
	read_addresses(network, addresses);
	return network;
}

/* Keeping */

static bool is_subnet(const struct ipv4_subnet *a, const struct ipv4_subnet *b)
{
	return a->address.s_addr == b->address.s_addr && a->length == b->length;
}

static bool is_prefix(const struct ipv6_prefix *a, const struct ipv6_prefix *b)
{
	return IN6_ARE_ADDR_EQUAL(&a->address, &b->address) && a->length == b->length;
}

static bool are_kept(const struct network_state_kept *a, const struct network_state_kept *b)
{
	return is_subnet(&a->ipv4_subnet, &b->ipv4_subnet) &&
	       is_subnet(&a->ipv4_subnet_instead, &b->ipv4_subnet_instead) &&
	       is_prefix(&a->ipv6_prefix, &b->ipv6_prefix) &&
	       is_prefix(&a->ipv6_prefix_instead, &b->ipv6_prefix_instead);
}

/*
 * Failing to keep costs the addresses of the next life, not this one. A
 * network's first addresses are its own: others only stand in for them.
 */
static void keep(const struct network_config *config, const struct network_state_kept *before,
		 const struct network_addresses *addresses)
{
	const char *state_dir = darwin_platform.options->state_dir;
	struct network_state_kept kept = *before;
	int result;

	kept.ipv4_subnet_instead = (struct ipv4_subnet){ 0 };
	kept.ipv6_prefix_instead = (struct ipv6_prefix){ 0 };
	if (config->subnet.length > 0 || before->ipv4_subnet.length == 0)
		kept.ipv4_subnet = addresses->ipv4_subnet;
	else if (!is_subnet(&before->ipv4_subnet, &addresses->ipv4_subnet))
		kept.ipv4_subnet_instead = addresses->ipv4_subnet;
	if (config->ipv6_prefix.length > 0 || before->ipv6_prefix.length == 0)
		kept.ipv6_prefix = addresses->ipv6_prefix;
	else if (!is_prefix(&before->ipv6_prefix, &addresses->ipv6_prefix))
		kept.ipv6_prefix_instead = addresses->ipv6_prefix;
	if (are_kept(before, &kept))
		return;
	result = state_save(state_dir, config->name, &kept);
	if (result < 0)
		log_error(config->name, "its addresses cannot be kept in %s: %s", state_dir,
			  strerror(-result));
}

/* user: who has them now; NULL: vmnet does not say. */
static void warn_of_loss(const struct network_config *config, const struct range *user,
			 const char *what, const char *old, const char *new)
{
	if (user)
		log_warning(config->name, "its %s %s is in use by %s now; it gets %s", what, old,
			    user->owner, new);
	else
		log_warning(config->name,
			    "vmnet refuses its old %s %s; it gets %s until that is free", what, old,
			    new);
}

static void warn_of_subnet(const struct network_config *config,
			   const struct address_request *request, const struct ipv4_subnet *now)
{
	const struct ipv4_subnet *own = &request->kept.ipv4_subnet;
	char old[IPV4_SUBNET_TEXT_SIZE];
	char new[IPV4_SUBNET_TEXT_SIZE];

	if (config->subnet.length > 0 || own->length == 0 || is_subnet(own, now))
		return;
	warn_of_loss(config, user_of_subnet(request, own), "subnet", ipv4_subnet_format(own, old),
		     ipv4_subnet_format(now, new));
}

static void warn_of_prefix(const struct network_config *config,
			   const struct address_request *request, const struct ipv6_prefix *now)
{
	const struct ipv6_prefix *own = &request->kept.ipv6_prefix;
	char old[IPV6_PREFIX_TEXT_SIZE];
	char new[IPV6_PREFIX_TEXT_SIZE];

	if (config->ipv6_prefix.length > 0 || own->length == 0 || is_prefix(own, now))
		return;
	warn_of_loss(config, user_of_prefix(request, own), "IPv6 prefix",
		     ipv6_prefix_format(own, old), ipv6_prefix_format(now, new));
}

void addresses_keep(const struct network_config *config, const struct address_request *request,
		    const struct network_addresses *addresses)
{
	warn_of_subnet(config, request, &addresses->ipv4_subnet);
	warn_of_prefix(config, request, &addresses->ipv6_prefix);
	keep(config, &request->kept, addresses);
}
