/* SPDX-License-Identifier: Apache-2.0 */
/* What standard output is: whether a terminal, how wide, and what it does with sequences. */
#ifndef VMNET_VMNETCTL_TERMINAL_H
#define VMNET_VMNETCTL_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* A terminal that knows ECMA-48's sequences. */
bool terminal_is_able(void);

/* Such a one, and nobody has said by NO_COLOR in the environment that colours are not wanted. */
bool terminal_has_colours(void);

/* How many columns a line of it has; SIZE_MAX where it does not end. */
size_t terminal_columns(void);

/* How many lines it has. */
size_t terminal_lines(void);

#endif
