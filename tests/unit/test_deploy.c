/* test_deploy: what may be wished, what is written of it, and how the traffic moves. Models have no instances
 * here, so that every version is ready at once; or one, of which no worker ever comes. Real workers are the
 * process tests'. SPDX-License-Identifier: MIT */
#include "deploy.h"

#include "repository.h"

static struct config *config;
static struct config_errors errors;
static struct options options;
static struct loop *loop;
static struct metrics *metrics;
static struct fleet_setup setup;
static struct service_patience patience = {60000, 5000, 30000, 30000, 5};
static struct members members;
static struct broker_view *view;
static struct progress *progress;
static struct deploy *deploy;
static struct plan *plan;
static char reason[512];

static void set_up(void)
{
    scratch_make();
    scratch_folder(".state");
    errors = (struct config_errors){0};
    config = repository_config(NULL);
    loop = loop_new();
    metrics = metrics_new(NULL);
    setup = (struct fleet_setup){
        .loop = loop, .metrics = metrics, .basis = {.config = config, .options = &options, .listen_fd = -1}};
    members = (struct members){.setup = &setup, .patience = &patience};
    view = broker_view_new(config);
    progress = progress_new();
    deploy = deploy_new(config, &members, view, progress);
    plan = NULL;
}

static void tear_down(void)
{
    plan_free(plan);
    deploy_free(deploy);
    progress_free(progress);
    broker_view_free(view);
    metrics_free(metrics);
    loop_free(loop);
    config_free(config);
    scratch_remove();
}

static void read_repository(void)
{
    const struct plan_reading reading = {.config = config, .said = deploy_said(deploy)};
    plan_free(plan);
    plan = plan_new(&reading, &errors);
    ck_assert_msg(errors.count == 0, "%s", errors.text);
    if (deploy_locate(deploy, plan))
        plan_decide(plan, config, deploy_said(deploy));
}

/* Versions 1 to 3 of the model m. */
static void make_model(const char *configuration)
{
    repository_add("m", "1");
    repository_add("m", "2");
    repository_add("m", "3");
    repository_configure("m", configuration);
    read_repository();
}

/* As the fleet does: until nothing changes any more. */
static void advance(void)
{
    bool ask_again = false;
    while (deploy_advance(deploy, plan, &ask_again)) {
        plan_decide(plan, config, deploy_said(deploy));
        deploy_told(deploy);
    }
    ck_assert(!ask_again);
}

static uint64_t wish(enum wish_kind kind, const char *version)
{
    const struct wish wanted = {.kind = kind, .model = "m", .version = version};
    uint64_t id = deploy_wish(deploy, plan, &wanted, reason, sizeof reason);
    plan_decide(plan, config, deploy_said(deploy));
    return id;
}

static void expect_refusal(enum wish_kind kind, const char *version, const char *expected)
{
    ck_assert_uint_eq(wish(kind, version), 0);
    ck_assert_msg(strstr(reason, expected) != NULL, "\"%s\" has no \"%s\"", reason, expected);
}

static struct progress_view look(uint64_t id)
{
    struct progress_view seen;
    ck_assert(progress_look(progress, id, &seen));
    return seen;
}

static void expect_done(uint64_t id)
{
    ck_assert_msg(id != 0, "%s", reason);
    advance();
    struct progress_view seen = look(id);
    ck_assert_msg(seen.done && seen.failure == NULL, "%s", seen.failure == NULL ? "not done" : seen.failure);
}

/* What stands in the file. */
static struct deployment *written(void)
{
    static struct deployments *file;
    deployments_free(file);
    file = deployments_read(scratch_path(".state/deployments.json"), &errors);
    ck_assert_msg(errors.count == 0, "%s", errors.text);
    return deployments_find(file, "m");
}

START_TEST(the_traffic_is_where_it_can_be)
{
    make_model("instances = 0;");
    ck_assert_str_eq(written()->serving, "3");
    repository_add("m", "4");
    read_repository();
    ck_assert_str_eq(plan->models[0].serving, "3"); /* until 4 is ready */
    ck_assert_str_eq(plan->models[0].wanted, "4");
    advance();
    ck_assert_str_eq(written()->serving, "4");
    ck_assert_str_eq(written()->previous, "3");
    ck_assert_ptr_null(written()->stable); /* nobody said so */
}
END_TEST

