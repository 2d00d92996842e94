/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl doctor on Linux: whether programs of the host find machines by name. By systemd-resolved
 * they do where it runs and is asked, and where polkit lets the broker tell it of networks; by the
 * module of the C library where nsswitch.conf has it. Nobody is asked where neither is so: the name
 * would leave the host.
 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor.h"
#include "host/names.h"
#include "vmnetctl/doctor.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define NSSWITCH_CONF "/etc/nsswitch.conf"
#define POLKIT "/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service"

#define ASK_RESOLVED "ln -sf ../run/systemd/resolve/stub-resolv.conf " RESOLV_CONF
#define ADD_MODULE \
	"sed -Ei '/^hosts:/s/[[:space:]](resolve|dns)\\b/ vmnet_broker [!UNAVAIL=return]&/' " NSSWITCH_CONF

/* Not every polkit looks in /usr/local. */
#define ADD_RULES                                                   \
	"install -m 644 " POLKIT_RULES " /etc/polkit-1/rules.d && " \
	"systemctl restart polkit.service vmnet-broker.service"

struct find {
	const char *says;
	const char *remedy;
};

static bool runs_resolved(void)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX,
					     .sun_path =
						     "/run/systemd/resolve/io.systemd.Resolve" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool runs = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return runs;
}

/* Whether the C library looks for hosts by this module. */
static bool has_module(const char *module)
{
	FILE *file = fopen(NSSWITCH_CONF, "re");
	char line[512];
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		char *rest = NULL;
		const char *word = strtok_r(line, " \t\n", &rest);

		if (!word || strcmp(word, "hosts:") != 0)
			continue;
		while (!found && (word = strtok_r(NULL, " \t\n", &rest)) && *word != '#')
			found = strcmp(word, module) == 0;
	}
	(void)fclose(file);
	return found;
}

/* Whether the gateway's name, which every network's own name server knows, leads to it. */
static bool is_found(const struct vmnet_broker_network *network)
{
	const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	char name[sizeof("gateway.") + NETWORK_DOMAIN_SIZE];
	char domain[NETWORK_DOMAIN_SIZE];
	char address[INET_ADDRSTRLEN] = "";
	struct addrinfo *found;

	(void)snprintf(name, sizeof(name), "gateway.%s", network_domain(network->name, domain));
	if (getaddrinfo(name, NULL, &hints, &found) != 0)
		return false;
	(void)getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof(address), NULL, 0,
			  NI_NUMERICHOST);
	freeaddrinfo(found);
	return strcmp(address, network->ipv4_gateway) == 0;
}

/* How this distribution installs polkit. */
static const char *polkit_remedy(void)
{
	return has_program("apt-get") ? "apt-get install polkitd && " RESTART
				      : "install polkit && " RESTART;
}

static struct find of_resolved(void)
{
	if (!has_module("resolve") && !has_line(RESOLV_CONF, "nameserver 127.0.0.53"))
		return (struct find){ "systemd-resolved runs, and " RESOLV_CONF
				      " does not lead programs to it",
				      ASK_RESOLVED };
	if (access(POLKIT, F_OK) < 0)
		return (struct find){ "without polkit systemd-resolved cannot be told of networks",
				      polkit_remedy() };
	return (struct find){ "polkit does not let systemd-resolved be told of networks",
			      ADD_RULES };
}

static struct find of_module(void)
{
	if (has_module("vmnet_broker"))
		return (struct find){ "its name server does not answer", RESTART };
	if (access(NSS_MODULE, F_OK) == 0)
		return (struct find){ NSSWITCH_CONF " does not name vmnet_broker", ADD_MODULE };
	return (struct find){ "neither systemd-resolved runs, nor is libnss_vmnet_broker there",
			      "apt-get install libnss-vmnet-broker" };
}

void check_host_names(const struct vmnet_broker_network *network)
{
	static bool is_said;
	bool resolved = runs_resolved();
	struct find find;

	if (is_said || ((resolved || has_module("vmnet_broker")) && is_found(network)))
		return;
	find = resolved ? of_resolved() : of_module();
	doctor_note(find.remedy, "programs of this host do not find machines of \"%s\" by name: %s",
		    network->name, find.says);
	is_said = true;
}
