/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl end: ends a machine, or all of a network, in order. The processes that have a machine's
 * device open are asked to end first; what is left after a while is the broker's to take away.
 */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "machine.h"
#include "openers.h"
#include "subcommands.h"
#include "vmnetctl/system.h"
#include "vmnetctl/text.h"

#define TIMEOUT_DEFAULT 10
#define TIMEOUT_MAX (60 * 60)

static const struct timespec between_looks = { .tv_nsec = 100 * 1000 * 1000 };

static struct {
	bool yes;
	int timeout; /* seconds */
} settings;

/* What is to end. */
struct victims {
	const struct vmnet_broker_inspection *inspection;
	struct machine *machines;
	size_t n_machines;
	bool whole; /* the network, with who holds it */
};

static void print_process(pid_t pid, void *userdata)
{
	char path[32], command[32] = "?";
	FILE *file;

	(void)userdata;
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (file && fgets(command, sizeof(command), file))
		command[strcspn(command, "\n")] = '\0';
	if (file)
		(void)fclose(file);
	(void)fputs(", run by ", stderr);
	(void)text_write(stderr, command, "");
	(void)fprintf(stderr, " (pid %d)", pid);
}

static void print_machine(const struct machine *machine)
{
	char text[MACHINE_TEXT_SIZE], user[USER_TEXT_SIZE];

	machine_describe(machine, text);
	(void)fputs("  machine ", stderr);
	(void)text_write(stderr, text, "");
	(void)fprintf(stderr, " of user %s", user_format(machine->uid, user));
	openers_each(machine->device, machine->uid, print_process, NULL);
	(void)fputc('\n', stderr);
}

static void print_victims(const struct victims *victims)
{
	const struct vmnet_broker_inspection *inspection = victims->inspection;
	char user[USER_TEXT_SIZE];

	(void)fprintf(stderr, "This ends on network \"%s\":\n", inspection->network->name);
	for (size_t i = 0; i < victims->n_machines; i++)
		print_machine(&victims->machines[i]);
	for (size_t i = 0; i < inspection->n_clients && victims->whole; i++) {
		const struct vmnet_broker_client *client = inspection->clients[i];

		(void)fputs("  the hold of ", stderr);
		(void)text_write(stderr, client->command, "");
		(void)fprintf(stderr, " (pid %lld) of user %s\n", (long long)client->pid,
			      user_format((uid_t)client->uid, user));
	}
}

/* Before any process is asked to end: the broker would refuse all of it afterwards. */
static int check_owners(const struct victims *victims)
{
	const struct vmnet_broker_inspection *inspection = victims->inspection;
	const uid_t own = geteuid();
	char user[USER_TEXT_SIZE];

	for (size_t i = 0; i < victims->n_machines && own != 0; i++) {
		if (victims->machines[i].uid == own)
			continue;
		complain("machine %s is user %s's; only that user and root may end it",
			 victims->machines[i].device, user_format(victims->machines[i].uid, user));
		return FAILED;
	}
	for (size_t i = 0; i < inspection->n_clients && victims->whole && own != 0; i++) {
		const struct vmnet_broker_client *client = inspection->clients[i];

		if ((uid_t)client->uid == own)
			continue;
		complain("network \"%s\" is held by %s (pid %lld) of user %s, too; only root may "
			 "end it",
			 inspection->network->name, client->command, (long long)client->pid,
			 user_format((uid_t)client->uid, user));
		return FAILED;
	}
	return DONE;
}

/* Returns DONE when it is meant. */
static int ask(void)
{
	char answer[16] = "";

	if (settings.yes)
		return DONE;
	if (!isatty(STDIN_FILENO)) {
		complain("there is no terminal to ask on whether this is meant; \"--yes\" says so");
		return FAILED;
	}
	(void)fputs("Is that meant? [y/N] ", stderr);
	if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return DONE;
	complain("nothing was ended");
	return FAILED;
}

