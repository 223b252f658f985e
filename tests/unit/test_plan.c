/* test_plan: configuration and model repository become processes with names and command lines.
 * SPDX-License-Identifier: MIT */
#include "plan.h"
#include "scratch_directory.h"
#include "suite.h"

#include <signal.h>

static struct config *config;
static struct config_errors errors;
static struct plan *plan;
static struct options options;
static struct plan_basis basis;
static struct deployments *said;

static void set_up(void)
{
    static const char *settings[3];
    static char models[128];
    static char binaries[128];
    scratch_make();
    scratch_folder("models");
    scratch_folder("bin");
    snprintf(models, sizeof models, "models_directory=%s", scratch_path("models"));
    snprintf(binaries, sizeof binaries, "binary_directory=%s", scratch_path("bin"));
    settings[0] = models;
    settings[1] = binaries;
    settings[2] = "frontend.processes=3";
    errors = (struct config_errors){0};
    config = config_load(NULL, settings, COUNT_OF(settings), &errors);
    ck_assert_msg(config != NULL, "%s", errors.text);
    options = (struct options){.settings = settings, .setting_count = 1, .ready_fd = -1};
    basis = (struct plan_basis){.config = config, .options = &options, .listen_fd = 42};
    strcpy(basis.placement.light, "1");
    strcpy(basis.placement.heavy, "0");
    plan = NULL;
    said = deployments_parse("said", "{\"models\":{}}", 13, &errors);
}

static void tear_down(void)
{
    plan_free(plan);
    deployments_free(said);
    config_free(config);
    scratch_remove();
}

static void add_model(const char *name, const char *version, const char *file, const char *configuration)
{
    char path[128];
    snprintf(path, sizeof path, "models/%s", name);
    mkdir(scratch_path(path), 0700);
    snprintf(path, sizeof path, "models/%s/%s", name, version);
    scratch_folder(path);
    snprintf(path, sizeof path, "models/%s/%s/%s", name, version, file);
    scratch_file(path, "");
    snprintf(path, sizeof path, "models/%s/model.conf", name);
    scratch_file(path, configuration);
}

/* Reads the repository as it is. */
static struct plan *read_all(const struct plan *before, int64_t settle_ms)
{
    const struct plan_reading reading = {
        .config = config, .said = said, .before = before, .settle_ms = settle_ms};
    return plan_new(&reading, &errors);
}

static const struct plan_model *only_model(void)
{
    plan_free(plan);
    plan = read_all(NULL, 0);
    ck_assert_uint_eq(plan->model_count, 1);
    return &plan->models[0];
}

static const struct plan_version *only_version(void)
{
    const struct plan_model *model = only_model();
    ck_assert_uint_eq(model->version_count, 1);
    return &model->versions[0];
}

/* The operator says this about the model m. */
static void say(const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "{\"models\":{\"m\":%s}}", text);
    deployments_free(said);
    said = deployments_parse("said", whole, strlen(whole), &errors);
    ck_assert_msg(errors.count == 0, "%s", errors.text);
}

/* What runs, as "1 stable x2, 3 canary x2". */
static const char *running(const struct plan_model *model)
{
    static char text[512];
    text[0] = '\0';
    for (size_t i = 0; i < model->version_count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s %s x%d", i == 0 ? "" : ", ",
                 model->versions[i].version, model->versions[i].why, (int)model->versions[i].instances);
    return text;
}

/* Compares with the arguments that follow, up to NULL. */
static void expect_arguments(char *const *arguments, const char *const *expected)
{
    size_t i = 0;
    for (; expected[i] != NULL; i++) {
        ck_assert_ptr_nonnull(arguments[i]);
        ck_assert_str_eq(arguments[i], expected[i]);
    }
    ck_assert_ptr_null(arguments[i]);
}

