/* SPDX-License-Identifier: Apache-2.0 */
/* The part of macOS's net/ethernet.h that the project uses; see vmnet/vmnet.h beside it. */
#ifndef TESTS_DARWIN_ETHERNET_H
#define TESTS_DARWIN_ETHERNET_H

#include <sys/types.h>

#define ETHER_ADDR_LEN 6

typedef struct ether_addr {
	unsigned char octet[ETHER_ADDR_LEN];
} ether_addr_t;

#endif
