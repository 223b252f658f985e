/* test_stream_engine: messages of a stream that the test plays, asked of a broker that it plays, too: what
 * goes together, what comes of each message, when the stream is paused, and what the job ends with.
 * SPDX-License-Identifier: MIT */
#include "asker_scene.h"
#include "stream_engine.h"

enum { MESSAGES_MAX = 256, HEADERS_MANY = 1025 };

/* ---- the stream, as the test plays it ---- */

struct message {
    struct stream_message message; /* first member */
    char position[32];
    bool answered;
    enum stream_outcome outcome;
    char value[512], key[64], headers[512]; /* NAME=VALUE; of its answer */
};

static const struct stream_context *opened; /* by the engine */
static struct stream stream;
static struct message messages[MESSAGES_MAX];
static size_t message_count, answer_count;
static int pauses, resumes, measures;
static loop_call *drained;
static void *drained_self;
static bool refuse_open, closed;
static size_t sink_bytes, dead_bytes; /* more in a value and headers are too large */

static struct stream *open_stream(const struct stream_context *context_, char why[STREAM_REASON_MAX])
{
    opened = context_;
    stream.kind = context_->job->kind;
    if (refuse_open)
        snprintf(why, STREAM_REASON_MAX, "so it is");
    return refuse_open ? NULL : &stream;
}

static void pause_stream(struct stream *self)
{
    ck_assert_ptr_eq(self, &stream);
    pauses++;
}

static void resume_stream(struct stream *self)
{
    ck_assert_ptr_eq(self, &stream);
    resumes++;
}

static bool is_too_large(const struct stream_answer *what)
{
    size_t bytes = what->value.length;
    for (size_t i = 0; i < what->header_count; i++)
        bytes += what->headers[i].name.length + what->headers[i].value.length;
    return bytes > (what->outcome == STREAM_SCORED ? sink_bytes : dead_bytes);
}

static void answer(struct stream *self, struct stream_message *message, const struct stream_answer *what)
{
    ck_assert_ptr_eq(self, &stream);
    struct message *own = (struct message *)message;
    ck_assert(!own->answered);
    if (is_too_large(what)) {
        opened->events->too_large(opened->self, message, what);
        return;
    }
    own->answered = true;
    own->outcome = what->outcome;
    text_copy(what->value, own->value, sizeof own->value);
    text_copy(what->key, own->key, sizeof own->key);
    own->headers[0] = '\0';
    for (size_t i = 0; i < what->header_count; i++) {
        size_t length = strlen(own->headers);
        snprintf(own->headers + length, sizeof own->headers - length, "%s%.*s=%.*s", i > 0 ? " " : "",
                 (int)what->headers[i].name.length, what->headers[i].name.at,
                 (int)what->headers[i].value.length, what->headers[i].value.at);
    }
    answer_count++;
    opened->events->settled(opened->self, what->outcome, 1, false);
}

static void position(const struct stream_message *message, char text[STREAM_POSITION_MAX])
{
    snprintf(text, STREAM_POSITION_MAX, "%s", ((const struct message *)message)->position);
}

static void measure(struct stream *self)
{
    ck_assert_ptr_eq(self, &stream);
    measures++;
}

static void drain(struct stream *self, loop_call *done, void *done_self)
{
    ck_assert_ptr_eq(self, &stream);
    drained = done;
    drained_self = done_self;
}

static void close_stream(struct stream *self)
{
    ck_assert_ptr_eq(self, &stream);
    closed = true;
}

static const char *const no_options[] = {NULL};
static const struct stream_kind kind = {.scheme = "test",
                                        .source_options = no_options,
                                        .sink_options = no_options,
                                        .open = open_stream,
                                        .pause = pause_stream,
                                        .resume = resume_stream,
                                        .answer = answer,
                                        .position = position,
                                        .measure = measure,
                                        .drain = drain,
                                        .close = close_stream};

/* ---- the scene ---- */

static int64_t give_up; /* of the asker */
static struct stream_job job;
static struct stream_engine_context engine_context;
static struct stream_engine *engine;

