/* SPDX-License-Identifier: Apache-2.0 */
/* Anything as another host's zone: what comes out is fit for a file of hosts. */
#include <string.h>

#include "broker/linux/dnsmasq/zone.h"
#include "tests/unit/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ZONE "b.lab.internal"

static void check_record(const struct zone_record *record, const struct network_config *config)
{
	const size_t length = strspn(record->name, "abcdefghijklmnopqrstuvwxyz0123456789-_");

	must(length >= 1 && length <= DNS_LABEL_MAX && !record->name[length]);
	must(!strchr("-_", record->name[0]));
	if (record->family == AF_INET)
		must(ipv4_subnet_contains(&config->subnet, record->address.ipv4));
	else
		must(record->family == AF_INET6 &&
		     ipv6_prefix_contains(&config->ipv6_prefix, &record->address.ipv6));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct network_config config = { .name = "lab" };
	struct zone zone;

	must(ipv4_subnet_parse("10.80.0.0/16", &config.subnet) == 0);
	must(ipv6_prefix_parse("fd80:0:0:1::/64", &config.ipv6_prefix) == 0);
	if (zone_parse(data, size, ZONE, &config, &zone) < 0)
		return 0;
	for (size_t i = 0; i < zone.n_records; i++)
		check_record(&zone.records[i], &config);
	must(memchr(zone.text, '\0', sizeof(zone.text)));
	zone_clear(&zone);
	must(!zone.records && zone.n_records == 0);
	return 0;
}
