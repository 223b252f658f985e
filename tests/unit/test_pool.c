/* test_pool: who is known, what each has in hand, and who has to be given up. SPDX-License-Identifier: MIT */
#include "pool.h"
#include "suite.h"

static struct pool *pool;
static struct request requests[4];
static struct request *const some[] = {&requests[0], &requests[1], &requests[2], &requests[3]};

static void set_up(void)
{
    pool = pool_new();
}

static void tear_down(void)
{
    pool_free(pool);
}

static struct peer peer_of(unsigned number)
{
    struct peer peer = {.length = 5};
    memcpy(peer.bytes, &number, sizeof number);
    return peer;
}

static struct worker *add(unsigned number)
{
    struct peer peer = peer_of(number);
    struct worker *worker = pool_add(pool, &peer, NULL);
    if (worker != NULL) {
        worker->pid = 1000 + number;
        pool_set_slots(worker, 2);
        worker->silence = 300;
    }
    return worker;
}

START_TEST(workers_are_found_by_peer_and_by_pid)
{
    struct worker *first = add(1), *second = add(2);
    struct peer peer = peer_of(1), stranger = peer_of(3);
    ck_assert_uint_eq(pool_count(pool), 2);
    ck_assert_ptr_eq(pool_find(pool, &peer), first);
    ck_assert_ptr_null(pool_find(pool, &stranger));
    ck_assert_ptr_eq(pool_find_pid(pool, 1002), second);
    ck_assert_ptr_null(pool_find_pid(pool, 1003));
    pool_remove(pool, first);
    ck_assert_ptr_null(pool_find(pool, &peer));
    ck_assert_ptr_null(pool_find_pid(pool, 1001));
    ck_assert_uint_eq(pool_count(pool), 1);
}
END_TEST

START_TEST(the_pid_of_another_host_is_none_of_ours)
{
    struct worker *far = add(1), *near = add(2);
    far->remote = true;
    near->pid = far->pid;
    ck_assert_ptr_eq(pool_find_pid(pool, far->pid), near);
    pool_remove(pool, near);
    ck_assert_ptr_null(pool_find_pid(pool, far->pid));
}
END_TEST

/* ZeroMQ numbers the peers of each of a port's sockets by itself. */
START_TEST(the_same_number_at_both_doors_is_two_peers)
{
    struct peer here = peer_of(1), there = peer_of(1);
    there.remote = 1;
    struct worker *near = pool_add(pool, &here, NULL), *far = pool_add(pool, &there, NULL);
    ck_assert_ptr_eq(pool_find(pool, &here), near);
    ck_assert_ptr_eq(pool_find(pool, &there), far);
}
END_TEST

START_TEST(workers_are_found_by_instance)
{
    struct worker *first = add(1), *second = add(2), *nameless = add(3);
    pool_name(pool, first, 77);
    pool_name(pool, second, UINT64_MAX);
    pool_name(pool, nameless, 0);
    ck_assert_ptr_eq(pool_find_instance(pool, 77), first);
    ck_assert_ptr_eq(pool_find_instance(pool, UINT64_MAX), second);
    ck_assert_ptr_null(pool_find_instance(pool, 0));
    ck_assert_ptr_null(pool_find_instance(pool, 78));
    pool_remove(pool, first);
    pool_remove(pool, nameless);
    ck_assert_ptr_null(pool_find_instance(pool, 77));
    ck_assert_ptr_eq(pool_find_instance(pool, UINT64_MAX), second);
}
END_TEST

START_TEST(a_new_worker_is_idle)
{
    struct peer peer = peer_of(9);
    ck_assert_uint_eq(pool_add(pool, &peer, NULL)->slots, 1); /* until its READY says otherwise */
    struct worker *worker = add(1);
    ck_assert_int_eq(worker->state, WORKER_IDLE);
    ck_assert(worker_free_slot(worker));
    ck_assert_ptr_null(worker_batch(worker, 0));
    ck_assert_str_eq(worker_state_name(WORKER_IDLE), "idle");
    ck_assert_str_eq(worker_state_name(WORKER_BUSY), "busy");
    ck_assert_str_eq(worker_state_name(WORKER_DRAINING), "draining");
}
END_TEST

