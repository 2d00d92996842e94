/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as each of the records in the runtime directory: of a network, of an
 * interface, of a connection, and of forwarding. What is taken from it is fit to be used, and
 * comes back when it is written again.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/linux/network/interface_record.h"
#include "broker/linux/network/record.h"
#include "broker/linux/varlink/fdstore.h"
#include "host/forwarding_state.h"
#include "host/names.h"
#include "tests/unit/log_double.h"
#include "tests/unit/must.h"
#include "write_file.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/dev/shm/fuzz-records.XXXXXX";
static int ends[2];

/* All files are the same text. */
static const char *const files[] = { "lab.json", "lab.020000000001.interface", "1.client",
				     "forwarding" };
static const struct mac_address mac = { { 2, 0, 0, 0, 0, 1 } };

#define N_FILES (sizeof(files) / sizeof(files[0]))

static const char *path_of(const char *file)
{
	static char path[sizeof(folder) + 32];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, file);
	return path;
}

static void remove_folder(void)
{
	for (size_t i = 0; i < N_FILES; i++)
		(void)unlink(path_of(files[i]));
	(void)rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(mkdtemp(folder));
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	return atexit(remove_folder);
}

static void check_same(const struct network_addresses *addresses,
		       const struct network_addresses *again)
{
	must(strcmp(again->bridge, addresses->bridge) == 0);
	must(again->mtu == addresses->mtu && again->mtu > 0);
	must(mac_address_equal(&again->bridge_mac, &addresses->bridge_mac));
	must(again->ipv4_subnet.address.s_addr == addresses->ipv4_subnet.address.s_addr);
	must(again->ipv4_subnet.length == addresses->ipv4_subnet.length);
	must(again->ipv4_gateway.s_addr == addresses->ipv4_gateway.s_addr);
	must(memcmp(&again->ipv6_prefix, &addresses->ipv6_prefix, sizeof(again->ipv6_prefix)) == 0);
	must(again->vxlan_host == addresses->vxlan_host);
	must(again->own_ipv4.s_addr == addresses->own_ipv4.s_addr);
}

/* One without a bridge is damaged, and is said to be. */
static void check_network(void)
{
	struct network_addresses addresses;
	struct network_addresses again;
	struct network_config *config;
	struct network_config *config_again;
	char bridge[INTERFACE_NAME_SIZE];

	record_load(folder, "lab", &config, &addresses);
	must(!addresses.bridge[0] == !!log_double_text()[0]);
	if (addresses.bridge[0]) {
		bridge_name("lab", bridge);
		must(config && strcmp(config->name, "lab") == 0);
		must(config->mode == NETWORK_BRIDGED || strcmp(addresses.bridge, bridge) == 0);
		must(!config->vxlan.vni == !addresses.vxlan_host);
		must(addresses.vxlan_host <= config->vxlan.n_hosts);
		must(record_save(folder, config, &addresses) == 0);
		record_load(folder, "lab", &config_again, &again);
		must(config_again && strcmp(config_again->json, config->json) == 0);
		check_same(&addresses, &again);
		network_config_unref(config_again);
	}
	network_config_unref(config);
}

static void check_interface(void)
{
	struct interface_options options;
	struct interface_options again;
	char *text, *text_again;

	interface_record_load(folder, "lab", &mac, &options);
	text = interface_record_text(&options);
	must(text && interface_record_save(folder, "lab", &mac, text) == 0);
	interface_record_load(folder, "lab", &mac, &again);
	text_again = interface_record_text(&again);
	must(text_again && strcmp(text_again, text) == 0);
	free(text_again);
	free(text);
	free(again.port_forwardings);
	free(options.port_forwardings);
}

static void check_connection(void)
{
	struct fdstore_entry *entry;

	must(fdstore_take(ends[0], "client-1") == 1);
	fdstore_load(folder);
	entry = fdstore_next();
	must(entry && entry->number == 1 && entry->fd == ends[0]);
	for (const struct fdstore_hold *hold = entry->holds; hold; hold = hold->next)
		must(network_name_is_valid(hold->network));
	fdstore_free(entry);
	must(!fdstore_next());
}

static void check_forwarding(void)
{
	struct forwarding_state state = { 0 };
	struct forwarding_state again = { 0 };

	must(forwarding_state_load(folder, &state) == 0);
	must(forwarding_state_save(folder, &state) == 0);
	must(forwarding_state_load(folder, &again) == 0);
	must(again.ipv6_all == state.ipv6_all);
	for (const struct routed_interface *i = state.interfaces; i; i = i->next) {
		const struct routed_interface *same =
			forwarding_state_interface(&again, i->family, i->index);

		must(same && same->forwarding == i->forwarding && same->accept_ra == i->accept_ra);
	}
	for (; state.bridges; forwarding_state_remove_bridge(&state, state.bridges->name))
		forwarding_state_remove_bridge(&again, state.bridges->name);
	must(!again.bridges);
	forwarding_state_clear(&state);
	forwarding_state_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_double_clear();
	for (size_t i = 0; i < N_FILES; i++)
		write_file(path_of(files[i]), data, size);
	check_network();
	check_interface();
	check_connection();
	check_forwarding();
	return 0;
}
