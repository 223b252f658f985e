/* test_routing: names to versions: the default model, the stable version, and who may wait for workers; and
 * routes: how exact the shares are, that a key stays where it is, and what becomes of an arm that cannot
 * answer. SPDX-License-Identifier: MIT */
#include "repository.h"
#include "routing.h"
#include "suite.h"

static struct config *config;
static struct metrics *metrics;
static struct model_table *models;

/* m has versions 1 and 2 (stable), n has no version, o none but one that a worker of another host brought. */
static void set_up(void)
{
    scratch_make();
    repository_add("m", "1");
    repository_add("m", "2");
    repository_configure("n", "");
    config = repository_config((const char *const[]){"default_model=m", NULL});
    metrics = metrics_new(NULL);
    models = model_table_new(config, metrics);
    ck_assert_ptr_nonnull(model_require(models, text_of("o"), text_of("7")));
}

static void tear_down(void)
{
    model_table_free(models);
    metrics_free(metrics);
    config_free(config);
    scratch_remove();
}

static struct version *version_of(const char *model, const char *version)
{
    return model_version(model_find(models, text_of(model)), text_of(version));
}

/* The failure, and in *name the chosen version's name. */
static enum failure choose(const char *model, const char *version, const char **name)
{
    struct version *chosen = NULL;
    enum failure failure = route_choose(models, text_of(model), text_of(version), text_of(""), &chosen);
    ck_assert((chosen != NULL) == (failure == FAILURE_NONE));
    *name = chosen == NULL ? "" : chosen->name;
    return failure;
}

