/* test_routing: names to versions: the default model, the stable version, and who may wait for workers.
 * SPDX-License-Identifier: MIT */
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
    enum failure failure = route_choose(models, text_of(model), text_of(version), &chosen);
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

int main(void)
{
    const TTest *const tests[] = {names_lead_to_versions, a_version_with_a_worker_can_be_asked_for,
                                  a_version_that_cannot_start_is_not_waited_for,
                                  without_a_default_model_a_name_is_needed};
    return SUITE_RUN("routing", set_up, tear_down, tests);
}