START_TEST(a_version_that_went_is_left_when_nothing_serves_it)
{
    make_model("instances = 1;");
    suite_remove_folder(scratch_path("m/3"));
    read_repository();
    ck_assert_str_eq(written()->serving, "2");
    repository_configure("m", "version = \"1\";"); /* nothing runs: no need to begin with another */
    read_repository();
    ck_assert_str_eq(written()->serving, "1");
    suite_remove_folder(scratch_path("m"));
    read_repository();
    ck_assert_ptr_null(written());
}
END_TEST

START_TEST(what_is_not_ready_moves_nothing)
{
    make_model("instances = 1;");
    uint64_t id = wish(WISH_PROMOTE, "1");
    ck_assert_str_eq(written()->stable, "1"); /* said, and kept */
    advance();
    ck_assert(!look(id).done);
    ck_assert_str_eq(written()->serving, "3");
    ck_assert_str_eq(plan_version(&plan->models[0], "1")->why, "next");
    uint64_t other = wish(WISH_PROMOTE, "2");
    ck_assert_str_eq(look(id).failure, "promote m was asked for instead");
    uint64_t back = wish(WISH_ROLLBACK, NULL); /* of what has not happened */
    ck_assert(look(other).done);
    expect_done(back);
    ck_assert_str_eq(written()->serving, "3");
    ck_assert_str_eq(written()->stable, "3");
    deploy_cancel(deploy, "the end");
}
END_TEST

START_TEST(promote_pins_and_latest_takes_that_back)
{
    make_model("instances = 0;");
    expect_done(wish(WISH_PROMOTE, "1"));
    ck_assert_str_eq(written()->stable, "1");
    ck_assert_str_eq(written()->serving, "1");
    ck_assert_str_eq(written()->previous, "3");
    repository_add("m", "4");
    read_repository();
    advance();
    ck_assert_str_eq(written()->serving, "1");
    expect_done(wish(WISH_ROLLBACK, NULL));
    ck_assert_str_eq(written()->serving, "3");
    ck_assert_str_eq(written()->previous, "1");
    expect_done(wish(WISH_ROLLBACK, NULL));
    ck_assert_str_eq(written()->serving, "1");
    expect_done(wish(WISH_PROMOTE, "latest"));
    ck_assert_str_eq(written()->serving, "4");
    ck_assert_ptr_null(written()->stable);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    static const struct wish unknown = {.kind = WISH_LOAD, .model = "x"};
    make_model("version = \"3\"; instances = 0;");
    ck_assert_uint_eq(deploy_wish(deploy, plan, &unknown, reason, sizeof reason), 0);
    ck_assert_str_eq(reason, "there is no model x");
    expect_refusal(WISH_PROMOTE, "9", "the model m has no version 9; it has 1, 2, 3");
    expect_refusal(WISH_PROMOTE, NULL, "promote needs a version");
    expect_refusal(WISH_LOAD, "9", "no version 9");
    expect_refusal(WISH_UNLOAD, "9", "no version 9");
    expect_refusal(WISH_UNLOAD, "3", "takes the traffic of m");
    expect_refusal(WISH_ROLLBACK, NULL, "no other version has taken the traffic");
    expect_refusal(WISH_RELOAD, "2", "does not run; outrigger models load m 2");
    ck_assert_int_eq(unlink(scratch_path("m/2/model.echo")), 0);
    read_repository();
    expect_refusal(WISH_PROMOTE, "2", "holds no model file");
    ck_assert_ptr_null(written()->stable);
}
END_TEST

START_TEST(load_and_unload)
{
    make_model("instances = 0; serve = \"1\";");
    expect_done(wish(WISH_LOAD, "2"));
    ck_assert(deployment_lists(&written()->loaded, "2"));
    ck_assert_ptr_nonnull(plan_version(&plan->models[0], "2"));
    expect_done(wish(WISH_UNLOAD, "2"));
    ck_assert_ptr_null(plan_version(&plan->models[0], "2"));
    ck_assert_ptr_nonnull(plan_version(&plan->models[0], "1"));
    expect_done(wish(WISH_UNLOAD, "1")); /* though model.conf wants it */
    ck_assert_ptr_null(plan_version(&plan->models[0], "1"));
    expect_done(wish(WISH_LOAD, "1"));
    ck_assert_ptr_nonnull(plan_version(&plan->models[0], "1"));
    expect_done(wish(WISH_UNLOAD, NULL));
    ck_assert(written()->stopped);
    ck_assert_uint_eq(plan->models[0].version_count, 0);
    expect_refusal(WISH_ROLLBACK, NULL, "is unloaded");
    expect_refusal(WISH_RELOAD, NULL, "no version of the model m runs");
    expect_done(wish(WISH_LOAD, NULL));
    ck_assert(!written()->stopped);
}
END_TEST

