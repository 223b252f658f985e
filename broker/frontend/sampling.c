/* sampling: see sampling.h. Called by api.c: when a request is sent, when its answer has come, and when it is
 * counted.
 *
 * Whether a row is taken is decided when its request is sent, for its inputs are gone with it. What most
 * requests cost is an add and a compare: a number of rows is drawn that are passed over until the next one is
 * taken, as if each were taken with the same probability. Once a second that probability is set anew, by how
 * many rows were answered in the second before: 1 while they are fewer than may be taken. When more are due
 * than may be taken all the same, nothing is taken for the rest of the second: which rows that strikes
 * depends on when they come, and on nothing else. Rows that get no answer leave their room to others, so that
 * the sample is no smaller while many fail.
 *
 * When a request has more rows than may be taken in this second, each is taken with the smaller probability,
 * so that its first rows are not preferred. SPDX-License-Identifier: MIT */
#include "sampling.h"

#include "clock.h"
#include "roles.h"
#include "splitmix.h"

#include <math.h>
#include <stdlib.h>
#include <uthash.h>

enum {
    SAMPLING_MAGIC = 0x5a3b0001,
    SAMPLERS_MAX = 1024,
    ROW_BYTES_MAX = 16384,
    TEXTS_BYTES_MAX = 262144,
    BUFFER_BYTES = 4096
};
#define INTERVAL SECOND
#define NEVER    UINT64_MAX

struct sampler {
    UT_hash_handle hh;
    struct sampling *sampling;
    uint64_t left;      /* rows that are passed over before the next one is taken */
    uint64_t answered;  /* rows since the last tick */
    double probability; /* of each row */
    double room;        /* rows that may still be taken */
    char model[];
};

struct sampling {
    unsigned magic;
    struct loop *loop;
    struct observer *observer;
    struct sampler *samplers;
    struct loop_timer timer;
    double rows_per_s;
    uint64_t random; /* the state of a generator */
    struct series *sampled, *size, *failed, *collector;
};

struct taken {
    struct sampler *sampler;
    bool answered;
    struct sampled sampled;
    double *scores;
    uint32_t *at;    /* which rows of the request they are */
    uint8_t *inputs; /* all three are in the same piece of memory */
};

/* ---- chance ---- */

/* In (0, 1]. */
static double draw(struct sampling *sampling)
{
    return ((double)(splitmix_next(&sampling->random) >> 11) + 1) / (double)(UINT64_C(1) << 53);
}

/* How many rows are passed over when each is taken with that probability. */
static uint64_t draw_gap(struct sampling *sampling, double probability)
{
    if (probability >= 1)
        return 0;
    double gap = floor(log(draw(sampling)) / log1p(-probability));
    return gap < 1e15 ? (uint64_t)gap : NEVER;
}

/* ---- the second ---- */

/* There is room for so many rows more, with another probability or the same. */
static void make_room(struct sampler *sampler, double rows, double probability)
{
    struct sampling *sampling = sampler->sampling;
    bool was_over = sampler->room < 1;
    sampler->room = fmin(sampler->room + rows, fmax(sampling->rows_per_s, 1));
    if (probability == sampler->probability && !was_over)
        return;
    sampler->probability = probability;
    sampler->left = sampler->room < 1 ? NEVER : draw_gap(sampling, probability);
}

static void renew(struct sampler *sampler)
{
    double rows_per_s = sampler->sampling->rows_per_s;
    double answered = fmax(1, (double)sampler->answered);
    sampler->answered = 0;
    make_room(sampler, rows_per_s, fmin(1, rows_per_s / answered));
}

static void tick(void *self)
{
    struct sampling *sampling = self;
    for (struct sampler *sampler = sampling->samplers; sampler != NULL; sampler = sampler->hh.next)
        renew(sampler);
    loop_timer_set(sampling->loop, &sampling->timer, loop_now(sampling->loop) + INTERVAL, tick, sampling);
}

/* ---- life ---- */

static struct series *dropped(struct metrics *metrics, const char *reason)
{
    return metrics_series(metrics, METRIC_DRIFT_DROPPED, reason, NULL, NULL);
}

struct sampling *sampling_new(struct loop *loop, const struct config *config, struct metrics *metrics,
                              struct observer *observer)
{
    struct sampling *sampling = object_alloc(sizeof *sampling);
    sampling->magic = SAMPLING_MAGIC;
    sampling->loop = loop;
    sampling->observer = observer;
    sampling->rows_per_s = (double)config->drift_rows_per_s / fmax(1, (double)config->frontend_processes);
    sampling->random = splitmix_seed();
    if (config->drift_rows_per_s == 0)
        return sampling;
    sampling->sampled = metrics_series(metrics, METRIC_DRIFT_SAMPLED, NULL, NULL, NULL);
    sampling->size = dropped(metrics, "size");
    sampling->failed = dropped(metrics, "failed");
    sampling->collector = dropped(metrics, "collector");
    tick(sampling);
    return sampling;
}

