/* table_postgres: tables of a PostgreSQL.
 *
 * As source and sink at once each lane has a connection, and each chunk is one transaction on it:
 *
 *   take    SELECT key, values ... WHERE key > last AND it is not done ORDER BY key LIMIT n
 *           FOR NO KEY UPDATE SKIP LOCKED        rows that others have locked are theirs
 *   commit  UPDATE ... FROM unnest(arrays), or INSERT ... ON CONFLICT DO NOTHING; the rejects; COMMIT
 *
 * Arrays in one statement beat COPY into a temporary table and a statement from there at every size that was
 * measured (2,000 rows: 210,000 rows/s against 22,000 as UPDATE, 350,000 against 81,000 as INSERT). Where
 * results have a table of their own, COPY goes straight there; it knows no ON CONFLICT, so when it fails,
 * for whatever reason, its rows come again, and from then on arrays are sent.
 *
 * So a row's claim is its lock, which ends with whoever holds it, and with the result in one step. `last` is
 * what the lanes of this process have reached together: a pass over the table is linear. It may leave rows
 * behind: those that others had locked and gave back, or that came meanwhile. So after a pass one query tells
 * whether any row is left that is not done; while there is, another pass follows.
 *
 *   WALKING --- no row is found ---> RESTING --- our own chunks are done; none is left ---> ENDED
 *      ^                                |
 *      +-- our own are done; some left -+      (a pass that found nothing, as others hold them, is repeated
 * later)
 *
 * Where results have a table of their own, the lock of a row tells nothing of its result, and the statement
 * that locked it may have begun before another job's commit: so results between the first and the last key
 * taken are looked for once more, when the locks are there. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "postgres_catalog.h"
#include "postgres_copy.h"
#include "postgres_reader.h"
#include "postgres_writer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { TABLE_MAGIC = 0x4ed17021, COUNT_MS = 5000 };

#define FIRST_REST   (100 * MILLISECOND)
#define LONGEST_REST (2 * SECOND)

/* A key as it came: bytes to be given back. */
struct key_bytes {
    char *at; /* NULL: none */
    size_t length, capacity;
};

struct lane {
    struct postgres_link *link;
    struct postgres_reader reader;
    struct postgres_writer writer;
    bool holds; /* a chunk is taken, and neither committed nor given back */
};

enum walk { WALKING, RESTING, ENDED };

struct postgres_table {
    unsigned magic;
    const struct table_job *job;
    struct postgres_found found;
    struct postgres_shared shared;
    char *sql_first, *sql_next, *sql_left, *sql_done, *sql_position; /* NULL: not needed */
    struct postgres_writes writes;
    atomic_bool copy; /* COPY is fine, as far as we know */
    unsigned lane_count;
    struct lane *lanes;
    pthread_mutex_t mutex; /* of what follows */
    enum walk walk;
    struct key_bytes last;
    size_t held; /* chunks that lanes have */
    bool some;   /* this pass has found rows */
    int64_t rest, rested_at;
    char *position; /* SINK: of the last commit */
};

/* ---- keys ---- */

static void key_set(struct key_bytes *key, const void *at, size_t length)
{
    if (length + 1 > key->capacity) {
        key->capacity = (length + 1) * 2;
        key->at = realloc(key->at, key->capacity);
        ENSURE(key->at != NULL);
    }
    memcpy(key->at, at, length);
    key->at[length] = '\0';
    key->length = length;
}

static void key_forget(struct key_bytes *key)
{
    free(key->at);
    *key = (struct key_bytes){0};
}

/* ---- taking ---- */

static bool stopping(const struct postgres_table *table)
{
    return table->job->stopping(table->job->self);
}

/* The next rows behind `last`, which moves. */
static enum postgres_outcome ask_next(struct postgres_table *table, struct lane *lane, size_t most,
                                      char *reason)
{
    char limit[24];
    snprintf(limit, sizeof limit, "%zu", most);
    bool behind = table->last.at != NULL;
    const struct text last = {table->last.at, table->last.length};
    const struct postgres_value values[] = {postgres_reader_parameter(&table->found.plan, last),
                                            {.at = limit}};
    enum postgres_outcome outcome = postgres_link_ask(lane->link, behind ? table->sql_next : table->sql_first,
                                                      behind ? values : values + 1, behind ? 2 : 1, reason);
    size_t rows = outcome == POSTGRES_DONE ? postgres_link_rows(lane->link) : 0;
    if (rows > 0) {
        struct text key = postgres_reader_key(lane->link, rows - 1);
        key_set(&table->last, key.at, key.length);
    }
    return outcome;
}

