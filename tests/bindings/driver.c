/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the steps of a case of conformance/ with libvmnet-broker. They come on standard input as
 * an array, and what came of them goes to standard output as another one; test_conformance.py says
 * what is in both. The drivers of the bindings do the same.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vmnet-broker.h>

#define CONNECTIONS_MAX 8
#define ATTACHMENTS_MAX 8
#define FORWARDINGS_MAX 8
#define EVENT_TIMEOUT 20000 /* milliseconds */

static struct connection {
	const char *name;
	struct vmnet_broker *broker;
	struct vmnet_broker_attachment *attachments[ATTACHMENTS_MAX];
	size_t n_attachments;
} connections[CONNECTIONS_MAX];

static _Noreturn void broken(const char *what)
{
	fprintf(stderr, "driver: %s\n", what);
	exit(1);
}

static json_t *checked(json_t *json)
{
	if (!json)
		broken("a value cannot be made");
	return json;
}

static json_t *network_json(const struct vmnet_broker_network *network)
{
	static const char *const modes[] = {
		[VMNET_BROKER_SHARED] = "shared",
		[VMNET_BROKER_HOST] = "host",
		[VMNET_BROKER_BRIDGED] = "bridged",
	};

	return checked(json_pack(
		"{s:s, s:s?, s:s, s:b, s:s?, s:s?, s:s?, s:s?, s:I, s:s?, s:I, s:I, s:b, s:b, "
		"s:s?}",
		"name", network->name, "description", network->description, "mode",
		modes[network->mode], "active", network->active, "ipv4_subnet",
		network->ipv4_subnet, "ipv4_gateway", network->ipv4_gateway, "ipv6_prefix",
		network->ipv6_prefix, "ipv6_gateway", network->ipv6_gateway, "mtu",
		(json_int_t)network->mtu, "bridge", network->bridge, "clients",
		(json_int_t)network->clients, "interfaces", (json_int_t)network->interfaces,
		"changed", network->changed, "removed", network->removed, "fault", network->fault));
}

/* A configuration, or NULL. */
static json_t *configuration_json(const char *configuration)
{
	return configuration ? checked(json_loads(configuration, 0, NULL)) : json_null();
}

static const char *const protocols[] = {
	[VMNET_BROKER_TCP] = "tcp",
	[VMNET_BROKER_UDP] = "udp",
	[VMNET_BROKER_TCP_AND_UDP] = "both",
};