void sampling_free(struct sampling *sampling)
{
    if (sampling == NULL)
        return;
    CHECK_OBJECT(sampling, SAMPLING_MAGIC);
    struct sampler *sampler, *next;
    HASH_ITER(hh, sampling->samplers, sampler, next)
    {
        HASH_DEL(sampling->samplers, sampler);
        free(sampler);
    }
    loop_timer_cancel(sampling->loop, &sampling->timer);
    sampling->magic = 0;
    free(sampling);
}

struct sampler *sampling_of(struct sampling *sampling, const char *model)
{
    struct sampler *sampler;
    if (sampling == NULL || sampling->rows_per_s <= 0)
        return NULL;
    CHECK_OBJECT(sampling, SAMPLING_MAGIC);
    HASH_FIND_STR(sampling->samplers, model, sampler);
    if (sampler != NULL || HASH_COUNT(sampling->samplers) >= SAMPLERS_MAX)
        return sampler;
    size_t length = strlen(model);
    sampler = object_alloc(sizeof *sampler + length + 1);
    memcpy(sampler->model, model, length);
    sampler->sampling = sampling;
    sampler->probability = 1;
    sampler->room = fmax(sampling->rows_per_s, 1);
    HASH_ADD_KEYPTR(hh, sampling->samplers, sampler->model, length, sampler);
    return sampler;
}

/* ---- taking ---- */

static struct taken *new_taken(struct sampler *sampler, size_t bytes, uint32_t rows)
{
    struct taken *taken = malloc(sizeof *taken + rows * (sizeof *taken->scores + sizeof *taken->at) + bytes);
    ENSURE(taken != NULL);
    taken->sampler = sampler;
    taken->answered = false;
    taken->scores = (double *)(void *)(taken + 1);
    taken->at = (uint32_t *)(void *)(taken->scores + rows);
    taken->inputs = (uint8_t *)(taken->at + rows);
    taken->sampled = (struct sampled){
        .rows = rows, .inputs = {(const char *)taken->inputs, bytes}, .scores = taken->scores};
    return taken;
}

/* A request of one row is its own sample. */
static struct taken *take_one(struct sampler *sampler, const uint8_t *payload, size_t bytes)
{
    if (bytes > ROW_BYTES_MAX) {
        series_add(sampler->sampling->size, 1);
        return NULL;
    }
    struct taken *taken = new_taken(sampler, bytes, 1);
    taken->at[0] = 0;
    memcpy(taken->inputs, payload, bytes);
    return taken;
}

/* Draws which of the rows; returns how many. Where more are due than there is room for, an equal share of
 * them is kept. What was drawn beyond the last row is for the next request. */
static uint32_t choose(struct sampler *sampler, uint32_t rows, uint32_t at[SAMPLED_ROWS_MAX])
{
    struct sampling *sampling = sampler->sampling;
    double room = fmin(sampler->room, SAMPLED_ROWS_MAX);
    double kept = fmin(1, room / (sampler->probability * (double)rows));
    uint32_t count = 0;
    uint64_t row = sampler->left;
    while (row < rows && count + 1 <= room) {
        if (kept >= 1 || draw(sampling) <= kept)
            at[count++] = (uint32_t)row;
        uint64_t gap = draw_gap(sampling, sampler->probability);
        row = gap == NEVER ? NEVER : row + 1 + gap;
    }
    sampler->left = row == NEVER ? NEVER : row < rows ? draw_gap(sampling, sampler->probability) : row - rows;
    return count;
}

/* Goes over the chosen rows, whose numbers ascend: counts their bytes, and copies them unless `to` is NULL.
 */
static size_t copy_rows(const struct tensor *tensor, const uint32_t *at, uint32_t count, uint8_t *to)
{
    size_t columns = value_columns(tensor), length = tensor_row_bytes(tensor), sum = 0, offset = 0, row = 0;
    for (uint32_t i = 0; i < count; i++, sum += length) {
        size_t from = at[i] * length;
        if (tensor->datatype == DATATYPE_BYTES) {
            for (size_t skipped = (at[i] - row) * columns; skipped > 0; skipped--)
                value_bytes(tensor, &offset);
            from = offset;
            for (size_t column = 0; column < columns; column++)
                value_bytes(tensor, &offset);
            length = offset - from;
            row = at[i] + 1;
        }
        if (to != NULL && length > 0)
            memcpy(to + sum, tensor->data + from, length);
    }
    return sum;
}

