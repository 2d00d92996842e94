/* SPDX-License-Identifier: Apache-2.0 */
/* Each check says what is in the way, whose it is, and what may be had. */
#include "interface_ports.h"

#include <stdarg.h>
#include <string.h>

#include "interface_options.h"
#include "user_limits.h"

/* Each is a rule, and one for each packet that begins a connection. */
#define ENTRIES_MAX 32

__attribute__((format(printf, 2, 3))) static int refuse(struct error *error, const char *format,
							...)
{
	char reason[1024];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	(void)error_set(error, ERROR_INVALID_PARAMETER, "%s", reason);
	error->parameter = "portForwarding";
	return -1;
}

/* What there can be at all */

static int check_mode(const struct network_config *config, struct error *error)
{
	if (config->mode == NETWORK_SHARED)
		return 0;
	return refuse(error,
		      "forwarded ports make no sense on network \"%s\", a \"%s\" network, %s; "
		      "choose a \"shared\" one",
		      config->name, network_mode_name(config->mode),
		      config->mode == NETWORK_HOST
			      ? "which has no way to the outside"
			      : "whose addresses and services are the physical network's");
}

unsigned int interface_ports_kept(const struct interface_options *options)
{
	unsigned int ports = 0;

	for (size_t i = 0; i < options->n_port_forwardings; i++)
		ports += options->port_forwardings[i].n_ports;
	return ports;
}

static int check_sizes(const struct client *client, const struct interface_options *options,
		       struct error *error)
{
	if (options->n_port_forwardings > ENTRIES_MAX)
		return refuse(error,
			      "an interface has %u entries of forwarded ports at the most, not "
			      "%zu; give ports in a row as one",
			      ENTRIES_MAX, options->n_port_forwardings);
	return limits_check_ports(client, interface_ports_kept(options), error);
}

/* The address that stands for all of a family is none. */
static int take_external(struct port_forwarding *port, struct error *error)
{
	const union forwarding_address *address = &port->external_address;
	const bool is_all = port->family == AF_INET ? address->ipv4.s_addr == htonl(INADDR_ANY)
						    : IN6_IS_ADDR_UNSPECIFIED(&address->ipv6);
	char text[INET6_ADDRSTRLEN];
	const char *why;

	if (!port->has_external_address || is_all) {
		port->has_external_address = false;
		return 0;
	}
	why = forwarding_address_explain(port->family, address);
	if (!why)
		return 0;
	return refuse(error, "%s %s; choose one address of the host, or none for all of them",
		      inet_ntop(port->family, address, text, sizeof(text)), why);
}

/* Who may */

static int check_allowed(const struct network_config *config, const struct port_forwarding *port,
			 struct error *error)
{
	const struct allow_port_forwarding *allow = &config->allow_port_forwarding;
	char text[PORT_FORWARDING_TEXT_SIZE];

	(void)port_forwarding_format(port, text);
	if (allow->addresses == ALLOWED_NONE)
		return refuse(error,
			      "%s cannot be had but by root: \"addresses\" in "
			      "\"allow_port_forwarding\" of network \"%s\" is \"none\"",
			      text, config->name);
	if (allow->addresses == ALLOWED_LOOPBACK && !port_forwarding_is_private(port))
		return refuse(error,
			      "%s cannot be had but by root: \"addresses\" in "
			      "\"allow_port_forwarding\" of network \"%s\" is \"loopback\"; choose "
			      "%s",
			      text, config->name, port->family == AF_INET ? "127.0.0.1" : "::1");
	if (port->external_port < allow->from_port)
		return refuse(error,
			      "%s cannot be had but by root: \"from_port\" in "
			      "\"allow_port_forwarding\" of network \"%s\" is %u; choose a port "
			      "from there on",
			      text, config->name, allow->from_port);
	return 0;
}

/* Whose they are */

static int check_own(const struct interface_options *options, size_t n, struct error *error)
{
	struct port_forwarding shared;
	char text[PORT_FORWARDING_TEXT_SIZE];

	if (!port_forwardings_share(&options->port_forwardings[n], 1, options->port_forwardings, n,
				    &shared))
		return 0;
	return refuse(error, "%s cannot be had twice; remove one of both",
		      port_forwarding_format(&shared, text));
}

static int check_config(const struct network_config *config, const struct port_forwarding *port,
			struct error *error)
{
	struct port_forwarding shared;
	char text[PORT_FORWARDING_TEXT_SIZE];

	if (!port_forwardings_share(port, 1, config->port_forwardings, config->n_port_forwardings,
				    &shared))
		return 0;
	return refuse(error,
		      "%s cannot be had: \"port_forwarding\" of network \"%s\" has %s; choose "
		      "another port of the host",
		      port_forwarding_format(&shared, text), config->name,
		      shared.n_ports == 1 ? "it" : "them");
}

