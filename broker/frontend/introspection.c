/* introspection: one question for each unknown token, and what came of it, kept for a while.
 *
 * Who waits is not told: when the answer is there, requests are run again and find it in the caches. One has
 * the tokens that are good, for as long as the answer may be used; the other what is bad, or could not be
 * found out, for moments, and apart, so that bad tokens, which anybody can make, do not push out good ones.
 * SPDX-License-Identifier: MIT */
#include "introspection.h"

#include "clock.h"
#include "log.h"
#include "strict_json.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

enum { INTROSPECTION_MAGIC = 0x1275c001, ANSWER_BYTES_MAX = 65536, NOT_GOOD_ENTRIES = 1024 };

#define BAD_KEPT         (5 * SECOND) /* a token that is not good yet may become so; who makes it waits less */
#define UNAVAILABLE_KEPT SECOND       /* those that wait find it; whoever comes later asks again */

static const char away[] = "the issuer does not answer questions about tokens";

struct question {
    struct introspection *introspection;
    uint8_t digest[TOKEN_DIGEST_BYTES];
    UT_hash_handle hh;
};

struct introspection {
    unsigned magic;
    const struct config *config;
    const struct claims_policy *policy;
    struct fetcher *fetcher;
    char *user; /* both encoded as RFC 6749 section 2.3.1 has it */
    char *password;
    struct token_cache *good, *not_good;
    pthread_mutex_t mutex; /* guards the questions, and that a token has either one or an answer */
    struct question *questions;
};

struct introspection *introspection_new(const struct config *config, const struct claims_policy *policy,
                                        struct text secret, struct fetcher *fetcher)
{
    struct introspection *introspection = object_alloc(sizeof *introspection);
    introspection->magic = INTROSPECTION_MAGIC;
    introspection->config = config;
    introspection->policy = policy;
    introspection->fetcher = fetcher;
    introspection->user = fetch_encode(text_of(config->token_introspection_client_id));
    introspection->password = fetch_encode(secret);
    introspection->good = token_cache_new((size_t)config->token_cache_entries);
    introspection->not_good = token_cache_new(NOT_GOOD_ENTRIES);
    ENSURE(pthread_mutex_init(&introspection->mutex, NULL) == 0);
    return introspection;
}

static void forget(struct introspection *introspection, struct question *question)
{
    HASH_DEL(introspection->questions, question);
    free(question);
}

void introspection_free(struct introspection *introspection)
{
    if (introspection == NULL)
        return;
    CHECK_OBJECT(introspection, INTROSPECTION_MAGIC);
    while (introspection->questions != NULL)
        forget(introspection, introspection->questions);
    token_cache_free(introspection->good);
    token_cache_free(introspection->not_good);
    explicit_bzero(introspection->password, strlen(introspection->password));
    free(introspection->password);
    free(introspection->user);
    pthread_mutex_destroy(&introspection->mutex);
    introspection->magic = 0;
    free(introspection);
}

/* ---- the answer ---- */

/* Moments: what is bad, or unknown. */
static struct token_known not_good(enum token_verdict verdict, const char *why)
{
    int64_t kept = verdict == TOKEN_BAD ? BAD_KEPT : UNAVAILABLE_KEPT;
    return (struct token_known){.verdict = verdict, .why = why, .until = clock_now() + kept};
}

/* Until it expires, and not longer than the configuration says. */
static struct token_known good(const struct introspection *introspection, const struct identity *identity)
{
    int64_t kept = introspection->config->token_introspection_cache_s;
    int64_t left = identity->expires_at - clock_wall() / SECOND;
    if (identity->expires_at != 0 && left < kept)
        kept = left;
    if (kept < 1)
        kept = 1; /* those that wait for it must find it */
    return (struct token_known){
        .verdict = TOKEN_GOOD, .until = clock_now() + kept * SECOND, .identity = *identity};
}

