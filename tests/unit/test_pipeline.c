/* test_pipeline: a model.pipeline as data: what may stand in it, and that every fault is told with its line;
 * and pipelines of a repository that would be a part of themselves. SPDX-License-Identifier: MIT */
#include "pipeline.h"
#include "pipeline_tree.h"
#include "scratch_directory.h"
#include "suite.h"

static struct config_errors errors;

static struct pipeline *parse(const char *text)
{
    errors = (struct config_errors){0};
    struct pipeline *pipeline = pipeline_parse("p", text, &errors);
    ck_assert((pipeline == NULL) == (errors.count > 0));
    return pipeline;
}

static struct pipeline *parse_good(const char *text)
{
    struct pipeline *pipeline = parse(text);
    ck_assert_msg(pipeline != NULL, "%s", errors.text);
    return pipeline;
}

static void expect_fault(const char *text, const char *complaint)
{
    pipeline_free(parse(text));
    ck_assert_msg(strstr(errors.text, complaint) != NULL, "got: %s", errors.text);
}

#define STEP(rest) "steps = ( { name = \"a\"; " rest " } );\n"
#define TWO(rest)  "steps = ( { name = \"a\"; model = \"m\"; },\n{ name = \"b\"; " rest " } );\n"

START_TEST(all_kinds_of_steps)
{
    struct pipeline *pipeline = parse_good(
        "outputs = { score = \"mean.output\"; };\n" /* before the steps that it is of */
        "steps = ( { name = \"scale\"; model = \"scaler\"; version = \"3\"; },\n"
        "  { name = \"a\"; model = \"one\"; inputs = { x = \"scale.y\"; z = \"age\"; }; },\n"
        "  { name = \"b\"; cascade = ( { model = \"small\"; }, { model = \"big\"; version = \"2\"; } );\n"
        "    confidence = \"p\"; threshold = 0.9; inputs = ( ( \"in:0\", \"scale.y\" ) ); },\n"
        "  { name = \"v\"; vote = ( \"a.label\", \"b.label\" ); },\n"
        "  { name = \"mean\"; average = ( \"a.p\", \"b.p\" ); weights = ( 3, 0.5 ); } );\n");
    ck_assert_uint_eq(pipeline->step_count, 5);
    const struct pipeline_step *steps = pipeline->steps;
    ck_assert_int_eq(steps[0].kind, PIPELINE_MODEL);
    ck_assert_str_eq(steps[0].parts[0].model, "scaler");
    ck_assert_str_eq(steps[0].parts[0].version, "3");
    ck_assert_uint_eq(steps[0].link_count, 0);
    ck_assert_str_eq(steps[1].parts[0].version, "");
    ck_assert_str_eq(steps[1].links[0].name, "x");
    ck_assert_uint_eq(steps[1].links[0].from.step, 0);
    ck_assert_str_eq(steps[1].links[0].from.tensor, "y");
    ck_assert_uint_eq(steps[1].links[1].from.step, PIPELINE_INPUT);
    ck_assert_str_eq(steps[1].links[1].from.tensor, "age");
    ck_assert_int_eq(steps[2].kind, PIPELINE_CASCADE);
    ck_assert_uint_eq(steps[2].part_count, 2);
    ck_assert_str_eq(steps[2].parts[1].version, "2");
    ck_assert_str_eq(steps[2].links[0].name, "in:0");
    ck_assert_double_eq(steps[2].threshold, 0.9);
    ck_assert_int_eq(steps[3].kind, PIPELINE_VOTE);
    ck_assert_ptr_null(steps[3].weights);
    ck_assert_int_eq(steps[4].kind, PIPELINE_AVERAGE);
    ck_assert_double_eq(steps[4].weights[1], 0.5);
    ck_assert_uint_eq(steps[4].links[1].from.step, 2);
    ck_assert_uint_eq(pipeline->output_count, 1);
    ck_assert_uint_eq(pipeline->outputs[0].from.step, 4);
    pipeline_free(pipeline);
    pipeline_free(NULL);
}
END_TEST

START_TEST(a_tensor_may_have_dots_in_its_name)
{
    struct pipeline *pipeline = parse_good(TWO("model = \"n\"; inputs = { x = \"a.dense.out:0\"; };"));
    ck_assert_str_eq(pipeline->steps[1].links[0].from.tensor, "dense.out:0");
    pipeline_free(pipeline);
}
END_TEST