/* A pass has come to its end. */
static void rest(struct postgres_table *table)
{
    int64_t longer = table->rest * 2 < LONGEST_REST ? table->rest * 2 : LONGEST_REST;
    table->rest = table->some ? 0 : table->rest == 0 ? FIRST_REST : longer;
    table->rested_at = clock_now() + table->rest;
    table->walk = RESTING;
}

/* Whether there is anything left to walk for. */
static enum postgres_outcome ask_left(struct postgres_table *table, struct lane *lane, char *reason)
{
    enum postgres_outcome outcome = postgres_link_ask(lane->link, table->sql_left, NULL, 0, reason);
    if (outcome != POSTGRES_DONE)
        return outcome;
    table->walk = postgres_link_rows(lane->link) > 0 ? WALKING : ENDED;
    table->some = false;
    key_forget(&table->last);
    return outcome;
}

/* One step, in a transaction: `taken` says whether there are rows now. */
static enum postgres_outcome step(struct postgres_table *table, struct lane *lane, size_t most, bool *taken,
                                  char *reason)
{
    pthread_mutex_lock(&table->mutex);
    enum postgres_outcome outcome = POSTGRES_DONE;
    if (table->walk == RESTING && table->held == 0 && clock_now() >= table->rested_at)
        outcome = ask_left(table, lane, reason);
    if (outcome == POSTGRES_DONE && table->walk == WALKING) {
        outcome = ask_next(table, lane, most, reason);
        *taken = outcome == POSTGRES_DONE && postgres_link_rows(lane->link) > 0;
        table->some = table->some || *taken;
        table->held += *taken;
        lane->holds = *taken;
        if (outcome == POSTGRES_DONE && !*taken)
            rest(table);
    }
    pthread_mutex_unlock(&table->mutex);
    return outcome;
}

static void give_back(struct postgres_table *table, struct lane *lane)
{
    postgres_link_rollback(lane->link);
    pthread_mutex_lock(&table->mutex);
    table->held -= lane->holds;
    lane->holds = false;
    pthread_mutex_unlock(&table->mutex);
}

/* What there is without asking the database: ENDED or RESTING, or WALKING for something to ask. */
static enum walk look(struct postgres_table *table)
{
    pthread_mutex_lock(&table->mutex);
    bool ready = table->walk == RESTING && table->held == 0 && clock_now() >= table->rested_at;
    enum walk walk = ready ? WALKING : table->walk;
    pthread_mutex_unlock(&table->mutex);
    return walk;
}

static enum table_taken failed(enum postgres_outcome outcome, char *reason)
{
    if (outcome == POSTGRES_STOPPED)
        *reason = '\0';
    return TABLE_STOPPED;
}

/* The rows that were locked into the chunk. */
static enum postgres_outcome fill(const struct postgres_table *table, struct lane *lane, struct chunk *chunk,
                                  char *reason)
{
    const struct postgres_plan *plan = &table->found.plan;
    if (table->sql_done != NULL)
        return postgres_reader_add_undone(&lane->reader, lane->link, plan, table->sql_done, chunk, reason);
    postgres_reader_add(&lane->reader, lane->link, plan, chunk);
    return POSTGRES_DONE;
}

/* Claims rows. */
static enum table_taken take_claimed(struct postgres_table *table, struct lane *lane, struct chunk *chunk,
                                     size_t most, char *reason)
{
    enum walk walk;
    while ((walk = look(table)) == WALKING) {
        bool taken = false;
        enum postgres_outcome outcome = postgres_link_begin(lane->link, reason);
        if (outcome == POSTGRES_DONE)
            outcome = step(table, lane, most, &taken, reason);
        if (taken)
            outcome = fill(table, lane, chunk, reason);
        if (taken && outcome == POSTGRES_DONE && chunk->count > 0)
            return TABLE_ROWS;
        give_back(table, lane);
        if (outcome == POSTGRES_FAILED || outcome == POSTGRES_STOPPED)
            return failed(outcome, reason);
        if (stopping(table))
            return failed(POSTGRES_STOPPED, reason);
    }
    return walk == ENDED ? TABLE_END : TABLE_LATER;
}

