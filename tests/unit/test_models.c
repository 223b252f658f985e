/* test_models: the model repository: what is a model, what is a version, their order, the file of a version,
 * and the faults of model.conf. SPDX-License-Identifier: MIT */
#include "config.h"
#include "model_config.h"
#include "route.h"
#include "scratch_directory.h"
#include "suite.h"

static struct config_errors errors;
static struct model_list *list;

static void set_up(void)
{
    scratch_make();
    errors = (struct config_errors){0};
    list = NULL;
}

static void tear_down(void)
{
    model_list_free(list);
    scratch_remove();
}

static void load(void)
{
    model_list_free(list);
    errors = (struct config_errors){0};
    list = model_list_load(scratch_directory, &errors);
    ck_assert_ptr_nonnull(list);
}

static struct model_config *load_one(void)
{
    load();
    ck_assert_msg(errors.count == 0, "%s", errors.text);
    ck_assert_uint_eq(list->count, 1);
    return list->models[0];
}

/* A model m with one version and that model.conf. */
static void write_model_conf(const char *text)
{
    scratch_file("m/model.conf", text);
}

static void make_model(void)
{
    scratch_folder("m");
    scratch_folder("m/1");
    scratch_file("m/1/model.onnx", "");
}

/* The model.conf must give this complaint, after its path, and the model must be left out. */
static void expect_fault(const char *text, const char *complaint)
{
    char expected[1024];
    write_model_conf(text);
    load();
    snprintf(expected, sizeof expected, "%s/m/model.conf%s\n", scratch_directory, complaint);
    ck_assert_str_eq(errors.text, expected);
    ck_assert_uint_eq(list->count, 0);
}

/* ---- the list ---- */

START_TEST(an_empty_repository_is_an_empty_list)
{
    load();
    ck_assert_int_eq(errors.count, 0);
    ck_assert_uint_eq(list->count, 0);
}
END_TEST

START_TEST(an_unreadable_repository_is_a_complaint)
{
    list = model_list_load(scratch_path("missing"), &errors);
    ck_assert_ptr_nonnull(list);
    ck_assert_uint_eq(list->count, 0);
    char expected[512];
    snprintf(expected, sizeof expected, "models_directory: %s/missing: No such file or directory\n",
             scratch_directory);
    ck_assert_str_eq(errors.text, expected);
}
END_TEST

START_TEST(models_are_in_the_order_of_their_names)
{
    scratch_folder("b");
    scratch_folder("b/1");
    scratch_folder("a");
    scratch_file("a/model.conf", "");
    scratch_folder("C");
    scratch_folder("C/7");
    load();
    ck_assert_int_eq(errors.count, 0);
    ck_assert_uint_eq(list->count, 3);
    ck_assert_str_eq(list->models[0]->name, "C");
    ck_assert_str_eq(list->models[1]->name, "a");
    ck_assert_str_eq(list->models[2]->name, "b");
    ck_assert_ptr_eq(model_list_find(list, text_of("b")), list->models[2]);
    ck_assert_ptr_null(model_list_find(list, text_of("B")));
    ck_assert_ptr_null(model_list_find(list, text_of("")));
}
END_TEST

START_TEST(what_is_no_model_is_passed_over)
{
    make_model();
    scratch_file("README", "");
    scratch_folder(".git");
    scratch_folder(".git/1");
    scratch_folder("empty");
    scratch_folder("with spaces");
    scratch_folder("documents");
    scratch_folder("documents/drafts");
    ck_assert_str_eq(load_one()->name, "m");
}
END_TEST

START_TEST(bad_names_are_refused)
{
    scratch_folder("a b");
    scratch_folder("a b/1");
    load();
    ck_assert_uint_eq(list->count, 0);
    ck_assert_ptr_nonnull(strstr(errors.text, "/a b: expected a model's name"));
}
END_TEST