START_TEST(there_are_no_more_than_the_limit)
{
    for (unsigned i = 0; i < POOL_WORKERS_MAX; i++)
        ck_assert_ptr_nonnull(add(i));
    ck_assert_ptr_null(add(POOL_WORKERS_MAX));
    pool_remove(pool, pool_find_pid(pool, 1000));
    ck_assert_ptr_nonnull(add(POOL_WORKERS_MAX));
}
END_TEST

START_TEST(a_batch_makes_busy_and_its_end_idle)
{
    struct worker *worker = add(1);
    struct batch *batch = worker_assign(worker, 7, some, 3, 30, 100, 200);
    ck_assert_int_eq(worker->state, WORKER_BUSY);
    ck_assert(batch->id == 7 && batch->count == 3 && batch->rows == 30 && batch->sent_at == 100);
    ck_assert(batch->requests[0] == &requests[0] && batch->requests[2] == &requests[2]);
    ck_assert(worker_free_slot(worker));
    ck_assert_ptr_eq(worker_batch(worker, 7), batch);
    ck_assert_ptr_null(worker_batch(worker, 8));
    worker_release(worker, batch);
    ck_assert_int_eq(worker->state, WORKER_IDLE);
    ck_assert_ptr_null(worker_batch(worker, 7));
}
END_TEST

START_TEST(two_batches_stay_in_order_whichever_ends_first)
{
    struct worker *worker = add(1);
    for (uint64_t round = 0; round < 100; round++) { /* the arrays of requests change places and grow */
        worker_assign(worker, 2 * round, some, 1 + round % 4, 10, 100, 200);
        worker_assign(worker, 2 * round + 1, some, 4 - round % 4, 20, 101, 201);
        ck_assert(!worker_free_slot(worker));
        struct batch *first = worker_batch(worker, 2 * round), *second = worker_batch(worker, 2 * round + 1);
        ck_assert(first == &worker->batches[0] && second == &worker->batches[1]);
        worker_release(worker, round % 2 == 0 ? first : second);
        ck_assert_int_eq(worker->state, WORKER_BUSY);
        uint64_t left = round % 2 == 0 ? 2 * round + 1 : 2 * round;
        ck_assert_ptr_eq(worker_batch(worker, left), &worker->batches[0]);
        ck_assert_uint_eq(worker->batches[0].count, round % 2 == 0 ? 4 - round % 4 : 1 + round % 4);
        for (size_t i = 0; i < worker->batches[0].count; i++)
            ck_assert_ptr_eq(worker->batches[0].requests[i], some[i]);
        worker_release(worker, &worker->batches[0]);
        ck_assert_int_eq(worker->state, WORKER_IDLE);
    }
}
END_TEST

START_TEST(a_draining_worker_gets_nothing_more)
{
    struct worker *worker = add(1);
    struct batch *batch = worker_assign(worker, 7, some, 1, 1, 100, 200);
    worker_drain(worker);
    ck_assert(!worker_free_slot(worker));
    ck_assert_ptr_eq(worker_batch(worker, 7), batch);
    worker_release(worker, batch);
    ck_assert_int_eq(worker->state, WORKER_DRAINING);
    ck_assert(!worker_free_slot(worker));
}
END_TEST

START_TEST(a_worker_that_tries_a_suspect_gets_nothing_more)
{
    struct worker *worker = add(1);
    requests[0].alone = true;
    struct batch *batch = worker_assign(worker, 7, some, 1, 1, 100, 200);
    requests[0].alone = false; /* whatever becomes of the request meanwhile */
    ck_assert(!worker_free_slot(worker));
    worker_release(worker, batch);
    ck_assert(worker_free_slot(worker));
    worker_assign(worker, 8, some, 1, 1, 100, 200);
    ck_assert(worker_free_slot(worker));
}
END_TEST

