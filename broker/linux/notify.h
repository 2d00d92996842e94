/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service manager is told, as sd_notify(3) does, but without waiting: readiness, state,
 * and descriptors to store (broker/linux/varlink/fdstore.h). What it does not take now is sent
 * when it does, in order.
 */
#ifndef VMNET_BROKER_LINUX_NOTIFY_H
#define VMNET_BROKER_LINUX_NOTIFY_H

#include <stdbool.h>
#include <systemd/sd-event.h>

/* What cannot be told at once is told from this loop; notify_stop() comes before its end. */
void notify_start(sd_event *event);

/* There is a manager. */
bool notify_has_manager(void);

/* Tells it a text. Without a manager nothing happens. */
void notify(const char *text);

/*
 * The same with a descriptor.
 * fd: the caller's; open until it is sent, or until notify_withdraw().
 * Returns 0 or a negative errno.
 */
int notify_with_fd(const char *text, int fd);

/* Takes what was to be told with a descriptor back. Returns whether it has not been sent. */
bool notify_withdraw(int fd);

/* Something has not been sent yet. */
bool notify_is_pending(void);

/* Forgets what has not been sent. */
void notify_stop(void);

#endif
