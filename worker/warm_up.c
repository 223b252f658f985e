/* warm_up: see warm_up.h. Engines do much with the first batch of a size: they allocate, start threads, build
 * kernels, and their code comes in page by page. Here it happens to rows that nobody waits for, and is
 * measured on the way: what a batch of one takes decides whether the model is heavy (main.c), and the broker
 * begins with these costs instead of none.
 *
 * It takes the time that it needs and no more. A size is done when two runs of it agree, or when the first
 * takes what the size before lets expect. That is enough for the engine, but the broker chooses the size of
 * batches by what they cost here (sizing.c), and whatever else runs on the machine makes some of them slower.
 * So where batches are short all sizes are run in turn some more times, and the best of each counts: a bad
 * moment is one of all sizes, not all of one. SPDX-License-Identifier: MIT */
#include "warm_up.h"

#include "clock.h"
#include "log.h"

#include <stdlib.h>

enum {
    RUNS_MAX = 10,            /* of one size: on a busy machine two may never agree */
    ROUNDS = 4,               /* through all sizes, after that */
    ROUNDS_SHARE = 8,         /* of the time that there is, for those */
    ZEROS_BYTES_MAX = 1 << 26 /* a batch of zeros that takes more is not tried */
};

#define LONG_CALL (500 * MILLISECOND) /* a first call that takes so long has no second */

/* Within a fifth. */
static bool agree(int64_t a, int64_t b)
{
    return llabs(a - b) * 5 <= (a < b ? a : b);
}

/* ---- one batch ---- */

/* Golden requests in turn, until they are `rows` rows. False when so many of them are no batch. */
static bool add_golden(const struct warm_up *warm_up, size_t rows)
{
    size_t count = golden_count(warm_up->golden);
    for (size_t i = 0; i < PROTOCOL_COUNT_MAX && batch_rows(warm_up->batch) < rows; i++) {
        struct text payload = golden_payload(warm_up->golden, i % count);
        batch_add(warm_up->batch, (const uint8_t *)payload.at, payload.length);
    }
    return batch_rows(warm_up->batch) >= rows;
}

/* Computes a batch of so many rows, or of some more when golden requests have many; *rows tells. Returns what
 * it took, ns; -1 when there is no such batch, or when the engine failed, which is said. */
static int64_t run(const struct warm_up *warm_up, size_t *rows)
{
    struct batch *batch = warm_up->batch;
    uint8_t *zeros = NULL;
    size_t bytes;
    batch_clear(batch);
    if (warm_up->golden == NULL) {
        zeros = loaded_model_zeros(warm_up->model, *rows, ZEROS_BYTES_MAX, &bytes);
        if (zeros == NULL)
            return -1;
        batch_add(batch, zeros, bytes);
    } else if (!add_golden(warm_up, *rows)) {
        return -1;
    }
    size_t added = batch_rows(batch);
    int64_t start = clock_now();
    batch_run(batch, INT64_MAX);
    int64_t took = clock_now() - start;
    free(zeros);
    *rows = batch_rows(batch);
    if (*rows == added && added > 0)
        return took;
    log_debug("warming up with %zu rows: %s", added, batch_message(batch, 0));
    return -1;
}

/* ---- what comes out ---- */

/* Of the first request of the batch that was run. */
static bool learn(const struct warm_up *warm_up, bool first, char *error)
{
    struct tensor outputs[TENSOR_COUNT_MAX];
    size_t count, rows, bytes = batch_answer_bytes(warm_up->batch, 0);
    uint8_t *answer = object_alloc(bytes);
    batch_answer(warm_up->batch, 0, answer, bytes);
    ENSURE(tensors_decode(answer, bytes, outputs, &count, &rows) == NULL);
    bool learned = loaded_model_learn(warm_up->model, outputs, first, error);
    free(answer);
    return learned;
}