START_TEST(faults_are_told_with_their_lines)
{
    expect_fault("", "p: steps: expected a list of steps, got nothing");
    expect_fault("steps = 3;", "p:1: steps: expected a list of 1 to 32 steps");
    expect_fault("steps = ( );", "expected a list of 1 to 32 steps");
    expect_fault("steps = ( { model = \"m\"; } );", "p:1: steps[0].name: expected the step's name");
    expect_fault("steps = ( { name = \"a.b\"; model = \"m\"; } );",
                 "steps[0].name: expected the step's name");
    expect_fault(TWO("model = \"m\"; colour = 3;"), "p:2: steps[1].colour: unknown key");
    expect_fault("steps = ( { name = \"a\"; model = \"m\"; }, { name = \"a\"; model = \"m\"; } );",
                 "steps[1].name: \"a\" is the name of [0], too");
    expect_fault(STEP(""), "steps[0]: expected one of model, cascade, average and vote, got 0 of them");
    expect_fault(STEP("model = \"m\"; vote = ( );"), "got 2 of them");
    expect_fault(STEP("model = \".m\";"), "steps[0].model: expected a name");
    expect_fault(STEP("model = \"m\"; version = 3;"), "steps[0].version: expected a name");
    expect_fault(STEP("model = \"m\"; inputs = { };"), "steps[0].inputs: expected 1 to 64 tensors");
    expect_fault(STEP("model = \"m\"; inputs = ( ( \"x\" ) );"), "steps[0].inputs: expected pairs");
    expect_fault(STEP("model = \"m\"; inputs = ( ( \"x\", \"y\" ), ( \"x\", \"z\" ) );"),
                 "stands there twice");
    expect_fault(STEP("model = \"m\"; inputs = { x = 3; };"), "steps[0].inputs.x: expected STEP.OUTPUT");
    expect_fault(TWO("average = ( \"a.p\" );"), "steps[1].average: expected a list of 2 to 64 tensors");
    expect_fault(TWO("average = ( \"a.p\", \"a.q\" ); weights = ( 1 );"),
                 "steps[1].weights: expected 2 numbers");
    expect_fault(TWO("average = ( \"a.p\", \"a.q\" ); weights = ( 0, 0 );"), "not all 0");
    expect_fault(TWO("vote = ( \"a.p\", \"a.q\" ); weights = ( 1, -1 );"), "steps[1].weights");
    expect_fault(STEP("cascade = ( { model = \"m\"; } ); confidence = \"p\"; threshold = 0.5;"),
                 "steps[0].cascade: expected a list of 2 to 8 models");
    expect_fault(STEP("cascade = ( { model = \"m\"; }, { model = \"n\"; } ); threshold = 0.5;"),
                 "steps[0].confidence: expected the name of the output");
    expect_fault(
        STEP("cascade = ( { model = \"m\"; }, { model = \"n\"; } ); confidence = \"p\"; threshold = 2.0;"),
        "steps[0].threshold: expected a number above 0 up to 1");
    expect_fault(STEP("model = \"m\";") "outputs = { x = \"features\"; };",
                 "outputs.x: expected STEP.OUTPUT");
    expect_fault(STEP("model = \"m\";") "outputs = { x = \"c.y\"; };", "no step before this one is called c");
    expect_fault("steps = ( {", "p:1: ");
}
END_TEST

START_TEST(a_step_takes_only_what_stands_before_it)
{
    expect_fault(STEP("model = \"m\"; inputs = { x = \"a.y\"; };"),
                 "steps[0].inputs.x: no step before this one is called a");
    expect_fault("steps = ( { name = \"a\"; model = \"m\"; inputs = { x = \"b.y\"; }; },\n"
                 "{ name = \"b\"; model = \"m\"; inputs = { x = \"a.y\"; }; } );",
                 "p:1: steps[0].inputs.x: no step before this one is called b");
}
END_TEST

