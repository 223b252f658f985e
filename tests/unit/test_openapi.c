/* test_openapi: the OpenAPI document of catalogs made by hand: what is said of columns, versions, answers.
 * Which document somebody gets, and when it is made, is in test_openapi_views.c.
 * SPDX-License-Identifier: MIT */
#include "openapi_scene.h"

static struct schema *named(struct schema *schema, const char *const *names, size_t count)
{
    schema->features = example_names(names, count);
    schema->feature_count = count;
    return schema;
}

/* The schema of the first model's version is as the catalog has it: this says the rest, as a worker would. */
static void describe(size_t model, size_t column, struct schema_field field)
{
    struct schema *schema = catalog_at(catalog, model)->versions[0].schema;
    if (schema->fields == NULL)
        schema->fields = object_alloc(schema->feature_count * sizeof *schema->fields);
    schema->fields[column] = field;
    schema->fields[column].name = object_strdup(schema->features[column]);
    if (field.description != NULL)
        schema->fields[column].description = object_strdup(field.description);
}

static struct schema_value *values(size_t count, const struct schema_value *given)
{
    struct schema_value *copies = object_alloc(count * sizeof *copies);
    for (size_t i = 0; i < count; i++)
        copies[i] = (struct schema_value){given[i].text == NULL ? NULL : object_strdup(given[i].text),
                                          given[i].number};
    return copies;
}
#define VALUES(...)                                                                                          \
    .allowed =                                                                                               \
        values(COUNT_OF(((struct schema_value[]){__VA_ARGS__})), (struct schema_value[]){__VA_ARGS__}),      \
    .allowed_count = COUNT_OF(((struct schema_value[]){__VA_ARGS__}))

/* ---- what is said ---- */

START_TEST(each_model_has_its_paths_and_every_reference_leads_somewhere)
{
    TELL(entry("b", "1", true, example_classifier(3)), entry("a", "2", true, example_classifier(2)),
         entry("a", "1", false, NULL));
    write_document(&everything);
    paths_are(
        "/api/v1/models/a/predict /api/v1/models/a/batch-predict /api/v1/models/a/versions/2/predict "
        "/api/v1/models/a/versions/2/batch-predict /api/v1/models/a/versions/1/predict "
        "/api/v1/models/a/versions/1/batch-predict /api/v1/models/b/predict /api/v1/models/b/batch-predict "
        "/api/v1/models/b/versions/1/predict /api/v1/models/b/versions/1/batch-predict "
        "/api/v1/predict /api/v1/batch-predict ");
    is("/openapi", "\"3.1.0\"");
    is("/info/version", "\"" OUTRIGGER_VERSION "\"");
    ck_assert_uint_gt(follow(yyjson_doc_get_root(document)), 200);
    is("/paths/~1api~1v1~1predict/post/parameters/2/$ref", "\"#/components/parameters/IdempotencyKey\"");
    is("/paths/~1v2~1models~1{model}~1infer/post/parameters/0/$ref",
       "\"#/components/parameters/IdempotencyKey\"");
    is("/components/parameters/IdempotencyKey/name", "\"Idempotency-Key\"");
    is("/paths/~1api~1v1~1predict/post/requestBody/content/application~1json/schema/anyOf",
       "[{\"$ref\":\"#/components/schemas/PredictRequest.a\",\"required\":[\"model\"]},"
       "{\"$ref\":\"#/components/schemas/PredictRequest.b\",\"required\":[\"model\"]}]");
    is("/paths/~1api~1v1~1models~1a~1versions~11~1predict/post/requestBody/content/application~1json/schema",
       "{\"$ref\":\"#/components/schemas/PredictRequest.a\",\"properties\":{\"version\":{\"const\":\"1\"}}}");
}
END_TEST

START_TEST(the_only_model_need_not_be_named)
{
    TELL(entry("a", "1", true, example_classifier(2)));
    write_document(&everything);
    is("/paths/~1api~1v1~1batch-predict/post/requestBody/content/application~1json/schema/anyOf",
       "[{\"$ref\":\"#/components/schemas/BatchRequest.a\"}]");
}
END_TEST

START_TEST(there_may_be_no_model)
{
    tell(NULL, 0);
    write_document(&everything);
    paths_are("/api/v1/predict /api/v1/batch-predict ");
    follow(yyjson_doc_get_root(document));
}
END_TEST

