/* SPDX-License-Identifier: Apache-2.0 */
/* What the broker does for its clients, done directly: what a request costs at the least. */
#ifndef VMNET_BROKER_BENCH_BARE_H
#define VMNET_BROKER_BENCH_BARE_H

/* Each ends the program with a message when something fails. */

void bare_start(void);

/* Makes a bridge with an address, rules for it and dnsmasq on it; and removes them. */
void bare_network_create(const char *bridge, const char *directory);
void bare_network_remove(const char *bridge, const char *directory);

/* The bridge and its address alone. */
void bare_bridge_create(const char *bridge);

/* Makes a TAP device on bridge, named, up; returns its descriptor. */
int bare_attach(const char *bridge);

__attribute__((noreturn)) void bench_fail(const char *what, const char *why);

#endif
