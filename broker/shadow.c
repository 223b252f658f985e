/* shadow: copies of requests, which another version answers for nobody.
 *
 * A copy is taken when the stable version has answered a request that the route led to it: so it costs that
 * client nothing, both answers exist when there is something to compare, and a request that failed, or was
 * answered from the cache, makes no work. Copies that go together (copies.h) are one request without an
 * asker, in a table of its own; it is in no queue, no figure and no bound of requests.
 *
 * Since nobody waits for copies they wait for company: a batch of them goes when there are as many as fit, or
 * the oldest has waited for GATHER_TIME, and only when no request wants the version and a worker has nothing
 * in hand; also then the turn's answers to clients go first. Batches cost the machine much less than the same
 * rows one by one, and that is what the clients of the stable version feel.
 *
 * There is no second try: what a worker that died had in hand counts as failed, so that a copy kills one
 * worker of the shadow at most and nobody is blamed for it. Beyond the bounds, and whenever copies cannot go
 * their way, they are dropped and counted. The answers go to the collector, who compares them: here nobody
 * looks into either. SPDX-License-Identifier: MIT */
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
                 const char *reason, size_t count)
{
    series_add(metrics_series(broker->metrics, METRIC_SHADOW_DROPPED, model->name, shadow->name, reason),
               count);
}

static void drop_all(struct broker *broker, const struct request *copies, const char *reason)
{
    drop(broker, copies->version->model, copies->version, reason, copies->copies->count);
}

/* ---- in ---- */

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

/* Rows of copies that go together, if there are that many. The version has a worker. */
static uint32_t most_rows(const struct version *version)
{
    uint32_t most = version->model->rule.max_batch_rows, capacity = version->workers->capacity_rows;
    return most < capacity ? most : capacity;
}

/* The newest of those that wait. */
static struct request *last_of(const struct version *version)
{
    return version->copies == NULL ? NULL : version->copies->previous;
}

static bool has_room(const struct request *copies, const struct version *primary, uint32_t rows)
{
    return copies->copies->primary == primary && copies->copies->count < PROTOCOL_COUNT_MAX &&
           (uint64_t)copies->rows + rows <= most_rows(copies->version);
}

static struct request *begin(struct broker *broker, struct version *version, struct version *primary)
{
    /* Real askers have an identity. */
    struct request_key key = {.id = ++broker->next_copy};
    struct request *copies = request_new(broker->copies, &key);
    ENSURE(copies != NULL); /* the table has room for as many as all models may have */
    copies->version = version;
    copies->copies = copies_new(primary);
    copies->arrived_at = loop_now(broker->loop);
    heap_set(&broker->deadlines, &copies->deadline, copies->arrived_at + shadow_patience(version, true));
    broker_set_alarm(broker);
    primary->copied_from++;
    DL_APPEND2(version->copies, copies, previous, next);
    broker->copies_waiting++;
    return copies;
}

static void add_copy(struct broker *broker, struct model_shadow *shadow, const struct request *request,
                     const struct payload *answer)
{
    struct request *copies = last_of(shadow->version);
    if (copies == NULL || !has_room(copies, request->version, request->rows))
        copies = begin(broker, shadow->version, request->version);
    shadow->bytes += copies_add(copies->copies, &request->payload, answer);
    shadow->open++;
    copies->rows += request->rows;
    shadow->version->copied_rows += request->rows;
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
        drop(broker, model, shadow->version, reason, 1);
}

/* ---- to workers ---- */

bool shadow_due(struct broker *broker, struct version *version, int64_t *again_at)
{
    *again_at = INT64_MAX;
    if (version->copies == NULL || version->worker_count == 0)
        return false;
    int64_t due = version->copies->arrived_at + GATHER_TIME;
    bool full = version->copies->next != NULL || version->copied_rows >= most_rows(version) ||
                version->copies->copies->count == PROTOCOL_COUNT_MAX;
    if (full || loop_now(broker->loop) >= due)
        return true;
    *again_at = due;
    return false;
}

static void leave_line(struct broker *broker, struct request *copies)
{
    broker->copies_waiting--;
    DL_DELETE2(copies->version->copies, copies, previous, next);
    copies->version->copied_rows -= copies->rows;
}

/* One that takes so many, or else any if there is none that would; NULL: they have something in hand. */
static struct worker *idle_worker(const struct version *version, uint32_t rows)
{
    struct worker *worker, *idle = NULL;
    bool larger = false;
    DL_FOREACH2(version->workers, worker, next)
    {
        if (worker->state == WORKER_IDLE && worker->capacity_rows >= rows)
            return worker;
        if (worker->state == WORKER_IDLE)
            idle = worker;
        larger = larger || (worker->state == WORKER_BUSY && worker->capacity_rows >= rows);
    }
    return larger ? NULL : idle;
}

