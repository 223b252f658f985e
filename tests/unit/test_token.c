/* test_token: tokens of an issuer that answers, is silent, lies or is away: keys from a file and over HTTP,
 * introspection, what is known already. The issuer is a server in a thread of the test.
 * SPDX-License-Identifier: MIT */
#include "fetch_hand.h"
#include "issuer.h"
#include "letters.h"
#include "scratch_directory.h"
#include "signer.h"
#include "token.h"

#define OK     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define HEADER "{\"alg\":\"ES256\",\"kid\":\"a\"}"

static struct issuer issuer;
static struct config *config;
static struct tokens *tokens;
static struct identity identity;
static const char *why;
static int settled, lost;

static void on_settled(void *self)
{
    (void)self;
    settled++;
}

static void on_lost(void *self)
{
    (void)self;
    lost++;
}

static char *keys_of(const char *keys)
{
    return signer_text("{\"keys\":[%s]}", keys);
}

static char *one_key(EVP_PKEY *key, const char *kid)
{
    return keys_of(signer_jwk(key, signer_text(",\"kid\":\"%s\"", kid)));
}

static char *claims_until(int64_t exp)
{
    return signer_text(
        "{\"iss\":\"https://issuer\",\"aud\":\"us\",\"sub\":\"somebody\",\"scope\":\"predict\",\"exp\":%lld}",
        (long long)exp);
}