START_TEST(links_to_folders_are_followed)
{
    const char *elsewhere = scratch_folder(".elsewhere");
    scratch_folder(".elsewhere/3");
    ck_assert_int_eq(symlink(elsewhere, scratch_path("linked")), 0);
    struct model_config *model = load_one();
    ck_assert_str_eq(model->name, "linked");
    ck_assert_str_eq(model_stable_version(model), "3");
    ck_assert_int_eq(symlink("nowhere", scratch_path("dangling")), 0);
    load();
    ck_assert_uint_eq(list->count, 1);
    ck_assert_ptr_nonnull(strstr(errors.text, "/dangling: No such file or directory"));
}
END_TEST

START_TEST(the_default_model_is_the_configured_or_the_only_one)
{
    struct config *config = config_load(NULL, NULL, 0, &errors);
    load();
    ck_assert_ptr_null(model_default(config, list));
    make_model();
    load();
    ck_assert_str_eq(model_default(config, list), "m");
    scratch_folder("n");
    scratch_folder("n/1");
    load();
    ck_assert_ptr_null(model_default(config, list));
    config_free(config);
    const char *setting = "default_model=n";
    config = config_load(NULL, &setting, 1, &errors);
    ck_assert_str_eq(model_default(config, list), "n");
    config_free(config);
}
END_TEST

START_TEST(free_takes_null)
{
    model_list_free(NULL);
    model_config_free(NULL);
}
END_TEST

/* ---- versions ---- */

START_TEST(versions_are_in_the_order_of_their_values)
{
    static const char *const folders[] = {"m/10",  "m/9", "m/2", "m/02", "m/100000000000000000000000",
                                          "m/v10", "m/v2"};
    scratch_folder("m");
    for (size_t i = 0; i < COUNT_OF(folders); i++)
        scratch_folder(folders[i]);
    scratch_file("m/v2/model.py", "");
    scratch_file("m/v10/model.py", "");
    struct model_config *model = load_one();
    static const char *const order[] = {"02", "2", "9", "10", "100000000000000000000000", "v2", "v10"};
    ck_assert_uint_eq(model->versions.count, COUNT_OF(order));
    for (size_t i = 0; i < COUNT_OF(order); i++)
        ck_assert_str_eq(model->versions.names[i], order[i]);
    ck_assert_str_eq(model_stable_version(model), "v10");
}
END_TEST

START_TEST(comparison_is_an_order)
{
    static const char *const ascending[] = {"0", "01", "1",   "2", "10", "010000000000000000000001",
                                            "a", "a2", "a10", "b"};
    for (size_t i = 0; i < COUNT_OF(ascending); i++)
        for (size_t j = 0; j < COUNT_OF(ascending); j++) {
            int order = model_version_compare(ascending[i], ascending[j]);
            ck_assert_msg((order > 0) - (order < 0) == (i > j) - (i < j), "%s %s", ascending[i],
                          ascending[j]);
        }
}
END_TEST

START_TEST(other_entries_are_no_versions)
{
    make_model();
    scratch_file("m/golden.json", "{}");
    scratch_file("m/7", "a file");
    scratch_folder("m/.8");
    scratch_folder("m/notes");
    struct model_config *model = load_one();
    ck_assert_uint_eq(model->versions.count, 1);
    ck_assert_str_eq(model->versions.names[0], "1");
}
END_TEST

START_TEST(a_version_with_a_bad_name_is_said)
{
    make_model();
    scratch_folder("m/version two");
    scratch_file("m/version two/model.onnx", "");
    load();
    ck_assert_ptr_nonnull(strstr(errors.text, "/m/version two: expected a version's name"));
}
END_TEST

START_TEST(the_stable_version_is_the_configured_or_the_highest)
{
    make_model();
    scratch_folder("m/2");
    ck_assert_str_eq(model_stable_version(load_one()), "2");
    write_model_conf("version = \"1\";");
    ck_assert_str_eq(model_stable_version(load_one()), "1");
    char complaint[512];
    snprintf(complaint, sizeof complaint, ":2: version: there is no version \"3\" in %s/m",
             scratch_directory);
    expect_fault("\nversion = \"3\";", complaint);
}
END_TEST

