/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl ip: the address of a machine, alone on a line, for scripts. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "system.h"
#include "text.h"
#include "vmnetctl.h"

#define WAIT_MAX (24 * 60 * 60)

static const struct timespec between_looks = { .tv_nsec = 200 * 1000 * 1000 };

static int64_t milliseconds(void)
{
	struct timespec time = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int print_address(struct vmnet_broker *broker, char **arguments, int wait)
{
	const char *network = arguments[0];
	const char *machine = arguments[1];
	int64_t deadline = milliseconds() + wait * INT64_C(1000);
	char *address = NULL;
	int result;

	keep_broker(broker);
	for (;;) {
		result = find_address(broker, network, machine, &address);
		if (result != DONE || address || milliseconds() >= deadline)
			break;
		(void)nanosleep(&between_looks, NULL);
	}
	if (result != DONE)
		return result;
	if (!address) {
		complain("network \"%s\": no machine \"%s\" has an address", network, machine);
		return FAILED;
	}
	(void)text_write(stdout, address, "");
	(void)putchar('\n');
	free(address);
	return DONE;
}

int ip(int argc, char **argv)
{
	static const struct option options[] = { { "wait", required_argument, NULL, 'w' }, { 0 } };
	int option, wait = 0;

	while ((option = next_option(argc, argv, OPTIONS_ANYWHERE, options)) != -1) {
		if (option != 'w')
			return option;
		wait = option_number("--wait", optarg, 0, WAIT_MAX);
		if (wait < 0)
			return WRONG_USAGE;
	}
	if (check_arguments(argc, 2, 2, "NETWORK or MACHINE") != DONE)
		return WRONG_USAGE;
	return with_broker(print_address, argv + optind, wait);
}
