/* profile_command: `outrigger profile`: makes the baseline of a version from a table of rows that it is known
 * to be good for. The scores are those that the version gives: it is asked through the broker, since the
 * command itself knows no engine, and what answers there is what will be watched. SPDX-License-Identifier:
 * MIT */
#include "ask.h"
#include "bar.h"
#include "baseline.h"
#include "profile_table.h"
#include "questions.h"
#include "say.h"
#include "table.h"

#include "durable.h"
#include "log.h"
#include "schema_fields.h"
#include "utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { ROWS = 100000, ROWS_MAX = 10000000, NAME_BYTES = 1024 };

struct profile {
    const struct arguments *arguments;
    const struct config *config;
    char model[PROTOCOL_NAME_MAX + 1], version[PROTOCOL_NAME_MAX + 1];
    struct questions *ask;
    const struct schema *schema;
    struct profile_table *table;
    struct baseline_builder *builder;
    size_t left; /* rows that may still be taken */
    struct bar bar;
};

/* ---- features ---- */

static bool is_categorical(const struct schema *schema, const struct schema_tensor *input, size_t column)
{
    const struct schema_field *field = schema->fields == NULL ? NULL : &schema->fields[column];
    return input->datatype == DATATYPE_BYTES || input->datatype == DATATYPE_BOOL ||
           (field != NULL && (field->allowed_count > 0 || schema_field_type(field) == SCHEMA_BOOLEAN));
}

static void name_feature(const struct profile *profile, const char *input, size_t width, size_t at,
                         size_t column, char name[NAME_BYTES])
{
    if (profile->schema->feature_count > 0 && utf8_ok(text_of(profile->schema->features[column])))
        snprintf(name, NAME_BYTES, "%.*s", BASELINE_NAME_MAX, profile->schema->features[column]);
    else if (width == 1)
        snprintf(name, NAME_BYTES, "%.*s", BASELINE_NAME_MAX, input);
    else
        snprintf(name, NAME_BYTES, "%.*s[%zu]", BASELINE_NAME_MAX - 32, input, at);
}

static void add_features(struct profile *profile)
{
    const struct layout *layout = profile_table_layout(profile->table);
    size_t column = 0;
    for (size_t i = 0; i < layout->input_count; i++) {
        const struct schema_tensor *input = layout->inputs[i].tensor;
        size_t width = layout_columns(layout, i, profile_table_width(profile->table));
        for (size_t at = 0; at < width; at++, column++) {
            char name[NAME_BYTES];
            name_feature(profile, input->name, width, at, column, name);
            baseline_builder_feature(profile->builder, name, input->name, at,
                                     is_categorical(profile->schema, input, column));
        }
    }
}

/* ---- rows ---- */

/* What waits for its scores. */
struct batch {
    size_t rows, bytes;
    uint8_t payload[];
};

static void decode(const uint8_t *payload, size_t bytes, struct tensor tensors[TENSOR_COUNT_MAX],
                   size_t *count)
{
    size_t rows;
    ENSURE(tensors_decode(payload, bytes, tensors, count, &rows) == NULL); /* it was just made */
}

static bool add(struct profile *profile, const uint8_t *payload, size_t bytes, size_t rows,
                enum score_kind kind, const double *scores)
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count;
    decode(payload, bytes, tensors, &count);
    bar_draw(&profile->bar, (int)(100 * profile_table_progress(profile->table)));
    return baseline_builder_add(profile->builder, tensors, count, rows, kind, scores);
}

static bool next_rows(struct profile *profile, struct profile_rows *rows, char reason[PROFILE_REASON_MAX])
{
    bool good = profile_table_next(profile->table, profile->left, rows, reason);
    profile->left -= good ? rows->rows : 0;
    return good;
}

static int next_batch(void *self, struct question *question, char reason[QUESTIONS_REASON_MAX])
{
    struct profile *profile = self;
    struct profile_rows next;
    if (!next_rows(profile, &next, reason))
        return -1;
    if (next.rows == 0)
        return 0;
    struct batch *batch = object_alloc(sizeof *batch + next.bytes);
    batch->rows = next.rows;
    batch->bytes = next.bytes;
    memcpy(batch->payload, next.payload, next.bytes);
    *question = (struct question){
        .context = batch, .payload = batch->payload, .bytes = batch->bytes, .rows = (uint32_t)batch->rows};
    return 1;
}

/* NULL, or why there are no scores. */
static const char *score(const struct profile *profile, const struct client_answer *answer, size_t rows,
                         enum score_kind *kind, double scores[PROFILE_ROWS_AT_A_TIME])
{
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, answered;
    const char *wrong = tensors_decode(answer->payload, answer->payload_bytes, tensors, &count, &answered);
    if (wrong != NULL || answered != rows)
        return wrong != NULL ? wrong : "it has another number of rows";
    const struct roles roles = roles_of(profile->schema, tensors, count);
    *kind = score_kind_of(&roles, profile->schema->regression);
    for (size_t row = 0; row < rows; row++)
        scores[row] = score_of(&roles, *kind, row);
    return NULL;
}

