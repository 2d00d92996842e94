/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods of the protocol: from a message to a plain struct, to the policy, to the reply.
 * Nothing is decided here.
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_CALLS_H
#define VMNET_BROKER_LINUX_VARLINK_CALLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"
#include "broker/interface.h"
#include "config/config.h"
#include "lists.h"

struct connection;

/* One call, checked for form: all that a method may be told. */
struct call {
	bool oneway; /* no reply is wanted */
	char network[NETWORK_NAME_MAX + 1];
	struct mac_address mac;
	bool has_mac;
	unsigned int queues;
	bool vhost;
	bool by_name;
	struct interface_options options;
	struct listing listing; /* while LISTING */
	char device[INTERFACE_NAME_SIZE]; /* "": none */
	char interface[256]; /* a Varlink interface's name */
	const void *ending; /* while WAITING: that whose end it waits for */
	bool reload; /* while WAITING: for the names in the configuration to be known */
};

/*
 * Serves one message. Returns 0, or when there is no use in talking on -EBADMSG,
 * for it is not Varlink, or -ENOMEM.
 * text: length bytes; not used once the method is called.
 */
int calls_serve(struct connection *connection, const char *text, size_t length);

/* Something has gone: for a call that waits, for that perhaps. */
void calls_gone(struct connection *connection, const void *what);

/* The names in the configuration are known now: for a call that waits for that. */
void calls_reload(struct connection *connection);

#endif
