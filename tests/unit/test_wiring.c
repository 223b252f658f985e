/* test_wiring: pipelines held against what their models take and give. SPDX-License-Identifier: MIT */
#include "schema_fields.h"
#include "suite.h"
#include "wiring.h"

#include <stdlib.h>

/* The models that there are, by name; a version is not looked at. */
enum { MODELS_MAX = 8 };
static struct {
    const char *name;
    struct schema *schema;
} models[MODELS_MAX];
static size_t model_count;
static char reason[WIRING_REASON_MAX];
static struct pipeline *pipeline;

static struct schema_tensor tensor(const char *name, enum datatype datatype, int64_t columns)
{
    struct schema_tensor made = {object_strdup(name), datatype, columns == 0 ? 1 : 2, {-1, columns}};
    return made;
}

static void add(struct schema_tensor **tensors, size_t *count, struct schema_tensor one)
{
    *tensors = realloc(*tensors, (*count + 1) * sizeof **tensors);
    (*tensors)[(*count)++] = one;
}

static struct schema *model(const char *name)
{
    models[model_count].name = name;
    return models[model_count++].schema = schema_new();
}

static void takes(struct schema *schema, const char *name, enum datatype datatype, int64_t columns)
{
    add(&schema->inputs, &schema->input_count, tensor(name, datatype, columns));
}

static void gives(struct schema *schema, const char *name, enum datatype datatype, int64_t columns)
{
    add(&schema->outputs, &schema->output_count, tensor(name, datatype, columns));
}

/* scaler: x -> y, four columns. small and large: features -> label, p. both: two inputs. */
static void set_up(void)
{
    struct schema *scaler = model("scaler"), *both;
    takes(scaler, "x", DATATYPE_FP32, 4);
    gives(scaler, "y", DATATYPE_FP32, 4);
    scaler->allow_nan = true;
    scaler->features = object_alloc(4 * sizeof(char *));
    for (; scaler->feature_count < 4; scaler->feature_count++)
        scaler->features[scaler->feature_count] = object_strdup("column");
    for (size_t i = 0; i < 2; i++) {
        struct schema *classifier = model(i == 0 ? "small" : "large");
        takes(classifier, "features", DATATYPE_FP32, 4);
        gives(classifier, "label", DATATYPE_INT64, 0);
        gives(classifier, "p", DATATYPE_FP32, 3);
        classifier->labels = object_alloc(sizeof(char *));
        classifier->labels[classifier->label_count++] = object_strdup("cat");
    }
    both = model("both");
    takes(both, "left", DATATYPE_FP32, 4);
    takes(both, "right", DATATYPE_FP32, -1);
    gives(both, "out", DATATYPE_FP64, 1);
    struct schema *wide = model("wide");
    takes(wide, "features", DATATYPE_FP32, 5);
    gives(wide, "label", DATATYPE_BYTES, 1);
    gives(wide, "p", DATATYPE_FP64, 3);
}

static void tear_down(void)
{
    while (model_count > 0)
        schema_free(models[--model_count].schema);
    pipeline_free(pipeline);
}

static const struct schema *find(void *self, const struct pipeline_part *part, char why[WIRING_REASON_MAX])
{
    (void)self;
    for (size_t i = 0; i < model_count; i++)
        if (strcmp(models[i].name, part->model) == 0)
            return models[i].schema;
    snprintf(why, WIRING_REASON_MAX, "there is no model %s", part->model);
    return NULL;
}

static struct wiring *wire(const char *steps)
{
    struct config_errors errors = {0};
    pipeline_free(pipeline);
    pipeline = pipeline_parse("p", steps, &errors);
    ck_assert_msg(pipeline != NULL, "%s", errors.text);
    return wiring_new(pipeline, find, NULL, reason);
}

static struct wiring *wire_good(const char *steps)
{
    struct wiring *wiring = wire(steps);
    ck_assert_msg(wiring != NULL, "%s", reason);
    return wiring;
}

static void expect_fault(const char *steps, const char *why)
{
    ck_assert_ptr_null(wire(steps));
    ck_assert_str_eq(reason, why);
}

#define SCALE    "{ name = \"scale\"; model = \"scaler\"; }"
#define CLASSIFY "{ name = \"a\"; model = \"small\"; }"

START_TEST(a_chain_takes_what_its_first_model_takes_and_gives_what_its_last_gives)
{
    struct wiring *wiring = wire_good("steps = ( " SCALE ", " CLASSIFY " );");
    ck_assert_uint_eq(wiring->input_count, 1);
    ck_assert_str_eq(wiring->inputs[0].name, "x");
    ck_assert_int_eq(wiring->inputs[0].shape[1], 4);
    ck_assert_uint_eq(wiring->output_count, 2);
    ck_assert_str_eq(wiring->outputs[1].name, "p");
    ck_assert_int_eq(wiring_tensor(wiring, wiring->outputs[1].from)->shape[1], 3);
    ck_assert_uint_eq(wiring->steps[1].sources[0].step, 0);
    ck_assert_uint_eq(wiring->feature_count, 4);
    ck_assert(wiring->allow_nan);
    ck_assert_str_eq(wiring->steps[1].labels[0], "cat");
    wiring_free(wiring);
    wiring_free(NULL);
}
END_TEST

