/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal as a screen that one text at a time is on, and keys as they are pressed. For one
 * table that takes less than a library of windows would be asked. However the program is stopped
 * or ended, but for SIGKILL and SIGSTOP, the terminal is as before.
 */
#ifndef VMNET_VMNETCTL_SCREEN_H
#define VMNET_VMNETCTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

/* Whether standard input and output are a terminal that can be one. */
bool screen_is_possible(void);

/* From here on a signal that ends or stops the program does so, whatever it waits for. */
void screen_open(void);
void screen_close(void);

/*
 * What is printed from here on until screen_show() takes the place of what is there, from the
 * first line on; longer lines are cut. Returns how many lines there is room for.
 */
size_t screen_begin(void);
void screen_show(void);

enum {
	SCREEN_TIMEOUT = -1,
	SCREEN_CHANGED = -2, /* it has to be shown again */
	SCREEN_GONE = -3, /* there is no terminal any more */
	SCREEN_EVENT = -4, /* the descriptor is readable */
};

/*
 * Waits for a key, for so many milliseconds at most, or until the descriptor is readable; -1: for
 * keys alone. Returns the key's character, or one of the above.
 */
int screen_wait(int milliseconds, int descriptor);

#endif
