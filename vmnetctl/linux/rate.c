/* SPDX-License-Identifier: Apache-2.0 */
#include "rate.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * The number at *text, which goes on behind it and its unit. units: letters, each of so many times
 * more than the one before. Returns 0 when there is none, or it is more than most.
 */
static uint64_t take_number(const char **text, const char *units, unsigned int times, uint64_t most)
{
	unsigned long long number;
	const char *unit;
	size_t n = 0;
	char *end;

	if (!isdigit((unsigned char)**text))
		return 0;
	errno = 0;
	number = strtoull(*text, &end, 10);
	if (errno != 0 || number > most)
		return 0;
	unit = *end ? strchr(units, *end == 'K' ? 'k' : *end) : NULL;
	if (unit)
		n = (size_t)(unit - units) + 1;
	*text = unit ? end + 1 : end;
	for (; n > 0; n--) {
		if (number > most / times)
			return 0;
		number *= times;
	}
	return number;
}

int rate_parse(const char *text, struct vmnet_broker_rate_limit *rate)
{
	*rate = (struct vmnet_broker_rate_limit){
		.bits_per_second = take_number(&text, "kMGT", 1000, INT64_MAX),
	};
	if (!rate->bits_per_second)
		return -1;
	if (*text == ':') {
		text++;
		rate->burst_bytes = (uint32_t)take_number(&text, "kM", 1024, UINT32_MAX);
		if (!rate->burst_bytes)
			return -1;
	}
	return *text == '\0' ? 0 : -1;
}
