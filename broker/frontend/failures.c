/* failures: see failures.h.
 *
 * A minute begins with the first wrong credential of an address, so that one mistyped key an hour never adds
 * up. The table has a fixed size: an address has four places in which it may stand, and one that finds them
 * all taken gets the place whose minute began first. Who has so many addresses that this matters is not
 * stopped by counting them.
 *
 * It is a file that all frontends map, since requests of one client come to whichever is free. A place is two
 * words that change by compare-and-swap alone, and nobody ever waits. The count carries a tag of the address
 * that it is of, so that a place which has just changed hands needs no reset that could fall behind the first
 * counts of the new one. Whoever dies in between leaves at worst a count of one too few.
 * SPDX-License-Identifier: MIT */
#include "failures.h"

#include "clock.h"
#include "log.h"
#include "shared_table.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    FAILURES_MAGIC = 0x0fa17001,
    SETS = 1024, /* a power of two */
    PLACES = 4,  /* of an address; 64 KB in all */
    MINUTE = 60  /* seconds */
};

/* `state`, from the top: the second in which the minute began (32 bits), the tag of whose it is (12), the
 * count (20). */
struct place {
    uint64_t address; /* 0: free */
    uint64_t state;
};

enum { COUNT_BITS = 20, TAG_BITS = 12 };
#define COUNT_MAX ((UINT64_C(1) << COUNT_BITS) - 1)
#define TAG_MASK  (((UINT64_C(1) << TAG_BITS) - 1) << COUNT_BITS)

struct table {
    struct place places[SETS][PLACES];
};

struct failures {
    unsigned magic;
    struct table *table;
};

/* ---- life ---- */

struct failures *failures_new(const char *path)
{
    struct failures *failures = object_alloc(sizeof *failures);
    void *table = path == NULL ? MAP_FAILED : shared_table_map(path, sizeof(struct table));
    failures->magic = FAILURES_MAGIC;
    if (path != NULL && table == MAP_FAILED)
        log_warning("%s: %s; wrong credentials are counted by each frontend alone", path, strerror(errno));
    if (table == MAP_FAILED)
        table = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ENSURE(table != MAP_FAILED);
    failures->table = table;
    return failures;
}

void failures_free(struct failures *failures)
{
    if (failures == NULL)
        return;
    CHECK_OBJECT(failures, FAILURES_MAGIC);
    munmap(failures->table, sizeof *failures->table);
    failures->magic = 0;
    free(failures);
}

/* ---- counting ---- */

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* Seconds that the state's minute is old; MINUTE or more when it is over, and for one that began in the
 * future: the file is of an earlier start of the machine. */
static int64_t age_of(uint64_t state, int64_t second)
{
    int64_t began = (int64_t)(state >> 32);
    return began > second || state == 0 ? MINUTE : second - began;
}

static uint64_t tag_of(uint64_t address)
{
    return address * UINT64_C(0x9e3779b97f4a7c15) >> (64 - TAG_BITS) << COUNT_BITS;
}

static bool swap(uint64_t *word, uint64_t *before, uint64_t after)
{
    return __atomic_compare_exchange_n(word, before, after, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Both words as they were at one moment: whoever takes a place writes its address first. */
static struct place look(const struct place *place)
{
    struct place seen;
    do {
        seen.address = load(&place->address);
        seen.state = load(&place->state);
    } while (load(&place->address) != seen.address);
    return seen;
}

/* The place of the address; `*claimed` is one that may become its own, with the address that has it now. */
static struct place *find(struct place *places, uint64_t address, int64_t second, struct place *claimed,
                          struct place **oldest)
{
    *oldest = &places[0];
    for (size_t i = 0; i < PLACES; i++) {
        struct place seen = look(&places[i]);
        if (seen.address == address)
            return &places[i];
        if (i == 0 || age_of(seen.state, second) > age_of(claimed->state, second)) {
            *oldest = &places[i];
            *claimed = seen;
        }
    }
    return NULL;
}

/* The place of the address, which is made its own if need be. Where others are at it, too, one wins, and who
 * loses looks again; who loses each time counts in a place that is another's, and the tag tells them apart.
 */
static struct place *place_of(struct failures *failures, uint64_t address, int64_t second)
{
    struct place *places = failures->table->places[(address ^ address >> 32) % SETS], *place, *oldest, seen;
    for (size_t i = 0; i < PLACES; i++) {
        if ((place = find(places, address, second, &seen, &oldest)) != NULL)
            return place;
        if (swap(&oldest->address, &seen.address, address)) {
            (void)swap(&oldest->state, &seen.state,
                       0); /* unless the new one's first count is there already */
            return oldest;
        }
    }
    return oldest;
}

uint64_t failures_add(struct failures *failures, uint64_t address, int64_t now, int64_t limit)
{
    CHECK_OBJECT(failures, FAILURES_MAGIC);
    int64_t second = now / SECOND;
    struct place *place = place_of(failures, address, second);
    uint64_t before = load(&place->state), after;
    do {
        bool fresh = age_of(before, second) >= MINUTE || (before & TAG_MASK) != tag_of(address);
        uint64_t count = fresh ? 0 : before & COUNT_MAX;
        after = (fresh ? (uint64_t)second << 32 | tag_of(address) : before & ~COUNT_MAX) |
                (count < COUNT_MAX ? count + 1 : count);
    } while (!swap(&place->state, &before, after));
    if (limit == 0 || (int64_t)(after & COUNT_MAX) <= limit)
        return 0;
    return (uint64_t)(MINUTE - age_of(after, second));
}
