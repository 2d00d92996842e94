/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl check: validates a configuration file as the broker would, without a broker. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "system.h"
#include "text.h"
#include "vmnetctl.h"

/* The lines of a file that somebody else may have written. */
static void print_errors(const struct config_errors *errors, const char *path)
{
	char *text = config_errors_format(errors, path, true);

	if (text)
		(void)text_write(stderr, text, "\n\t");
	else
		complain("out of memory");
	free(text);
}

static int check_file(const char *path, bool trusted)
{
	struct config_errors errors = { 0 };
	struct config *config = config_load(path, trusted, &errors);
	int result = FAILED;

	if (config) {
		(void)printf("%s: %zu network%s, no errors\n", path, config->n_networks,
			     config->n_networks == 1 ? "" : "s");
		result = DONE;
	} else {
		print_errors(&errors, path);
	}
	config_errors_clear(&errors);
	config_free(config);
	return result;
}

int check(int argc, char **argv)
{
	int result = read_arguments(argc, argv, NULL, 0, 1, "");
	const char *path;

	if (result != DONE)
		return result;
	path = argv[optind];
	if (!path && access(CONFIG_FILE, F_OK) < 0 && errno == ENOENT) {
		puts(CONFIG_FILE ": there is no such file, which means the default configuration");
		return DONE;
	}
	if (!path && why_unreadable(CONFIG_FILE)) {
		complain("%s %s", CONFIG_FILE, why_unreadable(CONFIG_FILE));
		return FAILED;
	}
	/* To the broker a file that is missing is no mistake. */
	if (path && access(path, R_OK) < 0) {
		complain("cannot read %s: %s", path, strerror(errno));
		return FAILED;
	}
	return check_file(path ? path : CONFIG_FILE, !path);
}