static bool take_answer(void *self, void *context, const struct client_answer *answer,
                        char reason[QUESTIONS_REASON_MAX])
{
    struct profile *profile = self;
    struct batch *batch = context;
    double scores[PROFILE_ROWS_AT_A_TIME];
    enum score_kind kind = SCORE_NONE;
    const char *wrong = NULL;
    if (answer->failure != FAILURE_NONE)
        snprintf(reason, QUESTIONS_REASON_MAX, "rows were not answered: %s%s%.*s",
                 failure_label(answer->failure), answer->message.length > 0 ? ": " : "",
                 (int)answer->message.length, answer->message.at);
    else if ((wrong = score(profile, answer, batch->rows, &kind, scores)) != NULL)
        snprintf(reason, QUESTIONS_REASON_MAX, "an answer cannot be read: %s", wrong);
    bool good = answer->failure == FAILURE_NONE && wrong == NULL;
    if (good)
        add(profile, batch->payload, batch->bytes, batch->rows, kind, scores);
    free(batch);
    return good;
}

/* The kind of a score that stands in the table: what the model's own would be. */
static enum score_kind kind_of_column(const struct schema *schema)
{
    return schema->regression ? SCORE_VALUE : schema->label_count > 2 ? SCORE_LARGEST : SCORE_POSITIVE;
}

static bool read_all(struct profile *profile, char reason[PROFILE_REASON_MAX])
{
    struct profile_rows rows;
    if (arguments_text(profile->arguments, OPTION_SCORE_COLUMN) == NULL)
        return questions_all(profile->ask, next_batch, take_answer, profile, reason);
    do {
        if (!next_rows(profile, &rows, reason))
            return false;
        if (rows.rows > 0)
            add(profile, rows.payload, rows.bytes, rows.rows, kind_of_column(profile->schema), rows.scores);
    } while (rows.rows > 0);
    return true;
}

/* ---- what comes of it ---- */

static void number_cell(struct table *table, bool there, double number)
{
    if (there)
        table_cell(table, TONE_PLAIN, "%.6g", number);
    else
        table_cell(table, TONE_PLAIN, "-");
}

static void add_line(struct table *table, const struct baseline_feature *feature, uint64_t rows)
{
    bool numbers = !feature->categorical && feature->count > 0;
    table_cell(table, TONE_PLAIN, "%s", feature->name);
    table_cell(table, TONE_PLAIN, feature->categorical ? "category" : "number");
    table_cell(table, feature->missing > 0 ? TONE_BUSY : TONE_PLAIN, "%.2f %%",
               rows == 0 ? 0 : 100 * (double)feature->missing / (double)rows);
    number_cell(table, numbers, feature->minimum);
    number_cell(table, numbers, feature->mean);
    number_cell(table, numbers, feature->maximum);
    table_cell(table, TONE_PLAIN, "%zu", feature->count == 0 ? 0 : baseline_bins(feature));
}

static void print(const struct baseline *baseline, const char *path, uint64_t refused, const char *first)
{
    static const char *const heads[] = {"FEATURE", "KIND",     ">MISSING", ">MINIMUM",
                                        ">MEAN",   ">MAXIMUM", ">BINS"};
    struct table *table = table_new(heads, COUNT_OF(heads));
    for (size_t i = 0; i < baseline->feature_count; i++)
        add_line(table, &baseline->features[i], baseline->rows);
    if (baseline->score_kind != SCORE_NONE)
        add_line(table, &baseline->score, baseline->rows);
    table_print(table, stdout, say_coloured());
    table_free(table);
    printf("%" PRIu64 " rows of %s %s: %s\n", baseline->rows, baseline->model, baseline->version, path);
    if (baseline->left_out > 0)
        printf("%" PRIu64 " columns are left out: more than %d\n", baseline->left_out, BASELINE_FEATURES_MAX);
    if (refused > 0)
        printf("%" PRIu64 " rows were passed over, the first because of %s\n", refused, first);
}

static void print_json(const char *text, size_t length, const char *path, uint64_t refused, const char *first)
{
    yyjson_mut_doc *said = say_new();
    yyjson_mut_val *root = yyjson_mut_doc_get_root(said);
    yyjson_doc *parsed = yyjson_read(text, length, 0);
    yyjson_mut_obj_add_strcpy(said, root, "path", path);
    yyjson_mut_obj_add_uint(said, root, "refused", refused);
    if (refused > 0)
        yyjson_mut_obj_add_strcpy(said, root, "first_refused", first);
    yyjson_mut_obj_add_val(said, root, "baseline", yyjson_val_mut_copy(said, yyjson_doc_get_root(parsed)));
    yyjson_doc_free(parsed);
    say_json(said);
}

