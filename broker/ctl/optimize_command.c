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

#include "log.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>

enum { ROWS = 100000, ROWS_MAX = 10000000 };

#define MAX_DROP              0.01
#define REFUSE(optimize, ...) (snprintf((optimize)->reason, OPTIMIZE_REASON_MAX, __VA_ARGS__), false)

struct optimize {
    const struct arguments *arguments;
    const struct config *config;
    struct model_list *models;
    const struct model_config *model;
    const char *version; /* that is optimised */
    struct making making;
    struct validate_rows *rows;
    struct candidate candidates[1 + MAKING_MAX];
    size_t count; /* of them: that before, and what was made */
    size_t best;  /* the one that becomes a version; 0: none */
    double max_drop;
    char *published;
    char reason[OPTIMIZE_REASON_MAX];
};

/* ---- what is to be optimised ---- */

/* The operand is MODEL or MODEL:VERSION; without a version it is the highest. */
static bool find_version(struct optimize *optimize)
{
    const char *operand = optimize->arguments->operands[0], *colon = strchr(operand, ':');
    struct text name = {operand, colon == NULL ? strlen(operand) : (size_t)(colon - operand)};
    struct config_errors errors = {0};
    optimize->models = model_list_load(optimize->config->models_directory, &errors);
    optimize->model = model_list_find(optimize->models, name);
    if (optimize->model == NULL)
        return REFUSE(optimize, "there is no model %.*s in %s%s%.*s", (int)name.length, name.at,
                      optimize->config->models_directory, errors.count > 0 ? ": " : "",
                      errors.count > 0 ? (int)strcspn(errors.text, "\n") : 0, errors.text);
    const struct config_names *versions = &optimize->model->versions;
    optimize->version = versions->count == 0 ? "" : versions->names[versions->count - 1];
    for (size_t i = 0; colon != NULL && i < versions->count; i++)
        if (strcmp(versions->names[i], colon + 1) == 0)
            optimize->version = versions->names[i];
    return versions->count > 0 && (colon == NULL || strcmp(optimize->version, colon + 1) == 0)
               ? true
               : REFUSE(optimize, "the model %s has no version%s%s", optimize->model->name,
                        colon == NULL ? "" : " ", colon == NULL ? "" : colon + 1);
}

static bool open_before(struct optimize *optimize)
{
    struct config_errors errors = {0};
    const char *backend;
    char *file = model_file(optimize->model, optimize->version, &backend, &errors);
    if (file == NULL)
        return REFUSE(optimize, "%.*s", (int)strcspn(errors.text, "\n"), errors.text);
    struct candidate *before = &optimize->candidates[0];
    optimize->count = 1;
    snprintf(before->name, sizeof before->name, "version %.50s", optimize->version);
    before->file = file;
    if (strcmp(backend, "onnx") != 0)
        return REFUSE(optimize, "%.900s: only models in ONNX are optimised", file);
    return candidate_open(before, optimize->config, optimize->model, file,
                          config_signing_keys(optimize->config, optimize->model->name), optimize->reason);
}

/* ---- the rows ---- */

static bool read_rows(struct optimize *optimize)
{
    const struct arguments *arguments = optimize->arguments;
    const struct model_config *model = optimize->model;
    const char *said = arguments_text(arguments, OPTION_DATA);
    const char *target = arguments_text(arguments, OPTION_TARGET);
    char *path, why[VALIDATE_REASON_MAX];
    target = target == NULL ? model->validation_target : target;
    if (said == NULL && *model->validation_data == '\0')
        return REFUSE(optimize, "--data FILE says by which rows, or validation.data in the model.conf");
    if (*target == '\0')
        return REFUSE(optimize, "--target COLUMN says where their truth stands, or validation.target");
    if (said != NULL || *model->validation_data == '/')
        path = object_strdup(said != NULL ? said : model->validation_data);
    else
        ENSURE(asprintf(&path, "%s/%s", model->directory, model->validation_data) >= 0);
    size_t most = (size_t)arguments_number(arguments, OPTION_ROWS, ROWS);
    optimize->making.target = target;
    optimize->making.most_rows = most;
    optimize->rows =
        validate_rows_new(path, measured_schema(optimize->candidates[0].measured), target, most, why);
    bool good = optimize->rows != NULL || REFUSE(optimize, "%.400s: %s", path, why);
    const char *first = "";
    if (good && validate_rows_refused(optimize->rows, &first) > 0)
        fprintf(stderr, "%s: %" PRIu64 " rows are passed over, the first because of %s\n", path,
                validate_rows_refused(optimize->rows, &first), first);
    if (good && validate_rows_count(optimize->rows) == 0)
        good = REFUSE(optimize, "%.400s: there are no rows that the model takes%s%.300s", path,
                      *first == '\0' ? "" : ": ", first);
    free(path);
    return good;
}

/* ---- measuring ---- */

static bool measure_all(struct optimize *optimize)
{
    struct candidate *all = optimize->candidates;
    for (size_t i = 0; i < optimize->count; i++) {
        char why[OPTIMIZE_REASON_MAX];
        if (!candidate_answer(&all[i], optimize->rows, why) ||
            !candidate_ask_alone(&all[i], optimize->rows, why) ||
            (i > 0 && !candidate_compare(&all[i], &all[0], why)))
            return REFUSE(optimize, "%s: %.900s", all[i].name, why);
    }
    return candidates_time(all, optimize->count, optimize->rows, optimize->reason);
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
    const struct model_config *model = optimize->model;
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

static bool publish(struct optimize *optimize, const char *workplace)
{
    char why[OPTIMIZE_REASON_MAX];
    choose(optimize);
    if (optimize->best == 0) {
        say_refusal(optimize);
        return false;
    }
    if (arguments_has(optimize->arguments, OPTION_DRY_RUN))
        return true;
    optimize->published =
        optimize_publish(&optimize->candidates[optimize->best], optimize->config, optimize->model, workplace,
                         optimize->rows, making_tolerance(&optimize->making), why);
    return optimize->published != NULL || REFUSE(optimize, "no version is made: %.900s", why);
}

static int optimize_model(struct optimize *optimize)
{
    char *workplace = NULL;
    bool good = find_version(optimize) && open_before(optimize) && read_rows(optimize);
    if (good)
        workplace = optimize_workplace(optimize->model, optimize->reason);
    good = workplace != NULL &&
           making_run(&optimize->making, optimize->config, optimize->model, workplace, optimize->candidates,
                      &optimize->count, optimize->reason) &&
           measure_all(optimize);
    int status = CTL_GOOD;
    if (good) {
        status = publish(optimize, workplace) ? CTL_GOOD : CTL_FAULT;
        print(optimize, status == CTL_GOOD);
    } else {
        status = say_fault(optimize->arguments, CTL_FAULT, "%s", optimize->reason);
    }
    validate_rows_free(optimize->rows); /* they know the schema of the first */
    for (size_t i = 0; i < COUNT_OF(optimize->candidates); i++)
        candidate_free(&optimize->candidates[i]);
    optimize_clear(workplace);
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
    optimize.config = config;
    int status = optimize_model(&optimize);
    model_list_free(optimize.models);
    free(optimize.published);
    config_free(config);
    return status;
}
