/* postgres_link: one connection, on which libpq stands alone.
 *
 * Everything is asked within a transaction: settings are its own (SET LOCAL), so that poolers which lend a
 * connection for a transaction do. Statements and locks have timeouts: a statement that did not come through
 * is given twice the time when it is tried again, so that neither a slow claim nor a hung server stops the
 * job for ever. A COMMIT that was not answered may have been done: the server keeps what came of each
 * transaction, and is asked once it is back. That alone proves nothing, for a server that crashed gives the
 * numbers of transactions which it had not begun to write down to others: so something that was written is
 * looked for, too. SPDX-License-Identifier: MIT */
#include "postgres_link.h"

#include "clock.h"

#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LINK_MAGIC = 0x4ed17011,
    VALUES_MAX = 16,
    FIRST_PATIENCE_MS = 60 * 1000,
    LONGEST_PATIENCE_MS = 60 * 60 * 1000,
    GRACE_MS = 10 * 1000, /* that we wait longer than the server should */
    LOCK_MS = 5 * 1000,
    FIRST_IDLE_MS =
        5 * 60 * 1000, /* a claim that is held for longer is given up: we may be gone, unnoticed */
    LONGEST_IDLE_MS = 24 * 60 * 60 * 1000,
    CONNECT_S = 5,
    LOOK_MS = 100 /* so often `stopping` is asked for */
};

#define FIRST_PAUSE    (50 * MILLISECOND)
#define LONGEST_PAUSE  SECOND
#define START_PATIENCE (30 * SECOND) /* for a server that starts */
#define LAST_PATIENCE  (5 * SECOND)  /* for an answer, once the job is to end */

struct postgres_link {
    unsigned magic;
    const struct table_job *job;
    struct postgres_shared *shared;
    char *at;
    PGconn *connection;       /* NULL: none */
    PGresult *answer, *aside; /* NULL: none */
    bool inside;              /* a transaction is begun */
    bool quiet;
    bool keeping; /* what is asked is waited for also when the job is to end */
};

struct postgres_link *postgres_link_new(const char *at, const struct table_job *job,
                                        struct postgres_shared *shared)
{
    struct postgres_link *link = object_alloc(sizeof *link);
    *link =
        (struct postgres_link){.magic = LINK_MAGIC, .job = job, .shared = shared, .at = object_strdup(at)};
    return link;
}

static void forget_answer(struct postgres_link *link)
{
    PQclear(link->answer);
    link->answer = NULL;
}

static void disconnect(struct postgres_link *link)
{
    forget_answer(link);
    PQfinish(link->connection);
    link->connection = NULL;
    link->inside = false;
}

void postgres_link_free(struct postgres_link *link)
{
    if (link == NULL)
        return;
    disconnect(link);
    PQclear(link->aside);
    free(link->at);
    link->magic = 0;
    free(link);
}

static bool stopping(const struct postgres_link *link)
{
    return link->job->stopping(link->job->self);
}

static void pause_for(const struct postgres_link *link, int64_t time)
{
    int64_t until = clock_now() + time;
    for (int64_t left = time; left > 0 && !stopping(link); left = until - clock_now())
        poll(NULL, 0, left < LOOK_MS * MILLISECOND ? (int)(left / MILLISECOND) + 1 : LOOK_MS);
}

/* ---- what went wrong ---- */

enum postgres_outcome postgres_outcome_of(const char *sqlstate)
{
    static const char *const passing[] = {
        "08",    /* connections */
        "40",    /* rolled back: serialization, deadlock */
        "53",    /* out of connections, memory, disk */
        "55P03", /* a lock was not to be had in time */
        "57",    /* ended by the administrator, statement_timeout */
        "25P02", /* the transaction failed before */
        "25P03", /* idle for too long */
        "25006", /* this server only reads: another has taken over */
        "58"     /* the system underneath */
    };
    if (sqlstate == NULL)
        return POSTGRES_AGAIN;
    for (size_t i = 0; i < COUNT_OF(passing); i++)
        if (strncmp(sqlstate, passing[i], strlen(passing[i])) == 0)
            return POSTGRES_AGAIN;
    return POSTGRES_FAILED;
}

