/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods, in one table. A message is taken apart by what the table says of its method, and is
 * a struct call from then on.
 *
 * Types are strict, and what a method does not know of is an error: a client
 * that misspells "vhost" is told.
 */
#include "calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attach_options.h"
#include "base/json_text.h"
#include "broker/capture.h"
#include "broker/end.h"
#include "broker/interface.h"
#include "broker/linux/linux.h"
#include "broker/linux/varlink/interfaces.h" /* generated, in the build directory */
#include "broker/platform.h"
#include "broker/user_limits.h"
#include "connection.h"
#include "describe.h"
#include "fds.h"
#include "metrics.h"
#include "sending.h"
#include "untaken.h"

#define SERVICE_INTERFACE "org.varlink.service"
#define URL "https://github.com/nirs/vmnet-broker"

struct parameter {
	const char *name;
	bool optional;
	/* Takes the value, which is not null, into the call. Returns 0, or -1 when it is wrong. */
	int (*take)(const json_t *value, struct call *call);
};

struct method {
	const char *interface;
	const char *name;
	void (*serve)(struct connection *connection);
	bool needs_more; /* several replies are its nature */
	struct parameter parameters[12]; /* ended by one without a name */
};

/* The interfaces, and what GetInterfaceDescription() says of them. */
static const struct {
	const char *name;
	const char *description;
} interfaces[] = {
	{ SERVICE_INTERFACE, SERVICE_DESCRIPTION },
	{ PROTOCOL_INTERFACE, PROTOCOL_DESCRIPTION },
	{ METRICS_INTERFACE, METRICS_DESCRIPTION },
};

#define N_INTERFACES (sizeof(interfaces) / sizeof(interfaces[0]))

/* Replies */

/* parameters is taken over. */
static void reply(struct connection *connection, json_t *parameters)
{
	if (connection->call.oneway)
		json_decref(parameters);
	else
		connection_send(connection, json_pack("{s:o}", "parameters", parameters), NULL);
}

static void reply_error(struct connection *connection, const struct error *error)
{
	if (!connection->call.oneway)
		connection_send(connection, describe_error(error, connection->call.network), NULL);
}

/* An error of Varlink itself; parameter is NULL where it has none. */
static void reply_service_error(struct connection *connection, const char *name,
				const char *parameter, const char *value)
{
	json_t *parameters = parameter ? json_pack("{s:s}", parameter, value) : json_object();
	json_t *message = json_pack("{s:s+, s:o}", "error", SERVICE_INTERFACE ".", name,
				    "parameters", parameters);

	if (connection->call.oneway)
		json_decref(message);
	else
		connection_send(connection, message, NULL);
}

/* Parameters */

static int take_network(const json_t *value, struct call *call)
{
	const char *name = json_string_value(value);

	if (!network_name_is_valid(name))
		return -1;
	strcpy(call->network, name);
	return 0;
}

static int take_mac_address(const json_t *value, struct call *call)
{
	const char *text = json_string_value(value);

	if (!text || mac_address_parse(text, &call->mac) < 0 || !mac_address_is_unicast(&call->mac))
		return -1;
	call->has_mac = true;
	return 0;
}

static int take_queues(const json_t *value, struct call *call)
{
	json_int_t queues = json_integer_value(value);

	if (queues < 1 || queues > INTERFACE_QUEUES_MAX)
		return -1;
	call->queues = (unsigned int)queues;
	return 0;
}

static int take_vhost(const json_t *value, struct call *call)
{
	call->vhost = json_is_true(value);
	return json_is_boolean(value) ? 0 : -1;
}

static int take_by_name(const json_t *value, struct call *call)
{
	call->by_name = json_is_true(value);
	return json_is_boolean(value) ? 0 : -1;
}

static int take_name(const json_t *value, struct call *call)
{
	return attach_take_name(value, &call->options);
}

static int take_ipv4_address(const json_t *value, struct call *call)
{
	return attach_take_ipv4(value, &call->options);
}

static int take_ipv6_address(const json_t *value, struct call *call)
{
	return attach_take_ipv6(value, &call->options);
}

static int take_port_forwarding(const json_t *value, struct call *call)
{
	return attach_take_port_forwarding(value, &call->options);
}

static int take_rate_limit_in(const json_t *value, struct call *call)
{
	return attach_take_rate_limit(value, &call->options.rate_in);
}

static int take_rate_limit_out(const json_t *value, struct call *call)
{
	return attach_take_rate_limit(value, &call->options.rate_out);
}

static int take_interface(const json_t *value, struct call *call)
{
	if (!json_is_string(value) || json_string_length(value) >= sizeof(call->interface))
		return -1;
	strcpy(call->interface, json_string_value(value));
	return 0;
}

