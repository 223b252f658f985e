/* test_deployments: what the operator said comes back as it was said, and a file that somebody has spoilt
 * costs no more than what is wrong in it. SPDX-License-Identifier: MIT */
#include "deployments.h"
#include "repository.h"
#include "suite.h"

static struct config_errors errors;
static struct deployments *said;
static char path[256];

static void set_up(void)
{
    scratch_make();
    snprintf(path, sizeof path, "%s", scratch_path("deployments.json"));
    errors = (struct config_errors){0};
    said = NULL;
}

static void tear_down(void)
{
    deployments_free(said);
    scratch_remove();
}

static void parse(const char *text)
{
    deployments_free(said);
    errors = (struct config_errors){0};
    said = deployments_parse("d.json", text, strlen(text), &errors);
    ck_assert_ptr_nonnull(said);
}

/* One complaint that has this in it. */
static void expect_complaint(const char *part)
{
    ck_assert_int_eq(errors.count, 1);
    ck_assert_msg(strstr(errors.text, part) != NULL, "%s has no \"%s\"", errors.text, part);
}

static void read_again(void)
{
    ck_assert_int_eq(deployments_write(path, said), 0);
    deployments_free(said);
    said = deployments_read(path, &errors);
    ck_assert_msg(errors.count == 0, "%s", errors.text);
}

static struct route *some_route(void)
{
    static const char text[] = "{\"arms\":[{\"version\":\"3\",\"percent\":5}],\"by\":\"key\"}";
    char reason[256];
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    struct route *route = route_from_json(yyjson_doc_get_root(document), reason, sizeof reason);
    ck_assert_msg(route != NULL, "%s", reason);
    yyjson_doc_free(document);
    return route;
}

START_TEST(what_was_said_is_read_again)
{
    said = deployments_read(path, &errors);
    ck_assert_int_eq(errors.count, 0);
    ck_assert_uint_eq(said->count, 0);
    struct deployment *m = deployments_require(said, "m");
    ck_assert_ptr_eq(deployments_require(said, "m"), m);
    deployments_require(said, "silent");
    deployment_say(&m->stable, "3");
    deployment_say(&m->serving, "1");
    deployment_say(&m->previous, "2");
    deployment_list(&m->loaded, "5");
    deployment_list(&m->loaded, "5");
    deployment_list(&m->asked, "7");
    deployment_list(&m->unloaded, "1");
    m->route = some_route();
    m->stopped = true;
    m->instances = 4;
    m->instances_min = 0;
    m->instances_max = 256;
    read_again();
    ck_assert_uint_eq(said->count, 1);
    ck_assert_ptr_null(deployments_find(said, "silent"));
    m = deployments_find(said, "m");
    ck_assert_ptr_nonnull(m);
    ck_assert_str_eq(m->stable, "3");
    ck_assert_str_eq(m->serving, "1");
    ck_assert_str_eq(m->previous, "2");
    ck_assert_uint_eq(m->loaded.count, 1);
    ck_assert_uint_eq(m->asked.count, 0); /* who waited is gone with the process */
    ck_assert(deployment_lists(&m->loaded, "5") && deployment_lists(&m->unloaded, "1"));
    ck_assert(m->stopped);
    ck_assert_int_eq(m->instances, 4);
    ck_assert_int_eq(m->instances_min, 0);
    ck_assert_int_eq(m->instances_max, 256);
    struct route *route = some_route();
    ck_assert(route_equals(m->route, route));
    route_free(route);
}
END_TEST

START_TEST(what_is_taken_back_is_not_written)
{
    parse("{\"models\":{\"m\":{\"stable\":\"3\",\"loaded\":[\"4\",\"5\"]}}}");
    ck_assert_int_eq(errors.count, 0);
    struct deployment *m = deployments_find(said, "m");
    ck_assert_int_eq(m->instances, DEPLOYMENT_UNSAID);
    deployment_say(&m->stable, m->stable);
    ck_assert_str_eq(m->stable, "3");
    deployment_say(&m->stable, NULL);
    deployment_unlist(&m->loaded, "4");
    deployment_unlist(&m->loaded, "none");
    ck_assert_uint_eq(m->loaded.count, 1);
    deployment_unlist(&m->loaded, "5");
    read_again();
    ck_assert_uint_eq(said->count, 0);
}
END_TEST

