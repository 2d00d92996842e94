/* SPDX-License-Identifier: Apache-2.0 */
/* Entries as they are written are read again, and what is none is told apart. */
#include "tests/unit/test.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "host/fdb.h"

static const struct mac_address mac = { { 0x76, 0x6d, 10, 80, 1, 1 } };

static void check(struct nl_msg *message, const struct fdb_entry *written)
{
	struct fdb_entry entry;

	assert_non_null(message);
	assert_int_equal(fdb_parse(nlmsg_hdr(message), &entry), 0);
	assert_int_equal(entry.link, written->link);
	assert_true(mac_address_equal(&entry.mac, &written->mac));
	assert_int_equal(entry.is_sticky, written->is_sticky);
	assert_int_equal(entry.family, written->family);
	assert_memory_equal(&entry.host, &written->host, sizeof(entry.host));
	assert_int_equal(entry.vni, written->vni);
	nlmsg_free(message);
}

static void test_of_a_bridge(void **state)
{
	struct fdb_entry entry = { .link = 7, .mac = mac };

	(void)state;
	check(fdb_add_message(&entry), &entry);
	check(fdb_remove_message(&entry), &entry);
	entry.is_sticky = true;
	check(fdb_add_message(&entry), &entry);
}

static void test_of_a_vxlan(void **state)
{
	struct fdb_entry entry = { .link = 8, .family = AF_INET };

	(void)state;
	assert_int_equal(inet_pton(AF_INET, "192.0.2.1", &entry.host), 1);
	check(fdb_add_message(&entry), &entry);
	entry.vni = 4711;
	check(fdb_add_message(&entry), &entry);
	check(fdb_remove_message(&entry), &entry);
	entry.family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", &entry.host), 1);
	check(fdb_add_message(&entry), &entry);
	check(fdb_remove_message(&entry), &entry);
}

/* One more host beside those of the same address; of a bridge's the one that is there. */
static void test_what_is_there_stays(void **state)
{
	struct fdb_entry entry = { .link = 8, .family = AF_INET };
	struct nl_msg *message = fdb_add_message(&entry);

	(void)state;
	assert_non_null(message);
	assert_true(nlmsg_hdr(message)->nlmsg_flags & NLM_F_APPEND);
	nlmsg_free(message);
	entry.family = AF_UNSPEC;
	message = fdb_add_message(&entry);
	assert_non_null(message);
	assert_true(nlmsg_hdr(message)->nlmsg_flags & NLM_F_REPLACE);
	nlmsg_free(message);
}

static struct nl_msg *neighbour(unsigned char family, size_t mac_size, size_t host_size)
{
	const uint8_t bytes[sizeof(struct in6_addr)] = { 0 };
	struct ndmsg header = { .ndm_family = family, .ndm_ifindex = 7, .ndm_flags = NTF_SELF };
	struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWNEIGH, 0);

	assert_non_null(message);
	assert_int_equal(nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO), 0);
	if (mac_size)
		assert_int_equal(nla_put(message, NDA_LLADDR, (int)mac_size, bytes), 0);
	assert_int_equal(nla_put(message, NDA_DST, (int)host_size, bytes), 0);
	return message;
}

static void test_what_is_none(void **state)
{
	struct nl_msg *none[] = {
		neighbour(AF_INET, sizeof(mac), sizeof(struct in_addr)),
		neighbour(AF_BRIDGE, 0, sizeof(struct in_addr)),
		neighbour(AF_BRIDGE, sizeof(mac) - 1, sizeof(struct in_addr)),
		neighbour(AF_BRIDGE, sizeof(mac), sizeof(struct in_addr) - 1),
		nlmsg_alloc_simple(RTM_NEWNEIGH, 0),
		nlmsg_alloc_simple(RTM_NEWLINK, 0),
	};
	struct fdb_entry entry;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_non_null(none[i]);
		assert_int_equal(fdb_parse(nlmsg_hdr(none[i]), &entry), -EPROTO);
		nlmsg_free(none[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_a_bridge),
		cmocka_unit_test(test_of_a_vxlan),
		cmocka_unit_test(test_what_is_there_stays),
		cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
