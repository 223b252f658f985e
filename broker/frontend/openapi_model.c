/* openapi_model: the operations of one model, and the schemas that they refer to.
 *
 *     paths    /api/v1/models/M/predict  /api/v1/models/M/batch-predict  and each version's
 *     schemas  Row.M  PredictRequest.M  BatchRequest.M  Prediction.M  Predictions.M
 *
 * A version whose schema is another than the model's has schemas of its own, VersionRow.M.N and so on, N
 * being its place in the list: a name may hold points, so M.VERSION could be another model. What a path of a
 * version adds to the model's request is said beside the reference to it. Called by openapi.c.
 * SPDX-License-Identifier: MIT */
#include "openapi_model.h"

#include "openapi_answer.h"
#include "openapi_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SUFFIX_MAX = PROTOCOL_NAME_MAX + 32, PIECE_MAX = 2048 };

void openapi_parts_free(struct openapi_parts *parts)
{
    output_free(&parts->paths);
    output_free(&parts->schemas);
    output_free(&parts->single);
    output_free(&parts->batch);
}

struct openapi_mark openapi_mark(const struct openapi_parts *parts)
{
    return (struct openapi_mark){parts->paths.length, parts->schemas.length, parts->single.length,
                                 parts->batch.length};
}

void openapi_back_to(struct openapi_parts *parts, const struct openapi_mark *mark)
{
    parts->paths.length = mark->paths;
    parts->schemas.length = mark->schemas;
    parts->single.length = mark->single;
    parts->batch.length = mark->batch;
}

size_t openapi_bytes(const struct openapi_parts *parts)
{
    return parts->paths.length + parts->schemas.length + parts->single.length + parts->batch.length;
}

/* What is printed is made of our own texts and of names, which need no escapes and are short. */
__attribute__((format(printf, 2, 3))) static void add(struct output *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(output_room(out, PIECE_MAX), PIECE_MAX, format, arguments);
    va_end(arguments);
    ENSURE(length >= 0 && length < PIECE_MAX);
    out->length += (size_t)length;
}

/* ---- which schemas ---- */

/* What the operations of a model, or of one of its versions, refer to. */
struct subject {
    const struct catalog_model *model;
    const struct catalog_version *version; /* named in the path; NULL: the model's */
    const struct catalog_version *told;    /* whose schema it is; NULL: nobody has said any */
    const char *head;                      /* before the names of the schemas */
    char suffix[SUFFIX_MAX];               /* behind them */
};

static const struct catalog_version *told_version(const struct catalog_model *model)
{
    if (model->stable != NULL && model->stable->schema != NULL)
        return model->stable;
    for (size_t i = 0; i < model->version_count; i++)
        if (model->versions[i].schema != NULL)
            return &model->versions[i];
    return NULL;
}

/* But for the digest: two versions are never the same files. */
static uint8_t *encode(const struct catalog_version *version, size_t *length)
{
    char none[] = "";
    struct schema schema = *version->schema;
    schema.digest = none;
    return schema_encode(&schema, length);
}

static bool same_schema(const struct catalog_version *a, const struct catalog_version *b)
{
    size_t a_length, b_length;
    if (a == b || a == NULL || b == NULL || a->schema == NULL || b->schema == NULL)
        return a == b;
    uint8_t *a_bytes = encode(a, &a_length);
    uint8_t *b_bytes = encode(b, &b_length);
    bool same = a_length == b_length && memcmp(a_bytes, b_bytes, a_length) == 0;
    free(a_bytes);
    free(b_bytes);
    return same;
}

static struct subject subject_of_model(const struct catalog_model *model)
{
    struct subject subject = {.model = model, .told = told_version(model), .head = ""};
    text_copy(text_of(model->name), subject.suffix, sizeof subject.suffix);
    return subject;
}

