/* chronicle: see chronicle.h.
 *
 * Whether the totals of now go on from those in the file, or have begun anew, is told by a number in the
 * runtime directory that lives as long as the counters do: RUNTIME/history.run. Started and ended by main.c.
 * SPDX-License-Identifier: MIT */
#include "chronicle.h"

#include "clock.h"
#include "log.h"
#include "path.h"
#include "process.h"
#include "sampler.h"
#include "stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

enum { CHRONICLE_MAGIC = 0x63680001, COMPLAINT_SECONDS = 60 };

struct chronicle {
    unsigned magic;
    int64_t interval;  /* of snapshots */
    int64_t period;    /* of samples: a whole number of intervals, a second at least */
    int64_t offset_ms; /* of the samples' times to the clock: see time_of_sample */
    const struct registry *registry;
    struct history *history;
    struct loop *loop; /* NULL: not started */
    struct loop_timer timer;
    char *run_path;
    long long complained;
    bool full; /* it was when the last sample was taken */
};

/* The number of this run: what stands there, or a new one. */
static uint64_t find_run(const char *path)
{
    uint64_t run = 0;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd != -1 && read(fd, &run, sizeof run) == (ssize_t)sizeof run && run != 0) {
        close(fd);
        return run;
    }
    if (getrandom(&run, sizeof run, 0) != (ssize_t)sizeof run || run == 0)
        run = (uint64_t)clock_wall();
    if (fd == -1 || pwrite(fd, &run, sizeof run, 0) != (ssize_t)sizeof run)
        log_warning("%s: %s; the history has a gap when the collector is started again", path,
                    strerror(errno));
    if (fd != -1)
        close(fd);
    return run;
}

/* Ours alone as long as we live: two would write over each other's. -1 with errno. */
static int open_own(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd == -1 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int open_file(const struct config *config)
{
    char *path = path_in(config->state_directory, "history");
    int fd = -1;
    if (process_make_directory(config->state_directory, 0750) == 0)
        fd = open_own(path);
    if (fd == -1) {
        log_error("%s: %s; the dashboard's history ends with this process", path, strerror(errno));
        fd = memfd_create("history", MFD_CLOEXEC);
        ENSURE(fd != -1);
    }
    free(path);
    return fd;
}

struct chronicle *chronicle_new(const struct config *config, const struct registry *registry)
{
    struct chronicle *chronicle = object_alloc(sizeof *chronicle);
    chronicle->magic = CHRONICLE_MAGIC;
    chronicle->registry = registry;
    chronicle->interval = config->collector_interval_ms * MILLISECOND;
    chronicle->period = (SECOND + chronicle->interval - 1) / chronicle->interval * chronicle->interval;
    chronicle->run_path = path_in(config->runtime_directory, "history.run");
    chronicle->history = history_new(open_file(config), find_run(chronicle->run_path));
    return chronicle;
}

void chronicle_end(struct chronicle *chronicle, bool over)
{
    CHECK_OBJECT(chronicle, CHRONICLE_MAGIC);
    if (chronicle->loop != NULL)
        loop_timer_cancel(chronicle->loop, &chronicle->timer);
    chronicle->loop = NULL;
    if (over)
        unlink(chronicle->run_path);
}

void chronicle_free(struct chronicle *chronicle)
{
    if (chronicle == NULL)
        return;
    chronicle_end(chronicle, false);
    history_free(chronicle->history);
    free(chronicle->run_path);
    chronicle->magic = 0;
    free(chronicle);
}

/* Samples are taken at the same moment of each second. Were that at its very end, they would now and then
 * fall into the next: so their times are counted from half of it on. */
static int64_t time_of_sample(struct chronicle *chronicle)
{
    int64_t now = clock_wall() / MILLISECOND;
    int64_t into = (now + chronicle->offset_ms) % 1000;
    if (into < 200 || into > 800)
        chronicle->offset_ms = 500 - now % 1000;
    return now + chronicle->offset_ms;
}

static void tick(void *self)
{
    struct chronicle *chronicle = self;
    if (!sampler_take(chronicle->history, chronicle->registry, time_of_sample(chronicle),
                      clock_now() / MILLISECOND) &&
        log_allowed(&chronicle->complained, COMPLAINT_SECONDS))
        log_warning("the dashboard's history was not written: %s", strerror(errno));
    if (history_is_full(chronicle->history) && !chronicle->full)
        log_warning("the dashboard's history has no place for all versions: it keeps the first %d that it is "
                    "told of, and models beside them",
                    HISTORY_SLOTS - 1);
    chronicle->full = history_is_full(chronicle->history);
    loop_timer_set(chronicle->loop, &chronicle->timer, stats_next_look(clock_now(), chronicle->period), tick,
                   chronicle);
}

void chronicle_start(struct chronicle *chronicle, struct loop *loop)
{
    CHECK_OBJECT(chronicle, CHRONICLE_MAGIC);
    chronicle->loop = loop;
    int64_t heard = clock_now() + chronicle->interval;
    loop_timer_set(loop, &chronicle->timer, stats_next_look(heard, chronicle->period), tick, chronicle);
}

struct history *chronicle_history(struct chronicle *chronicle)
{
    CHECK_OBJECT(chronicle, CHRONICLE_MAGIC);
    return chronicle->history;
}
