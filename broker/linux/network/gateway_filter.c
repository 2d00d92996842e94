/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the filter of a machine's device as a program of classic BPF: the same claims to be the
 * gateway that bridge_table.c has. It runs where a frame is put into a machine's device: behind
 * the kernel's last write to it, when the checksum that the sender left to the host is filled in
 * (see ingress.c). Frames from the gateway's MAC address are not looked at: no machine gets one
 * past the rules, and the kernel writes nowhere near it.
 *
 * That a frame is whole, and of a protocol that is let through, needs no second
 * look either: nothing that tells is where the kernel writes, but for the chain
 * of IPv6's headers.
 */
#include "gateway_filter.h"

#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

#include "broker/linux/linux.h"

#define SOURCE_MAC 6
#define TYPE 12
#define NETWORK ETH_HLEN
#define ARP_SENDER (NETWORK + 14)
#define IPV4_FRAGMENT (NETWORK + 6)
#define IPV4_PROTOCOL (NETWORK + 9)
#define IPV4_SOURCE (NETWORK + 12)
#define IPV6_NEXT (NETWORK + 6)
#define IPV6_SOURCE (NETWORK + 8)
#define IPV6_HEADER 40
#define ND_TARGET 8

#define LOAD_CONSTANT BPF_IMM /* of the class BPF_LD, which is 0 */
#define ALL UINT32_MAX
#define NONE 0U

/* Cells of memory. */
enum {
	NEXT, /* the next header's protocol */
	AT, /* and where it is */
	IN_FRAGMENTS,
};

/* More headers than anybody sends. */
#define IPV6_HEADERS_MAX 4

static void add(struct gateway_filter *filter, uint16_t code, uint32_t k)
{
	filter->code[filter->n++] = (struct sock_filter)BPF_STMT(code, k);
}

/* Goes on behind the next instructions: as many as it says when A is k, or is not. */
static void add_if(struct gateway_filter *filter, uint32_t k, size_t equal, size_t other)
{
	filter->code[filter->n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k,
								 (uint8_t)equal, (uint8_t)other);
}

static void refuse_if(struct gateway_filter *filter, uint32_t k)
{
	add_if(filter, k, 0, 1);
	add(filter, BPF_RET | BPF_K, NONE);
}

/* Begins what is for A being k alone; ends at end_block(). */
static size_t begin_block(struct gateway_filter *filter, uint32_t k)
{
	add_if(filter, k, 1, 0);
	add(filter, BPF_JMP | BPF_JA, 0);
	return filter->n;
}

static void end_block(struct gateway_filter *filter, size_t start)
{
	filter->code[start - 1].k = filter->n - (uint32_t)start;
}

