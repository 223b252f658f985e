/* test_config: outrigger.conf: the defaults, what is computed, the faults as people see them, the checks
 * between values. What the reader of any table does is in test_parameter.c; that the template, the sample and
 * the manual page say the same is in test_config_documents.c. SPDX-License-Identifier: MIT */
#include "config_scene.h"

#include <sched.h>

static void load_setting(const char *setting)
{
    loaded = config_load(NULL, &setting, 1, &errors);
}

/* The text must give exactly this complaint, from "o.conf" on. */
static void expect_fault(const char *text, const char *complaint)
{
    char expected[1024];
    errors = (struct config_errors){0};
    load_text(text);
    ck_assert_ptr_null(loaded);
    snprintf(expected, sizeof expected, "%s/o.conf%s\n", scratch_directory, complaint);
    ck_assert_str_eq(errors.text, expected);
    ck_assert_int_eq(errors.count, 1);
}

static void expect_setting_fault(const char *setting, const char *complaint)
{
    char expected[1024];
    errors = (struct config_errors){0};
    load_setting(setting);
    ck_assert_ptr_null(loaded);
    snprintf(expected, sizeof expected, "--set: %s\n", complaint);
    ck_assert_str_eq(errors.text, expected);
}

/* ---- the defaults and what is computed ---- */

START_TEST(defaults_are_those_of_the_table)
{
    loaded = config_load(NULL, NULL, 0, &errors);
    expect_good();
    ck_assert_str_eq(loaded->file, "");
    ck_assert_str_eq(loaded->runtime_directory, "/run/outrigger");
    ck_assert_str_eq(loaded->log_level, "info");
    ck_assert_int_eq(loaded->frontend_backlog, 4096);
    ck_assert_int_eq(loaded->broker_max_queue_bytes, 268435456);
    ck_assert_str_eq(loaded->collector_listen, "127.0.0.1:9464");
    ck_assert_int_eq(loaded->supervisor_storm_count, 5);
}
END_TEST

START_TEST(an_empty_name_is_no_file)
{
    loaded = config_load("", NULL, 0, &errors);
    expect_good();
}
END_TEST

START_TEST(computed_values_follow_the_runtime_directory)
{
    load_setting("runtime_directory=/tmp/r");
    expect_good();
    ck_assert_str_eq(loaded->frontend_socket, "/tmp/r/frontend.sock");
    ck_assert_str_eq(loaded->broker_askers, "ipc:///tmp/r/askers.ipc");
    ck_assert_str_eq(loaded->broker_workers, "ipc:///tmp/r/workers.ipc");
    char program[256] = "";
    ck_assert_int_gt(readlink("/proc/self/exe", program, sizeof program - 1), 0);
    *strrchr(program, '/') = '\0';
    ck_assert_str_eq(loaded->binary_directory, program);
}
END_TEST

START_TEST(configured_values_are_not_computed)
{
    load_text("binary_directory = \"/opt\"; frontend = { processes = 7; socket = \"/s\"; };\n"
              "broker = { askers = \"ipc:///a\"; workers = \"tcp://127.0.0.1:5555\"; };");
    expect_good();
    ck_assert_str_eq(loaded->binary_directory, "/opt");
    ck_assert_int_eq(loaded->frontend_processes, 7);
    ck_assert_str_eq(loaded->frontend_socket, "/s");
    ck_assert_str_eq(loaded->broker_askers, "ipc:///a");
    ck_assert_str_eq(loaded->broker_workers, "tcp://127.0.0.1:5555");
}
END_TEST

START_TEST(frontends_follow_the_cores)
{
    cpu_set_t cores;
    ck_assert_int_eq(sched_getaffinity(0, sizeof cores, &cores), 0);
    int64_t count = CPU_COUNT(&cores);
    loaded = config_load(NULL, NULL, 0, &errors);
    expect_good();
    ck_assert_int_eq(loaded->frontend_processes, count < 4 ? 1 : count / 2 < 64 ? count / 2 : 64);
}
END_TEST

START_TEST(free_takes_null)
{
    config_free(NULL);
}
END_TEST

/* ---- files ---- */

