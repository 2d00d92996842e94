/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serves XPC: messages become plain structs, answers dictionaries, as wire/xpc_protocol.h has
 * them, and errors get the numbers they have on the wire (wire_error()). Every connection to the
 * Mach service is a peer; with its first message it becomes a client of the policy, with the uid
 * that the system tells, until its connection ends.
 *
 * The policy serves one request of a client at a time. While an acquire waits
 * for its network the connection is suspended, which leaves what comes
 * meanwhile, the end of the connection included, with the system.
 *
 * The system retains a peer's connection until it has delivered that it is
 * invalid, which is the last that comes of it, and with the connection goes
 * the peer. Nothing here holds references of its own but barriers.
 */
#include "xpc.h"

#include <inttypes.h>
#include <libproc.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xpc/xpc.h>

#include "base/json_text.h"
#include "base/log.h"
#include "broker/user_limits.h"
#include "config/describe.h"
#include "darwin.h"
#include "network.h"
#include "wire/xpc_protocol.h"

/* Events that may wait for a client that does not take them. */
#define UNSENT_EVENTS_MAX 1024

struct peer {
	xpc_connection_t connection; /* owns the peer */
	struct client *client; /* NULL before the first message */
	xpc_object_t reply; /* to the request that is being served; owned */
	bool reply_wanted;
	bool suspended;
	atomic_uint unsent_events;
};

struct command {
	const char *name;
	bool takes_network;
	void (*run)(struct peer *peer,
		    const char *network); /* ends with answer(), or leads to it */
};

static xpc_connection_t listener;
static uint64_t broker_id; /* tells this broker from the one before */

bool xpc_is_open(void)
{
	return listener != NULL;
}

/* Structs to dictionaries */

/* A configuration as text; left out without memory. */
static void set_configuration(xpc_object_t object, const char *key, struct network_config *config)
{
	json_t *described = network_config_describe(config);
	char *text = json_text_dump(described, JSON_COMPACT);

	if (text)
		xpc_dictionary_set_string(object, key, text);
	free(text);
	json_decref(described);
}

static xpc_object_t network_object(const struct network_info *info)
{
	struct network_config *config = info->config;
	xpc_object_t object = xpc_dictionary_create(NULL, NULL, 0);
	const struct network_addresses *addresses;
	char subnet[IPV4_SUBNET_TEXT_SIZE];
	char gateway[INET_ADDRSTRLEN];
	char prefix[IPV6_PREFIX_TEXT_SIZE];

	xpc_dictionary_set_string(object, KEY_NAME, config->name);
	if (config->description)
		xpc_dictionary_set_string(object, KEY_DESCRIPTION, config->description);
	xpc_dictionary_set_string(object, KEY_MODE, network_mode_name(config->mode));
	xpc_dictionary_set_int64(object, KEY_MTU, config->mtu);
	xpc_dictionary_set_int64(object, KEY_N_CLIENTS, (int64_t)info->n_clients);
	xpc_dictionary_set_bool(object, KEY_CHANGED, info->next || info->removed);
	xpc_dictionary_set_bool(object, KEY_REMOVED, info->removed);
	set_configuration(object, KEY_CONFIGURATION, config);
	if (info->next)
		set_configuration(object, KEY_NEXT_CONFIGURATION, info->next);
	xpc_dictionary_set_bool(object, KEY_ACTIVE, info->network != NULL);
	if (!info->network)
		return object;
	if (info->network->fault)
		xpc_dictionary_set_string(object, KEY_FAULT, info->network->fault);
	addresses = &info->network->addresses;
	if (addresses->ipv4_subnet.length > 0) {
		xpc_dictionary_set_string(object, KEY_IPV4_SUBNET,
					  ipv4_subnet_format(&addresses->ipv4_subnet, subnet));
		xpc_dictionary_set_string(
			object, KEY_IPV4_GATEWAY,
			inet_ntop(AF_INET, &addresses->ipv4_gateway, gateway, sizeof(gateway)));
	}
	if (addresses->ipv6_prefix.length > 0)
		xpc_dictionary_set_string(object, KEY_IPV6_PREFIX,
					  ipv6_prefix_format(&addresses->ipv6_prefix, prefix));
	return object;
}

static xpc_object_t client_object(const struct client *client)
{
	const struct credentials *credentials = &client->credentials;
	xpc_object_t object = xpc_dictionary_create(NULL, NULL, 0);

	xpc_dictionary_set_int64(object, KEY_PID, credentials->pid);
	xpc_dictionary_set_int64(object, KEY_UID, credentials->uid);
	xpc_dictionary_set_string(object, KEY_PROGRAM, credentials->command);
	return object;
}