/* One line of what libpq says in several. */
static void first_line(const char *words, char reason[TABLE_REASON_MAX])
{
    while (*words == '\n' || *words == ' ')
        words++;
    snprintf(reason, TABLE_REASON_MAX, "PostgreSQL: %.*s", (int)strcspn(words, "\n"), words);
}

static void explain_answer(const PGresult *answer, char reason[TABLE_REASON_MAX])
{
    static const struct {
        int field;
        const char *words;
    } places[] = {{PG_DIAG_SCHEMA_NAME, "; schema "},
                  {PG_DIAG_TABLE_NAME, ", table "},
                  {PG_DIAG_COLUMN_NAME, ", column "},
                  {PG_DIAG_CONSTRAINT_NAME, ", constraint "},
                  {PG_DIAG_SQLSTATE, "; SQLSTATE "}};
    const char *said = PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY);
    first_line(said == NULL ? PQresultErrorMessage(answer) : said, reason);
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        size_t length = strlen(reason);
        said = PQresultErrorField(answer, places[i].field);
        if (said != NULL)
            snprintf(reason + length, TABLE_REASON_MAX - length, "%s%s", places[i].words, said);
    }
}

static void tell(const struct postgres_link *link, const char *what, const char *why)
{
    char line[TABLE_REASON_MAX + 64];
    snprintf(line, sizeof line, "%s%s", what, why);
    link->job->tell(link->job->self, line);
}

/* The lanes lose it all at once; one tells. */
static void tell_lost(struct postgres_link *link, const char *why)
{
    if (!link->quiet && !atomic_exchange(&link->shared->away, true))
        tell(link, "trying again: ", why);
}

static void tell_found(struct postgres_link *link)
{
    if (atomic_exchange(&link->shared->away, false))
        tell(link, "PostgreSQL: it goes on", "");
}

/* ---- the connection ---- */

/* What the user's words may say otherwise. A connection that is dead without a word is noticed in 6 s. */
static const char *const names[] = {"connect_timeout",
                                    "keepalives",
                                    "keepalives_idle",
                                    "keepalives_interval",
                                    "keepalives_count",
                                    "tcp_user_timeout",
                                    "fallback_application_name",
                                    "client_encoding",
                                    "dbname",
                                    NULL};

static void ignore_notice(void *self, const PGresult *notice)
{
    (void)self, (void)notice;
}

/* libpq tells what it could not read, which may be a piece of a password: so it is said here what is wrong.
 * An @ that is not encoded parts password and host elsewhere than was meant. */
static bool check_address(const char *at, char reason[TABLE_REASON_MAX])
{
    const char *authority = strstr(at, "://");
    if (authority == NULL && strchr(at, '=') == NULL)
        return true; /* the name of a database, or nothing */
    PQconninfoOption *options = PQconninfoParse(at, NULL), *option;
    bool good = options != NULL, has_user = false;
    const char *mark = authority == NULL ? NULL : memchr(authority, '@', strcspn(authority, "?"));
    for (option = options; good && authority != NULL && option->keyword != NULL; option++) {
        bool where = strcmp(option->keyword, "host") == 0 || strcmp(option->keyword, "dbname") == 0;
        good = !where || option->val == NULL || strchr(option->val, '@') == NULL;
        has_user = has_user || (strcmp(option->keyword, "user") == 0 && option->val != NULL);
    }
    PQconninfoFree(options);
    if (good && (mark == NULL || has_user))
        return true;
    snprintf(reason, TABLE_REASON_MAX, "PostgreSQL: the address cannot be read: %s",
             authority != NULL
                 ? "in user and password all but letters, digits and -._~ is written as %40 (@), %2F (/), "
                   "%20 (blank), ..."
                 : "expected NAME=VALUE, and a value with blanks in quotes, as in password='two words'");
    return false;
}

