/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the text apart from its end: an address may have colons in it. */
#include "publish.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

/* More than any value that is right. */
#define TEXT_MAX 128

struct range {
	unsigned int first;
	unsigned int n; /* 0: it is none */
};

/* Cuts text at the last of these characters. Returns what is behind it, or NULL. */
static char *cut(char *text, char at)
{
	char *found = strrchr(text, at);

	if (!found)
		return NULL;
	*found = '\0';
	return found + 1;
}

static struct range parse_range(const char *text)
{
	struct range range = { .first = port_scan(&text) };
	unsigned int last = range.first;

	if (*text == '-') {
		text++;
		last = port_scan(&text);
	}
	if (range.first && last >= range.first && *text == '\0')
		range.n = last - range.first + 1;
	return range;
}

static int complain_of_port(const char *whole, const char *text)
{
	complain(
		"--publish %s: \"%s\" is no port, which is a number from 1 to 65535, or several in "
		"a row such as 8000-8010",
		whole, text);
	return WRONG_USAGE;
}

static int take_protocol(const char *whole, const char *text,
			 struct vmnet_broker_port_forwarding *forwarding)
{
	forwarding->protocol = VMNET_BROKER_TCP;
	if (!text || strcmp(text, "tcp") == 0)
		return DONE;
	forwarding->protocol = VMNET_BROKER_UDP;
	if (strcmp(text, "udp") == 0)
		return DONE;
	complain(
		"--publish %s: \"%s\" is no protocol whose ports can be published; tcp and udp are",
		whole, text);
	return WRONG_USAGE;
}

/* IPv6 in brackets, so that nobody takes a part of it for a port. */
static int take_address(const char *whole, char *text,
			struct vmnet_broker_port_forwarding *forwarding)
{
	const size_t length = strlen(text);
	const bool is_ipv6 = length > 2 && text[0] == '[' && text[length - 1] == ']';
	struct in6_addr address;

	if (is_ipv6) {
		text[length - 1] = '\0';
		text++;
	}
	if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, text, &address) != 1 ||
	    strlen(text) >= sizeof(forwarding->external_address)) {
		complain("--publish %s: \"%s\" is no address of the host; give one such as "
			 "127.0.0.1 or [::1]",
			 whole, text);
		return WRONG_USAGE;
	}
	strcpy(forwarding->external_address, text);
	return DONE;
}

static int take_ports(const char *whole, const char *host, const char *machine,
		      struct vmnet_broker_port_forwarding *forwarding)
{
	const struct range external = parse_range(host);
	const struct range internal = parse_range(machine);

	if (!external.n || !internal.n)
		return complain_of_port(whole, external.n ? machine : host);
	if (external.n != internal.n) {
		complain("--publish %s: %u of the host's ports cannot lead to %u of the machine's; "
			 "give as many",
			 whole, external.n, internal.n);
		return WRONG_USAGE;
	}
	forwarding->external_port = (uint16_t)external.first;
	forwarding->internal_port = (uint16_t)internal.first;
	forwarding->count = (uint16_t)external.n;
	return DONE;
}

int publish_parse(const char *text, struct vmnet_broker_port_forwarding *forwarding)
{
	char copy[TEXT_MAX];
	char *protocol, *machine, *host;

	*forwarding = (struct vmnet_broker_port_forwarding){ 0 };
	/* What is cut is not right in any case. */
	(void)snprintf(copy, sizeof(copy), "%s", text);
	protocol = cut(copy, '/');
	machine = cut(copy, ':');
	host = machine ? cut(copy, ':') : NULL;
	if (!machine || (host ? !*host : !*copy)) {
		complain("--publish %s: the host's port is missing, which leads to the machine's; "
			 "give both, as in 8080:80",
			 text);
		return WRONG_USAGE;
	}
	if (take_protocol(text, protocol, forwarding) != DONE ||
	    (host && take_address(text, copy, forwarding) != DONE))
		return WRONG_USAGE;
	return take_ports(text, host ? host : copy, machine, forwarding);
}