START_TEST(a_model_may_have_no_version_yet)
{
    scratch_folder("m");
    write_model_conf("");
    struct model_config *model = load_one();
    ck_assert_uint_eq(model->versions.count, 0);
    ck_assert_ptr_null(model_stable_version(model));
}
END_TEST

/* ---- model.conf ---- */

START_TEST(defaults_are_those_of_the_table)
{
    make_model();
    struct model_config *model = load_one();
    char directory[512];
    snprintf(directory, sizeof directory, "%s/m", scratch_directory);
    ck_assert_str_eq(model->directory, directory);
    ck_assert_int_eq(model->instances, 1);
    ck_assert_int_eq(model->required, 1);
    ck_assert_int_eq(model->idempotent, 1);
    ck_assert_int_eq(model->allow_nan, 0);
    ck_assert_int_eq(model->batching_max_batch_rows, 64);
    ck_assert_int_eq(model->limits_max_kills, 2);
    ck_assert_int_eq(model->cache_ttl_ms, 0);
    ck_assert_int_eq(model->cache_max_bytes, 64 << 20);
    ck_assert_str_eq(model->backend, "");
    ck_assert_uint_eq(model->features.count, 0);
}
END_TEST

START_TEST(model_conf_is_read)
{
    make_model();
    write_model_conf(
        "description = \"d\"; task = \"regression\"; backend = \"onnx\"; required = false;\n"
        "features = (\"a\", \"b\"); labels = [\"x\", \"x\"]; queue = { max_bytes = 17179869184L; };");
    struct model_config *model = load_one();
    ck_assert_str_eq(model->description, "d");
    ck_assert_str_eq(model->task, "regression");
    ck_assert_int_eq(model->required, 0);
    ck_assert_uint_eq(model->features.count, 2);
    ck_assert_str_eq(model->features.names[1], "b");
    ck_assert_uint_eq(model->labels.count, 2);
    ck_assert_int_eq(model->queue_max_bytes, 17179869184);
}
END_TEST

START_TEST(settings_are_json)
{
    make_model();
    write_model_conf("");
    ck_assert_str_eq(load_one()->settings_json, "{}");
    write_model_conf("settings = { a = 1; b = ( \"x\", true, { c = 0.5; } ); };");
    ck_assert_str_eq(load_one()->settings_json, "{\"a\":1,\"b\":[\"x\",true,{\"c\":0.5}]}");
}
END_TEST

START_TEST(real_numbers_are_read_and_bounded)
{
    make_model();
    write_model_conf(
        "validation = { min_auc = 0.9; min_r2 = -2; max_mae = 1e-3; };"); /* a whole one is one, too */
    struct model_config *model = load_one();
    ck_assert_double_eq(model->validation_min_auc, 0.9);
    ck_assert_double_eq(model->validation_min_r2, -2);
    ck_assert_double_eq(model->validation_max_mae, 1e-3);
    ck_assert_double_eq(model->validation_min_accuracy, 0.8);
    expect_fault("validation = { min_auc = 1.5; };",
                 ":1: validation.min_auc: expected a number from -1 to 1 (area; -1: not checked), got 1.5");
    expect_fault(
        "validation = { min_auc = \"0.9\"; };",
        ":1: validation.min_auc: expected a number from -1 to 1 (area; -1: not checked), got \"0.9\"");
    expect_fault("validation = { gate = true; };",
                 ":1: validation.gate: expected validation.data and "
                 "validation.target, too: a version must be judged by something");
}
END_TEST

