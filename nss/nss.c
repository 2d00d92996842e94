/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module of the C library's name service switch: every program of the host finds machines as
 * MACHINE.NETWORK.internal. It is for hosts without systemd-resolved. In nsswitch.conf:
 *
 *	hosts: files vmnet_broker [!UNAVAIL=return] dns
 *
 * Of what is no network's it knows nothing (UNAVAIL), and those after it are asked. What a
 * network's name server does not know is not there, and nobody else hears of it.
 *
 * It runs in programs of others, in any thread: it keeps nothing, and leaves nothing open.
 */
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

#define EXPORT __attribute__((visibility("default")))

/* The names that the C library looks for. */
EXPORT enum nss_status _nss_vmnet_broker_gethostbyname4_r(const char *name,
							  struct gaih_addrtuple **list,
							  char *buffer, size_t size, int *error,
							  int *host_error, int32_t *ttl);
EXPORT enum nss_status _nss_vmnet_broker_gethostbyname3_r(const char *name, int family,
							  struct hostent *host, char *buffer,
							  size_t size, int *error, int *host_error,
							  int32_t *ttl, char **canonical);
EXPORT enum nss_status _nss_vmnet_broker_gethostbyname2_r(const char *name, int family,
							  struct hostent *host, char *buffer,
							  size_t size, int *error, int *host_error);
EXPORT enum nss_status _nss_vmnet_broker_gethostbyname_r(const char *name, struct hostent *host,
							 char *buffer, size_t size, int *error,
							 int *host_error);

/* What is left of the caller's buffer. */
struct room {
	char *next;
	size_t size;
};

/* NULL when it is too small. */
static void *take(struct room *room, size_t size)
{
	size_t gap = -(uintptr_t)room->next % _Alignof(max_align_t);
	char *taken = room->next + gap;

	if (room->size < gap || room->size - gap < size)
		return NULL;
	room->next = taken + size;
	room->size -= gap + size;
	return taken;
}

static char *take_text(struct room *room, const char *text)
{
	char *copy = take(room, strlen(text) + 1);

	return copy ? strcpy(copy, text) : NULL;
}

static enum nss_status say(enum nss_status status, int code, int host_code, int *error,
			   int *host_error)
{
	*error = code;
	*host_error = host_code;
	return status;
}

/* The caller comes again, with more. */
static enum nss_status say_too_small(int *error, int *host_error)
{
	return say(NSS_STATUS_TRYAGAIN, ERANGE, NETDB_INTERNAL, error, host_error);
}

static enum nss_status look_up(const char *name, int family, struct answer *answer, int *error,
			       int *host_error)
{
	struct in_addr server;
	int before = errno;
	bool is_known = server_find(name, &server);
	int result = is_known ? server_ask(server, name, family, answer) : HOST_NOT_FOUND;

	errno = before;
	if (!is_known)
		return say(NSS_STATUS_UNAVAIL, ENOENT, HOST_NOT_FOUND, error, host_error);
	if (result == NETDB_SUCCESS)
		return say(NSS_STATUS_SUCCESS, 0, NETDB_SUCCESS, error, host_error);
	if (result == TRY_AGAIN)
		return say(NSS_STATUS_TRYAGAIN, EAGAIN, TRY_AGAIN, error, host_error);
	return say(NSS_STATUS_NOTFOUND, ESRCH, result, error, host_error);
}

enum nss_status _nss_vmnet_broker_gethostbyname4_r(const char *name, struct gaih_addrtuple **list,
						   char *buffer, size_t size, int *error,
						   int *host_error, int32_t *ttl)
{
	struct room room = { buffer, size };
	struct answer answer;
	enum nss_status status = look_up(name, AF_UNSPEC, &answer, error, host_error);
	struct gaih_addrtuple *tuples;
	char *copy;

	if (status != NSS_STATUS_SUCCESS)
		return status;
	copy = take_text(&room, name);
	tuples = take(&room, answer.n * sizeof(*tuples));
	if (!copy || !tuples)
		return say_too_small(error, host_error);
	for (size_t i = 0; i < answer.n; i++) {
		tuples[i] = (struct gaih_addrtuple){ .name = copy,
						     .family = answer.addresses[i].family };
		memcpy(tuples[i].addr, &answer.addresses[i].bytes, sizeof(tuples[i].addr));
		tuples[i].next = i + 1 < answer.n ? &tuples[i + 1] : NULL;
	}
	/* The caller may have the first one's place. */
	if (*list)
		**list = tuples[0];
	else
		*list = tuples;
	if (ttl)
		*ttl = answer.ttl;
	return status;
}

/* Returns -1 when there is too little room. */
static int fill_host(struct hostent *host, const char *name, int family,
		     const struct answer *answer, struct room *room)
{
	const size_t size = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	char *copy = take_text(room, name);
	char **lists = take(room, (answer->n + 2) * sizeof(*lists));
	char *bytes = take(room, answer->n * size);

	if (!copy || !lists || !bytes)
		return -1;
	for (size_t i = 0; i < answer->n; i++)
		lists[i] = memcpy(bytes + i * size, &answer->addresses[i].bytes, size);
	lists[answer->n] = lists[answer->n + 1] = NULL;
	*host = (struct hostent){ .h_name = copy,
				  .h_aliases = &lists[answer->n + 1],
				  .h_addrtype = family,
				  .h_length = (int)size,
				  .h_addr_list = lists };
	return 0;
}

enum nss_status _nss_vmnet_broker_gethostbyname3_r(const char *name, int family,
						   struct hostent *host, char *buffer, size_t size,
						   int *error, int *host_error, int32_t *ttl,
						   char **canonical)
{
	struct room room = { buffer, size };
	struct answer answer;
	enum nss_status status;

	if (family != AF_INET && family != AF_INET6)
		return say(NSS_STATUS_UNAVAIL, EAFNOSUPPORT, NO_DATA, error, host_error);
	status = look_up(name, family, &answer, error, host_error);
	if (status != NSS_STATUS_SUCCESS)
		return status;
	if (fill_host(host, name, family, &answer, &room) < 0)
		return say_too_small(error, host_error);
	if (ttl)
		*ttl = answer.ttl;
	if (canonical)
		*canonical = host->h_name;
	return status;
}

enum nss_status _nss_vmnet_broker_gethostbyname2_r(const char *name, int family,
						   struct hostent *host, char *buffer, size_t size,
						   int *error, int *host_error)
{
	return _nss_vmnet_broker_gethostbyname3_r(name, family, host, buffer, size, error,
						  host_error, NULL, NULL);
}

enum nss_status _nss_vmnet_broker_gethostbyname_r(const char *name, struct hostent *host,
						  char *buffer, size_t size, int *error,
						  int *host_error)
{
	return _nss_vmnet_broker_gethostbyname3_r(name, AF_INET, host, buffer, size, error,
						  host_error, NULL, NULL);
}
