/* idempotency: one table of names, each held by a request that is under way, or with the answer that it got.
 *
 * repeating.c asks it before the route, and tells it how each such request ended. The frontends make a name
 * of who asks, the model and the client's key, and what is asked of the version and the body, each as a
 * SHA-256: whoever may choose bodies finds no two that are taken for one. So the broker needs neither keys
 * nor bodies, and an entry has one size but for its answer. The table is found in by a hash with a seed of
 * its own: nobody outside can fill one bucket of it.
 *
 * Answers stand in the order in which they came, which is the order of their age, too: the oldest goes first
 * when its time is over. When there are too many, or too many bytes, the tenant that holds the most of them
 * gives up its oldest, the new one included: so whoever has no more than an equal share keeps all of it,
 * whatever others send, and what nobody else wants is anyone's. Names that are held count towards no bound
 * here: there are never more of them than requests in the broker, and to forget one would let the same
 * request be computed twice. SPDX-License-Identifier: MIT */
#include "idempotency.h"

#include "clock.h"
#include "heap.h"

#include <stdlib.h>
#include <sys/random.h>
#include <utlist.h>
#include <xxhash.h>

enum {
    TABLE_MAGIC = 0x01de4b01,
    ENTRY_MAGIC = 0x01de4b02,
    HALF = PROTOCOL_ONCE_BYTES / 2,
    EXPIRED_A_CALL = 1000, /* about 0.1 ms of freeing, then requests have their turn */
    FRAME_OVERHEAD = 64,   /* what malloc and the count of holders add to the bytes of a payload */
    COST_UNIT = 64         /* what an answer costs is a multiple of this */
};

/* Room for the order among equals in the heaps: see rank. What one holds is below 2^29: up to 2^24 keys, or
 * twice 2^28 units while an answer comes in. */
#define SERIALS (INT64_C(1) << 33)

/* Who has answers here. */
struct tenant {
    uint64_t id;
    size_t count;
    uint64_t bytes;
    struct idempotency_entry *answers; /* the oldest first */
    struct heap_node by_count, by_bytes;
    UT_hash_handle hh;
};

