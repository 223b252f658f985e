/* test_changes: what a reload says of parameters that running processes do not know yet.
 * SPDX-License-Identifier: MIT */
#include "changes.h"
#include "repository.h"
#include "suite.h"

static char said[4096];

static void say(void *self, const char *text)
{
    ck_assert_ptr_eq(self, said);
    strcat(strcat(said, text), "\n");
}

static void expect(const char *setting, const char *expected)
{
    struct config_errors errors = {0};
    struct config *old = config_load(NULL, NULL, 0, &errors);
    struct config *new = config_load(NULL, &setting, 1, &errors);
    ck_assert_msg(old != NULL && new != NULL, "%s", errors.text);
    said[0] = '\0';
    changes_of_config(old, new, say, said);
    ck_assert_str_eq(said, expected);
    config_free(old);
    config_free(new);
}

START_TEST(each_part_names_its_processes)
{
    expect("frontend.max_rows=7", "frontend.max_rows: outrigger restart frontends\n");
    expect("frontend.socket_mode=0600", "frontend.socket_mode: outrigger stop and outrigger run\n");
    expect("broker.max_requests=17", "broker.max_requests: outrigger restart broker\n");
    expect("broker.max_message_bytes=99999999", "broker.max_message_bytes: outrigger restart all\n");
    expect("worker.slots=1", "worker.slots: outrigger restart workers\n");
    expect("signing.keys=/k.pem", "signing.keys: outrigger restart workers\n");
    expect("collector.max_series=100", "collector.max_series: outrigger restart collector\n");
    expect("collector.interval_ms=100", "collector.interval_ms: outrigger restart all\n");
    expect("placement=none", "placement: outrigger stop and outrigger run\n");
    expect("log_level=debug", "log_level: outrigger restart all\n");
    expect("default_model=m", "default_model: outrigger restart all\n");
}
END_TEST

START_TEST(what_holds_at_once_is_not_named)
{
    expect("frontend.processes=7", "");
    expect("frontend.max_requests=7", "");
    expect("worker.max_requests=7", "");
    expect("worker.max_rss_mb=7", "");
    expect("supervisor.storm_count=7", "");
    expect("frontend.max_rows=100000", ""); /* the default */
}
END_TEST

static void expect_of_model(const char *before, const char *after, const char *expected)
{
    struct config_errors errors = {0};
    repository_configure("m", before);
    struct model_list *old = model_list_load(scratch_directory, &errors);
    repository_configure("m", after);
    struct model_list *new = model_list_load(scratch_directory, &errors);
    ck_assert_msg(errors.count == 0, "%s", errors.text);
    said[0] = '\0';
    changes_of_model(old->models[0], new->models[0], say, said);
    ck_assert_str_eq(said, expected);
    model_list_free(old);
    model_list_free(new);
}

START_TEST(of_a_model_only_what_its_workers_read)
{
    expect_of_model("", "instances = 4; queue: { max_rows = 5; }; limits: { max_requests = 6; };", "");
    expect_of_model("", "threads = 3; batching: { max_batch_rows = 5; max_delay_us = 6; };",
                    "threads of model m: outrigger restart workers --model m\n"
                    "batching.max_batch_rows of model m: outrigger restart workers --model m\n");
    expect_of_model("features = (\"a\");", "features = (\"a\");", "");
    expect_of_model("features = (\"a\");", "features = (\"b\");",
                    "features of model m: outrigger restart workers --model m\n");
    expect_of_model("inputs = ({ name = \"a\"; min = 1; });", "inputs = ({ name = \"a\"; minimum = 1.0; });",
                    "");
    expect_of_model("inputs = ({ name = \"a\"; });", "inputs = ({ name = \"a\"; }, { name = \"b\"; });",
                    "inputs of model m: outrigger restart workers --model m\n");
    expect_of_model("inputs = ({ name = \"a\"; });", "inputs = ({ name = \"a\"; description = \"years\"; });",
                    "inputs of model m: outrigger restart workers --model m\n");
    expect_of_model("", "features = (\"b\"); description = \"x\";",
                    "description of model m: outrigger restart workers --model m\n"
                    "features of model m: outrigger restart workers --model m\n");
}
END_TEST

static void set_up(void)
{
    scratch_make();
    repository_add("m", "1");
}

int main(void)
{
    const TTest *const tests[] = {each_part_names_its_processes, what_holds_at_once_is_not_named,
                                  of_a_model_only_what_its_workers_read};
    return SUITE_RUN("changes", set_up, scratch_remove, tests);
}
