/* measuring: see measuring.h. Called by main.c for --measure. SPDX-License-Identifier: MIT */
#include "measuring.h"

#include "batch.h"
#include "clock.h"
#include "frame.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROWS_MAX = 65536, CALLS_MAX = 4096, CALLS_MIN = 3 };

static bool run(struct batch *batch, const uint8_t *payload, size_t bytes)
{
    batch_clear(batch);
    batch_add(batch, payload, bytes);
    batch_run(batch, INT64_MAX);
    return batch_failure(batch, 0) == FAILURE_NONE;
}

static bool say_failure(const struct batch *batch, int fd)
{
    const char *message = batch_message(batch, 0);
    return frame_write(fd, 'F', message, strlen(message));
}

static bool answer(struct batch *batch, const struct frame *asked, int fd)
{
    if (!run(batch, asked->bytes, asked->length))
        return say_failure(batch, fd);
    size_t bytes = batch_answer_bytes(batch, 0);
    uint8_t *payload = object_alloc(bytes);
    batch_answer(batch, 0, payload, bytes);
    bool said = frame_write(fd, 'A', payload, bytes);
    free(payload);
    return said;
}

static int compare(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

/* The first call is not counted: it is the engine's, to make room. */
static bool measure(struct batch *batch, const struct frame *asked, int fd)
{
    uint32_t milliseconds;
    if (asked->length < sizeof milliseconds)
        return false;
    memcpy(&milliseconds, asked->bytes, sizeof milliseconds);
    const uint8_t *payload = asked->bytes + sizeof milliseconds;
    size_t bytes = asked->length - sizeof milliseconds, count = 0;
    if (!run(batch, payload, bytes))
        return say_failure(batch, fd);
    int64_t *took = object_alloc(CALLS_MAX * sizeof *took);
    int64_t now = clock_now(), end = now + le32toh(milliseconds) * MILLISECOND;
    while (count < CALLS_MAX && (count < CALLS_MIN || now < end)) {
        int64_t before = now;
        run(batch, payload, bytes);
        now = clock_now();
        took[count++] = now - before;
    }
    qsort(took, count, sizeof *took, compare);
    uint64_t median = htole64((uint64_t)took[count / 2]);
    free(took);
    return frame_write(fd, 'T', &median, sizeof median);
}

static bool say_schema(const struct loaded_model *model, int fd)
{
    size_t length;
    uint8_t *schema = schema_encode(model->schema, &length);
    bool said = frame_write(fd, 'S', schema, length);
    free(schema);
    return said;
}

static bool serve(const struct loaded_model *model, int fd)
{
    struct frame asked = {0};
    struct batch *batch = batch_new(model, ROWS_MAX, FRAME_BYTES_MAX - 1);
    bool good = say_schema(model, fd);
    while (good && frame_read(fd, &asked))
        good =
            asked.kind == 'A' ? answer(batch, &asked, fd) : asked.kind == 'T' && measure(batch, &asked, fd);
    frame_free(&asked);
    batch_free(batch);
    return good;
}

int measuring_run(struct trial *trial)
{
    char error[TRIAL_ERROR_MAX], reason[BACKEND_ERROR_MAX] = "";
    int status = trial_status(trial_open(trial, error), error);
    if (status != 0)
        return status;
    if (loaded_model_learn_from_zeros(trial->model, reason))
        return serve(trial->model, STDIN_FILENO) ? 0 : 1;
    fprintf(stderr, "%s: cannot serve this model: %s\n", trial->path, reason);
    return 1;
}

int measuring_write_graph(const char *path, const char *output)
{
    static const char *const section[] = {"optimization", "extended", NULL};
    const struct backend *backend = backend_named("onnx");
    struct backend_options options = {
        .threads = 1, .settings_json = "{}", .section = section, .optimized = output};
    struct backend_description description = {0};
    char reason[BACKEND_ERROR_MAX] = "this program has no backend onnx";
    void *state = backend == NULL ? NULL : backend->open(path, &options, &description, reason);
    if (state == NULL)
        fprintf(stderr, "%s: %s\n", path, reason);
    else
        backend->close(state);
    return state == NULL ? 1 : 0;
}
