/* exporter: see exporter.h.
 *
 * Spans come in the thread that observes, and are kept as the bytes that the receiver will get. A thread of
 * our own takes some hundred at a time and posts them; it alone waits for a receiver, so one that is slow or
 * gone costs what the buffer holds. What the receiver says is busy (429, 502, 503, 504), or no answer at all,
 * is tried again, later each time, and not before it wants to be asked; any other status is final. The lock
 * is held to move pointers only, and never by the collector's loop, which reads the counters without it.
 * Started and ended by main.c. SPDX-License-Identifier: MIT */
#include "exporter.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <utlist.h>

enum {
    EXPORTER_MAGIC = 0xe3904701,
    AVERAGE_BYTES = 1024, /* of a span: the buffer has room for so much of each */
    COMPLAINT_SECONDS = 60
};

#define LONGEST_WAIT (60 * SECOND)
#define ASKED_MAX    (3600 * SECOND) /* of what a receiver may have us wait */
#define END_WAIT     (2 * SECOND)    /* for what is there when the collector is stopped */

/* A span, encoded: its process's name, terminated, and then its bytes. */
struct kept {
    struct kept *next;
    size_t length;
    const uint8_t *span;
    char process[];
};

enum outcome { EXPORTED, REJECTED, FULL, FAILED, OUTCOMES };
enum result { TAKEN, AGAIN, REFUSED, UNREACHABLE, DIED, RESULTS };

static const char *const outcome_labels[OUTCOMES] = {
    [EXPORTED] = "exported", [REJECTED] = "rejected", [FULL] = "full", [FAILED] = "failed"};
static const char *const result_labels[RESULTS] = {[TAKEN] = "taken",
                                                   [AGAIN] = "again",
                                                   [REFUSED] = "refused",
                                                   [UNREACHABLE] = "unreachable",
                                                   [DIED] = "died"};

struct exporter {
    unsigned magic;
    struct exporter_context context;
    pthread_t thread;
    bool ended;
    pthread_mutex_t mutex; /* guards what follows, up to the counters */
    pthread_cond_t came;
    pthread_cond_t gone;
    bool done; /* the thread has no more to do */
    struct kept *first, *last;
    size_t count, bytes;
    bool stopping;
    uint64_t outcomes[OUTCOMES], results[RESULTS], waiting; /* atomic */
    struct otlp_bytes encoded;                              /* the observing thread's */
    struct otlp_request request;                            /* the exporter's own thread's */
    long long complained;
};

/* ---- counting ---- */

static void count(uint64_t *counter, uint64_t more)
{
    __atomic_add_fetch(counter, more, __ATOMIC_RELAXED);
}

void exporter_publish(struct exporter *exporter, struct metrics *metrics)
{
    CHECK_OBJECT(exporter, EXPORTER_MAGIC);
    for (size_t i = 0; i < OUTCOMES; i++)
        series_set(metrics_series(metrics, METRIC_SPANS, outcome_labels[i], NULL, NULL),
                   (int64_t)__atomic_load_n(&exporter->outcomes[i], __ATOMIC_RELAXED));
    for (size_t i = 0; i < RESULTS; i++)
        series_set(metrics_series(metrics, METRIC_TRACE_EXPORTS, result_labels[i], NULL, NULL),
                   (int64_t)__atomic_load_n(&exporter->results[i], __ATOMIC_RELAXED));
    series_set(metrics_series(metrics, METRIC_SPANS_BUFFERED, NULL, NULL, NULL),
               (int64_t)__atomic_load_n(&exporter->waiting, __ATOMIC_RELAXED));
}

/* ---- what comes ---- */

static struct kept *keep(struct exporter *exporter, const struct span *span)
{
    struct otlp_bytes *bytes = &exporter->encoded;
    bytes->length = 0;
    otlp_add_span(bytes, span);
    struct kept *kept = malloc(sizeof *kept + span->process.length + 1 + bytes->length);
    ENSURE(kept != NULL);
    kept->next = NULL;
    kept->length = bytes->length;
    text_copy(span->process, kept->process, span->process.length + 1);
    uint8_t *place = (uint8_t *)kept->process + span->process.length + 1;
    memcpy(place, bytes->bytes, bytes->length);
    kept->span = place;
    return kept;
}

static bool has_room(const struct exporter *exporter)
{
    return exporter->count < exporter->context.most &&
           exporter->bytes < exporter->context.most * AVERAGE_BYTES;
}