START_TEST(an_idle_worker_is_judged_by_its_silence)
{
    struct worker *worker = add(1);
    worker->heard_at = 1000;
    ck_assert_ptr_null(worker_failing(worker, 1000));
    ck_assert_ptr_null(worker_failing(worker, 1299));
    ck_assert_str_eq(worker_failing(worker, 1300), "silent");
    worker->heard_at = 1300;
    ck_assert_ptr_null(worker_failing(worker, 1300));
}
END_TEST

START_TEST(a_busy_worker_with_an_instance_is_judged_by_both)
{
    struct worker *worker = add(1);
    pool_name(pool, worker, 5);
    worker->heard_at = 1000;
    worker_assign(worker, 1, some, 1, 1, 100, 1200);
    ck_assert_ptr_null(worker_failing(worker, 1199));
    ck_assert_str_eq(worker_failing(worker, 1200), "overdue");
    worker->batches[0].overdue_at = 5000;
    ck_assert_ptr_null(worker_failing(worker, 1299));
    ck_assert_str_eq(worker_failing(worker, 1300), "silent");
}
END_TEST

START_TEST(what_the_broker_slept_through_is_forgiven)
{
    struct worker *worker = add(1);
    pool_name(pool, worker, 5);
    worker->heard_at = 1000;
    worker_forgive(worker, 500);
    ck_assert_ptr_null(worker_failing(worker, 1799));
    ck_assert_str_eq(worker_failing(worker, 1800), "silent");
    worker_assign(worker, 1, some, 1, 1, 100, 1700);
    worker_assign(worker, 2, some, 1, 1, 100, 1700);
    worker_forgive(worker, 1000);
    ck_assert_ptr_null(worker_failing(worker, 2699));
    ck_assert_str_eq(worker_failing(worker, 2700), "overdue");
    ck_assert_int_eq(worker->batches[1].overdue_at, 2700);
}
END_TEST

START_TEST(a_busy_worker_without_an_instance_is_judged_by_its_oldest_batch_alone)
{
    struct worker *worker = add(1);
    worker->heard_at = 0;
    worker_assign(worker, 1, some, 1, 1, 100, 5000);
    worker_assign(worker, 2, some, 1, 1, 100, 3000);
    ck_assert_ptr_null(worker_failing(worker, 4999)); /* silent for long, and the second is not begun yet */
    ck_assert_str_eq(worker_failing(worker, 5000), "overdue");
    worker_release(worker, worker_batch(worker, 1));
    ck_assert_str_eq(worker_failing(worker, 3000), "overdue");
}
END_TEST

static int visited;

static void visit_and_remove(void *self, struct worker *worker)
{
    visited++;
    pool_remove(self, worker);
}

START_TEST(a_visit_may_remove_its_worker)
{
    for (unsigned i = 0; i < 50; i++)
        worker_assign(add(i), i, some, 4, 4, 100, 200);
    pool_each(pool, visit_and_remove, pool);
    ck_assert_int_eq(visited, 50);
    ck_assert_uint_eq(pool_count(pool), 0);
}
END_TEST

START_TEST(free_takes_what_is_left_and_null)
{
    worker_assign(add(1), 1, some, 4, 4, 100, 200);
    pool_free(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {workers_are_found_by_peer_and_by_pid,
                                  the_pid_of_another_host_is_none_of_ours,
                                  the_same_number_at_both_doors_is_two_peers,
                                  a_new_worker_is_idle,
                                  there_are_no_more_than_the_limit,
                                  a_batch_makes_busy_and_its_end_idle,
                                  two_batches_stay_in_order_whichever_ends_first,
                                  a_draining_worker_gets_nothing_more,
                                  an_idle_worker_is_judged_by_its_silence,
                                  workers_are_found_by_instance,
                                  a_worker_that_tries_a_suspect_gets_nothing_more,
                                  a_busy_worker_with_an_instance_is_judged_by_both,
                                  what_the_broker_slept_through_is_forgiven,
                                  a_busy_worker_without_an_instance_is_judged_by_its_oldest_batch_alone,
                                  a_visit_may_remove_its_worker,
                                  free_takes_what_is_left_and_null};
    return SUITE_RUN("pool", set_up, tear_down, tests);
}