/* When the attempt to connect, to all hosts that are named, is given up. */
static int64_t connect_until(const PGconn *connection)
{
    int64_t seconds = CONNECT_S, hosts = 1;
    PQconninfoOption *options = PQconninfo((PGconn *)(uintptr_t)connection), *option;
    for (option = options; option != NULL && option->keyword != NULL; option++)
        if (option->val != NULL && strcmp(option->keyword, "connect_timeout") == 0)
            seconds = strtoll(option->val, NULL, 10);
        else if (option->val != NULL && strcmp(option->keyword, "host") == 0)
            for (const char *at = option->val; (at = strchr(at, ',')) != NULL; at++)
                hosts++;
    PQconninfoFree(options);
    return seconds <= 0 ? INT64_MAX : clock_now() + seconds * hosts * SECOND;
}

/* Goes on with what was begun, step by step, so that the job may end meanwhile. */
static bool await_connection(struct postgres_link *link)
{
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    int64_t until = connect_until(link->connection);
    while (next != PGRES_POLLING_OK && next != PGRES_POLLING_FAILED) {
        struct pollfd one = {.fd = PQsocket(link->connection),
                             .events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        int ready = poll(&one, 1, LOOK_MS);
        if (stopping(link) || clock_now() > until)
            return false;
        if (ready > 0)
            next = PQconnectPoll(link->connection);
    }
    return next == PGRES_POLLING_OK;
}

static bool connect_once(struct postgres_link *link, char reason[TABLE_REASON_MAX])
{
    const char *const words[] = {"5", "1", "3", "1", "3", "5000", "outrigger-batch", "UTF8", link->at, NULL};
    disconnect(link);
    link->connection = PQconnectStartParams(names, words, 1);
    ENSURE(link->connection != NULL);
    if (PQstatus(link->connection) == CONNECTION_BAD || !await_connection(link)) {
        const char *said = PQerrorMessage(link->connection);
        first_line(stopping(link) ? "interrupted" : *said == '\0' ? "no connection in time" : said, reason);
        disconnect(link);
        return false;
    }
    PQsetNoticeReceiver(link->connection, ignore_notice, NULL);
    return true;
}

/* It is there, and says that it takes nobody yet. */
static bool only_starts(const struct postgres_link *link)
{
    const char *const words[] = {"5", "1", "3", "1", "3", "5000", "outrigger-batch", "UTF8", link->at, NULL};
    return PQpingParams(names, words, 1) == PQPING_REJECT;
}

bool postgres_link_open(struct postgres_link *link, char reason[TABLE_REASON_MAX])
{
    CHECK_OBJECT(link, LINK_MAGIC);
    if (!check_address(link->at, reason))
        return false;
    int64_t until = clock_now() + START_PATIENCE;
    while (!connect_once(link, reason)) {
        if (clock_now() > until || stopping(link) || !only_starts(link))
            return false;
        pause_for(link, FIRST_PAUSE);
    }
    return true;
}

/* For ever, until the job is to end: the server comes back. */
static bool connect_again(struct postgres_link *link)
{
    char reason[TABLE_REASON_MAX];
    int64_t pause = FIRST_PAUSE;
    while (!connect_once(link, reason)) {
        tell_lost(link, reason);
        if (stopping(link))
            return false;
        pause_for(link, pause);
        pause = pause * 2 < LONGEST_PAUSE ? pause * 2 : LONGEST_PAUSE;
    }
    tell_found(link);
    return true;
}

/* ---- asking ---- */

static int64_t patience_ms(const struct postgres_link *link)
{
    int64_t patience = atomic_load(&link->shared->patience);
    return patience == 0 ? FIRST_PATIENCE_MS : patience;
}

static int64_t idle_ms(const struct postgres_link *link)
{
    int64_t idle = atomic_load(&link->shared->idle);
    return idle == 0 ? FIRST_IDLE_MS : idle;
}

/* A statement that may be too much for its time has more of it the next time, and so has a model that is
 * slow. */
static void be_more_patient(struct postgres_link *link, const char *sqlstate)
{
    int64_t more = patience_ms(link) * 2, idle = idle_ms(link) * 2;
    if (strcmp(sqlstate, "57014") == 0)
        atomic_store(&link->shared->patience, more < LONGEST_PATIENCE_MS ? more : LONGEST_PATIENCE_MS);
    if (strcmp(sqlstate, "25P03") == 0)
        atomic_store(&link->shared->idle, idle < LONGEST_IDLE_MS ? idle : LONGEST_IDLE_MS);
}

/* Waits for the server's answer to what was sent. False: it is not to be had. */
static bool await_answer(struct postgres_link *link)
{
    int64_t until = clock_now() + (patience_ms(link) + GRACE_MS) * MILLISECOND;
    while (PQisBusy(link->connection)) {
        struct pollfd one = {.fd = PQsocket(link->connection), .events = POLLIN};
        if (poll(&one, 1, LOOK_MS) < 0 && errno != EINTR)
            return false;
        int64_t now = clock_now();
        if (stopping(link) && !link->keeping)
            return false;
        if (stopping(link) && until > now + LAST_PATIENCE)
            until = now + LAST_PATIENCE;
        if (!PQconsumeInput(link->connection) || now > until)
            return false;
    }
    return true;
}

static bool is_error(const PGresult *answer)
{
    return answer != NULL && PQresultStatus(answer) == PGRES_FATAL_ERROR;
}

/* The last answer of the statement, or statements; of errors the first: what comes behind the server's last
 * words is only that it has gone. NULL: the connection is lost. */
static PGresult *collect(struct postgres_link *link)
{
    PGresult *kept = NULL, *next;
    while (await_answer(link)) {
        if ((next = PQgetResult(link->connection)) == NULL)
            return kept;
        if (is_error(kept))
            PQclear(next);
        else {
            PQclear(kept);
            kept = next;
        }
    }
    if (is_error(kept))
        return kept;
    PQclear(kept);
    return NULL;
}

static enum postgres_outcome outcome_of(struct postgres_link *link, char reason[TABLE_REASON_MAX])
{
    ExecStatusType status = link->answer == NULL ? PGRES_FATAL_ERROR : PQresultStatus(link->answer);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return POSTGRES_DONE;
    const char *sqlstate = link->answer == NULL ? NULL : PQresultErrorField(link->answer, PG_DIAG_SQLSTATE);
    enum postgres_outcome outcome = postgres_outcome_of(sqlstate);
    if (sqlstate != NULL) {
        explain_answer(link->answer, reason);
        be_more_patient(link, sqlstate);
    } else
        first_line(*PQerrorMessage(link->connection) == '\0' ? "no answer in time"
                                                             : PQerrorMessage(link->connection),
                   reason);
    if (sqlstate == NULL || PQstatus(link->connection) != CONNECTION_OK)
        disconnect(link);
    else
        postgres_link_rollback(link);
    if (outcome == POSTGRES_AGAIN && stopping(link))
        return POSTGRES_STOPPED;
    if (outcome == POSTGRES_AGAIN)
        tell_lost(link, reason);
    return outcome;
}

static enum postgres_outcome ask(struct postgres_link *link, const char *statement,
                                 const struct postgres_value *values, size_t count,
                                 char reason[TABLE_REASON_MAX])
{
    Oid types[VALUES_MAX];
    const char *at[VALUES_MAX];
    int lengths[VALUES_MAX], forms[VALUES_MAX];
    ENSURE(count <= VALUES_MAX && link->connection != NULL);
    for (size_t i = 0; i < count; i++) {
        types[i] = values[i].type;
        at[i] = values[i].at;
        lengths[i] = (int)values[i].length;
        forms[i] = values[i].binary;
    }
    forget_answer(link);
    int64_t from = clock_now();
    bool sent = values == NULL ? PQsendQuery(link->connection, statement)
                               : PQsendQueryParams(link->connection, statement, (int)count, types, at,
                                                   lengths, forms, 1);
    link->answer = sent ? collect(link) : NULL;
    atomic_fetch_add(&link->shared->busy, clock_now() - from);
    return outcome_of(link, reason);
}

enum postgres_outcome postgres_link_ask(struct postgres_link *link, const char *statement,
                                        const struct postgres_value *values, size_t count,
                                        char reason[TABLE_REASON_MAX])
{
    CHECK_OBJECT(link, LINK_MAGIC);
    static const struct postgres_value none[1];
    ENSURE(link->inside);
    return ask(link, statement, values == NULL ? none : values, count, reason);
}

/* The server's answer to the statement is that it waits for the bytes, or an error. */
static PGresult *copy_bytes(struct postgres_link *link, struct text bytes)
{
    if (!await_answer(link))
        return NULL;
    PGresult *first = PQgetResult(link->connection);
    bool waits = PQresultStatus(first) == PGRES_COPY_IN;
    if (waits && (PQputCopyData(link->connection, bytes.at, (int)bytes.length) != 1 ||
                  PQputCopyEnd(link->connection, NULL) != 1)) {
        PQclear(first);
        return NULL;
    }
    PGresult *last = collect(link);
    if (waits) {
        PQclear(first);
        return last;
    }
    PQclear(last);
    return first;
}

enum postgres_outcome postgres_link_copy(struct postgres_link *link, const char *statement, struct text bytes,
                                         char reason[TABLE_REASON_MAX])
{
    CHECK_OBJECT(link, LINK_MAGIC);
    ENSURE(link->inside && link->connection != NULL && bytes.length <= INT_MAX);
    forget_answer(link);
    int64_t from = clock_now();
    link->answer = PQsendQuery(link->connection, statement) ? copy_bytes(link, bytes) : NULL;
    atomic_fetch_add(&link->shared->busy, clock_now() - from);
    return outcome_of(link, reason);
}

void postgres_link_swap(struct postgres_link *link)
{
    CHECK_OBJECT(link, LINK_MAGIC);
    PGresult *answer = link->answer;
    link->answer = link->aside;
    link->aside = answer;
}

void postgres_link_quiet(struct postgres_link *link, bool quiet)
{
    CHECK_OBJECT(link, LINK_MAGIC);
    link->quiet = quiet;
}

void postgres_link_keep(struct postgres_link *link, bool keep)
{
    CHECK_OBJECT(link, LINK_MAGIC);
    link->keeping = keep;
}

size_t postgres_link_rows(const struct postgres_link *link)
{
    return (size_t)PQntuples(link->answer);
}

size_t postgres_link_changed(const struct postgres_link *link)
{
    return strtoull(PQcmdTuples(link->answer), NULL, 10);
}

const void *postgres_link_value(const struct postgres_link *link, size_t row, size_t column, size_t *length)
{
    *length = (size_t)PQgetlength(link->answer, (int)row, (int)column);
    return PQgetisnull(link->answer, (int)row, (int)column) ? NULL
                                                            : PQgetvalue(link->answer, (int)row, (int)column);
}

/* ---- transactions ---- */

/* Rows are walked in the order of their key, by its index: plans that read the whole table for each chunk
 * look cheap when statistics are old. */
static enum postgres_outcome begin_once(struct postgres_link *link, char reason[TABLE_REASON_MAX])
{
    char statement[512];
    snprintf(statement, sizeof statement,
             "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = %" PRId64 "; "
             "SET LOCAL lock_timeout = %d; SET LOCAL idle_in_transaction_session_timeout = %" PRId64 "; "
             "SET LOCAL DateStyle = ISO; SET LOCAL extra_float_digits = 1; SET LOCAL enable_seqscan = off; "
             "SET LOCAL jit = off",
             patience_ms(link), LOCK_MS, idle_ms(link));
    link->inside = true;
    return ask(link, statement, NULL, 0, reason);
}

enum postgres_outcome postgres_link_begin(struct postgres_link *link, char reason[TABLE_REASON_MAX])
{
    CHECK_OBJECT(link, LINK_MAGIC);
    ENSURE(!link->inside);
    for (int64_t pause = FIRST_PAUSE;; pause = pause * 2 < LONGEST_PAUSE ? pause * 2 : LONGEST_PAUSE) {
        if (link->connection == NULL && !connect_again(link))
            return POSTGRES_STOPPED;
        enum postgres_outcome outcome = begin_once(link, reason);
        if (outcome == POSTGRES_DONE)
            tell_found(link);
        if (outcome != POSTGRES_AGAIN)
            return outcome;
        pause_for(link, pause);
    }
}

void postgres_link_rollback(struct postgres_link *link)
{
    CHECK_OBJECT(link, LINK_MAGIC);
    if (!link->inside)
        return;
    link->inside = false;
    forget_answer(link);
    if ((stopping(link) && !link->keeping) || !PQsendQuery(link->connection, "ROLLBACK") ||
        (link->answer = collect(link)) == NULL || PQresultStatus(link->answer) != PGRES_COMMAND_OK)
        disconnect(link);
}

/* One look, in a transaction: whether that one is there, or still runs. */
static enum postgres_outcome look_for(struct postgres_link *link, const char *transaction,
                                      const struct postgres_proof *proof, bool *there, bool *runs,
                                      char reason[TABLE_REASON_MAX])
{
    struct postgres_value values[VALUES_MAX] = {{.at = transaction}};
    size_t length;
    enum postgres_outcome outcome = ask(link, "SELECT txid_status($1::text::bigint)", values, 1, reason);
    const char *status = outcome == POSTGRES_DONE ? postgres_link_value(link, 0, 0, &length) : NULL;
    *runs = status != NULL && strcmp(status, "in progress") == 0;
    *there = status != NULL && strcmp(status, "committed") == 0;
    if (!*there || proof == NULL)
        return outcome;
    ENSURE(proof->count < VALUES_MAX);
    for (size_t i = 0; i < proof->count; i++)
        values[i + 1] = proof->values[i];
    outcome = ask(link, proof->statement, values, proof->count + 1, reason);
    *there = outcome == POSTGRES_DONE && postgres_link_rows(link) > 0;
    return outcome;
}

/* The connection was lost while the server committed. */
static enum postgres_outcome find_out(struct postgres_link *link, const char *transaction,
                                      const struct postgres_proof *proof, char reason[TABLE_REASON_MAX])
{
    for (;;) {
        bool there, runs;
        enum postgres_outcome outcome = postgres_link_begin(link, reason);
        if (outcome != POSTGRES_DONE)
            return outcome;
        outcome = look_for(link, transaction, proof, &there, &runs, reason);
        postgres_link_rollback(link);
        if (outcome == POSTGRES_STOPPED || there)
            return outcome;
        if (outcome != POSTGRES_AGAIN && !runs) /* rolled back, or never heard of, or somebody else's */
            return POSTGRES_AGAIN;
        pause_for(link, FIRST_PAUSE);
    }
}

enum postgres_outcome postgres_link_commit(struct postgres_link *link, const struct postgres_proof *proof,
                                           char reason[TABLE_REASON_MAX])
{
    CHECK_OBJECT(link, LINK_MAGIC);
    char transaction[32];
    size_t length;
    ENSURE(link->inside);
    enum postgres_outcome outcome = postgres_link_ask(link, "SELECT txid_current()::text", NULL, 0, reason);
    if (outcome != POSTGRES_DONE)
        return outcome;
    snprintf(transaction, sizeof transaction, "%s", (const char *)postgres_link_value(link, 0, 0, &length));
    outcome = ask(link, "COMMIT", NULL, 0, reason);
    if (link->connection == NULL && outcome == POSTGRES_AGAIN)
        return find_out(link, transaction, proof, reason);
    link->inside = false;
    return outcome;
}