/* Workers come and go, and the next may take less than those for whom the copies were put together. */
static bool fit(const struct request *copies, const struct worker *worker)
{
    return copies->copies->count == 1 || copies->rows <= worker->capacity_rows;
}

/* When those that stay should go (monotonic ns); INT64_MAX: when something changes. */
static int64_t dispatch(struct broker *broker, struct version *version)
{
    struct worker *worker;
    int64_t again_at;
    while (shadow_due(broker, version, &again_at) && version->queue.requests == 0 &&
           (worker = idle_worker(version, version->copies->rows)) != NULL) {
        struct request *copies = version->copies;
        leave_line(broker, copies);
        if (fit(copies, worker) && serving_send(broker, worker, &copies, 1, copies->rows, RELEASE_SHADOW))
            serving_count_release(broker, version, RELEASE_SHADOW);
        else
            shadow_lost(broker, copies, false);
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

void shadow_free(struct broker *broker, struct request *copies)
{
    copies->version->model->shadow.open -= copies->copies->count;
    copies->copies->primary->copied_from--;
    heap_remove(&broker->deadlines, &copies->deadline);
    request_free(broker->copies, copies);
}

/* Nobody waits for what the shadow says any more. */
static void forget_payloads(struct request *copies)
{
    copies->version->model->shadow.bytes -= copies_forget(copies->copies);
}

static enum observation_task task_of(const struct model_config *config)
{
    if (config == NULL || (*config->task == '\0' && config->labels.count == 0))
        return TASK_BY_OUTPUTS;
    if (strcmp(config->task, "multilabel") == 0)
        return TASK_LABELS;
    return strcmp(config->task, "regression") == 0 || strcmp(config->task, "embedding") == 0
               ? TASK_REGRESSION
               : TASK_CLASSIFICATION;
}

/* `answer` is of that copy alone: the shadow's, or empty. */
static void show(struct broker *broker, const struct request *copies, size_t index, enum failure failure,
                 struct text answer)
{
    const struct model *model = copies->version->model;
    struct text none = {"", 0};
    struct observation observation = {
        .kind = OBSERVATION_SHADOW,
        .model = text_of(model->name),
        .version = text_of(copies->copies->primary->name),
        .shadow = text_of(copies->version->name),
        .task = task_of(model->config),
        .tolerance_ppm = model->config == NULL ? 1000 : (uint32_t)model->config->shadow_tolerance_ppm,
        .failure = failure,
        .answer = failure == FAILURE_NONE ? payload_bytes(&copies->copies->each[index].answer) : none,
        .shadow_answer = failure == FAILURE_NONE ? answer : none};
    enum observed observed = observer_show(broker->observer, &observation);
    if (observed != OBSERVED)
        drop(broker, model, copies->version, observed == OBSERVED_FULL ? "collector" : "size", 1);
}

static void show_failure(struct broker *broker, const struct request *copies, enum failure failure)
{
    broker_observe(broker);
    for (size_t i = 0; i < copies->copies->count; i++)
        show(broker, copies, i, failure, (struct text){0});
}

void shadow_result(struct broker *broker, struct request *copies, struct text failures,
                   const struct payload *answers)
{
    if (copies->state != REQUEST_ABANDONED) {
        broker_observe(broker);
        for (size_t i = 0; i < copies->copies->count; i++)
            show(broker, copies, i, failure_of(failures, i), payload_bytes(&answers[i]));
        forget_payloads(copies);
    }
    shadow_free(broker, copies);
}

void shadow_lost(struct broker *broker, struct request *copies, bool died)
{
    if (copies->state != REQUEST_ABANDONED) {
        if (died)
            show_failure(broker, copies, FAILURE_WORKER_DIED);
        else
            drop_all(broker, copies, "left");
        forget_payloads(copies);
    }
    shadow_free(broker, copies);
}

static void give_up_waiting(struct broker *broker, struct request *copies, const char *reason)
{
    drop_all(broker, copies, reason);
    leave_line(broker, copies);
    forget_payloads(copies);
    shadow_free(broker, copies);
}

void shadow_late(struct broker *broker, struct request *copies)
{
    if (copies->state == REQUEST_QUEUED) {
        give_up_waiting(broker, copies, "late");
        return;
    }
    show_failure(broker, copies, FAILURE_DEADLINE);
    forget_payloads(copies);
    heap_remove(&broker->deadlines, &copies->deadline);
    request_abandon(broker->copies, copies);
}

void shadow_follow_route(struct broker *broker, struct version *version)
{
    struct request *copies, *next;
    if (version->model->shadow.version == version)
        return;
    DL_FOREACH_SAFE2(version->copies, copies, next, next)
    {
        give_up_waiting(broker, copies, "route");
    }
}
