/* under_way: see under_way.h. Between session, which knows messages, and flow, which knows steps; what
 * batch.c is for engines. Each request of a batch is a flow of its own with a copy of its payload, and the
 * batch is done when the last one is. SPDX-License-Identifier: MIT */
#include "under_way.h"

#include "inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

enum { UNDER_WAY_MAGIC = 0x0de2a701, COMPLAINT_MAX = PROTOCOL_TEXT_MAX };

struct item {
    struct load *load;
    struct flow *flow; /* NULL: it has ended */
    uint8_t *payload;
    struct tensor *inputs; /* views of it */
    size_t rows;
    struct under_way_answer answer;
};

/* A batch. */
struct load {
    struct under_way *under_way;
    uint64_t id;
    int64_t began;
    size_t left; /* requests that have not ended, and one more while they are begun */
    size_t count;
    struct load *prev, *next;
    struct item items[];
};

struct under_way {
    unsigned magic;
    struct flows *flows;
    const struct schema *schema;
    size_t max_answer_bytes;
    int64_t most_time;
    under_way_done *done;
    void *self;
    struct load *loads;
    size_t count;
};

struct under_way *under_way_new(struct flows *flows, const struct schema *schema, size_t max_answer_bytes,
                                int64_t most_time, under_way_done *done, void *self)
{
    struct under_way *under_way = object_alloc(sizeof *under_way);
    *under_way = (struct under_way){.magic = UNDER_WAY_MAGIC,
                                    .flows = flows,
                                    .schema = schema,
                                    .max_answer_bytes = max_answer_bytes,
                                    .most_time = most_time,
                                    .done = done,
                                    .self = self};
    return under_way;
}

static void take_out(struct load *load)
{
    DL_DELETE(load->under_way->loads, load);
    load->under_way->count--;
}

/* Gives back the memory of one that was taken out; flows that are left are cancelled. */
static void discard(struct load *load)
{
    for (size_t i = 0; i < load->count; i++) {
        struct item *item = &load->items[i];
        if (item->flow != NULL)
            flow_cancel(item->flow);
        free(item->payload);
        free(item->inputs);
        free(item->answer.bytes);
    }
    free(load);
}

static void finish(struct load *load)
{
    struct under_way *under_way = load->under_way;
    struct under_way_answer *answers = object_alloc(load->count * sizeof *answers);
    size_t rows = 0;
    take_out(load);
    for (size_t i = 0; i < load->count; i++) {
        answers[i] = load->items[i].answer;
        rows += answers[i].failure == FAILURE_NONE ? load->items[i].rows : 0;
    }
    under_way->done(under_way->self, load->id, load->began, answers, load->count, rows);
    free(answers);
    discard(load);
}

/* One more request, or the beginning, is done. */
static void count_down(struct load *load)
{
    if (--load->left == 0)
        finish(load);
}

/* Names of tensors come from outside: whatever is not printable ASCII becomes a question mark. */
static void answer_text(struct item *item, enum failure failure, const char *message)
{
    item->answer.failure = failure;
    item->answer.bytes = (uint8_t *)object_strdup(message);
    item->answer.length = strlen(message);
    for (uint8_t *at = item->answer.bytes; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
}

static void flow_has_ended(void *owner, const struct flow_end *end)
{
    struct item *item = owner;
    const struct under_way *under_way = item->load->under_way;
    char complaint[COMPLAINT_MAX];
    item->flow = NULL;
    if (end->failure != FAILURE_NONE) {
        answer_text(item, end->failure, end->message);
        count_down(item->load);
        return;
    }
    size_t outputs = under_way->schema->output_count;
    item->answer.length = tensors_encoded_size(end->outputs, outputs);
    if (item->answer.length > under_way->max_answer_bytes) {
        snprintf(complaint, sizeof complaint, "the answer is longer than %zu bytes",
                 under_way->max_answer_bytes);
        answer_text(item, FAILURE_MODEL_FAILED, complaint);
    } else {
        item->answer.bytes = object_alloc(item->answer.length);
        ENSURE(tensors_encode(end->outputs, outputs, item->answer.bytes, item->answer.length, NULL) ==
               item->answer.length);
    }
    count_down(item->load);
}

static void begin_item(struct item *item, const struct envelope *batch, struct text payload, int64_t deadline)
{
    struct under_way *under_way = item->load->under_way;
    char complaint[COMPLAINT_MAX];
    item->payload = object_alloc(payload.length);
    memcpy(item->payload, payload.at, payload.length);
    item->inputs = object_alloc(under_way->schema->input_count * sizeof *item->inputs);
    if (!inputs_read(under_way->schema, item->payload, payload.length, item->inputs, &item->rows, complaint,
                     sizeof complaint)) {
        answer_text(item, FAILURE_INVALID, complaint);
        count_down(item->load);
        return;
    }
    item->flow = flow_start(
        under_way->flows,
        &(struct flow_ask){.inputs = item->inputs,
                           .rows = item->rows,
                           .deadline = deadline,
                           .priority = batch->batch.told ? batch->batch.priority : PROTOCOL_PRIORITY_ONLINE,
                           .tag = batch->batch.tag,
                           .trace = batch->batch.trace},
        flow_has_ended, item);
}

void under_way_begin(struct under_way *under_way, const struct envelope *batch, const struct text *payloads,
                     int64_t now, int64_t deadline)
{
    CHECK_OBJECT(under_way, UNDER_WAY_MAGIC);
    size_t count = batch->batch.count;
    if (deadline - now > under_way->most_time)
        deadline = now + under_way->most_time;
    struct load *load = object_alloc(sizeof *load + count * sizeof *load->items);
    load->under_way = under_way;
    load->id = batch->id;
    load->began = now;
    load->count = count;
    load->left = count + 1;
    DL_APPEND(under_way->loads, load);
    under_way->count++;
    for (size_t i = 0; i < count; i++) {
        load->items[i].load = load;
        begin_item(&load->items[i], batch, payloads[i], deadline);
    }
    count_down(load);
}

void under_way_cancel(struct under_way *under_way, uint64_t batch)
{
    CHECK_OBJECT(under_way, UNDER_WAY_MAGIC);
    struct load *load;
    DL_FOREACH(under_way->loads, load)
    {
        if (load->id != batch)
            continue;
        for (size_t i = 0; i < load->count; i++) {
            if (load->items[i].flow == NULL)
                continue;
            flow_cancel(load->items[i].flow);
            load->items[i].flow = NULL;
            answer_text(&load->items[i], FAILURE_CANCELLED, "nobody waits for it any more");
        }
        finish(load);
        return;
    }
}

void under_way_forget(struct under_way *under_way)
{
    CHECK_OBJECT(under_way, UNDER_WAY_MAGIC);
    for (struct load *load; (load = under_way->loads) != NULL; discard(load))
        take_out(load);
}

void under_way_free(struct under_way *under_way)
{
    if (under_way == NULL)
        return;
    under_way_forget(under_way);
    under_way->magic = 0;
    free(under_way);
}

size_t under_way_count(const struct under_way *under_way)
{
    return under_way->count;
}