START_TEST(a_model_as_its_folder_says)
{
    add_model("m", "2", "model.onnx", "instances = 4; required = false;");
    add_model("m", "10", "model.echo", "instances = 4; required = false;");
    const struct plan_model *model = only_model();
    ck_assert_msg(errors.count == 0, "%s", errors.text);
    ck_assert_str_eq(model->name, "m");
    ck_assert_str_eq(model->configuration, scratch_path("models/m/model.conf"));
    ck_assert_uint_eq(model->found_count, 2);
    ck_assert_uint_eq(model->version_count, 1);
    const struct plan_version *version = &model->versions[0];
    ck_assert_ptr_eq(version->model, model);
    ck_assert_str_eq(version->version, "10");
    ck_assert_str_eq(version->file, scratch_path("models/m/10/model.echo"));
    ck_assert_ptr_null(version->python);
    ck_assert_int_eq(version->instances, 4);
    ck_assert(version->takes_traffic);
    ck_assert_ptr_eq(plan_version(model, "10"), version);
    ck_assert_ptr_null(plan_version(model, "2"));
    ck_assert_ptr_nonnull(plan_found(model, "2"));
    ck_assert_ptr_null(plan_found(model, "3"));
    ck_assert(!model->required);
    ck_assert_int_eq(plan->frontends, 3);
    ck_assert_ptr_eq(plan_find(plan, "m"), model);
    ck_assert_ptr_null(plan_find(plan, "n"));
}
END_TEST

START_TEST(a_model_without_a_version_has_no_worker)
{
    scratch_folder("models/m");
    scratch_file("models/m/model.conf", "instances = 4;");
    const struct plan_model *model = only_model();
    ck_assert_ptr_null(model->wanted);
    ck_assert_ptr_null(model->serving);
    ck_assert_uint_eq(model->version_count, 0);
}
END_TEST

START_TEST(a_model_without_a_file_is_complained_of_and_still_planned)
{
    add_model("m", "1", "model.txt", "");
    const struct plan_version *version = only_version();
    ck_assert_int_eq(errors.count, 1);
    ck_assert_ptr_null(version->file);
    struct command *command = command_new(&basis, ROLE_WORKER, 1, version);
    ck_assert_str_eq(command->file, "");
    ck_assert_ptr_nonnull(strstr(command->path, "outrigger-worker"));
    command_free(command);
}
END_TEST

START_TEST(our_programs_have_one_command_line)
{
    options.config_file = "x.conf";
    const char *path = scratch_path("bin/outrigger-broker");
    struct command *command = command_new(&basis, ROLE_BROKER, 1, NULL);
    ck_assert_str_eq(command->name, "broker");
    ck_assert_str_eq(command->path, path);
    ck_assert_str_eq(command->cores, "1");
    ck_assert_str_eq(command->model, "");
    ck_assert_int_eq(command->listen_fd, -1);
    expect_arguments(command->arguments,
                     (const char *const[]){path, "-c", "x.conf", "-s", options.settings[0], "-n", "broker",
                                           "-r", "3", NULL});
    command_free(command);
}
END_TEST

START_TEST(frontends_have_the_socket_and_a_number)
{
    const char *path = scratch_path("bin/outrigger-frontend");
    options.setting_count = 0;
    struct command *command = command_new(&basis, ROLE_FRONTEND, 7, NULL);
    ck_assert_str_eq(command->name, "frontend.7");
    ck_assert_int_eq(command->number, 7);
    ck_assert_int_eq(command->listen_fd, 42);
    ck_assert_str_eq(command->cores, "1");
    expect_arguments(command->arguments, (const char *const[]){path, "-n", "frontend.7", "-r", "3", NULL});
    command_free(command);
}
END_TEST

START_TEST(workers_alone_become_the_workers_user)
{
    add_model("m", "1", "model.onnx", "");
    const struct account nobody = {.uid = 65534};
    basis.workers = &nobody;
    struct command *worker = command_new(&basis, ROLE_WORKER, 1, only_version());
    struct command *broker = command_new(&basis, ROLE_BROKER, 1, NULL);
    ck_assert_ptr_eq(worker->account, &nobody);
    ck_assert_ptr_null(broker->account);
    command_free(broker);
    command_free(worker);
}
END_TEST

START_TEST(the_collector_sleeps_anywhere)
{
    struct command *command = command_new(&basis, ROLE_COLLECTOR, 1, NULL);
    ck_assert_str_eq(command->name, "collector");
    ck_assert_str_eq(command->cores, "");
    command_free(command);
}
END_TEST

START_TEST(a_worker_is_told_its_model)
{
    add_model("m", "1", "model.onnx", "");
    const char *path = scratch_path("bin/outrigger-worker");
    struct command *command = command_new(&basis, ROLE_WORKER, 2, only_version());
    ck_assert_str_eq(command->name, "worker.m.1.2");
    ck_assert_str_eq(command->model, "m");
    ck_assert_str_eq(command->version, "1");
    ck_assert_str_eq(command->file, scratch_path("models/m/1/model.onnx"));
    ck_assert_str_eq(command->cores, ""); /* it pins itself when it knows how heavy it is */
    expect_arguments(command->arguments,
                     (const char *const[]){path, "-s", options.settings[0], "-n", "worker.m.1.2", "-r", "3",
                                           "-m", "m", "-V", "1", NULL});
    command_free(command);
}
END_TEST

