/* validate_command: `outrigger validate`: whether a version is good enough to serve, by rows whose truth is
 * known. It asks the version as everybody does, of a private Outrigger that serves it to nobody else
 * (private_stack.c), or of the one that runs (--running).
 *
 * The rows are asked for three times: in batches as large as they may be, which is what figures, times and
 * distributions are taken from; in another order and in odd batches; and, some of them, alone. A model gives
 * the same answers each time, or what it answers depends on who else asks. Then come rows at the edges of its
 * schema. The supervisor runs this for versions whose model.conf says gate = true (supervisor/vetting.c).
 * SPDX-License-Identifier: MIT */
#include "bar.h"
#include "private_stack.h"
#include "say.h"
#include "validate_asking.h"
#include "validate_judging.h"
#include "wanted_version.h"

#include "clock.h"
#include "contents.h"
#include "log.h"
#include "model_config.h"
#include "schema_fields.h"
#include "splitmix.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    VALIDATE_PASSED = CTL_GOOD,
    VALIDATE_FAILED = CTL_FAULT, /* a check did */
    VALIDATE_NOT_RUN = CTL_USAGE,
    ROWS = 100000,
    ROWS_MAX = 10000000,
    BATCH_MAX = 1024, /* rows of a request */
    ODD_BATCH = 7,
    ALONE = 200, /* rows that are asked alone, too */
    NICEST = 19
};

/* How long a running broker may take to tell of the version, and ours when it is there. */
#define CATALOG_TIME (10 * SECOND)

struct validate {
    const struct arguments *arguments;
    const struct config *config;   /* the operator's */
    struct wanted_version wanted;  /* its model with what the command line says */
    struct private_stack *stack;   /* NULL with --running */
    struct asking *asking, *other; /* the version's, and that of --against */
    const struct schema *schema, *other_schema;
    struct validate_rows *rows;
    struct answers *natural; /* NULL until they were asked for */
    struct asked asked;
    struct edges edges;
    struct validation report;
    int64_t until; /* of all of it */
    size_t to_ask; /* rows, as far as it is known */
    size_t told;   /* of them, before the pass that is under way */
    struct bar bar;
    char reason[PRIVATE_REASON_MAX];
};

#define REFUSE(validate, ...) (snprintf((validate)->reason, PRIVATE_REASON_MAX, __VA_ARGS__), false)

/* ---- how far it is ---- */

static void show_progress(void *self, size_t rows)
{
    struct validate *validate = self;
    bar_draw(&validate->bar,
             validate->to_ask == 0 ? 0 : (int)(100 * (validate->told + rows) / validate->to_ask));
}

/* ---- what is to be validated ---- */

/* What the command line says of thresholds holds instead of model.conf's. */
static bool take_thresholds(struct validate *validate)
{
    struct config_errors errors = {0};
    struct parameter_reader *reader =
        parameter_reader_new(model_config_parameters(), validate->wanted.model, "", &errors);
    const char *setting;
    for (size_t i = 0; (setting = arguments_text_at(validate->arguments, OPTION_THRESHOLD, i)) != NULL; i++) {
        char *full;
        ENSURE(asprintf(&full, "validation.%s", setting) >= 0);
        parameter_set_by(reader, "--threshold", full);
        free(full);
    }
    parameter_reader_free(reader);
    return errors.count == 0 || REFUSE(validate, "%.*s", (int)strcspn(errors.text, "\n"), errors.text);
}

static bool find_version(struct validate *validate)
{
    const char *against = arguments_text(validate->arguments, OPTION_VALIDATE_AGAINST);
    struct wanted_version *wanted = &validate->wanted;
    if (!wanted_version_find(wanted, validate->config, validate->arguments->operands[0], validate->reason))
        return false;
    if (*wanted->version == '\0')
        return REFUSE(validate, "the model %s has no version", wanted->model->name);
    if (against != NULL && !model_has_version(wanted->model, against))
        return REFUSE(validate, "the model %s has no version %s", wanted->model->name, against);
    text_copy(text_of(wanted->model->name), validate->report.model, sizeof validate->report.model);
    text_copy(text_of(wanted->version), validate->report.version, sizeof validate->report.version);
    if (against != NULL && strcmp(against, wanted->version) != 0)
        text_copy(text_of(against), validate->report.against, sizeof validate->report.against);
    return take_thresholds(validate);
}

/* ---- where it is asked ---- */

static int64_t time_left(const struct validate *validate)
{
    int64_t left = validate->until - clock_now();
    return left > 0 ? left : 0;
}

