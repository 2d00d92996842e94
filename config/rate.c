/* SPDX-License-Identifier: Apache-2.0 */
/* The keys "rate_limit_in" and "rate_limit_out", and what follows from a rate. */
#include "base/array.h"
#include "reader.h"

/* As long as this the rate may be exceeded, and what is too much may wait. */
#define BURST_PART 20U /* of a second */

#define WAITING_MAX (8 * RATE_FRAME_MAX)
/* The shortest frames take so many times more of the kernel's memory than their bytes. */
#define SHORT_FRAME_COST 12U

static uint64_t at_most(uint64_t value, uint64_t most)
{
	return value < most ? value : most;
}

bool rate_limit_is_valid(const struct rate_limit *rate)
{
	return rate->bits_per_second >= RATE_MIN && rate->bits_per_second <= RATE_MAX &&
	       (!rate->burst_bytes ||
		(rate->burst_bytes >= RATE_BURST_MIN && rate->burst_bytes <= RATE_BURST_MAX));
}

uint32_t rate_limit_burst(const struct rate_limit *rate)
{
	const uint64_t burst = at_most(rate->bits_per_second / 8 / BURST_PART, RATE_BURST_MAX);

	if (rate->burst_bytes)
		return rate->burst_bytes;
	return burst > RATE_BURST_MIN ? (uint32_t)burst : RATE_BURST_MIN;
}

uint32_t rate_limit_waiting(const struct rate_limit *rate)
{
	return (uint32_t)at_most(2 * (uint64_t)rate_limit_burst(rate), WAITING_MAX);
}

unsigned int rate_limit_frames(const struct rate_limit *rate)
{
	return rate->bits_per_second ? rate_limit_waiting(rate) / RATE_FRAME_MAX * SHORT_FRAME_COST
				     : 0;
}

static void read_bits(struct config_reader *reader, const struct place *place, const json_t *value,
		      void *field)
{
	*(uint64_t *)field = config_read_number(reader, place, value, RATE_MIN, RATE_MAX);
}

static void read_burst(struct config_reader *reader, const struct place *place, const json_t *value,
		       void *field)
{
	*(uint32_t *)field =
		(uint32_t)config_read_number(reader, place, value, RATE_BURST_MIN, RATE_BURST_MAX);
}

void config_read_rate_limit(struct config_reader *reader, const struct place *place,
			    const json_t *value, void *field)
{
	static const struct config_key keys[] = {
		{ "bits_per_second", read_bits, offsetof(struct rate_limit, bits_per_second),
		  "how much may pass, such as 100000000" },
		{ "burst_bytes", read_burst, offsetof(struct rate_limit, burst_bytes), NULL },
	};
	const struct place *given[ARRAY_SIZE(keys)];

	if (config_support.no_rate_limit)
		config_report_key(reader, place, "%s", config_support.no_rate_limit);
	else
		(void)config_read_object(reader, place, value, keys, ARRAY_SIZE(keys), given,
					 field);
}