static void set_up(void)
{
    scene_wants.give_up = give_up;
    scene_make(true);
    scene_start_broker();
    scene_find(NULL);
    job = (struct stream_job){0};
    parameters_default(stream_job_parameters(), &job);
    ck_assert(stream_address_read("test:place/in", NULL, &job.source, reason));
    ck_assert(stream_address_read("out", &job.source, &job.sink, reason));
    ck_assert(stream_address_read("dead", &job.source, &job.dead, reason));
    job.kind = &kind;
    job.has_dead = true;
    memset(messages, 0, sizeof messages);
    message_count = answer_count = 0;
    pauses = resumes = measures = 0;
    drained = NULL;
    refuse_open = closed = false;
    sink_bytes = dead_bytes = SIZE_MAX;
    engine = NULL;
    requests = 0;
    refusal_of = NULL;
}

static void tear_down(void)
{
    asker_free(asker);
    asker = NULL;
    if (engine != NULL)
        stream_engine_free(engine);
    stream_job_free(&job);
    scene_unmake();
}

static void begin(void)
{
    char why[STREAM_REASON_MAX];
    engine_context = (struct stream_engine_context){.loop = letters_loop,
                                                    .metrics = metrics,
                                                    .job = &job,
                                                    .name = "nightly",
                                                    .model = "m",
                                                    .asker = asker,
                                                    .schema = told};
    engine = stream_engine_new(&engine_context, why);
    ck_assert_msg(engine != NULL, "%s", why);
}

static struct message *bring_with(const char *value, const struct stream_header *headers, size_t count)
{
    ck_assert_uint_lt(message_count, MESSAGES_MAX);
    struct message *message = &messages[message_count++];
    snprintf(message->position, sizeof message->position, "in@%zu", message_count);
    message->message.value = text_of(value);
    message->message.key = text_of("k");
    message->message.headers = headers;
    message->message.header_count = count;
    opened->events->message(opened->self, &message->message);
    return message;
}

static struct message *bring(const char *value)
{
    return bring_with(value, NULL, 0);
}

static void wait_for_answers(size_t count)
{
    WAIT_FOR(answer_count >= count);
    ck_assert_uint_eq(answer_count, count);
}

static int refuse_all(const struct envelope *request, const struct tensor *rows)
{
    (void)request, (void)rows;
    return FAILURE_INVALID;
}

static int answer_none(const struct envelope *request, const struct tensor *rows)
{
    (void)request, (void)rows;
    return NO_ANSWER;
}

static int lose_version(const struct envelope *request, const struct tensor *rows)
{
    (void)request, (void)rows;
    return FAILURE_UNKNOWN_VERSION;
}

static int64_t counted(const char *outcome)
{
    return (int64_t)metrics_series(metrics, METRIC_JOB_ROWS, "nightly", outcome, NULL)->value;
}

/* ---- what comes of a message ---- */

START_TEST(a_row_is_answered)
{
    static const struct stream_header headers[] = {{{"traceparent", 11}, {"t", 1}}, {{"h", 1}, {"v", 1}}};
    begin();
    struct message *message = bring_with("[0.25, 0.5]", headers, 2);
    wait_for_answers(1);
    ck_assert_int_eq(message->outcome, STREAM_SCORED);
    ck_assert_str_eq(message->value,
                     "{\"prediction\":1,\"probability\":0.75,\"label\":\"yes\",\"model\":\"m\","
                     "\"model_version\":\"2\"}");
    ck_assert_str_eq(message->key, "k");
    ck_assert_str_eq(message->headers, "traceparent=t h=v outrigger-source=in@1");
    ck_assert_int_eq(counted("scored"), 1);
    ck_assert_uint_eq(last.request.priority, PROTOCOL_PRIORITY_JOB);
}
END_TEST

START_TEST(what_is_there_together_goes_together)
{
    job.rows_a_request = 8;
    begin();
    for (int i = 0; i < 20; i++)
        bring("[1, 2]");
    wait_for_answers(20);
    ck_assert_int_eq(requests, 3);
    ck_assert_uint_eq(request_rows[0], 8);
    ck_assert_uint_eq(request_rows[1], 8);
    ck_assert_uint_eq(request_rows[2], 4);
    bring("[1, 2]");
    wait_for_answers(21);
    ck_assert_uint_eq(request_rows[3], 1);
}
END_TEST

