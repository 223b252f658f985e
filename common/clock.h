/* clock: the one clock that deadlines, timers and measurements use. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CLOCK_H
#define OUTRIGGER_CLOCK_H

#include <stdint.h>
#include <time.h>

#define MICROSECOND INT64_C(1000)       /* in nanoseconds */
#define MILLISECOND INT64_C(1000000)    /* in nanoseconds */
#define SECOND      INT64_C(1000000000) /* in nanoseconds */

/* Nanoseconds on CLOCK_MONOTONIC: never jumps, shared by all processes of one host. */
static inline int64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

/* Nanoseconds since 1970, for stamps that people read. Never used for a deadline. */
static inline int64_t clock_wall(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

/* The same as it was at the kernel's last tick, at most ten milliseconds ago: that costs a fifth. */
static inline int64_t clock_wall_coarse(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

#endif