/* False when there is no room. */
static bool append(struct exporter *exporter, struct kept *kept)
{
    pthread_mutex_lock(&exporter->mutex);
    bool room = has_room(exporter);
    if (room) {
        *(exporter->last == NULL ? &exporter->first : &exporter->last->next) = kept;
        exporter->last = kept;
        exporter->count++;
        exporter->bytes += kept->length;
        __atomic_store_n(&exporter->waiting, exporter->count, __ATOMIC_RELAXED);
        if (exporter->count == 1 || exporter->count == EXPORTER_SPANS_A_REQUEST)
            pthread_cond_signal(&exporter->came);
    }
    pthread_mutex_unlock(&exporter->mutex);
    return room;
}

const char *exporter_take(void *self, const struct observation_any *any)
{
    struct exporter *exporter = self;
    struct span span;
    CHECK_OBJECT(exporter, EXPORTER_MAGIC);
    const char *wrong = span_decode(any, &span);
    if (wrong != NULL)
        return wrong;
    struct kept *kept = keep(exporter, &span);
    if (append(exporter, kept))
        return NULL;
    free(kept);
    count(&exporter->outcomes[FULL], 1);
    return NULL;
}

/* ---- what goes ---- */

static void set_time(struct timespec *time, int64_t at)
{
    time->tv_sec = at / SECOND;
    time->tv_nsec = at % SECOND;
}

/* The mutex is held. Waits until `until`, or the end; true at the end. */
static bool wait_for_end(struct exporter *exporter, int64_t until)
{
    struct timespec time;
    set_time(&time, until);
    while (!exporter->stopping && clock_now() < until)
        pthread_cond_timedwait(&exporter->came, &exporter->mutex, &time);
    return exporter->stopping;
}

/* Some spans that are there, after a moment for more to come; NULL at the end, when there are none. */
static struct kept *take_some(struct exporter *exporter, size_t *taken)
{
    pthread_mutex_lock(&exporter->mutex);
    while (exporter->count == 0 && !exporter->stopping)
        pthread_cond_wait(&exporter->came, &exporter->mutex);
    int64_t until = clock_now() + exporter->context.gather;
    struct timespec time;
    set_time(&time, until);
    while (exporter->count < EXPORTER_SPANS_A_REQUEST && !exporter->stopping && clock_now() < until)
        pthread_cond_timedwait(&exporter->came, &exporter->mutex, &time);
    struct kept *some = exporter->first, *last = NULL, *next = some;
    for (*taken = 0; next != NULL && *taken < EXPORTER_SPANS_A_REQUEST; ++*taken) {
        exporter->bytes -= next->length;
        last = next;
        next = next->next;
    }
    if (last != NULL)
        last->next = NULL;
    exporter->first = next;
    if (next == NULL)
        exporter->last = NULL;
    exporter->count -= *taken;
    __atomic_store_n(&exporter->waiting, exporter->count, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&exporter->mutex);
    return some;
}

static void write_request(struct exporter *exporter, struct kept *spans)
{
    otlp_request_begin(&exporter->request, &exporter->context.sender);
    for (const struct kept *span = spans; span != NULL; span = span->next)
        otlp_request_add(&exporter->request, span->process, span->span, span->length);
    otlp_request_end(&exporter->request);
    while (spans != NULL) {
        struct kept *next = spans->next;
        free(spans);
        spans = next;
    }
}

static enum result result_of(const struct export_answer *answer)
{
    switch (answer->status) {
    case 0:
        return answer->died ? DIED : UNREACHABLE;
    case 429:
    case 502:
    case 503:
    case 504:
        return AGAIN;
    default:
        return answer->status >= 200 && answer->status < 300 ? TAKEN : REFUSED;
    }
}

static void complain(struct exporter *exporter, enum result result, const struct export_answer *answer)
{
    if (result == TAKEN || !log_allowed(&exporter->complained, COMPLAINT_SECONDS))
        return;
    if (result == DIED)
        log_error("traces: the process that sends spans has ended; another one sends them");
    else if (result == UNREACHABLE)
        log_warning("trace.endpoint: %s; spans wait, and are dropped when there are too many",
                    answer->complaint);
    else
        log_warning("trace.endpoint answers with status %d; %s", answer->status,
                    result == AGAIN ? "it is tried again" : "those spans are dropped");
}

/* The wait before the next try doubles, and varies by a quarter so that many who wait do not come together.
 */
static int64_t wait_of(int64_t *doubling, const struct export_answer *answer)
{
    int64_t asked = (int64_t)answer->retry_after_ms * MILLISECOND;
    int64_t wait = *doubling + clock_now() % (*doubling / 4 + 1);
    *doubling = *doubling * 2 < LONGEST_WAIT ? *doubling * 2 : LONGEST_WAIT;
    if (asked > ASKED_MAX)
        asked = ASKED_MAX;
    return asked > wait ? asked : wait;
}