static void ask_to_end(pid_t pid, void *userdata)
{
	bool *asked = userdata;

	if (kill(pid, SIGTERM) == 0)
		*asked = true;
}

static bool is_there(const struct victims *victims)
{
	for (size_t i = 0; i < victims->n_machines; i++)
		if (if_nametoindex(victims->machines[i].device))
			return true;
	return false;
}

/* Asks all at once, and waits for those that were asked. */
static void end_processes(const struct victims *victims)
{
	const time_t end = time(NULL) + settings.timeout;
	bool asked = false;

	for (size_t i = 0; i < victims->n_machines; i++)
		openers_each(victims->machines[i].device, victims->machines[i].uid, ask_to_end,
			     &asked);
	while (asked && is_there(victims) && time(NULL) < end)
		(void)nanosleep(&between_looks, NULL);
}

static int end_rest(struct vmnet_broker *broker, const struct victims *victims)
{
	const char *network = victims->inspection->network->name;
	vmnet_broker_return_t status = VMNET_BROKER_SUCCESS;

	if (victims->whole)
		status = vmnet_broker_end(broker, network, NULL);
	else if (is_there(victims))
		status = vmnet_broker_end(broker, network, victims->machines[0].device);
	/* It has ended by itself just now. */
	if (status != VMNET_BROKER_SUCCESS && (victims->whole || is_there(victims)))
		return complain_of(broker, status);
	return DONE;
}

static int end_all(struct vmnet_broker *broker, const struct victims *victims)
{
	print_victims(victims);
	if (check_owners(victims) != DONE || ask() != DONE)
		return FAILED;
	end_processes(victims);
	return end_rest(broker, victims);
}

static int end_network(struct vmnet_broker *broker, const char *network)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status = vmnet_broker_inspect(broker, network, &inspection);
	struct victims victims = { .whole = true };
	int result = FAILED;

	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	victims.inspection = inspection;
	victims.machines = calloc(inspection->n_interfaces + 1, sizeof(*victims.machines));
	for (size_t i = 0; i < inspection->n_interfaces && victims.machines; i++)
		machine_of(inspection, inspection->interfaces[i],
			   &victims.machines[victims.n_machines++]);
	if (!victims.machines)
		complain("out of memory");
	else if (!inspection->network->active)
		result = DONE; /* there is nothing to end */
	else
		result = end_all(broker, &victims);
	free(victims.machines);
	vmnet_broker_inspection_free(inspection);
	return result;
}

static int end_machine(struct vmnet_broker *broker, const char *network, const char *word)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status = vmnet_broker_inspect(broker, network, &inspection);
	struct machine machine;
	int result = FAILED;

	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	if (find_machine(broker, network, word, &machine) == DONE)
		result = end_all(broker, &(struct victims){ inspection, &machine, 1, false });
	vmnet_broker_inspection_free(inspection);
	return result;
}

static int end_what(struct vmnet_broker *broker, char **arguments, int option)
{
	(void)option;
	/* Who is asked, and machines that end, take their time. */
	keep_broker(broker);
	return arguments[1] ? end_machine(broker, arguments[0], arguments[1])
			    : end_network(broker, arguments[0]);
}

int end(int argc, char **argv)
{
	static const struct option options[] = {
		{ "yes", no_argument, NULL, 'y' },
		{ "timeout", required_argument, NULL, 't' },
		{ 0 },
	};
	int option;

	settings.timeout = TIMEOUT_DEFAULT;
	while ((option = next_option(argc, argv, OPTIONS_ANYWHERE, options)) != -1) {
		if (option != 'y' && option != 't')
			return option;
		if (option == 'y')
			settings.yes = true;
		else
			settings.timeout = option_number("--timeout", optarg, 0, TIMEOUT_MAX);
		if (settings.timeout < 0)
			return WRONG_USAGE;
	}
	if (check_arguments(argc, 1, 2, "NETWORK") != DONE)
		return WRONG_USAGE;
	return with_broker(end_what, argv + optind, 0);
}
