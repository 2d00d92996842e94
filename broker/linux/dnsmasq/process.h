/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process of a network's dnsmasq: started, found and ended; known by its pid file, its user
 * and its command line. On network_worker. Who watches it is dnsmasq.c.
 */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_PROCESS_H
#define VMNET_BROKER_LINUX_DNSMASQ_PROCESS_H

#include <sys/types.h>

#include "base/error.h"
#include "files.h"

/* Of a process that runs, whose pidfd it is: its id; else 0 or less. On any thread. */
pid_t dnsmasq_process_id(int pidfd);

/* One that has been started and does not serve yet: the pipes to it. */
struct dnsmasq_start {
	int said; /* what it says; -1: there is none */
	int leave; /* to serve */
};

#define DNSMASQ_NOT_STARTING ((struct dnsmasq_start){ -1, -1 })

/*
 * Starts it with the configuration that is written, and returns at once. It reads no
 * request before dnsmasq_process_finish(), and ends when start is abandoned, or with
 * the broker. Returns its pidfd, or -1 when it cannot be, which finishing will explain.
 */
int dnsmasq_process_begin(const struct dnsmasq_files *files, struct dnsmasq_start *start);

/*
 * Lets it serve, and waits until it does. pidfd: of the one that was begun, which is
 * taken over, or -1: one is started. Returns its pidfd, or -1 with error
 * (ERROR_CREATE_FAILED).
 */
int dnsmasq_process_finish(const struct dnsmasq_files *files, int pidfd,
			   struct dnsmasq_start *start, struct error *error);

/* It is not to serve, and ends. */
void dnsmasq_process_abandon(struct dnsmasq_start *start);

/* Returns the pidfd of the one that runs with these files, whoever started it, or -1. */
int dnsmasq_process_find(const struct dnsmasq_files *files);

/*
 * Ends those that run with this configuration and whose pid file is lost, which
 * takes a look at all processes. network: its name, for messages. Returns how
 * many there were.
 */
int dnsmasq_process_end_lost(const char *network, const struct dnsmasq_files *files);

/* Begins to end it. */
void dnsmasq_process_ask_to_end(int pidfd);

/* Ends it and closes its pidfd. network: its name, for messages. */
void dnsmasq_process_end(const char *network, int pidfd);

#endif
