/* jwks: a snapshot of keys that is replaced as a whole.
 *
 * A set is read by any thread and changed by none: when another comes, the pointer moves, and who still has
 * the old one keeps it alive. The issuer is asked every token.jwks_refresh_s, and when a token comes with an
 * unknown key (he has a new one), though not more often than token.jwks_floor_s, since such tokens cost their
 * sender nothing. While he does not answer, or says nonsense, the last keys are used: an outage of his must
 * not be one of ours. SPDX-License-Identifier: MIT */
#include "jwks.h"

#include "clock.h"
#include "file_stamp.h"
#include "log.h"
#include "token_settings.h"

#include <pthread.h>
#include <stdlib.h>

enum { JWKS_MAGIC = 0x0a3c0001, REASON_BYTES = 1024 };

#define LOOK_EVERY  SECOND /* at the file */
#define FIRST_AGAIN SECOND /* after a failure, doubled up to the floor */

struct jwks {
    unsigned magic;
    const struct config *config;
    struct loop *loop;
    struct fetcher *fetcher;
    unsigned algorithms;
    struct loop_timer timer;
    struct file_stamp seen; /* of the file, as it was read last */
    bool failing;           /* the last attempt failed, which was logged */
    int64_t again;          /* the wait after the next failure */

    pthread_mutex_t mutex; /* guards what follows */
    struct jwk_set *set;
    uint64_t generation;
    bool asking, away;
    int64_t asked_at;
};

/* ---- a new set ---- */

