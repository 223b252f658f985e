/* flow: see flow.h.
 *
 * A step begins as soon as what it takes is there, so steps that do not need each other are under way at the
 * same time, and so are the steps of any number of flows: nothing here waits. A model is asked through the
 * broker, as by any asker, with what is left of the request's own time, its priority and its place in a
 * trace; who asks is the pipeline itself, whose limits are those of its models and no key's. What a model
 * answers is held against what the wiring expects of it, whichever version it was. The first failure ends the
 * flow, and takes back what else was asked for it. The session starts flows; all belongs to its loop.
 * SPDX-License-Identifier: MIT */
#include "flow.h"

#include "clock.h"
#include "combine.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FLOWS_MAGIC = 0xf1000001, FLOW_MAGIC = 0xf1000002, NAME_SHOWN = 64, TAG_MAX = 72 };

struct flows {
    unsigned magic;
    const struct wiring *wiring;
    struct client *client;
    struct series **durations; /* of each step */
    long long failure_logged;  /* of log_allowed */
    size_t open;
};

/* Memory that lasts as long as the flow. */
struct kept {
    struct kept *next;
    void *adopted; /* NULL: none but its own */
    _Alignas(16) uint8_t bytes[];
};

/* What one model of a cascade was asked, and has answered. */
struct stage {
    size_t *rows; /* which ones; NULL: all */
    size_t row_count;
    struct tensor *outputs;
};

struct flow_step {
    struct flow *flow;
    const struct wired_step *wired;
    enum { STEP_WAITS, STEP_ASKS, STEP_DONE } state;
    struct client_request *request; /* while it asks */
    int64_t began;
    struct tensor *outputs;
    struct stage stages[PIPELINE_STAGES_MAX];
    size_t stage;               /* that is asked */
    struct combine_row *places; /* CASCADE: of each row, which stage has answered it */
};

struct flow {
    unsigned magic;
    struct flows *flows;
    struct flow_ask ask; /* tag and trace point into the next two */
    char tag[TAG_MAX];
    uint8_t trace[PROTOCOL_TRACE_BYTES];
    flow_ended *ended;
    void *owner;
    struct kept *kept;
    size_t left;    /* steps that are not done */
    bool advancing; /* steps are being started: whatever ends meanwhile is seen to afterwards */
    enum failure failure;
    char message[PROTOCOL_TEXT_MAX + 1];
    struct flow_step steps[];
};

/* ---- memory ---- */

static struct kept *add_kept(struct flow *flow, size_t bytes)
{
    struct kept *kept = malloc(sizeof *kept + bytes);
    ENSURE(kept != NULL);
    kept->adopted = NULL;
    kept->next = flow->kept;
    flow->kept = kept;
    return kept;
}

static void *keep(struct flow *flow, size_t bytes)
{
    return add_kept(flow, bytes)->bytes;
}

/* combine's memory becomes the flow's. */
static void keep_data(struct flow *flow, const struct tensor *tensor)
{
    add_kept(flow, 0)->adopted = (void *)tensor->data;
}

static void discard(struct flow *flow)
{
    struct kept *next;
    for (struct kept *kept = flow->kept; kept != NULL; kept = next) {
        next = kept->next;
        free(kept->adopted);
        free(kept);
    }
    flow->flows->open--;
    flow->magic = 0;
    free(flow);
}

/* Whose lines in the log are its. */
static struct log_of lines_of(const struct flow *flow)
{
    return (struct log_of){.request = flow->tag, .trace = flow->ask.trace.length == 0 ? NULL : flow->trace};
}

/* ---- failing ---- */

static void take_back(struct flow *flow)
{
    for (size_t i = 0; i < flow->flows->wiring->pipeline->step_count; i++) {
        struct client_request *request = flow->steps[i].request;
        flow->steps[i].request = NULL;
        if (request != NULL)
            client_cancel(flow->flows->client, request);
    }
}

