/* test_once: the header Idempotency-Key: which values are keys, what makes two requests the same, and how the
 * answers look. SPDX-License-Identifier: MIT */
#include "api_scene.h"
#include "once.h"

#include <stdlib.h>

#define PREDICT  "/api/v1/models/three/predict"
#define ZEROS    "0,0,0,0,0,0,0,0,0,"
#define FEATURES "{\"features\":[1,2,3]}"

static void begin(void)
{
    set_up();
    config.idempotency_keys = 100;
}

/* ---- the header ---- */

static bool is_key(const char *value, const char *expected)
{
    char key[ONCE_KEY_MAX];
    size_t length = once_read_key(value, key);
    return text_is((struct text){key, length}, expected);
}

START_TEST(a_key_stands_in_quotes_or_without)
{
    ck_assert(is_key("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324"));
    ck_assert(is_key("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"));
    ck_assert(is_key("\"a\\\"b\\\\c\"", "a\"b\\c"));
    ck_assert(is_key("a\"b\\c,;~!", "a\"b\\c,;~!"));
    ck_assert(is_key("a;p=1", "a;p=1"));
}
END_TEST

START_TEST(a_key_in_quotes_is_a_string_of_structured_fields)
{
    ck_assert(is_key("\"two words, and a \\\"third\\\"\"", "two words, and a \"third\""));
    ck_assert(is_key("\" \"", " "));
    ck_assert(is_key("  \"a\"  ", "a"));
    ck_assert(is_key("\"a\";p=1; q", "a"));
}
END_TEST

START_TEST(what_is_no_key_is_none)
{
    static const char *const wrong[] = {
        "",     "\"\"", "\"",  "\"a",       "\"a\"b", "\"a\\b\"",   "\"a\\",  "\"a\tb\"",  "a b",
        "a, b", " a",   "a\t", "\"a\x7f\"", "\x80",   "k\xc3\xa9y", "a\x01b", "\"a\";P=1", "\"a\", \"b\""};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_assert_msg(is_key(wrong[i], ""), "%s", wrong[i]);
}
END_TEST

START_TEST(a_key_has_at_most_255_characters)
{
    char key[ONCE_KEY_MAX], value[ONCE_KEY_MAX + 8];
    for (size_t length = 254; length <= 256; length++) {
        size_t expected = length <= 255 ? length : 0;
        memset(value, 'k', length);
        value[length] = '\0';
        ck_assert_uint_eq(once_read_key(value, key), expected);
        memset(value + 1, 'k', length);
        value[0] = value[length + 1] = '"';
        value[length + 2] = '\0';
        ck_assert_uint_eq(once_read_key(value, key), expected);
    }
}
END_TEST

START_TEST(a_wrong_header_is_named)
{
    const char *const wrong[] = {"HTTP_IDEMPOTENCY_KEY=a b", NULL};
    ck_assert_int_eq(handle("POST", PREDICT, FEATURES, wrong), API_RESPOND);
    problem_is(400, "invalid", "Idempotency-Key: expected one key of 1 to 255 ASCII characters");
    const char *const two[] = {"HTTP_IDEMPOTENCY_KEY=a", "HTTP_IDEMPOTENCY_KEY=a", NULL};
    ck_assert_int_eq(handle("POST", PREDICT, FEATURES, two), API_RESPOND);
    problem_is(400, "invalid", "Idempotency-Key");
    ck_assert_int_eq(handle("POST", "/v2/models/three/infer", "{}", wrong), API_RESPOND);
    ck_assert_int_eq(response.status, 400);
    ck_assert(strstr(response.body.bytes, "{\"error\":\"Idempotency-Key: expected one key") != NULL);
}
END_TEST

START_TEST(only_predictions_look_at_it_and_only_when_it_is_on)
{
    const char *const wrong[] = {"HTTP_IDEMPOTENCY_KEY=a b", NULL};
    ck_assert_int_eq(handle("GET", "/api/v1/models", "", wrong), API_RESPOND);
    ck_assert_int_eq(response.status, 200);
    config.idempotency_keys = 0;
    ck_assert_int_eq(handle("POST", PREDICT, FEATURES, wrong), API_ASK);
    ck_assert_uint_eq(call.ask.once.length, 0);
    config.idempotency_keys = 1;
    ck_assert_int_eq(handle("POST", PREDICT, FEATURES, NULL), API_ASK);
    ck_assert_uint_eq(call.ask.once.length, 0);
}
END_TEST

/* ---- which requests are the same ---- */

/* What the broker is told of one request. */
struct told {
    char name[32], asked[32];
};

static struct told told(void)
{
    struct told result;
    ck_assert_uint_eq(call.ask.once.length, sizeof result);
    memcpy(&result, call.ask.once.at, sizeof result);
    return result;
}

