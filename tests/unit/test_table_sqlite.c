/* test_table_sqlite: rows are taken once, by one; what came of them stands there in one step; leases of who
 * is gone are over. SPDX-License-Identifier: MIT */
#include "table_scene.h"

#include "process.h"
#include "table_sqlite.h"

static void *table, *other;
static sqlite3 *database;
static char from_text[300];

static void run(const char *sql)
{
    char *complaint = NULL;
    ck_assert_msg(sqlite3_exec(database, sql, NULL, NULL, &complaint) == SQLITE_OK, "%s: %s", sql, complaint);
}

/* What a query gives, values parted by spaces, rows by semicolons; good until the next call. */
static const char *ask(const char *sql)
{
    static char text[4096];
    sqlite3_stmt *statement;
    size_t length = 0;
    ck_assert_msg(sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK, "%s: %s", sql,
                  sqlite3_errmsg(database));
    *text = '\0';
    while (sqlite3_step(statement) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(statement); i++)
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", i > 0 ? " " : "",
                                       sqlite3_column_type(statement, i) == SQLITE_NULL
                                           ? "NULL"
                                           : (const char *)sqlite3_column_text(statement, i));
        length += (size_t)snprintf(text + length, sizeof text - length, ";");
    }
    sqlite3_finalize(statement);
    return text;
}

static void set_up(void)
{
    table_scene_make();
    snprintf(from_text, sizeof from_text, "sqlite:%s?table=people", scratch_path("a.db"));
    ck_assert_int_eq(sqlite3_open(scratch_path("a.db"), &database), SQLITE_OK);
    run("CREATE TABLE people (id INTEGER PRIMARY KEY, age REAL, income REAL)");
    run("CREATE TEMP VIEW numbers AS WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n "
        "LIMIT 50) "
        "SELECT value FROM n");
    run("INSERT INTO people SELECT value * 10, value, value / 100.0 FROM numbers");
    job.create = true;
}

static void close_table(void **which)
{
    if (*which != NULL)
        table_sqlite.close(*which);
    *which = NULL;
}

static void tear_down(void)
{
    close_table(&table);
    close_table(&other);
    sqlite3_close(database);
    table_scene_unmake();
}

static void *open_as(enum table_part part, const char *more, const char *sink)
{
    char place[600];
    snprintf(place, sizeof place, "%s%s", from_text, more);
    table_scene_places(place, sink);
    return table_sqlite.open(&job, part, reason);
}

static void open_table(const char *more, const char *sink)
{
    close_table(&table);
    table = open_as(TABLE_BOTH, more, sink);
    ck_assert_msg(table != NULL, "%s", reason);
}

static enum table_taken take(void *from_table, unsigned lane, struct chunk *into, size_t most)
{
    chunk_clear(into);
    return table_sqlite.take(from_table, lane, into, most, reason);
}

static void commit(void *to_table, unsigned lane, struct chunk *of)
{
    table_scene_score(of);
    ck_assert_msg(table_sqlite.commit(to_table, lane, of, reason), "%s", reason);
}

static void expect_keys(const struct chunk *of, int64_t first, int64_t last)
{
    ck_assert_uint_gt(of->count, 0);
    ck_assert_int_eq(of->rows[0].key.integer, first);
    ck_assert_int_eq(of->rows[of->count - 1].key.integer, last);
    ck_assert_int_eq((last - first) / 10 + 1, (int64_t)of->count);
}

/* Takes and commits all that there is; returns how many rows. */
static size_t finish(void)
{
    size_t rows = 0;
    enum table_taken taken;
    while ((taken = take(table, 0, chunk, 20)) != TABLE_END) {
        ck_assert(taken == TABLE_ROWS || taken == TABLE_LATER);
        rows += chunk->count;
        if (taken == TABLE_ROWS)
            commit(table, 0, chunk);
        ck_assert(!chunk->lost);
    }
    return rows;
}

