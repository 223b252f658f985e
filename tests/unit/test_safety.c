/* test_safety: what the supervisor does not start with, and what it warns of. SPDX-License-Identifier: MIT */
#include "safety.h"

#include "scratch_directory.h"

#include <sys/resource.h>
#include <sys/stat.h>

static struct config config;
static struct config_errors errors, warnings;

static void set_up(void)
{
    static char mode[] = "0660", listen[] = "127.0.0.1:9464", access[] = "all", payload[] = "hash";
    scratch_make();
    config = (struct config){.file = (char *)scratch_file("outrigger.conf", ""),
                             .models_directory = (char *)scratch_folder("models"),
                             .state_directory = (char *)scratch_folder("state"),
                             .frontend_socket_mode = mode,
                             .collector_listen = listen,
                             .audit_access = access,
                             .audit_payload = payload,
                             .flight_payload = payload};
    errors = warnings = (struct config_errors){0};
}

static void look(uid_t uid)
{
    errors = warnings = (struct config_errors){0};
    safety_check(&config, uid, &errors, &warnings);
}

START_TEST(what_is_ours_alone_is_fine)
{
    static char nothing[] = "", nowhere[] = "/nowhere/at/all";
    look(geteuid());
    ck_assert_str_eq(errors.text, "");
    config.run_as_root = 1;
    look(geteuid());
    ck_assert_str_eq(warnings.text, "");
    config.file = nothing; /* the defaults */
    config.models_directory = nowhere;
    look(geteuid());
    ck_assert_int_eq(errors.count + warnings.count, 0);
}
END_TEST

START_TEST(what_everybody_can_change_is_refused)
{
    char *const paths[] = {config.file, config.models_directory, config.state_directory};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        ck_assert_int_eq(chmod(paths[i], 0777), 0);
        look(geteuid());
        ck_assert_int_eq(errors.count, 1);
        ck_assert_int_eq(strncmp(errors.text, paths[i], strlen(paths[i])), 0);
        ck_assert_ptr_nonnull(strstr(errors.text, "chmod o-w"));
        ck_assert_int_eq(chmod(paths[i], 0775), 0); /* a group is somebody's choice */
        look(geteuid());
        ck_assert_int_eq(errors.count, 0);
    }
}
END_TEST

static void expect_warning(const char *words)
{
    look(1000);
    ck_assert_msg(strstr(warnings.text, words) != NULL, "%s", warnings.text);
    ck_assert_int_eq(errors.count, 0);
}

START_TEST(what_is_surely_not_meant_is_warned_of)
{
    static char mode[] = "0666", listen[] = "0.0.0.0:9464", access[] = "none", payload[] = "full";
    config.core_dumps = 1;
    expect_warning("core_dumps: ");
    config.broker_workers_by_hand = 1;
    expect_warning("broker.workers_by_hand: ");
    config.frontend_socket_mode = mode;
    expect_warning("frontend.socket_mode: ");
    config.collector_listen = listen;
    expect_warning("collector.listen: 0.0.0.0:9464");
    config.audit_access = access;
    expect_warning("audit.access: ");
    config.audit_payload = payload;
    look(1000);
    ck_assert_ptr_null(strstr(warnings.text, "audit.payload"));
    config.audit_predictions_per_mille = 1;
    expect_warning("audit.payload: ");
    config.flight_payload = payload;
    look(1000);
    ck_assert_ptr_null(strstr(warnings.text, "flight.payload"));
    config.flight_requests = 10;
    look(1000);
    expect_warning("flight.payload: ");
}
END_TEST

START_TEST(root_is_warned_unless_it_is_meant)
{
    look(0);
    ck_assert_ptr_nonnull(strstr(warnings.text, "run_as_root"));
    look(1000);
    ck_assert_ptr_null(strstr(warnings.text, "run_as_root"));
    config.run_as_root = 1;
    look(0);
    ck_assert_ptr_null(strstr(warnings.text, "run_as_root"));
}
END_TEST

