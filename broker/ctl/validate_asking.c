/* validate_asking: see validate_asking.h. Used by `outrigger validate` (validate_command.c,
 * validate_edges.c). On top of common/asker.c, which asks again what there was no room for; the loop runs
 * while a request is open. SPDX-License-Identifier: MIT */
#include "validate_asking.h"

#include "asker.h"
#include "clock.h"
#include "metrics.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

enum { ASKING_MAGIC = 0x0a11da03 };

/* Of one try; a batch may take compute_timeout_ms, and its worker may have to be started again. */
#define DEADLINE (60 * SECOND)

struct asking {
    unsigned magic;
    void *zmq;
    struct loop *loop;
    struct metrics *metrics;
    struct asker *asker;
    struct loop_timer end;
    const char *ended; /* why nothing is asked any more; NULL */
    asking_progress *progress;
    void *self;
    size_t done; /* rows, since asking_tell */
};

/* One request. */
struct exchange {
    struct asking *asking;
    struct answers *answers;
    const size_t *order;
    size_t count;
    enum failure failure;
    int64_t compute_us;
    char why[VALIDATE_REASON_MAX]; /* it failed */
    bool unreadable;
};

static void stop(struct asking *asking, const char *why)
{
    asking->ended = why;
    asker_stop(asking->asker);
    loop_stop(asking->loop);
}

static void time_is_over(void *self)
{
    stop(self, "it takes too long");
}

static void interrupted(void *self)
{
    stop(self, "interrupted");
}

struct asking *asking_new(const struct config *config, int64_t time)
{
    struct asking *asking = object_alloc(sizeof *asking);
    asking->magic = ASKING_MAGIC;
    asking->loop = loop_new();
    asking->metrics = metrics_new(NULL);
    ENSURE(asking->loop != NULL && asking->metrics != NULL);
    loop_signal(asking->loop, SIGTERM, interrupted, asking);
    loop_signal(asking->loop, SIGINT, interrupted, asking);
    asking->zmq = zmq_ctx_new();
    ENSURE(asking->zmq != NULL);
    asking->asker = asker_new(&(struct asker_context){.zmq = asking->zmq,
                                                      .loop = asking->loop,
                                                      .metrics = asking->metrics,
                                                      .config = config,
                                                      .tenant = "validate",
                                                      .priority = PROTOCOL_PRIORITY_JOB,
                                                      .deadline = DEADLINE,
                                                      .at_a_time = 1});
    loop_timer_set(asking->loop, &asking->end, clock_now() + time, time_is_over, asking);
    return asking;
}

void asking_free(struct asking *asking)
{
    if (asking == NULL)
        return;
    CHECK_OBJECT(asking, ASKING_MAGIC);
    loop_timer_cancel(asking->loop, &asking->end);
    asker_free(asking->asker);
    zmq_ctx_term(asking->zmq);
    metrics_free(asking->metrics);
    loop_free(asking->loop);
    asking->magic = 0;
    free(asking);
}

const struct schema *asking_version(struct asking *asking, const char *model, const char *version,
                                    int64_t wait, char reason[VALIDATE_REASON_MAX])
{
    CHECK_OBJECT(asking, ASKING_MAGIC);
    char why[ASKER_REASON_MAX];
    const struct schema *schema =
        asker_version(asking->asker, model, version == NULL ? "" : version, wait, why);
    if (schema == NULL)
        snprintf(reason, VALIDATE_REASON_MAX, "%s", asking->ended != NULL ? asking->ended : why);
    return schema;
}

void asking_tell(struct asking *asking, asking_progress *progress, void *self)
{
    CHECK_OBJECT(asking, ASKING_MAGIC);
    asking->progress = progress;
    asking->self = self;
    asking->done = 0;
}

/* ---- one request ---- */

static void answered(void *owner, const struct client_answer *answer)
{
    struct exchange *exchange = owner;
    exchange->failure = answer->failure;
    exchange->compute_us = (int64_t)answer->compute_us;
    if (answer->failure != FAILURE_NONE) {
        snprintf(exchange->why, sizeof exchange->why, "%s%s%.*s", failure_label(answer->failure),
                 answer->message.length > 0 ? ": " : "", (int)answer->message.length, answer->message.at);
    } else {
        const char *wrong = answers_take(exchange->answers, exchange->order, exchange->count, answer->payload,
                                         answer->payload_bytes);
        exchange->unreadable = wrong != NULL;
        if (wrong != NULL)
            snprintf(exchange->why, sizeof exchange->why, "an answer cannot be read: %s", wrong);
    }
    loop_stop(exchange->asking->loop);
}

static void ask(struct exchange *exchange, const struct validate_rows *rows)
{
    struct asking *asking = exchange->asking;
    size_t bytes;
    uint8_t *payload = validate_rows_payload(rows, exchange->order, exchange->count, &bytes);
    exchange->failure = FAILURE_CANCELLED;
    asker_send(asking->asker, payload, bytes, &(struct asker_ask){.rows = (uint32_t)exchange->count},
               answered, exchange);
    while (asker_open(asking->asker) > 0)
        loop_run(asking->loop);
}

/* False when it cannot go on. */
static bool ask_batch(struct exchange *exchange, const struct validate_rows *rows, struct asked *asked,
                      char *reason)
{
    struct asking *asking = exchange->asking;
    if (asking->ended == NULL)
        ask(exchange, rows);
    if (asking->ended != NULL || exchange->unreadable) {
        snprintf(reason, VALIDATE_REASON_MAX, "%s", asking->ended != NULL ? asking->ended : exchange->why);
        return false;
    }
    if (exchange->failure == FAILURE_NONE) {
        asked->compute_us += exchange->compute_us;
        asked->answered += exchange->count;
        return true;
    }
    if (exchange->count == 1) {
        if (asked->failed++ == 0)
            snprintf(asked->first_failure, sizeof asked->first_failure, "%s", exchange->why);
        return true;
    }
    for (size_t i = 0; i < exchange->count; i++) { /* whose fault was it? */
        struct exchange alone = {
            .asking = asking, .answers = exchange->answers, .order = exchange->order + i, .count = 1};
        if (!ask_batch(&alone, rows, asked, reason))
            return false;
    }
    return true;
}

bool asking_rows(struct asking *asking, const struct validate_rows *rows, const size_t *order, size_t count,
                 size_t batch, struct answers *answers, struct asked *asked, char reason[VALIDATE_REASON_MAX])
{
    CHECK_OBJECT(asking, ASKING_MAGIC);
    for (size_t at = 0, next; at < count; at = next) {
        next = at + batch < count ? at + batch : count;
        struct exchange exchange = {
            .asking = asking, .answers = answers, .order = order + at, .count = next - at};
        if (!ask_batch(&exchange, rows, asked, reason))
            return false;
        asking->done += next - at;
        if (asking->progress != NULL)
            asking->progress(asking->self, asking->done);
    }
    return true;
}