/* The first call on a golden request. */
static bool learn_from_golden(const struct warm_up *warm_up, char *error)
{
    struct text payload = golden_payload(warm_up->golden, 0);
    batch_clear(warm_up->batch);
    batch_add(warm_up->batch, (const uint8_t *)payload.at, payload.length);
    batch_run(warm_up->batch, INT64_MAX);
    if (batch_failure(warm_up->batch, 0) == FAILURE_NONE)
        return learn(warm_up, true, error);
    snprintf(error, BACKEND_ERROR_MAX, "%s", batch_message(warm_up->batch, 0));
    return loaded_model_knows_outputs(warm_up->model); /* the golden requests will say it again */
}

bool warm_up_first(struct warm_up *warm_up, char *error)
{
    int64_t start = clock_now();
    bool learned = warm_up->golden == NULL ? loaded_model_learn_from_zeros(warm_up->model, error)
                                           : learn_from_golden(warm_up, error);
    warm_up->first = clock_now() - start;
    return learned;
}

/* ---- size by size ---- */

/* Runs batches of one size. `likely` is what the first should take, ns; the time ends at `end`. Returns the
 * best of them, -1 when there is none. */
static int64_t measure(const struct warm_up *warm_up, size_t *rows, int64_t likely, int64_t end)
{
    char error[BACKEND_ERROR_MAX];
    int64_t best = -1, before = likely;
    size_t wanted = *rows;
    for (int i = 0; i < RUNS_MAX; i++) {
        if ((i > 0 || wanted > 1) && clock_now() + before > end)
            return best;
        size_t ran = *rows; /* none, of one that fails after one that did not */
        int64_t took = run(warm_up, &ran);
        if (took < 0 || !learn(warm_up, false, error))
            return best;
        *rows = ran;
        best = best < 0 || took < best ? took : best;
        if (agree(took, before))
            return best;
        before = took;
    }
    return best;
}

static uint32_t in_us(int64_t took)
{
    int64_t us = (took + MICROSECOND - 1) / MICROSECOND;
    return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void note_cost(struct schema *schema, size_t rows, int64_t took)
{
    ENSURE(schema->cost_count < SCHEMA_COSTS_MAX);
    schema->costs[schema->cost_count++] = (struct schema_cost){(uint32_t)rows, in_us(took)};
}

/* All sizes once more, if that is no long time. False when it was too long, or a batch failed. */
static bool run_again(const struct warm_up *warm_up, int64_t end)
{
    struct schema *schema = warm_up->model->schema;
    char error[BACKEND_ERROR_MAX];
    int64_t round = 0;
    for (size_t i = 0; i < schema->cost_count; i++)
        round += schema->costs[i].us * MICROSECOND;
    if (clock_now() + round > end)
        return false;
    for (size_t i = 0; i < schema->cost_count; i++) {
        size_t rows = schema->costs[i].rows;
        int64_t took = run(warm_up, &rows);
        if (took < 0 || rows != schema->costs[i].rows || !learn(warm_up, false, error))
            return false;
        if (in_us(took) < schema->costs[i].us)
            schema->costs[i].us = in_us(took);
    }
    return true;
}

int64_t warm_up_run(const struct warm_up *warm_up)
{
    int64_t end = clock_now() + warm_up->limit, took = warm_up->first, one = 0;
    size_t before = 1; /* rows that took so long */
    if (took > LONG_CALL)
        return took;
    for (size_t wanted = 1; wanted == 1 || before < warm_up->most_rows; wanted *= 2) {
        size_t rows = wanted < warm_up->most_rows ? wanted : warm_up->most_rows;
        if (wanted > 1 && rows <= before)
            continue;
        took = measure(warm_up, &rows, took * (int64_t)rows / (int64_t)before, end);
        if (took < 0)
            break;
        one = wanted == 1 ? took / (int64_t)rows : one;
        note_cost(warm_up->model->schema, rows, took);
        before = rows;
    }
    end = clock_now() + warm_up->limit / ROUNDS_SHARE;
    for (int i = 0; i < ROUNDS && run_again(warm_up, end); i++)
        continue;
    batch_clear(warm_up->batch);
    return one;
}
