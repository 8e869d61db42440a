/* SPDX-License-Identifier: Apache-2.0 */
/* For LD_PRELOAD: a wall clock that is as many hours ahead as the file $WALL_CLOCK_HOURS says. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
	const char *path = getenv("WALL_CLOCK_HOURS");
	int result = (int)syscall(SYS_clock_gettime, clock, now), hours = 0;
	FILE *file = clock == CLOCK_REALTIME && path ? fopen(path, "r") : NULL;
	if (file && fscanf(file, "%d", &hours) == 1)
		now->tv_sec += hours * 3600L;
	if (file)
		fclose(file);
	return result;
}
