/* shadow: copies of requests, which another version answers for nobody.
 *
 * A copy is taken when the stable version has answered a request that the route led to it: so it costs that
 * client nothing, both answers exist when there is something to compare, and a request that failed, or was
 * answered from the cache, makes no work. It is a request without an asker, in a table of its own, that
 * shares the payload and keeps the answer; it is in no queue, no figure and no bound of requests.
 *
 * Since nobody waits for copies they wait for company: a batch of them goes when there are as many as fit, or
 * the oldest has waited for GATHER_TIME, and only when no request wants the version and a worker has nothing
 * in hand; also then the turn's answers to clients go first. Batches cost the machine much less than the same
 * rows one by one, and that is what the clients of the stable version feel.
 *
 * There is no second try: what a worker that died had in hand counts as failed, so that a copy kills one
 * worker of the shadow at most and nobody is blamed for it. Beyond the bounds, and whenever a copy cannot go
 * its way, it is dropped and counted. The answers go to the collector, who compares them: here nobody looks
 * into either. SPDX-License-Identifier: MIT */
#include "state.h"

#include <utlist.h>

#define GATHER_TIME (50 * MILLISECOND)
/* Workers of a shadow compute when nobody else wants their core: they are not to be killed for that. */
enum { PATIENCE = 6 };

int64_t shadow_patience(const struct version *version, bool copies)
{
    bool patient = copies && version->weight == 0;
    return (patient ? PATIENCE : 1) * version->model->compute_timeout;
}

static void drop(struct broker *broker, const struct model *model, const struct version *shadow,
                 const char *reason)
{
    series_add(metrics_series(broker->metrics, METRIC_SHADOW_DROPPED, model->name, shadow->name, reason), 1);
}

/* ---- in ---- */

static size_t bytes_of(const struct request *copy)
{
    return copy->payload.bytes.length + copy->primary_answer.bytes.length;
}

static void count_copy(struct broker *broker, struct model *model)
{
    struct model_shadow *shadow = &model->shadow;
    if (shadow->copies == NULL)
        shadow->copies = metrics_series(broker->metrics, METRIC_SHADOW_COPIES, model->name,
                                        model->stable->name, shadow->version->name);
    series_add(shadow->copies, 1);
}

/* NULL, or why there can be no copy. */
static const char *refuses(const struct broker *broker, const struct model_shadow *shadow, size_t bytes)
{
    if (shadow->version->worker_count == 0)
        return "absent";
    if (shadow->open >= (size_t)broker->config->broker_max_shadow_requests ||
        shadow->bytes + bytes > (uint64_t)broker->config->broker_max_shadow_bytes)
        return "full";
    return NULL;
}

static void add_copy(struct broker *broker, struct model_shadow *shadow, const struct request *request,
                     const struct payload *answer)
{
    /* Real askers have an identity. */
    struct request_key key = {.id = ++broker->next_copy};
    struct request *copy = request_new(broker->copies, &key);
    int64_t now = loop_now(broker->loop);
    ENSURE(copy != NULL); /* the table has room for as many as all models may have */
    copy->version = shadow->version;
    copy->primary = request->version;
    copy->payload = payload_share(&request->payload);
    copy->primary_answer = payload_share(answer);
    copy->rows = request->rows;
    copy->arrived_at = now;
    heap_set(&broker->deadlines, &copy->deadline, now + shadow_patience(copy->version, true));
    broker_set_alarm(broker);
    shadow->open++;
    shadow->bytes += bytes_of(copy);
    copy->primary->copied_from++;
    copy->version->copied_rows += copy->rows;
    DL_APPEND2(copy->version->copies, copy, previous, next);
    broker->copies_waiting++;
}

void shadow_offer(struct broker *broker, const struct request *request, const struct payload *answer)
{
    struct model *model = request->version->model;
    struct model_shadow *shadow = &model->shadow;
    bool ends = broker->drained != NULL || broker->handing_over_since != 0;
    if (request->version != model->stable || request->named || ends ||
        route_point(&shadow->turn) >= shadow->weight)
        return;
    count_copy(broker, model);
    const char *reason = refuses(broker, shadow, request->payload.bytes.length + answer->bytes.length);
    if (reason == NULL)
        add_copy(broker, shadow, request, answer);
    else
        drop(broker, model, shadow->version, reason);
}

/* ---- to workers ---- */

bool shadow_due(struct broker *broker, struct version *version, int64_t *again_at)
{
    *again_at = INT64_MAX;
    if (version->copies == NULL)
        return false;
    int64_t due = version->copies->arrived_at + GATHER_TIME;
    if (version->copied_rows >= version->model->rule.max_batch_rows || loop_now(broker->loop) >= due)
        return true;
    *again_at = due;
    return false;
}

static void leave_line(struct broker *broker, struct request *copy)
{
    broker->copies_waiting--;
    DL_DELETE2(copy->version->copies, copy, previous, next);
    copy->version->copied_rows -= copy->rows;
}

/* Returns how many fit, at least one, and *rows = their sum. */
static size_t take(struct broker *broker, struct version *version, uint32_t max_rows, struct request **taken,
                   uint32_t *rows)
{
    size_t count = 0;
    struct request *copy;
    *rows = 0;
    while (count < PROTOCOL_COUNT_MAX && (copy = version->copies) != NULL &&
           (count == 0 || (uint64_t)*rows + copy->rows <= max_rows)) {
        leave_line(broker, copy);
        taken[count++] = copy;
        *rows += copy->rows;
    }
    return count;
}