/* Puts an object into a dictionary, which takes over the caller's reference. */
static void give(xpc_object_t dictionary, const char *key, xpc_object_t object)
{
	xpc_dictionary_set_value(dictionary, key, object);
	xpc_release(object);
}

static void append(xpc_object_t array, xpc_object_t object)
{
	xpc_array_append_value(array, object);
	xpc_release(object);
}

/* Replies */

/* The numbers of vmnet_broker_return_t, as existing clients know them. */
static int64_t wire_error(enum error_code code)
{
	switch (code) {
	case ERROR_NOT_ALLOWED:
		return 3;
	case ERROR_NOT_ACQUIRED:
	case ERROR_INVALID_PARAMETER:
		return 4;
	case ERROR_NETWORK_NOT_FOUND:
		return 5;
	case ERROR_CREATE_FAILED:
	case ERROR_INVALID_CONFIGURATION:
		return 6;
	case ERROR_NONE:
	case ERROR_ENDED: /* nobody ends networks here */
	case ERROR_LIMIT_EXCEEDED:
	case ERROR_INTERNAL:
		break;
	}
	return 7;
}

/* Ends the request that is being served: with what peer->reply has, or with error. */
static void answer(struct peer *peer, const struct error *error)
{
	if (error) {
		xpc_dictionary_set_int64(peer->reply, KEY_ERROR, wire_error(error->code));
		xpc_dictionary_set_string(peer->reply, KEY_MESSAGE, error->reason);
	}
	xpc_dictionary_set_uint64(peer->reply, KEY_BROKER, broker_id);
	if (peer->reply_wanted)
		xpc_connection_send_message(peer->connection, peer->reply);
	xpc_release(peer->reply);
	peer->reply = NULL;
	if (peer->suspended) {
		peer->suspended = false;
		xpc_connection_resume(peer->connection);
	}
}

void platform_acquired(struct client *client, const struct network *network,
		       const struct error *error)
{
	struct peer *peer = client->connection;
	struct network_info info;

	if (!error) {
		broker_describe(network, &info);
		give(peer->reply, KEY_INFO, network_object(&info));
		xpc_dictionary_set_value(peer->reply, KEY_NETWORK, network_serialization(network));
	}
	answer(peer, error);
}

/* Events */

/* The unified log limits what it takes from a process. */
uid_t platform_account(uid_t uid)
{
	return uid;
}

bool platform_may_log(uid_t uid, bool fault)
{
	(void)uid;
	(void)fault;
	return true;
}

static void send_event(struct client *client, const struct event *event)
{
	struct peer *peer = client->connection;
	xpc_connection_t connection = peer->connection;
	xpc_object_t message;

	if (atomic_fetch_add(&peer->unsent_events, 1) == UNSENT_EVENTS_MAX) {
		log_warning(NULL, "%s (pid %jd) takes none of its events and is disconnected",
			    client->credentials.command, (intmax_t)client->credentials.pid);
		xpc_connection_cancel(connection);
	}
	message = xpc_dictionary_create(NULL, NULL, 0);
	xpc_dictionary_set_string(message, KEY_EVENT, event_type_name(event->type));
	xpc_dictionary_set_string(message, KEY_NETWORK_NAME, event->network->config->name);
	if (event->client)
		give(message, KEY_CLIENT, client_object(event->client));
	if (event->fault)
		xpc_dictionary_set_string(message, KEY_FAULT, event->fault);
	xpc_connection_send_message(connection, message);
	xpc_release(message);
	/* The barrier may come after the connection's end, and on any thread. */
	xpc_retain(connection);
	xpc_connection_send_barrier(connection, ^{
		atomic_fetch_sub(&peer->unsent_events, 1);
		xpc_release(connection);
	});
}

void platform_event(const struct event *event)
{
	for (struct client *client = event->network->broker->clients; client; client = client->next)
		if (client->monitoring && broker_may_know(client, event->network->config))
			send_event(client, event);
}

/* Nobody here is told unasked. */
void platform_fault_changed(void)
{
}

/* Commands */

static void run_acquire(struct peer *peer, const char *network)
{
	broker_acquire(peer->client, network);
}

static void run_release(struct peer *peer, const char *network)
{
	struct error error;

	answer(peer, broker_release(peer->client, network, &error) < 0 ? &error : NULL);
}

