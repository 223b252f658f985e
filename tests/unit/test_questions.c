/* test_questions: a version is asked until there are no more questions, whatever a broker says in between.
 * SPDX-License-Identifier: MIT */
#include "questions.h"

#include "example_schema.h"
#include "scratch_directory.h"
#include "threaded_broker.h"

enum { QUESTIONS = 50 };

static struct threaded_broker played;
static struct schema *schema;
static struct config config;
static struct questions *questions;
static char reason[QUESTIONS_REASON_MAX];

/* What is asked, and what came back. */
static struct {
    unsigned made, answered, wrong;
    unsigned fails_at;    /* the question that cannot be made; 0: none */
    bool refuses;         /* the first answer */
    struct question like; /* what the questions have beside their payload */
    enum failure failure; /* of the last answer */
} asking;

static void echo(struct threaded_broker *broker, const struct letter *request)
{
    threaded_reply(broker, request, request->payloads[0]);
}

static void set_up(void)
{
    scratch_make();
    schema = example_classifier(2);
    played = (struct threaded_broker){.model = "m", .versions = {"1", "2"}, .schema = schema, .answer = echo};
    snprintf(played.endpoint, sizeof played.endpoint, "ipc://%s/askers.ipc", scratch_directory);
    config = (struct config){.broker_askers = played.endpoint, .broker_max_message_bytes = 65536};
}

static void tear_down(void)
{
    questions_free(questions);
    threaded_stop(&played);
    schema_free(schema);
    scratch_remove();
}

static const struct schema *open_version(const char *model, const char *version, const char **name)
{
    threaded_start(&played);
    questions = questions_new(&config, "test");
    return questions_version(questions, model, version, name, reason);
}

static int next(void *self, struct question *question, char why[QUESTIONS_REASON_MAX])
{
    static char payload[16];
    (void)self;
    if (asking.made == QUESTIONS)
        return 0;
    if (++asking.made == asking.fails_at) {
        snprintf(why, QUESTIONS_REASON_MAX, "it cannot be made");
        return -1;
    }
    unsigned *context = object_alloc(sizeof *context);
    *context = asking.made;
    int length = snprintf(payload, sizeof payload, "%u", asking.made);
    *question = asking.like;
    question->context = context;
    question->payload = (const uint8_t *)payload;
    question->bytes = (size_t)length;
    question->rows = 1;
    return 1;
}

static bool taken(void *self, void *context, const struct client_answer *answer,
                  char why[QUESTIONS_REASON_MAX])
{
    char expected[16];
    (void)self;
    snprintf(expected, sizeof expected, "%u", *(unsigned *)context);
    free(context);
    asking.answered++;
    asking.failure = answer->failure;
    asking.wrong += !text_is((struct text){(const char *)answer->payload, answer->payload_bytes}, expected);
    if (asking.refuses)
        snprintf(why, QUESTIONS_REASON_MAX, "it is not what we want");
    return !asking.refuses;
}

static bool ask_all(void)
{
    return questions_all(questions, next, taken, NULL, reason);
}

START_TEST(all_questions_are_answered)
{
    const char *name;
    const struct schema *found = open_version("m", NULL, &name);
    ck_assert_msg(found != NULL, "%s", reason);
    ck_assert_str_eq(name, "1");
    ck_assert_uint_eq(found->label_count, 2);
    ck_assert(ask_all());
    ck_assert_uint_eq(asking.answered, QUESTIONS);
    ck_assert_uint_eq(asking.wrong, 0);
}
END_TEST

/* As a worker comes or a route changes while it is asked. */
static void tell_and_echo(struct threaded_broker *broker, const struct letter *request)
{
    threaded_catalog(broker);
    echo(broker, request);
}

START_TEST(catalogs_meanwhile_end_nothing)
{
    const char *name;
    played.answer = tell_and_echo;
    ck_assert_ptr_nonnull(open_version("m", "2", &name));
    ck_assert(ask_all());
    ck_assert_uint_eq(asking.answered, QUESTIONS);
    ck_assert_uint_eq(asking.wrong, 0);
}
END_TEST

