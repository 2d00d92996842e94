/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnet_broker_attach() and what belongs to it: what is asked for, and whether that is what came,
 * with its descriptors. How those are received is transport.c's.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "reconnect.h"

/* Of the form of a MAC address, which the broker will look at more closely. */
static bool has_mac_form(const char *text)
{
	return strlen(text) == sizeof("00:00:00:00:00:00") - 1 &&
	       strspn(text, "0123456789abcdefABCDEF:") == strlen(text);
}

/* Why no machine can have the address, or NULL. */
static const char *why_nobodys(const char *mac)
{
	if (strspn(mac, "0:") == strlen(mac))
		return "is nobody's";
	return strtoul(mac, NULL, 16) & 1 ? "is that of a group, since its first byte is odd"
					  : NULL;
}

/* Whether the options' texts have the right form; else a sentence is set. */
static bool check_mac(struct vmnet_broker *broker, const char *network, const char *mac)
{
	if (!mac)
		return true;
	if (!has_mac_form(mac)) {
		vmnet_broker_set_error(&broker->error,
				       "network \"%s\": \"%s\" is no MAC address; write it like "
				       "52:54:00:12:34:56",
				       network, mac);
		return false;
	}
	if (!why_nobodys(mac))
		return true;
	vmnet_broker_set_error(&broker->error,
			       "network \"%s\": MAC address %s %s; choose another, like "
			       "52:54:00:12:34:56",
			       network, mac, why_nobodys(mac));
	return false;
}

static bool check_machine_name(struct vmnet_broker *broker, const char *network, const char *name)
{
	if (!name || dns_label_is_valid(name))
		return true;
	vmnet_broker_set_error(&broker->error,
			       "network \"%s\": \"%s\" is no machine's name: it is 1 to 63 of a-z "
			       "A-Z 0-9 - and neither starts nor ends with -",
			       network, name);
	return false;
}

/* family: AF_UNSPEC: either */
static bool check_address(struct vmnet_broker *broker, const char *network, int family,
			  const char *address)
{
	struct in6_addr parsed;

	if (!address || (family != AF_INET6 && inet_pton(AF_INET, address, &parsed) == 1) ||
	    (family != AF_INET && inet_pton(AF_INET6, address, &parsed) == 1))
		return true;
	vmnet_broker_set_error(&broker->error, "network \"%s\": \"%s\" is no %s address", network,
			       address,
			       family == AF_INET    ? "IPv4"
			       : family == AF_INET6 ? "IPv6"
						    : "IP");
	return false;
}

/* What is not set is "" in a forwarding. */
static const char *set_or_null(const char address[VMNET_BROKER_ADDRESS_SIZE])
{
	return address[0] != '\0' ? address : NULL;
}

static bool check_forwarding(struct vmnet_broker *broker, const char *network,
			     const struct vmnet_broker_port_forwarding *forwarding)
{
	if (forwarding->protocol < VMNET_BROKER_TCP ||
	    forwarding->protocol > VMNET_BROKER_TCP_AND_UDP || forwarding->external_port == 0) {
		vmnet_broker_set_error(&broker->error, "network \"%s\": a forwarded port has no %s",
				       network,
				       forwarding->external_port ? "protocol" : "external port");
		return false;
	}
	return check_address(broker, network, AF_UNSPEC,
			     set_or_null(forwarding->external_address)) &&
	       check_address(broker, network, AF_UNSPEC, set_or_null(forwarding->internal_address));
}

static bool check_options(struct vmnet_broker *broker, const char *network,
			  const struct vmnet_broker_attach_options *options)
{
	if (!check_mac(broker, network, options->mac_address) ||
	    !check_machine_name(broker, network, options->name) ||
	    !check_address(broker, network, AF_INET, options->ipv4_address) ||
	    !check_address(broker, network, AF_INET6, options->ipv6_address))
		return false;
	for (size_t i = 0; i < options->n_port_forwardings; i++)
		if (!check_forwarding(broker, network, &options->port_forwardings[i]))
			return false;
	if (options->queues <= QUEUES_MAX)
		return true;
	vmnet_broker_set_error(&broker->error,
			       "network \"%s\": an interface has 1 to %u queues, not %u", network,
			       QUEUES_MAX, options->queues);
	return false;
}

/* Takes what the caller knows of the options. Returns false with a sentence. */
static bool take_options(struct vmnet_broker *broker, const char *network,
			 const struct vmnet_broker_attach_options *given,
			 struct vmnet_broker_attach_options *options)
{
	*options = (struct vmnet_broker_attach_options){ .size = sizeof(*options) };
	if (given && given->size < sizeof(*options)) {
		vmnet_broker_set_error(&broker->error,
				       "network \"%s\": the options' size is not set", network);
		return false;
	}
	if (given)
		*options = *given;
	if (!check_options(broker, network, options))
		return false;
	if (options->queues == 0)
		options->queues = 1;
	return true;
}

