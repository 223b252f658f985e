/* pace: see pace.h. Rows are granted one behind the other on a line of time, which nothing is saved up on: a
 * job that was slow for a while does not catch up by a burst. SPDX-License-Identifier: MIT */
#include "pace.h"

#include "clock.h"
#include "object.h"

#include <pthread.h>
#include <stdlib.h>

enum { GRANTS_A_SECOND = 4 };

struct pace {
    pthread_mutex_t lock;
    uint64_t left; /* of the limit */
    uint64_t rate;
    int64_t next; /* when the next row may be taken */
};

struct pace *pace_new(uint64_t limit, uint64_t rate)
{
    struct pace *pace = object_alloc(sizeof *pace);
    ENSURE(pthread_mutex_init(&pace->lock, NULL) == 0);
    pace->left = limit == 0 ? UINT64_MAX : limit;
    pace->rate = rate;
    return pace;
}

void pace_free(struct pace *pace)
{
    if (pace == NULL)
        return;
    pthread_mutex_destroy(&pace->lock);
    free(pace);
}

static int64_t time_of(const struct pace *pace, size_t rows)
{
    return (int64_t)((double)rows / (double)pace->rate * (double)SECOND);
}

size_t pace_grant(struct pace *pace, size_t most, int64_t *at)
{
    int64_t now = clock_now();
    *at = now;
    pthread_mutex_lock(&pace->lock);
    if (pace->rate > 0 && most > pace->rate / GRANTS_A_SECOND)
        most = pace->rate < GRANTS_A_SECOND ? 1 : (size_t)(pace->rate / GRANTS_A_SECOND);
    if (most > pace->left)
        most = (size_t)pace->left;
    if (pace->left != UINT64_MAX)
        pace->left -= most;
    if (pace->rate > 0) {
        *at = pace->next > now ? pace->next : now;
        pace->next = *at + time_of(pace, most);
    }
    pthread_mutex_unlock(&pace->lock);
    return most;
}

void pace_return(struct pace *pace, size_t rows)
{
    pthread_mutex_lock(&pace->lock);
    if (pace->left != UINT64_MAX)
        pace->left += rows;
    if (pace->rate > 0)
        pace->next -= time_of(pace, rows);
    pthread_mutex_unlock(&pace->lock);
}
