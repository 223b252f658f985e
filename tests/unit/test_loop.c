/* test_loop: the order of timers, descriptors that come and go inside callbacks, and signals.
 * SPDX-License-Identifier: MIT */
#include "loop_scene.h"

#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>

/* ---- timers ---- */

START_TEST(timers_fire_in_the_order_of_their_deadlines)
{
    int64_t now = clock_now();
    set_timer(3, now + 3 * MILLISECOND);
    set_timer(1, now + 1 * MILLISECOND);
    set_timer(2, now + 2 * MILLISECOND);
    set_timer(0, now - SECOND); /* long over */
    set_timer(5, now + SECOND * 1000);
    loop_timer_cancel(loop, &timers[5]);
    set_timer(4, now + SECOND * 1000);
    set_timer(4, now + 4 * MILLISECOND); /* moved to the front */
    struct loop_timer end = {0};
    loop_timer_set(loop, &end, now + 5 * MILLISECOND, stop, NULL);
    loop_run(loop);
    ck_assert_str_eq(fired, "01234");
    for (size_t i = 0; i < COUNT_OF(timers); i++)
        ck_assert(!heap_contains(&timers[i].node));
}
END_TEST

START_TEST(no_timer_fires_early)
{
    for (int i = 0; i < 20; i++) {
        struct loop_timer timer = {0};
        int64_t at = clock_now() + i * 100 * MICROSECOND;
        loop_timer_set(loop, &timer, at, stop, NULL);
        loop_run(loop);
        ck_assert_int_ge(loop_now(loop), at);
        ck_assert_int_le(loop_now(loop), clock_now());
    }
}
END_TEST

static void set_next_and_cancel_another(void *self)
{
    fire(self);
    set_timer(1, loop_now(loop)); /* due at once: fires in this turn */
    loop_timer_cancel(loop, &timers[2]);
}

START_TEST(a_timer_may_set_and_cancel_others)
{
    int64_t now = clock_now() - SECOND;
    loop_timer_set(loop, &timers[0], now, set_next_and_cancel_another, &timers[0]);
    set_timer(2, now + 1); /* due, too, in the same turn */
    settle();
    ck_assert_str_eq(fired, "01");
}
END_TEST

/* ---- running ---- */

START_TEST(a_stop_before_the_run_counts_once)
{
    loop_stop(loop);
    loop_run(loop); /* returns */
    set_timer(0, 0);
    settle(); /* runs */
    ck_assert_str_eq(fired, "0");
}
END_TEST

START_TEST(each_turn_ends_with_its_calls)
{
    int other = 0;
    loop_each_turn(loop, count_turn, &turns);
    loop_each_turn(loop, count_turn, &other);
    settle();
    ck_assert_int_ge(turns, 1);
    ck_assert_int_eq(turns, other);
}
END_TEST

static void handle_nothing(int number)
{
    (void)number;
}

START_TEST(an_interrupted_sleep_is_no_error)
{
    struct sigaction action = {.sa_handler = handle_nothing};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {.it_interval = {.tv_usec = 500}, .it_value = {.tv_usec = 500}};
    setitimer(ITIMER_REAL, &often, NULL);
    struct loop_timer end = {0};
    loop_timer_set(loop, &end, clock_now() + 20 * MILLISECOND, stop, NULL);
    loop_run(loop);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
}
END_TEST

START_TEST(free_takes_null)
{
    loop_free(NULL);
}
END_TEST

/* ---- descriptors ---- */

START_TEST(a_ready_descriptor_is_called_with_its_events)
{
    struct pair pair;
    open_pair(&pair);
    ck_assert_int_eq(loop_add(loop, pair.fds[0], EPOLLIN | EPOLLRDHUP, read_one, &pair), 0);
    settle();
    ck_assert_int_eq(pair.calls, 0);
    write_to(&pair);
    settle();
    ck_assert_int_eq(pair.calls, 1);
    ck_assert_uint_eq(pair.events, EPOLLIN);
    ck_assert_int_eq(loop_modify(loop, pair.fds[0], EPOLLOUT | EPOLLET), 0);
    settle();
    ck_assert_int_eq(pair.calls, 2);
    ck_assert_uint_eq(pair.events, EPOLLOUT);
    shutdown(pair.fds[1], SHUT_RDWR);
    settle();
    ck_assert_uint_ne(pair.events & EPOLLHUP, 0);
    loop_remove(loop, pair.fds[0]);
    int calls = pair.calls;
    settle();
    ck_assert_int_eq(pair.calls, calls);
    close_pair(&pair);
}
END_TEST

/* Many that are ready, and one that becomes so while they are handled. */
enum { CROWD = 8 };
static struct pair crowd[CROWD + 1];
static int turns_before_last;

static void write_to_the_last(void *self, int fd, uint32_t events)
{
    read_one(self, fd, events);
    if (crowd[CROWD].calls == 0)
        write_to(&crowd[CROWD]);
}

static void note_turns(void *self, int fd, uint32_t events)
{
    read_one(self, fd, events);
    if (crowd[CROWD].calls == 1)
        turns_before_last = turns;
}

START_TEST(what_becomes_ready_while_much_is_handled_belongs_to_the_turn)
{
    turns_before_last = -1;
    loop_each_turn(loop, count_turn, &turns);
    settle();
    for (int i = 0; i <= CROWD; i++) {
        open_pair(&crowd[i]);
        ck_assert_int_eq(
            loop_add(loop, crowd[i].fds[0], EPOLLIN, i < CROWD ? write_to_the_last : note_turns, &crowd[i]),
            0);
        if (i < CROWD)
            write_to(&crowd[i]);
    }
    turns = 0;
    settle();
    ck_assert_int_eq(turns_before_last, 1); /* the one with which loop_run begins */
    for (int i = 0; i <= CROWD; i++) {
        loop_remove(loop, crowd[i].fds[0]);
        close_pair(&crowd[i]);
    }
}
END_TEST

