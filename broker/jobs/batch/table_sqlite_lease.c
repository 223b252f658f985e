/* table_sqlite_lease: who has which rows of a table: ranges of keys in outrigger_leases.
 *
 * Whoever has a lease and lives keeps it, however long its rows take; when its process is gone the lease is
 * over at once. A process is looked for by pid and start time, where it is of the same pid namespace and the
 * same boot; of any other (another container) the lease is over at its time. A lease that was taken over is
 * gone, and with it its number, so whoever had it cannot commit. SPDX-License-Identifier: MIT */
#include "clock.h"
#include "process.h"
#include "table_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LEASE_SECONDS = 600 /* for processes that cannot be looked for */ };

/* The boot and the pid namespace that a pid is of. */
static char *find_place(void)
{
    char boot[64] = "", space[64] = "", *where;
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file != NULL) {
        if (fscanf(file, "%63s", boot) != 1)
            *boot = '\0';
        fclose(file);
    }
    ssize_t length = readlink("/proc/self/ns/pid", space, sizeof space - 1);
    space[length > 0 ? length : 0] = '\0';
    ENSURE(asprintf(&where, "%s %s", boot, space) >= 0);
    return where;
}

/* Whoever writes to the same place shares leases, whatever else its job says. */
static char *name_of(const struct sqlite_table *table)
{
    char *name;
    ENSURE(asprintf(&name, "%s %s", table->table,
                    table->beside ? table->results[SQLITE_RESULT_AT] : table->result_table) >= 0);
    return name;
}

