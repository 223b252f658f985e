/* test_asker: which version a job asks, that waiting ends only where it is of no use, and that nothing is
 * answered twice or forgotten. SPDX-License-Identifier: MIT */
#include "asker_scene.h"

#include <fcntl.h>
#include <unistd.h>

enum { ASKED_MAX = 64 };

static struct asked {
    int answers;
    enum failure failure;
    char version[16], message[256];
    double sum; /* that the model made of the first row */
} asked[ASKED_MAX];
static int calls;               /* to any of them */
static struct asker_ask asking; /* what requests have beside their rows */

static void set_up(void)
{
    scene_make(false);
    scene_start_broker();
}

static void set_up_following(void)
{
    scene_make(true);
    scene_start_broker();
}

static void set_up_alone(void)
{
    scene_make(false);
}

/* Says every few milliseconds what it waits for. */
static void set_up_talkative(void)
{
    scene_wants.remind = 5 * MILLISECOND;
    set_up();
}

static void set_up_impatient(void)
{
    scene_wants.give_up = 200 * MILLISECOND;
    set_up();
}

/* Waits for longer than a test may take, unless it is hasty. */
static void set_up_hasty(void)
{
    scene_wants.hasty = true;
    set_up();
}

static void on_answer(void *owner, const struct client_answer *answer)
{
    struct asked *one = owner;
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count, rows;
    one->answers++;
    one->failure = answer->failure;
    text_copy(answer->version, one->version, sizeof one->version);
    text_copy(answer->message, one->message, sizeof one->message);
    calls++;
    if (answer->failure != FAILURE_NONE)
        return;
    ck_assert_ptr_null(tensors_decode(answer->payload, answer->payload_bytes, tensors, &count, &rows));
    one->sum = value_float(&tensors[1], 1);
}

static void send_rows(size_t index, float number, int64_t count, struct text trace)
{
    const float rows[4 * SCENE_WIDTH] = {number, 0};
    const struct tensor tensor = {.name = text_of("x"),
                                  .datatype = DATATYPE_FP32,
                                  .rank = 2,
                                  .shape = {count, SCENE_WIDTH},
                                  .data = (const uint8_t *)rows,
                                  .bytes = (size_t)count * SCENE_WIDTH * sizeof *rows};
    size_t length = tensors_encoded_size(&tensor, 1);
    uint8_t *payload = object_alloc(length);
    ck_assert_uint_eq(tensors_encode(&tensor, 1, payload, length, NULL), length);
    struct asker_ask what = asking;
    what.rows = (uint32_t)count;
    what.trace = trace;
    asker_send(asker, payload, length, &what, on_answer, &asked[index]);
}

static void ask_traced(size_t index, float number, struct text trace)
{
    send_rows(index, number, 1, trace);
}

static void ask_rows(size_t index, float number, int64_t count)
{
    send_rows(index, number, count, (struct text){0});
}

static void ask(size_t index, float number)
{
    ask_rows(index, number, 1);
}

/* ---- which version ---- */

START_TEST(the_stable_version_is_asked_unless_one_is_named)
{
    scene_find(NULL);
    ck_assert_str_eq(asker_version_name(asker), "2");
    ck_assert_uint_eq(told->label_count, 2);
    ck_assert(asker_connected(asker));
    ask(0, 0.25f);
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_str_eq(last_version, "2");
    ck_assert_str_eq(asked[0].version, "2");
    ck_assert_double_eq(asked[0].sum, 0.25);
}
END_TEST

START_TEST(a_named_version_is_asked)
{
    scene_find("1");
    ask(0, 1);
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_str_eq(last_version, "1");
}
END_TEST

/* Once the broker has told what there is. */
static void expect_none(const char *model, const char *version)
{
    do {
        ck_assert_ptr_null(asker_version(asker, model, version, 20 * MILLISECOND, reason));
    } while (strstr(reason, "no broker answers") != NULL || strstr(reason, "does not say which") != NULL);
}

START_TEST(what_is_not_there_is_said)
{
    struct asker *first = asker;
    expect_none("m", "7");
    ck_assert_str_eq(reason, "model m has no version 7; it has 1, 2, 3");
    scene_open_asker(false);
    expect_none("other", NULL);
    ck_assert_str_eq(reason, "there is no model other; there are empty, m");
    asker_free(asker);
    asker = first;
}
END_TEST