START_TEST(what_a_user_cannot_read_is_told)
{
    static char none[] = "";
    struct account *nobody = account_find("nobody");
    config.runtime_directory = object_strdup(scratch_path("run")); /* scratch_path's last 8 live */
    config.state_directory = object_strdup(config.state_directory);
    config.models_directory = object_strdup(config.models_directory);
    config.file = none;
    config.auth_keys_file = object_strdup(scratch_file("keys.json", "{}"));
    config.broker_curve_secret_file = config.broker_curve_allow = config.limit_redis_password = none;
    config.token_jwks_file = config.token_hs256_secret = config.token_introspection_secret = none;
    config.token_ca_file = none;
    config.binary_directory = object_strdup(scratch_folder("bin"));
    scratch_file("bin/outrigger-broker", "");
    scratch_file("bin/outrigger-worker", "");
    ck_assert_int_eq(chmod(config.models_directory, 0755) + chmod(config.binary_directory, 0755), 0);
    ck_assert_int_eq(chmod(scratch_directory, 0711), 0);
    safety_check_readers(&config, nobody, nobody, &errors);
    ck_assert_msg(errors.count == 0, "%s", errors.text);
    safety_check_readers(&config, NULL, NULL, &errors);
    config.auth_required = 1;
    ck_assert_int_eq(chmod(config.auth_keys_file, 0600), 0);
    safety_check_readers(&config, NULL, nobody, &errors); /* a worker does not read it */
    ck_assert_int_eq(errors.count, 0);
    safety_check_readers(&config, nobody, NULL, &errors);
    ck_assert_int_eq(errors.count, 1);
    ck_assert_ptr_nonnull(strstr(errors.text,
                                 "keys.json: the user nobody, as whom it is read, cannot read it "
                                 "(Permission denied)"));
    char reference[128];
    snprintf(reference, sizeof reference, "file:%s", config.auth_keys_file);
    config.token_hs256_secret = reference;
    safety_check_readers(&config, nobody, NULL, &errors);
    ck_assert_int_eq(errors.count, 3);
    ck_assert_int_eq(setenv("CREDENTIALS_DIRECTORY", scratch_directory, 1), 0);
    config.token_hs256_secret = (char *)"credential:keys.json";
    safety_check_readers(&config, nobody, NULL, &errors);
    ck_assert_int_eq(errors.count, 5);
    config.token_hs256_secret = (char *)"env:KEYS";
    errors = (struct config_errors){0};
    safety_check_readers(&config, nobody, NULL, &errors);
    ck_assert_int_eq(errors.count, 1);
    errors = (struct config_errors){0};
    ck_assert_int_eq(chmod(config.models_directory, 0700) + chmod(config.binary_directory, 0700), 0);
    safety_check_readers(&config, NULL, nobody, &errors);
    ck_assert_int_eq(errors.count, 2);
    ck_assert_int_eq(chmod(config.models_directory, 0755) + chmod(config.binary_directory, 0755), 0);
    config.auth_required = 0;
    errors = (struct config_errors){0};
    scratch_file("state/routes.json", "{}");
    safety_check_readers(&config, nobody, NULL, &errors);
    ck_assert_int_eq(errors.count, 1);
    ck_assert_ptr_nonnull(
        strstr(errors.text, "/state: belongs to root, and all runs as the user nobody: chown -R nobody: "));
    ck_assert_int_eq(chown(config.state_directory, nobody->uid, (gid_t)-1), 0);
    errors = (struct config_errors){0};
    safety_check_readers(&config, nobody, NULL, &errors);
    ck_assert_int_eq(errors.count, 0);
    char *const own[] = {config.runtime_directory, config.state_directory, config.models_directory,
                         config.auth_keys_file, config.binary_directory};
    for (size_t i = 0; i < COUNT_OF(own); i++)
        free(own[i]);
    account_free(nobody);
}
END_TEST

START_TEST(no_core_is_left_unless_it_is_wanted)
{
    struct rlimit before, after;
    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &before), 0);
    config.core_dumps = 1;
    safety_limit_core(&config);
    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &after), 0);
    ck_assert(before.rlim_cur == after.rlim_cur && before.rlim_max == after.rlim_max);
    config.core_dumps = 0;
    safety_limit_core(&config);
    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &after), 0);
    ck_assert(after.rlim_cur == 0 && after.rlim_max == 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_is_ours_alone_is_fine,
        what_everybody_can_change_is_refused,
        what_is_surely_not_meant_is_warned_of,
        root_is_warned_unless_it_is_meant,
        no_core_is_left_unless_it_is_wanted,
    };
    const TTest *const for_root[] = {what_a_user_cannot_read_is_told, NULL};
    Suite *suite = suite_create("safety");
    TCase *group = suite_group(suite, "all", set_up, scratch_remove);
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_test(group, tests[i]);
    if (geteuid() == 0)
        suite_add(suite, "for root", set_up, scratch_remove, for_root);
    else
        fprintf(stderr, "NOT TESTED, since not root: what other users can read\n");
    return suite_finish(suite);
}