START_TEST(a_copy_is_another)
{
    parse("{\"models\":{\"m\":{\"stable\":\"3\",\"previous\":\"2\",\"loaded\":[\"4\"],\"stopped\":true,"
          "\"instances\":2,\"route\":{\"by\":\"key\"}}}}");
    ck_assert_msg(errors.count == 0, "%s", errors.text);
    struct deployments *copy = deployments_copy(said);
    deployment_say(&deployments_find(said, "m")->stable, "9");
    const struct deployment *m = deployments_find(copy, "m");
    ck_assert_str_eq(m->stable, "3");
    ck_assert_str_eq(m->previous, "2");
    ck_assert(m->stopped && deployment_lists(&m->loaded, "4") && m->instances == 2);
    ck_assert(m->route != NULL && route_equals(m->route, deployments_find(said, "m")->route));
    deployments_free(copy);
    deployments_free(NULL);
}
END_TEST

START_TEST(only_what_is_wrong_is_left_out)
{
    static const struct {
        const char *member;
        const char *complaint;
    } faults[] = {{"\"stable\":7", "stable of the model m: expected a version's name"},
                  {"\"stable\":\"../x\"", "stable of the model m"},
                  {"\"previous\":\"\"", "previous of the model m"},
                  {"\"loaded\":\"5\"", "loaded of the model m: expected a list"},
                  {"\"unloaded\":[\"1\",2]", "unloaded of the model m"},
                  {"\"instances_max\":257", "expected a whole number from 0 to 256"},
                  {"\"instances_min\":-1", "instances_min of the model m"},
                  {"\"stopped\":1", "expected true or false"},
                  {"\"route\":{\"by\":7}", "route of the model m"},
                  {"\"colour\":\"red\"", "colour of the model m: is no key"}};
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        char text[512];
        snprintf(text, sizeof text, "{\"models\":{\"m\":{%s,\"instances\":3},\"n\":{\"stable\":\"2\"}}}",
                 faults[i].member);
        parse(text);
        expect_complaint(faults[i].complaint);
        ck_assert_int_eq(deployments_find(said, "m")->instances, 3);
        ck_assert_str_eq(deployments_find(said, "n")->stable, "2");
    }
}
END_TEST

START_TEST(models_with_impossible_names_are_left_out)
{
    parse("{\"models\":{\".x\":{\"stable\":\"1\"},\"m\":{\"stable\":\"1\"}}}");
    expect_complaint("is no model's name");
    ck_assert_uint_eq(said->count, 1);
    parse("{\"models\":{\"m\":[]}}");
    expect_complaint("expected an object");
    ck_assert_uint_eq(said->count, 0);
}
END_TEST

START_TEST(a_file_that_is_none_says_nothing)
{
    static const char *const texts[] = {"", "{", "[]", "{\"models\":[]}", "{}", "\xff"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        parse(texts[i]);
        expect_complaint("d.json");
        ck_assert_uint_eq(said->count, 0);
    }
    deployments_free(said);
    errors = (struct config_errors){0};
    ck_assert_int_eq(mkdir(path, 0700), 0);
    said = deployments_read(path, &errors);
    expect_complaint("is a folder");
}
END_TEST

START_TEST(a_file_that_cannot_be_written_stays_as_it_is)
{
    parse("{\"models\":{\"m\":{\"stable\":\"3\"}}}");
    ck_assert_int_eq(deployments_write(scratch_path("nowhere/d.json"), said), -1);
    read_again();
    ck_assert_int_eq(mkdir(scratch_path("deployments.json.new"), 0700), 0);
    deployment_say(&deployments_find(said, "m")->stable, "4");
    ck_assert_int_eq(deployments_write(path, said), -1);
    deployments_free(said);
    said = deployments_read(path, &errors);
    ck_assert_str_eq(deployments_find(said, "m")->stable, "3");
}
END_TEST

START_TEST(nobody_else_reads_it)
{
    struct stat status;
    parse("{\"models\":{}}");
    ck_assert_int_eq(deployments_write(path, said), 0);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
}
END_TEST

