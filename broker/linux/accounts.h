/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks up users and groups that the configuration names, in a process of its own. The system's
 * database may be far away, and is asked by modules of others' (nsswitch.conf(5)): the loop
 * does not wait for it.
 */
#ifndef VMNET_BROKER_LINUX_ACCOUNTS_H
#define VMNET_BROKER_LINUX_ACCOUNTS_H

/*
 * Makes the process: before there are threads and clients, and without a filter
 * of system calls. Returns 0 or a negative errno.
 */
int accounts_start(void);
void accounts_stop(void);

/* From now on this process asks nobody itself: names are what accounts_prepare() has found. */
void accounts_confine(void);

/*
 * Finds out all names in the configuration file. ready() is called once they
 * are known, which may be at once: within it, config_load() knows them. Called again
 * meanwhile, it is the same ready() that is called, once.
 */
void accounts_prepare(void (*ready)(void));

#endif
