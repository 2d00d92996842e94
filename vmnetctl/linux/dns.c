/* SPDX-License-Identifier: Apache-2.0 */
/* By the C library's own client of DNS. */
#include "dns.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

/* More than what the C library says that it takes by UDP. */
#define ANSWER_SIZE 4096

static int read_text(const ns_msg *message, const ns_rr *record, char text[DNS_TEXT_SIZE])
{
	const unsigned char *data = ns_rr_rdata(*record);
	const size_t length = ns_rr_rdlen(*record);

	switch (ns_rr_type(*record)) {
	case ns_t_a:
		return length == sizeof(struct in_addr) &&
		       inet_ntop(AF_INET, data, text, DNS_TEXT_SIZE);
	case ns_t_ptr:
		return ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), data, text,
					  DNS_TEXT_SIZE) > 0;
	case ns_t_txt:
		if (length == 0 || length <= data[0])
			return 0;
		(void)snprintf(text, DNS_TEXT_SIZE, "%.*s", data[0], (const char *)data + 1);
		return 1;
	default:
		return 0;
	}
}

static int read_answer(const unsigned char *bytes, int length, ns_type type,
		       char text[DNS_TEXT_SIZE])
{
	ns_msg message;
	ns_rr record;

	if (ns_initparse(bytes, length, &message) < 0)
		return -1;
	for (int i = 0; i < ns_msg_count(message, ns_s_an); i++)
		if (ns_parserr(&message, ns_s_an, i, &record) == 0 && ns_rr_type(record) == type &&
		    read_text(&message, &record, text))
			return 1;
	return 0;
}

int dns_ask(struct in_addr server, const char *name, ns_type type, char text[DNS_TEXT_SIZE])
{
	struct __res_state state = { 0 };
	unsigned char bytes[ANSWER_SIZE];
	int length, result;

	if (res_ninit(&state) < 0)
		return -1;
	state.options &= ~(unsigned long)(RES_DNSRCH | RES_DEFNAMES | RES_USEVC);
	state.options |= RES_IGNTC;
	state.retrans = 1;
	state.retry = 1;
	state.nscount = 1;
	state.nsaddr_list[0] = (struct sockaddr_in){ .sin_family = AF_INET,
						     .sin_port = htons(NS_DEFAULTPORT),
						     .sin_addr = server };
	length = res_nquery(&state, name, ns_c_in, (int)type, bytes, sizeof(bytes));
	result = state.res_h_errno == TRY_AGAIN || state.res_h_errno == NETDB_INTERNAL ? -1 : 0;
	res_nclose(&state);
	return length < 0 ? result : read_answer(bytes, length, type, text);
}

int dns_ask_name(struct in_addr server, struct in_addr address, char text[DNS_TEXT_SIZE])
{
	const uint8_t *bytes = (const uint8_t *)&address;
	char name[sizeof("255.255.255.255.in-addr.arpa")];

	(void)snprintf(name, sizeof(name), "%d.%d.%d.%d.in-addr.arpa", bytes[3], bytes[2], bytes[1],
		       bytes[0]);
	return dns_ask(server, name, ns_t_ptr, text);
}
