/* SPDX-License-Identifier: Apache-2.0 */
/* What a notification tells of the devices of a network that is on several hosts. */
#include "tests/unit/test.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "broker/linux/firewall/firewall.h"
#include "broker/linux/network/vxlan.h"
#include "host/fdb.h"

#define BRIDGE 4
#define MTU 1450

static const struct vxlan_devices devices = { .vxlan = 6, .own = 8, .own_port = 7 };

struct lab {
	struct vxlan_host hosts[3];
	struct network_config config;
	struct network network;
};

static void make_lab(struct lab *lab, enum vxlan_control control)
{
	memset(lab, 0, sizeof(*lab));
	for (size_t i = 0; i < 3; i++)
		lab->hosts[i].address.ipv4.s_addr = htonl(0xc0000201 + (uint32_t)i);
	lab->config.vxlan = (struct vxlan){
		.vni = 4711,
		.control = control,
		.port = VXLAN_PORT,
		.family = AF_INET,
		.hosts = lab->hosts,
		.n_hosts = 3,
	};
	lab->network.config = &lab->config;
	lab->network.addresses = (struct network_addresses){
		.bridge = "vmb-lab",
		.mtu = MTU,
		.vxlan_host = 2,
		.own_mac = { { 0x76, 0x6d, 10, 80, 2, 1 } },
	};
}

/* What is told of a link. */
struct told {
	int index;
	const char *name;
	unsigned int flags;
	uint32_t mtu;
	uint32_t group;
	uint32_t master;
	struct mac_address mac;
	uint32_t local; /* 0: it is no VXLAN */
	bool learns;
};

static void put_vxlan(struct nl_msg *message, const struct told *told)
{
	struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO);
	struct nlattr *data;

	assert_int_equal(nla_put_string(message, IFLA_INFO_KIND, "vxlan"), 0);
	data = nla_nest_start(message, IFLA_INFO_DATA);
	assert_int_equal(nla_put_u32(message, IFLA_VXLAN_LOCAL, htonl(told->local)), 0);
	assert_int_equal(nla_put_u8(message, IFLA_VXLAN_LEARNING, told->learns), 0);
	nla_nest_end(message, data);
	nla_nest_end(message, info);
}

static bool is_right(const struct lab *lab, const struct told *told, int type)
{
	struct ifinfomsg header = { .ifi_index = told->index, .ifi_flags = told->flags };
	struct nl_msg *message = nlmsg_alloc_simple(type, 0);
	bool result;

	assert_non_null(message);
	assert_int_equal(nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO), 0);
	assert_int_equal(nla_put_string(message, IFLA_IFNAME, told->name), 0);
	assert_int_equal(nla_put_u32(message, IFLA_MTU, told->mtu), 0);
	assert_int_equal(nla_put_u32(message, IFLA_GROUP, told->group), 0);
	assert_int_equal(nla_put_u32(message, IFLA_MASTER, told->master), 0);
	assert_int_equal(nla_put(message, IFLA_ADDRESS, sizeof(told->mac), &told->mac), 0);
	if (told->local)
		put_vxlan(message, told);
	result = vxlan_is_right(&lab->network, BRIDGE, &devices, nlmsg_hdr(message));
	nlmsg_free(message);
	return result;
}

/* Each of what may be changed of a link counts, where it has to be so. */
static void check_link(const struct lab *lab, const struct told *right)
{
	struct told told = *right;

	assert_true(is_right(lab, right, RTM_NEWLINK));
	assert_false(is_right(lab, right, RTM_DELLINK));
	told.flags = 0;
	assert_false(is_right(lab, &told, RTM_NEWLINK));
	told = *right;
	told.name = "other";
	assert_false(is_right(lab, &told, RTM_NEWLINK));
	told = *right;
	told.mtu--;
	assert_false(is_right(lab, &told, RTM_NEWLINK));
	told = *right;
	told.group++;
	assert_false(is_right(lab, &told, RTM_NEWLINK));
	told = *right;
	told.master++;
	assert_false(is_right(lab, &told, RTM_NEWLINK));
	told = *right;
	told.mac.bytes[5]++;
	assert_int_equal(is_right(lab, &told, RTM_NEWLINK), right->index != devices.own);
}

