/* SPDX-License-Identifier: Apache-2.0 */
/* What a network may be called. */
#include "name.h"

#include <string.h>

#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

bool network_name_is_valid(const char *name)
{
	size_t length = strspn(name, NAME_BYTES);

	return name[length] == '\0' && length >= 1 && length <= NETWORK_NAME_MAX &&
	       strchr("._-", name[0]) == NULL;
}
