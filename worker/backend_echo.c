/* backend_echo: an engine for tests. It answers each row with the sum of its values, so that a wrong answer
 * is noticed, and does on request what a bad engine does.
 *
 * The model file is in libconfig's syntax:
 *
 *     features = 4;          columns of the input `features` FP32 [-1, 4]; `prediction` is FP32 [-1, 1]
 *     batch = 1;             rows of every call; left out: any number
 *     obey = false;          rows are never commands: an engine in which what follows is mended
 *     start = "crash";       at load: crash (abort), hang, or fail (an error)
 *     start_delay_ms = 100;  at load: first take so long
 *     call_us = 2000;        every call takes at least so long
 *     row_us = 500;          and so long more for each row
 *     fail_every = 20;       every twentieth call fails with an error
 *
 * A row whose first value is one of these is a command; the batch that it is in suffers:
 *     -1001   take features[1] milliseconds
 *     -1002   abort
 *     -1003   hang for ever
 *     -1004   give one row more than was asked for
 *     -1005   fail with an error
 *     -1006   exit(1)
 *     -1007   take features[1] MiB of memory, write to all of it, and give it back
 *     -1008   compute for features[1] milliseconds of CPU time
 * Before it delays or hangs it says so in the log, so that a test knows when.
 * SPDX-License-Identifier: MIT */
#include "backend.h"

#include "log.h"
#include "object.h"

#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    ECHO_MAGIC = 0x0ec40001,
    FEATURES_MAX = 4096,
    COMMAND_DELAY = -1001,
    COMMAND_CRASH = -1002,
    COMMAND_HANG = -1003,
    COMMAND_WRONG_ROWS = -1004,
    COMMAND_FAIL = -1005,
    COMMAND_EXIT = -1006,
    COMMAND_MEMORY = -1007,
    COMMAND_COMPUTE = -1008
};

struct echo {
    unsigned magic;
    bool deaf;      /* its rows are never commands */
    int call_us;    /* of every call */
    int row_us;     /* of every row beside that */
    int fail_every; /* 0: none fails */
    int calls;      /* since the last that failed */
    struct backend_tensor input;
    struct backend_tensor output;
    float *sums;
    size_t capacity; /* of sums */
};

static void take(double seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0)
        continue;
}

static void take_milliseconds(double milliseconds)
{
    log_info("told to take %g ms", milliseconds);
    take(milliseconds / 1e3);
}

/* Without memory it fails; with less than it was promised it dies. */
static int take_memory(double megabytes, char *error)
{
    size_t length = (size_t)(megabytes * 1024 * 1024);
    volatile char *memory = malloc(length);
    if (memory == NULL) {
        snprintf(error, BACKEND_ERROR_MAX, "no memory for %zu bytes", length);
        return -1;
    }
    for (size_t i = 0; i < length; i += 4096)
        memory[i] = 1;
    free((void *)memory);
    return 0;
}

static void compute(double milliseconds)
{
    clock_t end = clock() + (clock_t)(milliseconds / 1e3 * CLOCKS_PER_SEC);
    while (clock() < end)
        continue;
}

static _Noreturn void hang(void)
{
    log_info("told to hang");
    for (;;)
        pause();
}

/* What the file wants to happen at load. Returns false for an error. */
static bool start(const config_t *file)
{
    int delay = 0;
    const char *how = "";
    config_lookup_int(file, "start_delay_ms", &delay);
    config_lookup_string(file, "start", &how);
    if (delay > 0)
        take_milliseconds(delay);
    if (strcmp(how, "crash") == 0)
        abort();
    if (strcmp(how, "hang") == 0)
        hang();
    return strcmp(how, "fail") != 0;
}

static struct echo *echo_new(int features, int batch)
{
    struct echo *echo = object_alloc(sizeof *echo);
    int rows = batch > 0 ? batch : -1;
    echo->magic = ECHO_MAGIC;
    echo->input = (struct backend_tensor){"features", "FP32", 2, {rows, features}};
    echo->output = (struct backend_tensor){"prediction", "FP32", 2, {rows, 1}};
    return echo;
}

