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

#include "log_double.h"
#include "must.h"
#include "state.h"
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

static void check_kept(const struct network_state_kept *kept)
{
	static const struct mac_address none;

	must(!kept->ipv4_subnet.length ||
	     (kept->ipv4_subnet.length >= 8 && kept->ipv4_subnet.length <= 29));
	must(ipv4_subnet_contains(&kept->ipv4_subnet, kept->ipv4_subnet.address));
	must(!kept->ipv6_prefix.length || kept->ipv6_prefix.length == 64);
	must(ipv6_prefix_contains(&kept->ipv6_prefix, &kept->ipv6_prefix.address));
	must(mac_address_equal(&kept->bridge_mac, &none) ||
	     mac_address_is_unicast(&kept->bridge_mac));
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
	must(again.ipv4_subnet.address.s_addr == kept.ipv4_subnet.address.s_addr);
	must(again.ipv4_subnet.length == kept.ipv4_subnet.length);
	must(memcmp(&again.ipv6_prefix.address, &kept.ipv6_prefix.address,
		    sizeof(kept.ipv6_prefix.address)) == 0);
	must(again.ipv6_prefix.length == kept.ipv6_prefix.length);
	must(mac_address_equal(&again.bridge_mac, &kept.bridge_mac));
	return 0;
}
