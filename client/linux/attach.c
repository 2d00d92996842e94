/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnet_broker_attach() and what belongs to it: what is asked for, and whether that is what came,
 * with its descriptors. How those are received is transport.c's.
 */
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
	if (options->mac_address && !has_mac_form(options->mac_address)) {
		vmnet_broker_set_error(&broker->error,
				       "network \"%s\": \"%s\" is no MAC address; write it like "
				       "52:54:00:12:34:56",
				       network, options->mac_address);
		return false;
	}
	if (options->mac_address && why_nobodys(options->mac_address)) {
		vmnet_broker_set_error(&broker->error,
				       "network \"%s\": MAC address %s %s; choose another, like "
				       "52:54:00:12:34:56",
				       network, options->mac_address,
				       why_nobodys(options->mac_address));
		return false;
	}
	if (options->queues > QUEUES_MAX) {
		vmnet_broker_set_error(&broker->error,
				       "network \"%s\": an interface has 1 to %u queues, not %u",
				       network, QUEUES_MAX, options->queues);
		return false;
	}
	if (options->queues == 0)
		options->queues = 1;
	return true;
}

static json_t *attach_parameters(const char *network,
				 const struct vmnet_broker_attach_options *options)
{
	return json_pack("{s:s, s:s*, s:I, s:b, s:b}", "network", network, "mac_address",
			 options->mac_address, "queues", (json_int_t)options->queues, "vhost",
			 options->vhost, "named", options->named);
}

/* The interface is what was asked for: programs count on their number of queues. */
static bool fits(const struct vmnet_broker_attachment *attachment,
		 const struct vmnet_broker_attach_options *options)
{
	return attachment->n_tap_fds == (options->named ? 0 : options->queues) &&
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