static json_t *describe_forwarding(const struct vmnet_broker_port_forwarding *forwarding)
{
	return json_pack("{s:s, s:s*, s:i, s:s*, s:o*, s:o*}", "protocol",
			 vmnet_broker_protocol_names[forwarding->protocol], "externalAddress",
			 set_or_null(forwarding->external_address), "externalPort",
			 (int)forwarding->external_port, "internalAddress",
			 set_or_null(forwarding->internal_address), "internalPort",
			 forwarding->internal_port ? json_integer(forwarding->internal_port) : NULL,
			 "count", forwarding->count ? json_integer(forwarding->count) : NULL);
}

static json_t *describe_forwardings(const struct vmnet_broker_attach_options *options)
{
	json_t *list = options->n_port_forwardings > 0 ? json_array() : json_null();

	for (size_t i = 0; i < options->n_port_forwardings; i++) {
		if (json_array_append_new(list,
					  describe_forwarding(&options->port_forwardings[i])) == 0)
			continue;
		json_decref(list);
		return NULL;
	}
	return list;
}

/* No limit is null. */
static json_t *describe_rate_limit(const struct vmnet_broker_rate_limit *limit)
{
	if (limit->bits_per_second == 0)
		return json_null();
	return json_pack("{s:I, s:o*}", "bitsPerSecond", (json_int_t)limit->bits_per_second,
			 "burstBytes",
			 limit->burst_bytes ? json_integer(limit->burst_bytes) : NULL);
}

static json_t *attach_parameters(const char *network,
				 const struct vmnet_broker_attach_options *options)
{
	return json_pack("{s:s, s:s*, s:s*, s:s*, s:s*, s:o, s:o, s:o, s:I, s:b, s:b}", "network",
			 network, "macAddress", options->mac_address, "name", options->name,
			 "ipv4Address", options->ipv4_address, "ipv6Address", options->ipv6_address,
			 "portForwarding", describe_forwardings(options), "rateLimitIn",
			 describe_rate_limit(&options->rate_limit_in), "rateLimitOut",
			 describe_rate_limit(&options->rate_limit_out), "queues",
			 (json_int_t)options->queues, "vhost", options->vhost, "openByName",
			 options->open_by_name);
}

/* The interface is what was asked for: programs count on their number of queues. */
static bool fits(const struct vmnet_broker_attachment *attachment,
		 const struct vmnet_broker_attach_options *options)
{
	return attachment->n_tap_fds == (options->open_by_name ? 0 : options->queues) &&
	       (attachment->n_vhost_fds == 0 || attachment->n_vhost_fds == options->queues);
}

/* Makes an attachment of a reply and the descriptors that came with it. */
static vmnet_broker_return_t take_attachment(struct vmnet_broker *broker, const json_t *reply,
					     const char *network,
					     const struct vmnet_broker_attach_options *options,
					     struct vmnet_broker_attachment **attachment)
{
	struct transport *transport = &broker->transport;
	struct vmnet_broker_attachment *taken;
	vmnet_broker_return_t status;

	if (transport->lost_fds) {
		vmnet_broker_set_error(&broker->error,
				       "network \"%s\": this process has no room for the "
				       "interface's descriptors; raise its limit of open files",
				       network);
		return VMNET_BROKER_INTERNAL_ERROR;
	}
	status = vmnet_broker_decode_attachment(reply, transport->fds, transport->n_fds, &taken);
	if (status != VMNET_BROKER_SUCCESS)
		return vmnet_broker_failed(&broker->error, status, network);
	if (!fits(taken, options)) {
		vmnet_broker_attachment_free(taken);
		return vmnet_broker_failed(&broker->error, VMNET_BROKER_INVALID_REPLY, network);
	}
	*attachment = taken;
	return VMNET_BROKER_SUCCESS;
}

vmnet_broker_return_t vmnet_broker_attach(struct vmnet_broker *broker, const char *network,
					  const struct vmnet_broker_attach_options *options,
					  struct vmnet_broker_attachment **attachment)
{
	struct vmnet_broker_attach_options checked;
	vmnet_broker_return_t status;
	json_t *reply;

	*attachment = NULL;
	if (!vmnet_broker_check_name(&broker->error, network) ||
	    !take_options(broker, network, options, &checked))
		return VMNET_BROKER_INVALID_REQUEST;
	broker->transport.wants_fds = true;
	status = vmnet_broker_call(broker, INTERFACE "Attach", attach_parameters(network, &checked),
				   network, &reply);
	broker->transport.wants_fds = false;
	if (status == VMNET_BROKER_SUCCESS) {
		status = take_attachment(broker, reply, network, &checked, attachment);
		json_decref(reply);
	}
	vmnet_broker_transport_close_fds(&broker->transport);
	return status;
}