/* False with *failed: the version is not served, which is its own fault, and a check of its own. */
static bool start_stack(struct validate *validate, bool *failed)
{
    const char *version = validate->report.version, *against = validate->report.against;
    char why[PRIVATE_REASON_MAX];
    const char *other = *against == '\0' ? NULL : against;
    validate->stack = private_stack_new(validate->config, validate->wanted.models, validate->report.model,
                                        version, other, validate->reason);
    if (validate->stack == NULL)
        return false;
    if (!private_stack_wait(validate->stack, version, time_left(validate), failed, why)) {
        if (*failed)
            validation_add(&validate->report, "starts", CHECK_FAILED, NAN, NULL, 0, "%.590s", why);
        return REFUSE(validate, "version %s of %s does not start: %.700s", version, validate->report.model,
                      why);
    }
    bool unused;
    return other == NULL || private_stack_wait(validate->stack, other, time_left(validate), &unused, why) ||
           REFUSE(validate, "version %s of %s does not start: %.700s", other, validate->report.model, why);
}

static const struct schema *connect_to(struct validate *validate, const char *version, struct asking **asking)
{
    const struct config *config =
        validate->stack != NULL ? private_stack_config(validate->stack) : validate->config;
    *asking = asking_new(config, time_left(validate));
    return asking_version(*asking, validate->report.model, version, CATALOG_TIME, validate->reason);
}

static bool connect_all(struct validate *validate)
{
    char how[400];
    validate->schema = connect_to(validate, validate->report.version, &validate->asking);
    if (validate->schema == NULL)
        return false;
    text_copy(text_of(schema_digest(validate->schema)), validate->report.digest,
              sizeof validate->report.digest);
    if (*validate->report.against == '\0')
        return true;
    validate->other_schema = connect_to(validate, validate->report.against, &validate->other);
    return validate->other_schema != NULL &&
           (schema_same_inputs(validate->schema, validate->report.version, validate->other_schema,
                               validate->report.against, how, sizeof how) ||
            REFUSE(validate, "version %s takes other rows than version %s: %s", validate->report.against,
                   validate->report.version, how));
}

/* ---- passes ---- */

struct pass {
    struct asking *asking;
    const struct validate_rows *rows;
    const size_t *order;
    size_t count, batch;
    struct answers *answers;
    struct asked asked;
};

static bool run_pass(struct validate *validate, struct pass *pass)
{
    asking_tell(pass->asking, show_progress, validate);
    bool good = asking_rows(pass->asking, pass->rows, pass->order, pass->count, pass->batch, pass->answers,
                            &pass->asked, validate->reason);
    asking_tell(pass->asking, NULL, NULL);
    validate->told += pass->count;
    return good;
}

static size_t *order_of(size_t count)
{
    size_t *order = object_alloc((count + 1) * sizeof *order);
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    return order;
}

/* The same each time, so that what fails today does so tomorrow (Fisher, Yates). */
static void shuffle(size_t *order, size_t count)
{
    uint64_t state = 1;
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)(splitmix_next(&state) % i), kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

static size_t large_batch(const struct validate *validate)
{
    int64_t most = validate->wanted.model->batching_max_batch_rows;
    return most < BATCH_MAX ? (size_t)most : BATCH_MAX;
}

/* Asks for rows once more, and judges whether the answers are the same. */
static bool ask_again(struct validate *validate, const char *name, const size_t *order, size_t count,
                      size_t batch)
{
    struct pass pass = {.asking = validate->asking,
                        .rows = validate->rows,
                        .order = order,
                        .count = count,
                        .batch = batch,
                        .answers = answers_new(validate->schema, validate_rows_count(validate->rows))};
    bool good = run_pass(validate, &pass);
    if (good && validate->natural->values != NULL && pass.answers->values != NULL)
        judge_again(&validate->report, validate->wanted.model, name, validate->natural, pass.answers,
                    &pass.asked);
    answers_free(pass.answers);
    return good;
}

static bool ask_in_order(struct validate *validate, const size_t *order, size_t count)
{
    struct pass pass = {.asking = validate->asking,
                        .rows = validate->rows,
                        .order = order,
                        .count = count,
                        .batch = large_batch(validate)};
    pass.answers = validate->natural = answers_new(validate->schema, count);
    bool good = run_pass(validate, &pass);
    validate->asked = pass.asked;
    return good;
}

/* A version that nobody has served yet has seldom a baseline of its own: then it is that of the nearest one
 * below. */
