/* key_uses: see key_uses.h.
 *
 * A table of fixed size, with sixteen places in which a key may stand: one that finds them all taken gets
 * that of the key that was not used for longest. As there are at most a quarter as many keys as places, that
 * is one that was revoked. A place is two words, and nobody ever waits. Two who are at one place at the same
 * moment may write each other's second: both are now.
 *
 * The kernel brings the pages to the disk by itself; what was noted in the last half minute before a power
 * cut may be lost, and nothing depends on it. Written by the frontends' key_ring.c, read by `outrigger key`.
 * SPDX-License-Identifier: MIT */
#include "key_uses.h"

#include "shared_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    USES_MAGIC = 0x0be75001,
    SETS = 1024, /* a power of two */
    PLACES = 16  /* of a key */
};

struct place {
    uint64_t tenant; /* 0: free */
    int64_t second;
};

struct table {
    struct place places[SETS][PLACES];
};

struct key_uses {
    unsigned magic;
    bool mapped; /* the file's own pages, else a copy */
    struct table *table;
};

/* ---- life ---- */

static struct key_uses *uses_new(struct table *table, bool mapped)
{
    struct key_uses *uses = object_alloc(sizeof *uses);
    uses->magic = USES_MAGIC;
    uses->mapped = mapped;
    uses->table = table;
    return uses;
}

struct key_uses *key_uses_open(const char *path)
{
    void *table = shared_table_map(path, sizeof(struct table));
    return table == MAP_FAILED ? NULL : uses_new(table, true);
}

struct key_uses *key_uses_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd == -1)
        return NULL;
    struct table *table = object_alloc(sizeof *table);
    bool whole = read(fd, table, sizeof *table) == sizeof *table;
    close(fd);
    if (whole)
        return uses_new(table, false);
    free(table);
    return NULL;
}

void key_uses_free(struct key_uses *uses)
{
    if (uses == NULL)
        return;
    CHECK_OBJECT(uses, USES_MAGIC);
    if (uses->mapped)
        munmap(uses->table, sizeof *uses->table);
    else
        free(uses->table);
    uses->magic = 0;
    free(uses);
}

/* ---- using ---- */

static struct place *places_of(const struct key_uses *uses, uint64_t tenant)
{
    return uses->table->places[(tenant ^ tenant >> 32) % SETS];
}

static uint64_t tenant_at(const struct place *place)
{
    return __atomic_load_n(&place->tenant, __ATOMIC_ACQUIRE);
}

static int64_t second_at(const struct place *place)
{
    return __atomic_load_n(&place->second, __ATOMIC_ACQUIRE);
}

/* The place of the key, which is made its own if need be. */
static struct place *require(struct key_uses *uses, uint64_t tenant)
{
    struct place *places = places_of(uses, tenant), *oldest = &places[0];
    for (size_t i = 0; i < PLACES; i++) {
        if (tenant_at(&places[i]) == tenant)
            return &places[i];
        if (second_at(&places[i]) < second_at(oldest))
            oldest = &places[i];
    }
    __atomic_store_n(&oldest->second, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&oldest->tenant, tenant, __ATOMIC_RELEASE);
    return oldest;
}

void key_uses_note(struct key_uses *uses, uint64_t tenant, int64_t second)
{
    CHECK_OBJECT(uses, USES_MAGIC);
    struct place *place = require(uses, tenant);
    int64_t since = second - second_at(place); /* far below 0: a clock went wrong then */
    if (since >= KEY_USES_EVERY_S || since <= -KEY_USES_EVERY_S)
        __atomic_store_n(&place->second, second, __ATOMIC_RELEASE);
}

int64_t key_uses_last(const struct key_uses *uses, uint64_t tenant)
{
    CHECK_OBJECT(uses, USES_MAGIC);
    const struct place *places = places_of(uses, tenant);
    for (size_t i = 0; i < PLACES; i++)
        if (tenant_at(&places[i]) == tenant)
            return second_at(&places[i]);
    return 0;
}