/* What is "" is null. */
static const char *optional(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static json_t *forwardings_json(const struct vmnet_broker_interface *interface)
{
	json_t *list = json_array();

	for (size_t i = 0; i < interface->n_port_forwardings; i++) {
		const struct vmnet_broker_port_forwarding *f = &interface->port_forwardings[i];

		(void)json_array_append_new(
			list, checked(json_pack("{s:s, s:s?, s:i, s:s?, s:i, s:i}", "protocol",
						protocols[f->protocol], "external_address",
						optional(f->external_address), "external_port",
						(int)f->external_port, "internal_address",
						optional(f->internal_address), "internal_port",
						(int)f->internal_port, "count", (int)f->count)));
	}
	return list;
}

static json_t *rate_json(const struct vmnet_broker_rate_limit *limit)
{
	if (limit->bits_per_second == 0)
		return json_null();
	return checked(json_pack(
		"{s:I, s:o}", "bits_per_second", (json_int_t)limit->bits_per_second, "burst_bytes",
		limit->burst_bytes ? json_integer(limit->burst_bytes) : json_null()));
}

static json_t *interface_json(const struct vmnet_broker_interface *interface)
{
	if (!interface)
		return json_null();
	return checked(json_pack(
		"{s:s, s:s?, s:s, s:s?, s:s?, s:o, s:o, s:o, s:I, s:b, s:I, s:I}", "device",
		interface->device, "name", interface->name, "mac_address", interface->mac_address,
		"ipv4_address", interface->ipv4_address, "ipv6_address", interface->ipv6_address,
		"port_forwarding", forwardings_json(interface), "rate_limit_in",
		rate_json(&interface->rate_limit_in), "rate_limit_out",
		rate_json(&interface->rate_limit_out), "mtu", (json_int_t)interface->mtu,
		"vnet_header", interface->vnet_header, "uid", (json_int_t)interface->uid,
		"attached", (json_int_t)interface->attached));
}

static json_t *client_json(const struct vmnet_broker_client *client)
{
	if (!client)
		return json_null();
	return checked(json_pack("{s:I, s:I, s:s}", "pid", (json_int_t)client->pid, "uid",
				 (json_int_t)client->uid, "command", client->command));
}

static json_t *lease_json(const struct vmnet_broker_lease *lease)
{
	json_t *expires;

	if (!lease)
		return json_null();
	expires = lease->expires ? json_integer(lease->expires) : json_null();
	return checked(json_pack("{s:s, s:s, s:s?, s:o}", "mac_address", lease->mac_address,
				 "address", lease->address, "hostname", lease->hostname, "expires",
				 expires));
}

static json_t *inspection_json(const struct vmnet_broker_inspection *inspection)
{
	json_t *clients = json_array();
	json_t *interfaces = json_array();
	json_t *leases = json_array();
	json_t *rogue = inspection->rogue_packets < 0 ? json_null()
						      : json_integer(inspection->rogue_packets);

	for (size_t i = 0; i < inspection->n_clients; i++)
		(void)json_array_append_new(clients, client_json(inspection->clients[i]));
	for (size_t i = 0; i < inspection->n_interfaces; i++)
		(void)json_array_append_new(interfaces, interface_json(inspection->interfaces[i]));
	for (size_t i = 0; i < inspection->n_leases; i++)
		(void)json_array_append_new(leases, lease_json(inspection->leases[i]));
	return checked(json_pack("{s:o, s:o, s:o, s:o, s:o}", "network",
				 network_json(inspection->network), "clients", clients,
				 "interfaces", interfaces, "leases", leases, "rogue_packets",
				 rogue));
}

/* What the kernel calls descriptors. Counts those that a new program would inherit. */
static json_t *descriptors_json(const int *fds, size_t n, int *inheritable)
{
	json_t *names = json_array();

	for (size_t i = 0; i < n; i++) {
		char path[64];
		char name[256];
		ssize_t length;

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[i]);
		length = readlink(path, name, sizeof(name));
		if (length < 0)
			broken("a descriptor is not open");
		(void)json_array_append_new(names, json_stringn(name, (size_t)length));
		*inheritable += (fcntl(fds[i], F_GETFD) & FD_CLOEXEC) == 0;
	}
	return names;
}

static json_t *attachment_json(const struct vmnet_broker_attachment *attachment)
{
	int inheritable = 0;
	json_t *tap = descriptors_json(attachment->tap_fds, attachment->n_tap_fds, &inheritable);
	json_t *vhost =
		descriptors_json(attachment->vhost_fds, attachment->n_vhost_fds, &inheritable);

	return checked(json_pack("{s:o, s:o, s:o, s:i}", "interface",
				 interface_json(attachment->interface), "tap", tap, "vhost", vhost,
				 "inheritable", inheritable));
}

/*
 * The calls: each sets what it got, which is {} unless it says otherwise.
 */

static const char *text(const json_t *step, const char *key)
{
	return json_string_value(json_object_get(step, key));
}

static vmnet_broker_return_t do_list(struct connection *connection, const json_t *step,
				     json_t *reply)
{
	struct vmnet_broker_network **networks;
	vmnet_broker_return_t status;
	json_t *list = json_array();
	size_t n;

	(void)step;
	status = vmnet_broker_list(connection->broker, &networks, &n);
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, network_json(networks[i]));
	vmnet_broker_networks_free(networks, n);
	(void)json_object_set_new(reply, "networks", list);
	return status;
}

