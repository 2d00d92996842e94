/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between the systems for the tool. linux/ and darwin/ define all of it. */
#ifndef VMNET_VMNETCTL_SYSTEM_H
#define VMNET_VMNETCTL_SYSTEM_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include <vmnet-broker.h>

/* The row of "run", which differs most. */
extern const char run_synopsis[];
extern const char run_description[];
extern const char run_help[];

/* What it means for a command that runs that broker_has_gone(): one sentence. */
const char *why_gone(const struct vmnet_broker *broker);

/* Complains that the broker could not be reached; error is the errno of it. */
void complain_of_no_broker(int error);

/*
 * How the end of the broker is noticed: when descriptor is readable, or after
 * interval milliseconds, broker_has_gone() knows.
 */
struct watch {
	struct vmnet_broker *broker;
	int descriptor; /* -1: there is none */
	int interval; /* -1: only descriptor tells */
};

/*
 * From now on broker is good for nothing else but its holds, and no end of it is
 * missed. Returns 0, or -1 after complaining.
 */
int watch_broker(struct vmnet_broker *broker, struct watch *watch);
bool broker_has_gone(struct vmnet_broker *broker);

/* From now on holds and events survive a broker that is started again, where they can. */
void keep_broker(struct vmnet_broker *broker);

/*
 * Has the broker tell events on this connection. Returns the descriptor that they make readable, or
 * -1 where there is none.
 */
int monitor_descriptor(struct vmnet_broker *broker);

/* Whether a signal came from the terminal, which sends it to the whole process group. */
bool is_from_terminal(const siginfo_t *info);

/* Why the broker cannot read its configuration file, a part of a sentence, or NULL. */
const char *why_unreadable(const char *path);

/*
 * Has the next program get standard input, output and error, the n descriptors
 * in fds, and no other. Returns 0, or -1 with errno.
 */
int inherit_only(const int *fds, size_t n);

/*
 * The address of a machine on a network, by its name or its MAC address, on Linux
 * by its device, too.
 *
 * address: gets it, for free(), or NULL while the machine has none.
 *
 * Returns DONE, or FAILED after complaining.
 */
int find_address(struct vmnet_broker *broker, const char *network, const char *machine,
		 char **address);

/* An IPv6 address, and the link that one is on which counts there alone. */
#define ADDRESS_TEXT_SIZE 80

struct machine_addresses {
	char items[16][ADDRESS_TEXT_SIZE]; /* beyond that many, which no machine has, are left */
	size_t n;
};

/* Adds one that is not among them yet. In machines.c, for every system. */
void addresses_add(struct machine_addresses *addresses, const char *address);

/*
 * The addresses at which a machine may be reached from the host, the likeliest
 * first: those that find_address() chooses from, and where the system can be
 * told the link, too, the one that IPv6 makes of a MAC address.
 *
 * Returns DONE, also when there is none, or FAILED after complaining.
 */
int find_addresses(struct vmnet_broker *broker, const char *network, const char *machine,
		   struct machine_addresses *addresses);

/* One thing that "doctor" looks at. */
struct doctor_check {
	const char *title;
	void (*function)(void); /* calls doctor_*() with what it finds */
};

/* In the order of their printing; the last one has no title. */
extern const struct doctor_check doctor_checks[];

#endif
