/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a lease file: what comes out is fit to be shown to people and sent to clients. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "broker/linux/dnsmasq/leases.h"
#include "tests/unit/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct network network;

static void check_hostname(const char *name)
{
	must(strlen(name) <= HOSTNAME_TEXT_MAX);
	for (const char *c = name; *c; c++)
		must(isalnum((unsigned char)*c) || strchr("-._", *c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dhcp_lease *leases;
	struct lease *list;
	struct in_addr address;
	size_t n_leases;
	size_t n_asked_for = 0;
	size_t n_listed = 0;
	uint64_t addresses = 0; /* a sum of them, which has no order */

	must(leases_parse((const char *)data, size, &leases, &n_leases) == 0);
	for (size_t i = 0; i < n_leases; i++) {
		must(leases[i].expires >= 0);
		check_hostname(leases[i].hostname);
		must(!leases[i].is_taken || !leases[i].is_reserved);
		if (leases[i].is_taken || leases[i].is_reserved)
			continue;
		addresses += leases[i].address.s_addr;
		n_asked_for++;
	}
	must(leases_list(&network, leases, n_leases, 0, 0, &list) == 0);
	for (const struct lease *lease = list; lease; lease = lease->next) {
		must(inet_pton(AF_INET, lease->address, &address) == 1);
		must(!lease->next || lease_compare(lease, lease->next) <= 0);
		addresses -= address.s_addr;
		n_listed++;
	}
	must(n_listed == n_asked_for && addresses == 0);
	leases_free(list);
	free(leases);
	return 0;
}
