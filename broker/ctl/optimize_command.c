/* optimize_command: `outrigger optimize`: makes a version of a model that is smaller, or faster, and tells
 * what that costs. Tools in Python rewrite the file (optimize_tool.c); what comes of it is measured by the
 * engine that would serve it, beside what was before, by rows whose truth is known (optimize_candidate.c); if
 * it is good enough it becomes the next version (optimize_version.c). Nothing need run.
 *
 * The table is printed whatever comes of it: that small models do not get faster by products of eight bits,
 * say, is a result. SPDX-License-Identifier: MIT */
#include "optimize_making.h"
#include "optimize_version.h"
#include "optimize_view.h"
#include "say.h"
#include "wanted_version.h"

#include "log.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { ROWS = 100000, ROWS_MAX = 10000000 };

#define MAX_DROP              0.01
#define EQUAL                 1e-5 /* of the larger number, or of 1 */
#define REFUSE(optimize, ...) (snprintf((optimize)->reason, OPTIMIZE_REASON_MAX, __VA_ARGS__), false)

struct optimize {
    const struct arguments *arguments;
    const struct config *config;
    struct wanted_version wanted; /* that is optimised */
    struct making making;
    struct validate_rows *rows;
    struct candidate candidates[1 + MAKING_MAX];
    char *workplace;
    size_t count; /* of them: that before, and what was made */
    size_t best;  /* the one that becomes a version; 0: none */
    double max_drop;
    char *published;
    char reason[OPTIMIZE_REASON_MAX];
};

/* ---- what is to be optimised ---- */

static bool find_version(struct optimize *optimize)
{
    struct wanted_version *wanted = &optimize->wanted;
    bool is_first = optimize->making.method == MAKING_EXPORT; /* there need be none before it */
    if (!wanted_version_find(wanted, optimize->config, optimize->arguments->operands[0], optimize->reason))
        return false;
    optimize->making.version = wanted->version;
    return *wanted->version != '\0' || is_first ||
           REFUSE(optimize, "the model %s has no version", wanted->model->name);
}

static bool open_before(struct optimize *optimize)
{
    struct config_errors errors = {0};
    const char *backend;
    char *file = model_file(optimize->wanted.model, optimize->wanted.version, &backend, &errors);
    if (file == NULL)
        return REFUSE(optimize, "%.*s", (int)strcspn(errors.text, "\n"), errors.text);
    struct candidate *before = &optimize->candidates[0];
    optimize->count = 1;
    snprintf(before->name, sizeof before->name, "version %.50s", optimize->wanted.version);
    before->file = file;
    if (strcmp(backend, "onnx") != 0)
        return REFUSE(optimize, "%.900s: only models in ONNX are optimised; --from FILE writes one in ONNX",
                      file);
    return candidate_open(before, optimize->config, optimize->wanted.model, file,
                          config_signing_keys(optimize->config, optimize->wanted.model->name),
                          optimize->reason);
}

/* ---- the rows ---- */

static bool read_rows(struct optimize *optimize)
{
    struct wanted_version *wanted = &optimize->wanted;
    const struct schema *schema = measured_schema(optimize->candidates[0].measured);
    const char *first;
    char why[VALIDATE_REASON_MAX];
    if (!wanted_version_data(wanted, optimize->arguments, optimize->reason))
        return false;
    optimize->making.target = wanted->target;
    optimize->making.most_rows = (size_t)arguments_number(optimize->arguments, OPTION_ROWS, ROWS);
    optimize->rows = validate_rows_new(wanted->data, schema, wanted->target, optimize->making.most_rows, why);
    if (optimize->rows == NULL)
        return REFUSE(optimize, "%.400s: %s", wanted->data, why);
    uint64_t refused = validate_rows_refused(optimize->rows, &first);
    if (refused > 0)
        fprintf(stderr, "%s: %" PRIu64 " rows are passed over, the first because of %s\n", wanted->data,
                refused, first);
    return true;
}

/* ---- measuring ---- */

static bool measure_all(struct optimize *optimize)
{
    struct candidate *all = optimize->candidates;
    for (size_t i = 0; i < optimize->count; i++) {
        char why[OPTIMIZE_REASON_MAX];
        bool is_library = i == 0 && optimize->making.method == MAKING_EXPORT;
        if (is_library ? !making_ask_library(&optimize->making, optimize->config, optimize->wanted.model,
                                             optimize->workplace, &all[i], optimize->rows, why)
                       : !candidate_answer(&all[i], optimize->rows, why) ||
                             !candidate_ask_alone(&all[i], optimize->rows, why))
            return REFUSE(optimize, "%s: %.900s", all[i].name, why);
        if ((i > 0 && !candidate_compare(&all[i], &all[0], why)))
            return REFUSE(optimize, "%s: %.900s", all[i].name, why);
    }
    size_t first = optimize->making.method == MAKING_EXPORT ? 1 : 0;
    return candidates_time(all + first, optimize->count - first, optimize->rows, optimize->reason);
}

static double drop_of(const struct optimize *optimize, size_t i)
{
    return candidate_quality(&optimize->candidates[0]) - candidate_quality(&optimize->candidates[i]);
}

/* The last one that is good enough: a sweep goes from little to much. What cannot be told is not. */
static void choose(struct optimize *optimize)
{
    const double rounding = 1e-12;
    for (size_t i = 1; i < optimize->count; i++)
        if (drop_of(optimize, i) <= optimize->max_drop + rounding)
            optimize->best = i;
}

/* ---- what comes of it ---- */

static const char *quality_name(const struct optimize *optimize)
{
    return measured_schema(optimize->candidates[0].measured)->regression ? "R2" : "accuracy";
}