START_TEST(the_operator_overrides_model_conf)
{
    repository_add("m", "1");
    repository_add("m", "2");
    repository_add("m", "3");
    repository_configure("m", "version = \"2\";");
    struct model_list *list = model_list_load(scratch_directory, &errors);
    ck_assert_msg(errors.count == 0, "%s", errors.text);
    const struct model_config *model = list->models[0];
    parse("{\"models\":{}}");
    ck_assert_str_eq(deployment_stable(model, said), "2");
    ck_assert_ptr_eq(deployment_route(model, said), model->route);
    parse("{\"models\":{\"m\":{\"stable\":\"1\",\"route\":{\"by\":\"key\"}}}}");
    ck_assert_str_eq(deployment_stable(model, said), "1");
    ck_assert_ptr_eq(deployment_route(model, said), deployments_find(said, "m")->route);
    parse("{\"models\":{\"m\":{\"stable\":\"9\"}}}"); /* gone from the repository */
    ck_assert_str_eq(deployment_stable(model, said), "2");
    /* The traffic stays until what is wanted is ready, whatever has become of the folder. */
    parse("{\"models\":{\"m\":{\"stable\":\"1\",\"serving\":\"9\"}}}");
    ck_assert_str_eq(deployment_stable(model, said), "9");
    ck_assert_str_eq(deployment_wanted(model, said), "1");
    model_list_free(list);
}
END_TEST

static void expect_bounds(const struct model_config *model, const struct deployment *operator, int64_t min,
                          int64_t begin, int64_t max)
{
    struct deployment_bounds bounds = deployment_bounds(model, operator);
    ck_assert_int_eq(bounds.min, min);
    ck_assert_int_eq(bounds.begin, begin);
    ck_assert_int_eq(bounds.max, max);
    ck_assert_int_eq(deployment_may_rest(&bounds), min == 0 && max > 0);
}

static struct deployment unsaid(void)
{
    return (struct deployment){.instances = DEPLOYMENT_UNSAID,
                               .instances_min = DEPLOYMENT_UNSAID,
                               .instances_max = DEPLOYMENT_UNSAID};
}

START_TEST(without_a_word_it_is_as_model_conf_says)
{
    struct model_config model = {.instances = 3, .scaling_min = 1};
    struct deployment nothing = unsaid();
    expect_bounds(&model, NULL, 3, 3, 3);
    expect_bounds(&model, &nothing, 3, 3, 3);
    model.instances = 0; /* all its workers are of other hosts */
    expect_bounds(&model, NULL, 0, 0, 0);
    model.scaling_max = 4;
    expect_bounds(&model, NULL, 1, 1, 4);
    model.scaling_min = 0; /* one must run for the schema to be known */
    expect_bounds(&model, NULL, 0, 1, 4);
    model.instances = 9;
    expect_bounds(&model, NULL, 0, 4, 4);
}
END_TEST

START_TEST(what_the_operator_says_of_workers_overrides_model_conf)
{
    struct model_config model = {.instances = 2, .scaling_min = 1};
    struct deployment operator= unsaid();
    operator.instances = 5;
    expect_bounds(&model, &operator, 5, 5, 5);
    operator= unsaid();
    operator.instances_max = 8;
    expect_bounds(&model, &operator, 2, 2, 8);
    operator.instances_min = 0;
    expect_bounds(&model, &operator, 0, 2, 8);
    operator.instances = 0; /* now; the bounds hold all the same */
    expect_bounds(&model, &operator, 0, 0, 8);
    operator= unsaid();
    operator.instances_min = 4;
    expect_bounds(&model, &operator, 4, 4, 4);
    operator= unsaid();
    operator.instances_max = 1;
    expect_bounds(&model, &operator, 1, 1, 1);
    operator= unsaid();
    operator.instances = 0; /* not for a model that may not; the file may say so all the same */
    expect_bounds(&model, &operator, 2, 2, 2);
}
END_TEST

START_TEST(it_lies_in_the_state_directory)
{
    char where[DEPLOYMENTS_PATH_BYTES], expected[256];
    struct config *config = repository_config(NULL);
    snprintf(expected, sizeof expected, "%s/.state/deployments.json", scratch_directory);
    ck_assert_str_eq(deployments_path(config, where), expected);
    config_free(config);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_was_said_is_read_again,
                                  what_is_taken_back_is_not_written,
                                  a_copy_is_another,
                                  only_what_is_wrong_is_left_out,
                                  models_with_impossible_names_are_left_out,
                                  a_file_that_is_none_says_nothing,
                                  a_file_that_cannot_be_written_stays_as_it_is,
                                  nobody_else_reads_it,
                                  the_operator_overrides_model_conf,
                                  it_lies_in_the_state_directory,
                                  without_a_word_it_is_as_model_conf_says,
                                  what_the_operator_says_of_workers_overrides_model_conf};
    return SUITE_RUN("deployments", set_up, tear_down, tests);
}