START_TEST(columns_that_are_alike_take_a_line)
{
    TELL(entry("plain", "1", true, example_classifier(30)),
         entry("named", "1", true, named(example_classifier(2), (const char *const[]){"b", "a\"b"}, 2)),
         entry("free", "1", true, of_inputs(&(struct example_tensor){"x", DATATYPE_FP64, {-1, -1}}, 1)));
    write_document(&everything);
    is("/components/schemas/Row.plain", "{\"anyOf\":[{\"type\":\"array\",\"description\":\"by "
                                        "position\",\"items\":{\"$ref\":\"#/components/schemas/FP32\"},"
                                        "\"minItems\":30,\"maxItems\":30}]}");
    is("/components/schemas/Row.named/anyOf/1",
       "{\"type\":\"object\",\"description\":\"by name\",\"required\":[\"b\",\"a\\\"b\"],\"properties\":{"
       "\"b\":{\"$ref\":\"#/components/schemas/FP32\"},\"a\\\"b\":{\"$ref\":\"#/components/schemas/FP32\"}},"
       "\"additionalProperties\":false}");
    is("/components/schemas/Row.named/x-columns", "[\"b\",\"a\\\"b\"]");
    is("/components/schemas/PredictRequest.named/examples",
       "[{\"features\":{\"b\":0.0,\"a\\\"b\":0.0}},{\"features\":[0.0,0.0]}]");
    is("/paths/~1api~1v1~1models~1named~1batch-predict/post/requestBody/content/text~1csv/example",
       "\"\\\"b\\\",\\\"a\\\"\\\"b\\\"\\n0.0,0.0\\n0.0,0.0\\n\"");
    is("/components/schemas/Row.free/anyOf/0/minItems", "1");
    is("/components/schemas/Row.free/anyOf/0/items/$ref", "\"#/components/schemas/FP64\"");
    ck_assert_ptr_null(at("/components/schemas/PredictRequest.free/examples"));
}
END_TEST

START_TEST(names_that_are_not_unlike_are_no_names)
{
    TELL(entry("m", "1", true, named(example_classifier(2), (const char *const[]){"a", "a"}, 2)));
    write_document(&everything);
    ck_assert_ptr_null(at("/components/schemas/Row.m/anyOf/1"));
    ck_assert_ptr_null(at("/components/schemas/Row.m/x-columns"));
    is("/components/schemas/PredictRequest.m/examples", "[{\"features\":[0.0,0.0]}]");
}
END_TEST

/* One column of each kind, all that can be said of them. */
static void tell_described(void)
{
    static const struct example_tensor inputs[] = {{"i", DATATYPE_INT64, {-1}},
                                                   {"s", DATATYPE_BYTES, {-1}},
                                                   {"d", DATATYPE_FP64, {-1}},
                                                   {"b", DATATYPE_BOOL, {-1}},
                                                   {"f", DATATYPE_FP32, {-1, 3}}};
    static const char *const names[] = {"age", "plan", "fee", "phone", "visits", "score", "left"};
    static char words[] = "years \"so far\"", basic[] = "basic", pro[] = "pro";
    TELL(entry("m", "1", true, named(of_inputs(inputs, COUNT_OF(inputs)), names, COUNT_OF(names))));
    describe(0, 0,
             (struct schema_field){.description = words,
                                   .type = SCHEMA_INTEGER,
                                   .has_minimum = true,
                                   .minimum = 18,
                                   .has_maximum = true,
                                   .maximum = 121});
    describe(0, 1,
             (struct schema_field){.type = SCHEMA_STRING,
                                   VALUES({basic, 0}, {pro, 0}),
                                   .optional = true,
                                   .standard = {object_strdup("pro"), 0}});
    describe(0, 2, (struct schema_field){.has_minimum = true, .minimum = 0.5});
    describe(0, 3, (struct schema_field){.type = SCHEMA_BOOLEAN, .optional = true, .standard = {NULL, 1}});
    describe(0, 4, (struct schema_field){.type = SCHEMA_INTEGER, .optional = true, .standard = {NULL, 3}});
    describe(0, 5, (struct schema_field){VALUES({NULL, 1.5}, {NULL, 2})});
    describe(0, 6, (struct schema_field){.type = SCHEMA_INTEGER, .has_maximum = true, .maximum = -1});
}

