/* inspector: the broker's own books against each other.
 *
 * Every open request is QUEUED, SENT or FOLLOWING one that is; the QUEUED ones are what the queues count, the
 * SENT ones stand in exactly one batch of one worker each; a request that is to be alone is alone; no worker
 * that could take a batch is idle while somebody waits for it, unless max_delay holds the batch and a timer
 * will ring; no deadline is in the past. Copies for a shadow are none of the requests: they wait in a line of
 * their own, or are in a batch of theirs, and each of them ended once. It reads what the rooms promise in
 * their headers, not how they keep it. SPDX-License-Identifier: MIT */
#include "inspector.h"

#include "report.h"
#include "state.h"
#include "witness.h"
#include "yielding.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define EACH_VERSION(broker, model, version)                                                                 \
    for (struct model *model = model_first((broker)->models); model != NULL; model = model->next)            \
        for (struct version *version = model->versions; version != NULL; version = version->next)

/* ---- after each turn ---- */

static void check_waiting(const struct broker *broker, struct version *version)
{
    struct worker *free_worker;
    int64_t now = loop_now(broker->loop);
    bool job = version->queue.requests > 0 && request_is_job(queue_head(&version->queue));
    size_t free_workers = job ? yielding_free_workers(version, now, &free_worker)
                              : version_free_workers(version, now, &free_worker);
    if (version->queue.requests == 0 || free_worker == NULL)
        return;
    if (queue_head(&version->queue)->alone && free_worker->in_flight > 0)
        return; /* it wants a worker for itself */
    PROMISE(free_workers == 0 || version->model->rule.max_delay > 0,
            "%zu requests of %s %s wait while worker %u has a place for a batch", version->queue.requests,
            version->model->name, version->name, free_worker->pid);
    PROMISE(free_workers == 0 || now - queue_oldest(&version->queue) < version->model->rule.max_delay,
            "a request of %s has waited longer for company than max_delay", version->model->name);
    PROMISE(version->again_at != INT64_MAX && heap_contains(&broker->delay.node) &&
                broker->delay.node.at <= version->again_at,
            "a batch of %s is held and no timer will release it", version->model->name);
}

/* What comes back from lost workers, or from a version that is not served any more, was admitted before and
 * may go beyond the bound: that is at most what workers have in hand. */
static void check_bounds(const struct version *version)
{
    enum { ROWS_IN_HAND = 600, BYTES_IN_HAND = 64 << 10 }; /* more than any scenario's workers hold */
    const struct queue *queue = &version->queue;
    PROMISE(queue->rows <= queue->max_rows + queue->max_rows / 4 + ROWS_IN_HAND &&
                queue->bytes <= queue->max_bytes + queue->max_bytes / 4 + BYTES_IN_HAND,
            "%zu rows and %zu bytes wait in a queue for %zu and %zu", (size_t)queue->rows,
            (size_t)queue->bytes, (size_t)queue->max_rows, (size_t)queue->max_bytes);
}

static void check_clock(const struct broker *broker)
{
    const struct heap_node *first = heap_first(&broker->deadlines);
    if (first == NULL)
        return;
    PROMISE(first->at > loop_now(broker->loop), "a deadline has passed and the request is still open");
    PROMISE(heap_contains(&broker->alarm.node) && broker->alarm.node.at <= first->at,
            "no alarm is set for the next deadline");
}

/* Nobody waits for copies, but they do not stand for ever either while a worker has nothing to do. */
static void check_copies(struct broker *broker, struct version *version)
{
    int64_t again_at;
    bool idle = false;
    const struct worker *worker;
    DL_FOREACH2(version->workers, worker, next)
    {
        idle = idle || worker->state == WORKER_IDLE;
    }
    PROMISE(version->copies == NULL || version->model->shadow.version == version,
            "copies wait for %s %s, which is no shadow", version->model->name, version->name);
    if (version->copies == NULL || version->queue.requests > 0 || !idle)
        return;
    PROMISE(!shadow_due(broker, version, &again_at), "copies wait while a worker of %s %s has nothing to do",
            version->model->name, version->name);
    PROMISE(heap_contains(&broker->gather.node) && broker->gather.node.at <= again_at,
            "copies wait for company and no timer will release them");
}

