/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process of a network's dnsmasq: a daemon of its own, known by its pid
 * file and its command line. On the worker's thread.
 */
#ifndef VMNET_BROKER_DNSMASQ_PROCESS_H
#define VMNET_BROKER_DNSMASQ_PROCESS_H

#include "../error.h"
#include "dnsmasq_config.h"

/* Whom a dnsmasq becomes that is started as root: nobody in particular. */
void dnsmasq_process_user(struct dnsmasq_user *user);

/*
 * Starts it with the configuration that is written, and waits until it serves.
 * Returns its pidfd, or -1 with error (ERROR_CREATE_FAILED).
 */
int dnsmasq_process_start(const struct dnsmasq_files *files, struct error *error);

/* Returns the pidfd of the one that runs with these files, whoever started it, or -1. */
int dnsmasq_process_find(const struct dnsmasq_files *files);

/*
 * Ends those that run with this configuration and whose pid file is lost, which
 * takes a look at all processes. network: its name, for messages. Returns how
 * many there were.
 */
int dnsmasq_process_end_lost(const char *network, const struct dnsmasq_files *files);

/* Ends it and closes its pidfd. network: its name, for messages. */
void dnsmasq_process_end(const char *network, int pidfd);

#endif