START_TEST(a_column_is_told_with_all_that_is_known_of_it)
{
    tell_described();
    write_document(&everything);
    is("/components/schemas/Row.m/anyOf/1/properties",
       "{\"age\":{\"$ref\":\"#/components/schemas/INT64\",\"description\":\"years \\\"so "
       "far\\\"\",\"type\":\"integer\","
       "\"minimum\":18,\"maximum\":121},"
       "\"plan\":{\"$ref\":\"#/components/schemas/BYTES\",\"enum\":[\"basic\",\"pro\"],\"default\":\"pro\"},"
       "\"fee\":{\"$ref\":\"#/components/schemas/FP64\",\"minimum\":0.5},"
       "\"phone\":{\"$ref\":\"#/components/schemas/BOOL\",\"default\":true},"
       "\"visits\":{\"$ref\":\"#/components/schemas/FP32\",\"type\":\"integer\",\"default\":3},"
       "\"score\":{\"$ref\":\"#/components/schemas/FP32\",\"enum\":[1.5,2]},"
       "\"left\":{\"$ref\":\"#/components/schemas/FP32\",\"type\":\"integer\",\"maximum\":-1}}");
    is("/components/schemas/Row.m/anyOf/1/required", "[\"age\",\"fee\",\"score\",\"left\"]");
    is("/components/schemas/Row.m/anyOf/0/prefixItems/4",
       "{\"$ref\":\"#/components/schemas/FP32\",\"title\":\"visits\",\"type\":\"integer\",\"default\":3}");
    is("/components/schemas/Row.m/anyOf/0/maxItems", "7");
}
END_TEST

START_TEST(examples_are_within_the_bounds)
{
    tell_described();
    write_document(&everything);
    is("/components/schemas/PredictRequest.m/examples/0",
       "{\"features\":{\"age\":69,\"plan\":\"pro\",\"fee\":0.5,\"phone\":true,\"visits\":3,\"score\":1.5,"
       "\"left\":-1}}");
    is("/components/schemas/BatchRequest.m/examples/1", "{\"instances\":[[69,\"pro\",0.5,true,3,1.5,-1]]}");
}
END_TEST

START_TEST(numbers_are_written_as_they_are_meant)
{
    TELL(entry("m", "1", true, named(example_classifier(2), (const char *const[]){"a", "b"}, 2)));
    describe(
        0, 0,
        (struct schema_field){.has_minimum = true, .minimum = -1e300, .has_maximum = true, .maximum = 0.1});
    describe(0, 1, (struct schema_field){.has_minimum = true, .minimum = 9007199254740992.0});
    write_document(&everything);
    is("/components/schemas/Row.m/anyOf/1/properties/a/maximum", "0.1");
    ck_assert(yyjson_get_num(at("/components/schemas/Row.m/anyOf/1/properties/a/minimum")) == -1e300);
    is("/components/schemas/Row.m/anyOf/1/properties/b/minimum", "9007199254740992");
}
END_TEST

START_TEST(very_wide_rows_are_told_of_in_general)
{
    TELL(entry("many", "1", true, wide(OPENAPI_MODELS_MAX / 100)), entry("some", "1", true, wide(1024)));
    describe(0, 0, (struct schema_field){.has_minimum = true});
    write_document(&everything);
    ck_assert_ptr_null(at("/components/schemas/Row.many/anyOf/0/prefixItems"));
    ck_assert_ptr_null(at("/components/schemas/Row.many/x-columns"));
    is("/components/schemas/Row.many/anyOf/0/minItems", "41943");
    is("/components/schemas/Row.many/anyOf/1/minProperties", "1");
    ck_assert_uint_eq(yyjson_arr_size(at("/components/schemas/Row.some/x-columns")), 1024);
}
END_TEST

/* ---- versions ---- */