static int take_device(const json_t *value, struct call *call)
{
	const size_t length = json_string_length(value);

	if (length == 0 || length >= sizeof(call->device))
		return -1;
	strcpy(call->device, json_string_value(value));
	return 0;
}

/* Methods */

static void serve_get_info(struct connection *connection)
{
	json_t *names = json_array();

	for (size_t i = 0; i < N_INTERFACES; i++)
		(void)json_array_append_new(names, json_string(interfaces[i].name));
	reply(connection, json_pack("{s:s, s:s, s:s, s:s, s:o}", "vendor", "vmnet-broker",
				    "product", "vmnet-broker", "version", VMNET_BROKER_VERSION,
				    "url", URL, "interfaces", names));
}

static void serve_get_interface_description(struct connection *connection)
{
	for (size_t i = 0; i < N_INTERFACES; i++) {
		if (strcmp(connection->call.interface, interfaces[i].name) != 0)
			continue;
		reply(connection, json_pack("{s:s}", "description", interfaces[i].description));
		return;
	}
	reply_service_error(connection, "InterfaceNotFound", "interface",
			    connection->call.interface);
}

static void serve_list_networks(struct connection *connection)
{
	list_start(connection, LIST_NETWORKS);
}

static void serve_list_clients(struct connection *connection)
{
	list_start(connection, LIST_CLIENTS);
}

static void serve_list_interfaces(struct connection *connection)
{
	list_start(connection, LIST_INTERFACES);
}

static void serve_list_leases(struct connection *connection)
{
	list_start(connection, LIST_LEASES);
}

static void serve_list_metrics(struct connection *connection)
{
	list_start(connection, LIST_METRICS);
}

static void serve_describe_metrics(struct connection *connection)
{
	list_start(connection, LIST_METRIC_FAMILIES);
}

static void serve_describe_network(struct connection *connection)
{
	struct network_info info;
	struct error error;
	int64_t rogue = -1;

	if (broker_inspect(connection->client, connection->call.network, &info, &error) < 0) {
		reply_error(connection, &error);
		return;
	}
	if (info.network)
		rogue = linux_platform_rogue_packets(info.config->name);
	reply(connection, describe_network(&info, rogue));
}

static void serve_acquire(struct connection *connection)
{
	connection->state = CONNECTION_WAITING;
	broker_acquire(connection->client, connection->call.network);
}

/* A client may acquire what it holds already. */
static bool is_kept(const struct client *client, const struct network *network)
{
	const struct hold *hold = client->holds;

	while (hold->network != network)
		hold = hold->next;
	return hold->kept;
}

void platform_acquired(struct client *client, const struct network *network,
		       const struct error *error)
{
	struct connection *connection = client->connection;
	struct network_info info;

	if (error) {
		reply_error(connection, error);
	} else {
		if (!is_kept(client, network))
			connection_keep(connection);
		broker_describe(network, &info);
		reply(connection, describe_network(&info, -1));
	}
	connection_answered(connection);
}

static void serve_release(struct connection *connection)
{
	struct error error;

	if (broker_release(connection->client, connection->call.network, &error) < 0) {
		reply_error(connection, &error);
		return;
	}
	connection_keep(connection);
	reply(connection, json_object());
}

static void serve_attach(struct connection *connection)
{
	struct call *call = &connection->call;
	struct attach_request request = {
		.network = call->network,
		.mac = call->has_mac ? &call->mac : NULL,
		.queues = call->queues > 0 ? call->queues : 1,
		.vhost = call->vhost,
		.by_name = call->by_name,
		.options = &call->options,
	};
	struct error error;

	if (connection_reserve_descriptors(connection, request.queues * (call->vhost ? 2 : 1),
					   &error) < 0) {
		reply_error(connection, &error);
		return;
	}
	connection->state = CONNECTION_WAITING;
	broker_attach(connection->client, &request);
}

