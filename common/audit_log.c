/* audit_log: between those who add lines and the one who writes them.
 *
 *     audit_log_add --> queue --(the thread, or whoever adds)--> audit_file
 *        any thread    a lock                        one at a time
 *
 * The thread does all that waits for a disk, a write too: while another thread brings a file to the disk, a
 * write to it may wait for as long. It sleeps while there is nothing to write. When the disk is full, what
 * was taken is kept by the file, what comes then stays in the queue up to its bound, and once a second it is
 * tried again. SPDX-License-Identifier: MIT */
#include "audit_log.h"

#include "audit_file.h"
#include "clock.h"
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum {
    LOG_MAGIC = 0x0a0d1709,
    QUEUE_MAX = 8 << 20,        /* bytes that wait while the disk is full */
    QUEUE_WAKES = 256 << 10,    /* so much is written before its time */
    TAKEN_KEPT = 1 << 20,       /* of the memory for what is being written; more is given back */
    RESERVE_DURABLE = 64 << 10, /* kept free with refuse: room for the acts that find the disk full */
    RESERVE_BUFFERED = 1 << 20, /* and for the requests until that is known */
    ENTRY_MAX = CHAIN_LINE_MAX - CHAIN_HEAD_MAX
};

#define GATHER    (100 * MILLISECOND)
#define SYNC_EACH SECOND
#define TRY_EACH  SECOND

struct audit_log {
    unsigned magic;
    enum audit_manner manner;
    bool refuse; /* audit.when_full */
    char *directory, *process;
    struct audit_file_settings settings;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake, settled;
    struct audit_entry queue;
    uint64_t queued;      /* lines in it */
    uint64_t lost;        /* lines that had no room, not told yet */
    uint64_t untold;      /* requests that were refused, likewise */
    bool ending, hurry;   /* to the thread */
    uint64_t added, done; /* turns of the thread that were asked for, and made: for audit_log_settle */

    pthread_mutex_t writing; /* guards the file and what belongs to it */
    struct audit_file *file; /* NULL: not open */
    struct audit_entry taken, own;
    int64_t tried, synced; /* monotonic nanoseconds: when that last failed, and was last done */
    long long logged;      /* log_allowed's */

    bool full;                                          /* atomic: it cannot be written */
    uint64_t lines, lines_lost, failures, refused_ones; /* atomic */
    pthread_t thread;
};

static void count(uint64_t *counter, uint64_t amount)
{
    __atomic_fetch_add(counter, amount, __ATOMIC_RELAXED);
}

