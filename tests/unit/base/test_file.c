/* SPDX-License-Identifier: Apache-2.0 */
/* Files are read and replaced whole, or not at all. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

/* What is about to be there, for all to find. */
static struct stat renamed;

int __wrap_rename(const char *from, const char *to)
{
	return stat(from, &renamed) < 0 ? -1 : __real_rename(from, to);
}

static char directory[] = "/tmp/vmnet-broker-file-XXXXXX";

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

static const char *in_directory(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void expect(const char *name, size_t most, const char *text)
{
	size_t length;
	char *read = file_read(in_directory(name), most, &length);

	assert_non_null(read);
	assert_string_equal(read, text);
	assert_int_equal(length, strlen(text));
	free(read);
}

static void test_replace(void **state)
{
	/* Only root has groups that it is not in. */
	const gid_t group = geteuid() == 0 ? 1 : getegid();
	struct stat status;

	(void)state;
	assert_int_equal(file_replace(in_directory("a"), "one\n", 0), 0);
	expect("a", 100, "one\n");
	assert_int_equal(file_replace(in_directory("a"), "", 0604), 0);
	expect("a", 100, "");
	assert_int_equal(stat(in_directory("a"), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0604);
	assert_int_equal(file_replace_for(in_directory("a"), "two\n", group), 0);
	expect("a", 100, "two\n");
	assert_int_equal(renamed.st_gid, group);
	assert_int_equal(renamed.st_mode & 0777, 0640);
	assert_int_equal(access(in_directory("a" FILE_NEW_SUFFIX), F_OK), -1);
	assert_int_equal(unlink(in_directory("a")), 0);
}

static void test_read_a_part(void **state)
{
	(void)state;
	assert_int_equal(file_replace(in_directory("a"), "one two", 0), 0);
	expect("a", 7, "one two");
	expect("a", 3, "one");
	expect("a", 0, "");
	assert_int_equal(unlink(in_directory("a")), 0);
}

static void test_read_nothing(void **state)
{
	size_t length;

	(void)state;
	assert_null(file_read(in_directory("nothing"), 100, &length));
	assert_int_equal(errno, ENOENT);
	assert_null(file_read(directory, 100, &length));
	assert_int_equal(errno, EISDIR);
	assert_int_equal(mkfifo(in_directory("fifo"), 0600), 0);
	expect("fifo", 100, "");
	assert_int_equal(unlink(in_directory("fifo")), 0);
}

/* What cannot be replaced stays, and nothing else does. */
static void test_replace_fails(void **state)
{
	char path[5000];

	(void)state;
	assert_int_equal(mkdir(in_directory("a"), 0700), 0);
	assert_int_equal(file_replace(in_directory("a"), "one", 0), -EISDIR);
	assert_int_equal(access(in_directory("a" FILE_NEW_SUFFIX), F_OK), -1);
	assert_int_equal(rmdir(in_directory("a")), 0);
	assert_int_equal(file_replace(in_directory("nothing/a"), "one", 0), -ENOENT);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(file_replace(path, "one", 0), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_read_a_part),
		cmocka_unit_test(test_read_nothing),
		cmocka_unit_test(test_replace_fails),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
