/* test_rollout_view: what `outrigger rollout status` prints. SPDX-License-Identifier: MIT */
#include "rollout_view.h"

#include "suite.h"

static char printed[8192];
static FILE *out;
static yyjson_doc *document;

static void set_up(void)
{
    setenv("TZ", "UTC", 1);
    out = tmpfile();
    ck_assert_ptr_nonnull(out);
}

static void tear_down(void)
{
    fclose(out);
    yyjson_doc_free(document);
}

static const char *text(void)
{
    rewind(out);
    printed[fread(printed, 1, sizeof printed - 1, out)] = '\0';
    return printed;
}

static yyjson_val *read_answer(const char *json)
{
    document = yyjson_read(json, strlen(json), 0);
    ck_assert_ptr_nonnull(document);
    return yyjson_doc_get_root(document);
}

#define ROLLOUT(state, rest)                                                                                 \
    "{\"ok\":true,\"rollouts\":[{\"model\":\"churn\",\"version\":\"3\",\"stable\":\"2\",\"steps\":[5,25.5,"  \
    "100],"                                                                                                  \
    "\"every_ms\":600000,\"max_error_rate\":0.001,\"max_p99_ms\":200,\"min_agreement\":0,\"min_accuracy\":"  \
    "0,"                                                                                                     \
    "\"min_requests\":500,\"state\":\"" state "\",\"step\":1,\"watched_ms\":125000,\"share\":25.5,"          \
    "\"began_ms\":1700000000000,\"requests\":1234,\"reason\":\"nothing is wrong so far\",\"decisions\":["    \
    "{\"time_ms\":1700000000000,\"decision\":\"begin\",\"share\":0,\"reason\":\"from 2 to 3\"},"             \
    "{\"time_ms\":1700000001000,\"decision\":\"step\",\"share\":5,\"reason\":\"step 1 of 3\"}],"             \
    "\"candidate\":{\"requests\":1000,\"errors\":2,\"error_rate\":0.002,\"unserved\":3,\"p50_ms\":1.5,"      \
    "\"p99_ms\":12.25},\"stable_version\":{\"requests\":3000,\"errors\":0,\"error_rate\":0,\"unserved\":0,"  \
    "\"p50_ms\":1.25,\"p99_ms\":11}" rest "}]}"

START_TEST(one_that_is_under_way_is_told_of)
{
    rollout_view_print(read_answer(ROLLOUT("running", ",\"ended_ms\":0,\"paused\":true")), out, false);
    ck_assert_str_eq(
        text(), "churn: 2 -> 3  running, paused  step 2 of 3, 25.5 %  2m05 of 10m00\n"
                "  steps 5, 25.5, 100 %; errors at most 0.1 %, p99 at most 200 ms; at least 500 requests a "
                "step\n"
                "  THIS STEP    REQUESTS  ERRORS   RATE  NOT SERVED      P50      P99\n"
                "  candidate 3      1000       2  0.2 %           3   1.5 ms  12.2 ms\n"
                "  stable 2         3000       0    0 %           0  1.25 ms    11 ms\n"
                "  now: nothing is wrong so far\n"
                "  decisions:\n"
                "  2023-11-14 22:13:20  begin         0 %  from 2 to 3\n"
                "  2023-11-14 22:13:21  step          5 %  step 1 of 3\n");
}
END_TEST

START_TEST(one_that_has_ended_is_summed_up)
{
    bool good;
    yyjson_val *answer =
        read_answer(ROLLOUT("rolled back", ",\"ended_ms\":1700000003600,\"compared\":50,\"agreed\":49"));
    rollout_view_print(answer, out, false);
    ck_assert_ptr_nonnull(strstr(text(), "churn: 2 -> 3  rolled back after 3.6 s and 1234 requests\n"));
    ck_assert_ptr_nonnull(strstr(printed, "  agreed: 49 of 50\n"));
    ck_assert_ptr_null(strstr(printed, "now:"));
    ck_assert(rollout_view_ended(yyjson_arr_get_first(yyjson_obj_get(answer, "rollouts")), &good));
    ck_assert(!good);
}
END_TEST

START_TEST(decisions_come_once)
{
    int64_t after = 1700000000000;
    yyjson_val *answer = read_answer(ROLLOUT("done", ",\"ended_ms\":1700000003600"));
    yyjson_val *rollout = yyjson_arr_get_first(yyjson_obj_get(answer, "rollouts"));
    bool good;
    ck_assert(rollout_view_ended(rollout, &good) && good);
    rollout_view_decisions(rollout, out, &after);
    rollout_view_decisions(rollout, out, &after);
    ck_assert_str_eq(text(), "  2023-11-14 22:13:21  step          5 %  step 1 of 3\n");
    ck_assert_int_eq(after, 1700000001000);
}
END_TEST

START_TEST(nothing_and_nonsense_are_no_trouble)
{
    rollout_view_print(read_answer("{\"ok\":true,\"rollouts\":[]}"), out, false);
    ck_assert_str_eq(text(), "no roll-out\n");
    yyjson_doc_free(document);
    rollout_view_print(read_answer("{\"rollouts\":[{},7,{\"decisions\":[{}]}]}"), out, true);
    ck_assert_ptr_nonnull(strstr(text(), "?: ? -> ?"));
    rollout_view_print(NULL, out, false);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        one_that_is_under_way_is_told_of,
        one_that_has_ended_is_summed_up,
        decisions_come_once,
        nothing_and_nonsense_are_no_trouble,
    };
    return SUITE_RUN("rollout_view", set_up, tear_down, tests);
}