static uint64_t counted(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* ---- writing; the lock `writing` is held ---- */

static void set_full(struct audit_log *log, bool full)
{
    bool before = __atomic_exchange_n(&log->full, full, __ATOMIC_RELAXED);
    if (before && !full)
        log_info("%s: the audit log is written again", log->process);
}

/* Always false: for the caller to return. */
static bool failed(struct audit_log *log)
{
    int error = errno;
    const char *path = log->file == NULL ? log->directory : audit_file_path(log->file);
    count(&log->failures, 1);
    log->tried = clock_now();
    set_full(log, true);
    if (log_allowed(&log->logged, 60))
        log_error("%s: the audit log of %s cannot be written: %s; %s", path, log->process, strerror(error),
                  log->refuse ? "what would have to be written down is refused (audit.when_full = refuse)"
                              : "lines are kept while there is memory for them, then lost");
    return false;
}

static bool open_file(struct audit_log *log)
{
    if (log->file != NULL)
        return true;
    log->file = audit_file_open(&log->settings);
    if (log->file == NULL)
        return failed(log);
    return audit_file_sync(log->file) == 0 || failed(log);
}

static bool reserve(struct audit_log *log)
{
    return !log->refuse || audit_file_reserve(log->file) || failed(log);
}

/* What happened while nothing could be written is a line, too. */
static bool write_own(struct audit_log *log, uint64_t lost, uint64_t refused)
{
    if (lost == 0 && refused == 0)
        return true;
    audit_entry_begin(&log->own, clock_wall(), "full");
    audit_entry_number(&log->own, "lost_lines", lost);
    audit_entry_number(&log->own, "refused", refused);
    audit_entry_end(&log->own);
    return audit_file_write(log->file, (struct text){log->own.bytes, log->own.length}) == 0 || failed(log);
}

static void tell_later(struct audit_log *log, uint64_t lost, uint64_t refused)
{
    pthread_mutex_lock(&log->lock);
    log->lost += lost;
    log->untold += refused;
    pthread_mutex_unlock(&log->lock);
}

/* Takes the queue and writes it. False when not all could be written: what was taken is kept by the file. */
static bool write_queue(struct audit_log *log)
{
    if (!open_file(log) || (audit_file_flush(log->file) != 0 && !failed(log)))
        return false;
    pthread_mutex_lock(&log->lock);
    struct audit_entry queue = log->queue;
    uint64_t lines = log->queued, lost = log->lost, refused = log->untold;
    log->queue = log->taken;
    log->queue.length = 0;
    log->queued = log->lost = log->untold = 0;
    pthread_mutex_unlock(&log->lock);
    log->taken = queue;
    /* Counted now: they are the file's from here on, which keeps what it cannot write. */
    count(&log->lines, lines);
    bool good = audit_file_write(log->file, (struct text){queue.bytes, queue.length}) == 0 || failed(log);
    if (log->taken.capacity > TAKEN_KEPT)
        audit_entry_free(&log->taken);
    if (!good) {
        tell_later(log, lost, refused);
        return false;
    }
    good = write_own(log, lost, refused) && reserve(log);
    if (good)
        set_full(log, false);
    return good;
}

static bool sync_file(struct audit_log *log)
{
    log->synced = clock_now();
    return log->file == NULL || audit_file_sync(log->file) == 0 || failed(log);
}

/* ---- the thread ---- */

static void wait_until(struct audit_log *log, int64_t at)
{
    struct timespec time = {.tv_sec = at / SECOND, .tv_nsec = at % SECOND};
    pthread_cond_timedwait(&log->wake, &log->lock, &time);
}

/* Sleeps until there is something to do; the lock is held. */
static void sleep_until_due(struct audit_log *log, bool unsynced)
{
    int64_t gather_until = 0;
    for (;;) {
        int64_t now = clock_now();
        bool waits = log->queue.length > 0 || log->lost > 0;
        bool full = __atomic_load_n(&log->full, __ATOMIC_RELAXED);
        if (log->ending || log->hurry)
            return;
        if (gather_until == 0 && waits)
            gather_until = now + GATHER;
        int64_t due = full       ? log->tried + TRY_EACH
                      : waits    ? gather_until
                      : unsynced ? log->synced + SYNC_EACH
                                 : 0;
        if (due != 0 && (now >= due || (!full && log->queue.length >= QUEUE_WAKES)))
            return;
        if (due == 0)
            pthread_cond_wait(&log->wake, &log->lock);
        else
            wait_until(log, due);
    }
}

static void *run(void *self)
{
    struct audit_log *log = self;
    bool unsynced = false, ending = false;
    pthread_setname_np(pthread_self(),
                       "audit"); /* another thread's name is a file, which a sandbox refuses */
    while (!ending) {
        pthread_mutex_lock(&log->lock);
        sleep_until_due(log, unsynced);
        ending = log->ending;
        bool hurry = log->hurry || ending;
        bool something = log->queue.length > 0 || log->lost > 0 || log->untold > 0;
        uint64_t added = log->added;
        log->hurry = false;
        pthread_mutex_unlock(&log->lock);

        pthread_mutex_lock(&log->writing);
        if (something || __atomic_load_n(&log->full, __ATOMIC_RELAXED))
            unsynced = write_queue(log) || unsynced;
        if (unsynced && (hurry || clock_now() - log->synced >= SYNC_EACH))
            unsynced = !sync_file(log);
        pthread_mutex_unlock(&log->writing);

        pthread_mutex_lock(&log->lock);
        log->done = added;
        pthread_cond_broadcast(&log->settled);
        pthread_mutex_unlock(&log->lock);
    }
    return NULL;
}

/* ---- life ---- */

static void start_thread(struct audit_log *log)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    ENSURE(pthread_create(&log->thread, NULL, run, log) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct audit_log *audit_log_new(const struct config *config, const char *process, enum audit_manner manner)
{
    pthread_condattr_t monotonic;
    struct audit_log *log = object_alloc(sizeof *log);
    log->magic = LOG_MAGIC;
    log->manner = manner;
    log->refuse = strcmp(config->audit_when_full, "refuse") == 0;
    log->directory = object_strdup(config->state_directory);
    log->process = object_strdup(process);
    log->settings = (struct audit_file_settings){
        .state_directory = log->directory,
        .process = log->process,
        .max_bytes = config->audit_max_bytes,
        .max_age = config->audit_max_hours * 3600 * SECOND,
        .keep = config->audit_keep,
        .reserve_bytes = manner == AUDIT_DURABLE ? RESERVE_DURABLE : RESERVE_BUFFERED,
    };
    ENSURE(pthread_mutex_init(&log->lock, NULL) == 0 && pthread_mutex_init(&log->writing, NULL) == 0);
    ENSURE(pthread_condattr_init(&monotonic) == 0 &&
           pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    ENSURE(pthread_cond_init(&log->wake, &monotonic) == 0 && pthread_cond_init(&log->settled, NULL) == 0);
    pthread_condattr_destroy(&monotonic);
    (void)write_queue(log); /* opens it; a complaint is all that comes of its failing */
    if (manner == AUDIT_BUFFERED)
        start_thread(log);
    return log;
}

void audit_log_free(struct audit_log *log)
{
    if (log == NULL)
        return;
    CHECK_OBJECT(log, LOG_MAGIC);
    if (log->manner == AUDIT_BUFFERED) {
        pthread_mutex_lock(&log->lock);
        log->ending = true;
        pthread_cond_signal(&log->wake);
        pthread_mutex_unlock(&log->lock);
        pthread_join(log->thread, NULL);
    }
    audit_file_close(log->file);
    pthread_cond_destroy(&log->wake);
    pthread_cond_destroy(&log->settled);
    pthread_mutex_destroy(&log->lock);
    pthread_mutex_destroy(&log->writing);
    audit_entry_free(&log->queue);
    audit_entry_free(&log->taken);
    audit_entry_free(&log->own);
    free(log->directory);
    free(log->process);
    log->magic = 0;
    free(log);
}

/* ---- the doors ---- */

static bool write_durably(struct audit_log *log)
{
    pthread_mutex_lock(&log->writing);
    bool good = write_queue(log) && sync_file(log);
    pthread_mutex_unlock(&log->writing);
    return good;
}

/* True when it was the first line of an empty queue, or made it long: the thread wants to know. */
static bool enqueue(struct audit_log *log, const struct audit_entry *entry)
{
    size_t before = log->queue.length;
    if (entry->length > ENTRY_MAX || before + entry->length > QUEUE_MAX) {
        log->lost++;
        count(&log->lines_lost, 1);
        return false;
    }
    audit_entry_raw(&log->queue, entry->bytes, entry->length);
    log->queued++;
    return before == 0 || (before < QUEUE_WAKES && log->queue.length >= QUEUE_WAKES);
}

void audit_log_add(struct audit_log *log, const struct audit_entry *entry)
{
    CHECK_OBJECT(log, LOG_MAGIC);
    pthread_mutex_lock(&log->lock);
    bool wakes = enqueue(log, entry);
    pthread_mutex_unlock(&log->lock);
    if (log->manner == AUDIT_DURABLE)
        write_durably(log);
    else if (wakes)
        pthread_cond_signal(&log->wake);
}

bool audit_log_accepts(struct audit_log *log)
{
    CHECK_OBJECT(log, LOG_MAGIC);
    if (log->manner == AUDIT_DURABLE)
        return write_durably(log) || !log->refuse;
    return !log->refuse || !__atomic_load_n(&log->full, __ATOMIC_RELAXED);
}

void audit_log_refused(struct audit_log *log)
{
    CHECK_OBJECT(log, LOG_MAGIC);
    count(&log->refused_ones, 1);
    pthread_mutex_lock(&log->lock);
    log->untold++;
    pthread_mutex_unlock(&log->lock);
}

void audit_log_settle(struct audit_log *log)
{
    CHECK_OBJECT(log, LOG_MAGIC);
    if (log->manner == AUDIT_DURABLE) {
        write_durably(log);
        return;
    }
    pthread_mutex_lock(&log->lock);
    uint64_t turn = ++log->added;
    log->hurry = true;
    pthread_cond_signal(&log->wake);
    while (log->done < turn)
        pthread_cond_wait(&log->settled, &log->lock);
    pthread_mutex_unlock(&log->lock);
}

void audit_log_measure(struct audit_log *log, struct metrics *metrics)
{
    CHECK_OBJECT(log, LOG_MAGIC);
    const struct {
        enum metric metric;
        uint64_t value;
    } values[] = {{METRIC_AUDIT_LINES, counted(&log->lines)},
                  {METRIC_AUDIT_LOST, counted(&log->lines_lost)},
                  {METRIC_AUDIT_FAILURES, counted(&log->failures)},
                  {METRIC_AUDIT_REFUSED, counted(&log->refused_ones)},
                  {METRIC_AUDIT_FULL, __atomic_load_n(&log->full, __ATOMIC_RELAXED)}};
    for (size_t i = 0; i < COUNT_OF(values); i++)
        series_set(metrics_series(metrics, values[i].metric, NULL, NULL, NULL), (int64_t)values[i].value);
}