static struct token_known judge(const struct introspection *introspection, yyjson_val *root)
{
    yyjson_val *active = yyjson_obj_get(root, "active");
    struct identity identity;
    const char *why;
    if (!yyjson_is_bool(active))
        return not_good(TOKEN_UNAVAILABLE, "what the issuer says about tokens is not what RFC 7662 has");
    if (!yyjson_get_bool(active))
        return not_good(TOKEN_BAD, "the issuer says that the token is not active");
    if (!claims_read(introspection->policy, root, clock_wall() / SECOND, true, &identity, &why))
        return not_good(TOKEN_BAD, why);
    return good(introspection, &identity);
}

static struct token_known read_answer(const struct introspection *introspection,
                                      const struct fetch_answer *answer)
{
    static long long last;
    const char *complaint = answer->complaint;
    yyjson_doc *document = answer->status == 200 ? strict_json_read(answer->body, &complaint) : NULL;
    if (document == NULL) {
        if (log_allowed(&last, 10))
            log_warning("%s: status %d%s%s", introspection->config->token_introspection_url, answer->status,
                        complaint == NULL ? "" : ": ", complaint == NULL ? "" : complaint);
        return not_good(TOKEN_UNAVAILABLE, away);
    }
    struct token_known known = judge(introspection, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    return known;
}

static void answered(void *self, const struct fetch_answer *answer)
{
    struct question *question = self;
    struct introspection *introspection = question->introspection;
    CHECK_OBJECT(introspection, INTROSPECTION_MAGIC);
    struct token_known known = read_answer(introspection, answer);
    pthread_mutex_lock(&introspection->mutex);
    token_cache_put(known.verdict == TOKEN_GOOD ? introspection->good : introspection->not_good,
                    question->digest, &known);
    forget(introspection, question);
    pthread_mutex_unlock(&introspection->mutex);
}

/* ---- the question ---- */

/* With the lock. */
static bool ask(struct introspection *introspection, const uint8_t digest[TOKEN_DIGEST_BYTES],
                struct text token)
{
    const struct config *config = introspection->config;
    struct question *question = object_alloc(sizeof *question);
    char *encoded = fetch_encode(token), *form;
    ENSURE(asprintf(&form, "token=%s&token_type_hint=access_token", encoded) >= 0);
    question->introspection = introspection;
    memcpy(question->digest, digest, TOKEN_DIGEST_BYTES);
    HASH_ADD(hh, introspection->questions, digest, TOKEN_DIGEST_BYTES, question);
    bool asked = fetch(introspection->fetcher,
                       &(struct fetch_request){.place = FETCH_INTROSPECTION,
                                               .form = form,
                                               .user = introspection->user,
                                               .password = text_of(introspection->password),
                                               .timeout_ms = config->token_fetch_timeout_ms,
                                               .max_bytes = ANSWER_BYTES_MAX},
                       answered, question);
    if (!asked)
        forget(introspection, question);
    explicit_bzero(form, strlen(form));
    explicit_bzero(encoded, strlen(encoded));
    free(form);
    free(encoded);
    return asked;
}

/* With the lock. */
static enum token_verdict find_or_ask(struct introspection *introspection,
                                      const uint8_t digest[TOKEN_DIGEST_BYTES], struct text token,
                                      struct token_known *known)
{
    struct question *question;
    int64_t now = clock_now();
    if (token_cache_get(introspection->good, digest, now, known) ||
        token_cache_get(introspection->not_good, digest, now, known))
        return known->verdict;
    HASH_FIND(hh, introspection->questions, digest, TOKEN_DIGEST_BYTES, question);
    known->why = "the issuer is being asked about the token";
    if (question != NULL || ask(introspection, digest, token))
        return TOKEN_PENDING;
    known->why = "too many questions about tokens are under way";
    return TOKEN_UNAVAILABLE;
}

enum token_verdict introspection_check(struct introspection *introspection,
                                       const uint8_t digest[TOKEN_DIGEST_BYTES], struct text token,
                                       struct identity *identity, const char **why)
{
    CHECK_OBJECT(introspection, INTROSPECTION_MAGIC);
    struct token_known known;
    pthread_mutex_lock(&introspection->mutex);
    enum token_verdict verdict = find_or_ask(introspection, digest, token, &known);
    pthread_mutex_unlock(&introspection->mutex);
    *why = known.why;
    if (verdict == TOKEN_GOOD)
        *identity = known.identity;
    return verdict;
}
