/* test_backend_plugin: models that are shared objects, built here: the example of worker/plugin, and what is
 * none. SPDX-License-Identifier: MIT */
#include "backend.h"
#include "plugin_scene.h"

static const struct backend *backend;

static void set_up(void)
{
    scratch_make();
    backend = backend_for_file("models/m/1/model.so");
    ck_assert_ptr_nonnull(backend);
    ck_assert_ptr_eq(backend, backend_named("plugin"));
    snprintf(library, sizeof library, "%s", scratch_path("model.so"));
}

static void expect_fault(const char *text)
{
    ck_assert_ptr_null(backend->open(library, &options, &description, error));
    ck_assert_msg(strstr(error, text) != NULL, "%s: %s", text, error);
    ck_assert_ptr_null(strchr(error, '\n'));
    ck_assert_ptr_null(strstr(error, library));
}

static void build_text(const char *text)
{
    build(scratch_file("source.c", text), "-Iworker");
}

START_TEST(the_example_computes)
{
    static const char *const settings[] = {"weights", "1 1 1 0.5", NULL};
    const struct backend_options with = {.threads = 1, .model = "m", .settings = settings};
    const float rows[] = {1, 2, 3, 4, 5, 6, 7, 8};
    const struct backend_values input = {rows, sizeof rows, 2, {2, 4}};
    struct backend_values output;
    build("worker/plugin/model.c", "-Iworker");
    for (int i = 0; i < 2; i++) {
        void *state = backend->open(library, i == 0 ? &options : &with, &description, error);
        ck_assert_msg(state != NULL, "%s", error);
        ck_assert_str_eq(description.platform, "sum");
        ck_assert_uint_eq(description.input_count, 1);
        ck_assert_str_eq(description.inputs[0].name, "features");
        ck_assert_int_eq(backend->run(state, &input, &output, error), 0);
        ck_assert_int_eq(output.shape[0], 2);
        ck_assert_float_eq(((const float *)output.data)[0], i == 0 ? 10 : 8);
        ck_assert_float_eq(((const float *)output.data)[1], i == 0 ? 26 : 22);
        backend->close(state);
    }
}
END_TEST

START_TEST(what_it_says_of_a_setting_is_told)
{
    static const char *const settings[] = {"weights", "1 2\n3", NULL};
    const struct backend_options with = {.threads = 1, .settings = settings};
    build("worker/plugin/model.c", "-Iworker");
    ck_assert_ptr_null(backend->open(library, &with, &description, error));
    ck_assert_str_eq(error, "settings.weights: expected four numbers, got \"1 2 3\"");
}
END_TEST

START_TEST(it_is_told_where_it_lies_and_what_it_is_called)
{
    static const char *const settings[] = {"first", "a", "second", "b", NULL};
    const struct backend_options with = {.threads = 3, .model = "m", .settings = settings};
    char expected[400];
    build_text(
        "#include <outrigger/backend.h>\n"
        "#include <stdio.h>\n"
        "static void *look(const struct outrigger_options *o, struct outrigger_description *d, char *e,\n"
        "                  size_t s)\n"
        "{\n"
        "    (void)d;\n"
        "    snprintf(e, s, \"%s %zu %zu %d %s %s %s %s\", o->model, o->threads, s, o->size == sizeof *o,\n"
        "             strstr(o->path, o->folder) == o->path ? strrchr(o->path, '/') : o->folder,\n"
        "             outrigger_setting(o, \"second\", \"none\"), outrigger_setting(o, \"third\", \"c\"),\n"
        "             outrigger_unknown_setting(o, (const char *const[]){\"first\", NULL}));\n"
        "    return NULL;\n"
        "}\n"
        "const struct outrigger_plugin *outrigger_backend(uint32_t abi)\n"
        "{\n"
        "    static struct outrigger_plugin plugin = {OUTRIGGER_PLUGIN_SIZES, .open = look};\n"
        "    plugin.run = (void *)look;\n"
        "    plugin.close = (void *)look;\n"
        "    (void)abi;\n"
        "    return &plugin;\n"
        "}\n");
    snprintf(expected, sizeof expected, "m 3 %d 1 /model.so b c second", BACKEND_ERROR_MAX);
    ck_assert_ptr_null(backend->open(library, &with, &description, error));
    ck_assert_str_eq(error, expected);
}
END_TEST

