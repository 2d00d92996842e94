/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that calls vmnet as its standard input says, a line each, and
 * answers with a line each: a status of vmnet, and what there is to tell. It
 * has one configuration at a time, and networks and interfaces by names.
 *
 *	new MODE                     a configuration, instead of the one before
 *	subnet ADDRESS/LENGTH        what set_ipv4_subnet is called with
 *	prefix ADDRESS               what set_ipv6_prefix is called with, and 64
 *	no-nat44
 *	reserve ADDRESS              for 52:54:00:00:00:0a
 *	forward PORT ADDRESS         of TCP, to 22
 *	create NAME                  makes a network of the configuration
 *	addresses NAME               its addresses: HOST/LENGTH PREFIX/LENGTH
 *	serialize NAME               its serialization's bytes in hexadecimal
 *	join NAME BYTES [nested]     makes a network of such bytes; nested: of a
 *	                             dictionary that was within another
 *	release NAME
 *	start NAME INTERFACE         on a network; with the interface's MAC address and MTU
 *	ping INTERFACE ADDRESS       whether the Mac answers: 1 or 0, no status
 *	packet INTERFACE SIZE        writes one, and reads what there is: how many
 *	stop INTERFACE               answers when it is done
 *	stopping INTERFACE           answers at once, and when it is done once more
 *
 * At the end of its input it exits as it stands; "quit" ends it in order.
 */
#include <CoreFoundation/CoreFoundation.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../double/vmnet_double.h"

#define THINGS_MAX 400
#define WORDS_MAX 4

static struct thing {
	char name[32];
	vmnet_network_ref network;
	interface_ref interface;
} things[THINGS_MAX];

static vmnet_network_configuration_ref configuration;
static dispatch_queue_t queue;

static struct thing *find(const char *name)
{
	struct thing *unused = NULL;

	for (size_t i = 0; i < THINGS_MAX; i++) {
		if (strcmp(things[i].name, name) == 0)
			return &things[i];
		if (things[i].name[0] == '\0' && !unused)
			unused = &things[i];
	}
	if (!unused)
		abort();
	(void)snprintf(unused->name, sizeof(unused->name), "%s", name);
	return unused;
}

static void say(vmnet_return_t status, const char *text)
{
	printf("%d%s%s\n", (int)status, text[0] ? " " : "", text);
	fflush(stdout);
}

/* Configuring */

static void do_new(char **words)
{
	vmnet_return_t status;

	if (configuration)
		CFRelease(configuration);
	configuration = vmnet_network_configuration_create(
		strcmp(words[1], "host") == 0 ? VMNET_HOST_MODE : VMNET_SHARED_MODE, &status);
	say(status, "");
}

static void do_subnet(char **words)
{
	char *length = strchr(words[1], '/');
	struct in_addr address;
	struct in_addr mask = { .s_addr = htonl(UINT32_MAX << (32 - atoi(length + 1))) };

	*length = '\0';
	(void)inet_pton(AF_INET, words[1], &address);
	say(vmnet_network_configuration_set_ipv4_subnet(configuration, &address, &mask), "");
}

static void do_prefix(char **words)
{
	struct in6_addr prefix;

	(void)inet_pton(AF_INET6, words[1], &prefix);
	say(vmnet_network_configuration_set_ipv6_prefix(configuration, &prefix, 64), "");
}

static void do_no_nat44(char **words)
{
	(void)words;
	vmnet_network_configuration_disable_nat44(configuration);
	say(VMNET_SUCCESS, "");
}

static void do_reserve(char **words)
{
	const ether_addr_t client = { { 0x52, 0x54, 0, 0, 0, 0x0a } };
	struct in_addr address;

	(void)inet_pton(AF_INET, words[1], &address);
	say(vmnet_network_configuration_add_dhcp_reservation(configuration, &client, &address), "");
}

static void do_forward(char **words)
{
	struct in_addr address;

	(void)inet_pton(AF_INET, words[2], &address);
	say(vmnet_network_configuration_add_port_forwarding_rule(
		    configuration, IPPROTO_TCP, AF_INET, 22, (uint16_t)atoi(words[1]), &address),
	    "");
}

/* Networks */

static void do_create(char **words)
{
	vmnet_return_t status;

	find(words[1])->network = vmnet_network_create(configuration, &status);
	say(status, "");
}

static void do_addresses(char **words)
{
	vmnet_network_ref network = find(words[1])->network;
	char subnet_text[INET_ADDRSTRLEN];
	char prefix_text[INET6_ADDRSTRLEN];
	struct in_addr subnet;
	struct in_addr mask;
	struct in6_addr prefix;
	uint8_t length;
	char text[120];

	vmnet_network_get_ipv4_subnet(network, &subnet, &mask);
	vmnet_network_get_ipv6_prefix(network, &prefix, &length);
	(void)snprintf(text, sizeof(text), "%s/%d %s/%u",
		       inet_ntop(AF_INET, &subnet, subnet_text, sizeof(subnet_text)),
		       __builtin_popcount(mask.s_addr),
		       inet_ntop(AF_INET6, &prefix, prefix_text, sizeof(prefix_text)), length);
	say(VMNET_SUCCESS, text);
}

/* As one who carries it by hand: he looks for the one value that is data. */
static void do_serialize(char **words)
{
	vmnet_return_t status;
	xpc_object_t serialization =
		vmnet_network_copy_serialization(find(words[1])->network, &status);
	char text[1000] = "";
	char *const out = text; /* a block takes no array */

	if (xpc_dictionary_get_count(serialization) != 1)
		abort();
	(void)xpc_dictionary_apply(serialization, ^bool(const char *key, xpc_object_t value) {
		const unsigned char *bytes = xpc_data_get_bytes_ptr(value);
		int length = snprintf(out, sizeof(text), "%s=", key);

		for (size_t i = 0; i < xpc_data_get_length(value); i++)
			length += snprintf(out + length, sizeof(text) - (size_t)length, "%02x",
					   bytes[i]);
		return true;
	});
	xpc_release(serialization);
	say(status, text);
}

