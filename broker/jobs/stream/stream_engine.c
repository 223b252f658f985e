/* stream_engine: between a stream and the workers.
 *
 * Messages wait in a line as they come. At the end of each turn of the loop those that are there go to the
 * workers, at most rows_a_request together, as long as there is room: so one that comes alone goes alone, and
 * the more there are the larger the requests become. Values that are no rows for the model never get there.
 * When the line is long the stream is paused; it has a bound of its own, job->window, for what is not
 * answered. Answers go back to the stream one by one, which then does what makes them, and the ends of their
 * messages, safe. SPDX-License-Identifier: MIT */
#include "stream_engine.h"

#include "clock.h"
#include "log.h"
#include "stream_answers.h"
#include "stream_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

enum {
    RATES_A_SECOND = 10,      /* tokens of a tenth of a second may be saved */
    TOGETHER_BYTES = 1 << 20, /* of values: with so many a request is large, and another one is begun */
};

/* Those that are with the workers together. */
struct chunk {
    struct stream_engine *engine;
    struct chunk *prev, *next;
    size_t count;
    struct stream_entry entries[];
};

/* One partition whose lag is told. */
struct lag {
    char partition[METRICS_LABEL_BYTES];
    struct series *series;
    int64_t messages;
    struct lag *next;
};

struct stream_engine {
    const struct stream_engine_context *context;
    const struct stream_job *job;
    const struct stream_kind *kind;
    struct stream_context stream_context;
    struct stream *stream;
    struct stream_values *values;
    struct scorer *scorer;
    struct stream_message **line; /* a ring */
    size_t line_first, line_count, line_room;
    struct chunk *chunks, *spare;
    struct stream_answers answers;
    struct lag *lags;
    struct loop_timer second, rate, drain;
    double tokens;
    int64_t tokens_at;
    bool paused, stopping, ended;
    enum stream_exit verdict;
    struct stream_figures figures;
    struct series *scored, *rejected, *skipped, *dropped, *delay, *connected;
};

static void end(void *self, enum stream_exit verdict)
{
    struct stream_engine *engine = self;
    if (engine->ended)
        return;
    engine->ended = true;
    engine->verdict = verdict;
    loop_stop(engine->context->loop);
}

/* ---- the line ---- */

static void line_add(struct stream_engine *engine, struct stream_message *message)
{
    if (engine->line_count == engine->line_room) {
        size_t room = engine->line_room == 0 ? 256 : engine->line_room * 2;
        struct stream_message **line = object_alloc(room * sizeof *line);
        for (size_t i = 0; i < engine->line_count; i++)
            line[i] = engine->line[(engine->line_first + i) % engine->line_room];
        free(engine->line);
        engine->line = line;
        engine->line_room = room;
        engine->line_first = 0;
    }
    engine->line[(engine->line_first + engine->line_count++) % engine->line_room] = message;
}

static struct stream_message *line_first(const struct stream_engine *engine)
{
    return engine->line[engine->line_first];
}

static void line_drop(struct stream_engine *engine)
{
    engine->line_first = (engine->line_first + 1) % engine->line_room;
    engine->line_count--;
}

static size_t long_line(const struct stream_engine *engine)
{
    size_t half = (size_t)engine->job->window / 2;
    return half > (size_t)engine->job->rows_a_request ? half : (size_t)engine->job->rows_a_request;
}

/* ---- chunks ---- */

static struct chunk *chunk_take(struct stream_engine *engine)
{
    struct chunk *chunk = engine->spare;
    if (chunk != NULL)
        LL_DELETE(engine->spare, chunk);
    else
        chunk =
            object_alloc(sizeof *chunk + (size_t)engine->job->rows_a_request * sizeof(struct stream_entry));
    chunk->engine = engine;
    chunk->count = 0;
    return chunk;
}