START_TEST(faults_name_file_line_and_key)
{
    make_model();
    expect_fault("python = \"{version}/.venv/bin/python\";",
                 ":1: python: expected an interpreter outside of the version's folder, as "
                 "venvs/{version}/bin/python3, got \"{version}/.venv/bin/python\"");
    expect_fault(
        "\nbackend = \"onyx\";",
        ":2: backend: expected onnx or xgboost or plugin or echo or pipeline or python, got \"onyx\"");
    expect_fault("onnx = { optimization = \"most\"; };",
                 ":1: onnx.optimization: expected none or basic or extended or all, got \"most\"");
    static const char *const policies[] = {"",     "latest", "latest 0", "latest 1x", "latest 1025",
                                           "1, /", "1;2"};
    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        char text[64], fault[128];
        snprintf(text, sizeof text, "serve = \"%s\";", policies[i]);
        snprintf(fault, sizeof fault,
                 ":1: serve: expected latest N, all, or versions with commas between them, got \"%s\"",
                 policies[i]);
        expect_fault(text, fault);
    }
    expect_fault("task = \"guess\";",
                 ":1: task: expected classification or regression or multilabel or embedding, got \"guess\"");
    expect_fault("batching = {\n max_rows = 3; };",
                 ":2: batching.max_rows: unknown key; the nearest known is queue.max_rows");
    expect_fault("instances = 257;", ":1: instances: expected an integer from 0 to 256 (workers), got 257");
    expect_fault("features = (\"a\", \"b\", \"a\");", ":1: features: \"a\" stands there twice");
    expect_fault("cache = { ttl_ms = 86400001; };",
                 ":1: cache.ttl_ms: expected an integer from 0 to 86400000 (ms), got 86400001");
    expect_fault(
        "idempotent = false;\ncache = { ttl_ms = 1; };",
        ":2: cache.ttl_ms: expected 0: answers of a model that is not idempotent cannot be given again");
    expect_fault("features = (\"a\", ", ":1: syntax error");
    char text[1024] = "description = \"";
    memset(text + strlen(text), 'x', 513);
    strcat(text, "\";");
    expect_fault(text, ":1: description: expected at most 512 bytes");
}
END_TEST

START_TEST(a_bad_model_leaves_the_others)
{
    make_model();
    write_model_conf("nonsense");
    scratch_folder("n");
    scratch_folder("n/1");
    load();
    ck_assert_int_eq(errors.count, 1);
    ck_assert_uint_eq(list->count, 1);
    ck_assert_str_eq(list->models[0]->name, "n");
}
END_TEST

START_TEST(the_route_is_read)
{
    make_model();
    ck_assert(route_is_empty(load_one()->route));
    write_model_conf(
        "route = {\n"
        "  arms = ( { version = \"3\"; percent = 5.25; }, { version = \"4\"; percent = 10; } );\n"
        "  by = \"header:X-User\";\n"
        "  rules = ( { header = \"X-Segment\"; value = \"beta\"; version = \"3\"; } );\n"
        "  force_header = \"X-Model-Version\"; force_from = [ \"127.0.0.1\", \"::1\" ];\n"
        "  shadow = { version = \"5\"; }; };");
    const struct route *route = load_one()->route;
    ck_assert_uint_eq(route_weight(route, "3"), 525);
    ck_assert_uint_eq(route_weight(route, "4"), 1000);
    ck_assert_str_eq(route->by_header, "X-User");
    ck_assert_str_eq(route->rules[0].value, "beta");
    ck_assert_uint_eq(route->network_count, 2);
    ck_assert_str_eq(route->shadow.version, "5");
    write_model_conf("route = { };");
    ck_assert(route_is_empty(load_one()->route));
}
END_TEST

