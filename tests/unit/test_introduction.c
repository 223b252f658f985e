/* test_introduction: what the broker hears of workers: all of them, in lines that it takes.
 * SPDX-License-Identifier: MIT */
#include "control.h"
#include "introduction.h"
#include "loop.h"
#include "scratch_directory.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* The broker, in a thread of its own: the supervisor waits for what it answers. */
static struct loop *loop;
static struct control *broker;
static pthread_t thread;
static size_t lines, workers, answers;
static atomic_size_t refuses; /* the line of that number; 0: none */
static uint64_t answered;
static uint64_t pids; /* their sum */

static void on_line(void *self, yyjson_val *request, yyjson_mut_doc *reply)
{
    (void)self;
    size_t i, count;
    yyjson_val *worker, *list = yyjson_obj_get(request, "workers"),
                        *answer = yyjson_obj_get(request, "answer");
    if (yyjson_equals_str(yyjson_obj_get(request, "command"), "mark"))
        return;
    ck_assert(yyjson_equals_str(yyjson_obj_get(request, "command"), "announce"));
    ck_assert(yyjson_is_arr(list));
    ck_assert_uint_eq(answers, 0); /* nothing comes behind the answer */
    yyjson_arr_foreach(list, i, count, worker)
    {
        yyjson_val *token = yyjson_obj_get(worker, "token");
        ck_assert(worker_token_ok((struct text){yyjson_get_str(token), yyjson_get_len(token)}));
        ck_assert_uint_ge(yyjson_get_len(yyjson_obj_get(worker, "model")), 1);
        ck_assert(yyjson_equals_str(yyjson_obj_get(worker, "version"), "1"));
        pids += yyjson_get_uint(yyjson_obj_get(worker, "pid"));
        workers++;
    }
    answers += answer != NULL;
    answered = yyjson_get_uint(answer);
    if (++lines == refuses)
        control_refuse(reply, "it is a test");
}

static void stop(void *self)
{
    loop_stop(self);
}

static void *serve(void *self)
{
    loop_run(self);
    return NULL;
}

static void set_up(void)
{
    scratch_make();
    loop = loop_new();
    ck_assert_int_eq(loop_signal(loop, SIGUSR1, stop, loop), 0);
    broker = control_listen(loop, scratch_path("broker.sock"), on_line, NULL);
    ck_assert_ptr_nonnull(broker);
    lines = workers = answers = answered = pids = 0;
    refuses = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, serve, loop), 0);
}

/* What has been sent is handled before the signal: in the order in which it came. */
static void finish(void)
{
    yyjson_doc_free(control_call(scratch_path("broker.sock"), "{\"command\":\"mark\"}", 60000));
    kill(getpid(), SIGUSR1);
    pthread_join(thread, NULL);
}

static void tear_down(void)
{
    control_free(broker);
    loop_free(loop);
    scratch_remove();
}

/* Workers of 1 to that number, of a model with the longest name that there may be. */
static void introduce(pid_t count, uint64_t question)
{
    char model[129];
    memset(model, 'm', 128);
    model[128] = '\0';
    struct introduction *introduction = introduction_new(scratch_path("broker.sock"), question);
    for (pid_t pid = 1; pid <= count; pid++) {
        struct worker_token token = worker_token_draw();
        introduction_add(introduction, &token, model, "1", pid);
    }
    introduction_end(introduction);
}

START_TEST(each_is_told_once_and_the_last_line_answers)
{
    introduce(250, 7);
    finish();
    ck_assert_uint_eq(lines, 3);
    ck_assert_uint_eq(workers, 250);
    ck_assert_uint_eq(pids, 250 * 251 / 2);
    ck_assert_uint_eq(answered, 7);
}
END_TEST

START_TEST(nobody_waits_who_was_not_asked)
{
    introduce(250, 0);
    introduce(100, 0); /* a line that is full is no two */
    introduce(0, 0);   /* says nothing */
    finish();
    ck_assert_uint_eq(lines, 4);
    ck_assert_uint_eq(workers, 350);
    ck_assert_uint_eq(answers, 0);
}
END_TEST

START_TEST(nobody_is_an_answer_too)
{
    introduce(0, 9);
    finish();
    ck_assert_uint_eq(lines, 1);
    ck_assert_uint_eq(workers, 0);
    ck_assert_uint_eq(answered, 9);
}
END_TEST

START_TEST(an_answer_that_misses_somebody_is_none)
{
    refuses = 2;
    introduce(250, 7);
    finish();
    ck_assert_uint_eq(lines, 2);
    ck_assert_uint_eq(answers, 0);
}
END_TEST

START_TEST(who_has_no_token_is_passed_over)
{
    struct worker_token none = {""};
    struct introduction *introduction = introduction_new(scratch_path("broker.sock"), 9);
    introduction_add(introduction, &none, "m", "1", 1);
    introduction_end(introduction);
    finish();
    ck_assert_uint_eq(answers, 1);
    ck_assert_uint_eq(workers, 0);
}
END_TEST

START_TEST(a_broker_that_is_away_is_no_fault)
{
    for (uint64_t question = 0; question < 2; question++) {
        struct worker_token token = worker_token_draw();
        struct introduction *introduction = introduction_new(scratch_path("nobody.sock"), question);
        introduction_add(introduction, &token, "m", "1", 1);
        introduction_end(introduction);
    }
    finish();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {each_is_told_once_and_the_last_line_answers,
                                  nobody_waits_who_was_not_asked,
                                  nobody_is_an_answer_too,
                                  an_answer_that_misses_somebody_is_none,
                                  who_has_no_token_is_passed_over,
                                  a_broker_that_is_away_is_no_fault};
    return SUITE_RUN("introduction", set_up, tear_down, tests);
}
