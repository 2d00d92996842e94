/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients of the Varlink front end, by its socket: the real one, before the real
 * policy (fake_linux.h), with three networks: "lab" for all, "closed" for
 * root, and "small" with room for one interface.
 */
#ifndef VMNET_BROKER_VARLINK_CLIENT_H
#define VMNET_BROKER_VARLINK_CLIENT_H

#include "tests/unit/test.h"
#include "wire/varlink_input.h"

#define METHOD(name) "{\"method\":\"com.github.nirs.vmnetbroker." name "\""
#define ACQUIRE METHOD("Acquire") ",\"parameters\":{\"network\":\"lab\"}}"
#define RELEASE METHOD("Release") ",\"parameters\":{\"network\":\"lab\"}}"
#define GET_INFO "{\"method\":\"org.varlink.service.GetInfo\"}"
#define MONITOR METHOD("Monitor") ",\"more\":true}"
#define OUTSIDER 65534

/* The end of a configuration that has only what is in the file of varlink_client.c. */
#define SERVICES(nat, addresses, maximum)                                                   \
	"\"nat44\":" #nat ",\"nat66\":" #nat ",\"dhcp\":true,\"dnsProxy\":true,"            \
	"\"routerAdvertisement\":true,\"dhcpReservations\":[],\"portForwarding\":[],"       \
	"\"allowPortForwarding\":{\"addresses\":\"" #addresses "\",\"fromPort\":1024},"     \
	"\"isolated\":false,\"linkLocal\":false,\"bypassKillSwitch\":false,\"allow\":null," \
	"\"maxInterfaces\":" #maximum "}"

/* Network "lab", as all are told of it who may know; its state without the end. */
#define LAB                                                                               \
	"{\"name\":\"lab\",\"aliases\":[\"labor\"],\"description\":\"The lab\",\"mode\":" \
	"\"shared\",\"mtu\":9000," SERVICES(true, any, 256)
#define STATE(clients)                                                                       \
	"{\"ipv4Subnet\":\"192.168.64.0/24\",\"ipv4Gateway\":\"192.168.64.1\",\"mtu\":9000," \
	"\"bridge\":\"vmb0\",\"clients\":" #clients ",\"interfaces\":0"
#define DESCRIBED(configuration, state)                                                      \
	"{\"configuration\":" configuration ",\"nextConfiguration\":null,\"removed\":false," \
	"\"state\":" state "}"
#define NETWORK(clients) DESCRIBED(LAB, STATE(clients) "}")

/* One that has asked for nothing, but for its user; and the end of every one, as a format. */
#define INTERFACE(mac)                                                                        \
	"{\"device\":\"vmt0\",\"macAddress\":\"" mac "\",\"portForwarding\":[],\"mtu\":9000," \
	"\"vnetHeader\":true,"
#define INTERFACE_END "\"uid\":%d,\"attachedTimestamp\":1700000000000000}"

/* The other end of a connection. */
struct peer {
	int fd;
	struct input input;
	size_t n_fds; /* that came, and were closed */
};

/* For TEST(): the front end serves around each test, and knows a client as "test_varlink". */
int setup(void **state);
int teardown(void **state);

/* As a user without rights if the test has any. */
struct peer peer_connect(void);
void peer_close(struct peer *peer);

/* Sends a message. */
void say(struct peer *peer, const char *text);

/* Reads once. Returns false at the end of the connection, or when there is nothing. */
bool hear(struct peer *peer);

/* The next message, to be freed; NULL when there is none. */
char *take(struct peer *peer);

/* The broker serves, and says this, in whatever order of members; or nothing; or ends. */
void assert_says(struct peer *peer, const char *expected);
void assert_silent(struct peer *peer);
void assert_disconnected(struct peer *peer);

/* A client of its own says a call, and gets this reply. */
void assert_answer(const char *call, const char *reply);

#endif
