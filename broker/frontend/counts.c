/* counts: from names to series, once.
 *
 * metrics_series searches; a request must not. The series of HTTP calls lie in a table by call and status,
 * those of predictions in a hash by model and version, and errors, which are rare, by model, version and kind
 * in the same hash, as are those whose version a header named. All names in it come from the catalog and from
 * constants, but versions come and go for months: from SERIES_MAX on, nothing is kept any more, and the
 * page's own bound decides (metrics.h). Called by api.c when a request is over.
 * SPDX-License-Identifier: MIT */
#include "counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

enum {
    COUNTS_MAGIC = 0x0c004750,
    SERIES_MAX = 4096,
    KEYS_MAX = 128, /* as metrics.def says: with four series each they leave half of a page to the models */
    STATUS_SLOTS = 32,                    /* a power of two, about twice the statuses that there are */
    KEY_MAX = 2 * PROTOCOL_NAME_MAX + 64, /* what, model, version, kind */
};

/* What is counted, as it stands in a key. */
#define PREDICTIONS "p"
#define ERRORS      "e"
#define STEERED     "s"

/* The series of one model's version, or of one kind of error of it, or of the model's steered requests. */
struct model_series {
    struct series *predictions, *duration; /* PREDICTIONS */
    struct series *count;                  /* the others */
    UT_hash_handle hh;
    char key[];
};

struct call_series {
    int status; /* 0: free */
    struct series *requests;
};

/* What came of a request with an API key. */
static const char *const key_outcomes[] = {"answered", "limited", "refused", "failed"};

struct key_series {
    uint64_t tenant; /* of the key */
    UT_hash_handle hh;
    struct series *outcomes[COUNT_OF(key_outcomes)]; /* NULL: none yet */
};

struct counts {
    unsigned magic;
    struct metrics *metrics;
    struct call_series calls[CALL_COUNT][STATUS_SLOTS];
    struct series *auth[IDENTITY_WEB_SERVER + 1][AUTH_OUTCOME_COUNT]; /* NULL: not counted yet */
    struct model_series *models;
    struct key_series *keys;
    struct key_series other_keys; /* of those beyond KEYS_MAX */
};

struct counts *counts_new(struct metrics *metrics)
{
    struct counts *counts = object_alloc(sizeof *counts);
    counts->magic = COUNTS_MAGIC;
    counts->metrics = metrics;
    return counts;
}

void counts_free(struct counts *counts)
{
    if (counts == NULL)
        return;
    CHECK_OBJECT(counts, COUNTS_MAGIC);
    struct model_series *series, *next;
    HASH_ITER(hh, counts->models, series, next)
    {
        HASH_DEL(counts->models, series);
        free(series);
    }
    struct key_series *key, *next_key;
    HASH_ITER(hh, counts->keys, key, next_key)
    {
        HASH_DEL(counts->keys, key);
        free(key);
    }
    counts->magic = 0;
    free(counts);
}

static struct series *find_requests(struct counts *counts, enum call call, int status)
{
    char label[16];
    snprintf(label, sizeof label, "%d", status);
    return metrics_series(counts->metrics, METRIC_HTTP_REQUESTS, call_label(call), label, NULL);
}

void counts_call(struct counts *counts, enum call call, int status)
{
    CHECK_OBJECT(counts, COUNTS_MAGIC);
    ENSURE((size_t)call < CALL_COUNT);
    for (unsigned probe = 0; probe < STATUS_SLOTS; probe++) {
        struct call_series *slot = &counts->calls[call][((unsigned)status + probe) % STATUS_SLOTS];
        if (slot->status == 0)
            *slot = (struct call_series){status, find_requests(counts, call, status)};
        if (slot->status == status) {
            series_add(slot->requests, 1);
            return;
        }
    }
    series_add(find_requests(counts, call, status), 1);
}

void counts_auth(struct counts *counts, enum identity_kind kind, enum auth_outcome outcome)
{
    CHECK_OBJECT(counts, COUNTS_MAGIC);
    struct series **series = &counts->auth[kind][outcome];
    if (*series == NULL)
        *series = metrics_series(counts->metrics, METRIC_AUTH, auth_kind_label(kind),
                                 auth_outcome_label(outcome), NULL);
    series_add(*series, 1);
}