START_TEST(what_is_no_row_is_a_dead_letter)
{
    static const struct stream_header headers[] = {
        {{"outrigger-reason", 16}, {"old", 3}}, {{"h", 1}, {"v", 1}}, {{"outrigger-source", 16}, {"old", 3}}};
    begin();
    struct message *bad = bring_with("[1]", headers, 3), *good = bring("[1, 2]"), *none = bring(NULL);
    wait_for_answers(3);
    ck_assert_int_eq(bad->outcome, STREAM_BAD);
    ck_assert_str_eq(bad->value, "[1]");
    ck_assert_str_eq(bad->key, "k");
    ck_assert_str_eq(bad->headers, "h=v outrigger-reason=expected 2 values, got 1 outrigger-source=in@1");
    ck_assert_int_eq(good->outcome, STREAM_SCORED);
    ck_assert_int_eq(none->outcome, STREAM_BAD);
    ck_assert_str_eq(none->headers, "outrigger-reason=there is no value outrigger-source=in@3");
    ck_assert_int_eq(counted("rejected"), 2);
    ck_assert_int_eq(requests, 1);
}
END_TEST

START_TEST(too_many_headers_are_refused)
{
    static struct stream_header headers[HEADERS_MANY];
    for (size_t i = 0; i < HEADERS_MANY; i++)
        headers[i] = (struct stream_header){text_of("h"), text_of("v")};
    begin();
    struct message *most = bring_with("[1, 2]", headers, HEADERS_MANY - 1),
                   *more = bring_with("[1, 2]", headers, HEADERS_MANY);
    wait_for_answers(2);
    ck_assert_int_eq(most->outcome, STREAM_SCORED);
    ck_assert_int_eq(more->outcome, STREAM_BAD);
}
END_TEST

START_TEST(what_the_model_refuses_is_a_dead_letter)
{
    refusal_of = refuse_all;
    begin();
    struct message *message = bring("[1, 2]");
    wait_for_answers(1);
    ck_assert_int_eq(message->outcome, STREAM_BAD);
    ck_assert_str_eq(message->headers, "outrigger-reason=so it is outrigger-source=in@1");
}
END_TEST

/* The answer, with the headers of its message, is; the message itself has room among the dead letters. */
START_TEST(what_is_too_large_for_the_sink_is_a_dead_letter)
{
    static const struct stream_header headers[] = {{{"h", 1}, {"a value that is as long as this one", 35}}};
    sink_bytes = 120;
    begin();
    struct message *large = bring_with("[1, 2]", headers, 1), *small = bring("[1, 2]");
    wait_for_answers(2);
    ck_assert_int_eq(large->outcome, STREAM_BAD);
    ck_assert_str_eq(large->value, "[1, 2]");
    ck_assert_str_eq(large->headers,
                     "h=a value that is as long as this one outrigger-reason=the answer, with the message's "
                     "key and headers, is too large for out outrigger-source=in@1");
    ck_assert_int_eq(small->outcome, STREAM_SCORED);
    ck_assert_int_eq(counted("rejected"), 1);
}
END_TEST

START_TEST(what_is_too_large_for_the_dead_letters_goes_there_without_its_value)
{
    static const struct stream_header headers[] = {{{"h", 1}, {"v", 1}}};
    static char key[2000], value[1000];
    memset(key, 'k', sizeof key - 1);
    memset(value, '[', sizeof value - 1);
    dead_bytes = 300;
    begin();
    struct message *bad = bring_with(value, headers, 1), *keyed = bring_with(value, NULL, 0);
    keyed->message.key = text_of(key);
    wait_for_answers(2);
    ck_assert_int_eq(bad->outcome, STREAM_BAD);
    ck_assert_str_eq(bad->value, "");
    ck_assert_str_eq(bad->key, "k");
    ck_assert_str_eq(
        bad->headers,
        "outrigger-reason=no JSON: unexpected end of data at byte 999; left out here, as too large "
        "for dead: the value of 999 bytes, the headers outrigger-source=in@1");
    ck_assert_str_eq(keyed->key, "");
    ck_assert_ptr_nonnull(strstr(keyed->headers, "the value of 999 bytes, the key outrigger-source=in@2"));
}
END_TEST