static void do_join(char **words)
{
	xpc_object_t serialization = xpc_dictionary_create_empty();
	xpc_object_t outer = xpc_dictionary_create_empty();
	char *hex = strchr(words[2], '=') + 1;
	unsigned char bytes[500];
	size_t length = strlen(hex) / 2;
	vmnet_return_t status;

	hex[-1] = '\0';
	for (size_t i = 0; i < length; i++)
		(void)sscanf(hex + 2 * i, "%2hhx", &bytes[i]);
	xpc_dictionary_set_data(serialization, words[2], bytes, length);
	xpc_dictionary_set_value(outer, "inner", serialization);
	find(words[1])->network = vmnet_network_create_with_serialization(
		words[3] ? xpc_dictionary_get_value(outer, "inner") : serialization, &status);
	xpc_release(serialization);
	xpc_release(outer);
	say(status, "");
}

static void do_release(char **words)
{
	struct thing *thing = find(words[1]);

	CFRelease(thing->network);
	*thing = (struct thing){ 0 };
	say(VMNET_SUCCESS, "");
}

/* Interfaces */

static void do_start(char **words)
{
	vmnet_network_ref network = find(words[1])->network;
	struct thing *thing = find(words[2]);
	dispatch_semaphore_t done = dispatch_semaphore_create(0);
	xpc_object_t description = xpc_dictionary_create_empty();
	__block vmnet_return_t result;
	char text[100] = "";
	char *const out = text;

	thing->interface = vmnet_interface_start_with_network(
		network, description, queue, ^(vmnet_return_t status, xpc_object_t parameters) {
			result = status;
			if (parameters)
				(void)snprintf(out, sizeof(text), "%s %llu",
					       xpc_dictionary_get_string(parameters,
									 vmnet_mac_address_key),
					       (unsigned long long)xpc_dictionary_get_uint64(
						       parameters, vmnet_mtu_key));
			dispatch_semaphore_signal(done);
		});
	xpc_release(description);
	if (thing->interface)
		dispatch_semaphore_wait(done, DISPATCH_TIME_FOREVER);
	dispatch_release(done);
	if (thing->interface)
		say(result, text);
	else
		say(VMNET_FAILURE, "no interface");
}

static void do_ping(char **words)
{
	struct in_addr address;

	(void)inet_pton(AF_INET, words[2], &address);
	printf("%d\n", interface_reaches(find(words[1])->interface, address));
	fflush(stdout);
}

static void do_packet(char **words)
{
	interface_ref interface = find(words[1])->interface;
	struct vmpktdesc packet = { .vm_pkt_size = (size_t)atol(words[2]) };
	int n = 1;
	vmnet_return_t status = vmnet_write(interface, &packet, &n);
	char text[16] = "";

	if (status == VMNET_SUCCESS)
		status = vmnet_read(interface, &packet, &n);
	if (status == VMNET_SUCCESS)
		(void)snprintf(text, sizeof(text), "%d", n);
	say(status, text);
}

static void do_stopping(char **words)
{
	struct thing *thing = find(words[1]);
	vmnet_return_t result = vmnet_stop_interface(thing->interface, queue, ^(vmnet_return_t s) {
		say(s, "");
	});

	*thing = (struct thing){ 0 };
	say(result, "");
}

static void do_stop(char **words)
{
	struct thing *thing = find(words[1]);
	dispatch_semaphore_t done = dispatch_semaphore_create(0);
	__block vmnet_return_t result;

	result = vmnet_stop_interface(thing->interface, queue, ^(vmnet_return_t status) {
		result = status;
		dispatch_semaphore_signal(done);
	});
	if (result == VMNET_SUCCESS)
		dispatch_semaphore_wait(done, DISPATCH_TIME_FOREVER);
	dispatch_release(done);
	*thing = (struct thing){ 0 };
	say(result, "");
}

#define VERB(name, function)   \
	{                      \
		name, function \
	}

static const struct {
	const char *name;
	void (*run)(char **words);
} verbs[] = {
	VERB("new", do_new),
	VERB("subnet", do_subnet),
	VERB("prefix", do_prefix),
	VERB("no-nat44", do_no_nat44),
	VERB("reserve", do_reserve),
	VERB("forward", do_forward),
	VERB("create", do_create),
	VERB("addresses", do_addresses),
	VERB("serialize", do_serialize),
	VERB("join", do_join),
	VERB("release", do_release),
	VERB("start", do_start),
	VERB("ping", do_ping),
	VERB("packet", do_packet),
	VERB("stop", do_stop),
	VERB("stopping", do_stopping),
};

static void run(char *line)
{
	char *words[WORDS_MAX + 1] = { 0 };

	for (size_t i = 0; i < WORDS_MAX && line; i++)
		words[i] = strsep(&line, " ");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(words[0], verbs[i].name) == 0) {
			verbs[i].run(words);
			return;
		}
	}
	abort();
}

int main(void)
{
	char line[2000];

	queue = dispatch_queue_create("handlers", DISPATCH_QUEUE_SERIAL);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "quit") == 0)
			break;
		run(line);
	}
	if (feof(stdin))
		_exit(0);
	if (configuration)
		CFRelease(configuration);
	dispatch_release(queue);
	return 0;
}