bool sqlite_lease_prepare(struct sqlite_table *table, char *reason)
{
    table->lease_name = name_of(table);
    const char *name = table->lease_name;
    table->where = find_place();
    snprintf(table->owner, sizeof table->owner, "%d %llu", (int)getpid(),
             (unsigned long long)process_start_time(getpid()));
    if (!sqlite_exec(table,
                     "CREATE TABLE IF NOT EXISTS outrigger_leases (id INTEGER PRIMARY KEY AUTOINCREMENT, "
                     "job TEXT NOT NULL, first, last, \"where\" TEXT NOT NULL, owner TEXT NOT NULL, "
                     "until INTEGER NOT NULL)",
                     reason) ||
        !sqlite_prepare(
            table, &table->next_lease,
            sqlite3_mprintf("SELECT first, last, id FROM outrigger_leases WHERE job = ?1 AND last > ?2 "
                            "ORDER BY first LIMIT 1"),
            reason) ||
        !sqlite_prepare(
            table, &table->all_leases,
            sqlite3_mprintf("SELECT id, \"where\", owner, until FROM outrigger_leases WHERE job = ?1"),
            reason) ||
        !sqlite_prepare(
            table, &table->add_lease,
            sqlite3_mprintf("INSERT INTO outrigger_leases (job, first, last, \"where\", owner, until) "
                            "VALUES (?1, ?2, ?3, ?4, ?5, ?6)"),
            reason) ||
        !sqlite_prepare(
            table, &table->any_lease,
            sqlite3_mprintf("SELECT 1 FROM outrigger_leases WHERE job = ?1 AND last >= ?2 AND first <= ?3"),
            reason) ||
        !sqlite_prepare(table, &table->end_lease,
                        sqlite3_mprintf("DELETE FROM outrigger_leases WHERE id = ?1"), reason))
        return false;
    sqlite3_bind_text(table->next_lease, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(table->any_lease, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(table->all_leases, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(table->add_lease, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(table->add_lease, 4, table->where, -1, SQLITE_STATIC);
    sqlite3_bind_text(table->add_lease, 5, table->owner, -1, SQLITE_STATIC);
    return true;
}

static bool lives(const char *owner)
{
    int pid;
    unsigned long long start;
    return sscanf(owner, "%d %llu", &pid, &start) == 2 && start != 0 && process_lives(pid, start);
}

/* Of the row that the statement stands on. */
static bool is_over(const struct sqlite_table *table, sqlite3_stmt *lease)
{
    const char *where = (const char *)sqlite3_column_text(lease, 1);
    const char *owner = (const char *)sqlite3_column_text(lease, 2);
    if (where != NULL && owner != NULL && strcmp(where, table->where) == 0)
        return !lives(owner);
    return sqlite3_column_int64(lease, 3) < clock_wall() / SECOND;
}

bool sqlite_lease_is_ours(struct sqlite_table *table, int64_t id)
{
    bool ours = false;
    pthread_mutex_lock(&table->state);
    for (unsigned i = 0; i < table->job->lanes; i++)
        ours = ours || table->claims[i].id == id || table->claims[i].adding == id;
    pthread_mutex_unlock(&table->state);
    return ours;
}

static bool end_lease(struct sqlite_table *table, int64_t id, char *reason)
{
    sqlite3_bind_int64(table->end_lease, 1, id);
    return sqlite_run(table, table->end_lease, reason);
}

bool sqlite_lease_sweep(struct sqlite_table *table, bool *others, char *reason)
{
    int code;
    bool good = true;
    *others = false;
    while (good && (code = sqlite3_step(table->all_leases)) == SQLITE_ROW) {
        if (sqlite_lease_is_ours(table, sqlite3_column_int64(table->all_leases, 0)))
            continue;
        if (!is_over(table, table->all_leases)) {
            *others = true;
            continue;
        }
        atomic_store(&table->again, true); /* its rows may lie behind us */
        good = end_lease(table, sqlite3_column_int64(table->all_leases, 0), reason);
    }
    if (good && code != SQLITE_DONE)
        good = sqlite_fault(table, table->db, "reading leases", reason);
    sqlite3_reset(table->all_leases);
    return good;
}

bool sqlite_lease_next(struct sqlite_table *table, const struct row_value *behind, sqlite3_stmt **row)
{
    sqlite3_reset(table->next_lease);
    sqlite_bind_key(table->next_lease, 2, behind);
    *row = table->next_lease;
    if (sqlite3_step(table->next_lease) == SQLITE_ROW)
        return true;
    sqlite3_reset(table->next_lease);
    return false;
}

bool sqlite_lease_add(struct sqlite_table *table, const struct row_value *first, const struct row_value *last,
                      int64_t *id, char *reason)
{
    sqlite_bind_key(table->add_lease, 2, first);
    sqlite_bind_key(table->add_lease, 3, last);
    sqlite3_bind_int64(table->add_lease, 6, clock_wall() / SECOND + LEASE_SECONDS);
    if (!sqlite_run(table, table->add_lease, reason))
        return false;
    *id = sqlite3_last_insert_rowid(table->db);
    return true;
}

/* Whether a lease, of another job as ours have none, has any of the chunk's keys; when nobody has changed
 * anything since they were read, there is none. */
static bool others_have(struct sqlite_table *table, const struct sqlite_claim *claim)
{
    if (claim->seen == table->version)
        return false;
    sqlite_bind_key(table->any_lease, 2, &claim->chunk->rows[0].key);
    sqlite_bind_key(table->any_lease, 3, &claim->chunk->rows[claim->chunk->count - 1].key);
    bool have = sqlite3_step(table->any_lease) == SQLITE_ROW;
    sqlite3_reset(table->any_lease);
    return have;
}

bool sqlite_lease_pending(struct sqlite_table *table, char *reason)
{
    bool good = true;
    pthread_mutex_lock(&table->state);
    for (unsigned i = 0; i < table->job->lanes && good; i++) {
        struct sqlite_claim *claim = &table->claims[i];
        if (claim->pending && !others_have(table, claim))
            good = sqlite_lease_add(table, &claim->chunk->rows[0].key,
                                    &claim->chunk->rows[claim->chunk->count - 1].key, &claim->adding, reason);
    }
    pthread_mutex_unlock(&table->state);
    return good;
}

void sqlite_lease_settle(struct sqlite_table *table, bool committed)
{
    pthread_mutex_lock(&table->state);
    for (unsigned i = 0; i < table->job->lanes; i++) {
        struct sqlite_claim *claim = &table->claims[i];
        if (claim->adding != 0 && committed) {
            claim->id = claim->adding;
            claim->pending = false;
        }
        claim->adding = 0;
    }
    pthread_mutex_unlock(&table->state);
}

bool sqlite_lease_end(struct sqlite_table *table, unsigned lane, bool *was_ours, char *reason)
{
    const struct sqlite_claim *claim = &table->claims[lane];
    if (claim->id == 0) {
        *was_ours = claim->held && !others_have(table, claim);
        return true;
    }
    if (!end_lease(table, claim->id, reason))
        return false;
    *was_ours = sqlite3_changes(table->db) == 1;
    return true;
}