/* Reads rows in their order. */
static enum table_taken take_read(struct postgres_table *table, struct lane *lane, struct chunk *chunk,
                                  size_t most, char *reason)
{
    enum postgres_outcome outcome;
    do {
        outcome = postgres_link_begin(lane->link, reason);
        if (outcome == POSTGRES_DONE)
            outcome = ask_next(table, lane, most, reason);
    } while (outcome == POSTGRES_AGAIN);
    if (outcome != POSTGRES_DONE)
        return failed(outcome, reason);
    postgres_reader_add(&lane->reader, lane->link, &table->found.plan, chunk);
    size_t rows = chunk->count;
    if (rows > 0) {
        char buffer[NUMBER_TEXT_MAX];
        struct text position = postgres_key_text(&chunk->rows[rows - 1].key, buffer);
        if (position.length >= CHUNK_POSITION_MAX) {
            snprintf(reason, TABLE_REASON_MAX, "a key of table %s is too long to go on behind it",
                     table->job->from->table);
            postgres_link_rollback(lane->link);
            return TABLE_STOPPED;
        }
        text_copy(position, chunk->position, sizeof chunk->position);
    }
    postgres_link_rollback(lane->link);
    return rows > 0 ? TABLE_ROWS : TABLE_END;
}

static enum table_taken take(void *self, unsigned lane, struct chunk *chunk, size_t most,
                             char reason[TABLE_REASON_MAX])
{
    struct postgres_table *table = self;
    CHECK_OBJECT(table, TABLE_MAGIC);
    *reason = '\0';
    if (table->sql_left == NULL)
        return take_read(table, &table->lanes[0], chunk, most, reason);
    return take_claimed(table, &table->lanes[lane], chunk, most, reason);
}

/* ---- committing ---- */

static bool put_chunk(struct postgres_table *table, struct lane *lane, const struct chunk *chunk,
                      char *reason)
{
    return postgres_writer_put(&lane->writer, &table->found.plan, atomic_load(&table->copy), chunk, reason);
}

/* In the transaction, and its end. */
static enum postgres_outcome write_chunk(struct postgres_table *table, struct lane *lane,
                                         const struct chunk *chunk, const struct postgres_proof *proof,
                                         char *reason)
{
    enum postgres_outcome outcome =
        postgres_writer_write(&lane->writer, lane->link, &table->found.plan, &table->writes,
                              table->job->model, chunk->predicted_at, reason);
    if (outcome == POSTGRES_DONE)
        outcome = postgres_link_commit(lane->link, proof, reason);
    if (outcome != POSTGRES_FAILED || !lane->writer.copying)
        return outcome;
    atomic_store(&table->copy, false);
    return POSTGRES_AGAIN;
}

/* Its proof is the first row that it wrote. One that wrote rejects alone goes by its number. */
static enum postgres_outcome write_claimed(struct postgres_table *table, struct lane *lane,
                                           const struct chunk *chunk, char *reason)
{
    struct postgres_value first;
    const struct postgres_proof proof = {table->writes.proof, &first, 1};
    bool some = postgres_writer_first(&lane->writer, &first);
    return write_chunk(table, lane, chunk, some ? &proof : NULL, reason);
}

static bool commit_claimed(struct postgres_table *table, struct lane *lane, struct chunk *chunk, char *reason)
{
    enum postgres_outcome outcome = POSTGRES_FAILED;
    if (put_chunk(table, lane, chunk, reason))
        outcome = write_claimed(table, lane, chunk, reason);
    give_back(table, lane);
    chunk->lost = outcome == POSTGRES_AGAIN; /* with the claim; the next pass finds its rows */
    if (outcome == POSTGRES_STOPPED)
        *reason = '\0';
    return outcome == POSTGRES_DONE || outcome == POSTGRES_AGAIN;
}

/* Moves the position on, unless somebody else did. */
static enum postgres_outcome write_position(struct postgres_table *table, struct lane *lane,
                                            const char *position, char *reason)
{
    char *statement;
    ENSURE(
        asprintf(
            &statement,
            "INSERT INTO %s AS p (job, position, updated_at) VALUES ($1::text, $2::text, now()) "
            "ON CONFLICT (job) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at "
            "WHERE p.position = $3::text",
            table->found.progress) > 0);
    const struct postgres_value values[] = {
        {.at = table->job->name}, {.at = position}, {.at = table->position}};
    enum postgres_outcome outcome =
        postgres_link_ask(lane->link, statement, values, COUNT_OF(values), reason);
    free(statement);
    if (outcome != POSTGRES_DONE || postgres_link_changed(lane->link) == 1)
        return outcome;
    postgres_link_rollback(lane->link);
    snprintf(reason, TABLE_REASON_MAX, "another process is at this job: it has moved its position in %s",
             table->found.progress);
    return POSTGRES_FAILED;
}

