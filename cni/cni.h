/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin of CNI, the interface by which runtimes of containers have these join networks: it
 * holds a network of the broker's for each container, by a process that stays, and has the
 * plugin "bridge" of CNI's own do the rest.
 *
 * https://www.cni.dev/docs/spec/ has the protocol: a command and its parameters are in the
 * environment, the configuration comes by stdin, and the result, or an error, goes to stdout.
 */
#ifndef VMNET_CNI_CNI_H
#define VMNET_CNI_CNI_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <vmnet-broker.h>

#include "base/name.h"

/* A file for each container's device: who holds its network has it locked. */
#define RECORDS "/run/vmnet-broker-cni"

/* Codes of errors: the specification's, and one of our own. */
enum {
	CNI_INVALID_ENVIRONMENT = 4,
	CNI_IO_FAILURE = 5,
	CNI_NOT_DECODED = 6,
	CNI_INVALID_CONFIGURATION = 7,
	CNI_TRY_AGAIN_LATER = 11,
	CNI_NOT_AVAILABLE = 50,
	CNI_FAILED = 100,
};

struct call {
	const char *version; /* of the specification */
	json_t *config;
	const char *name; /* the configuration's */
	const char *network; /* the broker's */
	const char *container; /* NULL, as the next one, for commands that are about none */
	const char *interface;
	char plugin[PATH_MAX]; /* "bridge" */
	char record[sizeof(RECORDS) + 1 + NAME_MAX];
};

/* A network that is held, as far as a port on its bridge needs it. */
struct held {
	char bridge[INTERFACE_NAME_SIZE];
	uint32_t mtu; /* 0: not known */
};

/*
 * Prints an error: a sentence without a full stop, and what to do about it. Returns
 * EXIT_FAILURE, so that a failing function can end with it.
 */
__attribute__((format(printf, 4, 5))) int fail(const struct call *call, int code,
					       const char *remedy, const char *format, ...);

/*
 * The same of what the broker refused.
 * broker: NULL when it could not be reached; then errno says why.
 */
int fail_by_broker(const struct call *call, const struct vmnet_broker *broker,
		   vmnet_broker_return_t status);

/*
 * Starts a process that holds the call's network for as long as it lives, with whichever broker,
 * and writes the record. Returns 0 with held when it does, or EXIT_FAILURE after an error.
 */
int holder_start(const struct call *call, struct held *held);

/* Whether the process of the call's record lives. held: gets what is in the record. */
bool holder_lives(const struct call *call, struct held *held);

/* Ends the process of a record, if there is one, and removes the record. */
void holder_end(const char *record);

/* Looks for the plugin "bridge" in "/usr/lib/cni:/opt/cni/bin". False after an error. */
bool delegate_find(struct call *call, const char *path);

/*
 * Runs the plugin "bridge" with the call's configuration.
 *
 * held: the network; NULL where the plugin can do without.
 * output: gets what it has printed, to be freed; NULL when it could not be run.
 *
 * Returns 0, or EXIT_FAILURE: after an error, or with one in output.
 */
int delegate(const struct call *call, const char *command, const struct held *held, char **output);

#endif
