/* test_check: `outrigger check` over configurations and repositories made for it, with programs that only
 * pretend. SPDX-License-Identifier: MIT */
#include "checked.h"
#include "ctl.h"
#include "scratch_directory.h"
#include "signer.h"
#include "suite.h"

#include <stdlib.h>
#include <yyjson.h>

static char said[65536];      /* on stdout */
static char complained[8192]; /* on stderr */
enum { SETTINGS_MAX = 16 };

static const char *settings[SETTINGS_MAX];
static size_t setting_count;

static void set(const char *name, const char *value)
{
    char *setting;
    ck_assert_int_gt(asprintf(&setting, "%s=%s", name, value), 0);
    settings[setting_count++] = setting;
}

static void make_program(const char *name, const char *text)
{
    char path[128], script[512];
    snprintf(path, sizeof path, "bin/outrigger-%s", name);
    snprintf(script, sizeof script, "#!/bin/sh\n%s\n", text);
    ck_assert_int_eq(chmod(scratch_file(path, script), 0700), 0);
}

static void make_readable(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "bin/outrigger-%s", name);
    ck_assert_int_eq(chmod(scratch_path(path), 0755), 0);
}

/* A repository with the model m, and programs; the worker says what a model of two values takes (of three
 * when the file's content is wide), as long as the file is not called broken by its content, and that as many
 * golden requests are answered as golden.json says. */
static void set_up(void)
{
    scratch_make();
    scratch_folder("bin");
    make_program("supervisor", "");
    make_program("broker", "");
    make_program("frontend", "");
    make_program("collector", "");
    make_program("worker",
                 "grep -q broken \"$2\" && { echo \"$2: no model\" >&2; exit 1; }\n"
                 "columns=2; grep -q wide \"$2\" && columns=3\n"
                 "echo '{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[-1,'$columns']}],"
                 "\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[-1,1]}]'\n"
                 "[ -f \"$3/golden.json\" ] && echo \",\\\"golden\\\":$(cat \"$3/golden.json\")\"\n"
                 "echo '}'");
    scratch_folder("models");
    scratch_folder("models/m");
    scratch_folder("models/m/1");
    scratch_file("models/m/1/model.onnx", "good");
    setting_count = 0;
    set("binary_directory", scratch_path("bin"));
    set("models_directory", scratch_path("models"));
    set("runtime_directory", scratch_path("run"));
    set("run_as_root", "true"); /* as whom tests run is nobody's business */
}

static void tear_down(void)
{
    while (setting_count > 0)
        free((char *)settings[--setting_count]);
    scratch_remove();
}

static void read_back(FILE *stream, char *text, size_t capacity)
{
    fflush(stream);
    rewind(stream);
    text[fread(text, 1, capacity - 1, stream)] = '\0';
}

/* `outrigger check` with these words. */
static int run(const char *first, const char *second, const char *third)
{
    char *words[2 * SETTINGS_MAX + 3];
    int count = 0;
    for (size_t i = 0; i < setting_count; i++) {
        words[count++] = (char *)"-s";
        words[count++] = (char *)settings[i];
    }
    const char *const given[] = {first, second, third};
    for (size_t i = 0; i < COUNT_OF(given) && given[i] != NULL; i++)
        words[count++] = (char *)given[i];
    struct arguments arguments;
    ck_assert_int_eq(arguments_parse(command_find("check"), count, words, &arguments), 0);
    ck_assert_ptr_nonnull(freopen(scratch_path("out"), "w+", stdout));
    ck_assert_ptr_nonnull(freopen(scratch_path("error"), "w+", stderr));
    int status = check_command(&arguments);
    arguments_free(&arguments);
    read_back(stdout, said, sizeof said);
    read_back(stderr, complained, sizeof complained);
    return status;
}

static int check(void)
{
    return run(NULL, NULL, NULL);
}

static void expect_said(const char *expected)
{
    ck_assert_msg(strstr(said, expected) != NULL, "no \"%s\" in:\n%s", expected, said);
}