/* A plug-in with what is given for its members. */
static void build_plugin(const char *members)
{
    char text[1024];
    snprintf(text, sizeof text,
             "#include <outrigger/backend.h>\n"
             "const struct outrigger_plugin *outrigger_backend(uint32_t abi)\n"
             "{\n"
             "    static const struct outrigger_plugin plugin = {%s};\n"
             "    return abi == 1 ? &plugin : NULL;\n"
             "}\n",
             members);
    build_text(text);
}

START_TEST(what_cannot_be_used_is_named)
{
    expect_fault("cannot be loaded: cannot open shared object file");
    scratch_file("model.so", "no library");
    expect_fault("cannot be loaded: ");
    build_text("int missing(void); int outrigger_backend(void) { return missing(); }");
    expect_fault("cannot be loaded: undefined symbol: missing");
    build_text("int nothing;");
    expect_fault("exports no function outrigger_backend");
    build_text("void *outrigger_backend(unsigned abi) { return (void *)(unsigned long)(abi - 1); }");
    expect_fault("does not speak version 1 of the interface for plug-ins");
    build_plugin(".abi = 7, .size = 8");
    expect_fault("was built for version 7 of the interface for plug-ins, this worker has version 1");
    build_plugin(".abi = 1, .size = sizeof plugin");
    expect_fault("its plug-in says sizes that no header has: it lacks OUTRIGGER_PLUGIN_SIZES");
    build_plugin("OUTRIGGER_PLUGIN_SIZES");
    expect_fault("its plug-in lacks open, run or close");
}
END_TEST

START_TEST(what_it_describes_is_checked)
{
    static const struct {
        const char *flag, *fault;
    } faults[] = {
        {"-DTELL_NO_INPUT", "the model has 0 inputs; 1 to 64 can be served"},
        {"-DTELL_NAME='\"\"'", "output 1 of the plug-in (): expected a name"},
        {"-DTELL_DATATYPE='\"FLOAT\"'", "output 1 of the plug-in (counts): expected a datatype, as FP32"},
        {"-DTELL_RANK=9", "output 1 of the plug-in (counts): expected at most 8 dimensions"}};
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        char flags[128];
        snprintf(flags, sizeof flags, "-Iworker %s", faults[i].flag);
        build("tests/models/plugin_pairs.c", flags);
        expect_fault(faults[i].fault);
    }
}
END_TEST

START_TEST(what_it_computes_is_checked)
{
    static const struct {
        const char *flag, *fault;
    } faults[] = {{"-DANSWER_BYTES=4",
                   "output counts of the plug-in: the length of data is not what shape and datatype say"},
                  {"-DANSWER_RANK=0", "output counts of the plug-in: its rank is not 1 to 8"},
                  {"-DANSWER_DATA=NULL", "output counts of the plug-in: its data is NULL"},
                  {"-DANSWER_STATUS=1", "its run says no more than that it failed"}};
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        struct backend_values outputs[2];
        char flags[128];
        snprintf(flags, sizeof flags, "-Iworker %s", faults[i].flag);
        build("tests/models/plugin_pairs.c", flags);
        void *state = backend->open(library, &options, &description, error);
        ck_assert_msg(state != NULL, "%s", error);
        ck_assert_int_eq(backend->run(state, pairs, outputs, error), -1);
        ck_assert_str_eq(error, faults[i].fault);
        backend->close(state);
    }
}
END_TEST

/* Built with a header that has more than this worker's. */
START_TEST(a_newer_plug_in_is_served)
{
    build("tests/models/plugin_pairs.c", "-DGROWN -I" GROWN_FOLDER);
    compute_pairs(backend);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {the_example_computes,
                            what_it_says_of_a_setting_is_told,
                            it_is_told_where_it_lies_and_what_it_is_called,
                            what_cannot_be_used_is_named,
                            what_it_describes_is_checked,
                            what_it_computes_is_checked,
                            a_newer_plug_in_is_served};
    return SUITE_RUN("backend_plugin", set_up, scratch_remove, tests);
}
