/* SPDX-License-Identifier: Apache-2.0 */
#include "machine_name.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

const char *const sought_names[] = {
	"data-server", "gateway", "instance-data", "isatap", "localhost", "wpad", NULL,
};

bool machine_name_is_sought(const char *name)
{
	for (size_t i = 0; sought_names[i]; i++)
		if (strcasecmp(sought_names[i], name) == 0)
			return true;
	return false;
}

/*
 * dnsmasq takes a number, with a unit of time or without, for the time of a
 * lease, and has two words of its own.
 */
bool machine_name_is_dhcp_word(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	if (digits > 0 && (name[digits] == '\0' ||
			   (strchr("smhdwSMHDW", name[digits]) && name[digits + 1] == '\0')))
		return true;
	return strcasecmp(name, "infinite") == 0 || strcasecmp(name, "ignore") == 0;
}

void machine_name_write(FILE *file, const char *name)
{
	for (; *name; name++)
		(void)fputc(tolower((unsigned char)*name), file);
}
