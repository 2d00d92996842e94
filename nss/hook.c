/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd-resolved's hook (io.systemd.Resolve.Hook, systemd 259 and later): before it asks
 * anybody else for what may be a machine's name, it asks here. Of what is no network's this knows
 * nothing, and systemd-resolved goes on; what a network's name server does not know is not there.
 *
 * Each connection has a process of its own, whose standard input and output it is: a name server
 * that does not answer keeps nobody waiting but who asked for its names.
 */
#include <arpa/nameser.h>
#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <pwd.h>
#include <resolv.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

#define INTERFACE "io.systemd.Resolve.Hook."

/* What the service manager passes. */
#define LISTEN_FD 3

/* Of a call: names of a question are short. */
#define CALL_SIZE 65536

/* As DNS has it: a name, what is fixed, and an address. */
#define RECORD_SIZE (NS_MAXCDNAME + NS_RRFIXEDSZ + NS_IN6ADDRSZ)

/* What is asked about a name that is a machine's, if it is known at all. */
struct resolution {
	bool is_ours;
	json_t *answer;
	int result; /* as server_ask() has it, of what had none */
};

static int family_of(json_int_t type)
{
	if (type == ns_t_a)
		return AF_INET;
	return type == ns_t_aaaa ? AF_INET6 : AF_UNSPEC;
}

/* Returns NULL for a name that DNS cannot have. */
static json_t *describe_record(const char *name, const struct answer *answer, size_t i)
{
	const bool is_ipv4 = answer->addresses[i].family == AF_INET;
	const size_t size = is_ipv4 ? NS_INADDRSZ : NS_IN6ADDRSZ;
	unsigned char record[RECORD_SIZE];
	char text[(RECORD_SIZE + 2) / 3 * 4 + 1];
	int length = dn_comp(name, record, NS_MAXCDNAME, NULL, NULL);
	unsigned char *next = record + length;

	if (length < 0)
		return NULL;
	ns_put16(is_ipv4 ? ns_t_a : ns_t_aaaa, next);
	ns_put16(ns_c_in, next + 2);
	ns_put32((uint32_t)answer->ttl, next + 4);
	ns_put16((unsigned int)size, next + 8);
	memcpy(next + NS_RRFIXEDSZ, &answer->addresses[i].bytes, size);
	if (b64_ntop(record, (size_t)length + NS_RRFIXEDSZ + size, text, sizeof(text)) < 0)
		return NULL;
	return json_pack("{s:s}", "raw", text);
}

/* Returns -1 where nothing can be said of it. */
static int resolve(const json_t *question, struct resolution *resolution)
{
	const json_t *key = json_object_get(question, "key");
	const char *name = json_string_value(json_object_get(key, "name"));
	int family = family_of(json_integer_value(json_object_get(key, "type")));
	struct answer answer = { 0 };
	struct in_addr server;
	int result = NO_DATA;

	if (!name)
		return -1;
	resolution->is_ours = server_find(name, &server);
	if (!resolution->is_ours)
		return 0;
	/* A network knows addresses of machines, and nothing else. */
	if (family != AF_UNSPEC)
		result = server_ask(server, name, family, &answer);
	if (result != NETDB_SUCCESS && result != NO_DATA)
		resolution->result = result;
	for (size_t i = 0; i < answer.n; i++)
		if (json_array_append_new(resolution->answer, describe_record(name, &answer, i)) <
		    0)
			return -1;
	return 0;
}

static int rcode_of(const struct resolution *resolution)
{
	if (json_array_size(resolution->answer) > 0 || resolution->result == NETDB_SUCCESS)
		return ns_r_noerror;
	return resolution->result == HOST_NOT_FOUND ? ns_r_nxdomain : ns_r_servfail;
}

/* All keys are of one name, in whatever writing. */
static json_t *resolve_record(const json_t *parameters)
{
	struct resolution resolution = { .is_ours = true, .answer = json_array() };
	const json_t *questions = json_object_get(parameters, "question");
	bool is_wrong = json_array_size(questions) == 0;
	json_t *reply;

	for (size_t i = 0; i < json_array_size(questions) && resolution.is_ours && !is_wrong; i++)
		is_wrong = resolve(json_array_get(questions, i), &resolution) < 0;
	if (is_wrong)
		reply = json_pack("{s:s, s:{s:s}}", "error", "org.varlink.service.InvalidParameter",
				  "parameters", "parameter", "question");
	else if (!resolution.is_ours)
		reply = json_pack("{s:{}}", "parameters");
	else
		reply = json_pack("{s:{s:i, s:O}}", "parameters", "rcode", rcode_of(&resolution),
				  "answer", resolution.answer);
	json_decref(resolution.answer);
	return reply;
}

/* MACHINE.NETWORK.internal. It stays so: there is no reply after the first. */
static json_t *query_filter(bool more)
{
	return json_pack("{s:{s:[s], s:i}, s:b}", "parameters", "filterDomains", "internal",
			 "filterLabelsMin", 3, "continues", more);
}

/* Returns NULL for what is no call, or when memory is short. */
static json_t *answer_to(const json_t *call)
{
	const char *method = json_string_value(json_object_get(call, "method"));

	if (!method)
		return NULL;
	if (strcmp(method, INTERFACE "QueryFilter") == 0)
		return query_filter(json_is_true(json_object_get(call, "more")));
	if (strcmp(method, INTERFACE "ResolveRecord") == 0)
		return resolve_record(json_object_get(call, "parameters"));
	return json_pack("{s:s, s:{s:s}}", "error", "org.varlink.service.MethodNotFound",
			 "parameters", "method", method);
}

/* Returns -1 when there is no use in going on. */
static int serve(const char *text)
{
	json_t *call = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	json_t *reply = answer_to(call);
	int result = reply ? json_dumpf(reply, stdout, JSON_COMPACT) : -1;

	json_decref(reply);
	json_decref(call);
	return result < 0 || putchar('\0') == EOF || fflush(stdout) == EOF ? -1 : 0;
}

/* Returns what the process is to end with. */
static int serve_all(void)
{
	static char text[CALL_SIZE];
	size_t length = 0;
	int next;

	while (length < sizeof(text) && (next = getchar()) != EOF) {
		text[length++] = (char)next;
		if (next != '\0')
			continue;
		if (serve(text) < 0)
			return 1;
		length = 0;
	}
	return length > 0;
}

/* There is no more room than for those of systemd-resolved. Others ask that, or by DNS. */
static bool is_resolved(int fd, const struct passwd *resolved)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || (resolved && peer.uid == resolved->pw_uid));
}

int main(void)
{
	const struct passwd *resolved = getpwnam("systemd-resolve");

	(void)signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept4(LISTEN_FD, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
			return 1;
		if (fd >= 0 && is_resolved(fd, resolved) && fork() == 0)
			return dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
			       close(fd) < 0 || close(LISTEN_FD) < 0 || serve_all();
		if (fd >= 0)
			(void)close(fd);
	}
}