static void expect_python(const char *interpreter, const char *script)
{
    char library[300];
    struct command *command = command_new(&basis, ROLE_WORKER, 1, only_version());
    snprintf(library, sizeof library, "%s/../lib/outrigger/python/outrigger_sandbox.so",
             config->binary_directory);
    ck_assert_str_eq(command->path, interpreter);
    expect_arguments(command->arguments, (const char *const[]){interpreter,
                                                               script,
                                                               "--endpoint",
                                                               config->broker_workers,
                                                               "--model",
                                                               "m",
                                                               "--model-version",
                                                               "1",
                                                               "--path",
                                                               scratch_path("models/m/1/model.py"),
                                                               "--name",
                                                               "worker.m.1.1",
                                                               "--ready-fd",
                                                               "3",
                                                               "--model-conf",
                                                               scratch_path("models/m/model.conf"),
                                                               "--heartbeat-ms",
                                                               "1000",
                                                               "--warm-up-ms",
                                                               "200",
                                                               "--sandbox",
                                                               "on",
                                                               "--sandbox-library",
                                                               library,
                                                               "--sandbox-read",
                                                               "",
                                                               NULL});
    command_free(command);
    plan_free(plan);
    plan = NULL;
}

START_TEST(a_python_model_has_a_worker_in_python)
{
    char installed[256];
    add_model("m", "1", "model.py", "");
    snprintf(installed, sizeof installed, "%s/bin/../lib/outrigger/python/outrigger_worker.py",
             scratch_directory);
    expect_python("/usr/bin/python3", installed); /* nowhere: the place where it should be is named */
    scratch_folder("lib");
    scratch_folder("lib/outrigger");
    scratch_folder("lib/outrigger/python");
    scratch_file("lib/outrigger/python/outrigger_worker.py", "");
    scratch_file("models/m/model.conf", "python = \"/opt/python\";");
    expect_python("/opt/python", installed);
}
END_TEST

START_TEST(a_python_worker_of_the_build_tree)
{
    char script[256];
    add_model("m", "1", "model.py", "");
    scratch_folder("build");
    scratch_folder("build/x");
    scratch_folder("build/x/bin");
    scratch_folder("worker");
    scratch_folder("worker/python");
    scratch_file("worker/python/outrigger_worker.py", "");
    free(config->binary_directory);
    config->binary_directory = object_strdup(scratch_path("build/x/bin"));
    snprintf(script, sizeof script, "%s/../../../worker/python/outrigger_worker.py",
             config->binary_directory);
    expect_python("/usr/bin/python3", script);
    free(config->binary_directory);
    scratch_folder("build/bin");
    config->binary_directory = object_strdup(scratch_path("build/bin"));
    snprintf(script, sizeof script, "%s/../../worker/python/outrigger_worker.py", config->binary_directory);
    expect_python("/usr/bin/python3", script);
}
END_TEST

START_TEST(each_role_has_a_name)
{
    static const char *const names[] = {"collector", "broker", "worker", "frontend"};
    for (size_t i = 0; i < ROLE_COUNT; i++)
        ck_assert_str_eq(role_name((enum role)i), names[i]);
    plan_free(NULL);
    command_free(NULL);
}
END_TEST

START_TEST(roles_are_found_by_name)
{
    enum role role;
    ck_assert(role_find("worker", &role) && role == ROLE_WORKER);
    ck_assert(!role_find("king", &role));
    ck_assert(!role_find("", &role));
    ck_assert(!role_find(NULL, &role));
}
END_TEST

START_TEST(limits_of_recycling_are_the_models_or_else_all_workers)
{
    config->worker_max_requests = 70;
    config->worker_max_rss_mb = 80;
    config->frontend_max_requests = 90;
    add_model("m", "1", "model.onnx", "limits: { max_requests = 7; };");
    const struct plan_model *model = only_model();
    ck_assert_int_eq(model->max_requests, 7);
    ck_assert_int_eq(model->max_rss_mb, 80);
    ck_assert_int_eq(plan->frontend_max_requests, 90);
    scratch_file("models/m/model.conf", "limits: { max_rss_mb = 0; };");
    model = only_model();
    ck_assert_int_eq(model->max_requests, 70);
    ck_assert_int_eq(model->max_rss_mb, 0);
}
END_TEST

