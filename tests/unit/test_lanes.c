/* test_lanes: lanes between a table of the test's own and a broker of the scene's: each row once, in order
 * where there is one, and every way in which it ends. SPDX-License-Identifier: MIT */
#include "lanes.h"

#include "asker_scene.h"

#include <pthread.h>

enum { ROWS_MAX = 1000, CHUNK_ROWS = 10, LANES = 4 };

static struct scorer *scorer;
static struct desk *desk;
static struct pace *pace;
static struct lanes *lanes;
static struct lanes_context wanted;
static atomic_bool stop;
static int ends;

/* The table: rows are the numbers from 0, of which those below `refused` are refused. */
static struct {
    pthread_mutex_t lock;
    int64_t rows, next, refused;
    int64_t last;                       /* key that was committed last; ordered */
    int committed[ROWS_MAX], abandoned; /* rows, chunks */
    int64_t fails_at;                   /* key whose commit fails; -1: none */
    int laters;                         /* so many times there is nothing now */
    bool lost;                          /* commits find that somebody else has the rows */
    bool broken;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

static enum table_taken world_take(void *self, unsigned lane, struct chunk *chunk, size_t most,
                                   char words[TABLE_REASON_MAX])
{
    const struct row_value values[] = {{.kind = ROW_NUMBER, .number = 0.25},
                                       {.kind = ROW_NUMBER, .number = 0.5}};
    enum table_taken taken = TABLE_ROWS;
    (void)self;
    ck_assert_uint_lt(lane, LANES);
    pthread_mutex_lock(&world.lock);
    if (world.broken) {
        strcpy(words, "the disk is gone");
        taken = TABLE_STOPPED;
    } else if (world.next == world.rows)
        taken = TABLE_END;
    else if (world.laters > 0) {
        world.laters--;
        taken = TABLE_LATER;
    }
    for (; taken == TABLE_ROWS && chunk->count < most && world.next < world.rows; world.next++) {
        const struct row_value key = {.kind = ROW_INTEGER, .integer = world.next};
        if (world.next < world.refused)
            chunk_refuse(chunk, &key, (struct text){0}, "no");
        else
            chunk_add(chunk, &key, (struct text){0}, values);
    }
    pthread_mutex_unlock(&world.lock);
    return taken;
}

static bool world_commit(void *self, unsigned lane, struct chunk *chunk, char words[TABLE_REASON_MAX])
{
    bool good = true;
    (void)self, (void)lane;
    pthread_mutex_lock(&world.lock);
    for (size_t i = 0; i < chunk->count; i++)
        good = good && chunk->rows[i].key.integer != world.fails_at;
    chunk->lost = good && world.lost;
    for (size_t i = 0; good && i < chunk->count; i++) {
        int64_t key = chunk->rows[i].key.integer;
        world.committed[key]++;
        if (wanted.sink != NULL)
            ck_assert_int_eq(key, world.last + 1);
        world.last = key;
        if (chunk->rows[i].reason == NULL)
            ck_assert_double_eq(chunk_scored(chunk, &chunk->rows[i])->probability, 0.75);
    }
    if (!good)
        strcpy(words, "it does not fit");
    pthread_mutex_unlock(&world.lock);
    return good;
}

static void world_abandon(void *self, unsigned lane, struct chunk *chunk)
{
    (void)self, (void)lane, (void)chunk;
    pthread_mutex_lock(&world.lock);
    world.abandoned++;
    pthread_mutex_unlock(&world.lock);
}

static const struct table both = {.take = world_take, .commit = world_commit, .abandon = world_abandon};
static const struct table source = {.take = world_take};
static const struct table sink = {.commit = world_commit};

/* ---- the scene ---- */

static void set_up(void)
{
    scene_make(false);
    scene_start_broker();
    scene_find(NULL);
    scorer = scorer_new(asker, 4);
    desk = desk_new(letters_loop, scorer);
    world.rows = 205;
    world.last = world.fails_at = -1;
    wanted.source = &both;
    wanted.max_rejects = -1;
    pace = pace_new(0, 0);
}

static void tear_down(void)
{
    lanes_free(lanes);
    desk_free(desk);
    pace_free(pace);
    asker_free(asker);
    asker = NULL;
    scorer_free(scorer);
    scene_unmake();
}

static void ended(void *self)
{
    (void)self;
    ends++;
    loop_stop(letters_loop);
}

static void start(void)
{
    char words[TABLE_REASON_MAX];
    wanted.loop = letters_loop;
    wanted.desk = desk;
    wanted.pace = pace;
    wanted.stop = &stop;
    wanted.schema = told;
    wanted.lanes = LANES;
    wanted.batch_size = CHUNK_ROWS;
    wanted.ended = ended;
    lanes = lanes_new(&wanted, words);
    ck_assert_msg(lanes != NULL, "%s", words);
}

static void expect_end(enum lanes_end expected, const char *words)
{
    const char *why;
    loop_run(letters_loop);
    ck_assert_int_eq(ends, 1);
    ck_assert_int_eq(lanes_end(lanes, &why), expected);
    ck_assert_str_eq(why, words);
}

/* How many rows are committed, each once. */
static int64_t committed(void)
{
    int64_t count = 0;
    for (int64_t i = 0; i < ROWS_MAX; i++) {
        ck_assert_int_le(world.committed[i], 1);
        count += world.committed[i];
    }
    return count;
}

START_TEST(each_row_is_committed_once)
{
    world.refused = 3;
    world.laters = 3;
    start();
    expect_end(LANES_FINISHED, "");
    ck_assert_int_eq(committed(), 205);
    struct lanes_totals totals = lanes_totals(lanes);
    ck_assert_uint_eq(totals.scored, 202);
    ck_assert_uint_eq(totals.rejected, 3);
    ck_assert_str_eq(totals.first_reject, "no");
    ck_assert_int_eq(world.abandoned, 0);
}
END_TEST

START_TEST(of_two_tables_chunks_are_committed_in_the_order_of_the_source)
{
    wanted.source = &source;
    wanted.sink = &sink;
    world.rows = 900;
    start();
    expect_end(LANES_FINISHED, "");
    ck_assert_int_eq(committed(), 900);
}
END_TEST

START_TEST(when_one_is_given_up_none_behind_it_is_committed)
{
    wanted.source = &source;
    wanted.sink = &sink;
    world.rows = 900;
    world.fails_at = 105;
    start();
    expect_end(LANES_FAILED, "it does not fit");
    ck_assert_int_eq(committed(), 100);
    ck_assert_int_eq(world.last, 99);
}
END_TEST

START_TEST(a_limit_ends_it_with_what_was_wanted)
{
    pace_free(pace);
    pace = pace_new(57, 0);
    start();
    expect_end(LANES_LIMITED, "");
    ck_assert_int_eq(committed(), 57);
}
END_TEST

START_TEST(too_many_rejects_end_it)
{
    world.refused = ROWS_MAX;
    wanted.max_rejects = 25;
    start();
    expect_end(LANES_REJECTS, "");
    struct lanes_totals totals = lanes_totals(lanes);
    ck_assert_uint_gt(totals.rejected, 25);
    ck_assert_int_eq(committed(), (int64_t)totals.rejected);
}
END_TEST

START_TEST(a_limit_that_is_reached_hides_neither_rejects_nor_a_failure)
{
    const char *why;
    world.refused = ROWS_MAX;
    wanted.max_rejects = 5;
    pace_free(pace);
    pace = pace_new(CHUNK_ROWS, 0);
    start();
    while (lanes_end(lanes, &why) != LANES_LIMITED) /* the others know, and one has a chunk */
        usleep(100);
    expect_end(LANES_REJECTS, "");
    ck_assert_uint_eq(lanes_totals(lanes).rejected, CHUNK_ROWS);
    lanes_free(lanes);
    ends = 0;
    atomic_store(&stop, false);
    world.fails_at = world.next;
    pace_free(pace);
    pace = pace_new(CHUNK_ROWS, 0);
    start();
    while (lanes_end(lanes, &why) != LANES_LIMITED)
        usleep(100);
    lanes_stop(lanes); /* nor does an end that was asked for */
    expect_end(LANES_FAILED, "it does not fit");
}
END_TEST

START_TEST(a_dry_run_commits_nothing)
{
    wanted.source = &source;
    wanted.dry = true;
    start();
    expect_end(LANES_FINISHED, "");
    ck_assert_int_eq(committed(), 0);
    ck_assert_uint_eq(lanes_totals(lanes).scored, 205);
}
END_TEST

START_TEST(rows_that_somebody_else_took_over_are_not_counted)
{
    world.lost = true;
    start();
    expect_end(LANES_FINISHED, "");
    ck_assert_uint_eq(lanes_totals(lanes).scored, 0);
    ck_assert_uint_eq(lanes_totals(lanes).lost, 205);
}
END_TEST

START_TEST(a_source_that_fails_ends_it)
{
    world.broken = true;
    start();
    expect_end(LANES_FAILED, "the disk is gone");
}
END_TEST

static int hold(const struct envelope *request, const struct tensor *rows)
{
    (void)request, (void)rows;
    loop_stop(letters_loop); /* the first ones have come */
    return NO_ANSWER;
}

START_TEST(what_nobody_answers_is_given_back_when_it_is_to_end)
{
    refusal_of = hold;
    start();
    loop_run(letters_loop);
    lanes_stop(lanes);
    ck_assert_int_eq(ends, 0);
    asker_stop(asker);
    while (ends == 0)
        loop_run(letters_loop);
    const char *why;
    ck_assert_int_eq(lanes_end(lanes, &why), LANES_INTERRUPTED);
    ck_assert_int_eq(committed(), 0);
    ck_assert_int_gt(world.abandoned, 0);
    ck_assert_int_eq(world.abandoned * CHUNK_ROWS, (int)world.next);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {each_row_is_committed_once,
                                  of_two_tables_chunks_are_committed_in_the_order_of_the_source,
                                  when_one_is_given_up_none_behind_it_is_committed,
                                  a_limit_ends_it_with_what_was_wanted,
                                  too_many_rejects_end_it,
                                  a_limit_that_is_reached_hides_neither_rejects_nor_a_failure,
                                  a_dry_run_commits_nothing,
                                  rows_that_somebody_else_took_over_are_not_counted,
                                  a_source_that_fails_ends_it,
                                  what_nobody_answers_is_given_back_when_it_is_to_end};
    return SUITE_RUN("lanes", set_up, tear_down, tests);
}