static void reject_first(struct threaded_broker *broker, const struct letter *request)
{
    if (broker->requests <= 3)
        threaded_reject(broker, request, FAILURE_OVERLOADED, "the queue is full");
    else
        echo(broker, request);
}

START_TEST(what_there_is_no_room_for_is_asked_again)
{
    const char *name;
    played.answer = reject_first;
    ck_assert_ptr_nonnull(open_version("m", NULL, &name));
    ck_assert(ask_all());
    ck_assert_uint_eq(asking.answered, QUESTIONS);
    ck_assert_uint_eq(asking.wrong, 0);
}
END_TEST

/* As when we have read from a pipe meanwhile, or the worker was slow. */
static void ignore_first(struct threaded_broker *broker, const struct letter *request)
{
    if (broker->requests > 1)
        echo(broker, request);
}

START_TEST(what_was_not_answered_in_time_is_asked_once_more)
{
    const char *name;
    played.answer = ignore_first;
    asking.made = QUESTIONS - 1;
    asking.like.time = 500 * MILLISECOND;
    ck_assert_ptr_nonnull(open_version("m", NULL, &name));
    ck_assert(ask_all());
    ck_assert_uint_eq(asking.answered, 1);
    ck_assert_int_eq(asking.failure, FAILURE_NONE);
}
END_TEST

static void expect_all_of_it(struct threaded_broker *broker, const struct letter *request)
{
    ck_assert(text_is(request->envelope.request.model, "other"));
    ck_assert(text_is(request->envelope.request.version, "7"));
    ck_assert(text_is(request->envelope.request.tag, "tag"));
    threaded_reject(broker, request, FAILURE_OVERLOADED, "the queue is full");
}

/* And no version need be known for it. */
START_TEST(a_question_may_be_asked_only_once)
{
    played.answer = expect_all_of_it;
    asking.made = QUESTIONS - 1;
    asking.like = (struct question){
        .model = text_of("other"), .version = text_of("7"), .tag = text_of("tag"), .once = true};
    threaded_start(&played);
    questions = questions_new(&config, "test");
    ck_assert(ask_all());
    ck_assert_uint_eq(asking.answered, 1);
    ck_assert_int_eq(asking.failure, FAILURE_OVERLOADED);
}
END_TEST

START_TEST(what_there_is_not_is_said_at_once)
{
    const char *name;
    ck_assert_ptr_null(open_version("n", NULL, &name));
    ck_assert_str_eq(reason, "there is no model n; there is m");
    questions_free(questions);
    questions = questions_new(&config, "test");
    ck_assert_ptr_null(questions_version(questions, "m", "3", &name, reason));
    ck_assert_str_eq(reason, "model m has no version 3; it has 1, 2");
}
END_TEST

START_TEST(a_question_that_cannot_be_made_ends_it)
{
    const char *name;
    asking.fails_at = 7;
    ck_assert_ptr_nonnull(open_version("m", NULL, &name));
    ck_assert(!ask_all());
    ck_assert_str_eq(reason, "it cannot be made");
    ck_assert_uint_lt(asking.answered, 7);
}
END_TEST

START_TEST(an_answer_that_is_refused_ends_it)
{
    const char *name;
    asking.refuses = true;
    ck_assert_ptr_nonnull(open_version("m", NULL, &name));
    ck_assert(!ask_all());
    ck_assert_str_eq(reason, "it is not what we want");
    ck_assert_uint_eq(asking.answered, 1);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        all_questions_are_answered,
        catalogs_meanwhile_end_nothing,
        what_there_is_no_room_for_is_asked_again,
        what_was_not_answered_in_time_is_asked_once_more,
        a_question_may_be_asked_only_once,
        what_there_is_not_is_said_at_once,
        a_question_that_cannot_be_made_ends_it,
        an_answer_that_is_refused_ends_it,
    };
    return SUITE_RUN("questions", set_up, tear_down, tests);
}