START_TEST(a_file_is_read_or_says_why_not)
{
    errors = (struct config_errors){0};
    ck_assert_ptr_null(pipeline_read(scratch_path("none"), &errors));
    ck_assert_ptr_nonnull(strstr(errors.text, "No such file"));
    errors = (struct config_errors){0};
    struct pipeline *pipeline = pipeline_read(scratch_file("p", STEP("model = \"m\";")), &errors);
    ck_assert_ptr_nonnull(pipeline);
    pipeline_free(pipeline);
}
END_TEST

/* ---- circles ---- */

/* Version V of a model that asks those "model" or "model version". */
static void make(const char *name, const char *first, const char *second)
{
    char folder[64], text[512] = "steps = (", *end = text + strlen(text);
    const char *const asked[] = {first, second};
    snprintf(folder, sizeof folder, "%.*s", (int)strcspn(name, "/"), name);
    mkdir(scratch_path(folder), 0700);
    scratch_folder(name);
    for (size_t i = 0; i < 2 && asked[i] != NULL; i++) {
        int model = (int)strcspn(asked[i], " ");
        end +=
            sprintf(end, "%s{ name = \"s%zu\"; model = \"%.*s\"; ", i == 0 ? "" : ", ", i, model, asked[i]);
        end += asked[i][model] == '\0' ? sprintf(end, "}")
                                       : sprintf(end, "version = \"%s\"; }", asked[i] + model + 1);
    }
    strcpy(end, " );");
    snprintf(folder, sizeof folder, "%s/model.pipeline", name);
    scratch_file(folder, text);
}

static const char *always_one(void *self, const char *model)
{
    (void)self;
    return strcmp(model, "gone") == 0 ? NULL : "1";
}

/* The reason; "" when there is none. */
static const char *check(const char *model, const char *version)
{
    static char reason[PIPELINE_TREE_REASON_MAX];
    struct config_errors ignored = {0};
    struct model_list *list = model_list_load(scratch_path(""), &ignored);
    struct pipeline_tree *tree = pipeline_tree_new(list);
    reason[0] = '\0';
    bool good = pipeline_tree_check(tree, model, version, always_one, NULL, reason);
    ck_assert(good == (reason[0] == '\0'));
    ck_assert(pipeline_tree_check(tree, "none", "1", always_one, NULL, reason));
    ck_assert_ptr_null(pipeline_tree_find(tree, "none", "1"));
    pipeline_tree_free(tree);
    model_list_free(list);
    return reason;
}

START_TEST(circles_are_found)
{
    make("itself/1", "itself", NULL);
    make("a/1", "leaf", "b");
    make("b/1", "c 1", NULL);
    make("c/1", "gone", "a");
    make("d/1", "b", NULL);
    ck_assert_str_eq(check("itself", "1"), "itself 1 asks itself: a pipeline cannot be a part of itself");
    ck_assert_str_eq(check("a", "1"), "a 1 asks b 1 asks c 1 asks a: a pipeline cannot be a part of itself");
    ck_assert_str_eq(check("d", "1"), "b 1 asks c 1 asks a 1 asks b: a pipeline cannot be a part of itself");
}
END_TEST

START_TEST(a_version_may_be_made_of_an_older_one)
{
    make("m/1", "leaf", NULL);
    make("m/2", "m 1", "leaf");
    make("m/3", "m", NULL); /* which may be promoted, and is itself then */
    ck_assert_str_eq(check("m", "2"), "");
    ck_assert_str_eq(check("m", "3"), "m 3 asks m: a pipeline cannot be a part of itself");
}
END_TEST

START_TEST(what_many_ask_is_no_circle_and_depth_is_bounded)
{
    char name[16], next[16];
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "p%d/1", i);
        snprintf(next, sizeof next, "p%d", i + 1);
        make(name, next, next);
    }
    ck_assert_str_eq(check("p3", "1"), "");
    ck_assert_str_eq(check("p2", "1"), "");
    ck_assert_ptr_nonnull(strstr(check("p1", "1"), "more than 8 pipelines within each other"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {all_kinds_of_steps,
                                  a_tensor_may_have_dots_in_its_name,
                                  faults_are_told_with_their_lines,
                                  a_step_takes_only_what_stands_before_it,
                                  a_file_is_read_or_says_why_not,
                                  circles_are_found,
                                  a_version_may_be_made_of_an_older_one,
                                  what_many_ask_is_no_circle_and_depth_is_bounded};
    return SUITE_RUN("pipeline", scratch_make, scratch_remove, tests);
}
