/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the text forms, and the arithmetic of subnets and prefixes. */
#include "address.h"

#include <stdio.h>
#include <string.h>

/*
 * Splits "ADDRESS/LENGTH" and parses both halves.
 *
 * family: AF_INET or AF_INET6.
 * address: gets the address, in network byte order.
 * max: the longest length, in bits.
 *
 * Returns the length, or 0 when text is not of this form: a length of 0 is
 * none that anybody may write.
 */
static unsigned int cidr_parse(int family, const char *text, void *address, unsigned int max)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	unsigned int length = 0;

	if (!slash || (size_t)(slash - text) >= sizeof(host) || slash[1] < '1' || slash[1] > '9')
		return 0;
	memcpy(host, text, (size_t)(slash - text));
	host[slash - text] = '\0';
	for (const char *digit = slash + 1; *digit; digit++) {
		if (*digit < '0' || *digit > '9')
			return 0;
		length = length * 10 + (unsigned int)(*digit - '0');
		if (length > max)
			return 0;
	}
	return inet_pton(family, host, address) == 1 ? length : 0;
}

/* The first length bits of address stay, the others become zero. */
static void clear_host_bits(struct in6_addr *address, unsigned int length)
{
	for (unsigned int i = 0; i < sizeof(address->s6_addr); i++) {
		unsigned int bits = length > 8 * i ? length - 8 * i : 0;

		if (bits < 8)
			address->s6_addr[i] &= (uint8_t)(0xff00U >> bits);
	}
}

int address_parse(const char *text, void *address)
{
	if (text && inet_pton(AF_INET, text, address) == 1)
		return AF_INET;
	return text && inet_pton(AF_INET6, text, address) == 1 ? AF_INET6 : AF_UNSPEC;
}

int ipv4_subnet_parse(const char *text, struct ipv4_subnet *subnet)
{
	struct ipv4_subnet parsed;

	parsed.length = cidr_parse(AF_INET, text, &parsed.address, 32);
	if (!parsed.length || !ipv4_subnet_contains(&parsed, parsed.address))
		return -1;
	*subnet = parsed;
	return 0;
}

int ipv4_subnet_parse_masked(const char *text, struct ipv4_subnet *subnet)
{
	struct ipv4_subnet parsed;

	parsed.length = cidr_parse(AF_INET, text, &parsed.address, 32);
	if (!parsed.length)
		return -1;
	parsed.address.s_addr &= ipv4_subnet_mask(&parsed).s_addr;
	*subnet = parsed;
	return 0;
}

int ipv6_prefix_parse(const char *text, struct ipv6_prefix *prefix)
{
	struct ipv6_prefix parsed;

	parsed.length = cidr_parse(AF_INET6, text, &parsed.address, 128);
	if (!parsed.length || !ipv6_prefix_contains(&parsed, &parsed.address))
		return -1;
	*prefix = parsed;
	return 0;
}

int ipv6_prefix_parse_masked(const char *text, struct ipv6_prefix *prefix)
{
	struct ipv6_prefix parsed;

	parsed.length = cidr_parse(AF_INET6, text, &parsed.address, 128);
	if (!parsed.length)
		return -1;
	clear_host_bits(&parsed.address, parsed.length);
	*prefix = parsed;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_address_parse(const char *text, struct mac_address *mac)
{
	struct mac_address parsed;

	if (strlen(text) != MAC_TEXT_SIZE - 1)
		return -1;
	for (size_t i = 0; i < sizeof(parsed.bytes); i++) {
		int high = hex_digit(text[3 * i]);
		int low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i > 0 && text[3 * i - 1] != ':'))
			return -1;
		parsed.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*mac = parsed;
	return 0;
}

char *ipv4_subnet_format(const struct ipv4_subnet *subnet, char text[IPV4_SUBNET_TEXT_SIZE])
{
	char address[INET_ADDRSTRLEN];

	/* Neither can fail: the sizes are those of the longest texts. */
	(void)inet_ntop(AF_INET, &subnet->address, address, sizeof(address));
	(void)snprintf(text, IPV4_SUBNET_TEXT_SIZE, "%s/%u", address, subnet->length);
	return text;
}

char *ipv6_prefix_format(const struct ipv6_prefix *prefix, char text[IPV6_PREFIX_TEXT_SIZE])
{
	char address[INET6_ADDRSTRLEN];

	(void)inet_ntop(AF_INET6, &prefix->address, address, sizeof(address));
	(void)snprintf(text, IPV6_PREFIX_TEXT_SIZE, "%s/%u", address, prefix->length);
	return text;
}

char *mac_address_format(const struct mac_address *mac, char text[MAC_TEXT_SIZE])
{
	const uint8_t *b = mac->bytes;

	(void)snprintf(text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3],
		       b[4], b[5]);
	return text;
}

/* The mask in host byte order. */
static uint32_t mask_of(const struct ipv4_subnet *subnet)
{
	return subnet->length ? UINT32_MAX << (32 - subnet->length) : 0;
}

struct in_addr ipv4_subnet_host(const struct ipv4_subnet *subnet, uint32_t offset)
{
	return (struct in_addr){ htonl(ntohl(subnet->address.s_addr) + offset) };
}

struct in6_addr ipv6_prefix_host(const struct ipv6_prefix *prefix, uint8_t offset)
{
	struct in6_addr address = prefix->address;

	address.s6_addr[sizeof(address.s6_addr) - 1] = offset;
	return address;
}

struct in_addr ipv4_subnet_mask(const struct ipv4_subnet *subnet)
{
	return (struct in_addr){ htonl(mask_of(subnet)) };
}

struct in_addr ipv4_subnet_last(const struct ipv4_subnet *subnet)
{
	return (struct in_addr){ subnet->address.s_addr | htonl(~mask_of(subnet)) };
}

bool ipv4_subnet_contains(const struct ipv4_subnet *subnet, struct in_addr address)
{
	return (address.s_addr & htonl(mask_of(subnet))) == subnet->address.s_addr;
}

bool ipv4_subnet_overlaps(const struct ipv4_subnet *a, const struct ipv4_subnet *b)
{
	return ipv4_subnet_contains(a, b->address) || ipv4_subnet_contains(b, a->address);
}

bool ipv6_prefix_contains(const struct ipv6_prefix *prefix, const struct in6_addr *address)
{
	struct in6_addr network = *address;

	clear_host_bits(&network, prefix->length);
	return memcmp(&network, &prefix->address, sizeof(network)) == 0;
}

bool ipv6_prefix_overlaps(const struct ipv6_prefix *a, const struct ipv6_prefix *b)
{
	return ipv6_prefix_contains(a, &b->address) || ipv6_prefix_contains(b, &a->address);
}

bool mac_address_equal(const struct mac_address *a, const struct mac_address *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool mac_address_is_unicast(const struct mac_address *mac)
{
	static const struct mac_address none;

	return !(mac->bytes[0] & 1) && !mac_address_equal(mac, &none);
}