/* To whoever asked the pipeline. */
static enum failure own_failure(const struct flow_step *step, enum failure failure)
{
    switch (failure) {
    case FAILURE_INVALID: /* is the client's fault only where his own values are taken */
        for (size_t i = 0; i < step->wired->source_count; i++)
            if (step->wired->sources[i].step != PIPELINE_INPUT)
                return FAILURE_MODEL_FAILED;
        return FAILURE_INVALID;
    case FAILURE_UNKNOWN_MODEL: /* he asked for none of them */
    case FAILURE_UNKNOWN_VERSION:
        return FAILURE_NOT_READY;
    case FAILURE_RATE_LIMITED: /* he was within his own */
        return FAILURE_OVERLOADED;
    case FAILURE_BAD_MESSAGE:
    case FAILURE_KEY_RUNNING:
    case FAILURE_KEY_REUSED:
        return FAILURE_INTERNAL;
    default:
        return failure;
    }
}

/* The flow fails at that step, unless it has failed already. */
__attribute__((format(printf, 3, 4))) static void fail(struct flow_step *step, enum failure failure,
                                                       const char *format, ...)
{
    struct flow *flow = step->flow;
    const struct pipeline_step *said = step->wired->said;
    va_list arguments;
    if (flow->failure != FAILURE_NONE)
        return;
    flow->failure = own_failure(step, failure);
    int length = said->part_count == 0
                     ? snprintf(flow->message, sizeof flow->message, "step %s: ", said->name)
                     : snprintf(flow->message, sizeof flow->message, "step %s (model %s): ", said->name,
                                said->parts[step->stage].model);
    va_start(arguments, format);
    vsnprintf(flow->message + length, sizeof flow->message - (size_t)length, format, arguments);
    va_end(arguments);
    /* Of these the client is told no more than that there was one. */
    if (failure_http_status(flow->failure) != 500 || !log_allowed(&flow->flows->failure_logged, 1))
        return;
    const struct log_of of = lines_of(flow);
    log_write_of(LOG_WARNING, &of, "%s", flow->message);
}

/* ---- what a step takes and gives ---- */

static const struct tensor *tensor_at(const struct flow *flow, struct wire_end end)
{
    return end.step == PIPELINE_INPUT ? &flow->ask.inputs[end.tensor]
                                      : &flow->steps[end.step].outputs[end.tensor];
}

static bool is_there(const struct flow *flow, const struct wired_step *wired)
{
    for (size_t i = 0; i < wired->source_count; i++)
        if (wired->sources[i].step != PIPELINE_INPUT &&
            flow->steps[wired->sources[i].step].state != STEP_DONE)
            return false;
    return true;
}

static void finish_step(struct flow_step *step)
{
    step->state = STEP_DONE;
    step->flow->left--;
}

static bool is_as_expected(const struct tensor *given, const struct schema_tensor *expected, size_t rows)
{
    if (given->datatype != expected->datatype || given->rank != expected->rank ||
        given->shape[0] != (int64_t)rows)
        return false;
    for (uint32_t i = 1; i < given->rank; i++)
        if (expected->shape[i] != -1 && expected->shape[i] != given->shape[i])
            return false;
    return true;
}

/* Reads the answer (which stays) into stage->outputs; what the model gives beside them is passed over. */
static bool read_outputs(struct flow_step *step, struct stage *stage, const uint8_t *payload, size_t bytes,
                         struct text version)
{
    struct tensor given[TENSOR_COUNT_MAX];
    const struct wired_step *wired = step->wired;
    size_t count, rows, wanted = wired->output_count - wired->own_outputs;
    const char *unreadable = tensors_decode(payload, bytes, given, &count, &rows);
    if (unreadable != NULL) {
        fail(step, FAILURE_MODEL_FAILED, "its answer cannot be read: %s", unreadable);
        return false;
    }
    stage->outputs = keep(step->flow, wanted * sizeof *stage->outputs);
    for (size_t i = 0; i < wanted; i++) {
        const struct schema_tensor *expected = &wired->outputs[i];
        size_t j = i < count && text_is(given[i].name, expected->name) ? i : 0;
        while (j < count && !text_is(given[j].name, expected->name))
            j++;
        if (j == count || !is_as_expected(&given[j], expected, stage->row_count)) {
            fail(step, FAILURE_MODEL_FAILED, "version %.*s %s output %.*s", (int)version.length, version.at,
                 j == count ? "has no" : "has another datatype or shape of", NAME_SHOWN, expected->name);
            return false;
        }
        stage->outputs[i] = given[j];
    }
    return true;
}

