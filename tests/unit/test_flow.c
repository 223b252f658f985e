/* test_flow: requests on their way through a pipeline's steps, with the real client and a ROUTER that plays
 * the broker. SPDX-License-Identifier: MIT */
#include "client_scene.h"
#include "clock.h"
#include "flow.h"
#include "schema.h"

#define TRACE "0123456789abcdefABCDEFGH\x01"

enum { ROWS = 3 };

static struct pipeline *pipeline;
static struct wiring *wiring;
static struct flows *flows;
static const float rows[ROWS] = {1, 2, 3};
static struct tensor input;

/* What came out of the flow. */
static struct {
    int count;
    enum failure failure;
    char message[PROTOCOL_TEXT_MAX + 1];
    float values[ROWS];
    int64_t stages[ROWS];
} ended;

/* Each model takes x and gives p, a float each row. */
static const struct schema *find(void *self, const struct pipeline_part *part, char reason[WIRING_REASON_MAX])
{
    static struct schema_tensor x = {(char *)"x", DATATYPE_FP32, 2, {-1, 1}},
                                p = {(char *)"p", DATATYPE_FP32, 2, {-1, 1}};
    static const struct schema schema = {.inputs = &x, .input_count = 1, .outputs = &p, .output_count = 1};
    (void)self, (void)part, (void)reason;
    return &schema;
}

static void begin(const char *text)
{
    char reason[WIRING_REASON_MAX];
    struct config_errors errors = {0};
    pipeline = pipeline_parse("p", text, &errors);
    ck_assert_msg(pipeline != NULL, "%s", errors.text);
    wiring = wiring_new(pipeline, find, NULL, reason);
    ck_assert_msg(wiring != NULL, "%s", reason);
    start_broker(1);
    WAIT_FOR(client_connected(client));
    flows = flows_new(wiring, client, metrics, "p", "1");
    memset(&ended, 0, sizeof ended);
}

static void flow_set_up(void)
{
    set_up();
    input = (struct tensor){text_of("x"), DATATYPE_FP32, 2, {ROWS, 1}, (const uint8_t *)rows, sizeof rows};
}

static void flow_tear_down(void)
{
    flows_free(flows);
    wiring_free(wiring);
    pipeline_free(pipeline);
    tear_down();
}

static void on_end(void *owner, const struct flow_end *end)
{
    ck_assert_ptr_eq(owner, &ended);
    ended.count++;
    ended.failure = end->failure;
    if (end->failure != FAILURE_NONE) {
        snprintf(ended.message, sizeof ended.message, "%s", end->message);
        return;
    }
    memcpy(ended.values, end->outputs[0].data, sizeof ended.values);
    if (wiring->output_count > 1)
        memcpy(ended.stages, end->outputs[1].data, sizeof ended.stages);
}

static struct flow *start(int64_t time)
{
    return flow_start(flows,
                      &(struct flow_ask){.inputs = &input,
                                         .rows = ROWS,
                                         .deadline = clock_now() + time,
                                         .priority = 7,
                                         .tag = text_of("seen"),
                                         .trace = text_of(TRACE)},
                      on_end, &ended);
}

/* The next REQUEST, in `letter`; its id. */
static uint64_t expect_request(const char *model)
{
    WAIT_FOR(end_take_verb(&broker, letter, VERB_REQUEST));
    ck_assert_msg(text_is(letter->envelope.request.model, model), "%.*s",
                  (int)letter->envelope.request.model.length, letter->envelope.request.model.at);
    return letter->envelope.id;
}

static void answer_as(uint64_t id, const char *name, enum datatype datatype, const float *values,
                      int64_t count)
{
    uint8_t bytes[256];
    struct tensor tensor = {
        text_of(name), datatype, 2, {count, 1}, (const uint8_t *)values, (size_t)count * sizeof *values};
    struct text payload = {(const char *)bytes, tensors_encode(&tensor, 1, bytes, sizeof bytes, NULL)};
    struct envelope envelope = {.verb = VERB_REPLY, .id = id, .reply = {.version = text_of("3")}};
    end_send_all(&broker, &envelope, &payload, 1);
}

static void answer(uint64_t id, const float *values, int64_t count)
{
    answer_as(id, "p", DATATYPE_FP32, values, count);
}

static void refuse(uint64_t id, enum failure failure)
{
    end_send(&broker,
             &(struct envelope){.verb = VERB_REJECT,
                                .id = id,
                                .reject = {.failure = failure, .message = text_of("no room")}},
             NULL);
}