START_TEST(predictions_stand_beside_their_rows)
{
    uint64_t count;
    run("UPDATE people SET age = 300 WHERE id = 30; UPDATE people SET age = 99 WHERE id = 40; "
        "UPDATE people SET income = NULL WHERE id = 20; UPDATE people SET age = '17' WHERE id = 50");
    open_table("", "column?prediction=score&label=name");
    ck_assert(table_sqlite.count(table, &count));
    ck_assert_uint_eq(count, 50);
    ck_assert_uint_eq(finish(), 50);
    ck_assert_str_eq(
        ask("SELECT id, score, probability, name, model_version FROM people WHERE id <= 50 AND predicted_at "
            "LIKE '20__-%Z'"),
        "10 1 0.01 years 1 7;20 2 0.5 years 2 7;50 17 0.05 years 17 7;");
    ck_assert_str_eq(
        ask("SELECT key, typeof(key), job, model, reason FROM outrigger_rejects ORDER BY key"),
        "30 integer m from to m age: 300 is above the maximum 120;40 integer m from to m it fell over;");
    ck_assert_str_eq(ask("SELECT count(*) FROM people WHERE predicted_at IS NULL"), "2;");
    open_table("", "column?prediction=score&label=name");
    ck_assert_uint_eq(finish(), 0);
    run("DELETE FROM outrigger_rejects WHERE key = 30; UPDATE people SET age = 30 WHERE id = 30");
    open_table("", "column?prediction=score&label=name");
    ck_assert_uint_eq(finish(), 1);
}
END_TEST

START_TEST(predictions_stand_in_a_table_of_their_own)
{
    open_table("&where=id > 100 -- not the first", "table:scores");
    ck_assert_uint_eq(finish(), 40);
    open_table("", "table:scores");
    ck_assert_uint_eq(finish(), 10);
    ck_assert_str_eq(
        ask("SELECT count(*), min(id), max(id), sum(prediction), typeof(prediction) FROM scores"),
        "50 10 500 1275 integer;");
    ck_assert_str_eq(ask("SELECT count(*) FROM outrigger_leases"), "0;");
}
END_TEST

START_TEST(lanes_and_jobs_have_different_rows)
{
    struct chunk *second = chunk_new(schema, 0, TABLE_SCENE_MOST),
                 *third = chunk_new(schema, 0, TABLE_SCENE_MOST);
    open_table("", "table:scores");
    other = table;
    table = NULL;
    open_table("", "table:scores");
    ck_assert_int_eq(take(table, 0, chunk, 20), TABLE_ROWS);
    expect_keys(chunk, 10, 200);
    ck_assert_int_eq(take(table, 1, second, 20), TABLE_ROWS);
    expect_keys(second, 210, 400);
    ck_assert_int_eq(take(other, 0, third, 20), TABLE_ROWS);
    expect_keys(third, 410, 500);
    table_sqlite.abandon(table, 0, chunk);
    commit(table, 1, second);
    ck_assert_int_eq(take(other, 1, chunk, 5), TABLE_LATER); /* its pass has ended; another begins */
    ck_assert_int_eq(take(other, 1, chunk, 5), TABLE_LATER); /* its own rows are not done yet */
    commit(other, 0, third);
    while (take(other, 1, chunk, 100) == TABLE_LATER)
        ;
    expect_keys(chunk, 10, 200);
    commit(other, 1, chunk);
    ck_assert_int_eq(take(other, 0, chunk, 100), TABLE_END);
    ck_assert_str_eq(ask("SELECT count(*), count(DISTINCT id) FROM scores"), "50 50;");
    chunk_free(second);
    chunk_free(third);
}
END_TEST

/* As if another lane wrote, or did so no more. */
static void set_writing(bool writing)
{
    struct sqlite_table *inside = table;
    pthread_mutex_lock(&inside->state);
    atomic_store(&inside->writing, writing);
    pthread_cond_broadcast(&inside->turn);
    pthread_mutex_unlock(&inside->state);
}

static struct chunk *take_ahead(unsigned lane, size_t most)
{
    struct chunk *ahead = chunk_new(schema, 0, TABLE_SCENE_MOST);
    set_writing(true);
    ck_assert_int_eq(take(table, lane, ahead, most), TABLE_ROWS);
    set_writing(false);
    return ahead;
}

