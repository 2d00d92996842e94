/* SPDX-License-Identifier: Apache-2.0 */
/* What the broker does for its clients, done directly: what a request costs at the least. */
#ifndef VMNET_BROKER_BENCH_BARE_H
#define VMNET_BROKER_BENCH_BARE_H

/* Each ends the program with a message when something fails. */

void bare_start(void);

/*
 * Makes a bridge "benchNUMBER" with an address, rules for it and dnsmasq on it;
 * and removes them. number: up to 255. directory: for dnsmasq's files.
 */
void bare_network_create(int number, const char *directory);
void bare_network_remove(int number, const char *directory);

/* Makes a TAP device on bridge, named, up; returns its descriptor, which is the caller's. */
int bare_tap(const char *bridge);

/* The same by qemu-bridge-helper, the path of which program is; /etc/qemu/bridge.conf allows it. */
int helper_tap(const char *bridge, const char *program);

__attribute__((noreturn)) void bench_fail(const char *what, const char *why);

#endif