static char *token_of(EVP_PKEY *key, const char *kid)
{
    return signer_token("ES256", key, signer_text("{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid),
                        claims_until(clock_wall() / SECOND + 1000));
}

static void set_up(void)
{
    scratch_make();
    letters_loop = loop_new();
    issuer_start(&issuer, OK, one_key(signer_ec, "a"));
}

static void tear_down(void)
{
    tokens_free(tokens);
    issuer_end(&issuer);
    config_free(config);
    loop_free(letters_loop);
    scratch_remove();
    signer_forget();
}

/* ---- the tokens ---- */

static struct tokens *open_with(const char *const *settings, char *reason)
{
    struct config_errors errors = {0};
    size_t count = 0;
    while (settings[count] != NULL)
        count++;
    config_free(config);
    config = config_load(NULL, settings, count, &errors);
    ck_assert_msg(config != NULL, "%s", errors.text);
    return tokens_new(&(struct tokens_context){.config = config,
                                               .loop = letters_loop,
                                               .settled = on_settled,
                                               .lost = on_lost,
                                               .fetch_fd = fetch_hand_start(config, "test")},
                      reason, 1024);
}

static void start(const char *const *settings)
{
    char reason[1024];
    tokens = open_with(settings, reason);
    ck_assert_msg(tokens != NULL, "%s", reason);
}

#define WHO "token.issuer=https://issuer", "token.audience=us"
/* Settings and, for the URL of the issuer, a place to fill in. */
#define START(...) start((const char *const[]){__VA_ARGS__, NULL})

static char *issuers(const char *setting)
{
    return signer_text("%s=http://127.0.0.1:%d/path", setting, issuer.port);
}

static enum token_verdict check(const char *token)
{
    return tokens_check(tokens, text_of(token), &identity, &why);
}

/* The verdict in the end, after what had to be waited for. */
static enum token_verdict check_to_the_end(const char *token)
{
    enum token_verdict verdict;
    int before = settled;
    while ((verdict = check(token)) == TOKEN_PENDING) {
        WAIT_FOR(settled > before);
        before = settled;
    }
    return verdict;
}

static void expect(enum token_verdict verdict, const char *token)
{
    enum token_verdict got = check_to_the_end(token);
    ck_assert_msg(got == verdict, "%d, not %d: %s", got, verdict, why == NULL ? "" : why);
    ck_assert((why == NULL) == (got == TOKEN_GOOD));
}

/* ---- without an issuer that is asked ---- */

START_TEST(no_settings_are_no_tokens)
{
    char reason[1024] = "x";
    ck_assert_ptr_null(open_with((const char *const[]){NULL}, reason));
    ck_assert_str_eq(reason, "");
}
END_TEST

START_TEST(keys_from_a_file_are_used_and_read_again)
{
    char *path = signer_text("%s", scratch_file("keys", one_key(signer_ec, "a")));
    START(WHO, signer_text("token.jwks_file=%s", path));
    char *token = token_of(signer_ec, "a"), *other = token_of(signer_other_ec, "b");
    ck_assert_int_eq(check(token), TOKEN_GOOD);
    ck_assert_str_eq(identity.name, "somebody");
    ck_assert_uint_eq(identity.rights, RIGHT_PREDICT);
    ck_assert_int_eq(identity.kind, IDENTITY_TOKEN);
    ck_assert_int_eq(check(token), TOKEN_GOOD); /* known */
    ck_assert_int_eq(check(other), TOKEN_BAD);
    scratch_file("keys.new", one_key(signer_other_ec, "b"));
    ck_assert_int_eq(rename(scratch_path("keys.new"), path), 0);
    WAIT_FOR(check(other) == TOKEN_GOOD);
    ck_assert_int_eq(check(token), TOKEN_BAD); /* its key is gone, so it is not known any more */
    scratch_file("keys.new", "nonsense");
    ck_assert_int_eq(rename(scratch_path("keys.new"), path), 0);
    for (int64_t until = clock_now() + 1500 * MILLISECOND; clock_now() < until;)
        turn_loop(); /* it has been looked at by now */
    ck_assert_int_eq(check(other), TOKEN_GOOD);
}
END_TEST

START_TEST(what_cannot_be_read_is_told_at_the_start)
{
    char reason[1024];
    char *good = signer_text("token.jwks_file=%s", scratch_file("good", one_key(signer_ec, "a")));
    char *secret = signer_text("%s", scratch_file("secret", "only 31 bytes, which is too few"));
    ck_assert_int_eq(chmod(secret, 0600), 0);
    ck_assert_ptr_null(open_with((const char *const[]){WHO, "token.jwks_file=/none", NULL}, reason));
    ck_assert_ptr_nonnull(strstr(reason, "No such file"));
    char *weak = signer_text("token.jwks_file=%s", scratch_file("weak", one_key(signer_weak_rsa, "a")));
    ck_assert_ptr_null(open_with((const char *const[]){WHO, weak, NULL}, reason));
    ck_assert_ptr_nonnull(strstr(reason, "RSA of less than 2048 bits is too weak"));
    ck_assert_ptr_null(open_with((const char *const[]){WHO, good, "token.algorithms=ES256 HS256",
                                                       signer_text("token.hs256_secret=%s", secret), NULL},
                                 reason));
    ck_assert_ptr_nonnull(strstr(reason, "at least 32 bytes"));
    ck_assert_int_eq(chmod(secret, 0644), 0);
    ck_assert_ptr_null(open_with((const char *const[]){WHO, "token.algorithms=HS256",
                                                       signer_text("token.hs256_secret=%s", secret), NULL},
                                 reason));
    ck_assert_ptr_nonnull(strstr(reason, "secret: "));
    ck_assert_ptr_null(strstr(reason, "31 bytes"));
}
END_TEST

START_TEST(a_shared_secret_is_enough)
{
    char *secret = signer_text("%s", scratch_file("secret", SIGNER_SECRET "\n"));
    ck_assert_int_eq(chmod(secret, 0600), 0);
    START(WHO, "token.algorithms=HS256", signer_text("token.hs256_secret=%s", secret));
    char *claims = claims_until(clock_wall() / SECOND + 1000);
    ck_assert_int_eq(check(signer_token("HS256", NULL, "{\"alg\":\"HS256\"}", claims)), TOKEN_GOOD);
    ck_assert_int_eq(check(signer_token("ES256", signer_ec, HEADER, claims)), TOKEN_BAD);
}
END_TEST

START_TEST(a_known_token_ends_with_its_time)
{
    START(WHO, signer_text("token.jwks_file=%s", scratch_file("keys", one_key(signer_ec, "a"))),
          "token.leeway_s=0");
    char *token = signer_token("ES256", signer_ec, HEADER, claims_until(clock_wall() / SECOND + 2));
    ck_assert_int_eq(check(token), TOKEN_GOOD);
    WAIT_FOR(check(token) == TOKEN_BAD);
    ck_assert_ptr_nonnull(strstr(why, "expired"));
}
END_TEST

START_TEST(what_is_no_token_is_refused_at_once)
{
    static const char *const texts[] = {"", " ", "a b", "a\nb", "a\"b", "\xc3\xa9", "a,b"};
    START(WHO, signer_text("token.jwks_file=%s", scratch_file("keys", one_key(signer_ec, "a"))));
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        ck_assert_int_eq(check(texts[i]), TOKEN_BAD);
    ck_assert_int_eq(check("opaque"), TOKEN_BAD);
    ck_assert_int_eq(check(signer_text("%09000d", 1)), TOKEN_BAD);
    ck_assert_int_eq(tokens_check(tokens, (struct text){"a\0b", 3}, &identity, &why), TOKEN_BAD);
    ck_assert_int_eq(tokens_check(tokens, (struct text){NULL, 0}, &identity, &why), TOKEN_BAD);
}
END_TEST

/* ---- keys from the issuer ---- */

START_TEST(requests_wait_for_the_first_keys)
{
    issuer_be_silent(&issuer, true);
    START(WHO, issuers("token.jwks_url"));
    char *token = token_of(signer_ec, "a");
    ck_assert_int_eq(check(token), TOKEN_PENDING);
    WAIT_FOR(issuer_asked(&issuer) == 1);
    ck_assert_int_eq(check(token), TOKEN_PENDING);
    issuer_be_silent(&issuer, false);
    expect(TOKEN_GOOD, token);
    ck_assert_int_eq(issuer_asked(&issuer), 1);
    ck_assert(issuer_was_told(&issuer, "GET /path HTTP/1.1\r\n"));
}
END_TEST

START_TEST(an_unknown_key_is_asked_for_but_not_often)
{
    START(WHO, issuers("token.jwks_url"), "token.jwks_floor_s=1");
    expect(TOKEN_GOOD, token_of(signer_ec, "a"));
    issuer_say(&issuer, OK,
               keys_of(signer_text("%s,%s", signer_jwk(signer_ec, ",\"kid\":\"a\""),
                                   signer_jwk(signer_other_ec, ",\"kid\":\"b\""))));
    char *rotated = token_of(signer_other_ec, "b");
    WAIT_FOR(check_to_the_end(rotated) == TOKEN_GOOD); /* bad until the floor is over */
    ck_assert_int_eq(issuer_asked(&issuer), 2);
    int64_t until = clock_now() + 2500 * MILLISECOND;
    for (int i = 0; clock_now() < until; i++) {
        expect(TOKEN_BAD, token_of(signer_other_ec, signer_text("random-%d", i)));
        signer_forget();
        rotated = NULL;
    }
    ck_assert_int_le(issuer_asked(&issuer), 5); /* once a second */
    ck_assert_int_ge(issuer_asked(&issuer), 3);
}
END_TEST

START_TEST(an_outage_of_the_issuer_is_none_of_ours)
{
    START(WHO, issuers("token.jwks_url"), "token.jwks_floor_s=1", "token.jwks_refresh_s=1");
    char *token = token_of(signer_ec, "a");
    expect(TOKEN_GOOD, token);
    static const char *const heads[] = {NULL, "HTTP/1.1 500 No\r\n", OK};
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        issuer_say(&issuer, heads[i], "{\"keys\":[]}");
        int asked = issuer_asked(&issuer);
        WAIT_FOR(issuer_asked(&issuer) >= asked + 2);
        expect(TOKEN_GOOD, token_of(signer_ec, "a")); /* verified anew */
        expect(TOKEN_UNAVAILABLE, token_of(signer_ec, "unknown"));
    }
    issuer_say(&issuer, OK, one_key(signer_other_ec, "b"));
    char *new_token = token_of(signer_other_ec, "b");
    WAIT_FOR(check_to_the_end(new_token) == TOKEN_GOOD);
    expect(TOKEN_BAD, token); /* its key was taken back */
}
END_TEST

