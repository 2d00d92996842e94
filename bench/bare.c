/* SPDX-License-Identifier: Apache-2.0 */
/* The bare system calls, without anything that makes them safe to hand to users. */
#include "bare.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <nftables/libnftables.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUBNET "10.99" /* and the number of the network */
#define TEXT_SIZE 512
#define DNSMASQ_TRIES 3

extern char **environ;

static struct nl_sock *netlink_socket;
static struct nft_ctx *nftables;

void bench_fail(const char *what, const char *why)
{
	fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

static void check_netlink(const char *what, int result)
{
	if (result < 0)
		bench_fail(what, nl_geterror(result));
}

static void run_nftables(const char *text)
{
	if (nft_run_cmd_from_buffer(nftables, text) != 0)
		bench_fail("nftables", text);
}

void bare_start(void)
{
	netlink_socket = nl_socket_alloc();
	if (!netlink_socket)
		bench_fail("netlink", "out of memory");
	check_netlink("netlink", nl_connect(netlink_socket, NETLINK_ROUTE));
	nftables = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!nftables)
		bench_fail("nftables", "out of memory");
}

static void name_bridge(int number, char name[IFNAMSIZ])
{
	(void)snprintf(name, IFNAMSIZ, "bench%d", number);
}

static void create_bridge(int number, const char *bridge)
{
	char text[TEXT_SIZE];
	struct rtnl_link *link = rtnl_link_bridge_alloc();
	struct rtnl_addr *address = rtnl_addr_alloc();
	struct nl_addr *local = NULL;

	if (!link || !address)
		bench_fail(bridge, "out of memory");
	rtnl_link_set_name(link, bridge);
	rtnl_link_set_flags(link, IFF_UP);
	check_netlink(bridge, rtnl_link_add(netlink_socket, link, NLM_F_CREATE | NLM_F_EXCL));
	(void)snprintf(text, sizeof(text), SUBNET ".%d.1/24", number);
	check_netlink(bridge, nl_addr_parse(text, AF_INET, &local));
	rtnl_addr_set_ifindex(address, (int)if_nametoindex(bridge));
	check_netlink(bridge, rtnl_addr_set_local(address, local));
	check_netlink(bridge, rtnl_addr_add(netlink_socket, address, 0));
	nl_addr_put(local);
	rtnl_addr_put(address);
	rtnl_link_put(link);
}

static void create_rules(int number, const char *bridge)
{
	char text[TEXT_SIZE];

	(void)snprintf(text, sizeof(text),
		       "table ip %s {\n"
		       "	chain forward {\n"
		       "		type filter hook forward priority 0; policy accept;\n"
		       "		iifname %s accept\n"
		       "		oifname %s ct state established,related accept\n"
		       "	}\n"
		       "	chain postrouting {\n"
		       "		type nat hook postrouting priority 100; policy accept;\n"
		       "		ip saddr " SUBNET ".%d.0/24 oifname != %s masquerade\n"
		       "	}\n"
		       "}\n",
		       bridge, bridge, bridge, number, bridge);
	run_nftables(text);
}

static void start_dnsmasq(int number, const char *bridge, const char *directory)
{
	char interface[64], range[64], pid_file[256], leases[256];
	char *argv[] = {
		"dnsmasq",
		"--conf-file=/dev/null",
		"--bind-dynamic",
		"--except-interface=lo",
		"--dhcp-authoritative",
		"--no-ping",
		range,
		interface,
		pid_file,
		leases,
		NULL,
	};
	pid_t pid;
	int status;

	(void)snprintf(interface, sizeof(interface), "--interface=%s", bridge);
	(void)snprintf(pid_file, sizeof(pid_file), "--pid-file=%s/%s.pid", directory, bridge);
	(void)snprintf(leases, sizeof(leases), "--dhcp-leasefile=%s/%s.leases", directory, bridge);
	(void)snprintf(range, sizeof(range), "--dhcp-range=" SUBNET ".%d.2," SUBNET ".%d.254,1h",
		       number, number);
	/* It fails when a device goes while it looks at all of them. */
	for (int tries = 0; tries < DNSMASQ_TRIES; tries++) {
		errno = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
		if (errno != 0)
			bench_fail(argv[0], strerror(errno));
		/* It serves when its first process ends. */
		if (waitpid(pid, &status, 0) == pid && status == 0)
			return;
	}
	bench_fail(argv[0], "did not start");
}

