/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a command, and waiting: for its end, for signals, and for the end of the broker. */
#ifndef VMNET_VMNETCTL_PROCESS_H
#define VMNET_VMNETCTL_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

#include "system.h"

/* The statuses of finish_command() beside the command's own, as env(1) and timeout(1) have them. */
enum {
	EXIT_OWN_FAILURE = 125, /* no broker, say */
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_COMMAND_NOT_FOUND = 127,
	EXIT_SIGNAL = 128, /* plus the signal's number */
};

/* SIGINT, SIGTERM and SIGHUP end the process from now on, with status 0. Returns as the next. */
int catch_end(void);

/* Waits for the end of the broker. Returns 0, or -1 after complaining. */
int wait_for_end(const struct watch *watch);

/*
 * Starts a command with the n descriptors in fds open, and no other beside the
 * standard three. Signals that vmnetctl gets from then on are for it. It does
 * not end with vmnetctl, if that is killed.
 *
 * Returns the process, for finish_command(), or -1 after complaining.
 */
pid_t start_command(char **command, const int *fds, size_t n);

/*
 * Waits for the command's end, and sends signals on to it. A broker that goes
 * meanwhile is mentioned, and the command runs on. watch is from before its start.
 *
 * Returns the command's exit status, EXIT_SIGNAL plus the signal that ended
 * it, or one of the other EXIT_* after complaining.
 */
int finish_command(const struct watch *watch, pid_t pid);

#endif