START_TEST(sections_and_top_level_are_read)
{
    load_text("# comment\nlog_level = \"debug\";\nfrontend =\n{\n  processes = 3; max_rows = "
              "17L;\n};\nworker : { slots = 2 }\n");
    expect_good();
    ck_assert_str_eq(loaded->log_level, "debug");
    ck_assert_int_eq(loaded->frontend_processes, 3);
    ck_assert_int_eq(loaded->frontend_max_rows, 17);
    ck_assert_int_eq(loaded->worker_slots, 2);
}
END_TEST

START_TEST(unknown_key_names_the_nearest)
{
    expect_fault("\n\nfrontend = {\n  procesess = 2; };",
                 ":4: frontend.procesess: unknown key; the nearest known is frontend.processes");
    expect_fault("log_levle = \"info\";", ":1: log_levle: unknown key; the nearest known is log_level");
}
END_TEST

START_TEST(unknown_section_names_the_nearest)
{
    expect_fault("fronted = { processes = 1; };",
                 ":1: fronted: unknown section; the nearest known is frontend");
    expect_fault("qqqqqqqqqqqq = { processes = 1; };", ":1: qqqqqqqqqqqq: unknown section");
}
END_TEST

START_TEST(a_wrong_value_is_said_with_what_was_expected)
{
    expect_fault("\n\n\n\n\n\nfrontend = { processes = \"two\"; };",
                 ":7: frontend.processes: expected an integer from 0 to 64 (processes), got \"two\"");
}
END_TEST

START_TEST(syntax_errors_have_a_line)
{
    expect_fault("\nfrontend = {\n  processes = ;\n};", ":3: syntax error");
    expect_fault("log_level = \"info", ":1: syntax error");
}
END_TEST

START_TEST(all_faults_are_told)
{
    load_text(
        "log_levle = \"x\";\nfrontend = {\n backlog = 1;\n processes = \"a\";\n};\nplacement = \"1000\";\n");
    ck_assert_ptr_null(loaded);
    ck_assert_int_eq(errors.count, 4);
    ck_assert_ptr_nonnull(strstr(errors.text, "o.conf:1: log_levle"));
    ck_assert_ptr_nonnull(strstr(errors.text, "o.conf:3: frontend.backlog"));
    ck_assert_ptr_nonnull(strstr(errors.text, "o.conf:4: frontend.processes"));
    ck_assert_ptr_nonnull(strstr(errors.text, "o.conf:6: placement: there is no core 1000"));
}
END_TEST

START_TEST(earlier_complaints_stay)
{
    config_complain(&errors, "earlier");
    loaded = config_load(NULL, NULL, 0, &errors);
    ck_assert_ptr_nonnull(loaded);
    ck_assert_str_eq(errors.text, "earlier\n");
}
END_TEST

/* ---- the checks between values ---- */

START_TEST(words_are_checked)
{
    expect_fault("sandbox = { mode = \"yes\"; };", ":1: sandbox.mode: expected on, log or off, got \"yes\"");
    expect_fault("log_level = \"loud\";",
                 ":1: log_level: expected error, warning, info or debug, got \"loud\"");
    expect_fault("placement = \"some\";",
                 ":1: placement: expected auto, none or a list of cores, as 0,2-3; got \"some\"");
    expect_fault(
        "default_model = \"a b\";",
        ":1: default_model: expected a model's name (1 to 128 of A-Z a-z 0-9 . _ -, no dot first), got "
        "\"a b\"");
    expect_fault("models_directory = \"\";", ":1: models_directory: expected a path, got \"\"");
}
END_TEST