START_TEST(without_any_keys_nobody_is_called_bad)
{
    issuer_say(&issuer, NULL, "");
    START(WHO, issuers("token.jwks_url"));
    char *token = token_of(signer_ec, "a");
    expect(TOKEN_UNAVAILABLE, token);
    expect(TOKEN_BAD,
           signer_token("ES256", signer_ec, "{\"alg\":\"none\"}", "{}")); /* whatever the keys are */
    issuer_say(&issuer, OK, one_key(signer_ec, "a"));
    WAIT_FOR(check_to_the_end(token) == TOKEN_GOOD); /* it is asked again by itself */
}
END_TEST

START_TEST(redirects_are_not_followed)
{
    struct issuer other;
    issuer_start(&other, OK, one_key(signer_ec, "a"));
    issuer_say(&issuer, signer_text("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\n", other.port),
               "");
    START(WHO, issuers("token.jwks_url"));
    expect(TOKEN_UNAVAILABLE, token_of(signer_ec, "a"));
    ck_assert_int_ge(issuer_asked(&issuer), 1);
    ck_assert_int_eq(issuer_asked(&other), 0);
    issuer_end(&other);
}
END_TEST

START_TEST(answers_that_are_too_long_or_too_late_are_none)
{
    issuer_say(&issuer, OK,
               signer_text("{\"keys\":[%s],\"x\":\"%070000d\"}", signer_jwk(signer_ec, ",\"kid\":\"a\""), 1));
    START(WHO, issuers("token.jwks_url"), "token.fetch_timeout_ms=300");
    expect(TOKEN_UNAVAILABLE, token_of(signer_ec, "a"));
    issuer_be_silent(&issuer, true);
    int asked = issuer_asked(&issuer);
    WAIT_FOR(issuer_asked(&issuer) > asked);
    expect(TOKEN_UNAVAILABLE, token_of(signer_ec, "a"));
    issuer_be_silent(&issuer, false);
}
END_TEST