static void expect_complaint(const char *expected)
{
    ck_assert_int_eq(check(), CTL_FAULT);
    ck_assert_msg(strstr(complained, expected) != NULL, "no \"%s\" in:\n%s", expected, complained);
    expect_said(": not good\n");
}

START_TEST(what_is_unsafe_is_told)
{
    set("core_dumps", "true");
    set("frontend.socket_mode", "0666");
    ck_assert_int_eq(check(), CTL_GOOD);
    ck_assert_ptr_nonnull(strstr(complained, "warning: core_dumps: "));
    ck_assert_ptr_nonnull(strstr(complained, "warning: frontend.socket_mode: "));
    ck_assert_int_eq(chmod(scratch_path("models"), 0777), 0);
    expect_complaint("the model repository can be changed by everybody");
}
END_TEST

START_TEST(the_plan_is_printed)
{
    set("frontend.socket_mode", "0600");
    set("frontend.processes", "3");
    set("placement", "none");
    ck_assert_msg(check() == CTL_GOOD, "%s", complained);
    expect_said("frontend        3        3  any    ");
    expect_said("worker m        1        1  any    ");
    expect_said("/run/frontend.sock ");
    expect_said("  0600  FastCGI: the web server\n");
    expect_said("/run/workers.ipc ");
    expect_said("/run/supervisor.sock ");
    expect_said("http://127.0.0.1:9464/metrics ");
    expect_said(
        "m      1        onnx           1          64   0 us      100000       64 MiB  10000 ms  yes\n");
    expect_said("m takes x FP32[-1,2] and gives y FP32[-1,1]\n");
    expect_said("\nthe defaults: good\n");
    ck_assert_str_eq(complained, "");
}
END_TEST

START_TEST(a_file_is_named_in_two_ways)
{
    const char *file = scratch_file("o.conf", "collector = { listen = \"\"; };\n");
    ck_assert_int_eq(run(file, NULL, NULL), CTL_GOOD);
    expect_said("o.conf: good\n");
    ck_assert_ptr_null(strstr(said, "/metrics"));
    ck_assert_int_eq(run("--config", file, NULL), CTL_GOOD);
    ck_assert_int_eq(run("-c", file, file), CTL_USAGE);
}
END_TEST

START_TEST(templates_are_printed)
{
    ck_assert_int_eq(run("--template", NULL, NULL), CTL_GOOD);
    expect_said("\nruntime_directory = \"/run/outrigger\";\n");
    ck_assert_int_eq(run("--model-template", NULL, NULL), CTL_GOOD);
    expect_said("\nfeatures = ( );\n");
}
END_TEST

START_TEST(the_plan_is_json_too)
{
    set("placement", "none");
    ck_assert_int_eq(run("--json", NULL, NULL), CTL_GOOD);
    yyjson_doc *document = yyjson_read(said, strlen(said), 0);
    ck_assert_msg(document != NULL, "%s", said);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *model = yyjson_arr_get_first(yyjson_obj_get(root, "models"));
    ck_assert(yyjson_get_bool(yyjson_obj_get(root, "ok")));
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(model, "version")), "1");
    ck_assert_int_eq(yyjson_get_int(yyjson_obj_get(model, "queue_bytes")), 64 << 20);
    ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(model, "inputs")), 1);
    ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(root, "sockets")), 6);
    ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(root, "processes")), 5);
    yyjson_val *guards = yyjson_obj_get(root, "sandbox"), *guard = yyjson_arr_get(guards, 1);
    ck_assert_uint_eq(yyjson_arr_size(guards), 7);
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(guard, "part")), "seccomp");
    ck_assert(yyjson_get_bool(yyjson_obj_get(guard, "here")) == sandbox_powers().seccomp);
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(root, "sandbox_mode")), "on");
    ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(root, "errors")), 0);
    yyjson_doc_free(document);
    set("default_model", "none");
    ck_assert_int_eq(run("--json", NULL, NULL), CTL_FAULT);
    expect_said("{\"ok\":false,\"error\":\"the configuration is not good: see errors\",");
    expect_said("\"errors\":[\"default_model: there is no model \\\"none\\\" in ");
    ck_assert_str_eq(complained, "");
}
END_TEST