static struct told tell(const char *uri, const char *text, const char *key, const char *further)
{
    char parameter[64];
    snprintf(parameter, sizeof parameter, "HTTP_IDEMPOTENCY_KEY=%s", key);
    const char *const more[] = {parameter, further, NULL};
    enum api_next next = handle("POST", uri, text, more);
    ck_assert_msg(next == API_ASK, "%.*s", (int)response.body.length, response.body.bytes);
    return told();
}

static bool same_name(const struct told *a, const struct told *b)
{
    return memcmp(a->name, b->name, sizeof a->name) == 0;
}

static bool same_question(const struct told *a, const struct told *b)
{
    return memcmp(a->asked, b->asked, sizeof a->asked) == 0;
}

START_TEST(the_same_request_is_the_same)
{
    struct told first = tell(PREDICT, FEATURES, "k", NULL);
    struct told quoted = tell(PREDICT, FEATURES, "\"k\"", "HTTP_PREFER=server-timing");
    ck_assert(same_name(&first, &quoted) && same_question(&first, &quoted));
    struct told other_key = tell(PREDICT, FEATURES, "l", NULL);
    ck_assert(!same_name(&first, &other_key) && same_question(&first, &other_key));
    struct told other_model =
        tell("/api/v1/models/thirty/predict", "{\"features\":[" ZEROS ZEROS ZEROS "0,0,0]}", "k", NULL);
    ck_assert(!same_name(&first, &other_model));
}
END_TEST

START_TEST(another_body_version_call_or_type_is_another_question)
{
    struct told first = tell(PREDICT, FEATURES, "k", NULL);
    const struct told others[] = {
        tell(PREDICT, "{\"features\":[1,2,4]}", "k", NULL),
        tell(PREDICT, "{\"features\":[1,2, 3]}", "k", NULL),
        tell("/api/v1/models/three/versions/2/predict", FEATURES, "k", NULL),
        tell("/api/v1/models/three/versions/1/predict", FEATURES, "k", NULL),
        tell(PREDICT, FEATURES, "k", "CONTENT_TYPE=application/json"),
        tell("/api/v1/models/three/batch-predict", "{\"instances\":[[1,2,3]]}", "k", NULL)};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        ck_assert(same_name(&first, &others[i]));
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(!same_question(&others[i], &others[j]), "%zu and %zu", i, j);
        ck_assert_msg(!same_question(&first, &others[i]), "%zu", i);
    }
}
END_TEST

/* One text does not flow into the next. */
START_TEST(what_stands_side_by_side_is_told_apart)
{
    struct told first = tell(PREDICT, FEATURES, "k", "CONTENT_TYPE=application/json");
    struct told second = tell(PREDICT, " " FEATURES, "k", "CONTENT_TYPE=application/json");
    struct told third = tell(PREDICT, FEATURES, "k", "CONTENT_TYPE=application/json ");
    ck_assert(!same_question(&second, &third) && !same_question(&first, &second));
}
END_TEST

static struct told tell_as(enum identity_kind kind, uint64_t tenant, const char *name)
{
    static const char *const parameters[] = {"REQUEST_METHOD=POST", "REQUEST_URI=" PREDICT,
                                             "HTTP_IDEMPOTENCY_KEY=k", NULL};
    http_request_read(&request, (char **)parameters, &ids);
    api_call_end(&call);
    call.identity.kind = kind;
    call.identity.tenant = tenant;
    text_copy(text_of(name), call.identity.name, sizeof call.identity.name);
    http_response_begin(&response, &request);
    ck_assert(once_begin(&config, &request, &call, &response));
    call.ask.model = text_of("three");
    once_fill(&call);
    return told();
}

START_TEST(nobody_meets_the_key_of_another)
{
    const struct told all[] = {tell_as(IDENTITY_KEY, 5, "ann"), tell_as(IDENTITY_KEY, 6, "ann"),
                               tell_as(IDENTITY_KEY, 5, "bob"), tell_as(IDENTITY_WEB_SERVER, 5, "ann"),
                               tell_as(IDENTITY_NOBODY, 0, "")};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        for (size_t j = 0; j < i; j++)
            ck_assert(!same_name(&all[i], &all[j]) && same_question(&all[i], &all[j]));
    struct told again = tell_as(IDENTITY_KEY, 5, "ann");
    ck_assert(same_name(&again, &all[0]));
    struct told nobody = tell_as(IDENTITY_NOBODY, 7, "");
    ck_assert(!same_name(&nobody,
                         &all[4])); /* whose limits hold, whose names hold, too: of a key that need not be */
}
END_TEST