/* Everybody of the service may read it, as the model's other files. */
static int keep(struct profile *profile, const struct baseline *baseline)
{
    enum { MODE = 0644 };
    const char *first, *output = arguments_text(profile->arguments, OPTION_OUTPUT);
    uint64_t refused = profile_table_refused(profile->table, &first);
    char *path = output != NULL
                     ? object_strdup(output)
                     : baseline_path(profile->config->models_directory, profile->model, profile->version);
    size_t length;
    char *text = baseline_to_json(baseline, &length);
    int status = CTL_GOOD;
    if (durable_write_as(path, text, length, MODE, (uid_t)-1, (gid_t)-1) != 0)
        status = say_fault(profile->arguments, CTL_FAULT, "%s: %s", path, strerror(errno));
    else if (profile->arguments->json)
        print_json(text, length, path, refused, first);
    else
        print(baseline, path, refused, first);
    free(text);
    free(path);
    return status;
}

static int finish(struct profile *profile)
{
    const char *first;
    struct baseline *baseline = baseline_builder_end(profile->builder, profile->model, profile->version,
                                                     schema_digest(profile->schema));
    uint64_t refused = profile_table_refused(profile->table, &first);
    int status;
    if (baseline->rows == 0)
        status = say_fault(profile->arguments, CTL_FAULT, "%s: there are no rows%s%s%s",
                           profile->arguments->operands[1], refused > 0 ? " that the model takes (" : "",
                           first, refused > 0 ? ")" : "");
    else
        status = keep(profile, baseline);
    baseline_free(baseline);
    return status;
}

static bool has_names_of_json(const struct profile_table *table)
{
    const struct layout *layout = profile_table_layout(table);
    for (size_t i = 0; i < layout->input_count; i++)
        if (!utf8_ok(text_of(layout->inputs[i].tensor->name)))
            return false;
    return true;
}

static int profile_file(struct profile *profile)
{
    const struct arguments *arguments = profile->arguments;
    const char *path = arguments->operands[1];
    char reason[PROFILE_REASON_MAX];
    profile->table =
        profile_table_new(path, profile->schema, arguments_text(arguments, OPTION_SCORE_COLUMN), reason);
    if (profile->table == NULL)
        return say_fault(arguments, CTL_FAULT, "%s: %s", path, reason);
    if (!has_names_of_json(profile->table)) {
        profile_table_free(profile->table);
        return say_fault(arguments, CTL_FAULT,
                         "the name of an input is no UTF-8, which a baseline is written in");
    }
    profile->builder = baseline_builder_new((size_t)arguments_number(arguments, OPTION_BINS, BASELINE_BINS));
    add_features(profile);
    bool good = read_all(profile, reason);
    if (good)
        bar_draw(&profile->bar, 100);
    bar_leave(&profile->bar);
    int status =
        good ? finish(profile) : say_fault(arguments, questions_fault(profile->ask), "%s: %s", path, reason);
    baseline_builder_free(profile->builder);
    profile_table_free(profile->table);
    return status;
}

static int profile_version(struct profile *profile)
{
    char reason[QUESTIONS_REASON_MAX];
    const char *name;
    int status;
    profile->ask = questions_new(profile->config, "outrigger profile");
    profile->schema = questions_version(profile->ask, profile->model,
                                        *profile->version == '\0' ? NULL : profile->version, &name, reason);
    if (profile->schema == NULL) {
        status = say_fault(profile->arguments, questions_fault(profile->ask), "%s", reason);
    } else {
        text_copy(text_of(name), profile->version, sizeof profile->version);
        status = profile_file(profile);
    }
    questions_free(profile->ask);
    return status;
}

/* MODEL or MODEL:VERSION. */
static bool read_name(struct profile *profile, const char *operand)
{
    const char *colon = strchr(operand, ':');
    struct text model = {operand, colon == NULL ? strlen(operand) : (size_t)(colon - operand)};
    struct text version = colon == NULL ? (struct text){"", 0} : text_of(colon + 1);
    text_copy(model, profile->model, sizeof profile->model);
    text_copy(version, profile->version, sizeof profile->version);
    return protocol_name_ok(model) && (colon == NULL || protocol_name_ok(version));
}

int profile_command(const struct arguments *arguments)
{
    struct profile profile = {.arguments = arguments, .bar = bar_of(arguments)};
    int64_t bins = arguments_number(arguments, OPTION_BINS, BASELINE_BINS);
    int64_t rows = arguments_number(arguments, OPTION_ROWS, ROWS);
    if (!read_name(&profile, arguments->operands[0]))
        return say_usage(arguments, "\"%s\" is no model, or MODEL:VERSION", arguments->operands[0]);
    if (bins < 2 || bins > BASELINE_BINS_MAX)
        return say_usage(arguments, "--bins: 2 to %d", BASELINE_BINS_MAX);
    if (rows < 1 || rows > ROWS_MAX)
        return say_usage(arguments, "--rows: 1 to %d", ROWS_MAX);
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    log_open("outrigger", "warning");
    int status = ask_whether_broker(arguments, config, "not profiled");
    profile.config = config;
    profile.left = (size_t)rows;
    if (status == CTL_GOOD)
        status = profile_version(&profile);
    config_free(config);
    return status;
}