static int check_interface(const struct interface *interface, const struct port_forwarding *port,
			   struct error *error)
{
	const struct interface_options *options = &interface->options;
	struct port_forwarding shared;
	char text[PORT_FORWARDING_TEXT_SIZE];
	char who[INTERFACE_WHO_SIZE];

	if (!port_forwardings_share(port, 1, options->port_forwardings, options->n_port_forwardings,
				    &shared))
		return 0;
	return refuse(error,
		      "%s cannot be had: %s has %s; stop that one or choose another port of the "
		      "host",
		      port_forwarding_format(&shared, text), interface_describe(interface, who),
		      shared.n_ports == 1 ? "it" : "them");
}

/* Of a network that ends the ports are free, as far as its configuration does not have them. */
static int check_active(const struct network *network, const struct port_forwarding *port,
			struct error *error)
{
	if (network->state == NETWORK_REMOVING)
		return 0;
	for (const struct interface *i = network->interfaces; i; i = i->next)
		if (check_interface(i, port, error) < 0)
			return -1;
	return check_config(network->config, port, error);
}

static int check_others(const struct broker *broker, const struct port_forwarding *port,
			struct error *error)
{
	const struct config *config = broker->config;

	for (const struct network *network = broker->networks; network; network = network->next)
		if (check_active(network, port, error) < 0)
			return -1;
	for (size_t i = 0; i < config->n_networks; i++)
		if (check_config(config->networks[i], port, error) < 0)
			return -1;
	return 0;
}

/* Where they lead */

static int refuse_family(const struct network *network, const char *family, struct error *error)
{
	return refuse(error,
		      "network \"%s\" gives its machines no %s addresses that ports could lead to",
		      network->config->name, family);
}

static int need_ipv4(const struct network *network, const struct mac_address *mac,
		     struct interface_options *options, struct error *error)
{
	if (options->has_ipv4)
		return 0;
	if (!network_gives_ipv4(network->config))
		return refuse_family(network, "IPv4", error);
	if (interface_choose_ipv4(network, mac, &options->ipv4, error) < 0)
		return -1;
	options->has_ipv4 = options->is_ipv4_chosen = true;
	return 0;
}

/* Another interface may have asked for the one that its machine will make itself. */
static int need_ipv6(const struct network *network, const struct mac_address *mac,
		     struct interface_options *options, struct error *error)
{
	if (options->has_ipv6)
		return 0;
	if (!network_gives_ipv6(network))
		return refuse_family(network, "IPv6", error);
	options->ipv6 = interface_choose_ipv6(network, mac);
	options->has_ipv6 = true;
	return interface_options_check(network, mac, options, error);
}

static int lead(const struct network *network, const struct mac_address *mac,
		struct interface_options *options, struct port_forwarding *port,
		struct error *error)
{
	const bool is_ipv6 = port->family == AF_INET6;
	const size_t size = address_size(port->family);
	const union forwarding_address none = { 0 };
	union forwarding_address own = { 0 };
	char texts[2][INET6_ADDRSTRLEN];

	if ((is_ipv6 ? need_ipv6 : need_ipv4)(network, mac, options, error) < 0)
		return -1;
	if (is_ipv6)
		own.ipv6 = options->ipv6;
	else
		own.ipv4 = options->ipv4;
	if (memcmp(&port->internal_address, &none, size) != 0 &&
	    memcmp(&port->internal_address, &own, size) != 0)
		return refuse(error,
			      "ports lead to the interface's own address, %s, and not to %s; "
			      "leave that out, or ask for it as the interface's",
			      inet_ntop(port->family, &own, texts[0], sizeof(texts[0])),
			      inet_ntop(port->family, &port->internal_address, texts[1],
					sizeof(texts[1])));
	port->internal_address = own;
	return 0;
}

int interface_ports_check(const struct client *client, const struct network *network,
			  const struct mac_address *mac, struct interface_options *options,
			  struct error *error)
{
	if (options->n_port_forwardings == 0)
		return 0;
	if (check_mode(network->config, error) < 0 || check_sizes(client, options, error) < 0)
		return -1;
	for (size_t i = 0; i < options->n_port_forwardings; i++) {
		struct port_forwarding *port = &options->port_forwardings[i];

		if (take_external(port, error) < 0)
			return -1;
		if (client->credentials.uid != 0 && check_allowed(network->config, port, error) < 0)
			return -1;
		if (check_own(options, i, error) < 0 ||
		    check_others(network->broker, port, error) < 0 ||
		    lead(network, mac, options, port, error) < 0)
			return -1;
	}
	return 0;
}