/* The chosen rows of the tensors as tensors. NULL: they are too large. */
static struct taken *slice(struct sampler *sampler, const struct tensor *tensors, size_t count,
                           const uint32_t *at, uint32_t rows)
{
    struct tensor parts[TENSOR_COUNT_MAX];
    uint8_t *places[TENSOR_COUNT_MAX];
    for (size_t i = 0; i < count; i++) {
        parts[i] = tensors[i];
        parts[i].shape[0] = rows;
        parts[i].data = NULL;
        parts[i].bytes = copy_rows(&tensors[i], at, rows, NULL);
    }
    size_t bytes = tensors_encoded_size(parts, count);
    if (bytes > ROW_BYTES_MAX * (size_t)rows || bytes > SAMPLED_BYTES_MAX)
        return NULL;
    struct taken *taken = new_taken(sampler, bytes, rows);
    ENSURE(tensors_encode(parts, count, taken->inputs, bytes, places) == bytes);
    for (size_t i = 0; i < count; i++)
        copy_rows(&tensors[i], at, rows, places[i]);
    memcpy(taken->at, at, rows * sizeof *at);
    return taken;
}

/* Going through many texts, if only to check them, would delay everybody: that is the loop's thread. */
static bool has_many_texts(const struct tensor *tensors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tensors[i].datatype == DATATYPE_BYTES && tensors[i].bytes > TEXTS_BYTES_MAX)
            return true;
    return false;
}

static bool are_whole(const struct tensor *tensors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tensor_check(&tensors[i]) != NULL)
            return false;
    return true;
}

static struct taken *take_some(struct sampler *sampler, const uint8_t *payload, size_t bytes, uint32_t rows,
                               uint32_t *count)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    uint32_t at[SAMPLED_ROWS_MAX];
    size_t tensor_count, tensor_rows;
    struct taken *taken = NULL;
    *count = choose(sampler, rows, at);
    if (*count == 0 || tensors_heads(payload, bytes, tensors, &tensor_count, &tensor_rows) != NULL ||
        tensor_rows != rows)
        return NULL;
    if (!has_many_texts(tensors, tensor_count)) {
        if (!are_whole(tensors, tensor_count))
            return NULL;
        taken = slice(sampler, tensors, tensor_count, at, *count);
    }
    if (taken == NULL)
        series_add(sampler->sampling->size, *count);
    return taken;
}

struct taken *sampling_take(struct sampler *sampler, const uint8_t *payload, size_t bytes, uint32_t rows)
{
    struct taken *taken;
    uint32_t count = 1;
    if (sampler == NULL)
        return NULL;
    if (sampler->left >= rows) {
        sampler->left -= sampler->left == NEVER ? 0 : rows;
        return NULL;
    }
    if (rows == 1) {
        taken = take_one(sampler, payload, bytes);
        sampler->left = draw_gap(sampler->sampling, sampler->probability);
    } else {
        taken = take_some(sampler, payload, bytes, rows, &count);
    }
    sampler->room -= count;
    if (sampler->room < 1)
        sampler->left = NEVER;
    return taken;
}

void sampling_answered(struct sampler *sampler, uint32_t rows)
{
    if (sampler != NULL)
        sampler->answered += rows;
}

/* ---- showing ---- */

void taken_answered(struct taken *taken, const struct schema *schema, const uint8_t *payload, size_t bytes)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    struct sampled *sampled = &taken->sampled;
    size_t count, rows;
    if (tensors_decode(payload, bytes, tensors, &count, &rows) != NULL)
        return;
    const struct roles roles = roles_of(schema, tensors, count);
    for (uint32_t i = 0; i < sampled->rows; i++)
        if (taken->at[i] >= rows)
            return;
    sampled->score_kind = score_kind_of(&roles, schema->regression);
    for (uint32_t i = 0; i < sampled->rows; i++)
        taken->scores[i] = score_of(&roles, sampled->score_kind, taken->at[i]);
    taken->answered = true;
}

static enum observed show(struct observer *observer, const struct sampled *sampled)
{
    uint8_t buffer[BUFFER_BYTES];
    size_t bound = sampled_bound(sampled);
    uint8_t *bytes = bound <= sizeof buffer ? buffer : object_alloc(bound);
    enum observed observed = observer_put(observer, bytes, sampled_encode(sampled, bytes, bound));
    if (bytes != buffer)
        free(bytes);
    return observed;
}

void taken_show(struct taken *taken, struct text model, struct text version)
{
    struct sampling *sampling = taken->sampler->sampling;
    if (!taken->answered || version.length == 0) {
        taken_drop(taken);
        return;
    }
    taken->sampled.model = model;
    taken->sampled.version = version;
    bool shown = show(sampling->observer, &taken->sampled) == OBSERVED;
    series_add(shown ? sampling->sampled : sampling->collector, taken->sampled.rows);
    free(taken);
}

void taken_drop(struct taken *taken)
{
    if (taken == NULL)
        return;
    struct sampler *sampler = taken->sampler;
    series_add(sampler->sampling->failed, taken->sampled.rows);
    make_room(sampler, taken->sampled.rows, sampler->probability);
    free(taken);
}