START_TEST(dead_letters_that_take_nothing_end_the_job)
{
    dead_bytes = 10;
    begin();
    bring("nothing");
    loop_run(letters_loop);
    ck_assert_int_eq(stream_engine_verdict(engine), STREAM_EXIT_FAILED);
}
END_TEST

START_TEST(bad_ones_may_be_left_out)
{
    job.has_dead = false;
    job.skip_bad = 1;
    begin();
    struct message *message = bring("nothing");
    wait_for_answers(1);
    ck_assert_int_eq(message->outcome, STREAM_SKIPPED);
    ck_assert_int_eq(counted("skipped"), 1);
}
END_TEST

START_TEST(without_dead_letters_a_bad_one_ends_the_job)
{
    job.has_dead = false;
    begin();
    struct message *message = bring("nothing"), *next = bring("[1, 2]");
    loop_run(letters_loop);
    ck_assert_int_eq(stream_engine_verdict(engine), STREAM_EXIT_BAD);
    ck_assert(!message->answered && !next->answered);
}
END_TEST

START_TEST(msgpack_is_answered_in_msgpack)
{
    job.form = STREAM_MSGPACK;
    begin();
    struct message *message = bring("\x92\x01\x02");
    wait_for_answers(1);
    ck_assert_mem_eq(message->value, "\x85\xaaprediction\x01", 13);
}
END_TEST

/* ---- how fast ---- */

START_TEST(a_long_line_pauses_the_stream)
{
    job.window = 32;
    job.rows_a_request = 4;
    refusal_of = answer_none;
    begin();
    for (int i = 0; i < 32; i++)
        bring("[1, 2]");
    WAIT_FOR(pauses == 1); /* four requests of four are open, and sixteen messages wait */
    ck_assert_int_eq(resumes, 0);
    ck_assert_int_le(requests, SCENE_AT_A_TIME);
    scene_stop_broker(); /* the next broker is asked again, and answers */
    refusal_of = NULL;
    scene_start_broker();
    wait_for_answers(32);
    WAIT_FOR(resumes == 1);
    ck_assert_int_eq(pauses, 1);
}
END_TEST

START_TEST(a_rate_is_kept)
{
    job.rate = 20;
    begin();
    int64_t start = clock_now();
    for (int i = 0; i < 8; i++)
        bring("[1, 2]");
    wait_for_answers(8);
    int64_t took = clock_now() - start;
    ck_assert_msg(took * 20 >= (8 - 3) * SECOND, "8 messages took %lld us", (long long)(took / MICROSECOND));
}
END_TEST

START_TEST(figures_are_told)
{
    begin();
    WAIT_FOR(measures > 0);
    ck_assert_int_eq(stream_engine_figures(engine).lag, -1);
    opened->events->lag(opened->self, "0", 5);
    opened->events->lag(opened->self, "1", 7);
    opened->events->lag(opened->self, "0", 3);
    opened->events->connected(opened->self, true);
    ck_assert_int_eq(stream_engine_figures(engine).lag, 10);
    ck_assert(stream_engine_figures(engine).connected);
    ck_assert_int_eq((int64_t)metrics_series(metrics, METRIC_JOB_LAG, "nightly", "in", "1")->value, 7);
    ck_assert_int_eq((int64_t)metrics_series(metrics, METRIC_JOB_CONNECTED, "nightly", NULL, NULL)->value, 1);
    opened->events->lag(opened->self, "1", -1); /* not known: it stays what it was for who looks at gauges */
    ck_assert_int_eq(stream_engine_figures(engine).lag, -1);
    ck_assert_int_eq((int64_t)metrics_series(metrics, METRIC_JOB_LAG, "nightly", "in", "1")->value, 7);
    bring("[1, 2]");
    ck_assert_uint_eq(stream_engine_figures(engine).in_hand, 1);
    wait_for_answers(1);
    ck_assert_uint_eq(stream_engine_figures(engine).in_hand, 0);
    ck_assert_uint_eq(stream_engine_figures(engine).scored, 1);
}
END_TEST

/* ---- the end ---- */