static vmnet_broker_return_t do_inspect(struct connection *connection, const json_t *step,
					json_t *reply)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status =
		vmnet_broker_inspect(connection->broker, text(step, "network"), &inspection);

	if (inspection)
		(void)json_object_update_new(reply, inspection_json(inspection));
	vmnet_broker_inspection_free(inspection);
	return status;
}

static vmnet_broker_return_t do_configurations(struct connection *connection, const json_t *step,
					       json_t *reply)
{
	struct vmnet_broker_network **networks;
	vmnet_broker_return_t status;
	json_t *configurations = json_array();
	json_t *next = json_array();
	size_t n;

	(void)step;
	status = vmnet_broker_list(connection->broker, &networks, &n);
	for (size_t i = 0; i < n; i++) {
		(void)json_array_append_new(configurations,
					    configuration_json(networks[i]->configuration));
		(void)json_array_append_new(next,
					    configuration_json(networks[i]->next_configuration));
	}
	vmnet_broker_networks_free(networks, n);
	(void)json_object_set_new(reply, "configurations", configurations);
	(void)json_object_set_new(reply, "next", next);
	return status;
}

/* The library tells it in an inspection alone. */
static vmnet_broker_return_t do_part(struct connection *connection, const json_t *step,
				     json_t *reply)
{
	const char *call = text(step, "call");
	const char *part = strcmp(call, "describe") == 0 ? "network" : call;
	json_t *inspection = json_object();
	vmnet_broker_return_t status = do_inspect(connection, step, inspection);

	if (status == VMNET_BROKER_SUCCESS)
		(void)json_object_set(reply, part, json_object_get(inspection, part));
	json_decref(inspection);
	return status;
}

static vmnet_broker_return_t do_acquire(struct connection *connection, const json_t *step,
					json_t *reply)
{
	struct vmnet_broker_network *network;
	vmnet_broker_return_t status =
		vmnet_broker_acquire(connection->broker, text(step, "network"), &network);

	if (network)
		(void)json_object_set_new(reply, "network", network_json(network));
	vmnet_broker_network_free(network);
	return status;
}

static vmnet_broker_return_t do_release(struct connection *connection, const json_t *step,
					json_t *reply)
{
	(void)reply;
	return vmnet_broker_release(connection->broker, text(step, "network"));
}

static vmnet_broker_return_t do_reload(struct connection *connection, const json_t *step,
				       json_t *reply)
{
	(void)step;
	(void)reply;
	return vmnet_broker_reload(connection->broker);
}

static void take_address(const json_t *object, const char *key,
			 char address[VMNET_BROKER_ADDRESS_SIZE])
{
	const char *value = text(object, key);

	(void)snprintf(address, VMNET_BROKER_ADDRESS_SIZE, "%s", value ? value : "");
}

static int number(const json_t *object, const char *key)
{
	return (int)json_integer_value(json_object_get(object, key));
}

static struct vmnet_broker_port_forwarding take_forwarding(const json_t *object)
{
	struct vmnet_broker_port_forwarding forwarding = {
		.protocol = VMNET_BROKER_TCP,
		.external_port = (uint16_t)number(object, "external_port"),
		.internal_port = (uint16_t)number(object, "internal_port"),
		.count = (uint16_t)number(object, "count"),
	};

	while (strcmp(protocols[forwarding.protocol], text(object, "protocol")) != 0)
		if (forwarding.protocol++ == VMNET_BROKER_TCP_AND_UDP)
			broken("there is no such protocol");
	take_address(object, "external_address", forwarding.external_address);
	take_address(object, "internal_address", forwarding.internal_address);
	return forwarding;
}

static size_t take_forwardings(const json_t *list,
			       struct vmnet_broker_port_forwarding forwardings[FORWARDINGS_MAX])
{
	const size_t n = json_array_size(list);

