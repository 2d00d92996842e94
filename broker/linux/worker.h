/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two threads beside the policy's, and jobs for them: everything that may block runs there,
 * but for sockets with clients' descriptors in them, which have a thread each (disposal.h).
 *
 *	network_worker	the second thread: networks are made, repaired and removed (a
 *			bridge's end takes the kernel 40 ms), other programs' packet
 *			filters looked at, dnsmasq restarted, descriptors of
 *			TAPs closed once they are sent
 *	attach_worker	the third: devices that clients wait for are made and joined,
 *			so that they do not wait for all that
 *
 * Each runs one job after the other, but for what is quicker at once. Who has many
 * of them done waits for himself: owners take turns, and the jobs of one run in the
 * order submitted.
 * Those that nobody waits for come behind others, but for some turns.
 */
#ifndef VMNET_BROKER_LINUX_WORKER_H
#define VMNET_BROKER_LINUX_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* So many jobs run at once at the most: whoever comes behind them waits for all. */
#define JOBS_AT_ONCE_MAX 8

/*
 * A piece of work, embedded in a structure that has its data. run() may touch
 * that structure and nothing that the policy's thread owns.
 */
struct job {
	struct job *next; /* for run(): another one that it has to do at once with it, or NULL */
	void (*run)(struct job *job); /* on the worker's thread */
	void (*done)(struct job *job); /* afterwards, on the policy's thread; frees the job */
	uint64_t owner; /* JOB_OWNER(uid), or 0: the broker itself */
	uint64_t turn; /* the worker's */
	bool at_once; /* run() does it with those right behind it that have the same run() */
};

#define JOB_OWNER(uid) ((uint64_t)(uid) + 1)

struct worker;

extern struct worker network_worker;
extern struct worker attach_worker;

/* Returns 0 or a negative errno. */
int worker_start(struct worker *worker, sd_event *event);
void worker_submit(struct worker *worker, struct job *job);

/*
 * A job that nobody waits for, such as the end of a device: it takes the kernel
 * twenty times as long as making one, and a user can have hundreds of them end.
 */
void worker_submit_last(struct worker *worker, struct job *job);

/* No job is waiting, running, or waiting for its done(). */
bool worker_is_idle(const struct worker *worker);

/* Finishes what was submitted and ends the thread. */
void worker_stop(struct worker *worker);

/*
 * Closes a descriptor on a worker's thread: the last one of a TAP takes the
 * kernel 20 ms. Never fails: without memory it closes here.
 */
void worker_close(int fd);

#endif
