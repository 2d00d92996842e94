/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon: options, configuration, and then the platform serves until it is told to stop. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "broker.h"
#include "config/config.h"
#include "platform.h"

enum {
	EXIT_USAGE = 2,
};

enum option_id {
	OPTION_CONFIG = 1,
	OPTION_SOCKET,
	OPTION_STATE_DIR,
	OPTION_RUNTIME_DIR,
	OPTION_IDLE_EXIT,
	OPTION_VERBOSE,
	OPTION_VERSION,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "state-dir", required_argument, NULL, OPTION_STATE_DIR },
	{ "runtime-dir", required_argument, NULL, OPTION_RUNTIME_DIR },
	{ "idle-exit", required_argument, NULL, OPTION_IDLE_EXIT },
	{ "verbose", no_argument, NULL, OPTION_VERBOSE },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ 0 },
};

static void print_help(void)
{
	printf("usage: vmnet-broker [OPTION...]\n"
	       "Serves shared virtual machine networks by name.\n"
	       "\n"
	       "  --config FILE         the networks (default %s)\n",
	       platform_defaults.config);
	if (platform_defaults.socket)
		printf("  --socket PATH         where clients connect (default %s)\n",
		       platform_defaults.socket);
	printf("  --state-dir DIR       what is kept across reboots (default %s)\n",
	       platform_defaults.state_dir);
	if (platform_defaults.runtime_dir)
		printf("  --runtime-dir DIR     what is kept until the next boot (default %s)\n",
		       platform_defaults.runtime_dir);
	printf("  --idle-exit SECONDS   exit when unused for so long (default %d when started on\n"
	       "                        demand, else never)\n"
	       "  --verbose             log what helps to find a fault, too\n"
	       "  --version             print the version and exit\n"
	       "  --help                print this and exit\n",
	       platform_defaults.idle_exit);
}

static int parse_idle_exit(const char *text, int *seconds)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 0 || value > INT_MAX)
		return -1;
	*seconds = (int)value;
	return 0;
}

static int usage_error(const char *problem, const char *argument)
{
	fprintf(stderr, "vmnet-broker: %s, not \"%s\"; see vmnet-broker --help\n", problem,
		argument);
	return EXIT_USAGE;
}

/* Returns -1 to go on, or the status to exit with. */
static int parse_options(int argc, char **argv, struct options *options)
{
	int id;

	while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (id) {
		case OPTION_CONFIG:
			options->config = optarg;
			break;
		case OPTION_SOCKET:
			options->socket = optarg;
			break;
		case OPTION_STATE_DIR:
			options->state_dir = optarg;
			break;
		case OPTION_RUNTIME_DIR:
			options->runtime_dir = optarg;
			break;
		case OPTION_IDLE_EXIT:
			if (parse_idle_exit(optarg, &options->idle_exit) < 0)
				return usage_error("--idle-exit takes a number of seconds", optarg);
			break;
		case OPTION_VERBOSE:
			log_set_verbose(true);
			break;
		case OPTION_VERSION:
			puts("vmnet-broker " VMNET_BROKER_VERSION);
			return EXIT_SUCCESS;
		case OPTION_HELP:
			print_help();
			return EXIT_SUCCESS;
		default:
			/* getopt_long() has said what is wrong. */
			fputs("See vmnet-broker --help\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc)
		return usage_error("it takes options only", argv[optind]);
	if (options->socket && !platform_defaults.socket)
		return usage_error("clients of this system come without a --socket",
				   options->socket);
	if (options->runtime_dir && !platform_defaults.runtime_dir)
		return usage_error("nothing of this system is kept in a --runtime-dir",
				   options->runtime_dir);
	return -1;
}

/* Whoever starts it may have closed them: a socket in their place would get the log. */
static int open_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd < 0 ? -1 : close(fd);
}

/*
 * A file with errors is no reason to end: what an earlier broker left still
 * needs one, and clients would only have the next one started, over and over.
 */
static struct config *load_config(const char *path)
{
	struct config_errors errors = { 0 };
	struct config *config = config_load(path, true, &errors);

	if (!config) {
		char *text = config_errors_format(&errors, path, true);

		log_error(NULL,
			  "no network can be made, the configuration has errors; run \"vmnetctl "
			  "reload\" once they are mended:\n%s",
			  text ? text : "out of memory");
		free(text);
		config = config_unusable(&errors, path);
	}
	config_errors_clear(&errors);
	return config;
}

int main(int argc, char **argv)
{
	struct options options = platform_defaults;
	struct config *config;
	struct broker *broker;
	int status;

	if (open_standard_files() < 0)
		return EXIT_FAILURE;
	options.idle_exit = -1;
	status = parse_options(argc, argv, &options);
	if (status >= 0)
		return status;
	config = load_config(options.config);
	if (!config)
		return EXIT_FAILURE;
	broker = broker_new(config, options.config);
	if (!broker) {
		log_error(NULL, "out of memory");
		config_free(config);
		return EXIT_FAILURE;
	}
	status = platform_run(broker, &options);
	broker_free(broker);
	return status;
}
