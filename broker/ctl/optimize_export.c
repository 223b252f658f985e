/* optimize_export: models of scikit-learn and XGBoost in ONNX (optimize_making.h). Called by
 * optimize_command.c.
 *
 * What was before is the library itself, which no worker of ours computes: the tool says what it answers to
 * the rows, number by number, and how long it takes; here that is made an answer as the exported model would
 * give it, so that all else is done as for any other method. SPDX-License-Identifier: MIT */
#include "optimize_work.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define REFUSE(reason, ...) (snprintf((reason), OPTIMIZE_REASON_MAX, __VA_ARGS__), false)

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* The library's file counts as what was before. */
static bool open_library(const struct work *work, const char *exported)
{
    struct candidate *before = &work->candidates[0];
    struct stat status;
    char *file = object_strdup(exported);
    *work->count = 1;
    snprintf(before->name, sizeof before->name, "%.60s", base_name(work->making->from));
    if (!candidate_open(before, work->config, work->model, file, "", work->reason))
        return false;
    if (stat(work->making->from, &status) != 0)
        return REFUSE(work->reason, "%.900s: %s", work->making->from, strerror(errno));
    before->bytes = status.st_size;
    return true;
}

bool making_export(const struct making *making, const struct config *config, const struct model_config *model,
                   const char *workplace, struct candidate *candidates, size_t *count,
                   char reason[OPTIMIZE_REASON_MAX])
{
    const struct work work = {making, config, model, workplace, candidates, count, reason};
    char *file = work_path(&work, "exported.onnx");
    const char *const words[] = {"export", making->from, file, NULL};
    yyjson_doc *said = work_tool(&work, words);
    yyjson_doc_free(said);
    if (said != NULL && open_library(&work, file))
        return work_add(&work, "exported", file);
    free(file);
    return false;
}

/* ---- the library's answers ---- */

/* All of the file; NULL unless it is so many numbers a row, at least `least`. */
static float *read_numbers(const struct work *work, const char *path, size_t rows, size_t least,
                           size_t *width)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    float *numbers = NULL;
    if (fd == -1 || fstat(fd, &status) != 0) {
        snprintf(work->reason, OPTIMIZE_REASON_MAX, "%.900s: %s", path, strerror(errno));
    } else if ((size_t)status.st_size < rows * least * sizeof *numbers ||
               (size_t)status.st_size % (rows * sizeof *numbers) != 0) {
        snprintf(work->reason, OPTIMIZE_REASON_MAX,
                 "the library answers other numbers than the model in ONNX");
    } else {
        numbers = object_alloc((size_t)status.st_size);
        *width = (size_t)status.st_size / sizeof *numbers / rows;
        if (read(fd, numbers, (size_t)status.st_size) != status.st_size) {
            snprintf(work->reason, OPTIMIZE_REASON_MAX, "%.900s: cannot be read", path);
            free(numbers);
            numbers = NULL;
        }
    }
    if (fd != -1)
        close(fd);
    return numbers;
}

/* Rows of a class and its probabilities, or of numbers alone, as the tensors of the schema. */
static bool take_numbers(const struct work *work, struct candidate *before, const float *numbers, size_t rows,
                         size_t width)
{
    const struct schema *schema = measured_schema(before->measured);
    bool classifier = schema->output_count == 2;
    size_t columns = width - classifier, bytes;
    int64_t *labels = object_alloc((rows + 1) * sizeof *labels);
    float *values = object_alloc(rows * columns * sizeof *values);
    size_t *order = object_alloc((rows + 1) * sizeof *order);
    struct tensor tensors[2];
    for (size_t row = 0; row < rows; row++) {
        order[row] = row;
        labels[row] = (int64_t)numbers[row * width];
        memcpy(values + row * columns, numbers + row * width + classifier, columns * sizeof *values);
    }
    for (size_t i = 0; i < schema->output_count; i++) {
        bool is_label = schema->outputs[i].datatype == DATATYPE_INT64;
        tensors[i] =
            (struct tensor){.name = text_of(schema->outputs[i].name),
                            .datatype = schema->outputs[i].datatype,
                            .rank = is_label ? 1 : 2,
                            .shape = {(int64_t)rows, (int64_t)columns},
                            .data = is_label ? (const uint8_t *)labels : (const uint8_t *)values,
                            .bytes = is_label ? rows * sizeof *labels : rows * columns * sizeof *values};
    }
    size_t size = tensors_encoded_size(tensors, schema->output_count);
    uint8_t *payload = object_alloc(size);
    bytes = tensors_encode(tensors, schema->output_count, payload, size, NULL);
    const char *wrong = answers_take(before->answers, order, rows, payload, bytes);
    free(payload);
    free(order);
    free(values);
    free(labels);
    return wrong == NULL || REFUSE(work->reason, "the library's answers cannot be read: %s", wrong);
}

static void take_times(struct candidate *before, yyjson_val *said)
{
    for (size_t i = 0; i < OPTIMIZE_BATCHES; i++) {
        char size[24];
        snprintf(size, sizeof size, "%zu", optimize_batches[i]);
        yyjson_val *us = yyjson_obj_get(yyjson_obj_get(said, "us_per_row"), size);
        if (yyjson_is_num(us))
            before->us[i] = yyjson_get_num(us);
    }
}

bool making_ask_library(const struct making *making, const struct config *config,
                        const struct model_config *model, const char *workplace, struct candidate *candidate,
                        const struct validate_rows *rows, char reason[OPTIMIZE_REASON_MAX])
{
    size_t one = 1, width = 0, count = validate_rows_count(rows);
    const struct work work = {making, config, model, workplace, candidate, &one, reason};
    char *inputs = work_path(&work, "inputs.f32"), *answers = work_path(&work, "answers.f32");
    char columns[WORK_NUMBER_BYTES];
    const char *const words[] = {"answers", making->from, answers, "--rows",
                                 inputs,    "--columns",  columns, NULL};
    yyjson_doc *said = NULL;
    float *numbers = NULL;
    if (work_write_rows(&work, rows, inputs, columns))
        said = work_tool(&work, words);
    if (said != NULL)
        numbers = read_numbers(&work, answers, count,
                               measured_schema(candidate->measured)->output_count == 2 ? 3 : 1, &width);
    candidate->answers = answers_new(measured_schema(candidate->measured), count);
    bool good = numbers != NULL && take_numbers(&work, candidate, numbers, count, width);
    if (good) {
        judge_figures(rows, candidate->answers, &candidate->figures);
        take_times(candidate, yyjson_doc_get_root(said));
    }
    free(numbers);
    yyjson_doc_free(said);
    free(inputs);
    free(answers);
    return good;
}