/* Its proof is the position. */
static bool commit_in_order(struct postgres_table *table, struct lane *lane, const struct chunk *chunk,
                            char *reason)
{
    enum postgres_outcome outcome;
    const struct postgres_value place[] = {{.at = table->job->name}, {.at = chunk->position}};
    const struct postgres_proof proof = {table->sql_position, place, COUNT_OF(place)};
    do {
        if (!put_chunk(table, lane, chunk, reason))
            return false;
        outcome = postgres_link_begin(lane->link, reason);
        if (outcome == POSTGRES_DONE)
            outcome = write_position(table, lane, chunk->position, reason);
        if (outcome == POSTGRES_DONE)
            outcome = write_chunk(table, lane, chunk, &proof, reason);
    } while (outcome == POSTGRES_AGAIN);
    if (outcome == POSTGRES_DONE) {
        free(table->position);
        table->position = object_strdup(chunk->position);
    } else if (outcome == POSTGRES_STOPPED)
        *reason = '\0';
    return outcome == POSTGRES_DONE;
}

static bool commit(void *self, unsigned lane, struct chunk *chunk, char reason[TABLE_REASON_MAX])
{
    struct postgres_table *table = self;
    CHECK_OBJECT(table, TABLE_MAGIC);
    struct lane *mine = &table->lanes[table->found.progress != NULL ? 0 : lane];
    *reason = '\0';
    chunk_round_floats(chunk);
    postgres_link_keep(mine->link, true);
    bool good = table->found.progress != NULL ? commit_in_order(table, mine, chunk, reason)
                                              : commit_claimed(table, mine, chunk, reason);
    postgres_link_keep(mine->link, false);
    return good;
}

static void abandon(void *self, unsigned lane, struct chunk *chunk)
{
    (void)chunk;
    struct postgres_table *table = self;
    CHECK_OBJECT(table, TABLE_MAGIC);
    give_back(table, &table->lanes[lane]);
}

/* ---- positions ---- */

static bool resume(void *self, char position[CHUNK_POSITION_MAX], char reason[TABLE_REASON_MAX])
{
    struct postgres_table *table = self;
    CHECK_OBJECT(table, TABLE_MAGIC);
    struct postgres_link *link = table->lanes[0].link;
    const struct postgres_value value = {.at = table->job->name};
    char *statement;
    ENSURE(asprintf(&statement, "SELECT position FROM %s WHERE job = $1::text", table->found.progress) > 0);
    enum postgres_outcome outcome = postgres_link_begin(link, reason);
    if (outcome == POSTGRES_DONE)
        outcome = postgres_link_ask(link, statement, &value, 1, reason);
    free(statement);
    if (outcome != POSTGRES_DONE)
        return false;
    size_t length;
    const char *found = postgres_link_rows(link) > 0 ? postgres_link_value(link, 0, 0, &length) : "";
    snprintf(position, CHUNK_POSITION_MAX, "%s", found);
    postgres_link_rollback(link);
    free(table->position);
    table->position = object_strdup(position);
    return true;
}

static bool seek(void *self, const char *position, char reason[TABLE_REASON_MAX])
{
    struct postgres_table *table = self;
    CHECK_OBJECT(table, TABLE_MAGIC);
    if (!table->found.plan.key.integer) {
        key_set(&table->last, position, strlen(position));
        return true;
    }
    struct row_value key = {.kind = ROW_STRING, .text = text_of(position)};
    struct postgres_array one = {0};
    postgres_array_begin(&one, POSTGRES_INT8_ARRAY);
    bool fine = postgres_put_key(&table->found.plan.key, &one, &key);
    if (fine)
        key_set(&table->last, one.bytes + one.length - sizeof(int64_t), sizeof(int64_t));
    else
        snprintf(reason, TABLE_REASON_MAX, "position \"%.64s\" is no key of table %s", position,
                 table->job->from->table);
    postgres_array_free(&one);
    return fine;
}