START_TEST(users_are_there)
{
    expect_fault("user = \"daemon\"; worker = { user = \"root\"; };",
                 ":1: worker.user: root is no user for models");
    expect_fault(
        "user = \"nobody\"; worker = { user = \"sync\"; };",
        ":1: worker.user: sync has the same group as nobody (user): expected one with a group of its own");
    expect_fault("user = \"no-such-user\";", ":1: user: there is no user \"no-such-user\" on this host");
    expect_fault("\nworker = { user = \"nobdy\"; };",
                 ":2: worker.user: there is no user \"nobdy\" on this host");
    expect_fault(
        "worker = { user = \"nobody\"; }; broker = { workers = \"ipc:///run/elsewhere/workers.ipc\"; };",
        ":1: broker.workers: expected a path in runtime_directory, where worker.user can reach it");
    errors = (struct config_errors){0};
    load_text(
        "user = \"daemon\"; worker = { user = \"nobody\"; }; runtime_directory = \"/run/o\"; broker = { "
        "workers = \"ipc:///run/o/w.ipc\"; };");
    expect_good();
}
END_TEST

START_TEST(socket_modes_are_octal)
{
    static const char *const bad[] = {"0680", "rw", "", "66", "01777", "1000", "06600", "0x1b0", "0660 "};
    static const char *const good[] = {"0660", "660", "0777", "0600"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char setting[128], complaint[256];
        snprintf(setting, sizeof setting, "frontend.socket_mode=%s", bad[i]);
        snprintf(complaint, sizeof complaint,
                 "frontend.socket_mode: expected an octal mode, as \"0660\", got \"%s\"", bad[i]);
        expect_setting_fault(setting, complaint);
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        char setting[128];
        snprintf(setting, sizeof setting, "frontend.socket_mode=%s", good[i]);
        errors = (struct config_errors){0};
        load_setting(setting);
        expect_good();
        config_free(loaded);
        loaded = NULL;
    }
}
END_TEST

START_TEST(who_may_ask_is_said_in_words_that_are_known)
{
    static const char *const bad[][2] = {
        {"auth.trusted_proxies=10.0.0.0/8 proxy",
         "auth.trusted_proxies: expected addresses and networks, as 10.0.0.0/8, got \"proxy\""},
        {"auth.web_server_scopes=predict,all",
         "auth.web_server_scopes: expected predict, feedback, metrics or admin, got \"all\""},
        {"signing.unsigned=demo,a/b",
         "signing.unsigned: expected names of models, or beginnings of such with a *, got \"a/b\""},
        {"auth.web_server_models=a/b",
         "auth.web_server_models: expected names of models, or beginnings of such with a *, got \"a/b\""},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        expect_setting_fault(bad[i][0], bad[i][1]);
    }
    errors = (struct config_errors){0};
    load_setting("auth.trusted_proxies=10.0.0.0/8, ::1");
    expect_good();
    ck_assert_int_eq(loaded->auth_required, 1); /* unless somebody says otherwise */
    ck_assert_str_eq(loaded->auth_keys_file, "/var/lib/outrigger/keys.json");
}
END_TEST

START_TEST(listen_is_address_and_port)
{
    static const char *const bad[] = {"9464",
                                      "localhost:9464",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:65536",
                                      ":9464",
                                      "::1:9464",
                                      "[::1]",
                                      "[127.0.0.1]:1",
                                      "[]:1",
                                      "[:1",
                                      "127.0.0.1:1x",
                                      "127.0.0.1:-1",
                                      "127.0.0.1:111111",
                                      "1111111111111111111111111111111111111111111111111111111:1"};
    static const char *const good[] = {"127.0.0.1:9464", "0.0.0.0:1", "[::1]:9464", "[::]:65535", ""};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char setting[128], complaint[256];
        snprintf(setting, sizeof setting, "collector.listen=%s", bad[i]);
        snprintf(
            complaint, sizeof complaint,
            "collector.listen: expected an address and a port, as 127.0.0.1:9464 or [::1]:9464, got \"%s\"",
            bad[i]);
        expect_setting_fault(setting, complaint);
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        char setting[128];
        snprintf(setting, sizeof setting, "collector.listen=%s", good[i]);
        errors = (struct config_errors){0};
        load_setting(setting);
        expect_good();
        config_free(loaded);
        loaded = NULL;
    }
}
END_TEST

