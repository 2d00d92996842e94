/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl doctor: goes through the system's table of checks, which are in linux/doctor.c and
 * darwin/doctor.c. Only a host where every one of them could be made, and found nothing, is
 * healthy. Nothing is repaired.
 */
#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>

#include "config/config.h"
#include "system.h"
#include "text.h"
#include "vmnetctl.h"

/* What the check that is under way has said so far, and all of them. */
static unsigned int n_findings;
static unsigned int n_problems;
static unsigned int n_unknown;

__attribute__((format(printf, 3, 0))) static void
print_finding(const char *kind, const char *remedy, const char *format, va_list arguments)
{
	char sentence[1024];

	/* A longer sentence is cut. */
	(void)vsnprintf(sentence, sizeof(sentence), format, arguments);
	n_findings++;
	(void)printf("%s: ", kind);
	(void)text_write(stdout, sentence, "");
	if (remedy) {
		(void)fputs("\n    ", stdout);
		(void)text_write(stdout, remedy, "");
	}
	(void)putchar('\n');
}

void doctor_problem(const char *remedy, const char *format, ...)
{
	va_list arguments;

	n_problems++;
	va_start(arguments, format);
	print_finding("problem", remedy, format, arguments);
	va_end(arguments);
}

void doctor_note(const char *remedy, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_finding("note", remedy, format, arguments);
	va_end(arguments);
}

void doctor_unknown(const char *remedy, const char *format, ...)
{
	va_list arguments;

	n_unknown++;
	va_start(arguments, format);
	print_finding("unknown", remedy, format, arguments);
	va_end(arguments);
}

void doctor_check_mistakes(void)
{
	struct config_errors errors = { 0 };
	struct config *config = config_load(CONFIG_FILE, false, &errors);

	if (!config)
		doctor_problem(EDIT, "%s has mistakes, of which the first is: %s", CONFIG_FILE,
			       errors.items[0].message);
	config_errors_clear(&errors);
	config_free(config);
}

static int conclude(void)
{
	if (n_problems > 0) {
		(void)printf("\n%u problem%s; under each is the command that mends it, where "
			     "there is one.\n",
			     n_problems, n_problems == 1 ? "" : "s");
		return FAILED;
	}
	if (n_unknown > 0) {
		puts("\nNo problem, as far as could be seen.");
		return FAILED;
	}
	puts("\nThis host is ready for machines.");
	return DONE;
}

int doctor(int argc, char **argv)
{
	int result = read_arguments(argc, argv, NULL, 0, 0, "");

	if (result != DONE)
		return result;
	for (const struct doctor_check *check = doctor_checks; check->title; check++) {
		n_findings = 0;
		check->function();
		if (n_findings == 0)
			(void)printf("ok: %s\n", check->title);
	}
	return conclude();
}