static void note_guard(void *self, const char *part, bool there, const char *what)
{
    char *list = self;
    (void)what;
    if (there)
        strcat(strcat(list, part), ",");
}

START_TEST(what_a_kernel_has_of_the_sandbox_is_told)
{
    static const struct {
        const char *mode, *there;
        struct sandbox_powers powers;
    } cases[] = {
        {"off", "", {.landlock = 6, .seccomp = true}},
        {"on", "no_new_privs,", {.landlock = 0, .seccomp = false}},
        {"on", "no_new_privs,seccomp,", {.landlock = 0, .seccomp = true}},
        /* That a file is cut Landlock knows from version 3 only; before, seccomp keeps it from that. */
        {"on", "no_new_privs,Landlock 2,", {.landlock = 2, .seccomp = false}},
        {"on", "no_new_privs,seccomp,Landlock 1,  truncate,", {.landlock = 1, .seccomp = true}},
        {"log", "no_new_privs,seccomp,Landlock 3,  truncate,", {.landlock = 3, .seccomp = true}},
        {"on", "no_new_privs,Landlock 3,  truncate,", {.landlock = 3, .seccomp = false}},
        {"on", "no_new_privs,seccomp,Landlock 4,  truncate,  TCP,", {.landlock = 4, .seccomp = true}},
        {"on",
         "no_new_privs,seccomp,Landlock 5,  truncate,  TCP,  devices,",
         {.landlock = 5, .seccomp = true}},
        {"on",
         "no_new_privs,seccomp,Landlock 6,  truncate,  TCP,  devices,  scopes,",
         {.landlock = 6, .seccomp = true}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char there[256] = "", mode[8];
        const struct config config = {.sandbox_mode = strcpy(mode, cases[i].mode)};
        check_each_guard(&(struct check){.config = &config, .powers = cases[i].powers}, note_guard, there);
        ck_assert_str_eq(there, cases[i].there);
    }
}
END_TEST

START_TEST(who_runs_as_whom_is_told)
{
    set("user", "daemon");
    set("worker.user", "nobody");
    set("state_directory", scratch_path("state"));
    ck_assert_int_eq(chmod(scratch_path("bin"), 0755) + chmod(scratch_path("models"), 0755), 0);
    ck_assert_int_eq(chmod(scratch_directory, 0711), 0);
    make_readable("broker");
    make_readable("worker");
    ck_assert_int_eq(run("--json", NULL, NULL), CTL_GOOD);
    yyjson_doc *document = yyjson_read(said, strlen(said), 0);
    size_t index, count;
    yyjson_val *entry, *processes = yyjson_obj_get(yyjson_doc_get_root(document), "processes");
    yyjson_arr_foreach(processes, index, count, entry)
    {
        bool worker = strcmp(yyjson_get_str(yyjson_obj_get(entry, "process")), "worker m") == 0;
        ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(entry, "user")), worker ? "nobody" : "daemon");
    }
    yyjson_doc_free(document);
    ck_assert_int_eq(check(), CTL_GOOD);
    expect_said("USER\n");
    ck_assert_ptr_null(strstr(complained, "runs as root"));
    if (geteuid() != 0)
        return; /* who is not root cannot know what others may read */
    scratch_folder("state");
    scratch_file("state/keys.json", "{\"keys\": []}");
    ck_assert_int_eq(chmod(scratch_path("state/keys.json"), 0600), 0);
    ck_assert_int_eq(chown(scratch_path("state"), 1, 1) + chown(scratch_path("state/keys.json"), 1, 1), 0);
    ck_assert_msg(check() == CTL_GOOD, "%s", complained); /* it is that user's, who reads it */
    ck_assert_int_eq(chown(scratch_path("state/keys.json"), 2, 2), 0);
    expect_complaint("keys.json: the user daemon, as whom it is read, cannot read it (Permission denied)");
    ck_assert_int_eq(unlink(scratch_path("state/keys.json")), 0);
    ck_assert_int_eq(chmod(scratch_path("models"), 0700), 0);
    expect_complaint("/models: the user nobody, as whom it is read, cannot read it (Permission denied)");
}
END_TEST