	if (n > FORWARDINGS_MAX)
		broken("there are too many ports");
	for (size_t i = 0; i < n; i++)
		forwardings[i] = take_forwarding(json_array_get(list, i));
	return n;
}

static struct vmnet_broker_rate_limit take_rate(const json_t *object)
{
	return (struct vmnet_broker_rate_limit){
		.bits_per_second =
			(uint64_t)json_integer_value(json_object_get(object, "bits_per_second")),
		.burst_bytes = (uint32_t)number(object, "burst_bytes"),
	};
}

static vmnet_broker_return_t do_attach(struct connection *connection, const json_t *step,
				       json_t *reply)
{
	struct vmnet_broker_port_forwarding forwardings[FORWARDINGS_MAX];
	struct vmnet_broker_attach_options options = {
		.size = sizeof(options),
		.mac_address = text(step, "mac_address"),
		.name = text(step, "name"),
		.ipv4_address = text(step, "ipv4_address"),
		.ipv6_address = text(step, "ipv6_address"),
		.port_forwardings = forwardings,
		.n_port_forwardings =
			take_forwardings(json_object_get(step, "port_forwarding"), forwardings),
		.rate_limit_in = take_rate(json_object_get(step, "rate_limit_in")),
		.rate_limit_out = take_rate(json_object_get(step, "rate_limit_out")),
		.queues = (uint32_t)number(step, "queues"),
		.vhost = json_is_true(json_object_get(step, "vhost")),
		.open_by_name = json_is_true(json_object_get(step, "open_by_name")),
	};
	struct vmnet_broker_attachment *attachment;
	vmnet_broker_return_t status = vmnet_broker_attach(
		connection->broker, text(step, "network"), &options, &attachment);

	if (attachment) {
		(void)json_object_update_new(reply, attachment_json(attachment));
		if (connection->n_attachments == ATTACHMENTS_MAX)
			broken("there are too many interfaces");
		connection->attachments[connection->n_attachments++] = attachment;
	}
	return status;
}

/* Of the interface that was attached last. */
static vmnet_broker_return_t do_detach(struct connection *connection, const json_t *step,
				       json_t *reply)
{
	(void)step;
	(void)reply;
	if (connection->n_attachments == 0)
		broken("there is no interface");
	vmnet_broker_attachment_free(connection->attachments[--connection->n_attachments]);
	return VMNET_BROKER_SUCCESS;
}

/* The device that is named, or that of the interface that was attached last. */
static const char *device_of(struct connection *connection, const json_t *step)
{
	if (text(step, "device"))
		return text(step, "device");
	if (connection->n_attachments == 0)
		broken("there is no interface");
	return connection->attachments[connection->n_attachments - 1]->interface->device;
}

static vmnet_broker_return_t do_capture(struct connection *connection, const json_t *step,
					json_t *reply)
{
	int inheritable = 0;
	int fd;
	vmnet_broker_return_t status = vmnet_broker_capture(
		connection->broker, text(step, "network"), device_of(connection, step), &fd);

	if (status != VMNET_BROKER_SUCCESS)
		return status;
	(void)json_object_set_new(reply, "capture", descriptors_json(&fd, 1, &inheritable));
	(void)json_object_set_new(reply, "inheritable", json_integer(inheritable));
	(void)close(fd);
	return status;
}

static vmnet_broker_return_t do_end(struct connection *connection, const json_t *step,
				    json_t *reply)
{
	(void)reply;
	return vmnet_broker_end(connection->broker, text(step, "network"), NULL);
}

static vmnet_broker_return_t do_end_interface(struct connection *connection, const json_t *step,
					      json_t *reply)
{
	(void)reply;
	return vmnet_broker_end(connection->broker, text(step, "network"),
				device_of(connection, step));
}

static vmnet_broker_return_t do_close(struct connection *connection, const json_t *step,
				      json_t *reply)
{
	(void)step;
	(void)reply;
	vmnet_broker_close(connection->broker);
	connection->broker = NULL;
	return VMNET_BROKER_SUCCESS;
}