START_TEST(a_broker_that_is_away_is_said)
{
    char expected[ASKER_REASON_MAX];
    ck_assert_ptr_null(asker_version(asker, "m", NULL, 20 * MILLISECOND, reason));
    snprintf(expected, sizeof expected, "no broker answers at %s", endpoint);
    ck_assert_str_eq(reason, expected);
    ck_assert(!asker_connected(asker));
}
END_TEST

START_TEST(a_new_stable_version_is_followed_where_that_is_wanted)
{
    scene_find(NULL);
    scene_tell_stable("1");
    WAIT_FOR(strcmp(asker_version_name(asker), "1") == 0);
    ck_assert(asker_schema(asker, text_of("2")) == told);
    ck_assert(asker_schema(asker, text_of("1")) != told);
    ask(0, 1);
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_str_eq(last_version, "1");
    scene_tell_stable("3"); /* takes other rows */
    ask(1, 1);
    WAIT_FOR(asked[1].answers == 1);
    ck_assert_str_eq(last_version, "1");
    scene_tell_stable("2");
    WAIT_FOR(strcmp(asker_version_name(asker), "2") == 0);
    ck_assert(asker_schema(asker, text_of("2")) == told);
}
END_TEST

START_TEST(else_the_version_stays)
{
    scene_find(NULL);
    scene_tell_stable("1");
    ask(0, 1);
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_str_eq(last_version, "2");
}
END_TEST

/* ---- as whom ---- */

START_TEST(a_job_asks_as_one_tenant_behind_all_others)
{
    static const char trace[PROTOCOL_TRACE_BYTES] = "which one";
    scene_find(NULL);
    ask(0, 1);
    WAIT_FOR(asked[0].answers == 1);
    uint64_t tenant = last.request.tenant;
    ck_assert_uint_ne(tenant, 0);
    ck_assert_uint_eq(last.request.priority, PROTOCOL_PRIORITY_JOB);
    ck_assert_uint_gt(last.request.time_left_us, 0);
    ck_assert_uint_le(last.request.time_left_us, 30 * SECOND / MICROSECOND);
    ck_assert_uint_eq(last.request.trace.length, 0);
    ask_traced(1, 1, (struct text){trace, sizeof trace});
    WAIT_FOR(asked[1].answers == 1);
    ck_assert_uint_eq(last.request.tenant, tenant);
    ck_assert_mem_eq(last_trace, trace, sizeof trace);
}
END_TEST

/* ---- again and again ---- */

static int refusals_left;
static enum failure refused_with;

static int refuse_some(const struct envelope *request, const struct tensor *rows)
{
    (void)request, (void)rows;
    return refusals_left-- > 0 ? (int)refused_with : FAILURE_NONE;
}

static const enum failure passing[] = {FAILURE_OVERLOADED, FAILURE_RATE_LIMITED, FAILURE_NOT_READY,
                                       FAILURE_DEADLINE};

START_TEST(what_passes_is_asked_again)
{
    refusal_of = refuse_some;
    refused_with = passing[_i];
    refusals_left = 3;
    retry_after_ms = 1;
    scene_find(NULL);
    ask(0, 0.5f);
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_NONE);
    ck_assert_double_eq(asked[0].sum, 0.5);
    ck_assert_int_eq(requests, 4);
    ck_assert_uint_eq(asker_retries(asker), 3);
    ck_assert_uint_eq(
        metrics_series(metrics, METRIC_JOB_RETRIES, "nightly", failure_label(refused_with), NULL)->value, 3);
    ck_assert_uint_eq(asker_open(asker), 0);
}
END_TEST

START_TEST(without_a_word_it_waits_longer_each_time)
{
    int64_t begin = clock_now();
    refusal_of = refuse_some;
    refused_with = FAILURE_OVERLOADED;
    refusals_left = 2;
    scene_find(NULL);
    ask(0, 0.5f);
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_ge(clock_now() - begin, (50 + 100) * MILLISECOND);
}
END_TEST