void inspector_glance(struct broker *broker)
{
    uint64_t bytes = 0;
    bool hands_over = broker->handing_over_since != 0; /* what waits is left to the next broker */
    EACH_VERSION(broker, model, version)
    {
        bytes += version->queue.bytes;
        if (!hands_over) {
            check_waiting(broker, version);
            check_copies(broker, version);
        }
        check_bounds(version);
    }
    check_clock(broker);
    PROMISE(bytes == broker->queued_bytes, "%zu bytes wait, the broker counts %zu", (size_t)bytes,
            (size_t)broker->queued_bytes);
    PROMISE(broker->waiting == NULL || hands_over, "a version was forgotten at the end of the turn");
    size_t open = request_count(broker->requests) + request_count(broker->copies);
    PROMISE(broker->deadlines.count == open, "%zu deadlines for %zu open requests and copies",
            broker->deadlines.count, open);
    PROMISE(request_count(broker->requests) == witness_open(broker),
            "the broker has %zu open requests, should have %zu", request_count(broker->requests),
            witness_open(broker));
    size_t most = (size_t)broker->config->broker_max_requests;
    PROMISE(request_held(broker->requests) <= most + most / 4, "%zu requests are held",
            request_held(broker->requests));
}

/* ---- everything ---- */

struct survey {
    struct broker *broker;
    uint64_t queued, queued_rows, queued_bytes; /* by the requests' own words */
    size_t sent, following;
    size_t in_batches; /* SENT ones */
    size_t abandoned;
    size_t named;                /* that hold a name */
    size_t copies, groups;       /* with workers */
    const struct request **seen; /* those in batches */
    size_t seen_count, capacity;
};

static void check_name(const struct request *request)
{
    PROMISE(request->once == NULL || idempotency_runner(request->once) == request,
            "a request holds the name of another");
}

static void survey_request(void *self, const struct request *request)
{
    struct survey *survey = self;
    check_name(request);
    survey->named += request->once != NULL;
    PROMISE(request->state != REQUEST_ABANDONED, "an abandoned request is in the table");
    PROMISE(heap_contains(&request->deadline), "an open request has no deadline");
    if (request->state == REQUEST_SENT)
        survey->sent++;
    if (request->state == REQUEST_FOLLOWING) {
        survey->following++;
        PROMISE(request->entry != NULL, "a request follows nobody");
    }
    if (request->state != REQUEST_QUEUED)
        return;
    survey->queued++;
    survey->queued_rows += request->rows;
    survey->queued_bytes += request->bytes;
}

static void see(struct survey *survey, const struct request *request)
{
    if (survey->seen_count == survey->capacity) {
        survey->capacity = survey->capacity * 2 + 256;
        survey->seen = realloc(survey->seen, survey->capacity * sizeof *survey->seen);
        ENSURE(survey->seen != NULL);
    }
    survey->seen[survey->seen_count++] = request;
}

static void survey_batch(struct survey *survey, const struct worker *worker, const struct batch *batch)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct request *request = batch->requests[i];
        see(survey, request);
        rows += request->rows;
        PROMISE(request->version == worker->version, "a worker has a request of another version");
        PROMISE((request->copies != NULL) == batch_is_copies(batch), "a batch mixes copies and requests");
        if (request->copies != NULL) {
            PROMISE(batch->count == 1, "a batch has two groups of copies");
            survey->copies += request->copies->count;
            survey->groups++;
            continue;
        }
        PROMISE(!request->alone || (batch->count == 1 && worker->in_flight == 1),
                "a request whose worker died has company");
        if (request->state == REQUEST_ABANDONED) {
            check_name(request);
            survey->named += request->once != NULL;
            survey->abandoned++;
            continue;
        }
        PROMISE(request->state == REQUEST_SENT, "a request in a batch is not sent");
        PROMISE(request_find(survey->broker->requests, &request->key) == request,
                "a request in a batch is not in the table");
        survey->in_batches++;
    }
    PROMISE(rows == batch->rows, "a batch says %u rows and has %zu", batch->rows, (size_t)rows);
    PROMISE(batch_payloads(batch) == 1 || rows <= worker->capacity_rows,
            "%zu rows for a worker that takes %u", (size_t)rows, worker->capacity_rows);
}

static void survey_worker(void *self, struct worker *worker)
{
    PROMISE(worker->in_flight <= worker->slots, "a worker of %u slots has %u batches", worker->slots,
            worker->in_flight);
    PROMISE((worker->state == WORKER_IDLE) == (worker->in_flight == 0) || worker->state == WORKER_DRAINING,
            "a worker with %u batches is %s", worker->in_flight, worker_state_name(worker->state));
    for (uint32_t i = 0; i < worker->in_flight; i++)
        survey_batch(self, worker, &worker->batches[i]);
}

static int by_address(const void *left, const void *right)
{
    const struct request *const *a = left, *const *b = right;
    return *a < *b ? -1 : *a > *b;
}