START_TEST(endpoints_are_checked)
{
    expect_setting_fault("broker.askers=/tmp/x", "broker.askers: expected an endpoint, as ipc:///PATH or "
                                                 "tcp://ADDRESS:PORT, got \"/tmp/x\"");
    expect_setting_fault(
        "broker.workers=ipc://",
        "broker.workers: expected an endpoint, as ipc:///PATH or tcp://ADDRESS:PORT, got \"ipc://\"");
    expect_setting_fault(
        "broker.workers=tcp://",
        "broker.workers: expected an endpoint, as ipc:///PATH or tcp://ADDRESS:PORT, got \"tcp://\"");
    load_text("broker = { askers = \"tcp://127.0.0.1:1\";\n workers = \"tcp://127.0.0.1:1\"; };");
    ck_assert_ptr_null(loaded);
    ck_assert_ptr_nonnull(
        strstr(errors.text, "o.conf:2: broker.workers: is the same endpoint as broker.askers"));
}
END_TEST

START_TEST(tcp_needs_keys_and_a_list)
{
    load_text("broker = { workers_tcp = \"tcp://10.0.0.1:7001\"; };");
    ck_assert_ptr_null(loaded);
    ck_assert_ptr_nonnull(strstr(errors.text,
                                 "o.conf:1: broker.workers_tcp: tcp is served with CURVE alone: make a "
                                 "key with outrigger keygen"));
    ck_assert_ptr_nonnull(strstr(errors.text, "broker.workers_tcp: nobody could come in"));
    load_text("broker = { askers_tcp = \"tcp://*:7001\"; curve_secret_file = \"/s\"; };");
    ck_assert_ptr_null(loaded);
    ck_assert_ptr_nonnull(strstr(errors.text, "broker.askers_tcp: nobody could come in"));
    static const char *const good[] = {"tcp://127.0.0.1:7001", "tcp://[::1]:7001", "tcp://*:1",
                                       "tcp://eth0:65535"};
    static const char *const bad[] = {"ipc:///x", "tcp://",        "tcp://x",       "tcp://:7001",
                                      "tcp://x:", "tcp://x:7001y", "tcp://x:700123"};
    char text[256];
    for (size_t i = 0; i < COUNT_OF(good) + COUNT_OF(bad); i++) {
        bool is_good = i < COUNT_OF(good);
        snprintf(text, sizeof text,
                 "broker = { workers_tcp = \"%s\"; curve_secret_file = \"/s\"; curve_allow = \"/a\"; };",
                 is_good ? good[i] : bad[i - COUNT_OF(good)]);
        load_text(text);
        ck_assert_msg((loaded != NULL) == is_good, "%s %s", text, errors.text);
        config_free(loaded);
        loaded = NULL;
    }
}
END_TEST

START_TEST(socket_paths_fit_the_system)
{
    char path[256] = "/", setting[512];
    memset(path + 1, 'd', 89);
    snprintf(setting, sizeof setting, "runtime_directory=%s", path); /* 90 bytes: the longest that fits */
    load_setting(setting);
    expect_good();
    config_free(loaded);
    loaded = NULL;
    strcat(setting, "d");
    expect_setting_fault(setting,
                         "runtime_directory: the paths of its sockets would be too long: expected at most 90 "
                         "bytes, got 91");
    memset(path + 1, 'd', 107);
    snprintf(setting, sizeof setting, "frontend.socket=%s", path);
    expect_setting_fault(setting,
                         "frontend.socket: expected a path of at most 106 bytes (the system's limit for "
                         "sockets), got 108");
    snprintf(setting, sizeof setting, "broker.askers=ipc://%s", path);
    expect_setting_fault(setting,
                         "broker.askers: expected a path of at most 107 bytes (the system's limit for "
                         "sockets), got 108");
}
END_TEST

START_TEST(sizes_must_fit_each_other)
{
    expect_fault("frontend = {\n max_body_bytes = 2048;\n large_body_bytes = 4096; };",
                 ":3: frontend.large_body_bytes: 4096 is more than frontend.max_body_bytes (2048)");
    expect_fault("frontend = { max_body_bytes = 67108865; };",
                 ":1: frontend.max_body_bytes: 67108865 is more than broker.max_message_bytes (67108864)");
    load_setting("frontend.max_spool_bytes=1048576");
    ck_assert_ptr_null(loaded);
}
END_TEST

