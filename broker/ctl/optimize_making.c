/* optimize_making: see optimize_making.h. Called by optimize_command.c. What the tools need to know of rows
 * and answers is asked of the model here, by the engine, and handed to them as plain numbers; so there is one
 * reader of tables, and no engine in Python. SPDX-License-Identifier: MIT */
#include "optimize_work.h"

#include "optimize_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE_ROWS = 1024 };

#define REFUSE(reason, ...) (snprintf((reason), OPTIMIZE_REASON_MAX, __VA_ARGS__), false)

/* ---- options ---- */

static const char *const method_names[] = {"dynamic-int8", "static-int8", "prune",
                                           "distill",      "graph",       "export"};

/* "0.3,0.5,0.7", from little to much. */
static bool read_shares(const char *text, struct making *making)
{
    double before = 0;
    for (const char *at = text; making->share_count < MAKING_MAX; at++) {
        char *end;
        double share = strtod(at, &end);
        if (end == at || !(share > before) || share >= 1 || (*end != ',' && *end != '\0'))
            return false;
        making->shares[making->share_count++] = before = share;
        if (*end == '\0')
            return true;
        at = end;
    }
    return false;
}

/* The method that the options make, each of which belongs to one. */
static bool find_method(const struct arguments *arguments, struct making *making, char *reason)
{
    static const struct {
        enum option_id option;
        const char *name;
        enum making_method method;
    } of[] = {{OPTION_CALIBRATE, "calibrate", MAKING_STATIC_INT8},
              {OPTION_PRUNE, "prune", MAKING_PRUNE},
              {OPTION_DISTILL, "distill", MAKING_DISTILL},
              {OPTION_HIDDEN, "hidden", MAKING_DISTILL},
              {OPTION_OPTIMIZE_FROM, "from", MAKING_EXPORT}};
    const char *said = arguments_text(arguments, OPTION_METHOD);
    bool known = said != NULL;
    for (size_t i = 0; known && i < COUNT_OF(method_names); i++)
        if (strcmp(said, method_names[i]) == 0)
            making->method = (enum making_method)i;
    for (size_t i = 0; i < COUNT_OF(of); i++) {
        if (!arguments_has(arguments, of[i].option))
            continue;
        if (known && making->method != of[i].method)
            return REFUSE(reason, "--%s is of the method %s, not of %s", of[i].name,
                          method_names[of[i].method], method_names[making->method]);
        making->method = of[i].method;
        known = true;
    }
    return true;
}

bool making_read(const struct arguments *arguments, struct making *making, char reason[OPTIMIZE_REASON_MAX])
{
    const char *shares = arguments_text(arguments, OPTION_PRUNE);
    *making = (struct making){.calibrate = arguments_text(arguments, OPTION_CALIBRATE),
                              .distill = arguments_text(arguments, OPTION_DISTILL),
                              .hidden = arguments_text(arguments, OPTION_HIDDEN),
                              .from = arguments_text(arguments, OPTION_OPTIMIZE_FROM)};
    if (!find_method(arguments, making, reason))
        return false;
    if (making->method == MAKING_STATIC_INT8 && making->calibrate == NULL)
        return REFUSE(reason, "static-int8 needs --calibrate FILE");
    if (making->method == MAKING_DISTILL && making->distill == NULL)
        return REFUSE(reason, "distill needs --distill FILE");
    if (making->method == MAKING_EXPORT && making->from == NULL)
        return REFUSE(reason, "export needs --from FILE");
    if (making->method == MAKING_PRUNE && !read_shares(shares == NULL ? "0.3,0.5,0.7" : shares, making))
        return REFUSE(
            reason, "--prune: expected at most %d shares between 0 and 1, ascending, such as 0.3,0.5, got %s",
            MAKING_MAX, shares);
    making->hidden = making->hidden == NULL ? "32" : making->hidden;
    return true;
}

double making_tolerance(const struct making *making)
{
    bool of_bits = making->method == MAKING_DYNAMIC_INT8 || making->method == MAKING_STATIC_INT8;
    return of_bits ? 2e-3 : 1e-5; /* a number that rounds to the other side is a step of 8 bits away */
}

/* ---- tools, files ---- */

char *work_path(const struct work *work, const char *name)
{
    char *path;
    ENSURE(asprintf(&path, "%s/%s", work->workplace, name) >= 0);
    return path;
}