static struct pair pairs[2];

/* Whichever of the two comes first takes the other out: the second must not be called although it is ready.
 */
static void remove_the_other(void *self, int fd, uint32_t events)
{
    struct pair *pair = self;
    read_one(self, fd, events);
    loop_remove(loop, pairs[pair == &pairs[0]].fds[0]);
}

START_TEST(what_was_removed_in_this_turn_is_not_called)
{
    for (int i = 0; i < 2; i++) {
        open_pair(&pairs[i]);
        loop_add(loop, pairs[i].fds[0], EPOLLIN, remove_the_other, &pairs[i]);
        write_to(&pairs[i]);
    }
    settle();
    ck_assert_int_eq(pairs[0].calls + pairs[1].calls, 1);
    for (int i = 0; i < 2; i++) {
        loop_remove(loop, pairs[i].fds[0]); /* twice does no harm */
        close_pair(&pairs[i]);
    }
}
END_TEST

static struct pair fresh;

/* Closes the other and opens a new descriptor with the same number, watched and silent. */
static void replace_the_other(void *self, int fd, uint32_t events)
{
    struct pair *pair = self, *other = &pairs[pair == &pairs[0]];
    read_one(self, fd, events);
    if (fresh.fds[0] != 0)
        return;
    int number = other->fds[0];
    loop_remove(loop, number);
    close(number);
    open_pair(&fresh);
    if (fresh.fds[0] != number) {
        ck_assert_int_eq(dup2(fresh.fds[0], number), number);
        close(fresh.fds[0]);
        fresh.fds[0] = number;
    }
    other->fds[0] = -1;
    ck_assert_int_eq(loop_add(loop, number, EPOLLIN, read_one, &fresh), 0);
}

START_TEST(an_old_event_does_not_reach_a_new_descriptor_of_the_same_number)
{
    for (int i = 0; i < 2; i++) {
        open_pair(&pairs[i]);
        loop_add(loop, pairs[i].fds[0], EPOLLIN, replace_the_other, &pairs[i]);
        write_to(&pairs[i]);
    }
    settle();
    ck_assert_int_eq(pairs[0].calls + pairs[1].calls, 1);
    ck_assert_int_eq(fresh.calls, 0);
    write_to(&fresh);
    settle();
    ck_assert_int_eq(fresh.calls, 1);
    close_pair(&fresh);
}
END_TEST

START_TEST(what_the_kernel_does_not_watch_is_an_error)
{
    FILE *file = tmpfile();
    ck_assert_int_eq(loop_add(loop, fileno(file), EPOLLIN, read_one, NULL), -1);
    ck_assert_int_eq(errno, EPERM);
    fclose(file);
    ck_assert_int_eq(loop_add(loop, 1000, EPOLLIN, read_one, NULL), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(loop_modify(loop, 1000, EPOLLIN), -1);
    loop_remove(loop, 1000);
    struct pair pair;
    open_pair(&pair); /* most likely the file's number: a failed add leaves the place free */
    ck_assert_int_eq(loop_add(loop, pair.fds[0], EPOLLIN, read_one, &pair), 0);
    loop_remove(loop, pair.fds[0]);
    close_pair(&pair);
}
END_TEST

START_TEST(more_descriptors_than_a_turn_takes_are_all_served)
{
    enum { MANY = 400 };
    static struct pair many[MANY];
    for (int i = 0; i < MANY; i++) {
        open_pair(&many[i]);
        ck_assert_int_eq(loop_add(loop, many[i].fds[0], EPOLLIN, read_one, &many[i]), 0);
        write_to(&many[i]);
    }
    settle();
    settle();
    settle();
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(many[i].calls, 1);
        loop_remove(loop, many[i].fds[0]);
        close_pair(&many[i]);
    }
}
END_TEST

/* ---- signals ---- */

START_TEST(signals_are_calls)
{
    int first = 0, second = 0;
    ck_assert_int_eq(loop_signal(loop, SIGUSR1, count_turn, &first), 0);
    ck_assert_int_eq(loop_signal(loop, SIGUSR2, count_turn, &second), 0);
    raise(SIGUSR1);
    settle();
    ck_assert_int_eq(first, 1);
    ck_assert_int_eq(second, 0);
    raise(SIGUSR2);
    raise(SIGUSR1);
    raise(SIGUSR1); /* a pending signal is not counted twice by the kernel */
    settle();
    ck_assert_int_eq(first, 2);
    ck_assert_int_eq(second, 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {timers_fire_in_the_order_of_their_deadlines,
                                  no_timer_fires_early,
                                  a_timer_may_set_and_cancel_others,
                                  a_stop_before_the_run_counts_once,
                                  each_turn_ends_with_its_calls,
                                  an_interrupted_sleep_is_no_error,
                                  free_takes_null,
                                  a_ready_descriptor_is_called_with_its_events,
                                  what_becomes_ready_while_much_is_handled_belongs_to_the_turn,
                                  what_was_removed_in_this_turn_is_not_called,
                                  an_old_event_does_not_reach_a_new_descriptor_of_the_same_number,
                                  what_the_kernel_does_not_watch_is_an_error,
                                  more_descriptors_than_a_turn_takes_are_all_served,
                                  signals_are_calls};
    return SUITE_RUN("loop", set_up, tear_down, tests);
}
