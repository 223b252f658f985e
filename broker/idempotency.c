/* idempotency: one table of names, each held by a request that is under way, or with the answer that it got.
 *
 * repeating.c asks it before the route, and tells it how each such request ended. The frontends make a name
 * of who asks, the model and the client's key, and what is asked of the version and the body, each as a
 * SHA-256: whoever may choose bodies finds no two that are taken for one. So the broker needs neither keys
 * nor bodies, and an entry has one size but for its answer. The table is found in by a hash with a seed of
 * its own: nobody outside can fill one bucket of it.
 *
 * Answers stand in the order in which they came, which is the order of their age, too: the oldest goes first,
 * when its time is over or when there are too many, or too many bytes. Names that are held count towards no
 * bound here: there are never more of them than requests in the broker, and to forget one would let the same
 * request be computed twice. SPDX-License-Identifier: MIT */
#include "idempotency.h"

#include "clock.h"

#include <stdlib.h>
#include <sys/random.h>
#include <utlist.h>
#include <xxhash.h>

enum {
    TABLE_MAGIC = 0x01de4b01,
    ENTRY_MAGIC = 0x01de4b02,
    HALF = PROTOCOL_ONCE_BYTES / 2,
    EXPIRED_A_CALL = 1000, /* about 0.1 ms of freeing, then requests have their turn */
    FRAME_OVERHEAD = 64    /* what malloc and the count of holders add to the bytes of a payload */
};

struct idempotency_entry {
    unsigned magic;
    struct idempotency *table;
    uint8_t name[HALF], asked[HALF];
    struct request *runner; /* NULL: the answer is kept, */
    enum failure failure;   /* and all below is its */
    struct payload payload;
    char *texts; /* version, tag and message, one behind the other */
    size_t version_length, tag_length, message_length;
    uint64_t bytes; /* what keeping it costs */
    int64_t computed_at, answered_at;
    struct idempotency_entry *previous, *next; /* in the table's runs or answers */
    UT_hash_handle hh;
};

struct idempotency {
    unsigned magic;
    uint64_t seed;
    size_t most;
    uint64_t most_bytes;
    int64_t ttl;
    size_t count; /* of answers */
    uint64_t bytes;
    struct idempotency_entry *entries; /* by name */
    struct idempotency_entry *runs;
    struct idempotency_entry *answers; /* the oldest first */
    struct series *kept, *size, *evictions;
};

/* ---- entries ---- */

static unsigned hash_of(const struct idempotency *table, const void *name)
{
    return (unsigned)XXH3_64bits_withSeed(name, HALF, table->seed);
}

static struct idempotency_entry *find(struct idempotency *table, const void *name)
{
    struct idempotency_entry *entry;
    HASH_FIND_BYHASHVALUE(hh, table->entries, name, HALF, hash_of(table, name), entry);
    return entry;
}

static struct idempotency_entry *new_entry(struct idempotency *table, struct text once)
{
    ENSURE(once.length == PROTOCOL_ONCE_BYTES && find(table, once.at) == NULL);
    struct idempotency_entry *entry = object_alloc(sizeof *entry);
    entry->magic = ENTRY_MAGIC;
    entry->table = table;
    memcpy(entry->name, once.at, HALF);
    memcpy(entry->asked, once.at + HALF, HALF);
    HASH_ADD_BYHASHVALUE(hh, table->entries, name, HALF, hash_of(table, entry->name), entry);
    return entry;
}

static void count(struct idempotency *table, int change, uint64_t bytes)
{
    table->count += (size_t)change;
    table->bytes = bytes;
    series_set(table->kept, (int64_t)table->count);
    series_set(table->size, (int64_t)bytes);
}

/* Its place among runs or answers is the caller's to end. */
static void free_entry(struct idempotency_entry *entry)
{
    HASH_DEL(entry->table->entries, entry);
    payload_close(&entry->payload);
    free(entry->texts);
    entry->magic = 0;
    free(entry);
}

static void drop_run(struct idempotency_entry *entry)
{
    DL_DELETE2(entry->table->runs, entry, previous, next);
    free_entry(entry);
}

static void drop_answer(struct idempotency_entry *entry)
{
    struct idempotency *table = entry->table;
    DL_DELETE2(table->answers, entry, previous, next);
    count(table, -1, table->bytes - entry->bytes);
    free_entry(entry);
}

/* ---- life ---- */

struct idempotency *idempotency_new(const struct config *config, struct metrics *metrics)
{
    struct idempotency *table = object_alloc(sizeof *table);
    table->magic = TABLE_MAGIC;
    table->most = (size_t)config->idempotency_keys;
    table->most_bytes = (uint64_t)config->idempotency_max_bytes;
    table->ttl = config->idempotency_ttl_s * SECOND;
    ENSURE(getrandom(&table->seed, sizeof table->seed, 0) == sizeof table->seed);
    table->kept = metrics_series(metrics, METRIC_IDEMPOTENCY_KEYS, NULL, NULL, NULL);
    table->size = metrics_series(metrics, METRIC_IDEMPOTENCY_BYTES, NULL, NULL, NULL);
    table->evictions = metrics_series(metrics, METRIC_IDEMPOTENCY_EVICTIONS, NULL, NULL, NULL);
    return table;
}