yyjson_doc *work_tool(const struct work *work, const char *const *words)
{
    char *python = model_python(work->model, work->making->version, work->config->python);
    yyjson_doc *said = optimize_tool(work->config, python, words, work->reason, OPTIMIZE_REASON_MAX);
    free(python);
    return said;
}

static bool run_tool(const struct work *work, const char *const *words)
{
    yyjson_doc *said = work_tool(work, words);
    yyjson_doc_free(said);
    return said != NULL;
}

static bool write_numbers(const struct work *work, int fd, const void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t written = write(fd, (const char *)bytes + done, length - done);
        if (written < 0 && errno != EINTR)
            return REFUSE(work->reason, "%.900s: %s", work->workplace, strerror(errno));
        done += written < 0 ? 0 : (size_t)written;
    }
    return true;
}

static bool create(const struct work *work, const char *path, int *fd)
{
    enum { MODE = 0644 };
    *fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
    return *fd != -1 || REFUSE(work->reason, "%.900s: %s", path, strerror(errno));
}

bool work_add(const struct work *work, const char *name, char *file)
{
    struct candidate *candidate = &work->candidates[(*work->count)++];
    char why[OPTIMIZE_REASON_MAX];
    snprintf(candidate->name, sizeof candidate->name, "%s", name);
    return candidate_open(candidate, work->config, work->model, file, "", why) ||
           REFUSE(work->reason, "%s: %.900s", name, why);
}

/* ---- rows and what is answered to them ---- */

static struct validate_rows *read_rows(const struct work *work, const char *path)
{
    char why[VALIDATE_REASON_MAX];
    const struct schema *schema = measured_schema(work->candidates[0].measured);
    struct validate_rows *rows =
        validate_rows_untold(path, schema, work->making->target, work->making->most_rows, why);
    if (rows == NULL)
        snprintf(work->reason, OPTIMIZE_REASON_MAX, "%.400s: %s", path, why);
    return rows;
}

/* Writes the numbers of the first output of floats. */
static bool write_answer(const struct work *work, const uint8_t *payload, size_t bytes, size_t rows, int fd)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, answered;
    const char *wrong = tensors_decode(payload, bytes, tensors, &count, &answered);
    if (wrong != NULL || answered != rows)
        return REFUSE(work->reason, "an answer cannot be read: %s",
                      wrong != NULL ? wrong : "it has another number of rows");
    for (size_t i = 0; i < count; i++)
        if (tensors[i].datatype == DATATYPE_FP32)
            return write_numbers(work, fd, tensors[i].data, tensors[i].bytes);
    return REFUSE(work->reason, "it answers no numbers (FP32)");
}

/* Asks for all rows; the numbers go to a new file. */
static bool write_answers(const struct work *work, struct measured *measured,
                          const struct validate_rows *rows, const char *path)
{
    size_t all = validate_rows_count(rows), order[PIECE_ROWS], bytes, length;
    int fd;
    bool good = create(work, path, &fd);
    for (size_t at = 0; good && at < all; at += PIECE_ROWS) {
        size_t count = all - at < PIECE_ROWS ? all - at : PIECE_ROWS;
        for (size_t i = 0; i < count; i++)
            order[i] = at + i;
        uint8_t *payload = validate_rows_payload(rows, order, count, &bytes);
        const uint8_t *answer = measured_ask(measured, payload, bytes, &length, work->reason);
        good = answer != NULL && write_answer(work, answer, length, count, fd);
        free(payload);
    }
    if (fd != -1)
        close(fd);
    return good;
}

bool work_write_rows(const struct work *work, const struct validate_rows *rows, const char *path,
                     char columns[WORK_NUMBER_BYTES])
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count = validate_rows_tensors(rows, tensors);
    int fd;
    if (count != 1 || tensors[0].datatype != DATATYPE_FP32)
        return REFUSE(work->reason, "only models whose one input is FP32 can be learned from");
    snprintf(columns, WORK_NUMBER_BYTES, "%zu",
             tensor_row_bytes(&tensors[0]) / datatype_bytes(tensors[0].datatype));
    if (!create(work, path, &fd))
        return false;
    bool good = write_numbers(work, fd, tensors[0].data, tensors[0].bytes);
    close(fd);
    return good;
}

/* ---- methods ---- */

/* A candidate more, if its file was made. */
static bool add_made(const struct work *work, bool made, const char *name, char *file)
{
    if (made)
        return work_add(work, name, file);
    free(file);
    return false;
}

