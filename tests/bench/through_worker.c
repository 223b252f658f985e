/* through_worker: what an engine gives through all that a worker does for a batch: the requests are read and
 * checked, joined, computed, and their answers taken apart and encoded. Beside raw_onnx and raw_xgboost it
 * tells what that costs; only the sockets are missing.
 *
 *     through_worker MODEL SECONDS REQUESTS BATCH...
 *
 * REQUESTS is "one" (a batch is one request of BATCH rows) or "single" (BATCH requests of one row, as many
 * people ask). Prints a line for each BATCH: the rows a second. The model has one input, FP32, [rows,
 * columns]. SPDX-License-Identifier: MIT */
#include "batch.h"
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH_MAX = 65536, PIXEL_VALUES = 17, ANSWER_BYTES_MAX = 1 << 24 };

/* Requests of `rows` rows each, encoded. */
struct requests {
    uint8_t **payloads;
    size_t *bytes;
    size_t count;
};

static struct requests make_requests(const struct schema *schema, size_t count, size_t rows)
{
    const struct schema_tensor *input = &schema->inputs[0];
    size_t columns = schema_row_values(schema), next = 0;
    float *values = object_alloc(rows * columns * sizeof *values);
    struct requests requests = {object_alloc(count * sizeof(uint8_t *)), object_alloc(count * sizeof(size_t)),
                                count};
    for (size_t r = 0; r < count; r++) {
        for (size_t i = 0; i < rows * columns; i++, next++)
            values[i] = (float)(next * 7 % PIXEL_VALUES);
        struct tensor tensor = {.name = text_of(input->name),
                                .datatype = input->datatype,
                                .rank = 2,
                                .shape = {(int64_t)rows, (int64_t)columns},
                                .data = (const uint8_t *)values,
                                .bytes = rows * columns * sizeof *values};
        requests.bytes[r] = tensors_encoded_size(&tensor, 1);
        requests.payloads[r] = object_alloc(requests.bytes[r]);
        ENSURE(tensors_encode(&tensor, 1, requests.payloads[r], requests.bytes[r], NULL) != 0);
    }
    free(values);
    return requests;
}

static void free_requests(struct requests *requests)
{
    for (size_t i = 0; i < requests->count; i++)
        free(requests->payloads[i]);
    free(requests->payloads);
    free(requests->bytes);
}

static void run(struct batch *batch, const struct requests *requests, uint8_t *answer)
{
    batch_clear(batch);
    for (size_t i = 0; i < requests->count; i++)
        batch_add(batch, requests->payloads[i], requests->bytes[i]);
    batch_run(batch, INT64_MAX);
    for (size_t i = 0; i < requests->count; i++) {
        if (batch_failure(batch, i) != FAILURE_NONE) {
            fprintf(stderr, "through_worker: %s\n", batch_message(batch, i));
            exit(1);
        }
        size_t bytes = batch_answer_bytes(batch, i);
        ENSURE(bytes <= ANSWER_BYTES_MAX);
        batch_answer(batch, i, answer, bytes);
    }
}

static double measure(struct loaded_model *model, size_t count, size_t rows, double seconds)
{
    struct requests requests = make_requests(model->schema, count, rows);
    struct batch *batch = batch_new(model, count * rows, ANSWER_BYTES_MAX);
    uint8_t *answer = object_alloc(ANSWER_BYTES_MAX);
    size_t done = 0;
    run(batch, &requests, answer); /* the first call of a size is another thing */
    int64_t begin = clock_now(), until = begin + (int64_t)(seconds * (double)SECOND), now;
    do {
        run(batch, &requests, answer);
        done += count * rows;
        now = clock_now();
    } while (now < until);
    free(answer);
    batch_free(batch);
    free_requests(&requests);
    return (double)done * (double)SECOND / (double)(now - begin);
}

int main(int argc, char **argv)
{
    char error[BACKEND_ERROR_MAX] = "";
    double seconds = argc > 4 ? atof(argv[2]) : 0;
    bool single = argc > 4 && strcmp(argv[3], "single") == 0;
    const struct backend *backend = argc > 4 ? backend_for_file(argv[1]) : NULL;
    if (seconds <= 0 || backend == NULL || (!single && strcmp(argv[3], "one") != 0)) {
        fprintf(stderr, "usage: through_worker MODEL SECONDS one|single BATCH...\n");
        return 2;
    }
    struct loaded_model *model = loaded_model_open(argv[1], backend, NULL, 1, error);
    if (model == NULL || !loaded_model_learn_from_zeros(model, error)) {
        fprintf(stderr, "through_worker: %s: %s\n", argv[1], error);
        return 1;
    }
    for (int i = 4; i < argc; i++) {
        int batch = atoi(argv[i]);
        if (batch < 1 || batch > BATCH_MAX) {
            fprintf(stderr, "through_worker: a batch has 1 to %d rows, got %s\n", BATCH_MAX, argv[i]);
            return 2;
        }
        size_t count = single ? (size_t)batch : 1, rows = single ? 1 : (size_t)batch;
        printf("%d %.1f\n", batch, measure(model, count, rows, seconds));
        fflush(stdout);
    }
    loaded_model_free(model);
    return 0;
}