/* The header names keys of the sender's, on a server that listens. */
START_TEST(nothing_that_a_token_names_is_fetched)
{
    struct issuer other;
    issuer_start(&other, OK, one_key(signer_other_ec, "evil"));
    START(WHO, issuers("token.jwks_url"));
    expect(TOKEN_GOOD, token_of(signer_ec, "a"));
    static const char *const members[] = {"jku", "x5u"};
    for (size_t i = 0; i < COUNT_OF(members); i++)
        expect(
            TOKEN_BAD,
            signer_token("ES256", signer_other_ec,
                         signer_text("{\"alg\":\"ES256\",\"kid\":\"evil\",\"%s\":\"http://127.0.0.1:%d/\"}",
                                     members[i], other.port),
                         claims_until(clock_wall() / SECOND + 1000)));
    char *url = signer_text("http://127.0.0.1:%d/", other.port);
    ck_assert_int_ne(check_to_the_end(token_of(signer_other_ec, url)), TOKEN_GOOD);
    ck_assert_int_eq(issuer_asked(&other), 0);
    issuer_end(&other);
}
END_TEST

/* ---- introspection ---- */

static void start_introspection(const char *more)
{
    char *secret = signer_text("%s", scratch_file("secret", "s&cret"));
    ck_assert_int_eq(chmod(secret, 0600), 0);
    START("token.audience=us", issuers("token.introspection_url"), "token.introspection_client_id=o:1",
          signer_text("token.introspection_secret=%s", secret), more);
}

#define ACTIVE                                                                                               \
    "{\"active\":true,\"aud\":\"us\",\"sub\":\"u\",\"scope\":\"predict metrics\",\"client_id\":\"c\"}"

START_TEST(without_the_process_that_asks_nobody_waits)
{
    issuer.silent = true;
    start_introspection("token.leeway_s=0");
    ck_assert_int_eq(check("opaque"), TOKEN_PENDING);
    WAIT_FOR(issuer_asked(&issuer) == 1);
    kill(suite_child(), SIGKILL);
    WAIT_FOR(lost == 1);
    expect(TOKEN_UNAVAILABLE, "opaque"); /* it was answered */
    expect(TOKEN_UNAVAILABLE, "another");
    ck_assert_str_eq(why, "too many questions about tokens are under way");
}
END_TEST

START_TEST(an_opaque_token_is_asked_about_once)
{
    issuer_say(&issuer, OK, ACTIVE);
    start_introspection("token.leeway_s=0");
    ck_assert_int_eq(check("opaque+token/1=="), TOKEN_PENDING);
    expect(TOKEN_GOOD, "opaque+token/1==");
    ck_assert_str_eq(identity.name, "u");
    ck_assert_uint_eq(identity.rights, RIGHT_PREDICT | RIGHT_METRICS);
    ck_assert(issuer_was_told(&issuer, "POST /path HTTP/1.1\r\n"));
    ck_assert(
        issuer_was_told(&issuer, "\r\n\r\ntoken=opaque%2Btoken%2F1%3D%3D&token_type_hint=access_token"));
    ck_assert(issuer_was_told(&issuer, "Authorization: Basic byUzQTE6cyUyNmNyZXQ=\r\n")); /* o%3A1:s%26cret */
    ck_assert_int_eq(check("opaque+token/1=="), TOKEN_GOOD);
    ck_assert_int_eq(issuer_asked(&issuer), 1);
    expect(TOKEN_GOOD,
           signer_token("ES256", signer_ec, HEADER, "{}")); /* no keys: JWTs are asked about, too */
    ck_assert_int_eq(issuer_asked(&issuer), 2);
}
END_TEST

