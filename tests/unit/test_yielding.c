/* test_yielding: how much of the workers jobs may have, as a table of moments. SPDX-License-Identifier: MIT
 */
#include "yielding.h"

#include "clock.h"
#include "suite.h"

#include <utlist.h>

enum { WORKERS = 3 };
#define CLIENT_AT SECOND

static struct pool *pool;
static struct version version;
static struct worker *workers[WORKERS];
static struct request job = {.priority = PROTOCOL_PRIORITY_JOB},
                      client = {.priority = PROTOCOL_PRIORITY_ONLINE};

static void set_up(void)
{
    pool = pool_new();
    version = (struct version){0};
    yielding_note(&version, &client, CLIENT_AT);
}

static void add_workers(size_t count)
{
    for (; count > 0; count--) {
        size_t i = version.worker_count++;
        struct peer peer = {.length = 1, .bytes = {(uint8_t)i}};
        workers[i] = pool_add(pool, &peer, &version);
        pool_set_slots(workers[i], 2);
        DL_APPEND2(version.workers, workers[i], previous, next);
    }
}

static void give(struct worker *worker, struct request *request)
{
    worker_assign(worker, 1, &request, 1, 1, CLIENT_AT, CLIENT_AT + SECOND);
}

static void take_all(void *self, struct worker *worker)
{
    (void)self;
    while (worker->in_flight > 0)
        worker_release(worker, &worker->batches[0]);
}

static void tear_down(void)
{
    pool_each(pool, take_all, NULL);
    pool_free(pool);
}

static void expect(size_t count, const struct worker *expected)
{
    struct worker *first;
    ck_assert_uint_eq(yielding_free_workers(&version, CLIENT_AT + MILLISECOND, &first), count);
    ck_assert_ptr_eq(first, expected);
}

START_TEST(it_is_called_for_while_clients_come)
{
    ck_assert(yielding_is_called_for(&version, CLIENT_AT + SECOND));
    ck_assert(!yielding_is_called_for(&version, CLIENT_AT + 10 * SECOND));
    ck_assert(!yielding_is_called_for(&version, yielding_until(&version)));
    ck_assert(yielding_is_called_for(&version, yielding_until(&version) - 1));
    yielding_note(&version, &job, CLIENT_AT + 10 * SECOND); /* which is no client */
    ck_assert(!yielding_is_called_for(&version, CLIENT_AT + 10 * SECOND));
    version.clients_at = 0;
    ck_assert(!yielding_is_called_for(&version, CLIENT_AT));
}
END_TEST

START_TEST(a_single_worker_has_one_batch)
{
    expect(0, NULL);
    add_workers(1);
    expect(1, workers[0]);
    give(workers[0], &job);
    expect(0, NULL);
    struct worker *first;
    ck_assert_uint_eq(yielding_free_workers(&version, CLIENT_AT + 10 * SECOND, &first), 1);
    ck_assert_ptr_eq(first, workers[0]);
}
END_TEST

START_TEST(one_worker_of_several_is_left)
{
    add_workers(3);
    expect(2, workers[0]);
    give(workers[0], &job);
    expect(1, workers[1]);
    give(workers[1], &job);
    expect(0, NULL);
}
END_TEST

START_TEST(workers_that_clients_use_are_not_free)
{
    add_workers(3);
    give(workers[0], &client);
    expect(2, workers[1]);
    give(workers[1], &client);
    expect(1, workers[2]);
    workers[2]->state = WORKER_DRAINING;
    expect(0, NULL);
}
END_TEST

START_TEST(a_single_worker_gets_short_batches)
{
    add_workers(1);
    ck_assert_uint_eq(yielding_rows(&version, 64, CLIENT_AT), 64); /* nothing is known */
    for (int i = 0; i < 20; i++) {
        cost_learn(&version.cost, 1, 100 * MICROSECOND);
        cost_learn(&version.cost, 64, 6400 * MICROSECOND);
    }
    ck_assert_uint_eq(yielding_rows(&version, 64, CLIENT_AT), 2);
    ck_assert_uint_eq(yielding_rows(&version, 64, CLIENT_AT + 10 * SECOND), 64);
    add_workers(1);
    ck_assert_uint_eq(yielding_rows(&version, 64, CLIENT_AT), 64); /* the other one is left */
}
END_TEST

START_TEST(a_row_is_a_batch_however_long_it_takes)
{
    add_workers(1);
    cost_learn(&version.cost, 1, SECOND);
    cost_learn(&version.cost, 64, 64 * SECOND);
    ck_assert_uint_eq(yielding_rows(&version, 64, CLIENT_AT), 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        it_is_called_for_while_clients_come, a_single_worker_has_one_batch,
        one_worker_of_several_is_left,       workers_that_clients_use_are_not_free,
        a_single_worker_gets_short_batches,  a_row_is_a_batch_however_long_it_takes};
    return SUITE_RUN("yielding", set_up, tear_down, tests);
}