/* And of another model and version than the asker's own, which it need not have. */
START_TEST(what_is_asked_once_is_answered_with_whatever_comes)
{
    asking = (struct asker_ask){
        .model = text_of("m"), .version = text_of("9"), .tag = text_of("tag"), .once = true};
    refusal_of = refuse_some;
    refused_with = FAILURE_OVERLOADED;
    refusals_left = 1;
    ask(0, 1);
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_OVERLOADED);
    ck_assert_str_eq(last_version, "9");
    ck_assert_uint_eq(last.request.tag.length, 3);
    ck_assert_uint_eq(asker_retries(asker), 0);
}
END_TEST

static const enum failure lasting[] = {FAILURE_INVALID,         FAILURE_POISON,   FAILURE_MODEL_FAILED,
                                       FAILURE_UNKNOWN_VERSION, FAILURE_INTERNAL, FAILURE_WORKER_DIED};

START_TEST(what_does_not_pass_is_the_answer)
{
    refusal_of = refuse_some;
    refused_with = lasting[_i];
    refusals_left = 1;
    scene_find(NULL);
    ask(0, 1);
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, refused_with);
    ck_assert_int_eq(requests, 1);
    ck_assert_uint_eq(asker_retries(asker), 0);
}
END_TEST

/* It would end the connection, for ever and again. */
START_TEST(what_is_too_large_for_the_broker_is_not_asked)
{
    scene_find(NULL);
    asker_send(asker, object_alloc(SCENE_BYTES_MAX + 1), SCENE_BYTES_MAX + 1, &(struct asker_ask){.rows = 1},
               on_answer, &asked[0]);
    ck_assert_int_eq(asked[0].answers, 0); /* not within the call */
    ask(1, 1);
    WAIT_FOR(asked[0].answers == 1 && asked[1].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_TOO_LARGE);
    ck_assert_int_eq(asked[1].failure, FAILURE_NONE);
    ck_assert_int_eq(requests, 1);
}
END_TEST

static uint64_t held; /* the id of what has a negative number, which is not answered at once */

static int hold_negative(const struct envelope *request, const struct tensor *rows)
{
    if (value_float(rows, 0) >= 0)
        return FAILURE_NONE;
    held = request->id;
    return NO_ANSWER;
}

/* Its deadline passes; before that one is answered that was asked later. */
START_TEST(what_alone_takes_too_long_is_given_up)
{
    scene_find(NULL);
    refusal_of = hold_negative;
    retry_after_ms = 1;
    ask(0, -1);
    for (int late = 1; late <= 3; late++) {
        WAIT_FOR(held != 0);
        ask((size_t)late, 1);
        WAIT_FOR(asked[late].answers == 1);
        ck_assert_int_eq(asked[0].answers, 0);
        scene_reject(held, FAILURE_DEADLINE);
        held = 0;
    }
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_DEADLINE);
    ck_assert_str_eq(asked[0].message, "not answered within 30 s, 3 times");
    ck_assert_uint_eq(asker_retries(asker), 2);
}
END_TEST

/* As long as nobody is answered, all wait for clients. */
START_TEST(one_row_waits_as_long_as_all_do)
{
    scene_find(NULL);
    refusal_of = hold_negative;
    retry_after_ms = 1;
    ask(0, -1);
    for (int late = 0; late < 10; late++) {
        WAIT_FOR(held != 0);
        uint64_t left = last.request.time_left_us, most = (late < 3 ? 1 << late : 8) * 30 * UINT64_C(1000000);
        ck_assert(left <= most && left > most / 2);
        scene_reject(held, FAILURE_DEADLINE);
        held = 0;
    }
    WAIT_FOR(held != 0);
    ck_assert_int_eq(asked[0].answers, 0);
}
END_TEST

START_TEST(several_rows_are_given_back_to_be_halved)
{
    scene_find(NULL);
    refusal_of = hold_negative;
    retry_after_ms = 1;
    ask_rows(0, -1, 2);
    for (int late = 1; late <= 3; late++) {
        WAIT_FOR(held != 0);
        scene_reject(held, FAILURE_DEADLINE);
        held = 0;
    }
    WAIT_FOR(asked[0].answers == 1);
    ck_assert_int_eq(asked[0].failure, FAILURE_DEADLINE);
}
END_TEST

