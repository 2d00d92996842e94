/* SPDX-License-Identifier: Apache-2.0 */
/* A zone's name and text, and what a host answers of it: read by the C library. */
#include "zone.h"

#include <arpa/nameser.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void make_small(char *name)
{
	for (; *name; name++)
		*name = (char)tolower((unsigned char)*name);
}

const char *zone_name(const struct network_config *config, const struct vxlan_host *host,
		      char name[ZONE_NAME_SIZE])
{
	char domain[NETWORK_DOMAIN_SIZE];

	(void)snprintf(name, ZONE_NAME_SIZE, "%s.%s", host->name,
		       network_domain(config->name, domain));
	make_small(name);
	return name;
}

const char *zone_text(const struct network_config *config, char text[ZONE_TEXT_SIZE])
{
	(void)snprintf(text, ZONE_TEXT_SIZE, "vmnet-broker %016" PRIx64, text_hash(config->json));
	return text;
}

size_t zone_ask(const char *zone, uint8_t question[ZONE_QUESTION_SIZE])
{
	uint8_t *next = question + 2 + NS_HFIXEDSZ;

	memset(question, 0, ZONE_QUESTION_SIZE);
	question[2 + 5] = 1; /* how many questions */
	for (size_t length; *zone; zone += length + (zone[length] == '.')) {
		length = strcspn(zone, ".");
		*next++ = (uint8_t)length;
		memcpy(next, zone, length);
		next += length;
	}
	next++;
	ns_put16(ns_t_axfr, next);
	ns_put16(ns_c_in, next + 2);
	next += 4;
	ns_put16((unsigned int)(next - question - 2), question);
	return (size_t)(next - question);
}

/* Takes the zone's own name off its end. What is left has to be one label, as machines have it. */
static bool take_name(const char *name, const char *zone, char label[DNS_LABEL_MAX + 1])
{
	const size_t length = strspn(name, ALNUM "-_");

	if (length < 1 || length > DNS_LABEL_MAX || strchr("-_", name[0]) || name[length] != '.' ||
	    strcasecmp(name + length + 1, zone) != 0)
		return false;
	(void)snprintf(label, DNS_LABEL_MAX + 1, "%.*s", (int)length, name);
	make_small(label);
	return true;
}

/* Of the family that it says, and of the network. */
static bool take_address(const ns_rr *rr, const struct network_config *config,
			 struct zone_record *record)
{
	record->family = ns_rr_type(*rr) == ns_t_a ? AF_INET : AF_INET6;
	if (ns_rr_rdlen(*rr) != address_size(record->family))
		return false;
	memcpy(&record->address, ns_rr_rdata(*rr), ns_rr_rdlen(*rr));
	return record->family == AF_INET
		       ? ipv4_subnet_contains(&config->subnet, record->address.ipv4)
		       : ipv6_prefix_contains(&config->ipv6_prefix, &record->address.ipv6);
}

static void take_text(const ns_rr *rr, struct zone *zone)
{
	const uint8_t *data = ns_rr_rdata(*rr);
	const size_t length = ns_rr_rdlen(*rr);

	if (length < 1 || data[0] != length - 1 || length > sizeof(zone->text))
		return;
	memcpy(zone->text, data + 1, length - 1);
	zone->text[length - 1] = '\0';
}

static void take(const ns_rr *rr, const char *name, const struct network_config *config,
		 struct zone *zone)
{
	struct zone_record *record = &zone->records[zone->n_records];
	const ns_type type = ns_rr_type(*rr);

	if (ns_rr_class(*rr) != ns_c_in)
		return;
	if (type == ns_t_txt && strcasecmp(ns_rr_name(*rr), name) == 0)
		take_text(rr, zone);
	else if ((type == ns_t_a || type == ns_t_aaaa) &&
		 take_name(ns_rr_name(*rr), name, record->name) && take_address(rr, config, record))
		zone->n_records++;
}

int zone_parse(const uint8_t *message, size_t size, const char *name,
	       const struct network_config *config, struct zone *zone)
{
	ns_msg answer;
	ns_rr rr;
	int n;

	if (size > NS_MAXMSG || ns_initparse(message, (int)size, &answer) < 0 ||
	    !ns_msg_getflag(answer, ns_f_qr))
		return -EBADMSG;
	if (ns_msg_getflag(answer, ns_f_rcode) != ns_r_noerror)
		return -EACCES;
	n = ns_msg_count(answer, ns_s_an);
	if (n < 1 || ns_parserr(&answer, ns_s_an, 0, &rr) < 0 || ns_rr_type(rr) != ns_t_soa ||
	    strcasecmp(ns_rr_name(rr), name) != 0)
		return -EBADMSG;
	*zone = (struct zone){ .is_whole = !ns_msg_getflag(answer, ns_f_tc) };
	zone->records = calloc((size_t)n, sizeof(*zone->records));
	if (!zone->records)
		return -ENOMEM;
	for (int i = 1; i < n; i++) {
		if (ns_parserr(&answer, ns_s_an, i, &rr) < 0) {
			zone_clear(zone);
			return -EBADMSG;
		}
		take(&rr, name, config, zone);
	}
	return 0;
}

void zone_clear(struct zone *zone)
{
	free(zone->records);
	*zone = (struct zone){ 0 };
}