#define BOTH                                                                                                 \
    "steps = ( { name = \"a\"; model = \"one\"; version = \"3\"; },"                                         \
    "{ name = \"b\"; model = \"two\"; inputs = { x = \"x\"; }; },"                                           \
    "{ name = \"mean\"; average = ( \"a.p\", \"b.p\" ); } );"
#define CHAIN "steps = ( { name = \"a\"; model = \"one\"; }, { name = \"b\"; model = \"two\"; } );"

START_TEST(steps_that_do_not_need_each_other_are_asked_at_once)
{
    const float one[] = {1, 2, 3}, two[] = {3, 6, 9};
    begin(BOTH);
    ck_assert_ptr_nonnull(start(30 * SECOND));
    uint64_t first = expect_request("one");
    ck_assert(text_is(letter->envelope.request.version, "3"));
    ck_assert_uint_eq(letter->envelope.request.rows, ROWS);
    ck_assert_uint_eq(letter->envelope.request.priority, 7);
    ck_assert_uint_eq(letter->envelope.request.tenant, 0);
    ck_assert_uint_le(letter->envelope.request.time_left_us, 30000000);
    ck_assert_uint_ge(letter->envelope.request.time_left_us, 1000000);
    ck_assert(text_is(letter->envelope.request.tag, "seen"));
    ck_assert(text_is(letter->envelope.request.trace, TRACE));
    uint64_t second = expect_request("two");
    ck_assert_uint_eq(letter->envelope.request.version.length, 0);
    answer(second, two, ROWS);
    answer(first, one, ROWS);
    WAIT_FOR(ended.count == 1);
    ck_assert_int_eq(ended.failure, FAILURE_NONE);
    ck_assert_float_eq(ended.values[0], 2);
    ck_assert_float_eq(ended.values[2], 6);
}
END_TEST

START_TEST(what_one_step_gives_the_next_one_gets)
{
    const float one[] = {4, 5, 6}, two[] = {7, 8, 9};
    struct tensor given[TENSOR_COUNT_MAX];
    size_t count, found;
    begin(CHAIN);
    start(30 * SECOND);
    answer(expect_request("one"), one, ROWS);
    uint64_t id = expect_request("two");
    struct text payload = letter_payload(letter, 0);
    ck_assert_ptr_null(tensors_decode((const uint8_t *)payload.at, payload.length, given, &count, &found));
    ck_assert(text_is(given[0].name, "x"));
    ck_assert_mem_eq(given[0].data, one, sizeof one);
    answer(id, two, ROWS);
    WAIT_FOR(ended.count == 1);
    ck_assert_float_eq(ended.values[1], 8);
}
END_TEST

START_TEST(the_first_failure_ends_it_and_takes_back_the_rest)
{
    begin(BOTH);
    start(30 * SECOND);
    uint64_t first = expect_request("one"), second = expect_request("two");
    refuse(second, FAILURE_OVERLOADED);
    WAIT_FOR(ended.count == 1);
    ck_assert_int_eq(ended.failure, FAILURE_OVERLOADED);
    ck_assert_str_eq(ended.message, "step b (model two): no room");
    WAIT_FOR(end_take_verb(&broker, letter, VERB_CANCEL));
    ck_assert_uint_eq(letter->envelope.id, first);
}
END_TEST

START_TEST(failures_are_told_as_they_concern_the_client)
{
    static const struct {
        bool later; /* of the second step */
        enum failure failure, told;
    } cases[] = {
        {false, FAILURE_INVALID, FAILURE_INVALID},         {true, FAILURE_INVALID, FAILURE_MODEL_FAILED},
        {false, FAILURE_UNKNOWN_MODEL, FAILURE_NOT_READY}, {true, FAILURE_UNKNOWN_VERSION, FAILURE_NOT_READY},
        {false, FAILURE_RATE_LIMITED, FAILURE_OVERLOADED}, {true, FAILURE_POISON, FAILURE_POISON},
        {false, FAILURE_DEADLINE, FAILURE_DEADLINE}};
    const float one[] = {4, 5, 6};
    begin(CHAIN);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        start(30 * SECOND);
        uint64_t id = expect_request("one");
        if (cases[i].later) {
            answer(id, one, ROWS);
            id = expect_request("two");
        }
        refuse(id, cases[i].failure);
        WAIT_FOR(ended.count == (int)i + 1);
        ck_assert_msg(ended.failure == cases[i].told, "case %zu", i);
        ck_assert_str_eq(ended.message,
                         cases[i].later ? "step b (model two): no room" : "step a (model one): no room");
    }
}
END_TEST

