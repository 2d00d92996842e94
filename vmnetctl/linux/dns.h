/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to one name server, and to nobody else. */
#ifndef VMNET_VMNETCTL_LINUX_DNS_H
#define VMNET_VMNETCTL_LINUX_DNS_H

#include <arpa/nameser.h>
#include <netinet/in.h>

#define DNS_TEXT_SIZE NS_MAXDNAME

/*
 * Asks a server for the first record of a name, and waits a second for it.
 *
 * type: ns_t_a, ns_t_ptr or ns_t_txt.
 * text: gets the address, the name, or the first string.
 *
 * Returns 1, 0 when there is none, or -1 when the server does not answer.
 */
int dns_ask(struct in_addr server, const char *name, ns_type type, char text[DNS_TEXT_SIZE]);

/* The same for the name of an address. */
int dns_ask_name(struct in_addr server, struct in_addr address, char text[DNS_TEXT_SIZE]);

#endif