static void check_seen_once(struct survey *survey)
{
    if (survey->seen_count > 1)
        qsort(survey->seen, survey->seen_count, sizeof *survey->seen, by_address);
    for (size_t i = 1; i < survey->seen_count; i++)
        PROMISE(survey->seen[i] != survey->seen[i - 1], "a request is with two workers");
}

static void check_queues(struct survey *survey)
{
    uint64_t requests = 0, rows = 0, bytes = 0;
    size_t workers = 0;
    EACH_VERSION(survey->broker, model, version)
    {
        requests += version->queue.requests;
        rows += version->queue.rows;
        bytes += version->queue.bytes;
        workers += version->worker_count;
        size_t listed = 0;
        const struct worker *worker;
        DL_FOREACH2(version->workers, worker, next)
        {
            listed++;
        }
        PROMISE(listed == version->worker_count, "%zu workers are listed, %zu counted", listed,
                version->worker_count);
    }
    PROMISE(requests == survey->queued && rows == survey->queued_rows && bytes == survey->queued_bytes,
            "the queues count %zu requests, %zu rows, %zu bytes; %zu, %zu, %zu wait", (size_t)requests,
            (size_t)rows, (size_t)bytes, (size_t)survey->queued, (size_t)survey->queued_rows,
            (size_t)survey->queued_bytes);
    PROMISE(workers == pool_count(survey->broker->pool), "the pool has %zu workers, the versions %zu",
            pool_count(survey->broker->pool), workers);
}

static void check_lines_of_copies(struct survey *survey)
{
    size_t copies = survey->copies, groups = survey->groups, open = 0, primaries = 0;
    for (struct model *model = model_first(survey->broker->models); model != NULL; model = model->next) {
        open += model->shadow.open;
        PROMISE(model->shadow.open <= (size_t)survey->broker->config->broker_max_shadow_requests,
                "%s has %zu copies", model->name, model->shadow.open);
    }
    EACH_VERSION(survey->broker, model, version)
    {
        uint64_t rows = 0;
        const struct request *group;
        primaries += version->copied_from;
        DL_FOREACH2(version->copies, group, next)
        {
            PROMISE(group->copies != NULL && group->state == REQUEST_QUEUED && group->version == version,
                    "something else waits among the copies");
            groups++;
            copies += group->copies->count;
            rows += group->rows;
        }
        PROMISE(rows == version->copied_rows, "%zu rows of copies wait, %zu are counted", (size_t)rows,
                (size_t)version->copied_rows);
    }
    PROMISE(copies == open, "%zu copies can be found, %zu are counted", copies, open);
    PROMISE(groups == primaries && groups == request_held(survey->broker->copies),
            "%zu groups of copies can be found, %zu and %zu are counted", groups, primaries,
            request_held(survey->broker->copies));
}

void inspector_look(struct broker *broker)
{
    struct survey survey = {.broker = broker};
    request_each(broker->requests, survey_request, &survey);
    pool_each(broker->pool, survey_worker, &survey);
    check_seen_once(&survey);
    check_queues(&survey);
    check_lines_of_copies(&survey);
    PROMISE(survey.sent == survey.in_batches, "%zu requests are sent, %zu are with workers", survey.sent,
            survey.in_batches);
    PROMISE(request_held(broker->requests) ==
                survey.queued + survey.sent + survey.following + survey.abandoned,
            "%zu requests are held, %zu can be found", request_held(broker->requests),
            (size_t)survey.queued + survey.sent + survey.following + survey.abandoned);
    PROMISE(idempotency_running(broker->names) == survey.named, "%zu names are held, by %zu requests",
            idempotency_running(broker->names), survey.named);
    free(survey.seen);
}

/* ---- the end ---- */

static void note_busy(void *self, struct worker *worker)
{
    bool *idle = self;
    *idle = *idle && worker->in_flight == 0;
}

bool inspector_idle(struct broker *broker)
{
    bool idle = request_held(broker->requests) == 0 && broker->queued_bytes == 0 &&
                request_held(broker->copies) == 0 && idempotency_running(broker->names) == 0;
    pool_each(broker->pool, note_busy, &idle);
    EACH_VERSION(broker, model, version)
    {
        idle = idle && version->queue.requests == 0 && version->queue.rows == 0 && version->queue.bytes == 0;
    }
    return idle;
}