START_TEST(many_that_wait_are_one_question)
{
    issuer_say(&issuer, OK, ACTIVE);
    issuer_be_silent(&issuer, true);
    start_introspection("token.leeway_s=0");
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(check("opaque"), TOKEN_PENDING);
    WAIT_FOR(issuer_asked(&issuer) == 1);
    issuer_be_silent(&issuer, false);
    expect(TOKEN_GOOD, "opaque");
    ck_assert_int_eq(issuer_asked(&issuer), 1);
}
END_TEST

START_TEST(what_the_issuer_does_not_know_is_bad)
{
    static const char *const answers[] = {"{\"active\":false}",
                                          "{\"active\":true,\"aud\":\"them\",\"sub\":\"u\"}",
                                          "{\"active\":true,\"sub\":\"u\"}",
                                          "{\"active\":true,\"aud\":\"us\"}",
                                          "{\"active\":true,\"aud\":\"us\",\"sub\":\"u\",\"exp\":1}",
                                          "{\"active\":true,\"aud\":\"us\",\"sub\":\"u\",\"exp\":\"never\"}"};
    start_introspection("token.leeway_s=0");
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        char *token = signer_text("opaque-%zu", i);
        issuer_say(&issuer, OK, answers[i]);
        expect(TOKEN_BAD, token);
        ck_assert_int_eq(check(token), TOKEN_BAD); /* known for a while */
    }
    ck_assert_int_eq(issuer_asked(&issuer), COUNT_OF(answers));
}
END_TEST

START_TEST(an_issuer_that_says_nothing_useful_makes_nobody_bad)
{
    static const struct {
        const char *head, *body;
    } answers[] = {{NULL, ""},
                   {"HTTP/1.1 500 No\r\n", ACTIVE},
                   {"HTTP/1.1 401 No\r\n", ACTIVE},
                   {"HTTP/1.1 302 Found\r\nLocation: /\r\n", ACTIVE},
                   {OK, "nonsense"},
                   {OK, "{}"},
                   {OK, "{\"active\":\"true\",\"aud\":\"us\",\"sub\":\"u\"}"},
                   {OK, "{\"active\":false,\"active\":true,\"aud\":\"us\",\"sub\":\"u\"}"}};
    start_introspection("token.leeway_s=0");
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        issuer_say(&issuer, answers[i].head, answers[i].body);
        expect(TOKEN_UNAVAILABLE, signer_text("opaque-%zu", i));
    }
    issuer_say(&issuer, OK, ACTIVE);
    WAIT_FOR(check_to_the_end("opaque-0") == TOKEN_GOOD); /* it is asked again soon */
}
END_TEST

START_TEST(an_answer_is_used_no_longer_than_it_may)
{
    issuer_say(&issuer, OK, ACTIVE);
    start_introspection("token.introspection_cache_s=1");
    expect(TOKEN_GOOD, "opaque");
    issuer_say(&issuer, OK, "{\"active\":false}");
    WAIT_FOR(check_to_the_end("opaque") == TOKEN_BAD);
    ck_assert_int_eq(issuer_asked(&issuer), 2);
}
END_TEST

START_TEST(a_token_that_ends_is_not_kept_longer)
{
    issuer_say(&issuer, OK,
               signer_text("{\"active\":true,\"aud\":\"us\",\"sub\":\"u\",\"exp\":%lld}",
                           (long long)clock_wall() / SECOND + 2));
    start_introspection("token.leeway_s=0");
    expect(TOKEN_GOOD, "opaque");
    WAIT_FOR(check_to_the_end("opaque") == TOKEN_BAD);
}
END_TEST