static void say_refusal(struct optimize *optimize)
{
    double least = INFINITY;
    for (size_t i = 1; i < optimize->count; i++)
        least = fmin(least, drop_of(optimize, i));
    if (isinf(least))
        snprintf(optimize->reason, OPTIMIZE_REASON_MAX, "no version is made: the %s is not known",
                 quality_name(optimize));
    else
        snprintf(optimize->reason, OPTIMIZE_REASON_MAX,
                 "no version is made: the %s drops by %.4f, and --max-accuracy-drop is %g",
                 quality_name(optimize), least, optimize->max_drop);
}

static void print(const struct optimize *optimize, bool good)
{
    const struct model_config *model = optimize->wanted.model;
    const struct candidate *best = &optimize->candidates[optimize->best];
    if (optimize->arguments->json) {
        yyjson_mut_doc *document = say_new();
        yyjson_mut_val *root = yyjson_mut_doc_get_root(document);
        if (!good)
            say_set_error(document, optimize->reason);
        yyjson_mut_obj_add_str(document, root, "model", model->name);
        yyjson_mut_obj_add_uint(document, root, "rows", validate_rows_count(optimize->rows));
        optimize_add_json(document, root, optimize->candidates, optimize->count);
        if (optimize->published != NULL)
            yyjson_mut_obj_add_str(document, root, "version", optimize->published);
        say_json(document);
    } else {
        optimize_print_table(optimize->candidates, optimize->count, stdout, say_coloured());
        if (optimize->published != NULL)
            printf("%s: %s is version %s, with a golden.json of its own answers\n", model->name, best->name,
                   optimize->published);
    }
    if (!good)
        fprintf(stderr, "outrigger: %s\n", optimize->reason);
}

/* An export is of the same model, or none. */
static bool is_equal(struct optimize *optimize)
{
    const struct candidate *all = optimize->candidates;
    size_t first;
    double largest;
    if (optimize->making.method != MAKING_EXPORT)
        return true;
    size_t differ = answers_differ(all[0].answers, all[1].answers, EQUAL, &first, &largest);
    return differ == 0 || REFUSE(optimize,
                                 "no version is made: %zu answers differ by more than %g from the library's, "
                                 "the first to row %zu, at most by %.3g",
                                 differ, EQUAL, first + 1, largest);
}

static bool publish(struct optimize *optimize)
{
    char why[OPTIMIZE_REASON_MAX];
    if (!is_equal(optimize))
        return false;
    choose(optimize);
    if (optimize->best == 0) {
        say_refusal(optimize);
        return false;
    }
    if (arguments_has(optimize->arguments, OPTION_DRY_RUN))
        return true;
    optimize->published =
        optimize_publish(&optimize->candidates[optimize->best], optimize->config, optimize->wanted.model,
                         optimize->workplace, optimize->rows, making_tolerance(&optimize->making), why);
    return optimize->published != NULL || REFUSE(optimize, "no version is made: %.900s", why);
}

/* The candidates: what was before, and what is made of it. */
static bool make_all(struct optimize *optimize)
{
    optimize->workplace = optimize_workplace(optimize->wanted.model, optimize->reason);
    if (optimize->workplace == NULL)
        return false;
    if (optimize->making.method == MAKING_EXPORT)
        return making_export(&optimize->making, optimize->config, optimize->wanted.model, optimize->workplace,
                             optimize->candidates, &optimize->count, optimize->reason) &&
               read_rows(optimize);
    return open_before(optimize) && read_rows(optimize) &&
           making_run(&optimize->making, optimize->config, optimize->wanted.model, optimize->workplace,
                      optimize->candidates, &optimize->count, optimize->reason);
}

static int optimize_model(struct optimize *optimize)
{
    int status = CTL_FAULT;
    if (find_version(optimize) && make_all(optimize) && measure_all(optimize)) {
        status = publish(optimize) ? CTL_GOOD : CTL_FAULT;
        print(optimize, status == CTL_GOOD);
    } else {
        say_fault(optimize->arguments, status, "%s", optimize->reason);
    }
    validate_rows_free(optimize->rows); /* they know the schema of the first */
    for (size_t i = 0; i < COUNT_OF(optimize->candidates); i++)
        candidate_free(&optimize->candidates[i]);
    optimize_clear(optimize->workplace);
    return status;
}

/* 0.01 or 1%. */
static bool read_drop(const char *text, double *drop)
{
    char *end;
    if (text == NULL)
        return true;
    if (strchr(text, '%') != NULL)
        return value_percent(text, true, drop);
    *drop = strtod(text, &end);
    return end != text && *end == '\0' && *drop >= 0 && *drop <= 1;
}

int optimize_command(const struct arguments *arguments)
{
    struct optimize optimize = {.arguments = arguments, .max_drop = MAX_DROP};
    char why[OPTIMIZE_REASON_MAX];
    int64_t rows = arguments_number(arguments, OPTION_ROWS, ROWS);
    if (rows < 1 || rows > ROWS_MAX)
        return say_usage(arguments, "--rows: 1 to %d", ROWS_MAX);
    if (!read_drop(arguments_text(arguments, OPTION_MAX_ACCURACY_DROP), &optimize.max_drop))
        return say_usage(arguments, "--max-accuracy-drop: expected a share such as 0.01 or 1%%, got %s",
                         arguments_text(arguments, OPTION_MAX_ACCURACY_DROP));
    if (!making_read(arguments, &optimize.making, why))
        return say_usage(arguments, "%s", why);
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    log_open("outrigger", "warning");
    signal(SIGPIPE, SIG_IGN); /* a worker may end while it is asked */
    umask(S_IWGRP | S_IWOTH); /* the worker that reads what is made may be another user */
    optimize.config = config;
    int status = optimize_model(&optimize);
    wanted_version_clear(&optimize.wanted);
    free(optimize.published);
    config_free(config);
    return status;
}
