/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl run on macOS: holds networks while a command runs. The command
 * joins them by itself, by their names.
 */
#include <string.h>

#include "vmnetctl/process.h"
#include "vmnetctl/system.h"
#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

const char run_synopsis[] = "--network NETWORK [--network ...] [--] COMMAND [ARG...]";
const char run_description[] = "Hold networks while a command runs";
const char run_help[] =
	"  --network NETWORK   hold it; may be given more than once\n"
	"\n"
	"The exit status is the command's, 128 plus the number of the signal that ended\n"
	"it, 127 when it is not found, 126 when it cannot be run, or 125 when it was not\n"
	"started.\n";

const char *why_gone(const struct vmnet_broker *broker)
{
	(void)broker;
	return "the broker has gone, and with it the networks that the command uses";
}

static const struct option options[] = {
	{ "network", required_argument, NULL, 'n' },
	{ 0 },
};

/* Checks the whole command line. Returns DONE, with optind at the command. */
static int check_command_line(int argc, char **argv)
{
	bool has_network = false;
	int option;

	while ((option = next_option(argc, argv, OPTIONS_FIRST, options)) != -1) {
		if (option != 'n')
			return option;
		has_network = true;
	}
	if (has_network)
		return check_arguments(argc, 1, argc, "COMMAND");
	complain("--network is missing");
	return WRONG_USAGE;
}

/* Acquires what the options name: they are read once more. */
static int acquire_all(struct vmnet_broker *broker, int argc, char **argv)
{
	vmnet_broker_return_t status = VMNET_BROKER_SUCCESS;

	optind = 1;
	while (status == VMNET_BROKER_SUCCESS &&
	       next_option(argc, argv, OPTIONS_FIRST, options) == 'n')
		status = vmnet_broker_acquire(broker, optarg, NULL);
	return status == VMNET_BROKER_SUCCESS ? DONE : complain_of(broker, status);
}

static int hold_and_run(struct vmnet_broker *broker, int argc, char **argv)
{
	struct watch watch;
	pid_t pid;

	if (acquire_all(broker, argc, argv) != DONE || watch_broker(broker, &watch) < 0)
		return EXIT_OWN_FAILURE;
	pid = start_command(argv + optind, NULL, 0);
	return pid < 0 ? EXIT_OWN_FAILURE : finish_command(&watch, pid);
}

int run(int argc, char **argv)
{
	int result = check_command_line(argc, argv);
	struct vmnet_broker *broker;

	if (result != DONE)
		return result;
	broker = connect_to_broker();
	if (!broker)
		return EXIT_OWN_FAILURE;
	result = hold_and_run(broker, argc, argv);
	vmnet_broker_close(broker);
	return result;
}