/* ---- asking ---- */

static void advance(struct flow *flow);
static void answered(void *owner, const struct client_answer *answer);

/* The rows that the stage is for. */
static void select_inputs(struct flow_step *step, const struct stage *stage, struct tensor *inputs)
{
    const struct wired_step *wired = step->wired;
    for (size_t i = 0; i < wired->source_count; i++) {
        inputs[i] = *tensor_at(step->flow, wired->sources[i]);
        if (stage->rows != NULL)
            inputs[i] = combine_select(&inputs[i], stage->rows, stage->row_count);
        inputs[i].name = text_of(wired->inputs[i].name);
    }
}

static void ask(struct flow_step *step)
{
    struct flow *flow = step->flow;
    const struct pipeline_part *part = &step->wired->said->parts[step->stage];
    const struct stage *stage = &step->stages[step->stage];
    size_t count = step->wired->source_count;
    struct tensor *inputs = object_alloc(count * sizeof *inputs);
    select_inputs(step, stage, inputs);
    size_t bytes = tensors_encoded_size(inputs, count);
    struct client_request *request = client_request_new(bytes);
    ENSURE(tensors_encode(inputs, count, client_request_payload(request), bytes, NULL) == bytes);
    for (size_t i = 0; stage->rows != NULL && i < count; i++)
        free((void *)inputs[i].data);
    free(inputs);
    step->request = request;
    client_send(flow->flows->client, request,
                &(struct client_ask){.model = text_of(part->model),
                                     .version = text_of(part->version),
                                     .rows = (uint32_t)stage->row_count,
                                     .deadline = flow->ask.deadline,
                                     .priority = flow->ask.priority,
                                     .tag = flow->ask.tag,
                                     .trace = flow->ask.trace},
                answered, step);
}

/* ---- a cascade ---- */

/* What the stages have answered, row by row. */
static void merge_stages(struct flow_step *step)
{
    struct flow *flow = step->flow;
    const struct wired_step *wired = step->wired;
    size_t given = wired->output_count - wired->own_outputs, rows = flow->ask.rows;
    const struct tensor *tensors[PIPELINE_STAGES_MAX];
    char error[COMBINE_ERROR_MAX];
    step->outputs = keep(flow, wired->output_count * sizeof *step->outputs);
    for (size_t i = 0; i < given; i++) {
        for (size_t s = 0; s <= step->stage; s++)
            tensors[s] = &step->stages[s].outputs[i];
        if (step->stage == 0) {
            step->outputs[i] = *tensors[0];
            continue;
        }
        if (!combine_merge(tensors, step->stage + 1, step->places, rows, &step->outputs[i], error)) {
            fail(step, FAILURE_MODEL_FAILED, "%s", error);
            return;
        }
        keep_data(flow, &step->outputs[i]);
    }
    int64_t *stages = keep(flow, rows * sizeof *stages);
    for (size_t row = 0; row < rows; row++)
        stages[row] = (int64_t)step->places[row].tensor;
    step->outputs[given] = (struct tensor){.name = text_of(wired->outputs[given].name),
                                           .datatype = DATATYPE_INT64,
                                           .rank = 1,
                                           .shape = {(int64_t)rows},
                                           .data = (const uint8_t *)stages,
                                           .bytes = rows * sizeof *stages};
    finish_step(step);
}