START_TEST(commands_are_equal_when_the_same_would_be_started)
{
    struct command *left = command_new(&basis, ROLE_BROKER, 1, NULL);
    struct command *right = command_new(&basis, ROLE_BROKER, 1, NULL);
    ck_assert(command_equals(left, right));
    ck_assert_int_eq(left->drain_signal, SIGUSR1);
    command_free(right);
    right = command_new(&basis, ROLE_COLLECTOR, 1, NULL);
    ck_assert(!command_equals(left, right));
    ck_assert_int_eq(right->drain_signal, SIGTERM);
    command_free(right);
    options.setting_count = 0;
    right = command_new(&basis, ROLE_BROKER, 1, NULL);
    ck_assert(!command_equals(left, right));
    ck_assert(!command_equals(right, left));
    command_free(right);
    command_free(left);
    char *fixed = plan_fixed(config);
    ck_assert_ptr_nonnull(strstr(fixed, "\nbroker.workers="));
    ck_assert_ptr_null(strstr(fixed, "user=")); /* what an earlier version wrote is equal */
    free(fixed);
    static char user[] = "daemon", workers[] = "nobody";
    char *const before[] = {config->user, config->worker_user};
    config->user = user;
    config->worker_user = workers;
    fixed = plan_fixed(config);
    ck_assert_ptr_nonnull(strstr(fixed, "\nuser=daemon\nworker.user=nobody\n"));
    free(fixed);
    config->user = before[0];
    config->worker_user = before[1];
}
END_TEST

/* ---- several versions ---- */

static void add_versions(const char *configuration)
{
    static const char *const names[] = {"1", "2", "3", "4", "5"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        add_model("m", names[i], "model.echo", configuration);
}

START_TEST(the_policy_adds_versions_in_one_worker_each)
{
    static const struct {
        const char *serve, *runs;
    } policies[] = {{"latest 1", "5 stable x2"},
                    {"latest 3", "3 serve x1, 4 serve x1, 5 stable x2"},
                    {"latest 1000", "1 serve x1, 2 serve x1, 3 serve x1, 4 serve x1, 5 stable x2"},
                    {"all", "1 serve x1, 2 serve x1, 3 serve x1, 4 serve x1, 5 stable x2"},
                    {"1, 3", "1 serve x1, 3 serve x1, 5 stable x2"},
                    {"9", "5 stable x2"}};
    add_versions("");
    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        char text[128];
        snprintf(text, sizeof text, "instances = 2; serve = \"%s\";", policies[i].serve);
        scratch_file("models/m/model.conf", text);
        ck_assert_str_eq(running(only_model()), policies[i].runs);
    }
    ck_assert_msg(errors.count == 0, "%s", errors.text);
}
END_TEST

START_TEST(each_version_runs_for_a_reason)
{
    static const struct {
        const char *said, *runs;
    } cases[] = {
        {"{\"stable\":\"2\"}", "2 stable x2"},
        {"{\"stable\":\"9\"}", "5 stable x2"}, /* it has gone */
        {"{\"serving\":\"4\"}", "4 stable x2, 5 next x2"},
        {"{\"serving\":\"4\",\"stable\":\"1\"}", "1 next x2, 4 stable x2"},
        {"{\"serving\":\"9\"}", "5 next x2"},
        {"{\"previous\":\"4\",\"loaded\":[\"1\"]}", "1 loaded x1, 4 previous x1, 5 stable x2"},
        {"{\"previous\":\"4\",\"loaded\":[\"1\"],\"unloaded\":[\"1\",\"4\",\"5\"]}", "5 stable x2"},
        {"{\"route\":{\"arms\":[{\"version\":\"1\",\"percent\":5}],\"shadow\":{\"version\":\"2\"},"
         "\"rules\":[{\"header\":\"a\",\"value\":\"b\",\"version\":\"3\"}]},\"unloaded\":[\"1\"]}",
         "1 canary x2, 2 shadow x1, 3 rule x2, 5 stable x2"},
        {"{\"instances\":3,\"loaded\":[\"1\"]}", "1 loaded x1, 5 stable x3"},
        {"{\"instances\":0,\"loaded\":[\"1\"]}", "1 loaded x1, 5 stable x2"},
        {"{\"stopped\":true,\"loaded\":[\"1\"]}", ""},
    };
    add_versions("instances = 2;");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        say(cases[i].said);
        ck_assert_str_eq(running(only_model()), cases[i].runs);
    }
    say("{}");
    deployment_list(&deployments_require(said, "m")->asked, "2");
    plan_decide(plan, config, said);
    ck_assert_str_eq(running(&plan->models[0]), "2 asked x2, 5 stable x2");
    scratch_file("models/m/model.conf", "version = \"3\"; keep_previous = false;");
    say("{\"previous\":\"4\"}");
    ck_assert_str_eq(running(only_model()), "3 stable x1");
    say("{\"stable\":\"2\"}");
    ck_assert_str_eq(running(only_model()), "2 stable x1");
}
END_TEST

