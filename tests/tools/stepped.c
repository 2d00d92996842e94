/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To be preloaded into a program: its time of day is later by as many seconds as the file of the
 * name that STEPPED says has bytes.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

static time_t step(void)
{
	const char *path = getenv("STEPPED");
	struct stat file;

	return path && stat(path, &file) == 0 ? file.st_size : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int (*next)(clockid_t, struct timespec *) =
		(int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, __func__);
	int result = next(clock, now);

	if (result == 0 && clock == CLOCK_REALTIME)
		now->tv_sec += step();
	return result;
}

time_t time(time_t *result)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (result)
		*result = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec precise = { 0 };

	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &precise);
	*now = (struct timeval){ precise.tv_sec, precise.tv_nsec / 1000 };
	return 0;
}