START_TEST(a_version_of_another_schema_has_its_own)
{
    struct schema *other_files = example_classifier(3);
    free(other_files->digest);
    other_files->digest = object_strdup("sha256:77"); /* which files they are is nothing that one asks by */
    TELL(entry("m", "1", false, example_classifier(2)), entry("m", "2", true, example_classifier(3)),
         entry("m", "3", false, other_files));
    write_document(&everything);
    is("/components/schemas/Row.m/anyOf/0/maxItems", "3");
    is("/components/schemas/VersionRow.m.0/anyOf/0/maxItems", "2");
    ck_assert_ptr_null(at("/components/schemas/VersionRow.m.2"));
    is("/paths/~1api~1v1~1models~1m~1versions~11~1predict/post/requestBody/content/application~1json/schema/"
       "$ref",
       "\"#/components/schemas/VersionPredictRequest.m.0\"");
    is("/paths/~1api~1v1~1models~1m~1versions~13~1predict/post/requestBody/content/application~1json/schema/"
       "$ref",
       "\"#/components/schemas/PredictRequest.m\"");
    is("/components/schemas/PredictRequest.m/properties/version", "{\"enum\":[\"1\",\"2\",\"3\"]}");
    follow(yyjson_doc_get_root(document));
}
END_TEST

START_TEST(what_nobody_has_told_is_anything)
{
    TELL(entry("loading", "1", true, NULL), entry("none", "", false, NULL),
         entry("odd", "1", true, of_inputs(&(struct example_tensor){"x", DATATYPE_FP32, {-1, -1, -1}}, 1)));
    write_document(&everything);
    is("/components/schemas/Row.loading", "{\"$ref\":\"#/components/schemas/AnyRow\"}");
    is("/components/schemas/Row.odd", "{\"$ref\":\"#/components/schemas/AnyRow\"}");
    ck_assert_ptr_null(at("/components/schemas/PredictRequest.none/properties/version"));
    ck_assert_ptr_null(at("/components/schemas/Prediction.loading/properties/prediction"));
    follow(yyjson_doc_get_root(document));
}
END_TEST

/* ---- answers ---- */

static void prediction_is(const char *single, const char *batch)
{
    write_document(&everything);
    static const char common[] =
        "{\"model\":{\"const\":\"m\"},\"model_version\":{\"type\":\"string\"},\"request_id\":"
        "{\"type\":\"string\"},";
    char expected[2048];
    snprintf(expected, sizeof expected, "%s%s}", common, single);
    is("/components/schemas/Prediction.m/properties", expected);
    snprintf(expected, sizeof expected, "%s%s}", common, batch);
    is("/components/schemas/Predictions.m/properties", expected);
}

static struct schema *with_outputs(bool regression, const struct example_tensor *outputs, size_t count)
{
    struct schema *schema = schema_new();
    example_inputs(schema, &(struct example_tensor){"x", DATATYPE_FP32, {-1, 2}}, 1);
    example_outputs(schema, outputs, count);
    schema->regression = regression;
    return schema;
}

#define N               "{\"type\":[\"number\",\"null\"]}"
#define LIST(of, count) "{\"type\":\"array\",\"items\":" of ",\"minItems\":" count ",\"maxItems\":" count "}"
#define MANY(of)        "{\"type\":\"array\",\"items\":" of "}"

START_TEST(answers_follow_from_the_outputs)
{
    TELL(entry("m", "1", true, example_classifier(2)));
    prediction_is("\"prediction\":{\"type\":\"integer\"},\"probability\":" N
                  ",\"probabilities\":" LIST(N, "2") ",\"label\":{\"enum\":[\"no\",\"yes\"]}",
                  "\"predictions\":" MANY("{\"type\":\"integer\"}") ",\"probabilities\":" MANY(
                      LIST(N, "2")) ",\"labels\":" MANY("{\"enum\":[\"no\",\"yes\",null]}"));
    TELL(entry("m", "1", true, with_outputs(true, &(struct example_tensor){"y", DATATYPE_FP32, {-1, 1}}, 1)));
    prediction_is("\"prediction\":" N, "\"predictions\":" MANY(N));
    TELL(entry("m", "1", true, with_outputs(true, &(struct example_tensor){"y", DATATYPE_FP32, {-1, 4}}, 1)));
    prediction_is("\"prediction\":" LIST(N, "4"), "\"predictions\":" MANY(LIST(N, "4")));
    TELL(entry("m", "1", true, with_outputs(false, &(struct example_tensor){"y", DATATYPE_FP32, {-1}}, 1)));
    prediction_is("\"prediction\":{\"type\":\"integer\"},\"probability\":" N,
                  "\"predictions\":" MANY("{\"type\":\"integer\"}") ",\"probabilities\":" MANY(N));
    TELL(entry("m", "1", true, with_outputs(false, &(struct example_tensor){"y", DATATYPE_BYTES, {-1}}, 1)));
    prediction_is("\"prediction\":{\"type\":\"string\"}", "\"predictions\":" MANY("{\"type\":\"string\"}"));
    TELL(
        entry("m", "1", true, with_outputs(false, &(struct example_tensor){"y", DATATYPE_BOOL, {-1, 1}}, 1)));
    prediction_is("\"prediction\":{\"type\":\"boolean\"}", "\"predictions\":" MANY("{\"type\":\"boolean\"}"));
}
END_TEST