static bool in_background(const char *text)
{
    say(text);
    return plan_version(only_model(), "2")->background;
}

/* Only a version to which nothing but copies goes; when that changes its workers are others. */
START_TEST(a_shadow_works_in_the_background)
{
    add_versions("");
    ck_assert(!in_background("{\"loaded\":[\"2\"]}"));
    ck_assert(!in_background("{\"stable\":\"2\",\"route\":{\"shadow\":{\"version\":\"2\"}}}"));
    ck_assert(!in_background("{\"route\":{\"shadow\":{\"version\":\"2\"},"
                             "\"arms\":[{\"version\":\"2\",\"percent\":1}]}}"));
    ck_assert(!in_background("{\"route\":{\"shadow\":{\"version\":\"2\"},"
                             "\"rules\":[{\"header\":\"a\",\"value\":\"b\",\"version\":\"2\"}]}}"));
    struct command *before = command_new(&basis, ROLE_WORKER, 1, plan_version(only_model(), "2"));
    ck_assert(in_background("{\"route\":{\"shadow\":{\"version\":\"2\"}}}"));
    const struct plan_version *shadow = plan_version(&plan->models[0], "2");
    struct command *after = command_new(&basis, ROLE_WORKER, 1, shadow);
    ck_assert(!before->background && !command_serves(before, shadow));
    ck_assert(command_could_serve(before, shadow)); /* if it is brought there */
    ck_assert(after->background && command_serves(after, shadow));
    command_free(before);
    command_free(after);
}
END_TEST

START_TEST(a_folder_without_a_model_is_complained_of_and_takes_no_traffic)
{
    add_model("m", "1", "model.echo", "");
    scratch_folder("models/m/2");
    ck_assert_str_eq(running(only_model()), "1 stable x1");
    ck_assert_int_eq(errors.count, 1);
}
END_TEST

/* ---- what is being written ---- */

enum { LONG_MS = 600000 };

START_TEST(what_is_being_written_is_no_version_yet)
{
    add_model("m", "1", "model.echo", "");
    only_model();
    add_model("m", "2", "model.echo", "");
    struct plan *now = read_all(plan, LONG_MS);
    ck_assert_str_eq(running(&now->models[0]), "1 stable x1");
    ck_assert(plan_found(&now->models[0], "2")->unsettled);
    ck_assert_int_gt(now->look_again_ms, 0);
    ck_assert_int_le(now->look_again_ms, LONG_MS);
    ck_assert(!plan_same_repository(plan, now, false));
    plan_free(plan);
    plan = now;
    const struct plan_reading named = {
        .config = config, .said = said, .before = plan, .settle_ms = LONG_MS, .model = "m", .version = "2"};
    now = plan_new(&named, &errors); /* who names it says that it is complete */
    ck_assert_str_eq(running(&now->models[0]), "2 stable x1");
    plan_free(plan);
    plan = now;
    now = read_all(plan, LONG_MS); /* and it is from then on */
    ck_assert_str_eq(running(&now->models[0]), "2 stable x1");
    ck_assert_int_eq(now->look_again_ms, -1);
    ck_assert(plan_same_repository(plan, now, false));
    plan_free(now);
}
END_TEST

START_TEST(what_runs_stays_what_it_was_while_it_is_written)
{
    add_model("m", "1", "model.echo", "");
    const struct plan_version *version = only_version();
    struct command *command = command_new(&basis, ROLE_WORKER, 1, version);
    scratch_file("models/m/1/model.echo", "features = 2;");
    struct plan *now = read_all(plan, LONG_MS);
    ck_assert_ptr_eq(plan_of_command(now, command), &now->models[0].versions[0]);
    ck_assert(plan_same_repository(plan, now, false));
    ck_assert_int_gt(now->look_again_ms, 0);
    plan_free(now);
    now = read_all(plan, 0);
    ck_assert_ptr_null(plan_of_command(now, command)); /* others are to be started */
    ck_assert(!plan_same_repository(plan, now, false));
    plan_free(now);
    command_free(command);
}
END_TEST

