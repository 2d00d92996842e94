/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the configuration's parser share: reading one value after the other into
 * plain fields, and saying what is wrong with one. For those parts alone: config.h is what
 * others need.
 */
#ifndef VMNET_CONFIG_READER_H
#define VMNET_CONFIG_READER_H

#include <jansson.h>

#include "base/array.h"
#include "config.h"
#include "places.h"

/* The keys of a network. They are read in this order: one may rely on those before it. */
enum network_key {
	NETWORK_KEY_MODE,
	NETWORK_KEY_DESCRIPTION,
	NETWORK_KEY_ALIASES,
	NETWORK_KEY_SUBNET,
	NETWORK_KEY_IPV6_PREFIX,
	NETWORK_KEY_EXTERNAL_INTERFACE,
	NETWORK_KEY_MTU,
	NETWORK_KEY_NAT44,
	NETWORK_KEY_NAT66,
	NETWORK_KEY_DHCP,
	NETWORK_KEY_DNS_PROXY,
	NETWORK_KEY_ROUTER_ADVERTISEMENT,
	NETWORK_KEY_VXLAN,
	NETWORK_KEY_DHCP_RESERVATIONS,
	NETWORK_KEY_PORT_FORWARDING,
	NETWORK_KEY_ALLOW_PORT_FORWARDING,
	NETWORK_KEY_RATE_LIMIT_IN,
	NETWORK_KEY_RATE_LIMIT_OUT,
	NETWORK_KEY_ISOLATED,
	NETWORK_KEY_LINK_LOCAL,
	NETWORK_KEY_BYPASS_KILL_SWITCH,
	NETWORK_KEY_ALLOW,
	NETWORK_KEY_MAX_INTERFACES,
	N_NETWORK_KEYS,
};

/* Ports of the host that lead to machines, of networks that have been read. */
struct claimed_ports {
	struct port_forwarding forwarding;
	const struct place *place;
};

struct config_reader {
	struct config_errors *errors;
	struct places places;
	json_t *claims; /* what may be there only once: a text to the index of its place */
	struct claimed_ports *ports;
	size_t n_ports;
	bool lenient; /* users and groups that do not exist are nobody */

	/* The network that is being read: network.c's. */
	struct network_config *network;
	const struct place *scope;
	const struct place *given[N_NETWORK_KEYS]; /* by enum network_key; NULL: not there */
};

/* Reads a value into a field, of the type that the function knows. Reports what is wrong. */
typedef void config_read_function(struct config_reader *reader, const struct place *place,
				  const json_t *value, void *field);

/* A key of an object, and its field: offset bytes into the structure that is filled. */
struct config_key {
	const char *name;
	config_read_function *read;
	size_t offset;
	const char *missing; /* what to give when it is not there; NULL: it need not be */
};

/* Errors, in errors.c. */

/*
 * The message is a sentence; line 0: about the file as a whole. Never fails:
 * without memory, that becomes the only error.
 */
__attribute__((format(printf, 4, 5))) void config_errors_add(struct config_errors *errors,
							     uint32_t line, uint32_t column,
							     const char *format, ...);
void config_errors_memory_short(struct config_errors *errors);
bool config_errors_are_of_memory(const struct config_errors *errors);
/* Brings them into the order of the file. */
void config_errors_sort(struct config_errors *errors);

/*
 * Something is wrong with a value, or with the key before it. The message
 * becomes network "NAME": "KEY" MESSAGE.
 */
__attribute__((format(printf, 3, 4))) void
config_report(struct config_reader *reader, const struct place *place, const char *format, ...);
__attribute__((format(printf, 3, 4))) void
config_report_key(struct config_reader *reader, const struct place *place, const char *format, ...);

/* A key is not there: the container's place is reported, and what to give. */
void config_report_missing(struct config_reader *reader, const struct place *place, const char *key,
			   const char *give);

/* The value is not what it has to be: must be EXPECTED, not VALUE. */
void config_report_value(struct config_reader *reader, const struct place *place,
			 const json_t *value, const char *expected);

/*
 * Something that may be there only once: reports place if it has been claimed
 * already.
 *
 * scope: where it may be only once, the place of a network; NULL: in the file.
 * what: names it, and nothing else in scope. Valid UTF-8.
 */
void config_claim(struct config_reader *reader, const struct place *place,
		  const struct place *scope, const char *what);

/* Reports place: there may be only one of what it has, and first has it. */
void config_report_repeated(struct config_reader *reader, const struct place *place,
			    const struct place *first, const char *what);

/* The next character of a valid UTF-8 text that is not at its end. */
uint32_t config_next_character(const char **text);

/* Can be shown in one line, and changes nothing around it. */
bool config_is_printable(uint32_t character);

/* One network, in network.c. Returns it, errors or none; NULL when memory is short. */
struct network_config *config_read_network(struct config_reader *reader, const struct place *place,
					   const json_t *value);

/* Some of its keys: the fields are the whole network's, and its allow. */
config_read_function config_read_vxlan; /* vxlan.c */
config_read_function config_read_reservations; /* services.c */
config_read_function config_read_forwardings; /* forwarding.c */
config_read_function config_read_allow_forwarding; /* forwarding.c */
config_read_function config_read_allow; /* allow.c */
config_read_function config_read_rate_limit; /* rate.c */

/*
 * Checks that a machine of the network can have this address, text. Without a subnet
 * there is nothing to check: that was reported where it is missing.
 */
bool config_check_machine(struct config_reader *reader, const struct place *place, const char *text,
			  struct in_addr address);

/* Claims a name or alias, which is valid, for the network at or around place. */
void config_claim_name(struct config_reader *reader, const struct place *place, const char *name);

/* Values, in reader.c. */

/*
 * Finds the values of n keys in an object, and reports what is wrong with its
 * keys as such.
 *
 * given: gets the place of each key's value, or NULL.
 *
 * Returns false when value is no object: it has been reported.
 */
bool config_read_keys(struct config_reader *reader, const struct place *place, const json_t *value,
		      const struct config_key *keys, size_t n, const struct place **given);

/* Reads a whole object into target. given: as above. */
bool config_read_object(struct config_reader *reader, const struct place *place,
			const json_t *value, const struct config_key *keys, size_t n,
			const struct place **given, void *target);

/*
 * Reads an array into new memory, an element of size bytes per value; read()
 * gets each. Returns the elements, which start as zeros, and their number in
 * n; NULL when value is no array (reported), empty, or memory is short.
 */
void *config_read_list(struct config_reader *reader, const struct place *place, const json_t *value,
		       const char *expected, size_t size, config_read_function *read, size_t *n);

/* The field is a bool. */
config_read_function config_read_bool;

/* The whole number from min to max, or 0 when it is none (reported). */
uint64_t config_read_number(struct config_reader *reader, const struct place *place,
			    const json_t *value, uint64_t min, uint64_t max);

/* The index of the string in names, or -1 when it is none of them (reported). */
int config_read_choice(struct config_reader *reader, const struct place *place, const json_t *value,
		       const char *const *names, size_t n, const char *expected);

/* A copy, for the caller to free; NULL when memory is short, which is noted. */
char *config_copy(struct config_reader *reader, const char *text);

#endif