static void chunk_done(void *owner, const struct scored *rows, size_t count)
{
    struct chunk *chunk = owner;
    struct stream_engine *engine = chunk->engine;
    for (size_t i = 0; i < count && !engine->ended; i++) {
        if (rows[i].failure == FAILURE_NONE) {
            stream_answers_score(&engine->answers, &chunk->entries[i], &rows[i]);
        } else if (scored_is_reject(rows[i].failure)) {
            stream_answers_refuse(&engine->answers, &chunk->entries[i], rows[i].reason);
        } else {
            log_error("model %s does not answer any more: %s", engine->context->model, rows[i].reason);
            end(engine,
                asker_gave_up(engine->context->asker) ? STREAM_EXIT_NOTHING_RUNS : STREAM_EXIT_FAILED);
        }
    }
    DL_DELETE(engine->chunks, chunk);
    LL_PREPEND(engine->spare, chunk);
}

/* The next message as a row of the chunk; false when it is for the next one. */
static bool add_message(struct stream_engine *engine, struct chunk *chunk)
{
    char faults[ROW_FAULTS_MAX] = "there is no value";
    struct stream_message *message = line_first(engine);
    enum stream_value_result result = STREAM_VALUE_REFUSED;
    if (message->header_count > STREAM_HEADERS_MAX)
        snprintf(faults, sizeof faults, "%zu headers: a message has at most %d", message->header_count,
                 STREAM_HEADERS_MAX);
    else if (message->value.at != NULL)
        result = stream_values_add(engine->values, message->value, faults);
    if (result == STREAM_VALUE_APART)
        return false;
    line_drop(engine);
    struct stream_entry *entry = &chunk->entries[chunk->count];
    entry->message = message;
    stream_trace_begin(engine->context->traces, message, &entry->trace);
    if (result == STREAM_VALUE_ADDED)
        chunk->count++;
    else
        stream_answers_refuse(&engine->answers, entry, faults);
    return true;
}

/* A request is in one trace: that of the first message whose trace is recorded. */
static struct text request_trace(const struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->count; i++)
        if (chunk->entries[i].trace.recorded)
            return trace_context_wire(&chunk->entries[i].trace.context);
    return (struct text){0};
}

/* At most `most` messages, of which at least one is taken out of the line. */
static void send_chunk(struct stream_engine *engine, size_t most)
{
    struct chunk *chunk = chunk_take(engine);
    struct rows_payload rows = {0};
    size_t bytes = 0;
    for (size_t i = 0; i < most && bytes < TOGETHER_BYTES && engine->line_count > 0 && !engine->ended; i++) {
        bytes += line_first(engine)->value.length;
        if (!add_message(engine, chunk))
            break;
    }
    if (chunk->count == 0 || engine->ended) {
        LL_PREPEND(engine->spare, chunk);
        stream_values_clear(engine->values);
        return;
    }
    rows.trace = request_trace(chunk);
    rows.rows = chunk->count;
    rows.bytes = stream_values_payload(engine->values, &rows.length);
    DL_APPEND(engine->chunks, chunk);
    scorer_submit(engine->scorer, &rows, chunk_done, chunk);
    stream_values_clear(engine->values);
}

/* ---- turns ---- */

static void turn(void *self);

/* How many may go now, by job->rate; when it is none, the next turn comes when it is one. */
static size_t allowance(struct stream_engine *engine)
{
    size_t most = (size_t)engine->job->rows_a_request;
    double rate = (double)engine->job->rate, room = rate / RATES_A_SECOND > 1 ? rate / RATES_A_SECOND : 1;
    int64_t now = loop_now(engine->context->loop);
    if (engine->job->rate == 0 || engine->stopping)
        return most;
    engine->tokens += (double)(now - engine->tokens_at) / (double)SECOND * rate;
    engine->tokens = engine->tokens < room ? engine->tokens : room;
    engine->tokens_at = now;
    if (engine->tokens >= 1)
        return engine->tokens < (double)most ? (size_t)engine->tokens : most;
    int64_t wait = (int64_t)((1 - engine->tokens) / rate * (double)SECOND) + MILLISECOND;
    loop_timer_set(engine->context->loop, &engine->rate, now + wait, turn, engine);
    return 0;
}

