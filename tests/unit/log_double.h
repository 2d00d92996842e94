/* SPDX-License-Identifier: Apache-2.0 */
/* The unit tests' own log: remembers what was logged. */
#ifndef VMNET_BROKER_LOG_DOUBLE_H
#define VMNET_BROKER_LOG_DOUBLE_H

/*
 * Everything logged since log_double_clear(), a line per message:
 * "LEVEL [NETWORK] MESSAGE", where LEVEL is error, warning, info or debug and
 * NETWORK "-" when there is none. Debug messages are always there.
 */
const char *log_double_text(void);
void log_double_clear(void);

#endif