static vmnet_broker_return_t do_monitor(struct connection *connection, const json_t *step,
					json_t *reply)
{
	(void)step;
	(void)reply;
	return vmnet_broker_monitor(connection->broker);
}

static vmnet_broker_return_t do_event(struct connection *connection, const json_t *step,
				      json_t *reply)
{
	struct vmnet_broker_event *event;
	vmnet_broker_return_t status =
		vmnet_broker_next_event(connection->broker, EVENT_TIMEOUT, &event);

	(void)step;
	if (event)
		(void)json_object_update_new(
			reply, checked(json_pack("{s:s, s:s, s:o, s:o, s:o, s:s?}", "type",
						 vmnet_broker_event_name(event->type), "network",
						 event->network, "interface",
						 interface_json(event->interface), "client",
						 client_json(event->client), "lease",
						 lease_json(event->lease), "fault", event->fault)));
	vmnet_broker_event_free(event);
	return status;
}

static const struct {
	const char *name;
	vmnet_broker_return_t (*make)(struct connection *connection, const json_t *step,
				      json_t *reply);
} calls[] = {
	{ "list", do_list },
	{ "configurations", do_configurations },
	{ "inspect", do_inspect },
	{ "describe", do_part },
	{ "clients", do_part },
	{ "interfaces", do_part },
	{ "leases", do_part },
	{ "acquire", do_acquire },
	{ "release", do_release },
	{ "reload", do_reload },
	{ "attach", do_attach },
	{ "detach", do_detach },
	{ "capture", do_capture },
	{ "end", do_end },
	{ "end_interface", do_end_interface },
	{ "close", do_close },
	{ "monitor", do_monitor },
	{ "event", do_event },
};

#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

/* The connection of a step, which is made when it is first used. NULL: it could not be. */
static struct connection *find_connection(const json_t *step, vmnet_broker_return_t *status)
{
	const char *name = text(step, "on");
	struct connection *connection = connections;

	while (connection->name && strcmp(connection->name, name) != 0)
		if (++connection == connections + CONNECTIONS_MAX)
			broken("there are too many connections");
	connection->name = name;
	if (!connection->broker)
		connection->broker = vmnet_broker_connect(status);
	return connection->broker ? connection : NULL;
}

static json_t *error_json(vmnet_broker_return_t status, const char *message)
{
	return checked(
		json_pack("{s:{s:i, s:s}}", "error", "status", (int)status, "message", message));
}

static json_t *do_step(const json_t *step)
{
	vmnet_broker_return_t status;
	struct connection *connection = find_connection(step, &status);
	json_t *reply = json_object();
	size_t i = 0;

	if (!connection)
		return error_json(status, vmnet_broker_strerror(status));
	while (i < N_CALLS && strcmp(calls[i].name, text(step, "call")) != 0)
		i++;
	if (i == N_CALLS)
		broken("there is no such call");
	status = calls[i].make(connection, step, reply);
	if (status == VMNET_BROKER_SUCCESS)
		return checked(json_pack("{s:o}", "reply", reply));
	json_decref(reply);
	return error_json(status, vmnet_broker_error(connection->broker));
}

int main(void)
{
	json_t *steps = checked(json_loadf(stdin, 0, NULL));
	json_t *results = json_array();
	json_t *step;
	size_t i;

	json_array_foreach(steps, i, step)
		(void)json_array_append_new(results, do_step(step));
	(void)json_dumpf(results, stdout, JSON_COMPACT);
	json_decref(results);
	for (i = 0; i < CONNECTIONS_MAX; i++) {
		while (connections[i].n_attachments > 0)
			(void)do_detach(&connections[i], NULL, NULL);
		vmnet_broker_close(connections[i].broker);
	}
	json_decref(steps);
	return 0;
}