START_TEST(faults_of_a_route_name_the_line_of_their_field)
{
    make_model();
    expect_fault("\nroute = 3;", ":2: route: expected a section, got 3");
    expect_fault("\nroute = [ 3 ];", ":2: route: expected a section, got a list");
    expect_fault("route = {\n arms = (\n { version = \"3\";\n percent = 101; } ); };",
                 ":4: route.arms[0].percent: expected a percentage from 0 to 100 with at most two decimals, "
                 "got 101");
    expect_fault("route = {\n arms = (\n { version = \"3\"; percent = 1; },\n { percent = 5.5; } ); };",
                 ":4: route.arms[1].version: expected a version's name (1 to 128 of A-Z a-z 0-9 . _ -, no "
                 "dot first), got nothing");
    expect_fault("route = {\n arms = ( );\n bye = \"random\"; };",
                 ":3: route.bye: unknown key; the nearest known is by");
    expect_fault("route = {\n force_from = (\n \"127.0.0.1\",\n \"here\" ); };",
                 ":4: route.force_from[1]: expected an address or a network, as 127.0.0.1, 10.0.0.0/8 or "
                 "::1, got \"here\"");
    expect_fault("route = { arms = ( { version = \"3\"; percent = 1e999; } ); };",
                 ":1: route.arms[0].percent: expected a percentage from 0 to 100 with at most two decimals, "
                 "got inf");
    expect_fault("route = { shadow = { version = { a = { a = { a = { a = { a = { a = { a = 1; }; }; }; }; }; "
                 "}; }; }; };",
                 ":1: route.shadow.version: expected a version's name (1 to 128 of A-Z a-z 0-9 . _ -, no dot "
                 "first), got a section");
    expect_fault("\nrouts = { };", ":2: routs: unknown section; the nearest known is route");
}
END_TEST

/* ---- the file of a version ---- */

static void expect_file(const char *model_conf, const char *file, const char *backend)
{
    const char *found_backend = NULL;
    write_model_conf(model_conf);
    struct model_config *model = load_one();
    char *path = model_file(model, "1", &found_backend, &errors);
    ck_assert_msg(path != NULL, "%s", errors.text);
    ck_assert_str_eq(path, scratch_path(file));
    ck_assert_str_eq(found_backend, backend);
    free(path);
}

START_TEST(the_backend_follows_from_the_file)
{
    scratch_folder("m");
    scratch_folder("m/1");
    scratch_file("m/1/model.ubj", "");
    expect_file("", "m/1/model.ubj", "xgboost");
    scratch_file("m/1/model.json", "");
    expect_file("", "m/1/model.json", "xgboost");
    scratch_file("m/1/model.py", ""); /* which may keep its model in such a file */
    expect_file("", "m/1/model.py", "python");
    scratch_file("m/1/model.joblib", "");
    expect_file("", "m/1/model.joblib", "python");
    scratch_file("m/1/model.pkl", "");
    expect_file("", "m/1/model.pkl", "python");
    scratch_file("m/1/model.echo", "");
    expect_file("", "m/1/model.echo", "echo");
    scratch_file("m/1/model.onnx", "");
    expect_file("", "m/1/model.onnx", "onnx");
    expect_file("backend = \"python\";", "m/1/model.pkl", "python");
    expect_file("backend = \"echo\";", "m/1/model.echo", "echo");
}
END_TEST

START_TEST(a_missing_file_is_said)
{
    const char *backend = NULL;
    scratch_folder("m");
    scratch_folder("m/1");
    scratch_folder("m/1/model.onnx"); /* a folder is no file */
    struct model_config *model = load_one();
    ck_assert_ptr_null(model_file(model, "1", &backend, &errors));
    ck_assert_ptr_nonnull(
        strstr(errors.text, "/m/1: holds no model.onnx, model.so, model.echo, model.pipeline, model.pkl, "
                            "model.joblib, model.py, model.json or model.ubj\n"));
    write_model_conf("backend = \"echo\";");
    model = load_one();
    ck_assert_ptr_null(model_file(model, "1", &backend, &errors));
    ck_assert_ptr_nonnull(strstr(errors.text, "/m/1: holds no model file of the backend echo\n"));
    ck_assert_ptr_null(model_file(model, "2", &backend, &errors));
}
END_TEST