START_TEST(an_answer_that_is_another_than_expected_is_a_failure)
{
    const float one[] = {4, 5, 6};
    begin(CHAIN);
    start(30 * SECOND);
    answer_as(expect_request("one"), "p", DATATYPE_INT32, one, ROWS);
    WAIT_FOR(ended.count == 1);
    ck_assert_int_eq(ended.failure, FAILURE_MODEL_FAILED);
    ck_assert_str_eq(ended.message,
                     "step a (model one): version 3 has another datatype or shape of output p");
    start(30 * SECOND);
    answer_as(expect_request("one"), "q", DATATYPE_FP32, one, ROWS);
    WAIT_FOR(ended.count == 2);
    ck_assert_str_eq(ended.message, "step a (model one): version 3 has no output p");
    start(30 * SECOND);
    answer(expect_request("one"), one, ROWS - 1);
    WAIT_FOR(ended.count == 3);
    ck_assert_str_eq(ended.message,
                     "step a (model one): version 3 has another datatype or shape of output p");
}
END_TEST

START_TEST(a_cascade_asks_the_next_model_for_the_rows_in_doubt)
{
    const float small[] = {0.99f, 0.6f, 0.01f}, large[] = {0.7f};
    begin(
        "steps = ( { name = \"c\"; cascade = ( { model = \"one\"; }, { model = \"two\"; version = \"5\"; } );"
        "confidence = \"p\"; threshold = 0.9; } ); outputs = { p = \"c.p\"; stage = \"c.stage\"; };");
    start(30 * SECOND);
    answer(expect_request("one"), small, ROWS);
    uint64_t id = expect_request("two");
    ck_assert_uint_eq(letter->envelope.request.rows, 1);
    ck_assert(text_is(letter->envelope.request.version, "5"));
    answer(id, large, 1);
    WAIT_FOR(ended.count == 1);
    ck_assert_int_eq(ended.failure, FAILURE_NONE);
    ck_assert_float_eq(ended.values[0], 0.99f);
    ck_assert_float_eq(ended.values[1], 0.7f); /* though it is in doubt as well: there is no third */
    ck_assert_float_eq(ended.values[2], 0.01f);
    ck_assert_int_eq(ended.stages[0], 0);
    ck_assert_int_eq(ended.stages[1], 1);
    start(30 * SECOND);
    const float sure[] = {0.99f, 0.95f, 0.01f};
    answer(expect_request("one"), sure, ROWS);
    WAIT_FOR(ended.count == 2);
    ck_assert_int_eq(ended.stages[1], 0);
}
END_TEST

START_TEST(its_time_is_its_models_time)
{
    begin(CHAIN);
    start(20 * MILLISECOND);
    expect_request("one");
    WAIT_FOR(ended.count == 1);
    ck_assert_int_eq(ended.failure, FAILURE_DEADLINE);
    ck_assert_ptr_nonnull(strstr(ended.message, "step a (model one): "));
}
END_TEST

START_TEST(who_has_gone_is_not_computed_for)
{
    begin(CHAIN);
    struct flow *flow = start(30 * SECOND);
    uint64_t id = expect_request("one");
    flow_cancel(flow);
    WAIT_FOR(end_take_verb(&broker, letter, VERB_CANCEL));
    ck_assert_uint_eq(letter->envelope.id, id);
    ck_assert_int_eq(ended.count, 0);
}
END_TEST

START_TEST(a_full_window_is_told_at_once)
{
    begin(BOTH);
    flows_free(flows);
    end_close(&broker);
    reopen_client(1);
    flows = flows_new(wiring, client, metrics, "p", "1");
    ck_assert_ptr_null(start(30 * SECOND));
    ck_assert_int_eq(ended.count, 1);
    ck_assert_int_eq(ended.failure, FAILURE_OVERLOADED);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {steps_that_do_not_need_each_other_are_asked_at_once,
                                  what_one_step_gives_the_next_one_gets,
                                  the_first_failure_ends_it_and_takes_back_the_rest,
                                  failures_are_told_as_they_concern_the_client,
                                  an_answer_that_is_another_than_expected_is_a_failure,
                                  a_cascade_asks_the_next_model_for_the_rows_in_doubt,
                                  its_time_is_its_models_time,
                                  who_has_gone_is_not_computed_for,
                                  a_full_window_is_told_at_once};
    return SUITE_RUN("flow", flow_set_up, flow_tear_down, tests);
}
