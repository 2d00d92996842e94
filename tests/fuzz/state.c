/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as the record of a network. What is taken from it is right, whatever
 * it says, and comes back when it is kept again; what is damaged is set aside.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/state.h"
#include "tests/unit/log_double.h"
#include "tests/unit/must.h"
#include "write_file.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory: records are flushed to the disk. */
static char folder[] = "/dev/shm/fuzz-state.XXXXXX";
static char record[sizeof(folder) + sizeof("/lab.json")];
static char aside[sizeof(record) + sizeof(".damaged")];

static void remove_folder(void)
{
	(void)unlink(record);
	(void)unlink(aside);
	(void)rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(mkdtemp(folder));
	(void)snprintf(record, sizeof(record), "%s/lab.json", folder);
	(void)snprintf(aside, sizeof(aside), "%s.damaged", record);
	return atexit(remove_folder);
}

static void check_subnet(const struct ipv4_subnet *subnet)
{
	must(!subnet->length || (subnet->length >= 8 && subnet->length <= 29));
	must(ipv4_subnet_contains(subnet, subnet->address));
}

static void check_prefix(const struct ipv6_prefix *prefix)
{
	must(!prefix->length || prefix->length == 64);
	must(ipv6_prefix_contains(prefix, &prefix->address));
}

static void check_kept(const struct network_state_kept *kept)
{
	static const struct mac_address none;

	check_subnet(&kept->ipv4_subnet);
	check_subnet(&kept->ipv4_subnet_instead);
	check_prefix(&kept->ipv6_prefix);
	check_prefix(&kept->ipv6_prefix_instead);
	must(mac_address_equal(&kept->bridge_mac, &none) ||
	     mac_address_is_unicast(&kept->bridge_mac));
}

static void check_equal(const struct network_state_kept *a, const struct network_state_kept *b)
{
	must(memcmp(&a->ipv4_subnet, &b->ipv4_subnet, sizeof(a->ipv4_subnet)) == 0);
	must(memcmp(&a->ipv4_subnet_instead, &b->ipv4_subnet_instead,
		    sizeof(a->ipv4_subnet_instead)) == 0);
	must(memcmp(&a->ipv6_prefix, &b->ipv6_prefix, sizeof(a->ipv6_prefix)) == 0);
	must(memcmp(&a->ipv6_prefix_instead, &b->ipv6_prefix_instead,
		    sizeof(a->ipv6_prefix_instead)) == 0);
	must(mac_address_equal(&a->bridge_mac, &b->bridge_mac));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct network_state_kept kept;
	struct network_state_kept again;

	log_double_clear();
	write_file(record, data, size);
	must(state_load(folder, "lab", &kept) == 0);
	must((access(record, F_OK) == 0) == !log_double_text()[0]);
	check_kept(&kept);
	must(state_save(folder, "lab", &kept) == 0);
	must(state_load(folder, "lab", &again) == 0);
	check_equal(&again, &kept);
	return 0;
}
