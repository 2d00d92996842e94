/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that starts dnsmasq, as another user than the broker is, and sends it signals,
 * which the broker may not.
 */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_STARTER_H
#define VMNET_BROKER_LINUX_DNSMASQ_STARTER_H

#include <sys/types.h>

#include "broker/linux/privilege.h"

/*
 * As root, before there are threads and clients: makes it, and waits until it has given up what it
 * does not need.
 *
 * Returns 0, or -1 after logging why.
 */
int starter_make(const struct dnsmasq_user *user);

/*
 * As the service's user: it is a service of its own, which systemd starts when
 * it is asked by this socket for the first time.
 *
 * Returns 0, or -1 after logging why.
 */
int starter_connect(const char *runtime_dir);

/* What runs as that service, on the socket that systemd has passed. Returns an exit status. */
int starter_run(void);

/* Makes it end, or lets go of it; dnsmasqs run on. */
void starter_stop(void);

/*
 * Starts a dnsmasq. Not on the policy's thread: it waits for an answer.
 *
 * config: its configuration file; leases: the one file that it may write.
 * error_fd: its standard error. A NUL byte there says that nothing keeps it from serving.
 * input_fd: its standard input, a pipe: it serves when it reads a byte there, and ends at
 *	the pipe's end. Both remain the caller's.
 * pid: gets set. Returns a pidfd, or a negative errno.
 */
int starter_start(const char *config, const char *leases, int input_fd, int error_fd, pid_t *pid);

/*
 * Sends a dnsmasq and what it has started a signal. On any thread; waits for nobody: returns 0, or
 * -EAGAIN while the starter has too much to do, or another negative errno.
 */
int starter_signal(int pidfd, int number);

#endif