/* Lets some time pass; false at the end. */
static bool pause_for(struct exporter *exporter, int64_t wait)
{
    pthread_mutex_lock(&exporter->mutex);
    bool stopping = wait_for_end(exporter, clock_now() + wait);
    pthread_mutex_unlock(&exporter->mutex);
    return !stopping;
}

/* False when nobody sends any more. */
static bool post(struct exporter *exporter, size_t spans)
{
    int64_t began = clock_now(), asked = began, doubling = exporter->context.first_wait;
    for (;; asked = clock_now()) {
        struct export_answer answer = {0};
        const struct otlp_bytes *bytes = &exporter->request.bytes;
        bool there = exporter->context.post(exporter->context.self, bytes->bytes, bytes->length, &answer);
        enum result result = result_of(&answer);
        if (there) {
            count(&exporter->results[result], 1);
            complain(exporter, result, &answer);
        }
        if (there && result == TAKEN) {
            uint64_t rejected = answer.rejected < spans ? answer.rejected : spans;
            count(&exporter->outcomes[REJECTED], rejected);
            count(&exporter->outcomes[EXPORTED], spans - rejected);
            return true;
        }
        /* What counts is when the try began, not how slowly it was answered. Also after the last one: the
         * next request, too, is asked for when the receiver wants to be. */
        bool last = !there || result == REFUSED || asked - began >= exporter->context.give_up;
        bool goes_on = !there || result == REFUSED || pause_for(exporter, wait_of(&doubling, &answer));
        if (last || !goes_on) {
            count(&exporter->outcomes[FAILED], spans);
            return there;
        }
    }
}

static bool is_stopping(struct exporter *exporter)
{
    pthread_mutex_lock(&exporter->mutex);
    bool stopping = exporter->stopping;
    pthread_mutex_unlock(&exporter->mutex);
    return stopping;
}

static void *run(void *self)
{
    struct exporter *exporter = self;
    struct kept *spans;
    size_t taken;
    bool there = true;
    pthread_setname_np(pthread_self(), "exporting");
    (void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}); /* nobody waits for it */
    while ((spans = take_some(exporter, &taken)) != NULL) {
        write_request(exporter, spans);
        bool was = there;
        there = post(exporter, taken);
        if (was && !there && !is_stopping(exporter))
            log_error("no traces are exported any more: the process that sends them has ended");
    }
    pthread_mutex_lock(&exporter->mutex);
    exporter->done = true;
    pthread_cond_signal(&exporter->gone);
    pthread_mutex_unlock(&exporter->mutex);
    return NULL;
}

/* ---- life ---- */

static void init_lock(struct exporter *exporter)
{
    pthread_condattr_t attributes;
    pthread_mutex_init(&exporter->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&exporter->came, &attributes);
    pthread_cond_init(&exporter->gone, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct exporter *exporter_new(const struct exporter_context *context)
{
    struct exporter *exporter = object_alloc(sizeof *exporter);
    exporter->magic = EXPORTER_MAGIC;
    exporter->context = *context;
    init_lock(exporter);
    int error = pthread_create(&exporter->thread, NULL, run, exporter);
    if (error == 0)
        return exporter;
    pthread_cond_destroy(&exporter->came);
    pthread_cond_destroy(&exporter->gone);
    pthread_mutex_destroy(&exporter->mutex);
    free(exporter);
    errno = error;
    return NULL;
}

void exporter_end(struct exporter *exporter)
{
    if (exporter == NULL || exporter->ended)
        return;
    CHECK_OBJECT(exporter, EXPORTER_MAGIC);
    struct timespec until;
    set_time(&until, clock_now() + END_WAIT);
    pthread_mutex_lock(&exporter->mutex);
    exporter->stopping = true;
    pthread_cond_signal(&exporter->came);
    while (!exporter->done && pthread_cond_timedwait(&exporter->gone, &exporter->mutex, &until) == 0)
        ;
    bool done = exporter->done;
    pthread_mutex_unlock(&exporter->mutex);
    if (!done)
        exporter->context.interrupt(exporter->context.self);
    pthread_join(exporter->thread, NULL);
    exporter->ended = true;
}

void exporter_free(struct exporter *exporter)
{
    if (exporter == NULL)
        return;
    exporter_end(exporter);
    pthread_cond_destroy(&exporter->came);
    pthread_cond_destroy(&exporter->gone);
    pthread_mutex_destroy(&exporter->mutex);
    otlp_bytes_free(&exporter->encoded);
    otlp_bytes_free(&exporter->request.bytes);
    exporter->magic = 0;
    free(exporter);
}