static struct key_series *key_of(struct counts *counts, const struct identity *identity)
{
    struct key_series *key;
    HASH_FIND(hh, counts->keys, &identity->tenant, sizeof identity->tenant, key);
    if (key != NULL)
        return key;
    if (HASH_COUNT(counts->keys) >= KEYS_MAX)
        return &counts->other_keys;
    key = object_alloc(sizeof *key);
    key->tenant = identity->tenant;
    HASH_ADD(hh, counts->keys, tenant, sizeof key->tenant, key);
    return key;
}

/* The place of a status in key_outcomes. */
static size_t key_outcome(int status)
{
    if (status == 429)
        return 1;
    return status < 400 ? 0 : status < 500 ? 2 : 3;
}

void counts_key(struct counts *counts, const struct identity *identity, int status)
{
    CHECK_OBJECT(counts, COUNTS_MAGIC);
    struct key_series *key = key_of(counts, identity);
    size_t outcome = key_outcome(status);
    if (key->outcomes[outcome] == NULL)
        key->outcomes[outcome] =
            metrics_series(counts->metrics, METRIC_KEY_REQUESTS,
                           key == &counts->other_keys ? "other" : identity->key, key_outcomes[outcome], NULL);
    series_add(key->outcomes[outcome], 1);
}

static void find_series(struct counts *counts, struct model_series *series, const char *what,
                        const char *model, const char *version, const char *kind)
{
    if (*what == *PREDICTIONS) {
        series->predictions = metrics_series(counts->metrics, METRIC_PREDICTIONS, model, version, NULL);
        series->duration = metrics_series(counts->metrics, METRIC_PREDICTION_DURATION, model, version, NULL);
    } else if (*what == *ERRORS) {
        series->count = metrics_series(counts->metrics, METRIC_PREDICTION_ERRORS, model, version, kind);
    } else {
        series->count = metrics_series(counts->metrics, METRIC_STEERED, model, kind, NULL);
    }
}

/* Appends what fits, and a tab behind it. (snprintf would cost a request more than all else that is counted.)
 */
static size_t add_to_key(char key[KEY_MAX], size_t length, const char *name)
{
    size_t more = strlen(name);
    if (more > KEY_MAX - 1 - length)
        more = KEY_MAX - 1 - length;
    memcpy(key + length, name, more);
    key[length + more] = '\t';
    return length + more + (length + more < KEY_MAX - 1);
}

/* The kept series of these names; `spare` is filled and given when there is no room to keep more. */
static struct model_series *series_of(struct counts *counts, const char *what, const char *model,
                                      const char *version, const char *kind, struct model_series *spare)
{
    CHECK_OBJECT(counts, COUNTS_MAGIC);
    char key[KEY_MAX];
    size_t length = add_to_key(key, add_to_key(key, add_to_key(key, 0, what), model), version);
    length = add_to_key(key, length, kind);
    struct model_series *series;
    HASH_FIND(hh, counts->models, key, length, series);
    if (series != NULL)
        return series;
    if (HASH_COUNT(counts->models) >= SERIES_MAX) {
        find_series(counts, spare, what, model, version, kind);
        return spare;
    }
    series = object_alloc(sizeof *series + length);
    memcpy(series->key, key, length);
    find_series(counts, series, what, model, version, kind);
    HASH_ADD_KEYPTR(hh, counts->models, series->key, length, series);
    return series;
}

void counts_prediction(struct counts *counts, const char *model, const char *version, uint64_t rows,
                       int64_t duration, const uint8_t *trace)
{
    struct model_series spare;
    struct model_series *series = series_of(counts, PREDICTIONS, model, version, "", &spare);
    series_add(series->predictions, rows);
    if (trace != NULL)
        metrics_observe_traced(counts->metrics, series->duration, duration, trace);
    else
        series_observe_duration(series->duration, duration);
}

void counts_steered(struct counts *counts, const char *model, enum steered steered)
{
    struct model_series spare;
    series_add(series_of(counts, STEERED, model, "", steered_label(steered), &spare)->count, 1);
}

void counts_error(struct counts *counts, const char *model, const char *version, const char *kind)
{
    struct model_series spare;
    series_add(series_of(counts, ERRORS, model, version, kind, &spare)->count, 1);
}