static void test_links(void **state)
{
	struct told vxlan = {
		.index = devices.vxlan,
		.name = "vmx-lab",
		.flags = IFF_UP,
		.mtu = MTU,
		.group = firewall_port_group((unsigned int)devices.vxlan),
		.master = BRIDGE,
		.local = 0xc0000202,
	};
	struct told own = {
		.index = devices.own,
		.name = "vmh-lab",
		.flags = IFF_UP,
		.mtu = MTU,
		.group = firewall_bridge_group((unsigned int)devices.own),
	};
	const struct told port = {
		.index = devices.own_port,
		.name = "vmp-lab",
		.flags = IFF_UP,
		.mtu = MTU,
		.master = BRIDGE,
	};
	struct lab lab;

	(void)state;
	make_lab(&lab, VXLAN_EVPN);
	own.mac = lab.network.addresses.own_mac;
	check_link(&lab, &vxlan);
	check_link(&lab, &own);
	check_link(&lab, &port);
	vxlan.learns = true;
	assert_false(is_right(&lab, &vxlan, RTM_NEWLINK));
	lab.config.vxlan.control = VXLAN_STATIC;
	assert_true(is_right(&lab, &vxlan, RTM_NEWLINK));
	vxlan.local++;
	assert_false(is_right(&lab, &vxlan, RTM_NEWLINK));
}

static bool is_port_right(const struct lab *lab, int index, bool learning, bool suppress)
{
	struct ifinfomsg header = { .ifi_family = AF_BRIDGE, .ifi_index = index };
	struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWLINK, 0);
	struct nlattr *port;
	bool result;

	assert_non_null(message);
	assert_int_equal(nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO), 0);
	port = nla_nest_start(message, IFLA_PROTINFO);
	assert_int_equal(nla_put_u8(message, IFLA_BRPORT_LEARNING, learning), 0);
	assert_int_equal(nla_put_u8(message, IFLA_BRPORT_NEIGH_SUPPRESS, suppress), 0);
	nla_nest_end(message, port);
	result = vxlan_is_right(&lab->network, BRIDGE, &devices, nlmsg_hdr(message));
	nlmsg_free(message);
	return result;
}

static void test_ports(void **state)
{
	struct lab lab;

	(void)state;
	make_lab(&lab, VXLAN_EVPN);
	assert_true(is_port_right(&lab, devices.vxlan, false, true));
	assert_false(is_port_right(&lab, devices.vxlan, true, true));
	assert_false(is_port_right(&lab, devices.vxlan, false, false));
	make_lab(&lab, VXLAN_STATIC);
	assert_true(is_port_right(&lab, devices.vxlan, true, false));
	assert_false(is_port_right(&lab, devices.vxlan, false, false));
	assert_true(is_port_right(&lab, devices.own_port, false, false));
	assert_false(is_port_right(&lab, devices.own_port, true, false));
}

/* Of an entry that was added, or of one that may go: nothing is put back. */
static int mend(const struct lab *lab, const struct fdb_entry *entry, bool has_gone)
{
	struct nl_msg *message = has_gone ? fdb_remove_message(entry) : fdb_add_message(entry);
	int result;

	assert_non_null(message);
	result = vxlan_mend_entry(&lab->network, &devices, nlmsg_hdr(message));
	nlmsg_free(message);
	return result;
}

static void test_entries(void **state)
{
	struct fdb_entry own = { .link = devices.own_port };
	struct fdb_entry flood = { .link = devices.vxlan, .family = AF_INET };
	struct lab lab;

	(void)state;
	make_lab(&lab, VXLAN_STATIC);
	own.mac = lab.network.addresses.own_mac;
	assert_int_equal(mend(&lab, &own, false), 0);
	own.mac.bytes[5]++; /* somebody else's */
	assert_int_equal(mend(&lab, &own, true), 0);

	flood.host.ipv4.s_addr = htonl(0xc0000201);
	assert_int_equal(mend(&lab, &flood, false), 0);
	flood.host.ipv4.s_addr = htonl(0xc0000202); /* this host itself */
	assert_int_equal(mend(&lab, &flood, false), -EINVAL);
	assert_int_equal(mend(&lab, &flood, true), 0);
	flood.host.ipv4.s_addr = htonl(0xc0000204); /* none of them */
	assert_int_equal(mend(&lab, &flood, false), -EINVAL);
	lab.config.vxlan.control = VXLAN_EVPN;
	assert_int_equal(mend(&lab, &flood, false), 0);
	flood.mac.bytes[5] = 1; /* a machine, that was learned to be there */
	lab.config.vxlan.control = VXLAN_STATIC;
	assert_int_equal(mend(&lab, &flood, false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