START_TEST(too_many_questions_are_not_asked)
{
    issuer_be_silent(&issuer, true);
    start_introspection("token.leeway_s=0");
    for (int i = 0; i < 256; i++)
        ck_assert_int_eq(check(signer_text("opaque-%d", i)), TOKEN_PENDING);
    ck_assert_int_eq(check("one-more"), TOKEN_UNAVAILABLE);
    ck_assert_int_eq(check("opaque-7"), TOKEN_PENDING);
} /* and the end breaks them off */
END_TEST

START_TEST(with_keys_and_introspection_each_token_goes_its_way)
{
    char *secret = signer_text("%s", scratch_file("secret", "s"));
    ck_assert_int_eq(chmod(secret, 0600), 0);
    START(WHO, signer_text("token.jwks_file=%s", scratch_file("keys", one_key(signer_ec, "a"))),
          issuers("token.introspection_url"), "token.introspection_client_id=o",
          signer_text("token.introspection_secret=%s", secret));
    issuer_say(&issuer, OK, ACTIVE);
    ck_assert_int_eq(check(token_of(signer_ec, "a")), TOKEN_GOOD);
    ck_assert_int_eq(check(token_of(signer_other_ec, "a")), TOKEN_BAD);
    ck_assert_int_eq(issuer_asked(&issuer), 0);
    expect(TOKEN_GOOD, "opaque");
}
END_TEST

/* ---- many threads ---- */

enum { THREADS = 4, ROUNDS = 300 };

static void *ask_often(void *self)
{
    char *const *texts = self;
    for (int i = 0; i < ROUNDS; i++) {
        struct identity who;
        const char *reason;
        const char *token = texts[i % 3];
        enum token_verdict verdict = tokens_check(tokens, text_of(token), &who, &reason);
        if (verdict == TOKEN_GOOD && i % 3 == 2)
            return self; /* the token of nobody */
    }
    return NULL;
}

START_TEST(any_thread_may_ask_while_keys_change)
{
    START(WHO, issuers("token.jwks_url"), "token.jwks_floor_s=1", "token.jwks_refresh_s=1",
          "token.cache_entries=16");
    char *texts[] = {token_of(signer_ec, "a"), token_of(signer_other_ec, "b"),
                     token_of(signer_other_ec, "c")};
    for (int round = 0; round < 4; round++) {
        pthread_t threads[THREADS];
        issuer_say(&issuer, OK, round % 2 == 0 ? one_key(signer_ec, "a") : one_key(signer_other_ec, "b"));
        int asked = issuer_asked(&issuer);
        for (size_t i = 0; i < THREADS; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_often, texts), 0);
        WAIT_FOR(issuer_asked(&issuer) > asked);
        for (size_t i = 0; i < THREADS; i++) {
            void *complaint;
            pthread_join(threads[i], &complaint);
            ck_assert_ptr_null(complaint);
        }
    }
    WAIT_FOR(check_to_the_end(texts[1]) == TOKEN_GOOD);
}
END_TEST

int main(void)
{
    signer_init();
    const TTest *const tests[] = {no_settings_are_no_tokens,
                                  keys_from_a_file_are_used_and_read_again,
                                  what_cannot_be_read_is_told_at_the_start,
                                  a_shared_secret_is_enough,
                                  a_known_token_ends_with_its_time,
                                  what_is_no_token_is_refused_at_once,
                                  requests_wait_for_the_first_keys,
                                  an_unknown_key_is_asked_for_but_not_often,
                                  an_outage_of_the_issuer_is_none_of_ours,
                                  without_any_keys_nobody_is_called_bad,
                                  redirects_are_not_followed,
                                  answers_that_are_too_long_or_too_late_are_none,
                                  without_the_process_that_asks_nobody_waits,
                                  nothing_that_a_token_names_is_fetched,
                                  an_opaque_token_is_asked_about_once,
                                  many_that_wait_are_one_question,
                                  what_the_issuer_does_not_know_is_bad,
                                  an_issuer_that_says_nothing_useful_makes_nobody_bad,
                                  an_answer_is_used_no_longer_than_it_may,
                                  a_token_that_ends_is_not_kept_longer,
                                  too_many_questions_are_not_asked,
                                  with_keys_and_introspection_each_token_goes_its_way,
                                  any_thread_may_ask_while_keys_change};
    int status = SUITE_RUN("token", set_up, tear_down, tests);
    signer_end();
    return status;
}
