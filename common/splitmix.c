/* splitmix: where a generator begins. Called when a process starts, by whoever draws numbers in it.
 * SPDX-License-Identifier: MIT */
#include "splitmix.h"

#include <sys/random.h>
#include <time.h>
#include <unistd.h>

uint64_t splitmix_seed(void)
{
    uint64_t seed;
    struct timespec now;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == sizeof seed)
        return seed;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return splitmix_of((uint64_t)now.tv_nsec << 32 ^ (uint64_t)getpid() ^ (uint64_t)now.tv_sec << 16);
}