static struct subject subject_of_version(const struct subject *model, size_t index)
{
    struct subject subject = *model;
    subject.version = &model->model->versions[index];
    if (subject.version->schema == NULL || same_schema(subject.version, model->told))
        return subject;
    subject.told = subject.version;
    subject.head = "Version";
    snprintf(subject.suffix, sizeof subject.suffix, "%s.%zu", model->model->name, index);
    return subject;
}

/* ---- schemas ---- */

static void add_examples(struct output *out, const struct subject *subject, bool batch)
{
    const char *separator = ",\"examples\":[";
    for (int named = 1; named >= 0; named--) {
        struct output row = {0};
        if (openapi_example(&row, subject->told, named != 0)) {
            output_add_string(out, separator);
            output_add_string(out, batch ? "{\"instances\":[" : "{\"features\":");
            output_add(out, row.bytes, row.length);
            output_add_string(out, batch ? "]}" : "}");
            separator = ",";
        }
        output_free(&row);
    }
    if (separator[1] == '\0')
        output_add_char(out, ']');
}

static void add_version_names(struct output *out, const struct catalog_model *model)
{
    output_add_string(out, ",\"version\":{\"enum\":[");
    for (size_t i = 0; i < model->version_count; i++)
        add(out, "%s\"%s\"", i > 0 ? "," : "", model->versions[i].name);
    output_add_string(out, "]}");
}

static void add_request(struct output *out, const struct subject *subject, bool batch)
{
    add(out, "\"%s%sRequest.%s\":{\"type\":\"object\",\"required\":[\"%s\"],\"properties\":{\"%s\":",
        subject->head, batch ? "Batch" : "Predict", subject->suffix, batch ? "instances" : "features",
        batch ? "instances" : "features");
    add(out,
        batch ? "{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#/components/schemas/%sRow.%s\"}}"
              : "{\"$ref\":\"#/components/schemas/%sRow.%s\"}",
        subject->head, subject->suffix);
    add(out, ",\"model\":{\"const\":\"%s\"}", subject->model->name);
    if (subject->model->version_count > 0)
        add_version_names(out, subject->model);
    output_add_string(out, ",\"key\":{\"$ref\":\"#/components/schemas/Key\"},\"timeout_ms\":{\"$ref\":"
                           "\"#/components/schemas/Timeout\"}},\"additionalProperties\":false");
    add_examples(out, subject, batch);
    output_add_string(out, "},");
}

static void add_prediction(struct output *out, const struct subject *subject, bool batch)
{
    add(out, "\"%sPrediction%s.%s\":", subject->head, batch ? "s" : "", subject->suffix);
    openapi_prediction(out, subject->told, subject->model->name, batch,
                       subject->version != NULL || subject->model->route == NULL);
    output_add_char(out, ',');
}

static void add_schemas(struct output *out, const struct subject *subject)
{
    add(out, "\"%sRow.%s\":", subject->head, subject->suffix);
    openapi_row(out, subject->told);
    output_add_char(out, ',');
    for (int batch = 0; batch < 2; batch++) {
        add_request(out, subject, batch != 0);
        add_prediction(out, subject, batch != 0);
    }
}

/* ---- paths ---- */

