/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By D-Bus, whose socket is one more of the loop's. systemd-resolved does not look at capabilities:
 * whether the broker's user may is polkit's to say, by the rules in data/polkit. From systemd 259
 * on it asks vmnet-broker-names first, which needs neither, and leads to the same servers.
 */
#include "host_names.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "base/log.h"
#include "broker/linux/linux.h"
#include "broker/linux/notify.h"
#include "host/names.h"
#include "network.h"

#define RESOLVED "org.freedesktop.resolve1"

static struct {
	sd_bus *bus; /* NULL: nobody has been told yet */
	bool refused; /* it was logged */
} resolved;

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ignored)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);

	(void)userdata;
	(void)ignored;
	/* It does not run, or the network has gone meanwhile. */
	if (sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN,
				   SD_BUS_ERROR_NAME_HAS_NO_OWNER,
				   "org.freedesktop.resolve1.NoSuchLink"))
		return 0;
	if (error && !resolved.refused)
		log_warning(NULL,
			    "systemd-resolved takes no name server of a network, and before "
			    "systemd 259 the host does not find machines by name then: %s",
			    error->message ? error->message : error->name);
	resolved.refused = error != NULL;
	return 0;
}

/* Sends a call that does not start systemd-resolved. Returns a negative errno if it cannot. */
static int set(const char *method, int bridge, const char *types, ...)
{
	sd_bus_message *message = NULL;
	va_list arguments;
	int result = sd_bus_message_new_method_call(resolved.bus, &message, RESOLVED,
						    "/org/freedesktop/resolve1",
						    RESOLVED ".Manager", method);

	if (result >= 0)
		result = sd_bus_message_set_auto_start(message, false);
	if (result >= 0)
		result = sd_bus_message_append(message, "i", bridge);
	va_start(arguments, types);
	if (result >= 0)
		result = sd_bus_message_appendv(message, types, arguments);
	va_end(arguments);
	if (result >= 0)
		result = sd_bus_call_async(resolved.bus, NULL, message, on_reply, NULL, 0);
	sd_bus_message_unref(message);
	return result;
}

/* The server comes last: until then the link is asked nothing. */
static int tell(const struct network *network)
{
	const uint8_t *gateway = (const uint8_t *)&network->addresses.ipv4_gateway;
	const int bridge = network_bridge(network);
	char domain[NETWORK_DOMAIN_SIZE];
	int result = set("SetLinkDefaultRoute", bridge, "b", false);

	if (result >= 0)
		result = set("SetLinkDNSOverTLS", bridge, "s", "no");
	if (result >= 0)
		result = set("SetLinkDomains", bridge, "a(sb)", 1,
			     network_domain(network->config->name, domain), true);
	if (result >= 0)
		result = set("SetLinkDNS", bridge, "a(iay)", 1, AF_INET, 4, gateway[0], gateway[1],
			     gateway[2], gateway[3]);
	return result;
}

static bool has_names(const struct network *network)
{
	return network->config->mode != NETWORK_BRIDGED && network->config->dns_proxy &&
	       network->state == NETWORK_ACTIVE && network_bridge(network);
}

static int on_start(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	const char *name, *before, *after;

	(void)userdata;
	(void)error;
	if (sd_bus_message_read(message, "sss", &name, &before, &after) < 0 || !*after)
		return 0;
	for (const struct network *i = linux_platform.broker->networks; i; i = i->next)
		if (has_names(i))
			(void)tell(i);
	return 0;
}

/* Returns a negative errno: -ENOENT where the host has no D-Bus. */
static int open_bus(void)
{
	int result;

	if (resolved.bus && sd_bus_is_open(resolved.bus) > 0)
		return 0;
	host_names_stop();
	result = sd_bus_open_system(&resolved.bus);
	/* Nor is there anything worth to be waited for at the end. */
	if (result >= 0)
		result = sd_bus_set_close_on_exit(resolved.bus, false);
	if (result >= 0)
		result = sd_bus_attach_event(resolved.bus, linux_platform.event,
					     SD_EVENT_PRIORITY_IDLE);
	if (result >= 0)
		result = sd_bus_add_match_async(resolved.bus, NULL,
						"type='signal',sender='org.freedesktop.DBus',"
						"member='NameOwnerChanged',arg0='" RESOLVED "'",
						on_start, NULL, NULL);
	if (result < 0)
		host_names_stop();
	return result;
}

void host_names_offer(const struct network *network)
{
	int result;

	if (!notify_has_manager() || !has_names(network))
		return;
	result = open_bus();
	if (result >= 0)
		result = tell(network);
	if (result < 0 && result != -ENOENT && result != -ECONNREFUSED)
		log_warning(network->config->name, "systemd-resolved cannot be told of it: %s",
			    strerror(-result));
}

void host_names_stop(void)
{
	resolved.bus = sd_bus_close_unref(resolved.bus);
}