static void run_list(struct peer *peer, const char *network)
{
	struct network_info *infos;
	xpc_object_t networks;
	struct error error;
	size_t n_infos;

	(void)network;
	if (broker_list(peer->client, &infos, &n_infos, &error) < 0) {
		answer(peer, &error);
		return;
	}
	networks = xpc_array_create(NULL, 0);
	for (size_t i = 0; i < n_infos; i++)
		append(networks, network_object(&infos[i]));
	give(peer->reply, KEY_NETWORKS, networks);
	free(infos);
	answer(peer, NULL);
}

static void run_inspect(struct peer *peer, const char *network)
{
	struct network_info info;
	xpc_object_t clients;
	struct error error;

	if (broker_inspect(peer->client, network, &info, &error) < 0) {
		answer(peer, &error);
		return;
	}
	give(peer->reply, KEY_INFO, network_object(&info));
	clients = xpc_array_create(NULL, 0);
	if (info.network)
		for (const struct hold *h = info.network->holds; h; h = h->next_on_network)
			append(clients, client_object(h->client));
	give(peer->reply, KEY_CLIENTS, clients);
	if (info.network && info.network->fault)
		xpc_dictionary_set_string(peer->reply, KEY_FAULT, info.network->fault);
	answer(peer, NULL);
}

static void run_monitor(struct peer *peer, const char *network)
{
	struct error error;

	(void)network;
	if (limits_check_monitor(peer->client, &error) < 0) {
		answer(peer, &error);
		return;
	}
	/* First the reply, then the events. */
	answer(peer, NULL);
	broker_monitor(peer->client);
}

static void run_reload(struct peer *peer, const char *network)
{
	struct error error;

	(void)network;
	answer(peer, broker_reload_for(peer->client, &error) < 0 ? &error : NULL);
}

static const struct command commands[] = {
	{ COMMAND_ACQUIRE, true, run_acquire }, /* answered by platform_acquired() */
	{ COMMAND_RELEASE, true, run_release }, { COMMAND_LIST, false, run_list },
	{ COMMAND_INSPECT, true, run_inspect }, { COMMAND_MONITOR, false, run_monitor },
	{ COMMAND_RELOAD, false, run_reload },
};

/* Requests */

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/*
 * What a message asks for; NULL with error when it is malformed. A key that is
 * missing, or of another type than string, reads as NULL.
 * network: gets the name of the network, or NULL where the command takes none.
 */
static const struct command *request_read(xpc_object_t message, const char **network,
					  struct error *error)
{
	const char *name = xpc_dictionary_get_string(message, KEY_COMMAND);
	const struct command *command = name ? command_find(name) : NULL;

	*network = xpc_dictionary_get_string(message, KEY_NETWORK_NAME);
	if (!name)
		error_set(error, ERROR_INVALID_PARAMETER,
			  "a request needs the string \"" KEY_COMMAND "\"");
	else if (!command)
		error_set(error, ERROR_INVALID_PARAMETER, "no command \"%s\" is known", name);
	else if (command->takes_network && !*network)
		error_set(error, ERROR_INVALID_PARAMETER,
			  "\"%s\" needs the string \"" KEY_NETWORK_NAME "\"", name);
	else if (command->takes_network && !network_name_is_valid(*network))
		error_set(error, ERROR_INVALID_PARAMETER, "\"%s\" is not a network's name",
			  *network);
	else
		return command;
	return NULL;
}

/* Credentials */

static int read_groups(uid_t uid, gid_t gid, struct credentials *credentials)
{
	const struct passwd *user = getpwuid(uid);
	int room = 16;
	int *groups = NULL;

	for (;;) {
		int *more = realloc(groups, (size_t)room * sizeof(*groups));
		int n = room;

		if (!more)
			break;
		groups = more;
		groups[0] = (int)gid;
		/* A user that nobody knows has no group but that of the process. */
		if (!user) {
			n = 1;
		} else if (getgrouplist(user->pw_name, (int)gid, groups, &n) < 0) {
			room *= 2;
			continue;
		}
		credentials->groups = calloc((size_t)n, sizeof(*credentials->groups));
		if (!credentials->groups)
			break;
		for (int i = 0; i < n; i++)
			credentials->groups[i] = (gid_t)groups[i];
		credentials->n_groups = (size_t)n;
		break;
	}
	free(groups);
	return credentials->groups ? 0 : -1;
}