void idempotency_free(struct idempotency *table)
{
    if (table == NULL)
        return;
    CHECK_OBJECT(table, TABLE_MAGIC);
    while (table->runs != NULL)
        drop_run(table->runs);
    while (table->answers != NULL)
        drop_answer(table->answers);
    table->magic = 0;
    free(table);
}

bool idempotency_is_on(const struct idempotency *table)
{
    return table->most > 0;
}

size_t idempotency_running(const struct idempotency *table)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    return HASH_COUNT(table->entries) - table->count;
}

void idempotency_expire(struct idempotency *table, int64_t now)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    for (int i = 0; i < EXPIRED_A_CALL; i++) {
        if (table->answers == NULL || now - table->answers->answered_at < table->ttl)
            return;
        drop_answer(table->answers);
    }
}

/* ---- a request comes ---- */

struct idempotency_entry *idempotency_find(struct idempotency *table, struct text once, int64_t now)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    ENSURE(once.length == PROTOCOL_ONCE_BYTES);
    struct idempotency_entry *entry = find(table, once.at);
    if (entry == NULL || entry->runner != NULL || now - entry->answered_at < table->ttl)
        return entry;
    drop_answer(entry);
    return NULL;
}

bool idempotency_asks(const struct idempotency_entry *entry, struct text once)
{
    CHECK_OBJECT(entry, ENTRY_MAGIC);
    return once.length == PROTOCOL_ONCE_BYTES && memcmp(entry->asked, once.at + HALF, HALF) == 0;
}

struct request *idempotency_runner(const struct idempotency_entry *entry)
{
    CHECK_OBJECT(entry, ENTRY_MAGIC);
    return entry->runner;
}

struct idempotency_answer idempotency_answer(const struct idempotency_entry *entry)
{
    CHECK_OBJECT(entry, ENTRY_MAGIC);
    ENSURE(entry->runner == NULL);
    const char *at = entry->texts;
    return (struct idempotency_answer){
        .failure = entry->failure,
        .version = {at, entry->version_length},
        .tag = {at + entry->version_length, entry->tag_length},
        .message = {at + entry->version_length + entry->tag_length, entry->message_length},
        .payload = entry->payload,
        .computed_at = entry->computed_at};
}

/* ---- who holds a name ---- */

void idempotency_run(struct idempotency *table, struct text once, struct request *request)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    ENSURE(request->once == NULL);
    struct idempotency_entry *entry = new_entry(table, once);
    entry->runner = request;
    request->once = entry;
    DL_APPEND2(table->runs, entry, previous, next);
}

void idempotency_swap(struct request *left, struct request *right)
{
    struct idempotency_entry *entry = left->once;
    left->once = right->once;
    right->once = entry;
    if (left->once != NULL)
        left->once->runner = left;
    if (right->once != NULL)
        right->once->runner = right;
}

void idempotency_leave(struct request *request)
{
    if (request->once == NULL)
        return;
    CHECK_OBJECT(request->once, ENTRY_MAGIC);
    drop_run(request->once);
    request->once = NULL;
}

/* ---- an answer comes ---- */

static char *add_text(char *place, struct text text)
{
    if (text.length > 0)
        memcpy(place, text.at, text.length);
    return place + text.length;
}

/* The entry is in the table and in no list; it is kept, or gone. */
static void keep(struct idempotency_entry *entry, const struct idempotency_answer *answer, int64_t now)
{
    struct idempotency *table = entry->table;
    size_t texts = answer->version.length + answer->tag.length + answer->message.length;
    uint64_t bytes = sizeof *entry + FRAME_OVERHEAD + texts + payload_bytes(&answer->payload).length;
    if (bytes > table->most_bytes) {
        free_entry(entry);
        return;
    }
    while (table->count >= table->most || table->bytes + bytes > table->most_bytes) {
        drop_answer(table->answers);
        series_add(table->evictions, 1);
    }
    entry->runner = NULL;
    entry->failure = answer->failure;
    entry->texts = object_alloc(texts + 1);
    char *place = add_text(entry->texts, answer->version);
    place = add_text(place, answer->tag);
    add_text(place, answer->message);
    entry->version_length = answer->version.length;
    entry->tag_length = answer->tag.length;
    entry->message_length = answer->message.length;
    if (answer->failure == FAILURE_NONE)
        entry->payload = payload_share(&answer->payload);
    entry->bytes = bytes;
    entry->computed_at = answer->computed_at;
    entry->answered_at = now;
    DL_APPEND2(table->answers, entry, previous, next);
    count(table, 1, table->bytes + bytes);
}

void idempotency_keep(struct request *request, const struct idempotency_answer *answer, int64_t now)
{
    struct idempotency_entry *entry = request->once;
    if (entry == NULL)
        return;
    CHECK_OBJECT(entry, ENTRY_MAGIC);
    ENSURE(entry->runner == request);
    request->once = NULL;
    DL_DELETE2(entry->table->runs, entry, previous, next);
    keep(entry, answer, now);
}

void idempotency_keep_at_once(struct idempotency *table, struct text once,
                              const struct idempotency_answer *answer, int64_t now)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    keep(new_entry(table, once), answer, now);
}