/* first, first + 1, ... n numbers. */
static json_t *indexes(unsigned int first, unsigned int n)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < n && list; i++) {
		if (json_array_append_new(list, json_integer(first + i)) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

static void reply_attached(struct connection *connection, const struct interface *interface,
			   struct interface_fds *fds)
{
	if (connection->call.oneway) {
		platform_fds_discard(fds);
		return;
	}
	connection_send(connection,
			json_pack("{s:{s:o, s:o, s:o}}", "parameters", "interface",
				  describe_interface(interface), "tapFileDescriptors",
				  indexes(0, fds->n_tap), "vhostFileDescriptors",
				  indexes(fds->n_tap, fds->n_vhost)),
			fds);
}

void platform_attached(struct client *client, const struct interface *interface,
		       struct interface_fds *fds, const struct error *error)
{
	struct connection *connection = client->connection;

	if (error) {
		reply_error(connection, error);
	} else {
		if (interface->by_name)
			connection_keep(connection);
		reply_attached(connection, interface, fds);
	}
	connection_answered(connection);
}

static void serve_capture(struct connection *connection)
{
	const struct call *call = &connection->call;
	struct error error;

	if (connection_reserve_descriptors(connection, 1, &error) < 0) {
		reply_error(connection, &error);
		return;
	}
	connection->state = CONNECTION_WAITING;
	broker_capture(connection->client, call->network, call->device);
}

void platform_captured(struct client *client, struct interface_fds *fds, const struct error *error)
{
	struct connection *connection = client->connection;

	if (error)
		reply_error(connection, error);
	else if (connection->call.oneway)
		platform_fds_discard(fds);
	else
		connection_send(connection,
				json_pack("{s:{s:i}}", "parameters", "tapFileDescriptor", 0), fds);
	connection_answered(connection);
}

static void serve_end(struct connection *connection)
{
	struct call *call = &connection->call;
	struct error error;

	if (broker_end(connection->client, call->network, call->device, &call->ending, &error) < 0)
		reply_error(connection, &error);
	else if (call->ending)
		connection->state = CONNECTION_WAITING;
	else
		reply(connection, json_object());
}

void calls_gone(struct connection *connection, const void *what)
{
	if (connection->call.ending != what)
		return;
	connection->call.ending = NULL;
	reply(connection, json_object());
	connection_answered(connection);
}

static void serve_monitor(struct connection *connection)
{
	struct error error;

	if (limits_check_monitor(connection->client, &error) < 0) {
		reply_error(connection, &error);
		return;
	}
	connection_monitor(connection);
}

void calls_reload(struct connection *connection)
{
	struct error error;

	connection->call.reload = false;
	if (broker_reload_for(connection->client, &error) < 0)
		reply_error(connection, &error);
	else
		reply(connection, json_object());
	connection_answered(connection);
}

static void serve_reload(struct connection *connection)
{
	connection->state = CONNECTION_WAITING;
	connection->call.reload = true;
	/* Others are told at once that they may not. */
	if (connection->client->credentials.uid != 0)
		calls_reload(connection);
	else
		linux_platform_reload();
}

#define NETWORK_PARAMETER                      \
	{                                      \
		"network", false, take_network \
	}

static const struct method methods[] = {
	{ SERVICE_INTERFACE, "GetInfo", .serve = serve_get_info },
	{ SERVICE_INTERFACE, "GetInterfaceDescription", .serve = serve_get_interface_description,
	  .parameters = { { "interface", false, take_interface } } },
	{ PROTOCOL_INTERFACE, "ListNetworks", .serve = serve_list_networks, .needs_more = true },
	{ PROTOCOL_INTERFACE, "DescribeNetwork", .serve = serve_describe_network,
	  .parameters = { NETWORK_PARAMETER } },
	{ PROTOCOL_INTERFACE, "ListClients", .serve = serve_list_clients, .needs_more = true,
	  .parameters = { NETWORK_PARAMETER } },
	{ PROTOCOL_INTERFACE, "ListInterfaces", .serve = serve_list_interfaces, .needs_more = true,
	  .parameters = { NETWORK_PARAMETER } },
	{ PROTOCOL_INTERFACE, "ListLeases", .serve = serve_list_leases, .needs_more = true,
	  .parameters = { NETWORK_PARAMETER } },
	{ PROTOCOL_INTERFACE, "Acquire", .serve = serve_acquire,
	  .parameters = { NETWORK_PARAMETER } },
	{ PROTOCOL_INTERFACE, "Release", .serve = serve_release,
	  .parameters = { NETWORK_PARAMETER } },
	{ PROTOCOL_INTERFACE, "Attach", .serve = serve_attach,
	  .parameters = { NETWORK_PARAMETER,
			  { "macAddress", true, take_mac_address },
			  { "name", true, take_name },
			  { "ipv4Address", true, take_ipv4_address },
			  { "ipv6Address", true, take_ipv6_address },
			  { "portForwarding", true, take_port_forwarding },
			  { "rateLimitIn", true, take_rate_limit_in },
			  { "rateLimitOut", true, take_rate_limit_out },
			  { "queues", true, take_queues },
			  { "vhost", true, take_vhost },
			  { "openByName", true, take_by_name } } },
	{ PROTOCOL_INTERFACE, "Capture", .serve = serve_capture,
	  .parameters = { NETWORK_PARAMETER, { "device", false, take_device } } },
	{ PROTOCOL_INTERFACE, "End", .serve = serve_end,
	  .parameters = { NETWORK_PARAMETER, { "device", true, take_device } } },
	{ PROTOCOL_INTERFACE, "Monitor", .serve = serve_monitor, .needs_more = true },
	{ PROTOCOL_INTERFACE, "Reload", .serve = serve_reload },
	{ METRICS_INTERFACE, "List", .serve = serve_list_metrics, .needs_more = true },
	{ METRICS_INTERFACE, "Describe", .serve = serve_describe_metrics, .needs_more = true },
};

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

/* Messages */

static const char *const envelope_keys[] = { "method", "parameters", "oneway", "more", "upgrade" };

#define N_ENVELOPE_KEYS (sizeof(envelope_keys) / sizeof(envelope_keys[0]))

/* A message before it is known what it is for. */
struct envelope {
	const char *method;
	json_t *parameters; /* NULL: none */
	bool oneway;
	bool more;
	bool upgrade;
};

/* Takes a flag that may be missing. Returns 0, or -1 when it is no boolean. */
static int take_flag(const json_t *message, const char *key, bool *flag)
{
	const json_t *value = json_object_get(message, key);

	*flag = json_is_true(value);
	return !value || json_is_boolean(value) ? 0 : -1;
}

/* Returns 0, or -1 when the message is not Varlink. */
static int take_envelope(const json_t *message, struct envelope *envelope)
{
	json_t *parameters = json_object_get(message, "parameters");
	size_t known = 0;

	for (size_t i = 0; i < N_ENVELOPE_KEYS; i++)
		known += json_object_get(message, envelope_keys[i]) != NULL;
	if (known < json_object_size(message))
		return -1;
	envelope->method = json_string_value(json_object_get(message, "method"));
	envelope->parameters = json_is_object(parameters) ? parameters : NULL;
	if (!envelope->method || (parameters && !envelope->parameters && !json_is_null(parameters)))
		return -1;
	if (take_flag(message, "oneway", &envelope->oneway) < 0 ||
	    take_flag(message, "more", &envelope->more) < 0 ||
	    take_flag(message, "upgrade", &envelope->upgrade) < 0)
		return -1;
	return envelope->oneway && (envelope->more || envelope->upgrade) ? -1 : 0;
}

/* Returns the method, or NULL after a reply that says what there is not. */
static const struct method *find_method(struct connection *connection, const char *name)
{
	const char *dot = strrchr(name, '.');
	size_t length = dot ? (size_t)(dot - name) : strlen(name);
	bool known = false;
	json_t *interface;

	for (size_t i = 0; i < N_METHODS && dot; i++) {
		if (strlen(methods[i].interface) != length ||
		    strncmp(methods[i].interface, name, length) != 0)
			continue;
		if (strcmp(methods[i].name, dot + 1) == 0)
			return &methods[i];
		known = true;
	}
	if (known) {
		reply_service_error(connection, "MethodNotFound", "method", name);
		return NULL;
	}
	interface = json_stringn(name, length);
	reply_service_error(connection, "InterfaceNotFound", "interface",
			    json_string_value(interface));
	json_decref(interface);
	return NULL;
}

static bool has_parameter(const struct method *method, const char *name)
{
	for (const struct parameter *p = method->parameters; p->name; p++)
		if (strcmp(p->name, name) == 0)
			return true;
	return false;
}

/* Returns NULL, or the name of a parameter that is unknown, missing or not as it should be. */
static const char *take_parameters(const struct method *method, json_t *parameters,
				   struct call *call)
{
	const char *name;
	json_t *value;

	json_object_foreach(parameters, name, value)
		if (!has_parameter(method, name))
			return name;
	for (const struct parameter *p = method->parameters; p->name; p++) {
		value = json_object_get(parameters, p->name);
		if (value && !json_is_null(value) ? p->take(value, call) < 0 : !p->optional)
			return p->name;
	}
	return NULL;
}

static void serve(struct connection *connection, const struct envelope *envelope)
{
	const struct method *method;
	const char *wrong;

	connection->call = (struct call){ .oneway = envelope->oneway };
	method = find_method(connection, envelope->method);
	if (!method)
		return;
	if (envelope->upgrade) {
		reply_service_error(connection, "MethodNotImplemented", "method", envelope->method);
		return;
	}
	if (method->needs_more && !envelope->more) {
		reply_service_error(connection, "ExpectedMore", NULL, NULL);
		return;
	}
	wrong = take_parameters(method, envelope->parameters, &connection->call);
	if (wrong)
		reply_service_error(connection, "InvalidParameter", "parameter", wrong);
	else
		method->serve(connection);
	/* What the policy has not taken over. */
	free(connection->call.options.port_forwardings);
	connection->call.options.port_forwardings = NULL;
}

int calls_serve(struct connection *connection, const char *text, size_t length)
{
	json_error_t error;
	json_t *message = json_text_load(text, length, JSON_REJECT_DUPLICATES, &error);
	struct envelope envelope;
	int r = -EBADMSG;

	if (!message && errno == ENOMEM)
		r = -ENOMEM;
	if (message && take_envelope(message, &envelope) == 0) {
		serve(connection, &envelope);
		r = 0;
	}
	json_decref(message);
	return r;
}
