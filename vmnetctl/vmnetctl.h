/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands share: what they return, how they read options, connect and complain. */
#ifndef VMNET_VMNETCTL_VMNETCTL_H
#define VMNET_VMNETCTL_VMNETCTL_H

#include <getopt.h>
#include <stdbool.h>

#include <vmnet-broker.h>

/* Where the broker reads its configuration. */
#define CONFIG_FILE "/etc/vmnet-broker/networks.json"

/* What a subcommand returns: an exit status, or what is to be printed instead. */
enum {
	DONE = 0,
	FAILED = 1,
	SHOW_HELP = -2, /* its help; exit status 0 */
	WRONG_USAGE = -3, /* its usage; exit status 2 */
};

/*
 * A subcommand gets its own arguments, argv[0] being its name. It has
 * complained when it returns anything but DONE and SHOW_HELP.
 */
typedef int subcommand_function(int argc, char **argv);

subcommand_function check, connect_port, doctor, hold, inspect, ip, machines, monitor, networks,
	reload, run, status;

struct subcommand {
	const char *name;
	subcommand_function *function;
	const char *synopsis; /* its arguments */
	const char *description;
	const char *help; /* its options, a line each */
};

/* Those that this system alone has, in linux/ or darwin/; the last one has no name. */
extern const struct subcommand system_subcommands[];

/* Where next_option() looks for options. */
enum option_order {
	OPTIONS_ANYWHERE,
	OPTIONS_FIRST, /* the first argument that is none ends them */
};

/*
 * The next option of the command line, as getopt_long() has it; each has a
 * character as its value.
 *
 * options: ends with an empty one; --help and -h are added to it. One whose name is a
 *	letter is given as in "-n", and its value is that letter.
 *
 * Returns the option's value, -1 after the last one, WRONG_USAGE after
 * complaining, or SHOW_HELP.
 */
int next_option(int argc, char **argv, enum option_order order, const struct option *options);

/*
 * The number that an option was given: all of text, minimum to maximum.
 * Returns it, or -1 after complaining.
 */
int option_number(const char *option, const char *text, int minimum, int maximum);

/*
 * Complains of the arguments that are left after the options, unless there are
 * minimum to maximum of them. Returns DONE or WRONG_USAGE.
 */
int check_arguments(int argc, int minimum, int maximum, const char *what);

/*
 * All of that for a subcommand with no option but --json, and with as_json
 * NULL not even that. Returns DONE, WRONG_USAGE or SHOW_HELP.
 */
int read_arguments(int argc, char **argv, bool *as_json, int minimum, int maximum,
		   const char *what);

/*
 * Asks the broker on a connection of its own, with a subcommand's arguments and what an
 * option of it has said. Returns what ask() does, or FAILED after complaining of no broker.
 */
int with_broker(int (*ask)(struct vmnet_broker *broker, char **arguments, int option),
		char **arguments, int option);

/* Connects to the broker. Returns NULL after saying what was looked for and how to start one. */
struct vmnet_broker *connect_to_broker(void);

/* Complains of what a call on the connection returned. Returns FAILED. */
int complain_of(const struct vmnet_broker *broker, vmnet_broker_return_t status);

#endif
