/* test_errands: questions to control sockets that answer, that are silent, that talk nonsense and that are
 * not there, on one loop. SPDX-License-Identifier: MIT */
#include "control.h"
#include "errands.h"
#include "letters.h"
#include "scratch_directory.h"
#include "suite.h"
#include "unix_socket.h"

#include <sys/socket.h>

enum { ASKERS = 10 };

static struct errands *errands;
static struct control *supervisor, *broker;
static char last[ERRAND_LINE_MAX]; /* the supervisor's last command */
static int orders, statistics;     /* commands that came */

/* One who asked. */
struct asker {
    int answers;
    bool answered_well;
    int64_t number;
};
static struct asker askers[64];

static void on_order(void *self, yyjson_val *request, yyjson_mut_doc *reply)
{
    (void)self;
    orders++;
    snprintf(last, sizeof last, "%s", yyjson_get_str(yyjson_obj_get(request, "command")));
    yyjson_mut_obj_add_int(reply, yyjson_mut_doc_get_root(reply), "number", orders);
}

static void on_statistics(void *self, yyjson_val *request, yyjson_mut_doc *reply)
{
    (void)self;
    ck_assert_str_eq(yyjson_get_str(yyjson_obj_get(request, "command")), "statistics");
    statistics++;
    yyjson_mut_obj_add_int(reply, yyjson_mut_doc_get_root(reply), "number", statistics);
}

static void listen_both(void)
{
    supervisor = control_listen(letters_loop, scratch_path("supervisor.sock"), on_order, NULL);
    broker = control_listen(letters_loop, scratch_path("broker.sock"), on_statistics, NULL);
    ck_assert(supervisor != NULL && broker != NULL);
}

static void set_up(void)
{
    scratch_make();
    letters_loop = loop_new();
    errands = errands_new(letters_loop, scratch_directory);
}

static void tear_down(void)
{
    errands_free(errands);
    control_free(supervisor);
    control_free(broker);
    loop_free(letters_loop);
    scratch_remove();
}

static void answered(void *self, yyjson_val *answer)
{
    struct asker *asker = self;
    asker->answers++;
    asker->answered_well = answer != NULL;
    asker->number = yyjson_get_sint(yyjson_obj_get(answer, "number"));
}

static struct errand an_order(const char *line)
{
    struct errand errand = {.kind = ERRAND_ORDER, .deadline = clock_now() + 60 * SECOND};
    snprintf(errand.line, sizeof errand.line, "%s", line);
    return errand;
}

static void ask(struct errand errand, struct asker *asker)
{
    errands_send(errands, &errand, answered, asker);
}

static void ends_without(struct asker *asker)
{
    WAIT_FOR(asker->answers > 0);
    ck_assert_int_eq(asker->answers, 1);
    ck_assert(!asker->answered_well);
}

START_TEST(an_order_is_answered)
{
    listen_both();
    for (int i = 0; i < 3; i++) {
        ask(an_order("{\"command\":\"load\"}"), &askers[i]);
        WAIT_FOR(askers[i].answers > 0);
        ck_assert(askers[i].answered_well && askers[i].number == i + 1);
        ck_assert_str_eq(last, "load");
    }
}
END_TEST

START_TEST(an_order_waits_for_its_time)
{
    listen_both();
    struct errand later = an_order("{\"command\":\"later\"}");
    later.not_before = clock_now() + 50 * MILLISECOND;
    ask(later, &askers[0]);
    ask(an_order("{\"command\":\"now\"}"), &askers[1]);
    WAIT_FOR(askers[1].answers > 0);
    WAIT_FOR(askers[0].answers > 0);
    ck_assert_int_ge(clock_now(), later.not_before);
    ck_assert_str_eq(last, "later");
}
END_TEST

START_TEST(nobody_listens)
{
    ask(an_order("{\"command\":\"x\"}"), &askers[0]);
    ends_without(&askers[0]);
    ask((struct errand){.kind = ERRAND_STATISTICS, .deadline = clock_now() + 60 * SECOND}, &askers[1]);
    ends_without(&askers[1]);
}
END_TEST

/* A listener that is never accepted from, or answers what is no object. */
START_TEST(silence_and_nonsense_are_no_answers)
{
    static const char *const nonsense[] = {"x\n", "[1]\n", "\n", "{\"ok\":true"};
    int fd = unix_listen(scratch_path("supervisor.sock"), 0600, (gid_t)-1, 16);
    struct errand errand = an_order("{\"command\":\"x\"}");
    errand.deadline = clock_now() + 20 * MILLISECOND;
    ask(errand, &askers[0]);
    ends_without(&askers[0]);
    close(accept(fd, NULL, NULL));
    for (size_t i = 0; i < COUNT_OF(nonsense); i++) {
        ask(an_order("{\"command\":\"x\"}"), &askers[1 + i]);
        int peer = accept(fd, NULL, NULL);
        ck_assert_int_ge(peer, 0);
        ck_assert_int_eq(write(peer, nonsense[i], strlen(nonsense[i])), (ssize_t)strlen(nonsense[i]));
        close(peer);
        ends_without(&askers[1 + i]);
    }
    close(fd);
}
END_TEST