static void send_what_is_there(struct stream_engine *engine)
{
    while (engine->line_count > 0 && !engine->ended && scorer_room(engine->scorer)) {
        size_t before = engine->line_count, most = allowance(engine);
        if (most == 0)
            return;
        send_chunk(engine, most);
        engine->tokens -= (double)(before - engine->line_count);
    }
}

static void set_pause(struct stream_engine *engine)
{
    size_t many = long_line(engine);
    if (engine->paused ? engine->line_count > many / 2 : engine->line_count < many)
        return;
    engine->paused = !engine->paused;
    if (engine->paused)
        engine->kind->pause(engine->stream);
    else
        engine->kind->resume(engine->stream);
}

static void turn(void *self)
{
    struct stream_engine *engine = self;
    if (engine->ended || engine->stream == NULL)
        return;
    send_what_is_there(engine);
    set_pause(engine);
    if (engine->kind->flush != NULL)
        engine->kind->flush(engine->stream);
}

/* ---- what the stream tells ---- */

static void message_came(void *self, struct stream_message *message)
{
    struct stream_engine *engine = self;
    engine->figures.brought++;
    engine->figures.in_hand++;
    line_add(engine, message);
}

static void settled(void *self, enum stream_outcome outcome, int64_t at_ms, bool dropped)
{
    struct stream_engine *engine = self;
    struct series *series[] = {[STREAM_SCORED] = engine->scored,
                               [STREAM_BAD] = engine->rejected,
                               [STREAM_SKIPPED] = engine->skipped};
    uint64_t *counts[] = {[STREAM_SCORED] = &engine->figures.scored,
                          [STREAM_BAD] = &engine->figures.bad,
                          [STREAM_SKIPPED] = &engine->figures.skipped};
    engine->figures.in_hand--;
    series_add(dropped ? engine->dropped : series[outcome], 1);
    ++*(dropped ? &engine->figures.dropped : counts[outcome]);
    if (dropped || at_ms == 0)
        return;
    int64_t delay = clock_wall() - at_ms * MILLISECOND;
    series_observe_duration(engine->delay, delay > 0 ? delay : 0); /* two clocks */
}

static struct lag *lag_of(struct stream_engine *engine, const char *partition)
{
    struct lag *lag;
    LL_FOREACH(engine->lags, lag)
    if (strcmp(lag->partition, partition) == 0)
        return lag;
    lag = object_alloc(sizeof *lag);
    text_copy(text_of(partition), lag->partition, sizeof lag->partition);
    lag->series = metrics_series(engine->context->metrics, METRIC_JOB_LAG, engine->context->name,
                                 engine->job->source.name, lag->partition);
    LL_PREPEND(engine->lags, lag);
    return lag;
}

static void lag_known(void *self, const char *partition, int64_t messages)
{
    struct stream_engine *engine = self;
    struct lag *lag = lag_of(engine, partition);
    int64_t sum = 0;
    lag->messages = messages;
    if (messages >= 0)
        series_set(lag->series, messages);
    LL_FOREACH(engine->lags, lag)
    sum = sum < 0 || lag->messages < 0 ? -1 : sum + lag->messages;
    engine->figures.lag = sum;
}

static void too_large(void *self, struct stream_message *message, const struct stream_answer *refused)
{
    struct stream_engine *engine = self;
    stream_answers_cut(&engine->answers, message, refused);
}

static void connection_is(void *self, bool is)
{
    struct stream_engine *engine = self;
    engine->figures.connected = is;
    series_set(engine->connected, is);
}

static void stream_failed(void *self, const char *reason)
{
    struct stream_engine *engine = self;
    log_error("%s: %s", engine->job->source.scheme, reason);
    end(engine, STREAM_EXIT_FAILED);
}

/* ---- life ---- */

static void measure(void *self)
{
    struct stream_engine *engine = self;
    loop_timer_set(engine->context->loop, &engine->second, loop_now(engine->context->loop) + SECOND, measure,
                   engine);
    engine->kind->measure(engine->stream);
}

static struct series *outcome_series(const struct stream_engine_context *context, const char *outcome)
{
    return metrics_series(context->metrics, METRIC_JOB_ROWS, context->name, outcome, NULL);
}