START_TEST(a_bad_configuration_is_told)
{
    const char *file = scratch_file("o.conf", "\nlog_levle = 1;\n");
    ck_assert_int_eq(run(file, NULL, NULL), CTL_FAULT);
    ck_assert_ptr_nonnull(
        strstr(complained, "o.conf:2: log_levle: unknown key; the nearest known is log_level\n"));
}
END_TEST

START_TEST(a_broken_model_is_told_and_the_others_are_shown)
{
    scratch_folder("models/b");
    scratch_folder("models/b/2");
    scratch_file("models/b/2/model.onnx", "broken");
    expect_complaint("/models/b/2/model.onnx: no model\n");
    ck_assert_ptr_null(strstr(complained, "onnx: /"));
    expect_said("m takes x FP32[-1,2]");
}
END_TEST

START_TEST(golden_requests_are_told)
{
    scratch_file("models/m/golden.json", "7");
    ck_assert_msg(check() == CTL_GOOD, "%s", complained);
    expect_said("gives y FP32[-1,1], and answers its golden requests (7) as it must\n");
    make_program("worker", "echo \"$3/golden.json: requests[0]: other\" >&2; exit 125");
    expect_complaint("/models/m/golden.json: requests[0]: other\n");
}
END_TEST

START_TEST(faults_of_a_model_are_told)
{
    scratch_file("models/m/model.conf", "instanzes = 1;");
    expect_complaint("/models/m/model.conf:1: instanzes: unknown key; the nearest known is instances\n");
    scratch_file("models/m/model.conf", "backend = \"echo\";");
    expect_complaint("/models/m/1: holds no model file of the backend echo\n");
}
END_TEST

START_TEST(a_python_model_needs_its_interpreter)
{
    scratch_folder("models/p");
    scratch_folder("models/p/1");
    scratch_file("models/p/1/model.py", "");
    set("python", "/nowhere/python3");
    expect_complaint("python: /nowhere/python3: No such file or directory (the model p needs it)\n");
    scratch_file("models/p/model.conf", "python = \"/elsewhere/python3\";");
    expect_complaint("/models/p/model.conf: python: /elsewhere/python3: No such file or directory\n");
    scratch_file("models/p/model.conf", "python = \"/bin/sh\";");
    ck_assert_int_eq(check(), CTL_GOOD);
}
END_TEST

START_TEST(what_the_machine_lacks_is_told)
{
    ck_assert_int_eq(unlink(scratch_path("bin/outrigger-broker")), 0);
    expect_complaint("/bin/outrigger-broker: No such file or directory\n");
    set("frontend.socket_group", "no-such-group-here");
    expect_complaint("frontend.socket_group: there is no group \"no-such-group-here\"\n");
    set("default_model", "n");
    expect_complaint("default_model: there is no model \"n\" in ");
    set("models_directory", "/nowhere");
    expect_complaint("models_directory: /nowhere: No such file or directory\n");
    expect_said("no models in /nowhere\n");
}
END_TEST

static void expect_writer(const char *name, bool expected)
{
    char warning[400];
    check();
    snprintf(warning, sizeof warning, "warning: signing.keys: others can change %s, ", scratch_path(name));
    ck_assert_msg((strstr(complained, warning) != NULL) == expected, "%s: %s", name, complained);
}

