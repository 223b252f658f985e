/* Tests of stream_kafka on librdkafka's mock cluster: what is committed, when, and what a job is given again.
 * What the mock cannot do (transactions that are aborted, offsets in them) is tested on a real Kafka: make
 * check-kafka. SPDX-License-Identifier: MIT */
#include "kafka_scene.h"

enum { MANY = 600, OUR_ERRORS = 3, REQUEST_OFFSET_COMMIT = 8, REQUEST_PRODUCE = 0 };

static int times[SCENE_MESSAGES_MAX];

static void expect_each_once(const char *topic, int count)
{
    ck_assert_int_eq(scene_read(topic, times, SCENE_MESSAGES_MAX), count);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(times[i], 1);
}

static void expect_each(const char *topic, int count)
{
    ck_assert_int_ge(scene_read(topic, times, SCENE_MESSAGES_MAX), count);
    for (int i = 0; i < count; i++)
        ck_assert_int_ge(times[i], 1);
}

/* Of each partition. */
static void expect_lag(int64_t messages)
{
    scene.first.stream->kind->measure(scene.first.stream);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(scene.first.lag[i], messages);
}

START_TEST(test_messages_are_answered_in_their_order_and_committed)
{
    scene_produce(0, MANY);
    scene.first.keeps = true;
    scene_open(&scene.first, "group=g", false);
    SCENE_WAIT(scene.first.kept_count == MANY);
    ck_assert_uint_eq(scene.first.settled, 0);
    expect_lag(MANY / 3);
    scene_answer_kept(&scene.first);
    SCENE_WAIT(scene.first.settled == MANY);
    expect_lag(0);
    scene_drain(&scene.first);
    ck_assert_int_eq(scene_committed("g"), MANY);
    expect_each_once("out", MANY);
}
END_TEST

START_TEST(test_what_is_not_answered_comes_again)
{
    scene.session_ms = 5000; /* which members that join later wait for */
    scene_produce(0, MANY);
    scene.first.keeps = true;
    scene_open(&scene.first, "group=g", false);
    SCENE_WAIT(scene.first.kept_count == MANY);
    /* Behind the first of its partition nothing is safe, wherever its answers are. */
    struct stream_message *first = scene.first.kept[0];
    for (size_t i = 1; i < MANY; i++)
        scene_answer(&scene.first, scene.first.kept[i]);
    SCENE_WAIT(scene.first.settled == MANY - MANY / 3);
    SCENE_WAIT(scene_committed("g") == MANY - MANY / 3);
    ck_assert_uint_eq(first->value.length, first->key.length);
    scene_close(&scene.first);

    scene_open(&scene.second, "group=g", false);
    SCENE_WAIT(scene.second.settled == MANY / 3);
    scene_drain(&scene.second);
    expect_each_once("out", MANY);
}
END_TEST

START_TEST(test_bad_ones_go_to_the_dead_letters_and_skipped_ones_nowhere)
{
    scene_produce(0, MANY);
    scene.first.skip_one = 10;
    scene_open(&scene.first, "group=g", _i == 1);
    SCENE_WAIT(scene.first.settled == MANY);
    scene_drain(&scene.first);
    ck_assert_int_eq(scene_read("dead", times, SCENE_MESSAGES_MAX), MANY / 10);
    ck_assert_int_eq(scene_read("out", times, SCENE_MESSAGES_MAX), MANY - MANY / 5);
}
END_TEST