static void judge_baseline(struct validate *validate)
{
    const char *reason = NULL;
    const struct config_names *versions = &validate->wanted.model->versions;
    size_t at = versions->count;
    struct baseline *baseline = NULL;
    while (at > 0 && strcmp(versions->names[at - 1], validate->report.version) != 0)
        at--;
    for (; baseline == NULL && at > 0; at--) {
        char *path = baseline_path(validate->config->models_directory, validate->report.model,
                                   versions->names[at - 1]);
        baseline = baseline_load(path, &reason);
        free(path);
    }
    judge_distribution(&validate->report, validate->wanted.model, validate->natural, baseline,
                       "there is no baseline (outrigger profile)");
    baseline_free(baseline);
}

static bool judge_schema(struct validate *validate)
{
    struct edges *edges = &validate->edges;
    struct pass pass = {.asking = validate->asking, .rows = edges->rows, .batch = large_batch(validate)};
    bool good = true;
    if (edges->rows != NULL) {
        pass.count = validate_rows_count(edges->rows);
        size_t *order = order_of(pass.count);
        pass.order = order;
        pass.answers = answers_new(validate->schema, pass.count);
        good = run_pass(validate, &pass);
        free(order);
    }
    if (good)
        judge_edges(&validate->report, edges, pass.answers, &pass.asked);
    answers_free(pass.answers);
    return good;
}

static bool judge_other(struct validate *validate, const size_t *order, size_t count)
{
    double drop = validate->wanted.model->validation_max_accuracy_drop;
    struct pass pass = {.asking = validate->other,
                        .rows = validate->rows,
                        .order = order,
                        .count = count,
                        .batch = large_batch(validate),
                        .answers = answers_new(validate->other_schema, count)};
    bool good = run_pass(validate, &pass);
    if (good && pass.answers->values != NULL)
        judge_against(&validate->report, validate->wanted.model, drop < 0 ? 0 : drop, validate->rows,
                      validate->natural, pass.answers);
    answers_free(pass.answers);
    return good;
}

/* All that is asked, and judged. False: it could not be. */
static bool judge_all(struct validate *validate)
{
    struct validation *report = &validate->report;
    size_t count = validate_rows_count(validate->rows), alone = count < ALONE ? count : ALONE;
    size_t *order = order_of(count), *shuffled = order_of(count);
    struct figures figures;
    shuffle(shuffled, count);
    edges_find(validate->rows, validate->schema, &validate->edges);
    validate->to_ask = (*report->against == '\0' ? 2 : 3) * count + alone +
                       (validate->edges.rows == NULL ? 0 : validate_rows_count(validate->edges.rows));
    report->rows = count;
    bool good = ask_in_order(validate, order, count);
    if (good) {
        judge_rows(report, validate->rows, &validate->asked);
        judge_figures(validate->rows, validate->natural, &figures);
        judge_truth(report, validate->wanted.model, validate->schema, &figures);
        judge_outputs(report, validate->wanted.model, validate->natural);
        judge_speed(report, validate->wanted.model, &validate->asked);
        judge_baseline(validate);
    }
    good = good &&
           ask_again(validate, "order of rows", shuffled, count, large_batch(validate) / 2 + ODD_BATCH) &&
           ask_again(validate, "size of batches", shuffled, alone, 1) && judge_schema(validate) &&
           (*report->against == '\0' || judge_other(validate, order, count));
    free(shuffled);
    free(order);
    return good;
}

static bool run(struct validate *validate, bool *failed)
{
    const struct arguments *arguments = validate->arguments;
    char reason[VALIDATE_REASON_MAX];
    if (!find_version(validate) || !wanted_version_data(&validate->wanted, arguments, validate->reason))
        return false;
    const char *data = validate->report.data = validate->wanted.data;
    /* Rows that cannot be read are told before anything is started; what they must be like, after. */
    if (access(data, R_OK) != 0)
        return REFUSE(validate, "%s: %s", data, strerror(errno));
    if (!arguments_has(arguments, OPTION_RUNNING) && !start_stack(validate, failed))
        return false;
    if (!connect_all(validate))
        return false;
    validate->rows = validate_rows_new(data, validate->schema, validate->wanted.target,
                                       (size_t)arguments_number(arguments, OPTION_ROWS, ROWS), reason);
    return validate->rows == NULL ? REFUSE(validate, "%s: %s", data, reason) : judge_all(validate);
}