START_TEST(what_is_signed_is_nobodys_to_change)
{
    static const struct {
        const char *name;
        mode_t open, closed;
    } places[] = {{"models/m", 0777, 0755},
                  {"models/m/model.conf", 0664, 0644},
                  {"models/m/1", 0775, 0755},
                  {"models/m/1/words", 0757, 0755},
                  {"models/m/1/words/0.txt", 0646, 0644},
                  {"models/m/1/model.onnx", 0666, 0644}};
    scratch_folder("models/m/1/words");
    scratch_file("models/m/1/words/0.txt", "");
    scratch_file("models/m/model.conf", "");
    for (size_t i = 0; i < COUNT_OF(places); i++)
        ck_assert_int_eq(chmod(scratch_path(places[i].name), places[i].open), 0);
    check();
    ck_assert_ptr_null(strstr(complained, "others can change")); /* nothing need be signed */
    set("signing.keys", scratch_path("none"));
    for (size_t i = 0; i < COUNT_OF(places); i++)
        ck_assert_int_eq(chmod(scratch_path(places[i].name), places[i].closed), 0);
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        expect_writer(places[i].name, false);
        ck_assert_int_eq(chmod(scratch_path(places[i].name), places[i].open), 0);
        expect_writer(places[i].name, true);
        ck_assert_int_eq(chmod(scratch_path(places[i].name), places[i].closed), 0);
    }
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(chown(scratch_path("models/m/1/words/0.txt"), 12345, 0), 0);
    check();
    ck_assert_ptr_nonnull(strstr(complained, "warning: signing.keys: the user 12345 can change "));
}
END_TEST

START_TEST(what_is_surely_not_meant_is_a_warning)
{
    scratch_file("models/m/model.conf", "instances = 200; threads = 200;");
    ck_assert_int_eq(check(), CTL_GOOD);
    ck_assert_ptr_nonnull(
        strstr(complained, "warning: the workers have 40000 threads together and there are "));
    scratch_file("models/m/model.conf", "instances = 0;");
    scratch_folder("models/n");
    scratch_file("models/n/model.conf", "");
    ck_assert_int_eq(check(), CTL_GOOD);
    ck_assert_ptr_nonnull(strstr(complained, "warning: the model m is required and has no instances"));
    ck_assert_ptr_nonnull(strstr(complained, "warning: the model n is required and has no version"));
    expect_said("n      none     -   ");
    scratch_file(
        "models/m/model.conf",
        "route = { arms = ( { version = \"1\"; percent = 5; }, { version = \"2\"; percent = 5; } );\n"
        "rules = ( { header = \"X\"; value = \"b\"; version = \"7\"; } ); shadow = { version = \"8\"; }; };");
    ck_assert_int_eq(check(), CTL_GOOD);
    static const char *const missing[] = {"2", "7", "8"};
    for (size_t i = 0; i < COUNT_OF(missing); i++) {
        char warning[96];
        snprintf(warning, sizeof warning,
                 "warning: the route of the model m names the version %s, which is not in ", missing[i]);
        ck_assert_msg(strstr(complained, warning) != NULL, "%s", missing[i]);
    }
    ck_assert_ptr_null(strstr(complained, "names the version 1,"));
}
END_TEST

/* The broker would lead nothing to such a version, and say so only in its log. */
START_TEST(who_shares_a_route_shares_the_inputs)
{
    static const char *const routes[] = {
        "version = \"1\"; route = { arms = ( { version = \"2\"; percent = 5; } ); };",
        "version = \"1\"; route = { rules = ( { header = \"X\"; value = \"b\"; version = \"2\"; } ); };",
        "version = \"1\"; route = { shadow = { version = \"2\"; }; };"};
    scratch_folder("models/m/2");
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        scratch_file("models/m/model.conf", routes[i]);
        scratch_file("models/m/2/model.onnx", "good");
        ck_assert_int_eq(check(), CTL_GOOD);
        scratch_file("models/m/2/model.onnx", "wide");
        ck_assert_int_eq(check(), CTL_FAULT);
        ck_assert_ptr_nonnull(strstr(complained,
                                     "models/m/model.conf: route: version 2 takes x FP32[-1,3], and "
                                     "version 1, which is the stable one, x FP32[-1,2]: "));
        scratch_file("models/m/2/model.onnx", "broken");
        ck_assert_int_eq(check(), CTL_FAULT);
        ck_assert_ptr_nonnull(strstr(complained, "models/m/2/model.onnx: no model"));
    }
    scratch_file("models/m/model.conf", "version = \"1\";"); /* nobody is led to it */
    ck_assert_int_eq(check(), CTL_GOOD);
}
END_TEST

