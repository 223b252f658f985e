/* batch: see batch.h. Between session, which knows messages, and the backends, which know engines.
 *
 * The requests of a batch are cut into groups that the engine can take together: neighbours whose inner
 * dimensions are the same (always, where the model fixes them). The rows of a group are laid one behind the
 * other in an aligned buffer for each input; a group of one request is computed where it lies. The engine is
 * called for slices of the group: as many rows as the model is meant to get at a time, or exactly as many as
 * it takes (the last slice is then filled up with copies of the last row, whose results are dropped). What
 * comes back is appended to one buffer for each output, from where each request's rows are encoded.
 * Of requests that come together most differ in their values alone: they are neither read nor answered one by
 * one (inputs_read_alike, answer_form).
 *
 * When the engine refuses a group, nobody knows which request it was: each is computed alone, so that only
 * the guilty one fails. In the steady state nothing here allocates: all buffers stay as long as they are of
 * use. SPDX-License-Identifier: MIT */
#include "batch.h"

#include "answer_form.h"
#include "buffer.h"
#include "clock.h"
#include "inputs.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BATCH_MAGIC = 0x0ba7c001,
    LENGTH_PREFIX = 4,          /* of an element of BYTES */
    OUTPUT_BYTES_MAX = 1 << 30, /* of one output in one batch; broker.max_message_bytes cannot be larger */
    NAME_SHOWN = 64             /* bytes of a name in a message */
};

struct request {
    enum failure failure;
    char *message; /* NULL until it failed */
    const uint8_t *payload;
    size_t payload_bytes;
    size_t rows;
    size_t answer_bytes;
    bool in_form; /* the answer is written by the batch's form */
};

struct batch {
    unsigned magic;
    const struct loaded_model *model;
    const struct schema *schema; /* the model's */
    size_t slice_rows;
    size_t max_answer_bytes;
    struct request *requests;
    struct tensor *inputs;  /* of request i: inputs[i * schema->input_count], in the schema's order */
    struct tensor *answers; /* likewise with the outputs */
    size_t count;
    size_t capacity;
    struct answer_form form; /* of the first answer, when there are more */
    struct buffer joined[BACKEND_TENSORS_MAX];
    struct buffer results[BACKEND_TENSORS_MAX];
};

/* A part of the batch, [first, last) without those that failed already, and how it is computed. */
struct group {
    size_t first;
    size_t last;
    size_t rows;
    const uint8_t *next[BACKEND_TENSORS_MAX];           /* of each input: the rows not yet computed */
    size_t starts[BACKEND_TENSORS_MAX];                 /* of each output: where the group's results begin */
    struct backend_values outputs[BACKEND_TENSORS_MAX]; /* of the last call */
};

/* ---- making it ---- */

struct batch *batch_new(const struct loaded_model *model, size_t slice_rows, size_t max_answer_bytes)
{
    struct batch *batch = object_alloc(sizeof *batch);
    batch->magic = BATCH_MAGIC;
    batch->model = model;
    batch->schema = model->schema;
    batch->slice_rows = model->call_rows > 0 ? model->call_rows : slice_rows;
    batch->max_answer_bytes = max_answer_bytes < OUTPUT_BYTES_MAX ? max_answer_bytes : OUTPUT_BYTES_MAX;
    ENSURE(batch->slice_rows > 0);
    return batch;
}

void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    CHECK_OBJECT(batch, BATCH_MAGIC);
    batch_clear(batch);
    for (size_t i = 0; i < BACKEND_TENSORS_MAX; i++) {
        buffer_free(&batch->joined[i]);
        buffer_free(&batch->results[i]);
    }
    free(batch->requests);
    free(batch->inputs);
    free(batch->answers);
    batch->magic = 0;
    free(batch);
}

void batch_clear(struct batch *batch)
{
    CHECK_OBJECT(batch, BATCH_MAGIC);
    for (size_t i = 0; i < batch->count; i++)
        free(batch->requests[i].message);
    batch->count = 0;
}

