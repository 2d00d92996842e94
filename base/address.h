/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses as values: IPv4 subnets, IPv6 prefixes, MAC addresses, each with its one text
 * form. What is parsed here needs no checking further in. Which are free is subnet.h's.
 */
#ifndef VMNET_BASE_ADDRESS_H
#define VMNET_BASE_ADDRESS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAC_TEXT_SIZE sizeof("00:00:00:00:00:00")
#define IPV4_SUBNET_TEXT_SIZE (INET_ADDRSTRLEN + sizeof("/32") - 1)
#define IPV6_PREFIX_TEXT_SIZE (INET6_ADDRSTRLEN + sizeof("/128") - 1)

struct mac_address {
	uint8_t bytes[6];
};

/* The bytes of an address of AF_INET or AF_INET6, in network byte order. */
static inline size_t address_size(int family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

/* A length of 0 means that none is set. */
struct ipv4_subnet {
	struct in_addr address; /* network byte order, host bits are zero */
	unsigned int length;
};

struct ipv6_prefix {
	struct in6_addr address; /* host bits are zero */
	unsigned int length;
};

/*
 * Each *_parse returns 0, or -1 when text is not exactly one such value and
 * leaves the result alone. A subnet or prefix with host bits set is refused.
 */
int ipv4_subnet_parse(const char *text, struct ipv4_subnet *subnet);
int ipv6_prefix_parse(const char *text, struct ipv6_prefix *prefix);
int mac_address_parse(const char *text, struct mac_address *mac);

/*
 * Reads an address of either family into as many bytes as it has. text: may be NULL. Returns
 * AF_INET or AF_INET6, or AF_UNSPEC when it is none.
 */
int address_parse(const char *text, void *address);

/* The same, with host bits cleared instead of refused: for saying what would be right. */
int ipv4_subnet_parse_masked(const char *text, struct ipv4_subnet *subnet);
int ipv6_prefix_parse_masked(const char *text, struct ipv6_prefix *prefix);

/* Each *_format writes a terminated text of at most *_TEXT_SIZE bytes and returns it. */
char *ipv4_subnet_format(const struct ipv4_subnet *subnet, char text[IPV4_SUBNET_TEXT_SIZE]);
char *ipv6_prefix_format(const struct ipv6_prefix *prefix, char text[IPV6_PREFIX_TEXT_SIZE]);
char *mac_address_format(const struct mac_address *mac, char text[MAC_TEXT_SIZE]);

/* The address at offset from the first: 1 is the host's. Of a /64 or shorter. */
struct in_addr ipv4_subnet_host(const struct ipv4_subnet *subnet, uint32_t offset);
struct in6_addr ipv6_prefix_host(const struct ipv6_prefix *prefix, uint8_t offset);
struct in_addr ipv4_subnet_mask(const struct ipv4_subnet *subnet);
struct in_addr ipv4_subnet_last(const struct ipv4_subnet *subnet);
bool ipv4_subnet_contains(const struct ipv4_subnet *subnet, struct in_addr address);
bool ipv4_subnet_overlaps(const struct ipv4_subnet *a, const struct ipv4_subnet *b);

bool ipv6_prefix_contains(const struct ipv6_prefix *prefix, const struct in6_addr *address);
bool ipv6_prefix_overlaps(const struct ipv6_prefix *a, const struct ipv6_prefix *b);

bool mac_address_equal(const struct mac_address *a, const struct mac_address *b);
/* A machine's address has to be unicast and not all zero. */
bool mac_address_is_unicast(const struct mac_address *mac);

#endif