/* ---- the template ---- */

static void expect_template(const char *text)
{
    make_model();
    struct model_config *standard = model_config_load(scratch_directory, "m", &errors);
    ck_assert_ptr_nonnull(standard);
    write_model_conf(text);
    struct model_config *read = load_one();
#define INTEGER(section, name, ...)                                                                          \
    ck_assert_int_eq(read->CONFIG_NAME(section, name), standard->CONFIG_NAME(section, name));
#define REAL(section, name, ...)                                                                             \
    ck_assert_double_eq(read->CONFIG_NAME(section, name), standard->CONFIG_NAME(section, name));
#define STRING(section, name, ...)                                                                           \
    ck_assert_str_eq(read->CONFIG_NAME(section, name), standard->CONFIG_NAME(section, name));
#define NAMES(section, name, ...) ck_assert_uint_eq(read->CONFIG_NAME(section, name).count, 0);
#include "model_parameters.def"
#undef INTEGER
#undef REAL
#undef STRING
#undef NAMES
#define INTEGER(section, name, ...)                                                                          \
    ck_assert_msg(strstr(text, " " #name " = ") || strstr(text, "\n" #name " = "), #name);
#define REAL(section, name, ...)   INTEGER(section, name)
#define STRING(section, name, ...) INTEGER(section, name)
#define NAMES(section, name, ...)  INTEGER(section, name)
#include "model_parameters.def"
#undef INTEGER
#undef REAL
#undef STRING
#undef NAMES
    ck_assert(route_equals(read->route, standard->route));
    ck_assert_uint_eq(read->input_count, 0);
    ck_assert_ptr_nonnull(strstr(text, "\ninputs ="));
    static const char *const fields[] = {"route",        "arms",       "by",    "rules",
                                         "force_header", "force_from", "shadow"};
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        char line[64];
        snprintf(line, sizeof line, "%s%s =", i == 0 ? "\n" : "\n    ", fields[i]);
        ck_assert_msg(strstr(text, line) != NULL, "%s", fields[i]);
    }
    model_config_free(standard);
}

START_TEST(the_template_is_complete_and_equal_to_the_defaults)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    model_config_print_template(out);
    fclose(out);
    expect_template(text);
    free(text);
}
END_TEST

START_TEST(the_sample_is_complete_and_equal_to_the_defaults)
{
    char text[16384];
    FILE *file = fopen("conf/models.d/example.conf", "r");
    ck_assert_msg(file != NULL, "run the tests from the top folder");
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    ck_assert_uint_lt(length, sizeof text - 1);
    text[length] = '\0';
    expect_template(text);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        an_empty_repository_is_an_empty_list,
        an_unreadable_repository_is_a_complaint,
        models_are_in_the_order_of_their_names,
        what_is_no_model_is_passed_over,
        bad_names_are_refused,
        links_to_folders_are_followed,
        the_default_model_is_the_configured_or_the_only_one,
        free_takes_null,
        versions_are_in_the_order_of_their_values,
        comparison_is_an_order,
        other_entries_are_no_versions,
        a_version_with_a_bad_name_is_said,
        the_stable_version_is_the_configured_or_the_highest,
        a_model_may_have_no_version_yet,
        defaults_are_those_of_the_table,
        model_conf_is_read,
        settings_are_json,
        real_numbers_are_read_and_bounded,
        faults_name_file_line_and_key,
        the_route_is_read,
        faults_of_a_route_name_the_line_of_their_field,
        a_bad_model_leaves_the_others,
        the_backend_follows_from_the_file,
        a_missing_file_is_said,
        the_template_is_complete_and_equal_to_the_defaults,
        the_sample_is_complete_and_equal_to_the_defaults,
    };
    return SUITE_RUN("models", set_up, tear_down, tests);
}