START_TEST(rows_are_read_ahead_while_another_lane_writes)
{
    open_table("", "column");
    ck_assert_int_eq(take(table, 0, chunk, 10), TABLE_ROWS);
    struct chunk *second = take_ahead(1, 20), *third = take_ahead(2, 5);
    expect_keys(second, 110, 300);
    expect_keys(third, 310, 350);
    ck_assert_str_eq(ask("SELECT first, last FROM outrigger_leases"), "10 100;");
    commit(table, 0, chunk); /* and with it is written what the others have */
    ck_assert_str_eq(ask("SELECT first, last FROM outrigger_leases ORDER BY first"), "110 300;310 350;");
    commit(table, 2, third);
    table_sqlite.abandon(table, 1, second);
    ck_assert_uint_eq(finish(), 35);
    ck_assert_str_eq(ask("SELECT count(predicted_at) FROM people"), "50;");
    ck_assert_str_eq(ask("SELECT count(*) FROM outrigger_leases"), "0;");
    chunk_free(second);
    chunk_free(third);
}
END_TEST

START_TEST(rows_that_others_have_taken_or_done_meanwhile_are_theirs)
{
    open_table("", "column");
    ck_assert_int_eq(take(table, 0, chunk, 10), TABLE_ROWS);
    struct chunk *second = take_ahead(1, 10), *third = take_ahead(2, 10);
    run("INSERT INTO outrigger_leases (job, first, last, \"where\", owner, until) VALUES "
        "('people predicted_at', 200, 205, 'elsewhere', '1 1', unixepoch() + 1000); "
        "UPDATE people SET predicted_at = 'theirs' WHERE id IN (220, 240)");
    commit(table, 2, third);
    ck_assert(!third->lost);
    ck_assert_uint_eq(third->others, 2);
    commit(table, 1, second);
    ck_assert(second->lost);
    commit(table, 0, chunk);
    ck_assert(!chunk->lost);
    ck_assert_str_eq(ask("SELECT count(predicted_at), sum(predicted_at = 'theirs') FROM people"), "20 2;");
    run("DELETE FROM outrigger_leases WHERE owner = '1 1'");
    ck_assert_uint_eq(finish(), 30);
    ck_assert_str_eq(ask("SELECT count(predicted_at) FROM people"), "50;");
    chunk_free(second);
    chunk_free(third);
}
END_TEST

struct committing {
    pthread_t thread;
    unsigned lane;
    struct chunk *chunk;
    char reason[TABLE_REASON_MAX];
    bool good;
};

static void *commit_apart(void *self)
{
    struct committing *one = self;
    one->good = table_sqlite.commit(table, one->lane, one->chunk, one->reason);
    return NULL;
}

static size_t waiting(void)
{
    size_t count = 0;
    struct sqlite_table *inside = table;
    pthread_mutex_lock(&inside->state);
    for (struct sqlite_entry *entry = inside->waiting; entry != NULL; entry = entry->next)
        count++;
    pthread_mutex_unlock(&inside->state);
    return count;
}

START_TEST(chunks_that_wait_are_written_together_and_the_one_that_does_not_fit_fails_alone)
{
    struct committing three[3] = {{.lane = 0}, {.lane = 1}, {.lane = 2}};
    run("CREATE TABLE scores (id INTEGER PRIMARY KEY, prediction REAL CHECK (prediction <> 15), probability, "
        "model_version, predicted_at)");
    open_table("", "table:scores");
    for (size_t i = 0; i < COUNT_OF(three); i++) {
        three[i].chunk = chunk_new(schema, 0, TABLE_SCENE_MOST);
        ck_assert_int_eq(take(table, three[i].lane, three[i].chunk, 10), TABLE_ROWS);
        table_scene_score(three[i].chunk);
    }
    set_writing(true);
    for (size_t i = 0; i < COUNT_OF(three); i++)
        ck_assert_int_eq(pthread_create(&three[i].thread, NULL, commit_apart, &three[i]), 0);
    while (waiting() < COUNT_OF(three))
        usleep(100);
    set_writing(false);
    for (size_t i = 0; i < COUNT_OF(three); i++)
        pthread_join(three[i].thread, NULL);
    ck_assert(three[0].good && !three[1].good && three[2].good);
    ck_assert_ptr_nonnull(strstr(three[1].reason, "CHECK constraint failed"));
    ck_assert_str_eq(ask("SELECT count(*), min(id), max(id) FROM scores"), "20 10 300;");
    table_sqlite.abandon(table, 1, three[1].chunk);
    ck_assert_str_eq(ask("SELECT count(*) FROM outrigger_leases"), "0;");
    for (size_t i = 0; i < COUNT_OF(three); i++)
        chunk_free(three[i].chunk);
}
END_TEST