void bare_network_create(int number, const char *directory)
{
	char bridge[IFNAMSIZ];

	name_bridge(number, bridge);
	create_bridge(number, bridge);
	create_rules(number, bridge);
	start_dnsmasq(number, bridge, directory);
}

static pid_t read_pid(const char *path)
{
	FILE *file = fopen(path, "re");
	pid_t pid;

	if (!file || fscanf(file, "%d", &pid) != 1)
		bench_fail(path, "no process id");
	(void)fclose(file);
	return pid;
}

/* Waits until it has gone, as the broker does. */
static void stop_dnsmasq(const char *bridge, const char *directory)
{
	struct pollfd end = { .events = POLLIN };
	char path[256];
	pid_t pid;

	(void)snprintf(path, sizeof(path), "%s/%s.pid", directory, bridge);
	pid = read_pid(path);
	end.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (end.fd < 0 || kill(pid, SIGTERM) < 0 || poll(&end, 1, -1) < 0)
		bench_fail(path, strerror(errno));
	(void)close(end.fd);
}

void bare_network_remove(int number, const char *directory)
{
	struct rtnl_link *link = rtnl_link_alloc();
	char bridge[IFNAMSIZ];
	char text[TEXT_SIZE];

	name_bridge(number, bridge);
	if (!link)
		bench_fail(bridge, "out of memory");
	stop_dnsmasq(bridge, directory);
	(void)snprintf(text, sizeof(text), "delete table ip %s\n", bridge);
	run_nftables(text);
	rtnl_link_set_name(link, bridge);
	check_netlink(bridge, rtnl_link_delete(netlink_socket, link));
	rtnl_link_put(link);
}

int bare_tap(const char *bridge)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	struct rtnl_link *old = rtnl_link_alloc();
	struct rtnl_link *link = rtnl_link_alloc();
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (!old || !link)
		bench_fail(bridge, "out of memory");
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		bench_fail("/dev/net/tun", strerror(errno));
	rtnl_link_set_name(old, request.ifr_name);
	rtnl_link_set_name(link, request.ifr_name);
	rtnl_link_set_ifalias(link, "bench");
	rtnl_link_set_master(link, (int)if_nametoindex(bridge));
	rtnl_link_set_flags(link, IFF_UP);
	check_netlink(bridge, rtnl_link_change(netlink_socket, old, link, 0));
	rtnl_link_put(link);
	rtnl_link_put(old);
	return fd;
}

static int receive_fd(int socket)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0 || !CMSG_FIRSTHDR(&message))
		bench_fail("qemu-bridge-helper", "no descriptor came");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

int helper_tap(const char *bridge, const char *program)
{
	char option[64];
	char *argv[] = { "qemu-bridge-helper", "--use-vnet", "--fd=3", option, NULL };
	posix_spawn_file_actions_t actions;
	int ends[2];
	int fd;
	pid_t pid;

	(void)snprintf(option, sizeof(option), "--br=%s", bridge);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		bench_fail("socketpair", strerror(errno));
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, ends[1], 3);
	errno = posix_spawn(&pid, program, &actions, NULL, argv, environ);
	if (errno != 0)
		bench_fail(program, strerror(errno));
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(ends[1]);
	fd = receive_fd(ends[0]);
	(void)close(ends[0]);
	(void)waitpid(pid, NULL, 0);
	return fd;
}