START_TEST(a_stop_drains_the_stream)
{
    begin();
    struct message *message = bring("[1, 2]");
    stream_engine_stop(engine);
    ck_assert_ptr_nonnull(drained);
    wait_for_answers(1);
    ck_assert_int_eq(message->outcome, STREAM_SCORED);
    drained(drained_self);
    ck_assert_int_eq(stream_engine_verdict(engine), STREAM_EXIT_DONE);
}
END_TEST

START_TEST(a_stop_takes_no_longer_than_it_may)
{
    job.drain_s = 1;
    refusal_of = answer_none;
    begin();
    bring("[1, 2]");
    stream_engine_stop(engine);
    loop_run(letters_loop);
    ck_assert_int_eq(stream_engine_verdict(engine), STREAM_EXIT_INTERRUPTED);
}
END_TEST

START_TEST(a_second_stop_is_at_once)
{
    begin();
    stream_engine_stop(engine);
    stream_engine_stop(engine);
    ck_assert_int_eq(stream_engine_verdict(engine), STREAM_EXIT_INTERRUPTED);
}
END_TEST

START_TEST(a_stream_that_cannot_go_on_ends_the_job)
{
    begin();
    opened->events->failed(opened->self, "so it is");
    ck_assert_int_eq(stream_engine_verdict(engine), STREAM_EXIT_FAILED);
    bring("[1, 2]");
    turn_loop();
    ck_assert_uint_eq(answer_count, 0);
}
END_TEST

/* The job ends with a message that is not answered. */
static void expect_end(enum stream_exit verdict)
{
    begin();
    struct message *message = bring("[1, 2]");
    loop_run(letters_loop);
    ck_assert_int_eq(stream_engine_verdict(engine), verdict);
    ck_assert(!message->answered);
}

START_TEST(a_version_that_is_gone_ends_the_job)
{
    refusal_of = lose_version;
    expect_end(STREAM_EXIT_FAILED);
}
END_TEST

static int keep_silent(const struct envelope *request, const struct tensor *rows)
{
    (void)request, (void)rows;
    return NO_ANSWER;
}

static void set_up_impatient(void)
{
    give_up = 20 * MILLISECOND;
    set_up();
}

START_TEST(a_job_that_nobody_answers_ends_where_that_has_a_bound)
{
    refusal_of = keep_silent;
    expect_end(STREAM_EXIT_NOTHING_RUNS);
}
END_TEST

START_TEST(a_stream_that_is_not_opened_is_told)
{
    char why[STREAM_REASON_MAX];
    refuse_open = true;
    engine_context = (struct stream_engine_context){.loop = letters_loop,
                                                    .metrics = metrics,
                                                    .job = &job,
                                                    .name = "nightly",
                                                    .model = "m",
                                                    .asker = asker,
                                                    .schema = told};
    ck_assert_ptr_null(stream_engine_new(&engine_context, why));
    ck_assert_str_eq(why, "so it is");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_row_is_answered,
                                  what_is_there_together_goes_together,
                                  what_is_no_row_is_a_dead_letter,
                                  too_many_headers_are_refused,
                                  what_the_model_refuses_is_a_dead_letter,
                                  what_is_too_large_for_the_sink_is_a_dead_letter,
                                  what_is_too_large_for_the_dead_letters_goes_there_without_its_value,
                                  dead_letters_that_take_nothing_end_the_job,
                                  bad_ones_may_be_left_out,
                                  without_dead_letters_a_bad_one_ends_the_job,
                                  msgpack_is_answered_in_msgpack,
                                  a_long_line_pauses_the_stream,
                                  a_rate_is_kept,
                                  figures_are_told,
                                  a_stop_drains_the_stream,
                                  a_stop_takes_no_longer_than_it_may,
                                  a_second_stop_is_at_once,
                                  a_stream_that_cannot_go_on_ends_the_job,
                                  a_version_that_is_gone_ends_the_job,
                                  a_stream_that_is_not_opened_is_told,
                                  NULL};
    Suite *suite = suite_create("stream_engine");
    suite_add(suite, "stream_engine", set_up, tear_down, tests);
    suite_add(suite, "impatient", set_up_impatient, tear_down,
              (const TTest *const[]){a_job_that_nobody_answers_ends_where_that_has_a_bound, NULL});
    return suite_finish(suite);
}