static void *resize(void *array, size_t count, size_t bytes)
{
    void *resized = reallocarray(array, count, bytes);
    ENSURE(resized != NULL);
    return resized;
}

static struct request *next_request(struct batch *batch)
{
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity == 0 ? 16 : batch->capacity * 2;
        const struct schema *schema = batch->schema;
        batch->requests = resize(batch->requests, capacity, sizeof *batch->requests);
        batch->inputs = resize(batch->inputs, capacity, schema->input_count * sizeof *batch->inputs);
        batch->answers = resize(batch->answers, capacity, schema->output_count * sizeof *batch->answers);
        batch->capacity = capacity;
    }
    struct request *request = &batch->requests[batch->count++];
    *request = (struct request){.failure = FAILURE_NONE};
    return request;
}

/* Names of tensors come from outside: whatever is not printable ASCII becomes a question mark. */
__attribute__((format(printf, 3, 4))) static void fail(struct request *request, enum failure failure,
                                                       const char *format, ...)
{
    char message[PROTOCOL_TEXT_MAX + 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    for (char *at = message; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    free(request->message);
    request->failure = failure;
    request->message = object_strdup(message);
}

/* Reads the last request as the one before it, if it is like that. */
static bool is_like_the_one_before(struct batch *batch, const uint8_t *payload, size_t bytes,
                                   struct tensor *inputs)
{
    if (batch->count < 2)
        return false;
    const struct request *before = &batch->requests[batch->count - 2];
    return before->failure == FAILURE_NONE && before->payload_bytes == bytes &&
           inputs_read_alike(batch->schema, before->payload, inputs - batch->schema->input_count, payload,
                             bytes, inputs);
}

void batch_add(struct batch *batch, const uint8_t *payload, size_t bytes)
{
    CHECK_OBJECT(batch, BATCH_MAGIC);
    char complaint[PROTOCOL_TEXT_MAX];
    struct request *request = next_request(batch);
    struct tensor *inputs = batch->inputs + (batch->count - 1) * batch->schema->input_count;
    request->payload = payload;
    request->payload_bytes = bytes;
    if (is_like_the_one_before(batch, payload, bytes, inputs))
        request->rows = request[-1].rows;
    else if (!inputs_read(batch->schema, payload, bytes, inputs, &request->rows, complaint, sizeof complaint))
        fail(request, FAILURE_INVALID, "%s", complaint);
}

/* ---- rows as bytes ---- */

/* The bytes of `rows` rows that begin at `at`, of a tensor with that datatype and inner dimensions. */
static size_t bytes_of_rows(enum datatype datatype, uint32_t rank, const int64_t *shape, const uint8_t *at,
                            size_t rows)
{
    size_t elements = rows, bytes = 0;
    for (uint32_t i = 1; i < rank; i++)
        elements *= (size_t)shape[i];
    if (datatype != DATATYPE_BYTES)
        return elements * datatype_bytes(datatype);
    for (size_t i = 0; i < elements; i++) {
        uint32_t length;
        memcpy(&length, at + bytes, LENGTH_PREFIX);
        bytes += LENGTH_PREFIX + le32toh(length);
    }
    return bytes;
}

static size_t bytes_of_input_rows(const struct tensor *input, const uint8_t *at, size_t rows)
{
    return bytes_of_rows(input->datatype, input->rank, input->shape, at, rows);
}

/* ---- a group ---- */

static const struct tensor *input_of(const struct batch *batch, size_t request, size_t input)
{
    return &batch->inputs[request * batch->schema->input_count + input];
}

static bool same_row_shape(const struct batch *batch, size_t left, size_t right)
{
    for (size_t i = 0; i < batch->schema->input_count; i++) {
        const struct tensor *a = input_of(batch, left, i), *b = input_of(batch, right, i);
        if (a->rank > 1 && memcmp(a->shape + 1, b->shape + 1, (a->rank - 1) * sizeof a->shape[0]) != 0)
            return false;
    }
    return true;
}

/* The rows that the engine gets on top of the group's, so that the last slice is full. */
static size_t padding_of(const struct batch *batch, size_t rows)
{
    size_t call_rows = batch->model->call_rows;
    return call_rows == 0 ? 0 : (call_rows - rows % call_rows) % call_rows;
}

static void pad(struct buffer *buffer, const struct tensor *last, size_t padding)
{
    size_t before = bytes_of_input_rows(last, last->data, (size_t)last->shape[0] - 1);
    for (size_t i = 0; i < padding; i++)
        buffer_append(buffer, last->data + before, last->bytes - before);
}

/* Lays input `i` of all requests of the group one behind the other; returns where it lies then. */
static const uint8_t *join(struct batch *batch, const struct group *group, size_t i)
{
    size_t bytes = 0, padding = padding_of(batch, group->rows);
    const struct tensor *input = NULL;
    for (size_t r = group->first; r < group->last; r++)
        if (batch->requests[r].failure == FAILURE_NONE)
            bytes += input_of(batch, r, i)->bytes;
    input = input_of(batch, group->first, i);
    size_t element = datatype_bytes(input->datatype);
    if (input->bytes == bytes && padding == 0 && (element == 0 || (uintptr_t)input->data % element == 0))
        return input->data; /* the only request: where it lies */
    buffer_begin(&batch->joined[i], bytes);
    for (size_t r = group->first; r < group->last; r++)
        if (batch->requests[r].failure == FAILURE_NONE) {
            input = input_of(batch, r, i);
            buffer_append(&batch->joined[i], input->data, input->bytes);
        }
    pad(&batch->joined[i], input, padding);
    return batch->joined[i].bytes;
}

static void group_begin(struct batch *batch, struct group *group)
{
    group->rows = 0;
    for (size_t r = group->first; r < group->last; r++)
        if (batch->requests[r].failure == FAILURE_NONE)
            group->rows += batch->requests[r].rows;
    for (size_t i = 0; i < batch->schema->input_count; i++)
        group->next[i] = join(batch, group, i);
    for (size_t i = 0; i < batch->schema->output_count; i++)
        group->starts[i] = batch->results[i].length;
}

/* Appends the first `rows` rows of what the engine gave for `called` rows. */
static bool collect(struct batch *batch, struct group *group, const struct backend_values *outputs,
                    size_t rows, size_t called, bool first_slice, char *error)
{
    for (size_t i = 0; i < batch->schema->output_count; i++) {
        const struct schema_tensor *declared = &batch->schema->outputs[i];
        const struct backend_values *output = &outputs[i];
        if (output->rank == 0 || output->shape[0] != (int64_t)called) {
            snprintf(error, BACKEND_ERROR_MAX, "output %.*s has %lld rows for %zu", NAME_SHOWN,
                     declared->name, output->rank == 0 ? 0LL : (long long)output->shape[0], called);
            return false;
        }
        if (!first_slice && (output->rank != group->outputs[i].rank ||
                             memcmp(output->shape + 1, group->outputs[i].shape + 1,
                                    (output->rank - 1) * sizeof output->shape[0]) != 0)) {
            snprintf(error, BACKEND_ERROR_MAX, "output %.*s has rows of different shapes", NAME_SHOWN,
                     declared->name);
            return false;
        }
        size_t bytes = bytes_of_rows(declared->datatype, output->rank, output->shape, output->data, rows);
        if (bytes > OUTPUT_BYTES_MAX - batch->results[i].length) {
            snprintf(error, BACKEND_ERROR_MAX, "output %.*s is longer than 1 GiB", NAME_SHOWN,
                     declared->name);
            return false;
        }
        ENSURE(bytes <= output->bytes);
        buffer_append(&batch->results[i], output->data, bytes);
        group->outputs[i] = *output;
    }
    return true;
}

/* Computes the next `rows` rows of the group in a call of `called` rows. */
static enum failure run_slice(struct batch *batch, struct group *group, size_t rows, size_t called,
                              bool first_slice, char *error)
{
    struct backend_values inputs[BACKEND_TENSORS_MAX], outputs[BACKEND_TENSORS_MAX];
    for (size_t i = 0; i < batch->schema->input_count; i++) {
        const struct tensor *input = input_of(batch, group->first, i);
        inputs[i].data = group->next[i];
        inputs[i].bytes = bytes_of_input_rows(input, group->next[i], called);
        inputs[i].rank = input->rank;
        memcpy(inputs[i].shape, input->shape, sizeof input->shape);
        inputs[i].shape[0] = (int64_t)called;
        group->next[i] += inputs[i].bytes;
    }
    int result = batch->model->backend->run(batch->model->state, inputs, outputs, error);
    if (result != 0)
        return result == BACKEND_INVALID ? FAILURE_INVALID : FAILURE_MODEL_FAILED;
    return collect(batch, group, outputs, rows, called, first_slice, error) ? FAILURE_NONE
                                                                            : FAILURE_MODEL_FAILED;
}

static enum failure run_group(struct batch *batch, struct group *group, int64_t deadline, char *error)
{
    group_begin(batch, group);
    for (size_t done = 0, rows; done < group->rows; done += rows) {
        rows = group->rows - done < batch->slice_rows ? group->rows - done : batch->slice_rows;
        size_t called = batch->model->call_rows > 0 ? batch->model->call_rows : rows;
        if (clock_now() >= deadline) {
            snprintf(error, BACKEND_ERROR_MAX, "the time was over after %zu of %zu rows", done, group->rows);
            return FAILURE_DEADLINE;
        }
        enum failure failure = run_slice(batch, group, rows, called, done == 0, error);
        if (failure != FAILURE_NONE)
            return failure;
    }
    return FAILURE_NONE;
}

/* ---- answers ---- */

/* Says for each request of a computed group which part of the results is its answer. Where the parts lie is
 * known only when nothing is appended any more: place_answers. */
static void share_out(struct batch *batch, const struct group *group)
{
    size_t count = batch->schema->output_count;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = batch->results[i].bytes + group->starts[i];
        struct tensor answer = {.name = text_of(batch->schema->outputs[i].name),
                                .datatype = batch->schema->outputs[i].datatype,
                                .rank = group->outputs[i].rank};
        memcpy(answer.shape, group->outputs[i].shape, sizeof answer.shape);
        size_t row_bytes = tensor_row_bytes(&answer);
        for (size_t r = group->first; r < group->last; r++) {
            size_t rows = batch->requests[r].rows;
            if (batch->requests[r].failure != FAILURE_NONE)
                continue;
            answer.shape[0] = (int64_t)rows;
            answer.bytes = answer.datatype == DATATYPE_BYTES
                               ? bytes_of_rows(answer.datatype, answer.rank, answer.shape, at, rows)
                               : rows * row_bytes;
            batch->answers[r * count + i] = answer;
            at += answer.bytes;
        }
    }
}

static const struct tensor *answers_of(const struct batch *batch, size_t request)
{
    return batch->answers + request * batch->schema->output_count;
}

/* Finds the length of an answer, `first` being the first that the batch has. */
static void measure_answer(struct batch *batch, size_t request, size_t first)
{
    struct request *measured = &batch->requests[request];
    const struct tensor *answer = answers_of(batch, request);
    if (request > first && batch->form.count == 0)
        answer_form_make(&batch->form, answers_of(batch, first), batch->schema->output_count);
    measured->in_form = answer_form_fits(&batch->form, answer);
    measured->answer_bytes =
        measured->in_form ? batch->form.bytes : tensors_encoded_size(answer, batch->schema->output_count);
    if (measured->answer_bytes > batch->max_answer_bytes)
        fail(measured, FAILURE_MODEL_FAILED, "the answer is longer than %zu bytes", batch->max_answer_bytes);
}

static void place_answers(struct batch *batch)
{
    const uint8_t *next[BACKEND_TENSORS_MAX];
    size_t first = batch->count;
    for (size_t i = 0; i < batch->schema->output_count; i++)
        next[i] = batch->results[i].bytes;
    batch->form.count = 0;
    batch->form.outputs = NULL;
    for (size_t r = 0; r < batch->count; r++) {
        if (batch->requests[r].failure != FAILURE_NONE)
            continue;
        for (size_t i = 0; i < batch->schema->output_count; i++) {
            struct tensor *answer = &batch->answers[r * batch->schema->output_count + i];
            answer->data = next[i];
            next[i] += answer->bytes;
        }
        first = first < r ? first : r;
        measure_answer(batch, r, first);
    }
}

/* ---- all of it ---- */

static void compute(struct batch *batch, size_t first, size_t last, int64_t deadline)
{
    struct group group = {.first = first, .last = last};
    char error[BACKEND_ERROR_MAX] = "";
    enum failure failure = run_group(batch, &group, deadline, error);
    if (failure == FAILURE_NONE) {
        share_out(batch, &group);
        return;
    }
    for (size_t i = 0; i < batch->schema->output_count; i++)
        batch->results[i].length = group.starts[i];
    for (size_t r = first; r < last; r++) {
        if (batch->requests[r].failure != FAILURE_NONE)
            continue;
        if (failure != FAILURE_DEADLINE && last - first > 1)
            compute(batch, r, r + 1, deadline);
        else
            fail(&batch->requests[r], failure, "%s", error);
    }
}

void batch_run(struct batch *batch, int64_t deadline)
{
    CHECK_OBJECT(batch, BATCH_MAGIC);
    for (size_t i = 0; i < batch->schema->output_count; i++)
        buffer_begin(&batch->results[i], 0);
    size_t first = 0;
    while (first < batch->count) {
        if (batch->requests[first].failure != FAILURE_NONE) {
            first++;
            continue;
        }
        size_t last = first + 1;
        while (last < batch->count &&
               (batch->requests[last].failure != FAILURE_NONE || same_row_shape(batch, first, last)))
            last++;
        compute(batch, first, last, deadline);
        first = last;
    }
    place_answers(batch);
}

/* ---- what came out ---- */

static const struct request *request_of(const struct batch *batch, size_t request)
{
    CHECK_OBJECT(batch, BATCH_MAGIC);
    ENSURE(request < batch->count);
    return &batch->requests[request];
}

size_t batch_count(const struct batch *batch)
{
    CHECK_OBJECT(batch, BATCH_MAGIC);
    return batch->count;
}

size_t batch_rows(const struct batch *batch)
{
    CHECK_OBJECT(batch, BATCH_MAGIC);
    size_t rows = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->requests[i].failure == FAILURE_NONE)
            rows += batch->requests[i].rows;
    return rows;
}

enum failure batch_failure(const struct batch *batch, size_t request)
{
    return request_of(batch, request)->failure;
}

const char *batch_message(const struct batch *batch, size_t request)
{
    const char *message = request_of(batch, request)->message;
    return message == NULL ? "" : message;
}

size_t batch_answer_bytes(const struct batch *batch, size_t request)
{
    ENSURE(request_of(batch, request)->failure == FAILURE_NONE);
    return batch->requests[request].answer_bytes;
}

void batch_answer(const struct batch *batch, size_t request, uint8_t *bytes, size_t capacity)
{
    const struct tensor *answer = answers_of(batch, request);
    size_t outputs = batch->schema->output_count;
    ENSURE(request_of(batch, request)->failure == FAILURE_NONE);
    if (batch->requests[request].in_form) {
        ENSURE(capacity >= batch->form.bytes);
        answer_form_write(&batch->form, answer, bytes);
    } else {
        ENSURE(tensors_encode(answer, outputs, bytes, capacity, NULL) != 0);
    }
}
