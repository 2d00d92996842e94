/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl: the table of subcommands. Help, dispatch and completion all come
 * from it; a subcommand is one file and one row.
 */
#include "vmnetctl.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/nearest.h"
#include "system.h"
#include "text.h"
#include "watch.h"

#define EXIT_USAGE 2

#define JSON_HELP "  --json  print JSON, for scripts\n"

static subcommand_function help;

static const struct subcommand subcommands[] = {
	{ "networks", networks, WATCH_SYNOPSIS, "Show what is configured, and what is active",
	  WATCH_HELP },
	{ "machines", machines, "[NETWORK] " WATCH_SYNOPSIS,
	  "Show the machines of a network, or of all", WATCH_HELP },
	{ "inspect", inspect, "NETWORK " WATCH_SYNOPSIS,
	  "Show who holds a network, its machines, leases and configuration", WATCH_HELP },
	{ "hold", hold, "NETWORK...", "Hold networks until interrupted", "" },
	{ "run", run, run_synopsis, run_description, run_help },
	{ "monitor", monitor, "[--json]", "Print events as they happen, one on a line", JSON_HELP },
	{ "ip", ip, "NETWORK MACHINE [--wait SECONDS]",
	  "Print the address of a machine, by its name or its MAC address",
	  "  --wait SECONDS  wait that long for it to have one\n" },
	{ "connect", connect_port, "NETWORK MACHINE PORT [--wait SECONDS]",
	  "Connect standard input and output to a TCP port of a machine",
	  "  --wait SECONDS  wait that long for it to answer\n" },
	{ "check", check, "[FILE]", "Find the mistakes in a configuration file, without a broker",
	  "" },
	{ "reload", reload, "", "Have the broker read its configuration again", "" },
	{ "doctor", doctor, "", "Find what keeps machines from their network, and the remedy", "" },
	{ "help", help, "[SUBCOMMAND]", "Print the subcommands, or the options of one", "" },
	{ "list", networks, WATCH_SYNOPSIS, "The same as networks", WATCH_HELP },
	{ "ls", networks, WATCH_SYNOPSIS, "The same as networks", WATCH_HELP },
	{ "ps", machines, "[NETWORK] " WATCH_SYNOPSIS, "The same as machines", WATCH_HELP },
	{ "status", status, "[NETWORK] " WATCH_SYNOPSIS,
	  "The same as networks, or of one network as inspect", WATCH_HELP },
};

/* Of all systems, and of one. */
#define SUBCOMMANDS_MAX 32

static const size_t n_subcommands = ARRAY_SIZE(subcommands);

/* The one of that number: this system's own come last. NULL: there are no more. */
static const struct subcommand *subcommand_at(size_t i)
{
	if (i < n_subcommands)
		return &subcommands[i];
	return system_subcommands[i - n_subcommands].name ? &system_subcommands[i - n_subcommands]
							  : NULL;
}

static void print_usage(FILE *stream, const struct subcommand *subcommand)
{
	(void)fprintf(stream, "usage: vmnetctl %s%s%s\n", subcommand->name,
		      *subcommand->synopsis ? " " : "", subcommand->synopsis);
}

static int show_subcommand_help(const struct subcommand *subcommand)
{
	print_usage(stdout, subcommand);
	printf("\n%s.\n", subcommand->description);
	if (*subcommand->help)
		printf("\nOptions:\n%s", subcommand->help);
	return DONE;
}

static int show_help(void)
{
	const struct subcommand *subcommand;

	printf("usage: vmnetctl SUBCOMMAND [ARGUMENT...]\n\nSubcommands:\n");
	for (size_t i = 0; (subcommand = subcommand_at(i)); i++)
		printf("  %-10s%s\n", subcommand->name, subcommand->description);
	printf("\nOptions:\n  --help     print this, as -h does\n"
	       "  --version  print the version, as -V does\n"
	       "\n\"vmnetctl SUBCOMMAND --help\" tells more of each, vmnetctl(1) everything.\n");
	return DONE;
}

static int show_version(void)
{
	puts("vmnetctl " VMNET_BROKER_VERSION);
	return DONE;
}

static int complain_of_subcommand(const char *name)
{
	const char *names[SUBCOMMANDS_MAX], *nearest;
	const struct subcommand *subcommand;
	size_t n = 0;

	while (n < ARRAY_SIZE(names) && (subcommand = subcommand_at(n)))
		names[n++] = subcommand->name;
	nearest = nearest_word(name, names, n);
	if (nearest)
		complain("unknown subcommand %s; did you mean %s?", name, nearest);
	else
		complain("unknown subcommand %s; \"vmnetctl --help\" lists them", name);
	return EXIT_USAGE;
}

static int call(const struct subcommand *subcommand, int argc, char **argv)
{
	int result = subcommand->function(argc, argv);

	if (result == SHOW_HELP)
		return show_subcommand_help(subcommand);
	if (result == WRONG_USAGE) {
		print_usage(stderr, subcommand);
		return EXIT_USAGE;
	}
	return result;
}

static const struct subcommand *find_subcommand(const char *name)
{
	const struct subcommand *subcommand;

	for (size_t i = 0; (subcommand = subcommand_at(i)); i++)
		if (strcmp(name, subcommand->name) == 0)
			return subcommand;
	return NULL;
}

static int help(int argc, char **argv)
{
	const struct subcommand *subcommand;
	int result = read_arguments(argc, argv, NULL, 0, 1, "");

	if (result != DONE)
		return result;
	if (!argv[optind])
		return show_help();
	subcommand = find_subcommand(argv[optind]);
	return subcommand ? show_subcommand_help(subcommand) : complain_of_subcommand(argv[optind]);
}

static int dispatch(int argc, char **argv)
{
	const struct subcommand *subcommand;

	if (argc < 2) {
		complain("which subcommand? \"vmnetctl --help\" lists them");
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return show_help();
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return show_version();
	subcommand = find_subcommand(argv[1]);
	return subcommand ? call(subcommand, argc - 1, argv + 1) : complain_of_subcommand(argv[1]);
}

/* A descriptor of a machine's must not become anybody's standard output. */
static int open_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	return fd < 0 ? -1 : close(fd);
}

int main(int argc, char **argv)
{
	int result;

	if (open_standard_descriptors() < 0)
		return FAILED;
	(void)setlocale(LC_CTYPE, "");
	/* What this process and its command say does not mix within a line. */
	(void)setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
	result = dispatch(argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		complain("cannot write to standard output: %s", strerror(errno));
		return result == DONE ? FAILED : result;
	}
	return result;
}