/* The mock shows what was aborted, too. */
START_TEST(test_an_aborted_transaction_is_made_again)
{
    scene_produce(0, MANY);
    scene.first.keeps = true;
    scene_open(&scene.first, "group=g", true);
    SCENE_WAIT(scene.first.kept_count == MANY);
    rd_kafka_mock_push_request_errors(scene.cluster, REQUEST_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
    scene_answer_kept(&scene.first);
    SCENE_WAIT(scene.first.settled == MANY || *scene.first.failed != '\0');
    ck_assert_str_eq(scene.first.failed, "");
    scene_drain(&scene.first);
    expect_each("out", MANY);
}
END_TEST

START_TEST(test_commits_and_produces_are_tried_again)
{
    rd_kafka_mock_push_request_errors(scene.cluster, REQUEST_OFFSET_COMMIT, OUR_ERRORS,
                                      RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                                      RD_KAFKA_RESP_ERR__TRANSPORT);
    rd_kafka_mock_push_request_errors(scene.cluster, REQUEST_PRODUCE, OUR_ERRORS,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    scene_produce(0, MANY);
    scene_open(&scene.first, "group=g", false);
    SCENE_WAIT(scene.first.settled == MANY);
    scene_drain(&scene.first);
    ck_assert_int_eq(scene_committed("g"), MANY);
    expect_each_once("out", MANY);
}
END_TEST

START_TEST(test_a_broker_that_goes_and_comes_loses_nothing)
{
    scene_produce(0, MANY);
    scene.first.keeps = true;
    scene_open(&scene.first, "group=g", true);
    SCENE_WAIT(scene.first.kept_count == MANY);
    rd_kafka_mock_broker_set_down(scene.cluster, 1);
    scene_answer_kept(&scene.first);
    SCENE_WAIT(scene.first.kept_count == 0);
    rd_kafka_mock_broker_set_up(scene.cluster, 1);
    scene.first.keeps = false;
    SCENE_WAIT(scene.first.settled + scene.first.dropped >= MANY && scene.first.settled >= MANY / 2);
    SCENE_WAIT(scene.first.settled >= MANY);
    scene_drain(&scene.first);
    expect_each("out", MANY);
}
END_TEST

/* The mock refuses commits while members come, as Kafka does not: what was done then comes again. */
START_TEST(test_what_two_members_have_is_answered_whoever_has_it)
{
    int produced = MANY;
    scene.session_ms = 5000; /* which members that join later wait for */
    scene_produce(0, MANY);
    scene.first.keeps = true;
    scene_open(&scene.first, "group=g&instance=a", false);
    SCENE_WAIT(scene.first.kept_count == MANY);
    scene_open(&scene.second, "group=g&instance=b", false);
    scene_answer_kept(&scene.first);
    scene.first.keeps = false;
    SCENE_WAIT(scene.first.settled + scene.first.dropped >= MANY);
    /* The second has partitions when it is given of what is new. */
    for (; scene.second.settled == 0 && produced + 30 <= SCENE_MESSAGES_MAX; produced += 30) {
        SCENE_WAIT(scene_has_partitions(&scene.second));
        scene_produce(produced, 30);
        SCENE_WAIT(scene.first.settled + scene.second.settled >= (size_t)produced + 30);
    }
    ck_assert_uint_gt(scene.second.settled, 0);
    SCENE_WAIT(scene_committed("g") == produced);
    expect_each("out", produced);
}
END_TEST

START_TEST(test_nothing_comes_while_it_is_paused)
{
    scene_produce(0, MANY);
    scene_open(&scene.first, "group=g", false);
    SCENE_WAIT(scene.first.settled == MANY);
    scene.first.stream->kind->pause(scene.first.stream);
    scene_produce(MANY, MANY);
    /* Longer than what is only not taken, and not paused at Kafka. */
    int64_t begin = clock_now();
    SCENE_WAIT(clock_now() - begin > 1500 * MILLISECOND);
    ck_assert_uint_eq(scene.first.taken, MANY);
    scene.first.stream->kind->resume(scene.first.stream);
    SCENE_WAIT(scene.first.settled == 2 * MANY);
    scene_drain(&scene.first);
    expect_each_once("out", 2 * MANY);
}
END_TEST

START_TEST(test_no_more_is_in_hand_than_the_window)
{
    scene_produce(0, MANY);
    scene.first.keeps = true;
    scene_job_fill(&scene.first, "group=g");
    scene.first.job.window = 50;
    char reason[STREAM_REASON_MAX];
    ck_assert(scene_try_open(&scene.first, reason));
    for (int done = 0; done < MANY; done += 50) {
        SCENE_WAIT(scene.first.kept_count == 50);
        SCENE_WAIT(scene.first.settled == (size_t)done);
        scene_answer_kept(&scene.first);
    }
    SCENE_WAIT(scene.first.settled == MANY);
    expect_each_once("out", MANY);
}
END_TEST

START_TEST(test_no_more_bytes_are_in_hand_than_may_be)
{
    enum { LARGE = 10000, ROOM = 70000, FIT = 7, COUNT = 30 };
    char reason[STREAM_REASON_MAX];
    scene_produce_with(0, COUNT, LARGE);
    scene.first.keeps = true;
    scene_job_fill(&scene.first, "group=g");
    scene.first.job.window_bytes = ROOM;
    ck_assert(scene_try_open(&scene.first, reason));
    for (size_t done = 0; done < COUNT; done = scene.first.taken) {
        size_t most = COUNT - done < FIT ? COUNT - done : FIT;
        SCENE_WAIT(scene.first.kept_count >= most && scene.first.settled == done);
        ck_assert_uint_eq(scene.first.kept_count, most);
        scene_answer_kept(&scene.first);
    }
    SCENE_WAIT(scene.first.settled == COUNT);
    expect_each_once("out", COUNT);
}
END_TEST

/* What is too large for the sink goes to the dead letters, and what is too large for these, too, goes with
 * less in it (here: nowhere). Those beside it are answered. */
START_TEST(test_what_librdkafka_finds_too_large_is_given_back)
{
    char reason[STREAM_REASON_MAX];
    scene_produce(0, 30);
    scene_produce_with(30, 3, 3000);
    scene_produce(33, 30);
    scene_job_fill(&scene.first, "group=g");
    scene.first.job.exactly_once = _i;
    scene_set(&scene.first, "message.max.bytes=1000");
    ck_assert(scene_try_open(&scene.first, reason));
    SCENE_WAIT(scene.first.settled == 63);
    ck_assert_uint_eq(scene.first.too_large[STREAM_SCORED], 3);
    ck_assert_uint_eq(scene.first.too_large[STREAM_BAD], 3);
    scene_drain(&scene.first);
    ck_assert_int_eq(scene_read("out", times, SCENE_MESSAGES_MAX), 60);
    ck_assert_int_eq(scene_read("dead", times, SCENE_MESSAGES_MAX), 0);
}
END_TEST

START_TEST(test_what_a_broker_finds_too_large_is_given_back)
{
    scene_produce(0, 1);
    scene.first.keeps = true;
    scene_open(&scene.first, "group=g", _i == 1);
    SCENE_WAIT(scene.first.kept_count == 1);
    rd_kafka_mock_push_request_errors(scene.cluster, REQUEST_PRODUCE, 2, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    scene_answer_kept(&scene.first);
    SCENE_WAIT(scene.first.settled == 1);
    ck_assert_uint_eq(scene.first.too_large[STREAM_SCORED], 1);
    scene_drain(&scene.first);
    ck_assert_int_eq(scene_read("dead", times, SCENE_MESSAGES_MAX), 1);
}
END_TEST

/* The batch was, and no message of it. */
START_TEST(test_what_is_too_large_together_goes_alone)
{
    scene_produce(0, MANY);
    scene.first.keeps = true;
    scene_open(&scene.first, "group=g", _i == 1);
    SCENE_WAIT(scene.first.kept_count == MANY);
    rd_kafka_mock_push_request_errors(scene.cluster, REQUEST_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    scene_answer_kept(&scene.first);
    SCENE_WAIT(scene.first.settled == MANY);
    ck_assert_uint_eq(scene.first.too_large[STREAM_SCORED], 0);
    scene_drain(&scene.first);
    expect_each("out", MANY);
}
END_TEST

START_TEST(test_settings_that_guarantees_need_are_refused)
{
    static const struct {
        const char *setting;
        const char *complaint;
    } cases[] = {
        {"enable.auto.commit=true", "kafka: enable.auto.commit is always false"},
        {"group.id=x", "kafka: group.id is not set here: from, to, user, password and their options say it"},
        {"linger", "kafka: expected name=value, got linger"},
        {"no.such=1", "kafka: no.such: No such configuration property: \"no.such\""},
        {"sasl.oauthbearer.config=@env:NO_SUCH", "kafka: sasl.oauthbearer.config: "},
    };
    char reason[STREAM_REASON_MAX] = "";
    scene_job_fill(&scene.first, "group=g");
    scene_set(&scene.first, cases[_i].setting);
    ck_assert(!scene_try_open(&scene.first, reason));
    ck_assert_msg(strncmp(reason, cases[_i].complaint, strlen(cases[_i].complaint)) == 0, "%s", reason);
}
END_TEST

START_TEST(test_a_secret_is_in_no_complaint)
{
    char reason[STREAM_REASON_MAX] = "";
    setenv("KAFKA_WORD", "a word that is not said", 1);
    scene_job_fill(&scene.first, "group=g");
    scene_set(&scene.first, "security.protocol=@env:KAFKA_WORD");
    ck_assert(!scene_try_open(&scene.first, reason));
    ck_assert_str_eq(reason, "kafka: security.protocol: there is no such setting, or the value is wrong");
}
END_TEST

int main(void)
{
    const struct suite_test tests[] = {
        {test_messages_are_answered_in_their_order_and_committed, 1},
        {test_what_is_not_answered_comes_again, 1},
        {test_bad_ones_go_to_the_dead_letters_and_skipped_ones_nowhere, 2},
        {test_an_aborted_transaction_is_made_again, 1},
        {test_commits_and_produces_are_tried_again, 1},
        {test_a_broker_that_goes_and_comes_loses_nothing, 1},
        {test_what_two_members_have_is_answered_whoever_has_it, 1},
        {test_nothing_comes_while_it_is_paused, 1},
        {test_no_more_is_in_hand_than_the_window, 1},
        {test_no_more_bytes_are_in_hand_than_may_be, 1},
        {test_what_librdkafka_finds_too_large_is_given_back, 2},
        {test_what_a_broker_finds_too_large_is_given_back, 2},
        {test_what_is_too_large_together_goes_alone, 2},
        {test_settings_that_guarantees_need_are_refused, 5},
        {test_a_secret_is_in_no_complaint, 1},
    };
    return suite_run_beside("stream_kafka", scene_setup, scene_teardown, tests, COUNT_OF(tests));
}