START_TEST(names_lead_to_versions)
{
    static const struct {
        const char *model, *version;
        enum failure failure;
        const char *chosen;
    } cases[] = {
        {"m", "", FAILURE_NONE, "2"},      /* the stable one, although its workers are still loading */
        {"", "", FAILURE_NONE, "2"},       /* of the default model */
        {"", "2", FAILURE_NONE, "2"},      /* also by name */
        {"m", "2", FAILURE_NONE, "2"},     /* also by name */
        {"m", "1", FAILURE_NOT_READY, ""}, /* nobody serves it, nobody is about to */
        {"m", "3", FAILURE_UNKNOWN_VERSION, ""},
        {"x", "", FAILURE_UNKNOWN_MODEL, ""},
        {"x", "1", FAILURE_UNKNOWN_MODEL, ""},
        {"n", "", FAILURE_NOT_READY, ""}, /* the model has no version yet */
        {"n", "1", FAILURE_UNKNOWN_VERSION, ""},
        {"o", "", FAILURE_NOT_READY, ""}, /* its worker went, and it is not ours to start */
        {"o", "7", FAILURE_NOT_READY, ""},
        {"M", "", FAILURE_UNKNOWN_MODEL, ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *name;
        ck_assert_msg(choose(cases[i].model, cases[i].version, &name) == cases[i].failure, "case %zu", i);
        ck_assert_str_eq(name, cases[i].chosen);
    }
}
END_TEST

START_TEST(a_version_with_a_worker_can_be_asked_for)
{
    const char *name;
    version_of("m", "1")->worker_count = 1;
    ck_assert_int_eq(choose("m", "1", &name), FAILURE_NONE);
    ck_assert_str_eq(name, "1");
    ck_assert_int_eq(choose("m", "", &name), FAILURE_NONE);
    ck_assert_str_eq(name, "2");
    version_of("o", "7")->worker_count = 1;
    ck_assert_int_eq(choose("o", "", &name), FAILURE_NONE);
    ck_assert_str_eq(name, "7");
}
END_TEST

START_TEST(a_version_that_cannot_start_is_not_waited_for)
{
    const char *name;
    struct version *version = version_of("m", "2");
    version_set_fault(version, text_of("exit 1"), false);
    ck_assert_int_eq(choose("m", "", &name), FAILURE_NONE); /* another start may go well */
    version_set_fault(version, text_of("exit 1"), true);
    ck_assert_int_eq(choose("m", "", &name), FAILURE_NOT_READY);
    ck_assert_int_eq(choose("m", "2", &name), FAILURE_NOT_READY);
    version->worker_count = 1;
    ck_assert_int_eq(choose("m", "", &name), FAILURE_NONE);
}
END_TEST

START_TEST(without_a_default_model_a_name_is_needed)
{
    const char *name;
    struct config *none = repository_config(NULL); /* two models, none of them the default */
    model_table_free(models);
    models = model_table_new(none, metrics);
    ck_assert_int_eq(choose("", "", &name), FAILURE_UNKNOWN_MODEL);
    ck_assert_int_eq(choose("m", "", &name), FAILURE_NONE);
    model_table_free(models);
    config_free(none);
    models = NULL;
}
END_TEST

/* ---- routes ---- */

enum { REQUESTS = 20000, KEYS = 20000 };

/* The model r has the versions 1 to 5, of which 1 is stable, and that route. */
static void set_route(const char *route)
{
    static const char *const versions[] = {"1", "2", "3", "4", "5"};
    char text[1024];
    for (size_t i = 0; i < COUNT_OF(versions); i++)
        if (models == NULL || model_find(models, text_of("r")) == NULL)
            repository_add("r", versions[i]);
    snprintf(text, sizeof text, "version = \"1\"; route = { %s };", route);
    repository_configure("r", text);
    model_table_reload(models);
}

/* The number of the version that a request with that key gets. */
static int ask(const char *key)
{
    struct version *chosen;
    ck_assert_int_eq(route_choose(models, text_of("r"), text_of(""), text_of(key), &chosen), FAILURE_NONE);
    return atoi(chosen->name);
}

static int ask_numbered(int key)
{
    char text[32];
    snprintf(text, sizeof text, "user-%d", key);
    return ask(text);
}

START_TEST(shares_are_exact)
{
    static const unsigned percents[] = {1, 5, 25, 50, 75, 99};
    for (size_t i = 0; i < COUNT_OF(percents); i++) {
        char route[128];
        int of_arm = 0;
        snprintf(route, sizeof route, "arms = ( { version = \"2\"; percent = %u; } );", percents[i]);
        set_route(route);
        for (int request = 0; request < REQUESTS; request++)
            of_arm += ask("") == 2;
        /* within 1e-4 of the weight */
        ck_assert_int_le(abs(of_arm - (int)percents[i] * REQUESTS / 100), REQUESTS / 10000);
    }
}
END_TEST

/* Also of any few requests in a row: the first hundred are as even as all of them. */
START_TEST(shares_of_several_arms_are_even_all_the_time)
{
    static const double shares[] = {0, 0.6825, 0.2, 0.1, 0.0175};
    int counts[6] = {0};
    set_route("arms = ( { version = \"2\"; percent = 20; }, { version = \"3\"; percent = 10; },\n"
              "         { version = \"4\"; percent = 1.75; }, { version = \"5\"; percent = 0; } );");
    for (int request = 1; request <= REQUESTS; request++) {
        counts[ask("")]++;
        for (int version = 1; version <= 4; version++) {
            double off = counts[version] - shares[version] * request;
            ck_assert_msg(off < 4 && off > -4, "version %d: %f after %d requests", version, off, request);
        }
    }
    ck_assert_int_eq(counts[5], 0);
}
END_TEST

START_TEST(the_ends_of_the_scale_are_ends)
{
    static const char *const ways[] = {"random", "key"};
    for (size_t way = 0; way < COUNT_OF(ways); way++) {
        char route[128];
        snprintf(route, sizeof route, "by = \"%s\"; arms = ( { version = \"2\"; percent = 0; } );",
                 ways[way]);
        set_route(route);
        for (int key = 0; key < 1000; key++)
            ck_assert_int_eq(ask_numbered(key), 1);
        snprintf(route, sizeof route, "by = \"%s\"; arms = ( { version = \"2\"; percent = 100; } );",
                 ways[way]);
        set_route(route);
        for (int key = 0; key < 1000; key++)
            ck_assert_int_eq(ask_numbered(key), 2);
    }
}
END_TEST

START_TEST(a_key_is_all_that_counts)
{
    int first[KEYS];
    set_route("by = \"key\"; arms = ( { version = \"2\"; percent = 50; } );");
    for (int key = 0; key < KEYS; key++)
        first[key] = ask_numbered(key);
    ask(""); /* what others ask, and another broker, change nothing */
    model_table_free(models);
    models = model_table_new(config, metrics);
    for (int key = KEYS - 1; key >= 0; key--)
        ck_assert_int_eq(ask_numbered(key), first[key]);
}
END_TEST

/* These values are the same on every machine, for brokers on different ones must agree. */
START_TEST(keys_fall_where_they_always_fell)
{
    char fallen[41] = "";
    set_route("by = \"header:X-User\"; arms = ( { version = \"2\"; percent = 30; },\n"
              "{ version = \"3\"; percent = 30; } );");
    for (int key = 0; key < 40; key++)
        fallen[key] = (char)('0' + ask_numbered(key));
    ck_assert_str_eq(fallen, "1112133333111231131112333331113131232131");
}
END_TEST

static void expect_shares(const int *versions, int expected_of_2, int expected_of_3)
{
    int counts[6] = {0};
    for (int key = 0; key < KEYS; key++)
        counts[versions[key]]++;
    /* the keys are dice: four standard deviations of KEYS draws are less than 1.5 % of them */
    ck_assert_int_le(abs(counts[2] - expected_of_2 * (KEYS / 100)), KEYS * 3 / 200);
    ck_assert_int_le(abs(counts[3] - expected_of_3 * (KEYS / 100)), KEYS * 3 / 200);
}

START_TEST(a_growing_arm_takes_its_keys_from_the_stable_version)
{
    int before[KEYS], moved = 0;
    set_route("by = \"key\"; arms = ( { version = \"2\"; percent = 10; } );");
    for (int key = 0; key < KEYS; key++)
        before[key] = ask_numbered(key);
    expect_shares(before, 10, 0);
    set_route("by = \"key\"; arms = ( { version = \"2\"; percent = 20; } );");
    for (int key = 0; key < KEYS; key++) {
        int now = ask_numbered(key);
        ck_assert(now == before[key] || (before[key] == 1 && now == 2));
        moved += now != before[key];
    }
    ck_assert_int_le(abs(moved - KEYS / 10), KEYS / 200); /* 10 % +- 0.5 */
}
END_TEST

/* Of three, the third keeps its size: what it loses to the growing one it gets back from the stable one. That
 * is little: its own share of what moves, and never from the growing arm to another. */
START_TEST(the_other_arms_keep_most_of_their_keys)
{
    int before[KEYS], after[KEYS], kept = 0, had = 0;
    set_route(
        "by = \"key\"; arms = ( { version = \"2\"; percent = 10; }, { version = \"3\"; percent = 20; } );");
    for (int key = 0; key < KEYS; key++)
        before[key] = ask_numbered(key);
    expect_shares(before, 10, 20);
    set_route(
        "by = \"key\"; arms = ( { version = \"2\"; percent = 20; }, { version = \"3\"; percent = 20; } );");
    for (int key = 0; key < KEYS; key++) {
        after[key] = ask_numbered(key);
        ck_assert_msg(before[key] != 2 || after[key] == 2, "the growing arm lost one");
        ck_assert_msg(before[key] == 1 || after[key] != 1, "the stable version got one");
        had += before[key] == 3;
        kept += before[key] == 3 && after[key] == 3;
    }
    expect_shares(after, 20, 20);
    ck_assert_int_ge(kept * 100, had * 88);
}
END_TEST

START_TEST(arms_keep_their_keys_when_another_version_becomes_stable)
{
    int before[KEYS];
    set_route("by = \"key\"; arms = ( { version = \"2\"; percent = 25; } );");
    for (int key = 0; key < KEYS; key++)
        before[key] = ask_numbered(key);
    repository_configure(
        "r", "version = \"4\"; route = { by = \"key\"; arms = ( { version = \"2\"; percent = 25; } ); };");
    model_table_reload(models);
    for (int key = 0; key < KEYS; key++)
        ck_assert_int_eq(ask_numbered(key), before[key] == 2 ? 2 : 4);
}
END_TEST

/* Requests without a key get exact shares, also where keys are hashed; and keys count for nothing where they
 * are not. */
START_TEST(no_key_is_as_random)
{
    int of_arm = 0;
    set_route("by = \"key\"; arms = ( { version = \"2\"; percent = 25; } );");
    for (int request = 0; request < REQUESTS; request++)
        of_arm += ask("") == 2;
    ck_assert_int_le(abs(of_arm - REQUESTS / 4), REQUESTS / 10000);
    set_route("arms = ( { version = \"2\"; percent = 25; } );");
    of_arm = 0;
    for (int request = 0; request < REQUESTS; request++)
        of_arm += ask("the same") == 2;
    ck_assert_int_le(abs(of_arm - REQUESTS / 4), REQUESTS / 10000);
}
END_TEST

START_TEST(an_arm_that_cannot_answer_falls_to_the_stable_version)
{
    set_route("arms = ( { version = \"2\"; percent = 100; } );");
    ck_assert_int_eq(ask(""), 2); /* its workers are on their way, as the stable version's may be */
    version_set_fault(version_of("r", "2"), text_of("exit 1"), false);
    ck_assert_int_eq(ask(""), 2);
    version_set_fault(version_of("r", "2"), text_of("exit 1"), true);
    ck_assert_int_eq(ask(""), 1);
    set_route("arms = ( { version = \"7\"; percent = 100; } );"); /* which nobody has ever seen */
    ck_assert_int_eq(ask(""), 1);
    struct version *brought = model_require(models, text_of("r"), text_of("7"));
    ck_assert_int_eq(ask(""), 1); /* not ours to start, and nobody serves it */
    brought->worker_count = 1;
    ck_assert_int_eq(ask(""), 7);
    brought->worker_count = 0;
    ck_assert_int_eq(ask(""), 1);
}
END_TEST

/* Rules and headers of clients name versions: those that the route knows may load, others must be there. */
START_TEST(a_version_that_the_route_names_may_be_waited_for)
{
    const char *name;
    set_route("rules = ( { header = \"X\"; value = \"b\"; version = \"3\"; } );");
    ck_assert_int_eq(choose("r", "3", &name), FAILURE_NONE);
    ck_assert_int_eq(choose("r", "4", &name), FAILURE_NOT_READY);
    version_of("r", "4")->worker_count = 1; /* loaded, not routed */
    ck_assert_int_eq(choose("r", "4", &name), FAILURE_NONE);
    version_set_fault(version_of("r", "3"), text_of("exit 1"), true);
    ck_assert_int_eq(choose("r", "3", &name), FAILURE_NOT_READY);
}
END_TEST

/* ---- what the operator said ---- */

static void say(const char *text)
{
    mkdir(scratch_path(".state"), 0700);
    scratch_file(".state/deployments.json", text);
    model_table_route(models);
}

START_TEST(what_the_operator_said_holds_instead)
{
    set_route("arms = ( { version = \"2\"; percent = 100; } );");
    say("{\"models\":{\"r\":{\"serving\":\"4\",\"route\":{\"arms\":[{\"version\":\"3\",\"percent\":100}]}}}"
        "}");
    ck_assert_int_eq(ask(""), 3);
    ck_assert_str_eq(model_find(models, text_of("r"))->stable->name, "4");
    ck_assert_str_eq(model_find(models, text_of("r"))->route_text,
                     "{\"arms\":[{\"version\":\"3\",\"percent\":100}],\"by\":\"random\",\"rules\":[],"
                     "\"force_header\":\"\",\"force_from\":[]}");
    model_table_reload(models);
    ck_assert_int_eq(ask(""), 3);
    model_table_free(models); /* another broker */
    models = model_table_new(config, metrics);
    ck_assert_int_eq(ask(""), 3);
    say("{\"models\":{\"r\":{\"serving\":\"4\",\"route\":{}}}}");
    ck_assert_int_eq(ask(""), 4);
    ck_assert_uint_eq(model_find(models, text_of("r"))->route_text_length, 0);
    say("{\"models\":{}}");
    ck_assert_int_eq(ask(""), 2);
    say("{\"models\":"); /* broken: model.conf holds */
    ck_assert_int_eq(ask(""), 2);
}
END_TEST

START_TEST(a_model_that_was_unloaded_is_not_waited_for)
{
    const char *name;
    set_route("");
    say("{\"models\":{\"r\":{\"stopped\":true}}}");
    ck_assert_int_eq(choose("r", "", &name), FAILURE_NOT_READY);
    version_of("r", "1")->worker_count = 1; /* one that is still there */
    ck_assert_int_eq(choose("r", "", &name), FAILURE_NONE);
    version_of("r", "1")->worker_count = 0;
    say("{\"models\":{}}");
    ck_assert_int_eq(choose("r", "", &name), FAILURE_NONE);
}
END_TEST

/* The version that takes the traffic stays until another is ready, also when its folder is gone. */
START_TEST(a_stable_version_without_a_folder_is_waited_for)
{
    const char *name;
    set_route("");
    say("{\"models\":{\"r\":{\"serving\":\"9\"}}}");
    ck_assert_int_eq(choose("r", "", &name), FAILURE_NONE);
    ck_assert_str_eq(name, "9");
    model_table_reload(models);
    ck_assert_int_eq(choose("r", "9", &name), FAILURE_NONE);
    say("{\"models\":{}}");
    model_table_reload(models);
    ck_assert_int_eq(choose("r", "9", &name), FAILURE_UNKNOWN_VERSION);
}
END_TEST

static void expect_weight(const char *version, uint32_t weight)
{
    ck_assert_uint_eq(version_of("r", version)->weight, weight);
}

START_TEST(weights_are_known_of_each_version)
{
    set_route("arms = ( { version = \"2\"; percent = 20.25; }, { version = \"1\"; percent = 10; } );");
    expect_weight("1", 7975); /* its arm, and the rest */
    expect_weight("2", 2025);
    expect_weight("3", 0);
    say("{\"models\":{\"r\":{\"serving\":\"3\"}}}");
    expect_weight("1", 1000);
    expect_weight("3", 6975);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {names_lead_to_versions,
                                  a_version_with_a_worker_can_be_asked_for,
                                  a_version_that_cannot_start_is_not_waited_for,
                                  without_a_default_model_a_name_is_needed,
                                  shares_are_exact,
                                  shares_of_several_arms_are_even_all_the_time,
                                  the_ends_of_the_scale_are_ends,
                                  a_key_is_all_that_counts,
                                  keys_fall_where_they_always_fell,
                                  a_growing_arm_takes_its_keys_from_the_stable_version,
                                  the_other_arms_keep_most_of_their_keys,
                                  arms_keep_their_keys_when_another_version_becomes_stable,
                                  no_key_is_as_random,
                                  an_arm_that_cannot_answer_falls_to_the_stable_version,
                                  a_version_that_the_route_names_may_be_waited_for,
                                  what_the_operator_said_holds_instead,
                                  a_model_that_was_unloaded_is_not_waited_for,
                                  a_stable_version_without_a_folder_is_waited_for,
                                  weights_are_known_of_each_version};
    return SUITE_RUN("routing", set_up, tear_down, tests);
}
