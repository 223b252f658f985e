/* test_command: what is planned becomes processes with names and command lines. SPDX-License-Identifier: MIT
 */
#include "plan_scene.h"

#include <signal.h>

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
                                           "-m", "m", "-V", "1", "-t", "4", NULL});
    command_free(command);
}
END_TEST

static void expect_python(const char *interpreter, const char *script)
{
    char library[300];
    struct command *command = command_new(&basis, ROLE_WORKER, 1, only_version());
    snprintf(library, sizeof library, "%s/../lib/outrigger/python/outrigger_worker.so",
             config->binary_directory);
    ck_assert_str_eq(command->path, interpreter);
    expect_arguments(command->arguments,
                     (const char *const[]){interpreter, script, library, "-s", options.settings[0], "-n",
                                           "worker.m.1.1", "-r", "3", "-m", "m", "-V", "1", "-t", "4", NULL});
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
    scratch_file("models/m/model.conf", "python = \"/opt/{version}/{version}-{v}\";");
    expect_python("/opt/1/1-{v}", installed);
    scratch_file("models/m/model.conf", "python = \"venvs/{version}/bin/python3\";");
    expect_python(scratch_path("models/m/venvs/1/bin/python3"), installed);
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

int main(void)
{
    const TTest *const tests[] = {our_programs_have_one_command_line,
                                  frontends_have_the_socket_and_a_number,
                                  workers_alone_become_the_workers_user,
                                  the_collector_sleeps_anywhere,
                                  a_worker_is_told_its_model,
                                  a_python_model_has_a_worker_in_python,
                                  a_python_worker_of_the_build_tree,
                                  each_role_has_a_name,
                                  roles_are_found_by_name,
                                  commands_are_equal_when_the_same_would_be_started};
    return SUITE_RUN("command", set_up, tear_down, tests);
}