static uint64_t wish_route(const char *text)
{
    struct wish wanted = {.kind = WISH_ROUTE, .model = "m"};
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    struct route *route = yyjson_is_null(yyjson_doc_get_root(document))
                              ? NULL
                              : route_from_json(yyjson_doc_get_root(document), reason, sizeof reason);
    wanted.route = route;
    uint64_t id = deploy_wish(deploy, plan, &wanted, reason, sizeof reason);
    plan_decide(plan, config, deploy_said(deploy));
    route_free(route);
    yyjson_doc_free(document);
    return id;
}

START_TEST(a_route_holds_when_its_versions_are_ready)
{
    make_model("instances = 1;");
    uint64_t id = wish_route("{\"arms\":[{\"version\":\"1\",\"percent\":5}]}");
    ck_assert_uint_ne(id, 0);
    bool ask_again = false;
    ck_assert(!deploy_advance(deploy, plan, &ask_again));
    ck_assert_ptr_null(written()->route);
    ck_assert_str_eq(plan_version(&plan->models[0], "1")->why, "asked");
    uint64_t other = wish_route("{\"arms\":[{\"version\":\"2\",\"percent\":5}]}");
    ck_assert(look(id).done && !look(other).done);
    ck_assert_ptr_null(plan_version(&plan->models[0], "1"));
    repository_configure("m", "instances = 0;");
    read_repository();
    expect_done(other);
    ck_assert_uint_eq(route_weight(written()->route, "2"), ROUTE_WHOLE / 20);
    ck_assert_str_eq(plan_version(&plan->models[0], "2")->why, "canary");
    expect_refusal(WISH_UNLOAD, "2", "the route of m names version 2");
    ck_assert_uint_eq(wish_route("{\"arms\":[{\"version\":\"9\",\"percent\":5}]}"), 0);
    uint64_t shadow = wish_route("{\"shadow\":{\"version\":\"1\"}}");
    const struct plan_version *asked = plan_version(&plan->models[0], "1");
    ck_assert(strcmp(asked->why, "shadow") == 0 && asked->background && !asked->takes_traffic);
    expect_done(shadow);
    asked = plan_version(&plan->models[0], "1"); /* the very worker that came for it */
    ck_assert(strcmp(asked->why, "shadow") == 0 && asked->background);
    expect_done(wish_route("null"));
    ck_assert_ptr_null(written()->route);
    ck_assert_ptr_null(plan_version(&plan->models[0], "2"));
}
END_TEST

START_TEST(what_cannot_be_written_does_not_hold)
{
    make_model("instances = 0;");
    ck_assert_int_eq(mkdir(scratch_path(".state/deployments.json.new"), 0700), 0);
    expect_refusal(WISH_PROMOTE, "1", "cannot be written");
    ck_assert_str_eq(plan->models[0].wanted, "3");
    ck_assert_int_eq(rmdir(scratch_path(".state/deployments.json.new")), 0);
    ck_assert_uint_ne(wish(WISH_PROMOTE, "1"), 0);
}
END_TEST

START_TEST(a_broken_file_is_set_aside)
{
    make_model("instances = 0;");
    scratch_file(".state/deployments.json", "{\"models\":{\"m\":{\"stable\":\"2\",\"loaded\":7}}}");
    deploy_free(deploy);
    deploy = deploy_new(config, &members, view, progress);
    ck_assert_int_eq(access(scratch_path(".state/deployments.json.broken"), F_OK), 0);
    ck_assert_str_eq(written()->stable, "2");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_traffic_is_where_it_can_be,
                                  a_version_that_went_is_left_when_nothing_serves_it,
                                  what_is_not_ready_moves_nothing,
                                  promote_pins_and_latest_takes_that_back,
                                  what_cannot_be_is_refused,
                                  load_and_unload,
                                  a_route_holds_when_its_versions_are_ready,
                                  what_cannot_be_written_does_not_hold,
                                  a_broken_file_is_set_aside};
    return SUITE_RUN("deploy", set_up, tear_down, tests);
}