/* The first one's question is on its way when the others come: they share the next. */
START_TEST(those_who_ask_together_share_an_answer)
{
    listen_both();
    for (int round = 1; round <= 2; round++) {
        memset(askers, 0, sizeof askers);
        for (int i = 0; i < ASKERS; i++)
            ask((struct errand){.kind = ERRAND_STATISTICS, .deadline = clock_now() + 60 * SECOND},
                &askers[i]);
        for (int i = 0; i < ASKERS; i++) {
            WAIT_FOR(askers[i].answers > 0);
            ck_assert_int_eq(askers[i].answers, 1);
            ck_assert(askers[i].answered_well);
            ck_assert_int_eq(askers[i].number, 2 * round - (i == 0));
        }
        ck_assert_int_eq(statistics, 2 * round);
    }
}
END_TEST

START_TEST(one_who_cannot_wait_so_long_does_not_end_the_others)
{
    int fd = unix_listen(scratch_path("broker.sock"), 0600, (gid_t)-1, 16);
    ask((struct errand){.kind = ERRAND_STATISTICS, .deadline = clock_now() + 10 * SECOND}, &askers[0]);
    ask((struct errand){.kind = ERRAND_STATISTICS, .deadline = clock_now() + 10 * MILLISECOND}, &askers[1]);
    ends_without(&askers[1]);
    ck_assert_int_eq(askers[0].answers, 0);
    int peer = accept(fd, NULL, NULL);
    ck_assert_int_eq(write(peer, "{\"number\":7}\n", 13), 13);
    WAIT_FOR(askers[0].answers > 0);
    ck_assert_int_eq(askers[0].number, 7);
    close(peer);
    close(fd);
}
END_TEST

START_TEST(only_some_connections_are_open_at_a_time)
{
    enum { OPEN = 8 };
    int peers[OPEN];
    int fd = unix_listen(scratch_path("supervisor.sock"), 0600, (gid_t)-1, 64);
    for (int i = 0; i <= OPEN; i++)
        ask(an_order("{\"command\":\"x\"}"), &askers[i]);
    for (int i = 0; i < OPEN; i++)
        ck_assert_int_ge(peers[i] = accept(fd, NULL, NULL), 0);
    for (int i = 0; i < 10; i++)
        turn_loop();
    ck_assert_int_eq(accept(fd, NULL, NULL), -1);
    close(peers[0]);
    ends_without(&askers[0]);
    int last_peer = -1;
    WAIT_FOR((last_peer = accept(fd, NULL, NULL)) >= 0);
    ck_assert_int_eq(write(last_peer, "{\"number\":9}\n", 13), 13);
    WAIT_FOR(askers[OPEN].answers > 0);
    ck_assert_int_eq(askers[OPEN].number, 9);
    close(last_peer);
    for (int i = 1; i < OPEN; i++)
        close(peers[i]);
    close(fd);
}
END_TEST

START_TEST(the_end_of_all_ends_what_is_under_way)
{
    int fd = unix_listen(scratch_path("supervisor.sock"), 0600, (gid_t)-1, 16);
    int other = unix_listen(scratch_path("broker.sock"), 0600, (gid_t)-1, 16);
    struct errand later = an_order("{\"command\":\"later\"}");
    later.not_before = clock_now() + 60 * SECOND;
    ask(later, &askers[0]);
    ask(an_order("{\"command\":\"x\"}"), &askers[1]);
    for (int i = 2; i < 5; i++)
        ask((struct errand){.kind = ERRAND_STATISTICS, .deadline = clock_now() + 60 * SECOND}, &askers[i]);
    errands_free(errands);
    errands = NULL;
    for (int i = 0; i < 5; i++)
        ck_assert(askers[i].answers == 1 && !askers[i].answered_well);
    close(fd);
    close(other);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_order_is_answered,
        an_order_waits_for_its_time,
        nobody_listens,
        silence_and_nonsense_are_no_answers,
        those_who_ask_together_share_an_answer,
        one_who_cannot_wait_so_long_does_not_end_the_others,
        only_some_connections_are_open_at_a_time,
        the_end_of_all_ends_what_is_under_way,
    };
    return SUITE_RUN("errands", set_up, tear_down, tests);
}