START_TEST(the_lease_of_a_process_that_is_gone_is_over_and_that_of_another_place_at_its_time)
{
    open_table("", "table:scores");
    ck_assert_int_eq(take(table, 0, chunk, 10), TABLE_ROWS);
    /* As if we were another process, which has died; and one of another container. */
    run("UPDATE outrigger_leases SET owner = '1 12345'");
    run("INSERT INTO outrigger_leases (job, first, last, \"where\", owner, until) VALUES "
        "('people scores', 310, 400, 'elsewhere', '1 1', unixepoch() + 1000), "
        "('another job', 10, 500, 'elsewhere', '1 1', unixepoch() + 1000)");
    struct chunk *second = chunk_new(schema, 0, TABLE_SCENE_MOST);
    close_table(&other);
    other = open_as(TABLE_BOTH, "", "table:scores");
    ck_assert_int_eq(take(other, 0, second, 100), TABLE_ROWS);
    expect_keys(second, 10, 300);
    commit(other, 0, second);
    commit(table, 0, chunk);
    ck_assert(chunk->lost);
    ck_assert_int_eq(take(other, 0, second, 100), TABLE_ROWS);
    expect_keys(second, 410, 500);
    commit(other, 0, second);
    ck_assert_int_eq(take(other, 0, second, 100), TABLE_LATER);
    run("UPDATE outrigger_leases SET until = 5 WHERE job = 'people scores'");
    enum table_taken taken;
    while ((taken = take(other, 0, second, 100)) == TABLE_LATER)
        ;
    ck_assert_int_eq(taken, TABLE_ROWS);
    expect_keys(second, 310, 400);
    commit(other, 0, second);
    ck_assert_str_eq(ask("SELECT count(*), count(DISTINCT id) FROM scores"), "50 50;");
    chunk_free(second);
}
END_TEST

START_TEST(keys_are_texts_as_well)
{
    run("DROP TABLE people; CREATE TABLE people (name TEXT PRIMARY KEY, age, income) WITHOUT ROWID; "
        "INSERT INTO people SELECT 'n' || value, value, 0.5 FROM numbers");
    open_table("", "table:scores");
    ck_assert_uint_eq(finish(), 50);
    ck_assert_str_eq(ask("SELECT count(*), sum(prediction), typeof(name) FROM scores WHERE name LIKE 'n%'"),
                     "50 1275 text;");
}
END_TEST

START_TEST(a_key_may_hold_a_zero_byte)
{
    char position[CHUNK_POSITION_MAX];
    run("DROP TABLE people; CREATE TABLE people (name TEXT PRIMARY KEY, age, income); "
        "INSERT INTO people SELECT 'n' || char(0) || (100 + value), value, 0.5 FROM numbers");
    table = open_as(TABLE_SOURCE, "", "out.csv");
    ck_assert_int_eq(take(table, 0, chunk, 20), TABLE_ROWS);
    memcpy(position, chunk->position, sizeof position);
    close_table(&table);
    table = open_as(TABLE_SOURCE, "", "out.csv");
    ck_assert(table_sqlite.seek(table, position, reason));
    ck_assert_int_eq(take(table, 0, chunk, 100), TABLE_ROWS);
    ck_assert_uint_eq(chunk->count, 30);
    ck_assert_uint_eq(chunk->rows[0].key.text.length, 5);
    ck_assert_mem_eq(chunk->rows[0].key.text.at,
                     "n\0"
                     "121",
                     5);
    ck_assert(!table_sqlite.seek(table, "x6", reason));
    run("UPDATE people SET age = 300 WHERE age = 7");
    open_table("", "table:scores");
    ck_assert_uint_eq(finish(), 50);
    ck_assert_str_eq(ask("SELECT count(*), min(length(CAST(name AS BLOB))) FROM scores"), "49 5;");
    ck_assert_str_eq(ask("SELECT hex(\"key\") FROM outrigger_rejects"), "6E00313037;");
    open_table("", "column");
    ck_assert_uint_eq(finish(), 49); /* its reject stands there already */
}
END_TEST