static void make_series(struct stream_engine *engine)
{
    const struct stream_engine_context *context = engine->context;
    engine->scored = outcome_series(context, "scored");
    engine->rejected = outcome_series(context, "rejected");
    engine->skipped = outcome_series(context, "skipped");
    engine->dropped = outcome_series(context, "dropped");
    engine->delay = metrics_series(context->metrics, METRIC_JOB_DELAY, context->name, NULL, NULL);
    engine->connected = metrics_series(context->metrics, METRIC_JOB_CONNECTED, context->name, NULL, NULL);
}

struct stream_engine *stream_engine_new(const struct stream_engine_context *context,
                                        char reason[STREAM_REASON_MAX])
{
    static const struct stream_events events = {.message = message_came,
                                                .settled = settled,
                                                .lag = lag_known,
                                                .connected = connection_is,
                                                .too_large = too_large,
                                                .failed = stream_failed};
    const struct stream_job *job = context->job;
    struct stream_values *values = stream_values_new(context->schema, job->form, (size_t)job->rows_a_request);
    if (values == NULL) {
        snprintf(reason, STREAM_REASON_MAX, "model %s takes no rows of values%s", context->model,
                 job->form == STREAM_RAW ? " that raw numbers could be" : "");
        return NULL;
    }
    struct stream_engine *engine = object_alloc(sizeof *engine);
    engine->context = context;
    engine->job = job;
    engine->kind = job->kind;
    engine->values = values;
    engine->figures.lag = -1;
    engine->tokens_at = loop_now(context->loop);
    engine->stream_context =
        (struct stream_context){.loop = context->loop, .job = job, .events = &events, .self = engine};
    engine->answers = (struct stream_answers){
        .job = job, .model = context->model, .traces = context->traces, .end = end, .self = engine};
    make_series(engine);
    engine->stream = engine->kind->open(&engine->stream_context, reason);
    if (engine->stream == NULL) {
        stream_values_free(values);
        free(engine);
        return NULL;
    }
    engine->answers.stream = engine->stream;
    engine->scorer = scorer_new(context->asker, (size_t)job->rows_a_request);
    loop_each_turn(context->loop, turn, engine);
    measure(engine);
    return engine;
}

static void free_list(struct chunk *list)
{
    while (list != NULL) {
        struct chunk *next = list->next;
        free(list);
        list = next;
    }
}

void stream_engine_free(struct stream_engine *engine)
{
    struct loop *loop = engine->context->loop;
    engine->kind->close(engine->stream);
    scorer_free(engine->scorer);
    free_list(engine->chunks);
    free_list(engine->spare);
    stream_values_free(engine->values);
    loop_timer_cancel(loop, &engine->second);
    loop_timer_cancel(loop, &engine->rate);
    loop_timer_cancel(loop, &engine->drain);
    while (engine->lags != NULL) {
        struct lag *lag = engine->lags;
        LL_DELETE(engine->lags, lag);
        free(lag);
    }
    free(engine->line);
    free(engine);
}

static void drained(void *self)
{
    end(self, STREAM_EXIT_DONE);
}

static void drained_not(void *self)
{
    struct stream_engine *engine = self;
    log_warning("%zu messages in hand are not done after %lld s: they come again", engine->figures.in_hand,
                (long long)engine->job->drain_s);
    end(engine, STREAM_EXIT_INTERRUPTED);
}

void stream_engine_stop(struct stream_engine *engine)
{
    struct loop *loop = engine->context->loop;
    if (engine->stopping) {
        end(engine, STREAM_EXIT_INTERRUPTED);
        return;
    }
    engine->stopping = true;
    log_info("stopping: %zu messages in hand are finished first", engine->figures.in_hand);
    loop_timer_set(loop, &engine->drain, loop_now(loop) + engine->job->drain_s * SECOND, drained_not, engine);
    engine->kind->drain(engine->stream, drained, engine);
}

enum stream_exit stream_engine_verdict(const struct stream_engine *engine)
{
    return engine->verdict;
}

struct stream_figures stream_engine_figures(const struct stream_engine *engine)
{
    return engine->figures;
}