static void describe_worker(void *self, struct worker *worker)
{
    const struct broker *broker = self;
    fprintf(stderr, "  worker %u of %s %s is %s with %u batches, heard %.3f s ago", worker->pid,
            worker->version->model->name, worker->version->name, worker_state_name(worker->state),
            worker->in_flight, (double)(loop_now(broker->loop) - worker->heard_at) / 1e9);
    for (uint32_t i = 0; i < worker->in_flight; i++)
        fprintf(stderr, "; batch %zu of %zu requests, overdue in %.3f s", (size_t)worker->batches[i].id,
                worker->batches[i].count,
                (double)(worker->batches[i].overdue_at - loop_now(broker->loop)) / 1e9);
    fputc('\n', stderr);
}

void inspector_describe(struct broker *broker)
{
    fprintf(stderr, "the broker holds %zu requests and knows %zu workers:\n", request_held(broker->requests),
            pool_count(broker->pool));
    EACH_VERSION(broker, model, version)
    {
        fprintf(stderr, "  %s %s: %zu requests wait\n", model->name, version->name, version->queue.requests);
    }
    pool_each(broker->pool, describe_worker, broker);
}

static uint64_t count(struct broker *broker, const struct version *version, const char *outcome)
{
    return metrics_series(broker->metrics, METRIC_REQUESTS, version->model->name, version->name, outcome)
        ->value;
}

static uint64_t count_dropped(struct broker *broker, const struct version *shadow)
{
    static const char *const reasons[] = {"full", "absent", "late", "route", "left", "size", "collector"};
    uint64_t dropped = 0;
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        dropped += metrics_series(broker->metrics, METRIC_SHADOW_DROPPED, shadow->model->name, shadow->name,
                                  reasons[i])
                       ->value;
    return dropped;
}

static uint64_t count_copies(struct broker *broker, const struct version *shadow)
{
    uint64_t copies = 0;
    for (const struct version *of = shadow->model->versions; of != NULL; of = of->next)
        copies +=
            metrics_series(broker->metrics, METRIC_SHADOW_COPIES, shadow->model->name, of->name, shadow->name)
                ->value;
    return copies;
}

static void add_open(void *self, const struct request *group)
{
    size_t *open = self;
    *open += group->copies->count;
}

static void add_up_copies(struct broker *broker)
{
    uint64_t copies = 0, dropped = 0, observed = witness_testimony(broker)->observed;
    size_t open = 0;
    request_each(broker->copies, add_open, &open);
    EACH_VERSION(broker, model, version)
    {
        copies += count_copies(broker, version);
        dropped += count_dropped(broker, version);
    }
    PROMISE(copies == observed + dropped + open, "%zu copies; %zu observed, %zu dropped, %zu open",
            (size_t)copies, (size_t)observed, (size_t)dropped, open);
}

/* NOT_READY is counted of those alone that had waited for workers, and told to others, too. */
static bool is_counted(enum failure failure)
{
    return failure != FAILURE_NONE && failure != FAILURE_CANCELLED && failure != FAILURE_NOT_READY;
}

void inspector_add_up(struct broker *broker)
{
    add_up_copies(broker);
    static const char *const failures[] = {
#define X(name, number, http, label) label,
        FAILURES(X)
#undef X
    };
    const struct testimony *testimony = witness_testimony(broker);
    uint64_t replies = 0, cancels = 0, rejects = 0, batches = 0;
    EACH_VERSION(broker, model, version)
    {
        replies += count(broker, version, failures[FAILURE_NONE]);
        cancels += count(broker, version, failures[FAILURE_CANCELLED]);
        for (size_t i = 0; i < COUNT_OF(failures); i++)
            rejects += is_counted((enum failure)i) ? count(broker, version, failures[i]) : 0;
        for (size_t i = 0; i < RELEASE_COUNT; i++)
            batches += version->releases[i] == NULL ? 0 : version->releases[i]->value;
    }
    /* A CANCEL at the end of a request's time counts as its deadline, as the REJECT would have. */
    PROMISE(replies == testimony->replies && cancels <= testimony->cancels &&
                rejects + cancels == testimony->rejects + testimony->cancels,
            "the counters say %zu replies, %zu rejects, %zu cancelled; there were %zu, %zu, %zu",
            (size_t)replies, (size_t)rejects, (size_t)cancels, (size_t)testimony->replies,
            (size_t)testimony->rejects, (size_t)testimony->cancels);
    PROMISE(batches == testimony->batches, "the counters say %zu batches, there were %zu", (size_t)batches,
            (size_t)testimony->batches);
    PROMISE(testimony->requests == replies + rejects + cancels + testimony->unrouted + witness_open(broker),
            "%zu requests came in; %zu replies, %zu rejects, %zu cancelled, %zu without a version, %zu open",
            (size_t)testimony->requests, (size_t)replies, (size_t)rejects, (size_t)cancels,
            (size_t)testimony->unrouted, witness_open(broker));
}
