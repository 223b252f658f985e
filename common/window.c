/* window: places for requests, counted for each tenant, so that one who floods is refused while the others
 * still get in: whoever has less than an equal share may have one of a quarter more places. A tenant is known
 * here only while it has something open. Used by client on the thread of its loop. SPDX-License-Identifier:
 * MIT */
#include "window.h"

#include "object.h"

#include <stdlib.h>
#include <uthash.h>

enum { WINDOW_MAGIC = 0x31d00001 };

/* How many requests of one tenant are open. */
struct tenant {
    uint64_t id;
    size_t open;
    UT_hash_handle hh;
};

struct window {
    unsigned magic;
    size_t most, open;
    struct tenant *tenants; /* who have some of them */
};

struct window *window_new(size_t most)
{
    struct window *window = object_alloc(sizeof *window);
    window->magic = WINDOW_MAGIC;
    window->most = most;
    return window;
}

void window_free(struct window *window)
{
    if (window == NULL)
        return;
    CHECK_OBJECT(window, WINDOW_MAGIC);
    struct tenant *tenant, *next;
    HASH_ITER(hh, window->tenants, tenant, next)
    {
        HASH_DEL(window->tenants, tenant);
        free(tenant);
    }
    window->magic = 0;
    free(window);
}

static struct tenant *find(const struct window *window, uint64_t id)
{
    struct tenant *tenant;
    HASH_FIND(hh, window->tenants, &id, sizeof id, tenant);
    return tenant;
}

void window_enter(struct window *window, uint64_t id)
{
    CHECK_OBJECT(window, WINDOW_MAGIC);
    struct tenant *tenant = find(window, id);
    if (tenant == NULL) {
        tenant = object_alloc(sizeof *tenant);
        tenant->id = id;
        HASH_ADD(hh, window->tenants, id, sizeof id, tenant);
    }
    tenant->open++;
    window->open++;
}

void window_leave(struct window *window, uint64_t id)
{
    CHECK_OBJECT(window, WINDOW_MAGIC);
    struct tenant *tenant = find(window, id);
    ENSURE(tenant != NULL);
    window->open--;
    if (--tenant->open > 0)
        return;
    HASH_DEL(window->tenants, tenant);
    free(tenant);
}

size_t window_open(const struct window *window)
{
    CHECK_OBJECT(window, WINDOW_MAGIC);
    return window->open;
}

bool window_overwhelmed(const struct window *window)
{
    CHECK_OBJECT(window, WINDOW_MAGIC);
    return window->open >= window->most + window->most / 4;
}

bool window_full(const struct window *window, uint64_t id)
{
    CHECK_OBJECT(window, WINDOW_MAGIC);
    if (window->open < window->most)
        return false;
    const struct tenant *tenant = find(window, id);
    size_t tenants = HASH_COUNT(window->tenants) + (tenant == NULL);
    size_t open = tenant == NULL ? 0 : tenant->open;
    bool below = tenants > 1 && (open + 1) * tenants <= window->most; /* its equal share */
    return !below || window_overwhelmed(window);
}