START_TEST(an_input_may_go_to_several_steps)
{
    struct wiring *wiring =
        wire_good("steps = ( { name = \"s\"; model = \"scaler\"; inputs = { x = \"row\"; }; },"
                  "{ name = \"b\"; model = \"both\"; inputs = { right = \"row\"; left = \"s.y\"; }; } );"
                  "outputs = { score = \"b.out\"; scaled = \"s.y\"; };");
    ck_assert_uint_eq(wiring->input_count, 1);
    ck_assert_str_eq(wiring->inputs[0].name, "row");
    ck_assert_int_eq(wiring->inputs[0].shape[1], 4); /* as the one says that knows */
    ck_assert_uint_eq(wiring->steps[1].sources[1].step, PIPELINE_INPUT);
    ck_assert_str_eq(wiring->outputs[0].name, "score");
    ck_assert(!wiring->allow_nan);
    wiring_free(wiring);
}
END_TEST

START_TEST(ensembles_and_cascades)
{
    struct wiring *wiring = wire_good(
        "steps = ( " CLASSIFY ", { name = \"b\"; model = \"large\"; inputs = { features = \"features\"; }; },"
        "{ name = \"m\"; average = ( \"a.p\", \"b.p\" ); }, { name = \"v\"; vote = ( \"a.label\", "
        "\"b.label\" ); } );"
        "outputs = { p = \"m.output\"; label = \"v.output\"; share = \"v.share\"; };");
    ck_assert_int_eq(wiring->steps[2].outputs[0].shape[1], 3);
    ck_assert_int_eq(wiring->steps[3].outputs[0].datatype, DATATYPE_INT64);
    ck_assert_str_eq(wiring->steps[2].labels[0], "cat");
    wiring_free(wiring);
    wiring =
        wire_good("steps = ( { name = \"c\"; cascade = ( { model = \"small\"; }, { model = \"large\"; } );"
                  "confidence = \"p\"; threshold = 0.9; } );");
    ck_assert_uint_eq(wiring->steps[0].confidence, 1);
    ck_assert_uint_eq(wiring->output_count, 2); /* the stage is for who asks for it */
    ck_assert_str_eq(wiring->steps[0].outputs[2].name, "stage");
    wiring_free(wiring);
}
END_TEST

START_TEST(what_does_not_fit_is_told)
{
    expect_fault("steps = ( { name = \"a\"; model = \"none\"; } );", "step a: there is no model none");
    expect_fault("steps = ( " SCALE ", { name = \"w\"; model = \"wide\"; } );",
                 "step w: input features: expected FP32 [-1, 5], but scale.y is FP32 [-1, 4]");
    expect_fault("steps = ( " SCALE
                 ", { name = \"a\"; model = \"small\"; inputs = { features = \"scale.z\"; }; } );",
                 "step a: step scale has no output z");
    expect_fault("steps = ( " SCALE
                 ", { name = \"a\"; model = \"small\"; inputs = { rows = \"scale.y\"; }; } );",
                 "step a: inputs: input features of model small is missing");
    expect_fault(
        "steps = ( " SCALE
        ", { name = \"a\"; model = \"small\"; inputs = { features = \"scale.y\"; more = \"x\"; }; } );",
        "step a: inputs: model small takes 1 inputs, and not all of these");
    expect_fault(
        "steps = ( " SCALE ", { name = \"b\"; model = \"both\"; } );",
        "step b: inputs: expected where input right comes from, as the second one is not clear without");
    expect_fault(
        "steps = ( { name = \"w\"; model = \"wide\"; },"
        "{ name = \"a\"; model = \"small\"; inputs = { features = \"features\"; }; } );",
        "step a: input features: expected FP32 [-1, 4], but the pipeline's features is FP32 [-1, 5] for a "
        "step before");
    expect_fault("steps = ( " SCALE
                 ", { name = \"a\"; model = \"small\"; inputs = { features = \"x\"; }; } );",
                 "step scale: nothing takes what it gives");
}
END_TEST

START_TEST(what_cannot_be_combined_is_told)
{
    expect_fault("steps = ( " CLASSIFY ", { name = \"m\"; average = ( \"a.label\", \"a.p\" ); } );",
                 "step m: average: expected FP32 or FP64, but label is INT64 [-1]");
    expect_fault("steps = ( " CLASSIFY ", { name = \"v\"; vote = ( \"a.label\", \"a.p\" ); } );",
                 "step v: vote: expected a label for each row, but p is FP32 [-1, 3]");
    expect_fault("steps = ( " CLASSIFY ", { name = \"m\"; average = ( \"a.p\", \"features\" ); } );",
                 "step m: average: expected STEP.OUTPUT, got \"features\"");
    expect_fault("steps = ( " CLASSIFY
                 ", { name = \"w\"; model = \"wide\"; inputs = { features = \"five\"; }; },"
                 "{ name = \"m\"; average = ( \"a.p\", \"w.p\" ); } );",
                 "step m: average: w.p is FP64 [-1, 3], but what comes before it FP32 [-1, 3]");
    expect_fault(
        "steps = ( { name = \"c\"; cascade = ( { model = \"small\"; }, { model = \"wide\"; } );"
        "confidence = \"p\"; threshold = 0.9; } );",
        "step c: input features of model wide is FP32 [-1, 5], of the first one features FP32 [-1, 4]");
    expect_fault("steps = ( { name = \"c\"; cascade = ( { model = \"small\"; }, { model = \"large\"; } );"
                 "confidence = \"label\"; threshold = 0.9; } );",
                 "step c: confidence: expected floats, some for each row, but label is INT64 [-1]");
    expect_fault("steps = ( { name = \"c\"; cascade = ( { model = \"small\"; }, { model = \"large\"; } );"
                 "confidence = \"q\"; threshold = 0.9; } );",
                 "step c: confidence: model small has no output q");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_chain_takes_what_its_first_model_takes_and_gives_what_its_last_gives,
                                  an_input_may_go_to_several_steps, ensembles_and_cascades,
                                  what_does_not_fit_is_told, what_cannot_be_combined_is_told};
    return SUITE_RUN("wiring", set_up, tear_down, tests);
}