/* The rule's choice is not the client's, who sends the same. */
START_TEST(a_version_that_the_route_chose_is_not_asked_for)
{
    struct told versions[3];
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        tell_as(IDENTITY_NOBODY, 0, ""); /* makes call.once */
        api_call_end(&call);
        call.identity.kind = IDENTITY_NOBODY;
        ck_assert(once_begin(&config, &request, &call, &response));
        call.ask.model = text_of("three");
        call.ask.version = text_of(i == 1 ? "2" : "");
        call.steered = i == 1 ? STEERED_BY_RULE : STEERED_NOT;
        if (i == 2)
            call.ask.version = text_of("2");
        once_fill(&call);
        versions[i] = told();
    }
    ck_assert(same_question(&versions[0], &versions[1]));
    ck_assert(!same_question(&versions[0], &versions[2]));
}
END_TEST

/* ---- the answers ---- */

static void replay(struct client_answer *came)
{
    const char *const more[] = {"HTTP_IDEMPOTENCY_KEY=k", NULL};
    ck_assert_int_eq(handle("POST", PREDICT, FEATURES, more), API_ASK);
    client_request_discard(api_call_take(&call));
    came->replayed = true;
    api_answer(&call, came, &response);
}

START_TEST(a_replay_says_so_and_names_the_request_that_was_computed)
{
    struct client_answer came = {.version = text_of("1"), .age_us = 3000000, .tag = text_of("r0")};
    uint8_t *payload = answered(1, &came.payload_bytes);
    came.payload = payload;
    replay(&came);
    free(payload);
    ck_assert_int_eq(response.status, 200);
    body_is("{\"prediction\":1,\"probability\":0.75,\"probabilities\":[0.25,0.75],\"label\":\"yes\","
            "\"model\":\"three\",\"model_version\":\"1\",\"request_id\":\"r0\"}\n");
    ck_assert_str_eq(response.id, "r1");
    ck_assert(strstr(response.extra, "Idempotency-Replayed: true\r\n") != NULL);
    ck_assert(strstr(response.extra, "Age: 3\r\n") != NULL);
}
END_TEST

START_TEST(a_refusal_that_is_replayed_says_so)
{
    replay(&(struct client_answer){.failure = FAILURE_INVALID, .message = text_of("three columns")});
    problem_is(400, "invalid", "three columns");
    ck_assert_str_eq(response.extra, "Idempotency-Replayed: true\r\n");
}
END_TEST

START_TEST(conflicts_are_told_in_both_dialects)
{
    static const struct {
        enum failure failure;
        int status;
        const char *kind, *words;
        uint64_t retry_after;
    } cases[] = {{FAILURE_KEY_RUNNING, 409, "idempotency_key_running", "is still under way", 1},
                 {FAILURE_KEY_REUSED, 422, "idempotency_key_reused", "with another request before", 0}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct client_answer came = {.failure = cases[i].failure, .message = text_of(cases[i].words)};
        tell(PREDICT, FEATURES, "k", NULL);
        client_request_discard(api_call_take(&call));
        api_answer(&call, &came, &response);
        ck_assert_int_eq(response.status, cases[i].status);
        ck_assert_str_eq(response.kind, cases[i].kind);
        ck_assert_uint_eq(response.retry_after, cases[i].retry_after);
        ck_assert_str_eq(response.content_type, "application/problem+json");
        ck_assert(strstr(response.body.bytes, cases[i].words) != NULL);
        ck_assert_str_eq(response.extra, "");
        tell("/v2/models/three/infer",
             "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,3],\"data\":[1,2,3]}]}", "k",
             NULL);
        client_request_discard(api_call_take(&call));
        api_answer(&call, &came, &response);
        ck_assert_int_eq(response.status, cases[i].status);
        ck_assert_str_eq(response.content_type, "application/json");
        ck_assert(strncmp(response.body.bytes, "{\"error\":", 9) == 0);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_key_stands_in_quotes_or_without,
                                  a_key_in_quotes_is_a_string_of_structured_fields,
                                  what_is_no_key_is_none,
                                  a_key_has_at_most_255_characters,
                                  a_wrong_header_is_named,
                                  only_predictions_look_at_it_and_only_when_it_is_on,
                                  the_same_request_is_the_same,
                                  another_body_version_call_or_type_is_another_question,
                                  what_stands_side_by_side_is_told_apart,
                                  nobody_meets_the_key_of_another,
                                  a_version_that_the_route_chose_is_not_asked_for,
                                  a_replay_says_so_and_names_the_request_that_was_computed,
                                  a_refusal_that_is_replayed_says_so,
                                  conflicts_are_told_in_both_dialects};
    return SUITE_RUN("once", begin, tear_down, tests);
}
