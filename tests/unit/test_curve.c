/* test_curve: which keys a program takes from its configuration, and what it says when they are not fit.
 * SPDX-License-Identifier: MIT */
#include "curve.h"
#include "keys.h"

static struct config *config;
static struct curve_keys keys;
static struct key_pair ours, other;
static char reason[5120], setting[3][256];

static void set_up(void)
{
    scratch_make();
    ours = keys_make("ours");
    other = keys_make("other");
}

static void tear_down(void)
{
    config_free(config);
    scratch_remove();
}

/* A configuration with these parameters set to these values; NULL ends it. */
static void configure(const char *first, const char *first_value, const char *second,
                      const char *second_value)
{
    const char *settings[] = {setting[0], second == NULL ? NULL : setting[1], NULL};
    snprintf(setting[0], sizeof setting[0], "%s=%s", first, first_value);
    if (second != NULL)
        snprintf(setting[1], sizeof setting[1], "%s=%s", second, second_value);
    config_free(config);
    config = repository_config(settings);
}

static void expect_reason(const char *part)
{
    ck_assert_msg(strstr(reason, part) != NULL, "%s", reason);
    ck_assert_str_eq(keys.secret_key, "");
}

static bool take_worker_keys(const char *secret_file, const char *server_key)
{
    configure("worker.curve_secret_file", secret_file, "worker.curve_server_key", server_key);
    return curve_worker_keys(config, &keys, reason, sizeof reason);
}

START_TEST(only_what_leaves_the_machine_needs_keys)
{
    ck_assert(!curve_needed("ipc:///run/x.ipc") && !curve_needed("inproc://x"));
    ck_assert(curve_needed("tcp://127.0.0.1:7001") && curve_needed("tcp://[::1]:7001"));
}
END_TEST

START_TEST(a_new_pair_is_one)
{
    struct key_pair pair = {0};
    ck_assert(curve_new_pair(&pair));
    ck_assert(key_ok(text_of(pair.public_key)) && key_ok(text_of(pair.secret_key)));
    ck_assert_str_ne(pair.public_key, ours.public_key);
    ck_assert_str_ne(pair.public_key, pair.secret_key);
}
END_TEST

START_TEST(a_worker_takes_its_pair_and_the_brokers_key)
{
    ck_assert_msg(take_worker_keys(scratch_path("ours.key_secret"), other.public_key), "%s", reason);
    ck_assert_str_eq(keys.public_key, ours.public_key);
    ck_assert_str_eq(keys.secret_key, ours.secret_key);
    ck_assert_str_eq(keys.server_key, other.public_key);
    ck_assert_msg(take_worker_keys(scratch_path("ours.key_secret"), scratch_path("other.key")), "%s", reason);
    ck_assert_str_eq(keys.server_key, other.public_key);
}
END_TEST

START_TEST(a_worker_without_fit_keys_is_told_what_to_do)
{
    ck_assert(!take_worker_keys("", other.public_key));
    expect_reason("worker.curve_secret_file: tcp needs a key: make one with outrigger keygen");
    ck_assert(!take_worker_keys(scratch_path("none"), other.public_key));
    expect_reason("worker.curve_secret_file: ");
    ck_assert(!take_worker_keys(scratch_path("ours.key"), other.public_key)); /* the public one */
    expect_reason("chmod 600");
    ck_assert(!take_worker_keys(scratch_path("ours.key_secret"), ""));
    expect_reason("worker.curve_server_key: expected the broker's public key");
    ck_assert(!take_worker_keys(scratch_path("ours.key_secret"), "short"));
    expect_reason("worker.curve_server_key: expected the broker's public key");
    ck_assert(!take_worker_keys(scratch_path("ours.key_secret"), scratch_path("none.key")));
    expect_reason("none.key: No such file");
}
END_TEST

START_TEST(a_pair_that_is_none_is_found)
{
    char text[256];
    snprintf(text, sizeof text, "public-key = \"%s\"\nsecret-key = \"%s\"\n", other.public_key,
             ours.secret_key);
    chmod(scratch_file("mixed", text), 0600);
    ck_assert(!take_worker_keys(scratch_path("mixed"), other.public_key));
    expect_reason("mixed: its public-key is not that of its secret-key");
    ck_assert_ptr_null(strstr(reason, ours.secret_key));
    snprintf(text, sizeof text, "secret-key = \"%s\"\n", ours.secret_key);
    chmod(scratch_file("alone", text), 0600);
    ck_assert_msg(take_worker_keys(scratch_path("alone"), other.public_key), "%s", reason);
    ck_assert_str_eq(keys.public_key, ours.public_key);
}
END_TEST

START_TEST(the_broker_takes_its_own)
{
    configure("broker.curve_secret_file", scratch_path("ours.key_secret"), NULL, NULL);
    ck_assert_msg(curve_broker_keys(config, &keys, reason, sizeof reason), "%s", reason);
    ck_assert_str_eq(keys.secret_key, ours.secret_key);
    ck_assert_str_eq(keys.server_key, "");
}
END_TEST

static void expect_complaint(const char *part)
{
    struct config_errors errors = {0};
    curve_check(config, &errors);
    if (part == NULL)
        ck_assert_msg(errors.count == 0, "%s", errors.text);
    else
        ck_assert_msg(errors.count == 1 && strstr(errors.text, part) != NULL, "%s", errors.text);
}

static void configure_broker(const char *secret, const char *allowed)
{
    const char *settings[] = {"broker.workers_tcp=tcp://127.0.0.1:7001", setting[0], setting[1], NULL};
    snprintf(setting[0], sizeof setting[0], "broker.curve_secret_file=%s", secret);
    snprintf(setting[1], sizeof setting[1], "broker.curve_allow=%s", allowed);
    config_free(config);
    config = repository_config(settings);
}

START_TEST(what_a_broker_would_refuse_is_complained_of)
{
    configure_broker(scratch_path("ours.key_secret"), scratch_directory);
    expect_complaint(NULL);
    configure_broker(scratch_path("none"), scratch_directory);
    expect_complaint("broker.curve_secret_file: ");
    configure_broker(scratch_path("ours.key_secret"), scratch_path("none"));
    expect_complaint("broker.curve_allow: ");
    configure("broker.workers", "tcp://127.0.0.1:7001", NULL, NULL);
    expect_complaint("broker.workers: the broker listens there without CURVE");
    configure("broker.askers", "tcp://127.0.0.1:7001", NULL, NULL);
    expect_complaint("there is broker.askers_tcp");
    configure("broker.curve_allow", scratch_path("none"), NULL, NULL); /* which nobody reads */
    expect_complaint(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {only_what_leaves_the_machine_needs_keys,
                                  a_new_pair_is_one,
                                  a_worker_takes_its_pair_and_the_brokers_key,
                                  a_worker_without_fit_keys_is_told_what_to_do,
                                  a_pair_that_is_none_is_found,
                                  the_broker_takes_its_own,
                                  what_a_broker_would_refuse_is_complained_of};
    return SUITE_RUN("curve", set_up, tear_down, tests);
}