START_TEST(answers_of_several_labels_are_lists)
{
    static const struct example_tensor outputs[] = {{"held", DATATYPE_INT64, {-1, 2}},
                                                    {"odds", DATATYPE_FP32, {-1, 2}}};
    struct schema *schema = with_outputs(false, outputs, 1);
    schema->kind = SCHEMA_LABELS;
    schema->labels = example_names((const char *const[]){"a", "b"}, 2);
    schema->label_count = 2;
    TELL(entry("m", "1", true, schema));
    prediction_is("\"prediction\":" LIST("{\"type\":\"integer\"}",
                                         "2") ",\"labels\":{\"type\":\"array\",\"items\":{\"enum\":["
                                              "\"a\",\"b\"]}}",
                  "\"predictions\":" MANY(LIST("{\"type\":\"integer\"}", "2")) ",\"labels\":" MANY(
                      "{\"type\":\"array\",\"items\":{\"enum\":[\"a\",\"b\"]}}"));
    schema = with_outputs(false, outputs + 1, 1);
    schema->kind = SCHEMA_LABELS;
    TELL(entry("m", "1", true, schema));
    prediction_is(
        "\"prediction\":" LIST("{\"enum\":[0,1]}", "2") ",\"probabilities\":" LIST(N, "2"),
        "\"predictions\":" MANY(LIST("{\"enum\":[0,1]}", "2")) ",\"probabilities\":" MANY(LIST(N, "2")));
}
END_TEST

START_TEST(outputs_without_a_role_are_told_of)
{
    static const struct example_tensor outputs[] = {{"class", DATATYPE_INT64, {-1}},
                                                    {"odds", DATATYPE_FP32, {-1, 2}},
                                                    {"name", DATATYPE_BYTES, {-1}},
                                                    {"map", DATATYPE_FP32, {-1, 2, 3}}};
    TELL(entry("m", "1", true, with_outputs(false, outputs, COUNT_OF(outputs))));
    write_document(&everything);
    is("/components/schemas/Prediction.m/properties/outputs",
       "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"map\":" MANY(MANY(N)) "}}");
    is("/components/schemas/Predictions.m/properties/outputs",
       "{\"type\":\"object\",\"properties\":{\"name\":" MANY("{\"type\":\"string\"}") ",\"map\":" MANY(
           MANY(MANY(N))) "}}");
}
END_TEST

START_TEST(answers_of_unknown_shape_are_told_of_in_general)
{
    TELL(
        entry("m", "1", true, with_outputs(true, &(struct example_tensor){"y", DATATYPE_FP32, {-1, -1}}, 1)));
    write_document(&everything);
    is("/components/schemas/Prediction.m/required", "[\"model\",\"model_version\",\"request_id\"]");
    ck_assert_ptr_null(at("/components/schemas/Prediction.m/properties/prediction"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        each_model_has_its_paths_and_every_reference_leads_somewhere,
        the_only_model_need_not_be_named,
        there_may_be_no_model,
        columns_that_are_alike_take_a_line,
        names_that_are_not_unlike_are_no_names,
        a_column_is_told_with_all_that_is_known_of_it,
        examples_are_within_the_bounds,
        numbers_are_written_as_they_are_meant,
        very_wide_rows_are_told_of_in_general,
        a_version_of_another_schema_has_its_own,
        what_nobody_has_told_is_anything,
        answers_follow_from_the_outputs,
        answers_of_several_labels_are_lists,
        outputs_without_a_role_are_told_of,
        answers_of_unknown_shape_are_told_of_in_general,
    };
    return SUITE_RUN("openapi", set_up, tear_down, tests);
}