/* A process chooses its own name: it goes to logs and terminals as plain text. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static int read_credentials(xpc_connection_t connection, struct credentials *credentials)
{
	*credentials = (struct credentials){
		.pid = xpc_connection_get_pid(connection),
		.uid = xpc_connection_get_euid(connection),
	};
	/* A process that has gone already has no name. */
	if (proc_name(credentials->pid, credentials->command, sizeof(credentials->command)) <= 0)
		strcpy(credentials->command, "?");
	make_printable(credentials->command);
	return read_groups(credentials->uid, xpc_connection_get_egid(connection), credentials);
}

/* Peers */

static int check_limits(const struct broker *broker, uid_t uid, struct error *error)
{
	unsigned int all = 0;
	unsigned int own = 0;

	for (const struct client *client = broker->clients; client; client = client->next) {
		all++;
		own += client->credentials.uid == uid;
	}
	return limits_check_connection(uid, own, all, error);
}

static int peer_join(struct peer *peer, struct error *error)
{
	struct broker *broker = darwin_platform.broker;
	struct credentials credentials;

	if (check_limits(broker, xpc_connection_get_euid(peer->connection), error) < 0)
		return -1;
	if (read_credentials(peer->connection, &credentials) < 0)
		return error_set(error, ERROR_INTERNAL, "out of memory");
	peer->client = broker_client_new(broker, &credentials, peer);
	if (!peer->client) {
		free(credentials.groups);
		return error_set(error, ERROR_INTERNAL, "out of memory");
	}
	platform_busy();
	return 0;
}

static void peer_gone(struct peer *peer)
{
	struct client *client = peer->client;

	if (!client)
		return;
	peer->client = NULL;
	broker_client_gone(client);
}

static void on_message(struct peer *peer, xpc_object_t message)
{
	const struct command *command = NULL;
	const char *network;
	struct error error;

	/* NULL when the sender wants no reply: what it asks for is done all the same. */
	peer->reply = xpc_dictionary_create_reply(message);
	peer->reply_wanted = peer->reply != NULL;
	if (!peer->reply)
		peer->reply = xpc_dictionary_create(NULL, NULL, 0);
	if (peer->client || peer_join(peer, &error) == 0)
		command = request_read(message, &network, &error);
	if (command)
		command->run(peer, network);
	else
		answer(peer, &error);
	if (peer->reply) {
		peer->suspended = true;
		xpc_connection_suspend(peer->connection);
	}
}

static void on_event(struct peer *peer, xpc_object_t event)
{
	if (xpc_get_type(event) == XPC_TYPE_DICTIONARY)
		on_message(peer, event);
	else if (event == XPC_ERROR_CONNECTION_INVALID)
		peer_gone(peer);
	/* Of the other errors none ends the connection: that is a message of its own. */
}

/* The service */

static void on_connection(xpc_connection_t connection)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer) {
		log_error(NULL, "out of memory for a connection");
		xpc_connection_cancel(connection);
		return;
	}
	peer->connection = connection;
	xpc_connection_set_context(connection, peer);
	xpc_connection_set_finalizer_f(connection, free);
	xpc_connection_set_event_handler(connection, ^(xpc_object_t event) {
		on_event(peer, event);
	});
	/* A peer has the default queue until it is told otherwise. */
	xpc_connection_set_target_queue(connection, dispatch_get_main_queue());
	xpc_connection_resume(connection);
}

static void on_listener_event(xpc_object_t event)
{
	if (xpc_get_type(event) == XPC_TYPE_CONNECTION) {
		on_connection((xpc_connection_t)event);
	} else if (event == XPC_ERROR_CONNECTION_INVALID) {
		xpc_release(listener);
		listener = NULL;
		platform_xpc_closed();
	}
	/* That the end is imminent is what SIGTERM says, too. */
}

int xpc_start(void)
{
	platform_random(&broker_id, sizeof(broker_id));
	listener = xpc_connection_create_mach_service(SERVICE_NAME, dispatch_get_main_queue(),
						      XPC_CONNECTION_MACH_SERVICE_LISTENER);
	if (!listener)
		return -1;
	xpc_connection_set_event_handler(listener, ^(xpc_object_t event) {
		on_listener_event(event);
	});
	xpc_connection_resume(listener);
	return 0;
}

void xpc_stop(void)
{
	xpc_connection_cancel(listener);
	for (const struct client *client = darwin_platform.broker->clients; client;
	     client = client->next) {
		const struct peer *peer = client->connection;

		xpc_connection_cancel(peer->connection);
	}
}