static uint32_t word(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

/* mode: BPF_ABS, or BPF_IND from X. */
static void refuse_if_address(struct gateway_filter *filter, uint16_t mode, uint32_t at,
			      const struct in6_addr *address)
{
	for (size_t i = 0; i < 4; i++) {
		add(filter, BPF_LD | BPF_W | mode, at + 4 * (uint32_t)i);
		add_if(filter, word(&address->s6_addr[4 * i]), 0, (3 - i) * 2 + 1);
	}
	add(filter, BPF_RET | BPF_K, NONE);
}

/* The instructions of refuse_if_address(). */
#define ADDRESS_SIZE 9

/* The addresses of the gateway: one or two. */
struct claims {
	const struct network_config *config;
	/*
	 * Where br_netfilter is loaded a bridge itself applies NAT to who uses a forwarded port
	 * of his own network: then frames of machines come from the gateway's address, and rightly.
	 */
	bool is_source_free;
	struct in6_addr ipv6[2];
	size_t n_ipv6;
};

static void add_ipv4(struct gateway_filter *filter, const struct network_addresses *addresses,
		     const struct claims *claims)
{
	size_t block;

	if (!claims->is_source_free) {
		add(filter, BPF_LD | BPF_W | BPF_ABS, IPV4_SOURCE);
		refuse_if(filter, ntohl(addresses->ipv4_gateway.s_addr));
	}
	if (!claims->config->dhcp)
		return;
	add(filter, BPF_LD | BPF_H | BPF_ABS, IPV4_FRAGMENT);
	add(filter, BPF_ALU | BPF_AND | BPF_K, IP_OFFMASK);
	add_if(filter, 0, 1, 0);
	add(filter, BPF_RET | BPF_K, ALL); /* a later fragment has no ports */
	add(filter, BPF_LDX | BPF_B | BPF_MSH, NETWORK);
	add(filter, BPF_LD | BPF_B | BPF_ABS, IPV4_PROTOCOL);
	block = begin_block(filter, IPPROTO_UDP);
	add(filter, BPF_LD | BPF_H | BPF_IND, NETWORK);
	refuse_if(filter, 67);
	add(filter, BPF_LD | BPF_H | BPF_IND, NETWORK + 2);
	refuse_if(filter, 68);
	add(filter, BPF_RET | BPF_K, ALL);
	end_block(filter, block);
	block = begin_block(filter, IPPROTO_ICMP);
	add(filter, BPF_LD | BPF_B | BPF_IND, NETWORK);
	refuse_if(filter, ICMP_ROUTERADVERT);
	end_block(filter, block);
}

/* Has the next header's place in A, and stores it. */
static void store_place(struct gateway_filter *filter)
{
	add(filter, BPF_ALU | BPF_ADD | BPF_X, 0);
	add(filter, BPF_ST, AT);
}

static void load_next(struct gateway_filter *filter)
{
	add(filter, BPF_LD | BPF_MEM, NEXT);
	add(filter, BPF_LDX | BPF_MEM, AT);
}

/* Steps over an extension header, if there is one. */
static void add_ipv6_header(struct gateway_filter *filter)
{
	size_t block;

	load_next(filter);
	add_if(filter, IPPROTO_HOPOPTS, 3, 0);
	add_if(filter, IPPROTO_ROUTING, 2, 0);
	block = begin_block(filter, IPPROTO_DSTOPTS);
	add(filter, BPF_LD | BPF_B | BPF_IND, 0);
	add(filter, BPF_ST, NEXT);
	add(filter, BPF_LD | BPF_B | BPF_IND, 1);
	add(filter, BPF_ALU | BPF_ADD, 1); /* BPF_K is 0, too */
	add(filter, BPF_ALU | BPF_LSH | BPF_K, 3);
	store_place(filter);
	end_block(filter, block);
}

/* Steps over the header of a first fragment, in which is all that there is of the others. */
static void add_ipv6_fragment(struct gateway_filter *filter)
{
	size_t block;

	load_next(filter);
	block = begin_block(filter, IPPROTO_FRAGMENT);
	add(filter, BPF_ST, IN_FRAGMENTS); /* what A is: not 0 */
	add(filter, BPF_LD | BPF_H | BPF_IND, 2);
	add(filter, BPF_ALU | BPF_AND | BPF_K, 0xfff8);
	add_if(filter, 0, 1, 0);
	add(filter, BPF_RET | BPF_K, ALL); /* a later fragment */
	add(filter, BPF_LD | BPF_B | BPF_IND, 0);
	add(filter, BPF_ST, NEXT);
	add(filter, LOAD_CONSTANT, 8);
	store_place(filter);
	end_block(filter, block);
}

/* Claims to addresses, by neighbour discovery. X is where its message is, A its type. */
static void add_discovery(struct gateway_filter *filter, const struct claims *claims)
{
	size_t block = begin_block(filter, ND_NEIGHBOR_ADVERT);

	for (size_t i = 0; i < claims->n_ipv6; i++)
		refuse_if_address(filter, BPF_IND, ND_TARGET, &claims->ipv6[i]);
	add(filter, BPF_RET | BPF_K, ALL);
	end_block(filter, block);
	block = begin_block(filter, ND_NEIGHBOR_SOLICIT);
	/* Who asks from no address is about to take the one asked for. */
	for (size_t i = 0; i < 4; i++) {
		add(filter, BPF_LD | BPF_W | BPF_ABS, IPV6_SOURCE + 4 * (uint32_t)i);
		add_if(filter, 0, 0, (3 - i) * 2 + ADDRESS_SIZE * claims->n_ipv6);
	}
	for (size_t i = 0; i < claims->n_ipv6; i++)
		refuse_if_address(filter, BPF_IND, ND_TARGET, &claims->ipv6[i]);
	end_block(filter, block);
}

static void add_icmpv6(struct gateway_filter *filter, const struct claims *claims)
{
	size_t block;

	add(filter, BPF_LD | BPF_MEM, IN_FRAGMENTS);
	block = begin_block(filter, IPPROTO_FRAGMENT);
	add(filter, BPF_LD | BPF_B | BPF_IND, 0);
	for (uint32_t type = ND_ROUTER_SOLICIT; type <= ND_REDIRECT; type++)
		refuse_if(filter, type);
	add(filter, BPF_RET | BPF_K, ALL);
	end_block(filter, block);
	add(filter, BPF_LD | BPF_B | BPF_IND, 0);
	if (claims->config->router_advertisement) {
		refuse_if(filter, ND_ROUTER_ADVERT);
		refuse_if(filter, ND_REDIRECT);
	}
	add_discovery(filter, claims);
}

static void add_ipv6(struct gateway_filter *filter, const struct claims *claims)
{
	static const uint32_t headers[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT,
					    IPPROTO_AH, IPPROTO_DSTOPTS };
	size_t block;

	for (size_t i = 0; i < claims->n_ipv6 && !claims->is_source_free; i++)
		refuse_if_address(filter, BPF_ABS, IPV6_SOURCE, &claims->ipv6[i]);
	add(filter, LOAD_CONSTANT, 0);
	add(filter, BPF_ST, IN_FRAGMENTS);
	add(filter, LOAD_CONSTANT, NETWORK + IPV6_HEADER);
	add(filter, BPF_ST, AT);
	add(filter, BPF_LD | BPF_B | BPF_ABS, IPV6_NEXT);
	add(filter, BPF_ST, NEXT);
	for (int i = 0; i < IPV6_HEADERS_MAX; i++)
		add_ipv6_header(filter);
	add_ipv6_fragment(filter);
	load_next(filter);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		refuse_if(filter, headers[i]);
	if (claims->config->router_advertisement) {
		block = begin_block(filter, IPPROTO_UDP);
		add(filter, BPF_LD | BPF_H | BPF_IND, 0);
		refuse_if(filter, 547);
		add(filter, BPF_LD | BPF_H | BPF_IND, 2);
		refuse_if(filter, 546);
		add(filter, BPF_RET | BPF_K, ALL);
		end_block(filter, block);
	}
	block = begin_block(filter, IPPROTO_ICMPV6);
	add_icmpv6(filter, claims);
	end_block(filter, block);
}

static void trust(struct gateway_filter *filter, const struct mac_address *host)
{
	add(filter, BPF_LD | BPF_W | BPF_ABS, SOURCE_MAC);
	add_if(filter, word(host->bytes), 0, 3);
	add(filter, BPF_LD | BPF_H | BPF_ABS, SOURCE_MAC + 4);
	add_if(filter, (uint32_t)host->bytes[4] << 8 | host->bytes[5], 0, 1);
	add(filter, BPF_RET | BPF_K, ALL);
}

/*
 * Leaves out what is from the host, and what is in a network of the machines' own. Of a network on
 * several hosts, what the gateway says to a machine whose address is not known to be here yet
 * leaves by the host's own end.
 */
static void add_exceptions(struct gateway_filter *filter, const struct network_addresses *addresses)
{
	trust(filter, &addresses->bridge_mac);
	if (addresses->vxlan_host)
		trust(filter, &addresses->own_mac);
	add(filter, BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT));
	add_if(filter, 0, 1, 0);
	add(filter, BPF_RET | BPF_K, ALL);
}

