/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments of a subcommand: getopt_long(), with errors that say what was meant. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "text.h"
#include "vmnetctl.h"

#define OPTIONS_MAX 16

/* What getopt_long() is to return for the first of the options: no character. */
#define FIRST_VALUE 256

/* argument: the last that getopt_long() took. */
static int complain_of_option(const char *argument, const struct option *options, size_t n)
{
	int length = (int)strcspn(argument, "=");
	const char *names[OPTIONS_MAX + 1] = { NULL };
	const char *nearest;
	char name[64];

	if (optopt > 0 && optopt < FIRST_VALUE) {
		complain("unknown option -%c", optopt);
		return WRONG_USAGE;
	}
	if (optopt >= FIRST_VALUE) {
		complain("option %.*s takes no value", length, argument);
		return WRONG_USAGE;
	}
	for (size_t i = 0; i < n; i++)
		names[i] = options[i].name;
	/* A name that is cut is near none. */
	(void)snprintf(name, sizeof(name), "%.*s", length, argument);
	nearest = nearest_word(name + strlen("--"), names, n);
	if (nearest)
		complain("unknown option %.*s; did you mean --%s?", length, argument, nearest);
	else
		complain("unknown option %.*s", length, argument);
	return WRONG_USAGE;
}

int next_option(int argc, char **argv, enum option_order order, const struct option *options)
{
	struct option all[OPTIONS_MAX + 2] = { { "help", no_argument, NULL, FIRST_VALUE } };
	char letters[2 * OPTIONS_MAX + sizeof("+:h")] = ":h";
	size_t n = 1;
	int value;

	if (order == OPTIONS_FIRST)
		strcpy(letters, "+:h");
	for (; options[n - 1].name && n <= OPTIONS_MAX; n++) {
		all[n] = options[n - 1];
		all[n].val = FIRST_VALUE + (int)n;
		if (strlen(all[n].name) == 1)
			strcat(strcat(letters, all[n].name), all[n].has_arg ? ":" : "");
	}
	opterr = 0;
	value = getopt_long(argc, argv, letters, all, NULL);
	switch (value) {
	case -1:
		return -1;
	case 'h':
	case FIRST_VALUE:
		return SHOW_HELP;
	case ':':
		complain("option %s needs a value", argv[optind - 1]);
		return WRONG_USAGE;
	case '?':
		return complain_of_option(argv[optind - 1], all, n);
	default:
		return value < FIRST_VALUE ? value : options[value - FIRST_VALUE - 1].val;
	}
}

int option_number(const char *option, const char *text, int minimum, int maximum)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno == 0 && end != text && *end == '\0' && number >= minimum && number <= maximum)
		return (int)number;
	complain("%s takes a number from %d to %d, not \"%s\"", option, minimum, maximum, text);
	return -1;
}

int check_arguments(int argc, int minimum, int maximum, const char *what)
{
	int n = argc - optind;

	if (n >= minimum && n <= maximum)
		return DONE;
	if (n < minimum)
		complain("%s is missing", what);
	else
		complain("too many arguments");
	return WRONG_USAGE;
}

int read_arguments(int argc, char **argv, bool *as_json, int minimum, int maximum, const char *what)
{
	static const struct option none[] = { { 0 } };
	static const struct option json[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	int option;

	while ((option = next_option(argc, argv, OPTIONS_ANYWHERE, as_json ? json : none)) != -1) {
		if (option != 'j' || !as_json)
			return option;
		*as_json = true;
	}
	return check_arguments(argc, minimum, maximum, what);
}