/* Rows that are sure enough have their answer; the others go to the next model, if there is one. */
static void go_down(struct flow_step *step)
{
    struct flow *flow = step->flow;
    const struct wired_step *wired = step->wired;
    struct stage *stage = &step->stages[step->stage];
    bool last = step->stage + 1 == wired->said->part_count;
    if (step->places == NULL)
        step->places = keep(flow, flow->ask.rows * sizeof *step->places);
    size_t *doubts = keep(flow, stage->row_count * sizeof *doubts);
    size_t count =
        last ? 0 : combine_doubts(&stage->outputs[wired->confidence], wired->said->threshold, doubts);
    for (size_t i = 0; i < stage->row_count; i++)
        step->places[stage->rows == NULL ? i : stage->rows[i]] = (struct combine_row){step->stage, i};
    if (count == 0) {
        merge_stages(step);
        return;
    }
    for (size_t i = 0; stage->rows != NULL && i < count; i++)
        doubts[i] = stage->rows[doubts[i]];
    step->stages[++step->stage] = (struct stage){.rows = doubts, .row_count = count};
    ask(step);
}

/* ---- answers ---- */

static void tell(const struct flow_step *step, const struct client_answer *answer, int64_t took)
{
    const struct flow *flow = step->flow;
    const struct pipeline_step *said = step->wired->said;
    const struct log_of of = lines_of(flow);
    log_write_of(LOG_DEBUG, &of, "step %s: model %s %.*s, %s, %zu rows in %lld us", said->name,
                 said->parts[step->stage].model, (int)answer->version.length, answer->version.at,
                 failure_label(answer->failure), step->stages[step->stage].row_count,
                 (long long)(took / MICROSECOND));
}

static void answered(void *owner, const struct client_answer *answer)
{
    struct flow_step *step = owner;
    struct flow *flow = step->flow;
    struct stage *stage = &step->stages[step->stage];
    CHECK_OBJECT(flow, FLOW_MAGIC);
    bool nested = flow->advancing; /* it was refused while it was being asked */
    flow->advancing = true;
    step->request = NULL;
    int64_t took = clock_now() - step->began;
    tell(step, answer, took);
    series_observe_duration(flow->flows->durations[step->wired - flow->flows->wiring->steps], took);
    if (answer->failure != FAILURE_NONE) {
        fail(step, answer->failure, "%.*s", (int)answer->message.length, answer->message.at);
    } else {
        uint8_t *payload = keep(flow, answer->payload_bytes);
        memcpy(payload, answer->payload, answer->payload_bytes);
        if (read_outputs(step, stage, payload, answer->payload_bytes, answer->version)) {
            step->outputs = stage->outputs;
            if (step->wired->said->kind == PIPELINE_CASCADE)
                go_down(step);
            else
                finish_step(step);
        }
    }
    flow->advancing = nested;
    advance(flow);
}

/* ---- from step to step ---- */

static void combine(struct flow_step *step)
{
    struct flow *flow = step->flow;
    const struct wired_step *wired = step->wired;
    const struct tensor *given[TENSOR_COUNT_MAX];
    char error[COMBINE_ERROR_MAX];
    bool vote = wired->said->kind == PIPELINE_VOTE;
    step->outputs = keep(flow, wired->output_count * sizeof *step->outputs);
    for (size_t i = 0; i < wired->source_count; i++)
        given[i] = tensor_at(flow, wired->sources[i]);
    bool good =
        vote ? combine_vote(given, wired->source_count, wired->said->weights, &step->outputs[0],
                            &step->outputs[1], error)
             : combine_average(given, wired->source_count, wired->said->weights, &step->outputs[0], error);
    if (!good) {
        fail(step, FAILURE_MODEL_FAILED, "%s", error);
        return;
    }
    for (size_t i = 0; i < wired->output_count; i++) {
        keep_data(flow, &step->outputs[i]);
        step->outputs[i].name = text_of(wired->outputs[i].name);
    }
    finish_step(step);
}

