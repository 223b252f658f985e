/* key_ring: see key_ring.h.
 *
 * The keys are an immutable snapshot: the loop's thread puts another in its place, under a lock that is held
 * for nothing else, and whoever is comparing keeps the old one until it is done. What there is to compare
 * with is SHA-256 of keys that nobody can guess, found by their public id; an id that is not there is
 * compared, too, with nothing's digest, so that the time tells nothing. SPDX-License-Identifier: MIT */
#include "key_ring.h"

#include "api_key.h"
#include "clock.h"
#include "file_stamp.h"
#include "log.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

enum { RING_MAGIC = 0x0be71001 };

/* A revoked key is out within a second. */
#define LOOK_EVERY (SECOND / 2)

struct snapshot {
    unsigned references;
    struct api_keys *keys;
};

struct key_ring {
    unsigned magic;
    char *path;
    struct loop *loop;
    struct loop_timer timer;
    struct key_uses *uses; /* NULL: not noted */
    struct series *gauge;  /* NULL: not counted */
    struct sha256 *sha256;
    struct file_stamp stamp;
    pthread_mutex_t lock; /* guards the pointer, not what it points to */
    struct snapshot *snapshot;
};

/* ---- snapshots ---- */

static struct snapshot *snapshot_new(struct api_keys *keys)
{
    struct snapshot *snapshot = object_alloc(sizeof *snapshot);
    snapshot->references = 1;
    snapshot->keys = keys;
    return snapshot;
}

static void release(struct snapshot *snapshot)
{
    if (snapshot == NULL || __atomic_sub_fetch(&snapshot->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    api_keys_free(snapshot->keys);
    free(snapshot);
}

static struct snapshot *acquire(struct key_ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    struct snapshot *snapshot = ring->snapshot;
    __atomic_add_fetch(&snapshot->references, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&ring->lock);
    return snapshot;
}

static void put(struct key_ring *ring, struct api_keys *keys)
{
    struct snapshot *fresh = snapshot_new(keys);
    pthread_mutex_lock(&ring->lock);
    struct snapshot *old = ring->snapshot;
    ring->snapshot = fresh;
    pthread_mutex_unlock(&ring->lock);
    release(old);
    if (ring->gauge != NULL)
        series_set(ring->gauge, (int64_t)keys->count);
}

/* ---- the file ---- */

static void read_keys(struct key_ring *ring)
{
    struct config_errors errors = {0};
    char *rest = errors.text;
    struct api_keys *keys = api_keys_read(ring->path, &errors);
    if (keys != NULL) {
        log_info("%s: %zu API keys", ring->path, keys->count);
        put(ring, keys);
        return;
    }
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n"))
        if (*line != '\0')
            log_error("%s", line);
    log_error("%s: the API keys stay what they were, until that is mended", ring->path);
}

void key_ring_look(struct key_ring *ring)
{
    CHECK_OBJECT(ring, RING_MAGIC);
    if (file_stamp_changed(&ring->stamp, ring->path))
        read_keys(ring);
}

static void look_again(void *self)
{
    struct key_ring *ring = self;
    key_ring_look(ring);
    loop_timer_set(ring->loop, &ring->timer, loop_now(ring->loop) + LOOK_EVERY, look_again, ring);
}

/* ---- life ---- */

struct key_ring *key_ring_new(const char *path, struct key_uses *uses, struct loop *loop,
                              struct metrics *metrics)
{
    struct key_ring *ring = object_alloc(sizeof *ring);
    ring->magic = RING_MAGIC;
    ring->path = object_strdup(path);
    ring->uses = uses;
    ring->loop = loop;
    ring->sha256 = sha256_new();
    ring->gauge = metrics == NULL ? NULL : metrics_series(metrics, METRIC_API_KEYS, NULL, NULL, NULL);
    ENSURE(pthread_mutex_init(&ring->lock, NULL) == 0);
    put(ring, object_alloc(sizeof(struct api_keys)));
    if (loop != NULL)
        look_again(ring);
    else
        key_ring_look(ring);
    return ring;
}

void key_ring_free(struct key_ring *ring)
{
    if (ring == NULL)
        return;
    CHECK_OBJECT(ring, RING_MAGIC);
    if (ring->loop != NULL)
        loop_timer_cancel(ring->loop, &ring->timer);
    release(ring->snapshot);
    sha256_free(ring->sha256);
    pthread_mutex_destroy(&ring->lock);
    ring->magic = 0;
    free(ring->path);
    free(ring);
}

/* ---- asking ---- */

static void tell(const struct api_key *key, struct identity *identity)
{
    identity->kind = IDENTITY_KEY;
    identity->rights = key->rights;
    identity->tenant = api_key_tenant(key->id);
    identity->expires_at = key->expires;
    memcpy(identity->key, key->id, sizeof identity->key);
    memcpy(identity->name, key->name, strlen(key->name) + 1);
    memcpy(identity->models, key->models, strlen(key->models) + 1);
}

/* The same steps for a key that is there and for nothing in its place. */
static const char *compare(const struct key_ring *ring, const struct api_keys *keys, struct text text,
                           int64_t second, struct identity *identity)
{
    static const struct api_key nothing;
    uint8_t digest[SHA256_BYTES];
    const struct api_key *key = api_keys_find(keys, text.at + sizeof API_KEY_PREFIX - 1);
    const struct api_key *compared = key == NULL ? &nothing : key;
    sha256_of(ring->sha256, text, digest);
    bool current = CRYPTO_memcmp(digest, compared->digest, sizeof digest) == 0;
    bool previous = CRYPTO_memcmp(digest, compared->previous, sizeof digest) == 0;
    if (key == NULL)
        return "no key has this id";
    if (!current && !previous)
        return "the key is not that of this id";
    if (!current && second >= key->previous_until)
        return "the key was rotated, and its time is over";
    if (key->expires != 0 && second >= key->expires)
        return "the key has expired";
    tell(key, identity);
    return NULL;
}

const char *key_ring_open(struct key_ring *ring, struct text text, int64_t second, struct identity *identity)
{
    CHECK_OBJECT(ring, RING_MAGIC);
    if (!api_key_well_formed(text))
        return "it is no key of ours: its form, or its checksum";
    struct snapshot *snapshot = acquire(ring);
    const char *why = compare(ring, snapshot->keys, text, second, identity);
    release(snapshot);
    if (why == NULL && ring->uses != NULL)
        key_uses_note(ring->uses, identity->tenant, second);
    return why;
}
