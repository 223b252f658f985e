/* unmet: truths by the prediction that they are of, those of the same in a list.
 *
 * Ids are no secret and may be chosen by clients, so several may speak of one: each has its own place, so
 * that nobody can take that of another who may use other models. Lists of allowed models are the same for
 * most, so each is kept once. Called by truth.c. SPDX-License-Identifier: MIT */
#include "unmet.h"

#include "api_key.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

enum { UNMET_MAGIC = 0x073e7001 };

struct unmet_allowed {
    unsigned uses;
    UT_hash_handle hh;
    char models[]; /* as api_key.h lists them */
};

struct key {
    uint64_t request;
    uint64_t row;
};

struct spoken_of {
    struct key key;
    struct unmet_truth *truths;
    UT_hash_handle hh;
};

struct unmet {
    unsigned magic;
    size_t most, count; /* truths */
    struct spoken_of *all;
    struct unmet_allowed *allowed;
};

struct unmet *unmet_new(size_t most)
{
    struct unmet *unmet = object_alloc(sizeof *unmet);
    unmet->magic = UNMET_MAGIC;
    unmet->most = most;
    return unmet;
}

/* ---- what is allowed ---- */

static struct unmet_allowed *allowed_acquire(struct unmet *unmet, struct text models)
{
    struct unmet_allowed *allowed;
    if (models.length == 0)
        return NULL;
    HASH_FIND(hh, unmet->allowed, models.at, models.length, allowed);
    if (allowed == NULL) {
        allowed = object_alloc(sizeof *allowed + models.length + 1);
        text_copy(models, allowed->models, models.length + 1);
        HASH_ADD_KEYPTR(hh, unmet->allowed, allowed->models, models.length, allowed);
    }
    allowed->uses++;
    return allowed;
}

static void allowed_release(struct unmet *unmet, struct unmet_allowed *allowed)
{
    if (allowed == NULL || --allowed->uses > 0)
        return;
    ENSURE(unmet->allowed != NULL); /* it is one of them */
    HASH_DEL(unmet->allowed, allowed);
    free(allowed);
}

bool unmet_allows(const struct unmet_truth *truth, struct text model)
{
    return truth->by == NULL || api_key_models_have(truth->by->models, model);
}

/* ---- truths ---- */

static void drop(struct unmet *unmet, struct spoken_of *spoken_of, struct unmet_truth *truth)
{
    DL_DELETE2(spoken_of->truths, truth, before, next);
    allowed_release(unmet, truth->by);
    free(truth);
    unmet->count--;
}

static void show_those(struct unmet *unmet, struct spoken_of *spoken_of, unmet_show *show, void *self)
{
    struct unmet_truth *truth, *next;
    DL_FOREACH_SAFE2(spoken_of->truths, truth, next, next)
    {
        if (show(self, truth) == UNMET_GOES)
            drop(unmet, spoken_of, truth);
    }
    if (spoken_of->truths != NULL)
        return;
    HASH_DEL(unmet->all, spoken_of);
    free(spoken_of);
}

void unmet_of(struct unmet *unmet, uint64_t request, uint32_t row, unmet_show *show, void *self)
{
    CHECK_OBJECT(unmet, UNMET_MAGIC);
    const struct key key = {request, row};
    struct spoken_of *spoken_of;
    HASH_FIND(hh, unmet->all, &key, sizeof key, spoken_of);
    if (spoken_of != NULL)
        show_those(unmet, spoken_of, show, self);
}

void unmet_each(struct unmet *unmet, unmet_show *show, void *self)
{
    CHECK_OBJECT(unmet, UNMET_MAGIC);
    struct spoken_of *spoken_of, *next;
    HASH_ITER(hh, unmet->all, spoken_of, next)
    {
        show_those(unmet, spoken_of, show, self);
    }
}

static enum unmet_fate drop_any(void *self, struct unmet_truth *truth)
{
    (void)self;
    (void)truth;
    return UNMET_GOES;
}

void unmet_free(struct unmet *unmet)
{
    if (unmet == NULL)
        return;
    unmet_each(unmet, drop_any, NULL);
    unmet->magic = 0;
    free(unmet);
}

bool unmet_any(const struct unmet *unmet)
{
    CHECK_OBJECT(unmet, UNMET_MAGIC);
    return unmet->all != NULL;
}

/* What was said by those who may use the same; the last one that somebody says is the one that counts, so it
 * moves behind all others. */
static struct unmet_truth *take_out_same(struct spoken_of *spoken_of, struct text allowed)
{
    struct unmet_truth *truth;
    DL_FOREACH2(spoken_of->truths, truth, next)
    {
        if (text_is(allowed, truth->by == NULL ? "" : truth->by->models)) {
            DL_DELETE2(spoken_of->truths, truth, before, next);
            return truth;
        }
    }
    return NULL;
}

static struct spoken_of *find_or_make(struct unmet *unmet, const struct prediction *actual)
{
    const struct key key = {actual->request, actual->row};
    struct spoken_of *spoken_of;
    HASH_FIND(hh, unmet->all, &key, sizeof key, spoken_of);
    if (spoken_of != NULL || unmet->count >= unmet->most)
        return spoken_of;
    spoken_of = object_alloc(sizeof *spoken_of);
    spoken_of->key = key;
    HASH_ADD(hh, unmet->all, key, sizeof spoken_of->key, spoken_of);
    return spoken_of;
}

bool unmet_add(struct unmet *unmet, const struct prediction *actual, int64_t now_ms)
{
    CHECK_OBJECT(unmet, UNMET_MAGIC);
    struct spoken_of *spoken_of = find_or_make(unmet, actual);
    if (spoken_of == NULL)
        return false;
    struct unmet_truth *truth = take_out_same(spoken_of, actual->allowed);
    if (truth == NULL) {
        if (unmet->count >= unmet->most)
            return false;
        truth = object_alloc(sizeof *truth);
        truth->by = allowed_acquire(unmet, actual->allowed);
        unmet->count++;
    }
    truth->flags = actual->flags;
    truth->actual = actual->actual;
    truth->actual_label = actual->actual_label;
    truth->since_ms = now_ms;
    truth->forbidden = false;
    DL_APPEND2(spoken_of->truths, truth, before, next);
    return true;
}
