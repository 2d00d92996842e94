/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes one allocation of the program that it is preloaded into fail.
 *
 * The file that SHORTAGE names is shared with whoever wants that: see struct
 * shortage. Other allocations, and those that come after, succeed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct shortage {
	unsigned int countdown; /* the allocation that fails, counted from 1; 0: none */
	unsigned int failed; /* how many have */
	pid_t only; /* the process whose allocations count; 0: of all that are forked from it, too */
};

static struct shortage *shortage;

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("SHORTAGE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *shared;

	if (fd < 0)
		return;
	shared = mmap(NULL, sizeof(*shortage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	(void)unsetenv("SHORTAGE"); /* of this process alone */
	if (shared != MAP_FAILED)
		shortage = shared;
}

static bool fails(void)
{
	unsigned int n;

	if (!shortage || (shortage->only && shortage->only != getpid()))
		return false;
	n = __atomic_load_n(&shortage->countdown, __ATOMIC_RELAXED);
	do {
		if (n == 0)
			return false;
	} while (!__atomic_compare_exchange_n(&shortage->countdown, &n, n - 1, false,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	if (n > 1)
		return false;
	__atomic_add_fetch(&shortage->failed, 1, __ATOMIC_RELAXED);
	errno = ENOMEM;
	return true;
}

/* glibc's own, by the names that it has for this. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size)
{
	return fails() ? NULL : __libc_realloc(memory, size);
}
