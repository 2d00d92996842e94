/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvmnet-broker against a broker that says what the test wants it to. The
 * broker's end of the connection is in this process: its replies wait in the
 * socket before the library asks, and the calls are looked at afterwards. Each
 * function fails the test rather than return what it does not promise.
 */
#ifndef CLIENT_FIXTURE_H
#define CLIENT_FIXTURE_H

#include <stddef.h>

#include "vmnet-broker.h"

#define ERROR(name) "{\"error\":\"com.github.nirs.vmnetbroker." name "\",\"parameters\":"
#define INTERFACE_TEXT                                                             \
	"{\"device\":\"vmt0\",\"name\":null,\"macAddress\":\"52:54:00:12:34:56\"," \
	"\"portForwarding\":[],\"mtu\":1500,\"vnetHeader\":true,\"uid\":1000,"     \
	"\"attachedTimestamp\":1700000000999999}"
#define CONFIGURATION_TEXT                                                                \
	"{\"name\":\"lab\",\"description\":\"The lab\",\"mode\":\"shared\",\"mtu\":9000," \
	"\"of_a_newer_broker\":[1,2]}"
#define STATE_TEXT                                                               \
	"{\"ipv4Subnet\":\"192.168.64.0/24\",\"ipv4Gateway\":\"192.168.64.1\","  \
	"\"ipv6Prefix\":null,\"mtu\":1500,\"bridge\":\"vmb-lab\",\"clients\":2," \
	"\"interfaces\":1"
#define NETWORK_TEXT                                                                 \
	"{\"configuration\":" CONFIGURATION_TEXT ",\"nextConfiguration\":{\"name\":" \
	"\"lab\"},\"removed\":false,\"state\":" STATE_TEXT "}}"

struct fixture {
	char directory[32];
	char path[64];
	int listener;
	int server; /* the broker's end of the connection */
	struct vmnet_broker *broker;
	size_t n_fds; /* open in this process, before the connection */
};

/* A connection, and the environment that leads to it. No descriptor may be open at its end. */
int setup(void **state);
int teardown(void **state);

/* How many descriptors this process has open. */
size_t count_fds(void);

/* A socket that listens at path. */
int listen_at(const char *path);

/* What the broker says, with n_fds times the null device. */
void say_with_fds(struct fixture *fixture, const char *text, size_t n_fds);
void say(struct fixture *fixture, const char *text);

/* The broker ends the connection. */
void hang_up(struct fixture *fixture);

/* The broker was sent just this, messages separated by a line feed. */
void assert_asked(struct fixture *fixture, const char *expected);
void assert_asked_nothing(struct fixture *fixture);

/* The library has ended the connection, whatever it sent before. */
void assert_ended_by_library(struct fixture *fixture);

#endif