static void *echo_open(const char *path, const struct backend_options *options,
                       struct backend_description *description, char *error)
{
    (void)options;
    config_t file;
    int features = 0, batch = 0;
    struct echo *echo = NULL;
    config_init(&file);
    if (config_read_file(&file, path) != CONFIG_TRUE) {
        snprintf(error, BACKEND_ERROR_MAX, "line %d: %s", config_error_line(&file), config_error_text(&file));
    } else if (!start(&file)) {
        snprintf(error, BACKEND_ERROR_MAX, "told to fail at start");
    } else if (config_lookup_int(&file, "features", &features) != CONFIG_TRUE || features < 1 ||
               features > FEATURES_MAX) {
        snprintf(error, BACKEND_ERROR_MAX, "features: expected an integer from 1 to %d", FEATURES_MAX);
    } else {
        int obedient = 1;
        config_lookup_int(&file, "batch", &batch);
        config_lookup_bool(&file, "obey", &obedient);
        echo = echo_new(features, batch);
        echo->deaf = !obedient;
        config_lookup_int(&file, "call_us", &echo->call_us);
        config_lookup_int(&file, "row_us", &echo->row_us);
        config_lookup_int(&file, "fail_every", &echo->fail_every);
        *description = (struct backend_description){.platform = "echo",
                                                    .inputs = &echo->input,
                                                    .input_count = 1,
                                                    .outputs = &echo->output,
                                                    .output_count = 1};
    }
    config_destroy(&file);
    return echo;
}

static int obey(const float *row, size_t columns, size_t *rows, char *error)
{
    double amount = columns > 1 && row[1] > 0 && row[1] < 1e9f ? (double)row[1] : 0;
    switch ((int)row[0]) {
    case COMMAND_DELAY:
        if (amount > 0)
            take_milliseconds(amount);
        return 0;
    case COMMAND_CRASH:
        abort();
    case COMMAND_HANG:
        hang();
    case COMMAND_WRONG_ROWS:
        ++*rows;
        return 0;
    case COMMAND_FAIL:
        snprintf(error, BACKEND_ERROR_MAX, "told to fail");
        return -1;
    case COMMAND_EXIT:
        exit(1);
    case COMMAND_MEMORY:
        return take_memory(amount, error);
    case COMMAND_COMPUTE:
        compute(amount);
        return 0;
    default:
        return 0;
    }
}

static float sum(const float *row, size_t columns)
{
    double total = 0;
    for (size_t i = 0; i < columns; i++)
        total += (double)row[i];
    return (float)total;
}

static int echo_run(void *state, const struct backend_values *inputs, struct backend_values *outputs,
                    char *error)
{
    struct echo *echo = state;
    CHECK_OBJECT(echo, ECHO_MAGIC);
    size_t rows = (size_t)inputs[0].shape[0], columns = (size_t)inputs[0].shape[1], given = rows;
    const float *values = inputs[0].data;
    if (echo->call_us > 0 || echo->row_us > 0)
        take((echo->call_us + (double)rows * echo->row_us) / 1e6);
    if (echo->fail_every > 0 && ++echo->calls == echo->fail_every) {
        echo->calls = 0;
        snprintf(error, BACKEND_ERROR_MAX, "told to fail every %d calls", echo->fail_every);
        return -1;
    }
    if (rows + 1 > echo->capacity) {
        free(echo->sums);
        echo->sums = object_alloc((rows + 1) * sizeof *echo->sums);
        echo->capacity = rows + 1;
    }
    for (size_t i = 0; i < rows; i++) {
        const float *row = values + i * columns;
        if (!echo->deaf && row[0] <= COMMAND_DELAY && row[0] >= COMMAND_COMPUTE &&
            obey(row, columns, &given, error) != 0)
            return -1;
        echo->sums[i] = sum(row, columns);
    }
    outputs[0] = (struct backend_values){echo->sums, given * sizeof *echo->sums, 2, {(int64_t)given, 1}};
    return 0;
}

static void echo_close(void *state)
{
    struct echo *echo = state;
    CHECK_OBJECT(echo, ECHO_MAGIC);
    echo->magic = 0;
    free(echo->sums);
    free(echo);
}

const struct backend backend_echo = {
    .name = "echo",
    .suffix = ".echo",
    .open = echo_open,
    .run = echo_run,
    .close = echo_close,
};