START_TEST(what_is_missing_is_named_or_made)
{
    job.create = false;
    ck_assert_ptr_null(open_as(TABLE_BOTH, "", "column"));
    ck_assert_ptr_nonnull(strstr(reason, "ALTER TABLE \"people\" ADD COLUMN \"prediction\" INTEGER; "));
    ck_assert_ptr_null(open_as(TABLE_BOTH, "", "table:scores"));
    ck_assert_ptr_nonnull(strstr(reason, "CREATE TABLE \"scores\" (\"id\" INTEGER PRIMARY KEY NOT NULL, "));
    ck_assert_str_eq(ask("SELECT count(*) FROM sqlite_master"), "1;");
    ck_assert_ptr_null(open_as(TABLE_BOTH, "&columns=", "column?predicted_at="));
    ck_assert_ptr_nonnull(strstr(reason, "predicted_at"));
    snprintf(from_text, sizeof from_text, "sqlite:%s?table=persons", scratch_path("a.db"));
    ck_assert_ptr_null(open_as(TABLE_BOTH, "", "column"));
    ck_assert_ptr_nonnull(strstr(reason, "no table persons; there are: people"));
    snprintf(from_text, sizeof from_text, "sqlite:%s?table=people", scratch_path("none.db"));
    ck_assert_ptr_null(open_as(TABLE_BOTH, "", "column"));
    ck_assert_ptr_nonnull(strstr(reason, "unable to open"));
}
END_TEST

START_TEST(a_key_names_one_row)
{
    run("CREATE TABLE twice (id, age, income, mark); INSERT INTO twice VALUES (1, 1, 1, 5), (1, 2, 2, 6)");
    snprintf(from_text, sizeof from_text, "sqlite:%s?table=twice", scratch_path("a.db"));
    ck_assert_ptr_null(open_as(TABLE_BOTH, "", "table:scores"));
    ck_assert_ptr_nonnull(strstr(reason, "no primary key of one column"));
    ck_assert_ptr_null(open_as(TABLE_BOTH, "&key=id", "table:scores"));
    ck_assert_ptr_nonnull(strstr(reason, "not unique"));
    ck_assert_ptr_null(open_as(TABLE_BOTH, "&key=ids", "table:scores"));
    ck_assert_ptr_nonnull(strstr(reason, "no column ids"));
    run("CREATE UNIQUE INDEX marks ON twice (mark)");
    open_table("&key=mark", "table:scores");
    ck_assert_uint_eq(finish(), 2);
    open_table("", "column"); /* by the rowid */
    ck_assert_uint_eq(finish(), 2);
    run("CREATE TABLE results (mark, prediction, probability, model_version, predicted_at)");
    close_table(&table);
    ck_assert_ptr_null(open_as(TABLE_BOTH, "&key=mark", "table:results"));
    ck_assert_ptr_nonnull(strstr(reason, "twice"));
}
END_TEST

START_TEST(a_column_that_the_model_needs_must_be_there)
{
    run("ALTER TABLE people RENAME COLUMN age TO years; ALTER TABLE people DROP COLUMN income");
    ck_assert_ptr_null(open_as(TABLE_BOTH, "", "column"));
    ck_assert_ptr_nonnull(strstr(reason, "no column age"));
    ck_assert_ptr_nonnull(strstr(reason, "id, years"));
}
END_TEST

