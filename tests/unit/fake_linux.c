/* SPDX-License-Identifier: Apache-2.0 */
/* The rest of the broker for tests of its front end: see fake_linux.h. */
#include "fake_linux.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/capture.h"
#include "broker/interface.h"
#include "broker/linux/fds.h"
#include "broker/linux/linux.h"
#include "broker/linux/varlink/connection.h"
#include "broker/linux/varlink/varlink.h"
#include "broker/linux/worker.h"
#include "must.h"

struct linux_platform linux_platform;
bool fake_linux_waits;
const char *fake_linux_failure;
unsigned int fake_linux_closed;

static char directory[32];
static char path[64];
static unsigned char next_random;
static struct capture *capture_wanted; /* one at a time */

void linux_platform_reload(void)
{
	connections_reload();
}

/* Whatever the platform was asked for is the state of the records: done in any order. */

static void create(struct network *network)
{
	struct error error;

	if (fake_linux_failure) {
		error_set(&error, ERROR_CREATE_FAILED, "%s", fake_linux_failure);
		broker_network_created(network, &error);
		return;
	}
	must(ipv4_subnet_parse("192.168.64.0/24", &network->addresses.ipv4_subnet) == 0);
	network->addresses.ipv4_gateway = ipv4_subnet_host(&network->addresses.ipv4_subnet, 1);
	network->addresses.mtu = network->config->mtu;
	strcpy(network->addresses.bridge, "vmb0");
	broker_network_created(network, NULL);
}

static int open_null(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	must(fd >= 0);
	return fd;
}

static void attach(struct interface *interface)
{
	struct interface_fds *fds;
	struct error error;

	fds = fake_linux_failure ? NULL : calloc(1, sizeof(*fds));
	if (!fds) {
		error_set(&error, ERROR_CREATE_FAILED, "%s",
			  fake_linux_failure ? fake_linux_failure : "out of memory");
		broker_interface_attached(interface, NULL, &error);
		return;
	}
	for (; !interface->by_name && fds->n_tap < interface->queues; fds->n_tap++)
		fds->tap[fds->n_tap] = open_null();
	for (; interface->vhost && fds->n_vhost < interface->queues; fds->n_vhost++)
		fds->vhost[fds->n_vhost] = open_null();
	strcpy(interface->name, "vmt0");
	broker_interface_attached(interface, fds, NULL);
}

static void captured(struct capture *capture)
{
	struct interface_fds *fds = calloc(1, sizeof(*fds));
	struct error error;

	capture_wanted = NULL;
	if (!fds) {
		error_set(&error, ERROR_INTERNAL, "out of memory");
		broker_capture_started(capture, NULL, &error);
		return;
	}
	fds->tap[fds->n_tap++] = open_null();
	broker_capture_started(capture, fds, NULL);
	broker_capture_ended(capture);
}

/* Does one thing that the policy waits for. Returns false when it waits for none. */
static bool work(void)
{
	if (capture_wanted) {
		captured(capture_wanted);
		return true;
	}
	for (struct network *n = linux_platform.broker->networks; n; n = n->next) {
		if (n->state == NETWORK_CREATING && !fake_linux_waits) {
			create(n);
			return true;
		}
		if (n->state == NETWORK_REMOVING) {
			broker_network_removed(n);
			return true;
		}
		for (struct interface *i = n->interfaces; i; i = i->next) {
			if (i->state == INTERFACE_ATTACHING && !fake_linux_waits) {
				attach(i);
				return true;
			}
			/* A device goes with its last descriptor, which a test has closed by then. */
			if (i->state == INTERFACE_DETACHING ||
			    (i->state == INTERFACE_ATTACHED && !i->client)) {
				broker_interface_detached(i);
				return true;
			}
		}
	}
	return false;
}

int platform_network_create(struct network *network)
{
	(void)network;
	return 0;
}

void platform_network_remove(struct network *network)
{
	(void)network;
}

int platform_interface_attach(struct interface *interface)
{
	(void)interface;
	return 0;
}

void platform_interface_detach(struct interface *interface)
{
	(void)interface;
}

int platform_capture_start(struct capture *capture, const struct interface *interface)
{
	(void)interface;
	if (capture_wanted)
		return -1;
	capture_wanted = capture;
	return 0;
}

void platform_hold_ended(struct client *client, struct network *network)
{
	broker_interfaces_release(client, network);
}

int64_t linux_platform_rogue_packets(const char *network)
{
	return strcmp(network, "lab") == 0 ? 3 : -1;
}

int64_t platform_now(void)
{
	return INT64_C(1700000000000000);
}

void platform_idle(void)
{
}

/* The same in every test, and another at each call. */
void platform_random(void *bytes, size_t size)
{
	memset(bytes, next_random++, size);
}

void platform_fds_discard(struct interface_fds *fds)
{
	for (unsigned int i = 0; i < fds->n_tap; i++)
		worker_close(fds->tap[i]);
	for (unsigned int i = 0; i < fds->n_vhost; i++)
		worker_close(fds->vhost[i]);
	free(fds);
}

void worker_close(int fd)
{
	must(close(fd) == 0);
	fake_linux_closed++;
}

static int listen_at_path(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	must(fd >= 0);
	must(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	must(chmod(directory, 0755) == 0 && chmod(path, 0666) == 0);
	must(listen(fd, 128) == 0);
	return fd;
}

const char *fake_linux_open(const char *text)
{
	struct config_errors errors = { 0 };
	struct config *config = config_parse(text, strlen(text), &errors);

	must(config);
	config_errors_clear(&errors);
	fake_linux_waits = false;
	fake_linux_failure = NULL;
	fake_linux_closed = 0;
	next_random = 7;
	strcpy(directory, "/tmp/vmnet-broker-XXXXXX");
	must(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	linux_platform.broker = broker_new(config, "/nowhere/networks.json");
	must(linux_platform.broker);
	must(sd_event_new(&linux_platform.event) >= 0);
	must(varlink_start(listen_at_path()) == 0);
	return path;
}

bool fake_linux_step(void)
{
	int r = sd_event_run(linux_platform.event, 0);

	must(r >= 0);
	return work() || r > 0;
}

void fake_linux_run(void)
{
	while (fake_linux_step())
		;
}

void fake_linux_close(void)
{
	varlink_stop();
	fake_linux_waits = false;
	while (work())
		;
	must(broker_is_idle(linux_platform.broker));
	broker_free(linux_platform.broker);
	linux_platform.event = sd_event_unref(linux_platform.event);
	unlink(path);
	rmdir(directory);
}