START_TEST(a_fault_in_a_default_names_the_file)
{
    char expected[256];
    load_text("frontend = { max_spool_bytes = 1048576; };");
    ck_assert_ptr_null(loaded);
    snprintf(expected, sizeof expected,
             "%s/o.conf: frontend.max_body_bytes: 33554432 is more than frontend.max_spool_bytes (1048576)\n",
             scratch_directory);
    ck_assert_str_eq(errors.text, expected);
    errors = (struct config_errors){0};
    load_setting("frontend.max_spool_bytes=1048576");
    ck_assert_ptr_null(loaded);
    ck_assert_str_eq(errors.text,
                     "frontend.max_body_bytes: 33554432 is more than frontend.max_spool_bytes (1048576)\n");
}
END_TEST

/* ---- the command line ---- */

START_TEST(settings_go_before_the_file)
{
    const char *const settings[] = {"frontend.processes=9", "log_level=error", "frontend.processes=10",
                                    "python=/usr/bin/env python=3"};
    loaded = config_load(scratch_file("o.conf", "frontend = { processes = 3; backlog = 99; };"), settings,
                         COUNT_OF(settings), &errors);
    expect_good();
    ck_assert_int_eq(loaded->frontend_processes, 10);
    ck_assert_int_eq(loaded->frontend_backlog, 99);
    ck_assert_str_eq(loaded->log_level, "error");
    ck_assert_str_eq(loaded->python, "/usr/bin/env python=3");
}
END_TEST

START_TEST(bad_settings_are_said)
{
    expect_setting_fault("frontend.processes", "expected SECTION.NAME=VALUE, got \"frontend.processes\"");
    expect_setting_fault("=3", "expected SECTION.NAME=VALUE, got \"=3\"");
    expect_setting_fault("frontend.proceses=3",
                         "frontend.proceses: unknown key; the nearest known is frontend.processes");
    expect_setting_fault("frontend.processes=true",
                         "frontend.processes: expected an integer from 0 to 64 (processes), got true");
}
END_TEST

/* ---- whose models need not be signed ---- */

static void expect_keys(const char *unsigned_models, const char *model, const char *expected)
{
    char line[128];
    struct config_errors none = {0};
    snprintf(line, sizeof line, "signing.unsigned=%s", unsigned_models);
    const char *const settings[] = {"signing.keys=/a.pem:/b.pem", line};
    struct config *with_keys = config_load(NULL, settings, 2, &none);
    ck_assert_msg(with_keys != NULL, "%s", none.text);
    ck_assert_str_eq(config_signing_keys(with_keys, model), expected);
    config_free(with_keys);
}

START_TEST(who_need_not_be_signed_is_listed)
{
    expect_keys("", "demo", "/a.pem:/b.pem");
    expect_keys(" ", "demo", "/a.pem:/b.pem");
    expect_keys("demo churn-*", "demo", "");
    expect_keys("demo churn-*", "churn-7", "");
    expect_keys("demo churn-*", "churn", "/a.pem:/b.pem");
    expect_keys("demo churn-*", "demonstration", "/a.pem:/b.pem");
    expect_keys("*", "anything", "");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        defaults_are_those_of_the_table,
        an_empty_name_is_no_file,
        computed_values_follow_the_runtime_directory,
        configured_values_are_not_computed,
        frontends_follow_the_cores,
        free_takes_null,
        sections_and_top_level_are_read,
        unknown_key_names_the_nearest,
        unknown_section_names_the_nearest,
        a_wrong_value_is_said_with_what_was_expected,
        syntax_errors_have_a_line,
        all_faults_are_told,
        earlier_complaints_stay,
        words_are_checked,
        users_are_there,
        socket_modes_are_octal,
        who_may_ask_is_said_in_words_that_are_known,
        listen_is_address_and_port,
        endpoints_are_checked,
        tcp_needs_keys_and_a_list,
        socket_paths_fit_the_system,
        sizes_must_fit_each_other,
        a_fault_in_a_default_names_the_file,
        settings_go_before_the_file,
        bad_settings_are_said,
        who_need_not_be_signed_is_listed,
    };
    return SUITE_RUN("config", set_up, tear_down, tests);
}