void gateway_filter_make(const struct network_config *config,
			 const struct network_addresses *addresses, bool is_led_to,
			 struct gateway_filter *filter)
{
	struct claims claims = {
		.config = config,
		.is_source_free = is_led_to || config->n_port_forwardings,
		.n_ipv6 = 1,
	};
	size_t block;

	filter->n = 0;
	(void)inet_pton(AF_INET6, GATEWAY_LINK_LOCAL, &claims.ipv6[0]);
	if (addresses->ipv6_prefix.length)
		claims.ipv6[claims.n_ipv6++] = addresses->ipv6_gateway;
	add_exceptions(filter, addresses);
	add(filter, BPF_LD | BPF_H | BPF_ABS, TYPE);
	block = begin_block(filter, ETH_P_ARP);
	add(filter, BPF_LD | BPF_W | BPF_ABS, ARP_SENDER);
	refuse_if(filter, ntohl(addresses->ipv4_gateway.s_addr));
	add(filter, BPF_RET | BPF_K, ALL);
	end_block(filter, block);
	block = begin_block(filter, ETH_P_IP);
	add_ipv4(filter, addresses, &claims);
	add(filter, BPF_RET | BPF_K, ALL);
	end_block(filter, block);
	block = begin_block(filter, ETH_P_IPV6);
	add_ipv6(filter, &claims);
	end_block(filter, block);
	add(filter, BPF_RET | BPF_K, ALL);
}
