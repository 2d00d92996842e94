/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words in a command's arguments that stand for what an interface came with: {fd} {fds}
 * {vhostfd} {vhostfds} {ifname} {mac}, of the first network, or of the one named as in
 * {fd:NETWORK}. Other braces mean nothing here.
 */
#ifndef VMNET_VMNETCTL_TEMPLATE_H
#define VMNET_VMNETCTL_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

/* An attached interface, in the words of its owner, to whom it all belongs. */
struct substitution {
	const char *network; /* as --network had it */
	const char *ifname;
	const char *mac;
	const int *fds;
	size_t n_fds; /* 0 with --open-by-name */
	const int *vhost_fds;
	size_t n_vhost_fds;
	bool vhost; /* was asked for */
};

/*
 * Replaces the words in text.
 *
 * substitutions: n of them, at least one.
 *
 * Returns the new text, for free(), or NULL after complaining: of a network
 * that is not among them, or a word for what an interface came without.
 */
char *substitute(const char *text, const struct substitution *substitutions, size_t n);

#endif