static void clean_up(struct validate *validate)
{
    edges_free(&validate->edges);
    answers_free(validate->natural);
    validate_rows_free(validate->rows);
    asking_free(validate->other);
    asking_free(validate->asking);
    private_stack_free(validate->stack);
    wanted_version_clear(&validate->wanted);
}

/* ---- what is said ---- */

/* {"ok": whether it has passed, ...}. */
static yyjson_mut_doc *report_document(const struct validate *validate)
{
    yyjson_mut_doc *document = say_new();
    yyjson_mut_val *root = yyjson_mut_doc_get_root(document);
    yyjson_mut_obj_put(root, yyjson_mut_str(document, "ok"),
                       yyjson_mut_bool(document, validation_passed(&validate->report)));
    validation_to_json(&validate->report, document, root);
    return document;
}

static bool write_report(struct validate *validate, const char *path, bool junit)
{
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return REFUSE(validate, "%s: %s", path, strerror(errno));
    if (junit) {
        validation_to_junit(&validate->report, out);
    } else {
        yyjson_mut_doc *document = report_document(validate);
        char *text =
            yyjson_mut_write(document, YYJSON_WRITE_ALLOW_INVALID_UNICODE | YYJSON_WRITE_PRETTY, NULL);
        ENSURE(text != NULL);
        fprintf(out, "%s\n", text);
        free(text);
        yyjson_mut_doc_free(document);
    }
    bool good = fflush(out) == 0;
    if (!good)
        (void)REFUSE(validate, "%s: %s", path, strerror(errno));
    fclose(out);
    return good;
}

static int tell(struct validate *validate)
{
    const struct arguments *arguments = validate->arguments;
    const char *junit = arguments_text(arguments, OPTION_JUNIT),
               *path = arguments_text(arguments, OPTION_REPORT);
    if ((junit != NULL && !write_report(validate, junit, true)) ||
        (path != NULL && !write_report(validate, path, false)))
        return say_fault(arguments, VALIDATE_NOT_RUN, "%s", validate->reason);
    bool passed = validation_passed(&validate->report);
    if (arguments_has(arguments, OPTION_QUIET))
        return passed ? VALIDATE_PASSED : VALIDATE_FAILED;
    if (arguments->json) {
        say_json(report_document(validate));
    } else {
        validation_print(&validate->report, stdout, say_coloured());
    }
    return passed ? VALIDATE_PASSED : VALIDATE_FAILED;
}

/* True when the files of the version have that digest: nothing is to be done. */
static bool is_known(const struct config *config, const struct arguments *arguments)
{
    const char *known = arguments_text(arguments, OPTION_UNLESS), *operand = arguments->operands[0];
    const char *colon = strchr(operand, ':');
    char folder[4096 + 300], reason[512];
    if (known == NULL || colon == NULL)
        return false;
    snprintf(folder, sizeof folder, "%s/%.*s/%s", config->models_directory, (int)(colon - operand), operand,
             colon + 1);
    struct contents *contents = contents_read(folder, reason, sizeof reason);
    bool same = contents != NULL && strcmp(contents->digest, known) == 0;
    contents_free(contents);
    return same;
}

int validate_command(const struct arguments *arguments)
{
    struct validate validate = {.arguments = arguments, .bar = bar_of(arguments)};
    int64_t rows = arguments_number(arguments, OPTION_ROWS, ROWS);
    bool failed = false;
    sigset_t ends;
    if (rows < 1 || rows > ROWS_MAX)
        return say_usage(arguments, "--rows: 1 to %d", ROWS_MAX);
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return VALIDATE_NOT_RUN;
    log_open("outrigger", "error");
    if (is_known(config, arguments)) {
        config_free(config);
        return arguments_has(arguments, OPTION_QUIET)
                   ? VALIDATE_PASSED
                   : say_good(arguments, "these are the files with that digest");
    }
    /* Until the loop reads them (validate_asking.c), and while all is cleaned up. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    if (arguments_has(arguments, OPTION_NICE))
        setpriority(PRIO_PROCESS, 0, NICEST);
    validate.config = config;
    validate.report.began_ms = clock_wall() / MILLISECOND;
    int64_t began = clock_now();
    validate.until = began + arguments_number(arguments, OPTION_WAIT, 3600 * 1000) * MILLISECOND;
    bool good = run(&validate, &failed);
    validate.report.seconds = (double)(clock_now() - began) / (double)SECOND;
    bar_clear(&validate.bar);
    int status =
        good || failed ? tell(&validate) : say_fault(arguments, VALIDATE_NOT_RUN, "%s", validate.reason);
    clean_up(&validate);
    config_free(config);
    return status;
}