START_TEST(workers_can_be_wanted_anew_from_the_same_files)
{
    add_model("m", "1", "model.echo", "");
    struct command *command = command_new(&basis, ROLE_WORKER, 1, only_version());
    ck_assert_ptr_nonnull(plan_of_command(plan, command));
    plan_renew(plan, "m", "1");
    ck_assert_ptr_null(plan_of_command(plan, command));
    command_free(command);
    command = command_new(&basis, ROLE_WORKER, 1, &plan->models[0].versions[0]);
    struct plan *now = read_all(plan, LONG_MS);
    ck_assert_ptr_nonnull(plan_of_command(now, command));
    ck_assert(plan_same_repository(plan, now, false));
    plan_free(now);
    only_model(); /* another supervisor, which knows nothing of that */
    ck_assert_ptr_nonnull(plan_of_command(plan, command));
    plan_renew(plan, "none", "1");
    command_free(command);
}
END_TEST

START_TEST(a_wrong_model_stays_what_it_was_and_holds_up_no_other)
{
    add_model("m", "1", "model.echo", "instances = 2;");
    add_model("n", "1", "model.echo", "");
    plan = read_all(NULL, 0);
    scratch_file("models/m/model.conf", "instances = many;");
    struct plan *now = read_all(plan, 0);
    ck_assert_int_eq(errors.count, 1);
    ck_assert(plan_same_repository(plan, now, true));
    ck_assert(!plan_same_repository(plan, now, false));
    add_model("n", "2", "model.echo", "");
    plan_free(now);
    now = read_all(plan, 0);
    ck_assert(!plan_same_repository(plan, now, true));
    ck_assert(!plan_same_model(plan, now, "m") && !plan_same_model(plan, now, "n"));
    plan_keep(now, plan, true, config, said);
    plan_free(plan);
    plan = now;
    ck_assert_uint_eq(plan->model_count, 2);
    ck_assert_str_eq(running(plan_find(plan, "m")), "1 stable x2");
    ck_assert_str_eq(running(plan_find(plan, "n")), "2 stable x1");
}
END_TEST

START_TEST(a_model_conf_that_is_being_written_does_not_hold_yet)
{
    add_model("m", "1", "model.echo", "instances = 2;");
    only_model();
    scratch_file("models/m/model.conf", "instances = 3;");
    struct plan *now = read_all(plan, LONG_MS);
    ck_assert(plan_has_kept(now) && plan_same_repository(plan, now, false));
    plan_keep(now, plan, false, config, said);
    plan_free(plan);
    plan = now;
    ck_assert_str_eq(running(&plan->models[0]), "1 stable x2");
    now = read_all(plan, 0);
    ck_assert(!plan_has_kept(now) && !plan_same_repository(plan, now, false));
    ck_assert_str_eq(running(&now->models[0]), "1 stable x3");
    plan_free(now);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_model_as_its_folder_says,
                                  a_model_without_a_version_has_no_worker,
                                  a_model_without_a_file_is_complained_of_and_still_planned,
                                  our_programs_have_one_command_line,
                                  frontends_have_the_socket_and_a_number,
                                  workers_alone_become_the_workers_user,
                                  the_collector_sleeps_anywhere,
                                  a_worker_is_told_its_model,
                                  a_python_model_has_a_worker_in_python,
                                  a_python_worker_of_the_build_tree,
                                  each_role_has_a_name,
                                  roles_are_found_by_name,
                                  limits_of_recycling_are_the_models_or_else_all_workers,
                                  commands_are_equal_when_the_same_would_be_started,
                                  the_policy_adds_versions_in_one_worker_each,
                                  each_version_runs_for_a_reason,
                                  a_shadow_works_in_the_background,
                                  a_folder_without_a_model_is_complained_of_and_takes_no_traffic,
                                  what_is_being_written_is_no_version_yet,
                                  what_runs_stays_what_it_was_while_it_is_written,
                                  workers_can_be_wanted_anew_from_the_same_files,
                                  a_wrong_model_stays_what_it_was_and_holds_up_no_other,
                                  a_model_conf_that_is_being_written_does_not_hold_yet};
    return SUITE_RUN("plan", set_up, tear_down, tests);
}
