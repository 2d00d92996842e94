/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the checks of "doctor" say. Each function prints at once. A check that
 * says nothing has found nothing wrong.
 */
#ifndef VMNET_VMNETCTL_DOCTOR_H
#define VMNET_VMNETCTL_DOCTOR_H

#include "vmnetctl.h"

/* What a mistake in the configuration takes. */
#define EDIT "${EDITOR:-vi} " CONFIG_FILE " && vmnetctl reload"

/*
 * Something keeps machines from their network.
 * remedy: the command that mends it, as a shell takes it; NULL: none can.
 */
void doctor_problem(const char *remedy, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Nothing is wrong, but some programs may not work; remedy: the command that mends it. */
void doctor_note(const char *remedy, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* It cannot be told whether something is wrong; remedy: the command to tell. */
void doctor_unknown(const char *remedy, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Looks for mistakes in the configuration file, which is there. */
void doctor_check_mistakes(void);

#endif