START_TEST(a_source_alone_goes_by_positions_and_a_dry_one_leaves_out_what_is_done)
{
    char position[CHUNK_POSITION_MAX];
    table = open_as(TABLE_SOURCE, "", "out.csv");
    ck_assert_int_eq(take(table, 0, chunk, 20), TABLE_ROWS);
    memcpy(position, chunk->position, sizeof position);
    close_table(&table);
    table = open_as(TABLE_SOURCE, "", "out.csv");
    ck_assert_str_eq(table_sqlite.head(table).key, "id");
    ck_assert(table_sqlite.seek(table, position, reason));
    ck_assert_int_eq(take(table, 0, chunk, 100), TABLE_ROWS);
    expect_keys(chunk, 210, 500);
    ck_assert_int_eq(take(table, 0, chunk, 100), TABLE_END);
    ck_assert(!table_sqlite.seek(table, "?", reason));
    ck_assert_str_eq(ask("SELECT count(*) FROM sqlite_master"), "1;");
    open_table("&where=id <= 100", "column");
    ck_assert_uint_eq(finish(), 10);
    close_table(&table);
    job.dry = true;
    table = open_as(TABLE_SOURCE, "", "column");
    ck_assert_int_eq(take(table, 0, chunk, 100), TABLE_ROWS);
    expect_keys(chunk, 110, 500);
}
END_TEST

START_TEST(a_sink_alone_remembers_the_position_with_what_it_is_of)
{
    char position[CHUNK_POSITION_MAX], sink[300];
    snprintf(sink, sizeof sink, "sqlite:%s?table=scores", scratch_path("b.db"));
    table_scene_places("in.csv", sink);
    table = table_sqlite.open(&job, TABLE_SINK, reason);
    ck_assert_msg(table != NULL, "%s", reason);
    ck_assert(table_sqlite.resume(table, position, reason));
    ck_assert_str_eq(position, "");
    for (int turn = 0; turn < 2; turn++) { /* the same rows twice stand there once */
        chunk_clear(chunk);
        table_scene_add(1, 40, 0.5, "");
        table_scene_add(2, 300, 0.5, "");
        strcpy(chunk->position, turn == 0 ? "p1" : "p2");
        commit(table, 0, chunk);
    }
    close_table(&table);
    table = table_sqlite.open(&job, TABLE_SINK, reason);
    ck_assert(table_sqlite.resume(table, position, reason));
    ck_assert_str_eq(position, "p2");
    sqlite3_close(database);
    ck_assert_int_eq(sqlite3_open(scratch_path("b.db"), &database), SQLITE_OK);
    ck_assert_str_eq(ask("SELECT \"row\", prediction FROM scores"), "1 40;");
    ck_assert_str_eq(ask("SELECT key FROM outrigger_rejects"), "2;");
}
END_TEST

START_TEST(a_database_that_is_locked_is_waited_for_until_the_job_is_to_end)
{
    open_table("", "column");
    ck_assert_int_eq(take(table, 0, chunk, 10), TABLE_ROWS);
    table_scene_score(chunk);
    run("BEGIN EXCLUSIVE");
    stopping = true;
    ck_assert(!table_sqlite.commit(table, 0, chunk, reason));
    ck_assert_str_eq(reason, "");
    struct chunk *second = chunk_new(schema, 0, 10);
    ck_assert_int_eq(take(table, 1, second, 10), TABLE_STOPPED);
    ck_assert_str_eq(reason, "");
    run("COMMIT");
    stopping = false;
    ck_assert(table_sqlite.commit(table, 0, chunk, reason));
    ck_assert_str_eq(ask("SELECT count(predicted_at) FROM people"), "10;");
    chunk_free(second);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        predictions_stand_beside_their_rows,
        predictions_stand_in_a_table_of_their_own,
        lanes_and_jobs_have_different_rows,
        rows_are_read_ahead_while_another_lane_writes,
        rows_that_others_have_taken_or_done_meanwhile_are_theirs,
        chunks_that_wait_are_written_together_and_the_one_that_does_not_fit_fails_alone,
        the_lease_of_a_process_that_is_gone_is_over_and_that_of_another_place_at_its_time,
        keys_are_texts_as_well,
        a_key_may_hold_a_zero_byte,
        what_is_missing_is_named_or_made,
        a_key_names_one_row,
        a_column_that_the_model_needs_must_be_there,
        a_source_alone_goes_by_positions_and_a_dry_one_leaves_out_what_is_done,
        a_sink_alone_remembers_the_position_with_what_it_is_of,
        a_database_that_is_locked_is_waited_for_until_the_job_is_to_end};
    return SUITE_RUN("table_sqlite", set_up, tear_down, tests);
}