static int keep_silent(const struct envelope *request, const struct tensor *rows)
{
    (void)request, (void)rows;
    return NO_ANSWER;
}

/* The broker has request 0, and does not answer it. */
static void ask_in_vain(float number)
{
    scene_find(NULL);
    refusal_of = keep_silent;
    ask(0, number);
    WAIT_FOR(requests == 1);
}

START_TEST(a_broker_that_goes_is_waited_for)
{
    ask_in_vain(0.5f);
    scene_stop_broker();
    ask(1, 0.75f);
    for (int i = 0; i < 20; i++)
        turn_loop();
    ck_assert_int_eq(calls, 0);
    refusal_of = NULL;
    scene_start_broker();
    WAIT_FOR(calls == 2);
    ck_assert_double_eq(asked[0].sum, 0.5);
    ck_assert_double_eq(asked[1].sum, 0.75);
}
END_TEST

/* ---- nobody answers ---- */

/* What goes to the log from now on is in a file. */
static void keep_log(void)
{
    int file = open(scratch_path("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ck_assert_int_ge(dup2(file, STDERR_FILENO), 0);
    close(file);
}

static bool was_said(const char *words)
{
    static char text[1 << 16];
    FILE *file = fopen(scratch_path("log"), "r");
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return strstr(text, words) != NULL;
}

START_TEST(who_waits_says_for_what)
{
    char expected[256];
    scene_find(NULL);
    keep_log();
    refusal_of = refuse_some;
    refused_with = FAILURE_OVERLOADED;
    refusals_left = 1000000;
    retry_after_ms = 1;
    ask(0, 1);
    ask(1, 1);
    snprintf(expected, sizeof expected, "Z: 2 requests wait, and the broker at %s says overloaded: so it is",
             endpoint);
    WAIT_FOR(was_said(expected));
    ck_assert(was_said("\"level\":\"warning\"") && was_said("\"nothing since 20"));
    refusals_left = 0;
    WAIT_FOR(calls == 2);
    snprintf(expected, sizeof expected, "the broker at %s answers again", endpoint);
    ck_assert(was_said(expected));
}
END_TEST

START_TEST(who_waits_for_a_version_says_so)
{
    keep_log();
    while (!was_said("model m has no version 7; it has 1, 2, 3"))
        ck_assert_ptr_null(asker_version(asker, "m", "7", 20 * MILLISECOND, reason));
}
END_TEST

START_TEST(who_waits_for_nothing_says_nothing)
{
    scene_find(NULL);
    ask(0, 1);
    WAIT_FOR(calls == 1);
    keep_log();
    for (int i = 0; i < 10; i++)
        turn_loop();
    ck_assert(!was_said("nothing since"));
}
END_TEST

/* Both of them: the one that the broker had, and the one that never reached it; and who asks later. */
START_TEST(waiting_ends_where_it_has_a_bound)
{
    ask_in_vain(1);
    scene_stop_broker();
    ask(1, 1);
    ck_assert(!asker_gave_up(asker));
    WAIT_FOR(calls == 2);
    ck_assert(asker_gave_up(asker));
    ask(2, 1);
    WAIT_FOR(calls == 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(asked[i].failure, FAILURE_NOT_READY);
        ck_assert_int_eq(strncmp(asked[i].message, "nothing since 20", 16), 0);
    }
    ck_assert_ptr_nonnull(strstr(asked[2].message, endpoint));
    ck_assert_uint_eq(asker_open(asker), 0);
}
END_TEST

START_TEST(who_is_in_a_hurry_waits_for_no_version_that_there_is_not)
{
    ck_assert_ptr_null(asker_version(asker, "m", "7", 3600 * SECOND, reason));
    ck_assert_str_eq(reason, "model m has no version 7; it has 1, 2, 3");
}
END_TEST

/* ---- how many, and the end ---- */

START_TEST(there_is_room_for_so_many_also_of_those_that_wait)
{
    struct series *in_flight = metrics_series(metrics, METRIC_JOB_IN_FLIGHT, "nightly", NULL, NULL);
    scene_find(NULL);
    refusal_of = refuse_some;
    refused_with = FAILURE_OVERLOADED;
    refusals_left = 1000000;
    for (size_t i = 0; i < SCENE_AT_A_TIME; i++) {
        ck_assert(asker_room(asker));
        ask(i, 1);
    }
    ck_assert(!asker_room(asker));
    WAIT_FOR(asker_retries(asker) > 2 * SCENE_AT_A_TIME);
    ck_assert(!asker_room(asker));
    ck_assert_uint_eq(in_flight->value, SCENE_AT_A_TIME);
    refusals_left = 0;
    WAIT_FOR(calls == SCENE_AT_A_TIME);
    ck_assert(asker_room(asker));
    ck_assert_uint_eq(in_flight->value, 0);
    ck_assert_uint_eq(asker_open(asker), 0);
}
END_TEST

START_TEST(a_stop_answers_all_that_is_open)
{
    scene_find(NULL);
    refusal_of = refuse_some; /* the first one waits to be asked again, */
    refused_with = FAILURE_OVERLOADED;
    refusals_left = 1;
    retry_after_ms = 9000;
    ask(0, 1);
    WAIT_FOR(asker_retries(asker) == 1);
    refusal_of = keep_silent; /* and the second one is with the broker */
    ask(1, 1);
    WAIT_FOR(requests == 2);
    asker_stop(asker);
    ck_assert_int_eq(calls, 0);
    ask(2, 1);
    ck_assert_int_eq(calls, 0);
    WAIT_FOR(calls == 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(asked[i].failure, FAILURE_CANCELLED);
    ck_assert_uint_eq(asker_open(asker), 0);
    ck_assert_int_eq(requests, 2);
}
END_TEST

START_TEST(what_is_open_is_forgotten_with_the_asker)
{
    ask_in_vain(1);
    asker_free(asker);
    asker = NULL;
    ck_assert_int_eq(calls, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("asker");
    TCase *group = suite_group(suite, "asker", set_up, scene_unmake);
    tcase_add_test(group, the_stable_version_is_asked_unless_one_is_named);
    tcase_add_test(group, a_named_version_is_asked);
    tcase_add_test(group, what_is_not_there_is_said);
    tcase_add_test(group, else_the_version_stays);
    tcase_add_test(group, a_job_asks_as_one_tenant_behind_all_others);
    tcase_add_loop_test(group, what_passes_is_asked_again, 0, COUNT_OF(passing));
    tcase_add_test(group, without_a_word_it_waits_longer_each_time);
    tcase_add_test(group, what_is_asked_once_is_answered_with_whatever_comes);
    tcase_add_loop_test(group, what_does_not_pass_is_the_answer, 0, COUNT_OF(lasting));
    tcase_add_test(group, what_is_too_large_for_the_broker_is_not_asked);
    tcase_add_test(group, what_alone_takes_too_long_is_given_up);
    tcase_add_test(group, one_row_waits_as_long_as_all_do);
    tcase_add_test(group, several_rows_are_given_back_to_be_halved);
    tcase_add_test(group, a_broker_that_goes_is_waited_for);
    tcase_add_test(group, there_is_room_for_so_many_also_of_those_that_wait);
    tcase_add_test(group, a_stop_answers_all_that_is_open);
    tcase_add_test(group, what_is_open_is_forgotten_with_the_asker);
    suite_add(suite, "alone", set_up_alone, scene_unmake,
              (const TTest *const[]){a_broker_that_is_away_is_said, NULL});
    suite_add(suite, "talkative", set_up_talkative, scene_unmake,
              (const TTest *const[]){who_waits_says_for_what, who_waits_for_a_version_says_so,
                                     who_waits_for_nothing_says_nothing, NULL});
    suite_add(suite, "impatient", set_up_impatient, scene_unmake,
              (const TTest *const[]){waiting_ends_where_it_has_a_bound, NULL});
    suite_add(suite, "hasty", set_up_hasty, scene_unmake,
              (const TTest *const[]){who_is_in_a_hurry_waits_for_no_version_that_there_is_not, NULL});
    suite_add(suite, "following", set_up_following, scene_unmake,
              (const TTest *const[]){a_new_stable_version_is_followed_where_that_is_wanted, NULL});
    return suite_finish(suite);
}
