/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hosts of a network tell each other by DNS. Each has a zone, HOST.NETWORK.internal, in
 * which are the names of its machines, and what its configuration of the network is.
 */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_ZONE_H
#define VMNET_BROKER_LINUX_DNSMASQ_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "broker/broker.h"
#include "host/names.h"

#define ZONE_NAME_SIZE (HOSTNAME_TEXT_MAX + 1 + NETWORK_DOMAIN_SIZE)

/* The text of a zone's own record: the network's configuration, which is to be one on all hosts. */
#define ZONE_TEXT_SIZE sizeof("vmnet-broker 0123456789abcdef")

/* The zone of a host, in small letters. Returns name. */
const char *zone_name(const struct network_config *config, const struct vxlan_host *host,
		      char name[ZONE_NAME_SIZE]);

/* Returns text. */
const char *zone_text(const struct network_config *config, char text[ZONE_TEXT_SIZE]);

/* What a whole zone is asked for with: DNS by TCP. */
#define ZONE_QUESTION_SIZE (2 + 12 + ZONE_NAME_SIZE + 1 + 4)

/* Returns the length of the question. */
size_t zone_ask(const char *zone, uint8_t question[ZONE_QUESTION_SIZE]);

/* An address of a machine's name. */
struct zone_record {
	char name[DNS_LABEL_MAX + 1]; /* without the zone's, in small letters */
	int family; /* AF_INET or AF_INET6: which of the addresses is meant */
	union forwarding_address address;
};

/* What a host has told. */
struct zone {
	struct zone_record *records; /* owned */
	size_t n_records;
	char text[ZONE_TEXT_SIZE]; /* "": it has none */
	bool is_whole; /* it fits into one message: a thousand names do */
};

/*
 * The zone in an answer: its names that a machine can have, with addresses of the network. Of what
 * else is in it nothing is taken. Machines choose their names, and nothing more of it.
 *
 * message: without its length. name: the zone's.
 * zone: to be freed by zone_clear() after 0.
 *
 * Returns 0, -EBADMSG when it is no such answer, -EACCES when the host has refused, or -ENOMEM.
 */
int zone_parse(const uint8_t *message, size_t size, const char *name,
	       const struct network_config *config, struct zone *zone);
void zone_clear(struct zone *zone);

#endif
