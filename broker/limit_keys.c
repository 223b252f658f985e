/* limit_keys: who has limits of its own, of the keys that api_keys.c reads.
 *
 * The file is written by `outrigger key`, in one step (a rename), and looked at by limiting.c twice a second.
 * SPDX-License-Identifier: MIT */
#include "limit_keys.h"

#include "api_key.h"
#include "file_stamp.h"
#include "log.h"

#include <stdlib.h>
#include <uthash.h>

enum { LIMIT_KEYS_MAGIC = 0x011141ce };

struct own {
    uint64_t tenant;
    struct limit_rule rule;
    UT_hash_handle hh;
};

struct limit_keys {
    unsigned magic;
    char *path;
    struct file_stamp seen;
    double requests_per_s, rows_per_s, burst_s;
    struct own *own;
};

struct limit_keys *limit_keys_new(const char *path)
{
    struct limit_keys *keys = object_alloc(sizeof *keys);
    keys->magic = LIMIT_KEYS_MAGIC;
    keys->path = object_strdup(path);
    return keys;
}

void limit_keys_usual(struct limit_keys *keys, double requests_per_s, double rows_per_s, double burst_s)
{
    keys->requests_per_s = requests_per_s;
    keys->rows_per_s = rows_per_s;
    keys->burst_s = burst_s;
}

static void forget_all(struct own **list)
{
    struct own *own, *next;
    HASH_ITER(hh, *list, own, next)
    {
        HASH_DEL(*list, own);
        free(own);
    }
}

void limit_keys_free(struct limit_keys *keys)
{
    if (keys == NULL)
        return;
    CHECK_OBJECT(keys, LIMIT_KEYS_MAGIC);
    forget_all(&keys->own);
    free(keys->path);
    keys->magic = 0;
    free(keys);
}

const struct limit_rule *limit_keys_find(const struct limit_keys *keys, uint64_t tenant)
{
    struct own *own;
    if (keys->own == NULL)
        return NULL;
    HASH_FIND(hh, keys->own, &tenant, sizeof tenant, own);
    return own == NULL ? NULL : &own->rule;
}

size_t limit_keys_count(const struct limit_keys *keys)
{
    return HASH_COUNT(keys->own);
}

/* ---- reading ---- */

/* A burst of its own is in requests; rows may come at once for as long a time as requests may. */
static struct limit_rule rule_of(const struct limit_keys *keys, const struct api_key *key)
{
    double requests = key->requests_per_s > 0 ? key->requests_per_s : keys->requests_per_s;
    double rows = key->rows_per_s > 0 ? key->rows_per_s : keys->rows_per_s;
    double burst = key->burst > 0 ? key->burst : requests * keys->burst_s;
    struct limit_rule rule = limit_rule(requests, rows, keys->burst_s);
    if (requests > 0 && burst > 0)
        rule = (struct limit_rule){
            {limit_rate(requests, burst < 1 ? 1 : burst), limit_rate(rows, rows * burst / requests)}};
    return rule;
}

static void add(const struct limit_keys *keys, struct own **list, const struct api_key *key)
{
    struct limit_rule rule = rule_of(keys, key);
    bool says = key->requests_per_s > 0 || key->rows_per_s > 0 || key->burst > 0;
    if (!says || !limit_rule_limits(&rule))
        return;
    struct own *own = object_alloc(sizeof *own);
    own->tenant = api_key_tenant(key->id);
    own->rule = rule;
    HASH_ADD(hh, *list, tenant, sizeof own->tenant, own);
}

bool limit_keys_look(struct limit_keys *keys)
{
    CHECK_OBJECT(keys, LIMIT_KEYS_MAGIC);
    if (!file_stamp_changed(&keys->seen, keys->path))
        return false;
    struct config_errors errors = {0};
    struct api_keys *all = api_keys_read(keys->path, &errors);
    if (all == NULL) {
        errors.text[strcspn(errors.text, "\n")] = '\0';
        log_warning("%s; the limits of keys are those that were known", errors.text);
        return false;
    }
    struct own *fresh = NULL;
    for (size_t i = 0; i < all->count; i++)
        add(keys, &fresh, &all->keys[i]);
    api_keys_free(all);
    bool changed = fresh != NULL || keys->own != NULL;
    forget_all(&keys->own);
    keys->own = fresh;
    return changed;
}