static void start_step(struct flow_step *step)
{
    if (step->wired->said->part_count == 0) {
        combine(step);
        return;
    }
    step->state = STEP_ASKS;
    step->began = clock_now();
    step->stages[0] = (struct stage){.row_count = step->flow->ask.rows};
    ask(step);
}

static void end(struct flow *flow)
{
    const struct wiring *wiring = flow->flows->wiring;
    struct tensor outputs[TENSOR_COUNT_MAX];
    struct flow_end result = {.failure = flow->failure, .message = flow->message};
    if (flow->failure == FAILURE_NONE) {
        for (size_t i = 0; i < wiring->output_count; i++) {
            outputs[i] = *tensor_at(flow, wiring->outputs[i].from);
            outputs[i].name = text_of(wiring->outputs[i].name);
        }
        result.outputs = outputs;
    } else {
        take_back(flow);
    }
    flow->ended(flow->owner, &result);
    discard(flow);
}

/* Starts what can be, in the order of the steps, so that what a combination gives is there for those behind
 * it; ends the flow when all is done, or something has failed. */
static void advance(struct flow *flow)
{
    size_t count = flow->flows->wiring->pipeline->step_count;
    if (flow->advancing)
        return;
    flow->advancing = true;
    for (size_t i = 0; i < count && flow->failure == FAILURE_NONE; i++)
        if (flow->steps[i].state == STEP_WAITS && is_there(flow, flow->steps[i].wired))
            start_step(&flow->steps[i]);
    flow->advancing = false;
    if (flow->failure != FAILURE_NONE || flow->left == 0)
        end(flow);
}

/* ---- the doors ---- */

struct flows *flows_new(const struct wiring *wiring, struct client *client, struct metrics *metrics,
                        const char *model, const char *version)
{
    size_t count = wiring->pipeline->step_count;
    struct flows *flows = object_alloc(sizeof *flows);
    flows->magic = FLOWS_MAGIC;
    flows->wiring = wiring;
    flows->client = client;
    flows->durations = object_alloc(count * sizeof *flows->durations);
    for (size_t i = 0; i < count; i++)
        flows->durations[i] =
            metrics_series(metrics, METRIC_STEP_DURATION, model, version, wiring->pipeline->steps[i].name);
    return flows;
}

void flows_free(struct flows *flows)
{
    if (flows == NULL)
        return;
    CHECK_OBJECT(flows, FLOWS_MAGIC);
    ENSURE(flows->open == 0);
    free(flows->durations);
    flows->magic = 0;
    free(flows);
}

struct flow *flow_start(struct flows *flows, const struct flow_ask *ask, flow_ended *ended, void *owner)
{
    CHECK_OBJECT(flows, FLOWS_MAGIC);
    size_t count = flows->wiring->pipeline->step_count, before = flows->open;
    struct flow *flow = object_alloc(sizeof *flow + count * sizeof *flow->steps);
    flow->magic = FLOW_MAGIC;
    flow->flows = flows;
    flow->ask = *ask;
    flow->ask.tag = text_of(text_copy(ask->tag, flow->tag, sizeof flow->tag));
    ENSURE(ask->trace.length <= sizeof flow->trace);
    if (ask->trace.length > 0)
        memcpy(flow->trace, ask->trace.at, ask->trace.length);
    flow->ask.trace.at = (const char *)flow->trace;
    flow->ended = ended;
    flow->owner = owner;
    flow->left = count;
    for (size_t i = 0; i < count; i++) {
        flow->steps[i].flow = flow;
        flow->steps[i].wired = &flows->wiring->steps[i];
    }
    flows->open++;
    advance(flow);
    return flows->open > before ? flow : NULL;
}

void flow_cancel(struct flow *flow)
{
    CHECK_OBJECT(flow, FLOW_MAGIC);
    take_back(flow);
    discard(flow);
}
