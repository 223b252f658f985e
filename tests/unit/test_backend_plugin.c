/* test_backend_plugin: models that are shared objects, built here: the example of tests/models, and what is
 * none. SPDX-License-Identifier: MIT */
#include "backend.h"
#include "scratch_directory.h"
#include "suite.h"

#include "object.h"

static char error[BACKEND_ERROR_MAX], library[300];
static const struct backend *backend;
static const struct backend_options options = {.threads = 1};
static struct backend_description description;

static void set_up(void)
{
    scratch_make();
    backend = backend_for_file("models/m/1/model.so");
    ck_assert_ptr_nonnull(backend);
    ck_assert_ptr_eq(backend, backend_named("plugin"));
    snprintf(library, sizeof library, "%s", scratch_path("model.so"));
}

/* Compiles `source`, a file, to the library. */
static void build(const char *source, const char *more)
{
    char command[1024];
    snprintf(command, sizeof command, "cc -shared -fPIC -Iworker %s -o %s %s", more, library, source);
    ck_assert_int_eq(system(command), 0);
}

static void build_text(const char *text)
{
    build(scratch_file("source.c", text), "");
}

static void expect_fault(const char *text)
{
    ck_assert_ptr_null(backend->open(library, &options, &description, error));
    ck_assert_msg(strstr(error, text) != NULL, "%s: %s", text, error);
    ck_assert_ptr_null(strchr(error, '\n'));
    ck_assert_ptr_null(strstr(error, library));
}

START_TEST(the_example_computes)
{
    build("tests/models/plugin_sum.c", "");
    void *state = backend->open(library, &options, &description, error);
    ck_assert_msg(state != NULL, "%s", error);
    ck_assert_str_eq(description.platform, "plugin_sum");
    ck_assert_uint_eq(description.input_count, 1);
    ck_assert_str_eq(description.inputs[0].name, "features");
    const float rows[] = {1, 2, 3, 4, 5, 6, 7, 8};
    const struct backend_values input = {rows, sizeof rows, 2, {2, 4}};
    struct backend_values output;
    ck_assert_int_eq(backend->run(state, &input, &output, error), 0);
    ck_assert_int_eq(output.shape[0], 2);
    ck_assert_float_eq(((const float *)output.data)[0], 10);
    ck_assert_float_eq(((const float *)output.data)[1], 26);
    backend->close(state);
}
END_TEST

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
    build("tests/models/plugin_sum.c", "-DPLUGIN_ABI=7");
    expect_fault("was built for version 7 of the interface for plug-ins (");
    build_text("#include \"backend.h\"\n"
               "const struct outrigger_backend_plugin *outrigger_backend(uint32_t abi)\n"
               "{\n"
               "    static struct outrigger_backend_plugin plugin = {.size = sizeof plugin};\n"
               "    plugin.abi = abi;\n"
               "    return &plugin;\n"
               "}\n");
    expect_fault("its plug-in lacks open, run or close");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {the_example_computes, what_cannot_be_used_is_named};
    return SUITE_RUN("backend_plugin", set_up, scratch_remove, tests);
}