/* The object of responses; the schema of the good one follows it. */
static void begin_responses(struct output *out)
{
    output_add_string(out, "\"responses\":{\"400\":{\"$ref\":\"#/components/responses/Invalid\"},"
                           "\"401\":{\"$ref\":\"#/components/responses/Unauthorized\"},"
                           "\"403\":{\"$ref\":\"#/components/responses/Forbidden\"},"
                           "\"404\":{\"$ref\":\"#/components/responses/NotFound\"},"
                           "\"409\":{\"$ref\":\"#/components/responses/KeyRunning\"},"
                           "\"413\":{\"$ref\":\"#/components/responses/TooLarge\"},"
                           "\"415\":{\"$ref\":\"#/components/responses/UnsupportedMedia\"},"
                           "\"422\":{\"$ref\":\"#/components/responses/Unprocessable\"},"
                           "\"429\":{\"$ref\":\"#/components/responses/RateLimited\"},"
                           "\"500\":{\"$ref\":\"#/components/responses/Internal\"},"
                           "\"502\":{\"$ref\":\"#/components/responses/WorkerDied\"},"
                           "\"503\":{\"$ref\":\"#/components/responses/Unavailable\"},"
                           "\"504\":{\"$ref\":\"#/components/responses/Deadline\"},"
                           "\"200\":{\"description\":\"the answer\",\"headers\":{"
                           "\"X-Request-Id\":{\"$ref\":\"#/components/headers/X-Request-Id\"},"
                           "\"Server-Timing\":{\"$ref\":\"#/components/headers/Server-Timing\"},"
                           "\"RateLimit-Policy\":{\"$ref\":\"#/components/headers/RateLimit-Policy\"},"
                           "\"RateLimit\":{\"$ref\":\"#/components/headers/RateLimit\"},"
                           "\"Age\":{\"$ref\":\"#/components/headers/Age\"},"
                           "\"Idempotency-Replayed\":{\"$ref\":\"#/components/headers/"
                           "Idempotency-Replayed\"}},\"content\":{\"application/json\":{\"schema\":");
}

#define END_RESPONSES "}}}}}},"
#define PARAMETERS                                                                                           \
    "\"parameters\":[{\"$ref\":\"#/components/parameters/RequestId\"},{\"$ref\":\"#/components/parameters/"  \
    "Prefer\"},{\"$ref\":\"#/components/parameters/IdempotencyKey\"}],"

static void begin_path(struct output *out, const struct subject *subject, bool batch)
{
    const char *call = batch ? "batch-predict" : "predict";
    const char *model = subject->model->name;
    const char *version = subject->version == NULL ? NULL : subject->version->name;
    add(out, "\"/api/v1/models/%s%s%s/%s\":{\"post\":{\"tags\":[\"%s\"],\"operationId\":\"%s:%s%s%s\",",
        model, version == NULL ? "" : "/versions/", version == NULL ? "" : version, call, model,
        batch ? "batch_predict" : "predict", model, version == NULL ? "" : ":",
        version == NULL ? "" : version);
    add(out, "\"summary\":\"%s of %s%s%s\",", batch ? "Many predictions" : "One prediction", model,
        version == NULL ? "" : ", version ", version == NULL ? "" : version);
    if (subject->told != NULL && subject->told->schema->description != NULL) {
        output_add_string(out, "\"description\":");
        output_add_json(out, text_of(subject->told->schema->description));
        output_add_char(out, ',');
    }
}

/* The other types that a body may have. */
static void add_other_bodies(struct output *out, const struct subject *subject, bool batch)
{
    struct output example = {0};
    output_add_string(out, ",\"text/csv\":{\"schema\":{\"type\":\"string\"}");
    if (openapi_example_csv(&example, subject->told, batch)) {
        output_add_string(out, ",\"example\":");
        output_add(out, example.bytes, example.length);
    }
    output_add_char(out, '}');
    if (!batch && example.length > 0)
        add(out,
            ",\"application/x-www-form-urlencoded\":{\"schema\":{\"$ref\":\"#/components/schemas/%sRow.%s/"
            "anyOf/1\"}}",
            subject->head, subject->suffix);
    output_free(&example);
}

static void add_path(struct output *out, const struct subject *subject, bool batch)
{
    begin_path(out, subject, batch);
    add(out,
        PARAMETERS "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":"
                   "{\"$ref\":\"#/components/schemas/%s%sRequest.%s\"",
        subject->head, batch ? "Batch" : "Predict", subject->suffix);
    if (subject->version != NULL)
        add(out, ",\"properties\":{\"version\":{\"const\":\"%s\"}}", subject->version->name);
    output_add_string(out, "}}");
    add_other_bodies(out, subject, batch);
    output_add_string(out, "}},");
    begin_responses(out);
    add(out, "{\"$ref\":\"#/components/schemas/%sPrediction%s.%s\"}", subject->head, batch ? "s" : "",
        subject->suffix);
    output_add_string(out, END_RESPONSES);
}