static struct worker *idle_worker(const struct version *version)
{
    struct worker *worker;
    DL_FOREACH2(version->workers, worker, next)
    {
        if (worker->state == WORKER_IDLE)
            return worker;
    }
    return NULL;
}

/* When those that stay should go (monotonic ns); INT64_MAX: when something changes. */
static int64_t dispatch(struct broker *broker, struct version *version)
{
    struct request *taken[PROTOCOL_COUNT_MAX];
    struct worker *worker;
    int64_t again_at;
    while (shadow_due(broker, version, &again_at) && version->queue.requests == 0 &&
           (worker = idle_worker(version)) != NULL) {
        uint32_t rows, most = version->model->rule.max_batch_rows;
        size_t count =
            take(broker, version, most < worker->capacity_rows ? most : worker->capacity_rows, taken, &rows);
        if (serving_send(broker, worker, taken, count, rows))
            series_add(version->model->releases[RELEASE_SHADOW], 1);
        else
            while (count > 0)
                shadow_lost(broker, taken[--count], false);
    }
    return again_at;
}

/* The end of the turn that follows is all that there is to do. */
static void gathered(void *self)
{
    (void)self;
}

void shadow_dispatch(struct broker *broker)
{
    int64_t next_at = INT64_MAX;
    for (struct model *model = model_first(broker->models); model != NULL; model = model->next) {
        struct version *version = model->shadow.version;
        int64_t again_at = version == NULL ? INT64_MAX : dispatch(broker, version);
        next_at = again_at < next_at ? again_at : next_at;
    }
    if (next_at != INT64_MAX)
        loop_timer_set(broker->loop, &broker->gather, next_at, gathered, broker);
}

/* ---- out ---- */

void shadow_free(struct broker *broker, struct request *copy)
{
    copy->version->model->shadow.open--;
    copy->primary->copied_from--;
    heap_remove(&broker->deadlines, &copy->deadline);
    request_free(broker->copies, copy);
}

/* Nobody waits for what the shadow says any more. */
static void forget_answer(struct request *copy)
{
    copy->version->model->shadow.bytes -= bytes_of(copy);
    payload_close(&copy->payload);
    payload_close(&copy->primary_answer);
}

static enum observation_task task_of(const struct model_config *config)
{
    if (config == NULL || (*config->task == '\0' && config->labels.count == 0))
        return TASK_BY_OUTPUTS;
    return strcmp(config->task, "regression") == 0 ? TASK_REGRESSION : TASK_CLASSIFICATION;
}

static void show(struct broker *broker, const struct request *copy, enum failure failure, struct text answer)
{
    const struct model *model = copy->version->model;
    struct text none = {"", 0};
    struct observation observation = {
        .kind = OBSERVATION_SHADOW,
        .model = text_of(model->name),
        .version = text_of(copy->primary->name),
        .shadow = text_of(copy->version->name),
        .task = task_of(model->config),
        .tolerance_ppm = model->config == NULL ? 1000 : (uint32_t)model->config->shadow_tolerance_ppm,
        .failure = failure,
        .answer = failure == FAILURE_NONE ? payload_bytes(&copy->primary_answer) : none,
        .shadow_answer = failure == FAILURE_NONE ? answer : none};
    if (!broker->observes)
        broker->observer = observer_new(broker->zmq_context, broker->loop, broker->config);
    broker->observes = true;
    enum observed observed = observer_show(broker->observer, &observation);
    if (observed != OBSERVED)
        drop(broker, model, copy->version, observed == OBSERVED_FULL ? "collector" : "size");
}

void shadow_result(struct broker *broker, struct request *copy, enum failure failure,
                   const struct payload *answer)
{
    if (copy->state != REQUEST_ABANDONED) {
        show(broker, copy, failure, payload_bytes(answer));
        forget_answer(copy);
    }
    shadow_free(broker, copy);
}

void shadow_lost(struct broker *broker, struct request *copy, bool died)
{
    if (copy->state != REQUEST_ABANDONED) {
        if (died)
            show(broker, copy, FAILURE_WORKER_DIED, (struct text){0});
        else
            drop(broker, copy->version->model, copy->version, "left");
        forget_answer(copy);
    }
    shadow_free(broker, copy);
}

void shadow_late(struct broker *broker, struct request *copy)
{
    if (copy->state == REQUEST_QUEUED) {
        drop(broker, copy->version->model, copy->version, "late");
        leave_line(broker, copy);
        forget_answer(copy);
        shadow_free(broker, copy);
        return;
    }
    show(broker, copy, FAILURE_DEADLINE, (struct text){0});
    forget_answer(copy);
    heap_remove(&broker->deadlines, &copy->deadline);
    request_abandon(broker->copies, copy);
}

void shadow_follow_route(struct broker *broker, struct version *version)
{
    struct request *copy, *next;
    if (version->model->shadow.version == version)
        return;
    DL_FOREACH_SAFE2(version->copies, copy, next, next)
    {
        drop(broker, version->model, version, "route");
        leave_line(broker, copy);
        forget_answer(copy);
        shadow_free(broker, copy);
    }
}