static bool make_dynamic(const struct work *work)
{
    char *file = work_path(work, "dynamic.onnx");
    const char *const words[] = {"dynamic-int8", work->candidates[0].file, file, NULL};
    return add_made(work, run_tool(work, words), "dynamic int8", file);
}

/* What the activations of the model are, for those rows. */
static bool find_ranges(const struct work *work, const char *exposed, const char *ranges)
{
    const char *const words[] = {"expose", work->candidates[0].file, exposed, NULL};
    struct validate_rows *rows = read_rows(work, work->making->calibrate);
    struct measured *measured = NULL;
    bool good = rows != NULL && run_tool(work, words);
    if (good)
        measured = measured_new(work->config, NULL, exposed, "", work->reason);
    good = measured != NULL && write_answers(work, measured, rows, ranges);
    measured_free(measured);
    validate_rows_free(rows);
    return good;
}

static bool make_static(const struct work *work)
{
    char *exposed = work_path(work, "exposed.onnx"), *ranges = work_path(work, "ranges.f32");
    char *file = work_path(work, "static.onnx");
    const char *const words[] = {"static-int8", work->candidates[0].file, file, "--ranges", ranges, NULL};
    bool made = find_ranges(work, exposed, ranges) && run_tool(work, words);
    free(exposed);
    free(ranges);
    return add_made(work, made, "static int8", file);
}

static bool make_pruned(const struct work *work)
{
    for (size_t i = 0; i < work->making->share_count; i++) {
        char share[WORK_NUMBER_BYTES], name[CANDIDATE_NAME_MAX];
        snprintf(share, sizeof share, "%.9g", work->making->shares[i]);
        snprintf(name, sizeof name, "pruned-%zu.onnx", i);
        char *file = work_path(work, name);
        const char *const words[] = {"prune", work->candidates[0].file, file, "--share", share, NULL};
        snprintf(name, sizeof name, "pruned %.4g %%", 100 * work->making->shares[i]);
        if (!add_made(work, run_tool(work, words), name, file))
            return false;
    }
    return true;
}

static bool make_student(const struct work *work)
{
    char *inputs = work_path(work, "rows.f32"), *targets = work_path(work, "targets.f32");
    char *file = work_path(work, "student.onnx"), columns[WORK_NUMBER_BYTES], name[CANDIDATE_NAME_MAX];
    const char *const words[] = {"distill",
                                 work->candidates[0].file,
                                 file,
                                 "--rows",
                                 inputs,
                                 "--columns",
                                 columns,
                                 "--targets",
                                 targets,
                                 "--hidden",
                                 work->making->hidden,
                                 NULL};
    struct validate_rows *rows = read_rows(work, work->making->distill);
    bool made = rows != NULL && work_write_rows(work, rows, inputs, columns) &&
                write_answers(work, work->candidates[0].measured, rows, targets) && run_tool(work, words);
    snprintf(name, sizeof name, "student of %.40s", work->making->hidden);
    validate_rows_free(rows);
    free(inputs);
    free(targets);
    return add_made(work, made, name, file);
}

/* The engine itself writes it. */
static bool make_graph(const struct work *work)
{
    char *file = work_path(work, "graph.onnx"), program[4096];
    snprintf(program, sizeof program, "%s/outrigger-worker", work->config->binary_directory);
    const char *const words[] = {
        program, "--graph", work->candidates[0].file, file, work->config->sandbox_mode, NULL};
    int fd;
    bool made = create(work, file, &fd);
    if (made) {
        close(fd);
        made = optimize_program(words, work->reason, OPTIMIZE_REASON_MAX);
    }
    return add_made(work, made, "optimised graph", file);
}

bool making_run(const struct making *making, const struct config *config, const struct model_config *model,
                const char *workplace, struct candidate *candidates, size_t *count,
                char reason[OPTIMIZE_REASON_MAX])
{
    const struct work work = {making, config, model, workplace, candidates, count, reason};
    switch (making->method) {
    case MAKING_STATIC_INT8:
        return make_static(&work);
    case MAKING_PRUNE:
        return make_pruned(&work);
    case MAKING_DISTILL:
        return make_student(&work);
    case MAKING_GRAPH:
        return make_graph(&work);
    case MAKING_DYNAMIC_INT8:
        return make_dynamic(&work);
    case MAKING_EXPORT: /* making_export */
        break;
    }
    return REFUSE(reason, "an export is not made of a version");
}