static void tell_left_out(const struct jwk_set *set)
{
    for (const char *line = set->left_out; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        log_warning("token keys: left out: %.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

static bool same_keys(const struct jwk_set *left, const struct jwk_set *right)
{
    if (left == NULL || left->count != right->count)
        return false;
    for (size_t i = 0; i < left->count; i++)
        if (!jwk_same(&left->keys[i], &right->keys[i]))
            return false;
    return true;
}

/* Takes over the reference. The same keys as before are no change: what was verified with them stays known.
 */
static void set_keys(struct jwks *jwks, struct jwk_set *set, const char *source)
{
    pthread_mutex_lock(&jwks->mutex);
    bool same = same_keys(jwks->set, set);
    struct jwk_set *old = same ? set : jwks->set;
    if (!same) {
        jwks->set = set;
        __atomic_store_n(&jwks->generation, jwks->generation + 1, __ATOMIC_RELEASE);
    }
    jwks->away = false;
    pthread_mutex_unlock(&jwks->mutex);
    if (!same) {
        log_info("token keys: %zu from %s", set->count, source);
        tell_left_out(set);
    } else if (jwks->failing) {
        log_info("token keys: %s answers again", source);
    }
    jwks->failing = false;
    jwks->again = FIRST_AGAIN;
    jwk_set_release(old);
}

/* Once until it succeeds again: it is tried often. */
static void tell_failure(struct jwks *jwks, const char *source, const char *complaint)
{
    if (!jwks->failing)
        log_warning("token keys: %s: %s; %s", source, complaint,
                    jwks->set == NULL ? "there are none yet" : "those from before are used");
    jwks->failing = true;
}

/* ---- a file ---- */

/* Reads the file again if it is another; false with a reason when it holds no keys. */
static bool read_again(struct jwks *jwks, char *reason, size_t capacity)
{
    const char *path = jwks->config->token_jwks_file;
    if (!file_stamp_changed(&jwks->seen, path) && jwks->seen.error == 0)
        return true;
    struct jwk_set *set = jwk_set_read_file(path, jwks->algorithms, reason, capacity);
    if (set != NULL)
        set_keys(jwks, set, path);
    return set != NULL;
}

static void look(void *self)
{
    struct jwks *jwks = self;
    char reason[REASON_BYTES];
    if (!read_again(jwks, reason, sizeof reason))
        tell_failure(jwks, jwks->config->token_jwks_file, reason);
    loop_timer_set(jwks->loop, &jwks->timer, loop_now(jwks->loop) + LOOK_EVERY, look, jwks);
}

/* ---- the issuer ---- */

static void ask(void *self);

static void set_timer(struct jwks *jwks, int64_t wait)
{
    loop_timer_set(jwks->loop, &jwks->timer, clock_now() + wait, ask, jwks);
}

/* The wait after a failure: short at first, so that who starts with the issuer does not wait for long. */
static int64_t next_wait(struct jwks *jwks)
{
    int64_t floor = jwks->config->token_jwks_floor_s * SECOND,
            wait = jwks->again < floor ? jwks->again : floor;
    jwks->again = 2 * wait;
    return wait;
}

static void failed(struct jwks *jwks, const char *complaint)
{
    tell_failure(jwks, jwks->config->token_jwks_url, complaint);
    pthread_mutex_lock(&jwks->mutex);
    jwks->away = true;
    pthread_mutex_unlock(&jwks->mutex);
    set_timer(jwks, next_wait(jwks));
}

static void answered(void *self, const struct fetch_answer *answer)
{
    struct jwks *jwks = self;
    CHECK_OBJECT(jwks, JWKS_MAGIC);
    char reason[REASON_BYTES];
    struct jwk_set *set = NULL;
    if (answer->status == 200)
        set = jwk_set_read(answer->body, jwks->algorithms, reason, sizeof reason);
    else if (answer->status == 0)
        text_copy(text_of(answer->complaint), reason, sizeof reason);
    else
        snprintf(reason, sizeof reason, "it answers with status %d (redirects are not followed)",
                 answer->status);
    if (set != NULL) {
        set_keys(jwks, set, jwks->config->token_jwks_url);
        set_timer(jwks, jwks->config->token_jwks_refresh_s * SECOND);
    } else {
        failed(jwks, reason);
    }
    pthread_mutex_lock(&jwks->mutex);
    jwks->asking = false;
    pthread_mutex_unlock(&jwks->mutex);
}

/* With the lock. */
static bool ask_locked(struct jwks *jwks)
{
    const struct config *config = jwks->config;
    jwks->asked_at = clock_now();
    jwks->asking = fetch(jwks->fetcher,
                         &(struct fetch_request){.place = FETCH_JWKS,
                                                 .timeout_ms = config->token_fetch_timeout_ms,
                                                 .max_bytes = JWK_SET_BYTES_MAX},
                         answered, jwks);
    return jwks->asking;
}

static void ask(void *self)
{
    struct jwks *jwks = self;
    pthread_mutex_lock(&jwks->mutex);
    bool under_way = jwks->asking || ask_locked(jwks);
    pthread_mutex_unlock(&jwks->mutex);
    if (!under_way)
        failed(jwks, "too many questions are under way");
}

/* ---- for everybody ---- */

struct jwks *jwks_new(const struct config *config, struct loop *loop, struct fetcher *fetcher, char *reason,
                      size_t capacity)
{
    const char *complaint;
    struct jwks *jwks = object_alloc(sizeof *jwks);
    jwks->magic = JWKS_MAGIC;
    jwks->config = config;
    jwks->loop = loop;
    jwks->fetcher = fetcher;
    jwks->again = FIRST_AGAIN;
    jwks->algorithms = token_settings_algorithms(config->token_algorithms, &complaint) & JWK_PUBLIC;
    ENSURE(pthread_mutex_init(&jwks->mutex, NULL) == 0);
    if (*config->token_jwks_file == '\0') {
        ask(jwks);
    } else if (read_again(jwks, reason, capacity)) {
        loop_timer_set(loop, &jwks->timer, loop_now(loop) + LOOK_EVERY, look, jwks);
    } else {
        jwks_free(jwks);
        return NULL;
    }
    return jwks;
}

void jwks_free(struct jwks *jwks)
{
    if (jwks == NULL)
        return;
    CHECK_OBJECT(jwks, JWKS_MAGIC);
    loop_timer_cancel(jwks->loop, &jwks->timer);
    jwk_set_release(jwks->set);
    pthread_mutex_destroy(&jwks->mutex);
    jwks->magic = 0;
    free(jwks);
}

struct jwk_set *jwks_acquire(struct jwks *jwks, uint64_t *generation)
{
    CHECK_OBJECT(jwks, JWKS_MAGIC);
    pthread_mutex_lock(&jwks->mutex);
    struct jwk_set *set = jwks->set == NULL ? NULL : jwk_set_acquire(jwks->set);
    *generation = jwks->generation;
    pthread_mutex_unlock(&jwks->mutex);
    return set;
}

uint64_t jwks_generation(const struct jwks *jwks)
{
    return __atomic_load_n(&jwks->generation, __ATOMIC_ACQUIRE);
}

enum jwks_hope jwks_hope(struct jwks *jwks, uint64_t generation)
{
    CHECK_OBJECT(jwks, JWKS_MAGIC);
    if (jwks->fetcher == NULL)
        return JWKS_NONE;
    enum jwks_hope hope = JWKS_NONE;
    pthread_mutex_lock(&jwks->mutex);
    bool may_ask = clock_now() - jwks->asked_at >= jwks->config->token_jwks_floor_s * SECOND;
    if (jwks->generation != generation)
        hope = JWKS_CHANGED;
    else if (jwks->asking || (may_ask && ask_locked(jwks)))
        hope = JWKS_WAIT;
    else if (jwks->away)
        hope = JWKS_AWAY;
    pthread_mutex_unlock(&jwks->mutex);
    return hope;
}