static bool count(void *self, uint64_t *rows)
{
    struct postgres_table *table = self;
    CHECK_OBJECT(table, TABLE_MAGIC);
    struct postgres_link *link = table->lanes[0].link;
    char reason[TABLE_REASON_MAX], limit[64];
    if (table->found.plan.source == NULL)
        return false;
    char *statement = postgres_sql_count(&table->found.plan);
    snprintf(limit, sizeof limit, "SET LOCAL statement_timeout = %d", COUNT_MS);
    postgres_link_quiet(link, true); /* a table that is too large to count is none to be told of */
    bool done = postgres_link_begin(link, reason) == POSTGRES_DONE &&
                postgres_link_ask(link, limit, NULL, 0, reason) == POSTGRES_DONE &&
                postgres_link_ask(link, statement, NULL, 0, reason) == POSTGRES_DONE;
    size_t length;
    if (done)
        *rows = (uint64_t)postgres_read_integer(postgres_link_value(link, 0, 0, &length));
    postgres_link_rollback(link);
    postgres_link_quiet(link, false);
    free(statement);
    return done;
}

/* ---- beginning and end ---- */

static int64_t busy(void *self)
{
    return atomic_load(&((struct postgres_table *)self)->shared.busy);
}

static unsigned connections(void *self)
{
    return ((struct postgres_table *)self)->lane_count;
}

static void free_lane(struct lane *lane)
{
    postgres_link_free(lane->link);
    postgres_reader_free(&lane->reader);
    postgres_writer_free(&lane->writer);
}

static void table_close(void *self)
{
    struct postgres_table *table = self;
    CHECK_OBJECT(table, TABLE_MAGIC);
    for (unsigned i = 0; i < table->lane_count; i++)
        free_lane(&table->lanes[i]);
    char *statements[] = {table->sql_first,   table->sql_next,     table->sql_left,
                          table->sql_done,    table->sql_position, table->writes.write,
                          table->writes.copy, table->writes.proof, table->writes.reject};
    for (size_t i = 0; i < COUNT_OF(statements); i++)
        free(statements[i]);
    free(table->lanes);
    free(table->position);
    key_forget(&table->last);
    postgres_found_free(&table->found);
    pthread_mutex_destroy(&table->mutex);
    table->magic = 0;
    free(table);
}

static void make_statements(struct postgres_table *table, enum table_part part)
{
    const struct postgres_plan *plan = &table->found.plan;
    if (part != TABLE_SINK) {
        table->sql_first = postgres_sql_take(plan, false, part == TABLE_BOTH);
        table->sql_next = postgres_sql_take(plan, true, part == TABLE_BOTH);
    }
    if (part == TABLE_BOTH)
        table->sql_left = postgres_sql_left(plan);
    if (part == TABLE_BOTH && plan->sink != plan->source)
        table->sql_done = postgres_sql_done(plan);
    if (part != TABLE_SOURCE) {
        table->writes.write = postgres_sql_write(plan);
        table->writes.reject = postgres_sql_reject(plan);
        table->writes.proof = postgres_sql_proof(plan);
        atomic_store(&table->copy, postgres_copy_can(plan));
        if (table->copy)
            table->writes.copy = postgres_sql_copy(plan);
    }
    if (table->found.progress != NULL)
        table->sql_position = postgres_sql_position(table->found.progress);
}

static void *table_open(const struct table_job *job, enum table_part part, char reason[TABLE_REASON_MAX])
{
    struct postgres_table *table = object_alloc(sizeof *table);
    const char *at = part == TABLE_SINK ? job->to->at : job->from->at;
    *table = (struct postgres_table){.magic = TABLE_MAGIC,
                                     .job = job,
                                     .lane_count = part == TABLE_BOTH ? job->lanes : 1,
                                     .position = object_strdup("")};
    pthread_mutex_init(&table->mutex, NULL);
    table->lanes = object_alloc(table->lane_count * sizeof *table->lanes);
    for (unsigned i = 0; i < table->lane_count; i++)
        table->lanes[i].link = postgres_link_new(at, job, &table->shared);
    if (!postgres_link_open(table->lanes[0].link, reason) ||
        !postgres_find(table->lanes[0].link, job, part, &table->found, reason)) {
        table_close(table);
        return NULL;
    }
    make_statements(table, part);
    return table;
}

const struct table table_postgres = {.open = table_open,
                                     .count = count,
                                     .take = take,
                                     .commit = commit,
                                     .abandon = abandon,
                                     .resume = resume,
                                     .seek = seek,
                                     .busy = busy,
                                     .connections = connections,
                                     .close = table_close};
