/* SPDX-License-Identifier: Apache-2.0 */
/* Makes connections, with what their clients hold, of what fdstore.c has of them. */
#include "restore.h"

#include <stdlib.h>
#include <string.h>

#include "broker/interface.h"
#include "broker/linux/linux.h"
#include "connection.h"
#include "describe.h"
#include "disposal.h"
#include "fdstore.h"
#include "peer.h"
#include "sending.h"

static struct network *adopted_network(const char *name)
{
	for (struct network *network = linux_platform.broker->networks; network;
	     network = network->next)
		if (strcmp(network->config->name, name) == 0)
			return network;
	return NULL;
}

/* Returns NULL, or why the hold is lost. */
static const char *restore_hold(struct client *client, const struct fdstore_hold *hold)
{
	struct network *network = adopted_network(hold->network);

	if (!network)
		return "a network that it holds could not be taken over";
	if (broker_hold_adopt(client, network) < 0)
		return "out of memory";
	for (size_t i = 0; i < hold->n_named; i++)
		broker_interface_claim(network, &hold->named[i], client);
	return NULL;
}

/* Returns NULL, or why the connection cannot go on. */
static const char *restore_holds(struct client *client, const struct fdstore_entry *entry)
{
	const char *fault = NULL;

	if (entry->damaged)
		return "what it holds cannot be read";
	for (const struct fdstore_hold *hold = entry->holds; hold && !fault; hold = hold->next)
		fault = restore_hold(client, hold);
	return fault;
}

/* Goes on where the earlier broker was. */
static void restore_state(struct connection *connection)
{
	struct error error;

	if (connection->noted == FDSTORE_MONITORING) {
		connection_monitor(connection);
	} else if (connection->noted == FDSTORE_WAITING) {
		error_set(&error, ERROR_INTERNAL, "the broker was restarted meanwhile; try again");
		connection_send(connection, describe_error(&error, ""), NULL);
	}
	connection_update(connection);
}

/* Returns NULL when it cannot be a client. */
static struct connection *connection_of_entry(const struct fdstore_entry *entry)
{
	struct credentials credentials;
	struct connection *connection;

	if (peer_credentials(entry->fd, &credentials) < 0)
		return NULL;
	connection = connection_new(entry->fd, &credentials);
	free(credentials.groups);
	return connection;
}

static void connection_restore(const struct fdstore_entry *entry)
{
	struct connection *connection;
	const char *fault;

	stream_refuse_fds(entry->fd);
	connection = connection_of_entry(entry);
	if (!connection) {
		fdstore_remove(linux_platform.options->runtime_dir, entry->number, entry->fd);
		disposal_close(entry->fd, DISPOSAL_NOBODY);
		return;
	}
	connection->stored = entry->number;
	connection->noted = fdstore_noted(entry->fd);
	fault = restore_holds(connection->client, entry);
	if (!fault && connection->noted == FDSTORE_BUSY)
		fault = "the broker was restarted in the midst of a message";
	if (fault) {
		connection_log_fault(connection, fault);
		connection->state = CONNECTION_ENDING;
	} else {
		restore_state(connection);
	}
}

void connections_restore(void)
{
	struct connection *next;
	struct fdstore_entry *entry;

	while ((entry = fdstore_next())) {
		connection_restore(entry);
		fdstore_free(entry);
	}
	/* Not before: what they held ends with them, unless others are known to hold it, too. */
	for (struct connection *connection = TAILQ_FIRST(&all_connections); connection;
	     connection = next) {
		next = TAILQ_NEXT(connection, all);
		if (connection->state == CONNECTION_ENDING)
			connection_end(connection);
	}
}