struct idempotency_entry {
    unsigned magic;
    struct idempotency *table;
    uint8_t once[PROTOCOL_ONCE_BYTES]; /* the name, and behind it what is asked */
    uint64_t tenant_id;
    struct request *runner; /* NULL: the answer is kept, */
    enum failure failure;   /* and all below is its */
    struct payload payload;
    char *texts; /* version, tag and message, one behind the other */
    size_t version_length, tag_length, message_length;
    uint64_t bytes; /* what keeping it costs */
    int64_t computed_at, answered_at;
    uint64_t serial; /* of all answers */
    struct tenant *tenant;
    struct idempotency_entry *previous, *next; /* in the table's runs or answers */
    struct idempotency_entry *older, *newer;   /* in the tenant's */
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
    uint64_t serials;
    struct idempotency_entry *entries; /* by name */
    struct idempotency_entry *runs;
    struct idempotency_entry *answers; /* the oldest first */
    struct tenant *tenants;            /* who have them; */
    struct heap by_count, by_bytes;    /* who has the most first */
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

static struct idempotency_entry *new_entry(struct idempotency *table, struct text once, uint64_t tenant)
{
    ENSURE(once.length == PROTOCOL_ONCE_BYTES && find(table, once.at) == NULL);
    struct idempotency_entry *entry = object_alloc(sizeof *entry);
    entry->magic = ENTRY_MAGIC;
    entry->table = table;
    memcpy(entry->once, once.at, sizeof entry->once);
    entry->tenant_id = tenant;
    HASH_ADD_BYHASHVALUE(hh, table->entries, once, HALF, hash_of(table, entry->once), entry);
    return entry;
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

/* ---- who has how much ---- */

/* Whoever holds more comes first, and of those who hold as much who has the oldest answer. */
static int64_t rank(uint64_t held, const struct idempotency_entry *oldest)
{
    return (int64_t)(oldest->serial % SERIALS) - (int64_t)held * SERIALS;
}

static struct tenant *tenant_of(struct idempotency *table, uint64_t id)
{
    struct tenant *tenant;
    unsigned hash = (unsigned)XXH3_64bits_withSeed(&id, sizeof id, table->seed);
    HASH_FIND_BYHASHVALUE(hh, table->tenants, &id, sizeof id, hash, tenant);
    if (tenant != NULL)
        return tenant;
    tenant = object_alloc(sizeof *tenant);
    tenant->id = id;
    HASH_ADD_BYHASHVALUE(hh, table->tenants, id, sizeof tenant->id, hash, tenant);
    return tenant;
}

/* The tenant has something else than before, or nothing and is forgotten. */
static void settle(struct idempotency *table, struct tenant *tenant)
{
    series_set(table->kept, (int64_t)table->count);
    series_set(table->size, (int64_t)table->bytes);
    if (tenant->answers != NULL) {
        heap_set(&table->by_count, &tenant->by_count, rank(tenant->count, tenant->answers));
        heap_set(&table->by_bytes, &tenant->by_bytes, rank(tenant->bytes / COST_UNIT, tenant->answers));
        return;
    }
    heap_remove(&table->by_count, &tenant->by_count);
    heap_remove(&table->by_bytes, &tenant->by_bytes);
    HASH_DEL(table->tenants, tenant);
    free(tenant);
}

static void add_answer(struct idempotency_entry *entry)
{
    struct idempotency *table = entry->table;
    struct tenant *tenant = tenant_of(table, entry->tenant_id);
    entry->tenant = tenant;
    entry->serial = table->serials++;
    DL_APPEND2(table->answers, entry, previous, next);
    DL_APPEND2(tenant->answers, entry, older, newer);
    table->count++;
    tenant->count++;
    table->bytes += entry->bytes;
    tenant->bytes += entry->bytes;
    settle(table, tenant);
}

static void drop_answer(struct idempotency_entry *entry)
{
    struct idempotency *table = entry->table;
    struct tenant *tenant = entry->tenant;
    DL_DELETE2(table->answers, entry, previous, next);
    DL_DELETE2(tenant->answers, entry, older, newer);
    table->count--;
    tenant->count--;
    table->bytes -= entry->bytes;
    tenant->bytes -= entry->bytes;
    free_entry(entry);
    settle(table, tenant);
}

static struct tenant *largest_by_count(const struct idempotency *table)
{
    return (struct tenant *)(void *)((char *)heap_first(&table->by_count) -
                                     offsetof(struct tenant, by_count));
}

static struct tenant *largest_by_bytes(const struct idempotency *table)
{
    return (struct tenant *)(void *)((char *)heap_first(&table->by_bytes) -
                                     offsetof(struct tenant, by_bytes));
}

/* Until all that is kept is within its bounds. */
static void make_room(struct idempotency *table)
{
    while (table->count > table->most || table->bytes > table->most_bytes) {
        const struct tenant *giver =
            table->count > table->most ? largest_by_count(table) : largest_by_bytes(table);
        drop_answer(giver->answers);
        series_add(table->evictions, 1);
    }
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
    heap_free(&table->by_count);
    heap_free(&table->by_bytes);
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
    return once.length == PROTOCOL_ONCE_BYTES && memcmp(entry->once + HALF, once.at + HALF, HALF) == 0;
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

void idempotency_run(struct idempotency *table, struct text once, uint64_t tenant, struct request *request)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    ENSURE(request->once == NULL);
    struct idempotency_entry *entry = new_entry(table, once, tenant);
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
    bytes = (bytes + COST_UNIT - 1) / COST_UNIT * COST_UNIT;
    if (bytes > table->most_bytes) {
        free_entry(entry);
        return;
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
    add_answer(entry);
    make_room(table);
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

void idempotency_keep_at_once(struct idempotency *table, struct text once, uint64_t tenant,
                              const struct idempotency_answer *answer, int64_t now)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    keep(new_entry(table, once, tenant), answer, now);
}

void idempotency_each(const struct idempotency *table, uint64_t most_bytes, idempotency_visit *visit,
                      void *self)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    uint64_t bytes = table->bytes;
    const struct idempotency_entry *entry;
    DL_FOREACH2(table->answers, entry, next)
    {
        bool newest = bytes <= most_bytes;
        bytes -= entry->bytes;
        if (!newest)
            continue;
        const struct idempotency_kept kept = {.once = {(const char *)entry->once, sizeof entry->once},
                                              .tenant = entry->tenant_id,
                                              .answer = idempotency_answer(entry),
                                              .answered_at = entry->answered_at};
        visit(self, &kept);
    }
}