START_TEST(keys_of_tokens_are_told)
{
    char *keys = signer_text("{\"keys\":[%s,%s,%s]}", signer_jwk(signer_rsa, ",\"kid\":\"one\""),
                             signer_jwk(signer_ed, ""), signer_jwk(signer_weak_rsa, ",\"kid\":\"old\""));
    set("token.issuer", "https://issuer.example");
    set("token.audience", "us");
    set("token.jwks_file", scratch_file("keys", keys));
    ck_assert_int_eq(check(), CTL_GOOD);
    expect_said("tokens of https://issuer.example for us\n"
                "TOKEN KEY  TYPE      ALGORITHMS\n"
                "one        RSA 2048  RS256 PS256\n"
                "-          Ed25519   EdDSA\n");
    ck_assert_ptr_nonnull(
        strstr(complained, "left out: key 3 (kid old): RSA of less than 2048 bits is too weak"));
    ck_assert_int_eq(run("--json", NULL, NULL), CTL_GOOD);
    expect_said("\"token_keys\":[{\"kid\":\"one\",\"type\":\"RSA 2048\",\"algorithms\":\"RS256 PS256\"},"
                "{\"kid\":null,\"type\":\"Ed25519\",\"algorithms\":\"EdDSA\"}]");
    scratch_file("keys", "{\"keys\":[]}");
    expect_complaint("keys: there is no key that could be used");
    signer_forget();
}
END_TEST

START_TEST(the_authority_of_an_issuer_is_looked_at)
{
    set("token.issuer", "i");
    set("token.audience", "us");
    set("token.jwks_url", "https://issuer.example/keys");
    set("token.ca_file", scratch_path("none.pem"));
    expect_complaint("token.ca_file: ");
    expect_complaint("none.pem: No such file or directory");
    set("token.ca_file", scratch_directory);
    expect_complaint("Is a directory");
    set("token.ca_file", scratch_file("some.pem", "-----BEGIN PRIVATE KEY-----\n"));
    expect_complaint("some.pem: there is no certificate in it");
    scratch_file("some.pem", "# ours\n-----BEGIN CERTIFICATE-----\nMII\n");
    ck_assert_int_eq(check(), CTL_GOOD);
}
END_TEST

START_TEST(secrets_of_tokens_are_looked_at)
{
    char *secret = signer_text("%s", scratch_file("secret", "0123456789012345678901234567890"));
    ck_assert_int_eq(chmod(secret, 0600), 0);
    set("token.issuer", "i");
    set("token.audience", "us");
    set("token.algorithms", "HS256");
    set("token.hs256_secret", secret);
    expect_complaint("token.hs256_secret: ");
    expect_complaint("expected at least 32 bytes");
    scratch_file("secret", SIGNER_SECRET);
    ck_assert_int_eq(check(), CTL_GOOD);
    ck_assert_int_eq(chmod(secret, 0644), 0);
    ck_assert_int_eq(check(), CTL_FAULT);
    ck_assert_ptr_null(strstr(complained, SIGNER_SECRET));
    set("token.hs256_secret", "env:NOT_HERE"); /* nobody can say from here */
    ck_assert_int_eq(check(), CTL_GOOD);
    signer_forget();
}
END_TEST

int main(void)
{
    signer_init();
    const TTest *tests[] = {
        what_is_unsafe_is_told,
        the_plan_is_printed,
        a_file_is_named_in_two_ways,
        templates_are_printed,
        the_plan_is_json_too,
        what_a_kernel_has_of_the_sandbox_is_told,
        who_runs_as_whom_is_told,
        a_bad_configuration_is_told,
        a_broken_model_is_told_and_the_others_are_shown,
        golden_requests_are_told,
        faults_of_a_model_are_told,
        a_python_model_needs_its_interpreter,
        what_the_machine_lacks_is_told,
        what_is_surely_not_meant_is_a_warning,
        what_is_signed_is_nobodys_to_change,
        who_shares_a_route_shares_the_inputs,
        keys_of_tokens_are_told,
        the_authority_of_an_issuer_is_looked_at,
        secrets_of_tokens_are_looked_at,
    };
    int status = SUITE_RUN("check", set_up, tear_down, tests);
    signer_end();
    return status;
}