/* ---- a model ---- */

/* Among the bodies of the paths that name no model. */
static void add_choice(struct output *out, const struct subject *subject, bool batch, bool standard)
{
    add(out, "{\"$ref\":\"#/components/schemas/%sRequest.%s\"%s},", batch ? "Batch" : "Predict",
        subject->suffix, standard ? "" : ",\"required\":[\"model\"]");
}

void openapi_model(struct openapi_parts *parts, const struct catalog_model *model, bool standard)
{
    struct subject subject = subject_of_model(model);
    add_schemas(&parts->schemas, &subject);
    for (int batch = 0; batch < 2; batch++)
        add_path(&parts->paths, &subject, batch != 0);
    add_choice(&parts->single, &subject, false, standard);
    add_choice(&parts->batch, &subject, true, standard);
    for (size_t i = 0; i < model->version_count; i++) {
        struct subject version = subject_of_version(&subject, i);
        if (version.told != subject.told)
            add_schemas(&parts->schemas, &version);
        for (int batch = 0; batch < 2; batch++)
            add_path(&parts->paths, &version, batch != 0);
    }
}

/* ---- the paths that name no model ---- */

/* The schema of a body whose model nobody described. */
static void add_any_body(struct output *out, bool batch)
{
    add(out,
        "{\"type\":\"object\",\"required\":[\"%s\"],\"properties\":{\"model\":{\"$ref\":\"#/components/"
        "schemas/Name\"},"
        "\"version\":{\"$ref\":\"#/components/schemas/Name\"},\"%s\":",
        batch ? "instances" : "features", batch ? "instances" : "features");
    output_add_string(
        out, batch
                 ? "{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#/components/schemas/AnyRow\"}}"
                 : "{\"$ref\":\"#/components/schemas/AnyRow\"}");
    output_add_string(out, ",\"key\":{\"$ref\":\"#/components/schemas/Key\"},\"timeout_ms\":{\"$ref\":"
                           "\"#/components/schemas/Timeout\"}},\"additionalProperties\":false}");
}

/* `choices`: what is known of the models, each with a comma behind it. */
static void add_general_path(struct output *out, const char *head, const char *id, bool batch,
                             const struct output *choices, bool any)
{
    const char *call = batch ? "batch-predict" : "predict";
    add(out,
        "\"/api/v1/%s%s\":{\"post\":{\"tags\":[\"predictions\"],\"operationId\":\"%s%s\",\"summary\":\"%s\",",
        head, call, batch ? "batch_predict" : "predict", id, batch ? "Many predictions" : "One prediction");
    output_add_string(
        out, PARAMETERS
        "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":{\"anyOf\":[");
    if (choices != NULL && choices->length > 0)
        output_add(out, choices->bytes, choices->length - (any ? 0 : 1));
    if (any)
        add_any_body(out, batch);
    output_add_string(out, "]}}}},");
    begin_responses(out);
    output_add_string(out, batch ? "{\"$ref\":\"#/components/schemas/AnyPredictions\"}"
                                 : "{\"$ref\":\"#/components/schemas/AnyPrediction\"}");
    output_add_string(out, END_RESPONSES);
}

void openapi_general(struct openapi_parts *parts, size_t left_out)
{
    bool any = left_out > 0 || parts->single.length == 0;
    add_general_path(&parts->paths, "", "", false, &parts->single, any);
    add_general_path(&parts->paths, "", "", true, &parts->batch, any);
    if (left_out == 0)
        return;
    for (int batch = 0; batch < 2; batch++) {
        struct output *out = &parts->paths;
        add_general_path(out, "models/{model}/", ":any", batch != 0, NULL, true);
        out->length -= 2; /* inside the path's object again: "}," */
        output_add_string(out, ",\"parameters\":[{\"name\":\"model\",\"in\":\"path\",\"required\":true,"
                               "\"schema\":{\"$ref\":\"#/components/schemas/Name\"}}]},");
    }
}
