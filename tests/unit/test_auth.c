/* test_auth: whole requests to one decision: what is shown, who that is, whether it may, and what each
 * refusal looks like. SPDX-License-Identifier: MIT */
#include "auth_scene.h"

static struct identity identity;

static enum auth_next ask(const char *method, const char *uri, const char *const *more)
{
    read_request(method, uri, more);
    struct called called = call_find(&request);
    identity = (struct identity){.address = auth_address(auth, &request)};
    http_response_begin(&response, &request);
    return auth_request(auth, &request, &called, &identity, &response);
}

#define PREDICT(...)  ask("POST", "/api/v1/predict", (const char *const[]){__VA_ARGS__, NULL})
#define GET(uri, ...) ask("GET", uri, (const char *const[]){__VA_ARGS__, NULL})

static void expect(enum auth_next next, int status, enum auth_outcome outcome, const char *header)
{
    ck_assert_msg(next == AUTH_REFUSED && response.status == status, "%d %d", next, response.status);
    ck_assert_str_eq(auth_outcome_label(identity.outcome), auth_outcome_label(outcome));
    ck_assert_str_eq(response.extra, header);
    ck_assert(identity.rights == 0 || outcome == AUTH_OUTCOME_RIGHT);
    ck_assert_ptr_nonnull(identity.why);
}

#define CHALLENGE    "WWW-Authenticate: Bearer realm=\"outrigger\"\r\n"
#define ERROR(words) "WWW-Authenticate: Bearer realm=\"outrigger\", error=\"" words "\"\r\n"

static void expect_missing(enum auth_next next)
{
    expect(next, 401, AUTH_OUTCOME_MISSING, CHALLENGE);
}

static void expect_malformed(enum auth_next next)
{
    expect(next, 400, AUTH_OUTCOME_MALFORMED, ERROR("invalid_request"));
}

static void expect_bad(enum auth_next next)
{
    expect(next, 401, AUTH_OUTCOME_INVALID, ERROR("invalid_token"));
}

/* ---- what is shown ---- */

START_TEST(a_key_in_either_header_is_somebody)
{
    ck_assert_int_eq(PREDICT(REMOTE, KEY(text)), AUTH_GRANTED);
    ck_assert(identity.kind == IDENTITY_KEY && identity.outcome == AUTH_OUTCOME_GRANTED);
    ck_assert_str_eq(identity.name, "somebody");
    uint64_t tenant = identity.tenant;
    ck_assert_uint_ne(tenant, request.tenant); /* of the id, not of the key */
    ck_assert_int_eq(PREDICT(REMOTE, BEARER(text)), AUTH_GRANTED);
    ck_assert_uint_eq(identity.tenant, tenant);
    ck_assert_int_eq(PREDICT(REMOTE, with("HTTP_AUTHORIZATION=bEARER   ", text)), AUTH_GRANTED);
}
END_TEST

START_TEST(nothing_shown_is_asked_for_something)
{
    expect_missing(PREDICT(REMOTE));
    ck_assert_str_eq(response.kind, "unauthenticated");
    expect_missing(PREDICT(REMOTE, "HTTP_AUTHORIZATION=Basic YWxpY2U6c2VjcmV0"));
    expect_missing(PREDICT(REMOTE, "HTTP_AUTHORIZATION=Bearerx"));
    expect_missing(PREDICT(REMOTE, "HTTP_X_API_KE=y", with("X_API_KEY=", text))); /* no header */
}
END_TEST

START_TEST(more_than_one_credential_is_refused)
{
    expect_malformed(PREDICT(KEY(text), BEARER(text)));
    expect_malformed(PREDICT(BEARER(text), BEARER(text)));
    expect_malformed(PREDICT(KEY(text), KEY(text)));
    expect_malformed(PREDICT(KEY(text), "HTTP_AUTHORIZATION=Basic YWxpY2U6c2VjcmV0"));
    expect_malformed(PREDICT(with(KEY(text), ", x")));
    expect_malformed(PREDICT(with(KEY(text), ",")));
    expect_malformed(PREDICT(with(BEARER(text), ", Bearer x")));
    expect_malformed(PREDICT(with("HTTP_AUTHORIZATION=Basic YTpi, Bearer ", text)));
}
END_TEST

START_TEST(what_is_no_credential_is_refused)
{
    expect_malformed(PREDICT("HTTP_X_API_KEY="));
    expect_malformed(PREDICT("HTTP_AUTHORIZATION=Bearer"));
    expect_malformed(PREDICT("HTTP_AUTHORIZATION=Bearer   "));
    expect_malformed(PREDICT(with(BEARER(text), " x")));
    expect_malformed(PREDICT("HTTP_X_API_KEY=a\xc3\xa4"));
    expect_malformed(PREDICT("HTTP_X_API_KEY=a\x01"));
}
END_TEST

static void expect_form(const char *type, const char *content, bool refused)
{
    strcpy(body, content);
    enum auth_next next = PREDICT(KEY(text), with("CONTENT_TYPE=", type));
    ck_assert_msg((next == AUTH_REFUSED && response.status == 400) == refused, "%s: %s", type, content);
    *body = '\0';
}

START_TEST(credentials_belong_into_headers)
{
    static const char *const queries[] = {"?access_token=x", "?a=b&access_token=x", "?api_key=x",
                                          "?&access_token="};
    static const char *const others[] = {"?", "?a=access_token", "?my_access_token=x", "?access_tokens=1",
                                         "?a=b&"};
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        expect_malformed(
            ask("POST", with("/api/v1/predict", queries[i]), (const char *const[]){KEY(text), NULL}));
        expect_malformed(
            ask("POST", with("/api/v1/predict", queries[i]), (const char *const[]){REMOTE, NULL}));
    }
    for (size_t i = 0; i < COUNT_OF(others); i++)
        ck_assert_int_eq(
            ask("POST", with("/api/v1/predict", others[i]), (const char *const[]){KEY(text), NULL}),
            AUTH_GRANTED);
    expect_form("application/x-www-form-urlencoded", "access_token=x", true);
    expect_form("Application/X-WWW-Form-urlencoded; charset=utf-8", "a=1&access_token=x", true);
    expect_form("application/x-www-form-urlencoded", "a=access_token", false);
    expect_form("application/json", "access_token=x", false); /* no form, and nobody looks for one in it */
}
END_TEST

/* ---- what is refused ---- */

static void change(size_t at)
{
    text[at] = text[at] == 'x' ? 'y' : 'x';
}

START_TEST(every_cause_has_one_answer)
{
    char first[1024], revoked[API_KEY_LENGTH + 1], expired[API_KEY_LENGTH + 1];
    api_key_make(NULL, revoked);
    add_key((struct api_key){.rights = RIGHTS_ALL, .expires = 2}, expired);
    start(NULL);
    change(30);
    const char *bad[] = {text, revoked, expired, "ork_", "x", "eyJhbGciOiJub25lIn0.e30."};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        expect_bad(PREDICT("HTTP_X_REQUEST_ID=r", i % 2 == 0 ? KEY(bad[i]) : BEARER(bad[i])));
        if (i == 0)
            text_copy((struct text){response.body.bytes, response.body.length}, first, sizeof first);
        ck_assert(text_is((struct text){response.body.bytes, response.body.length}, first));
        ck_assert_ptr_null(strstr(first, bad[i]));
    }
}
END_TEST

START_TEST(a_right_that_is_missing_is_named)
{
    char narrow[API_KEY_LENGTH + 1], none[API_KEY_LENGTH + 1];
    add_key((struct api_key){.rights = RIGHT_METRICS}, narrow);
    add_key((struct api_key){.rights = 0}, none);
    start(NULL);
    expect(
        PREDICT(REMOTE, KEY(narrow)), 403, AUTH_OUTCOME_RIGHT,
        "WWW-Authenticate: Bearer realm=\"outrigger\", error=\"insufficient_scope\", scope=\"predict\"\r\n");
    ck_assert_str_eq(identity.name, "somebody"); /* for the log */
    ck_assert_int_eq(GET("/metrics", REMOTE, KEY(narrow)), AUTH_GRANTED);
    ck_assert_int_eq(GET("/metrics", REMOTE, KEY(none)), AUTH_REFUSED);
    ck_assert_int_eq(response.status, 403);
}
END_TEST

START_TEST(too_many_wrong_ones_are_put_off)
{
    for (int i = 0; i < 20; i++)
        expect_bad(PREDICT(REMOTE, KEY("x")));
    expect(PREDICT(REMOTE, KEY("x")), 429, AUTH_OUTCOME_TOO_MANY, "");
    ck_assert(response.retry_after >= 1 && response.retry_after <= 60);
    ck_assert_str_eq(response.kind, "rate_limited");
    expect_bad(PREDICT("REMOTE_ADDR=192.0.2.2", KEY("x")));
    ck_assert_int_eq(PREDICT(REMOTE, KEY(text)), AUTH_GRANTED);
    expect_missing(PREDICT(REMOTE));
    expect(PREDICT(REMOTE, KEY("x"), "HTTP_X_FORWARDED_FOR=10.0.0.1"), 429, AUTH_OUTCOME_TOO_MANY, "");
}
END_TEST

/* ---- where it comes from ---- */

static void expect_address(const char *expected)
{
    char shown[ADDRESS_TEXT_MAX];
    ck_assert_str_eq(address_text(&identity.address, shown), expected);
}

START_TEST(proxies_are_believed_when_they_are_trusted)
{
    static char proxies[] = "10.0.0.0/8 ::1";
    static const struct {
        const char *remote, *forwarded, *expected;
    } cases[] = {
        {"REMOTE_ADDR=10.0.0.1", "1.2.3.4", "1.2.3.4"},
        {"REMOTE_ADDR=10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"},
        {"REMOTE_ADDR=10.0.0.1", "6.6.6.6,\t1.2.3.4 , 10.0.0.2", "1.2.3.4"},
        {"REMOTE_ADDR=::1", "2001:db8::1", "2001:db8::1"},
        {"REMOTE_ADDR=10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"},
        {"REMOTE_ADDR=10.0.0.1", "1.2.3.4, unknown", "10.0.0.1"},
        {"REMOTE_ADDR=10.0.0.1", "1.2.3.4, , 10.0.0.2", "10.0.0.2"},
        {"REMOTE_ADDR=10.0.0.1", "", "10.0.0.1"},
        {"REMOTE_ADDR=10.0.0.1", ",", "10.0.0.1"},
        {"REMOTE_ADDR=11.0.0.1", "1.2.3.4", "11.0.0.1"},
        {"REMOTE_ADDR=", "1.2.3.4", ""},
        {"REMOTE_ADDR=unix:", "1.2.3.4", ""},
    };
    config.auth_trusted_proxies = proxies;
    start(NULL);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        PREDICT(cases[i].remote, with("HTTP_X_FORWARDED_FOR=", cases[i].forwarded));
        expect_address(cases[i].expected);
    }
    PREDICT("REMOTE_ADDR=10.0.0.1", "HTTP_X_FORWARDED_FOR=6.6.6.6", "HTTP_X_FORWARDED_FOR=1.2.3.4");
    expect_address("1.2.3.4"); /* the proxy's line is the last */
}
END_TEST

START_TEST(metrics_are_for_this_host)
{
    ck_assert_int_eq(GET("/metrics", "REMOTE_ADDR=127.0.0.1"), AUTH_GRANTED);
    ck_assert_int_eq(GET("/metrics", "REMOTE_ADDR=::1"), AUTH_GRANTED);
    expect_missing(GET("/metrics", REMOTE));
    expect_missing(ask("GET", "/metrics", (const char *const[]){NULL}));
    expect_missing(GET("/metrics", "REMOTE_ADDR=127.0.0.1", "HTTP_X_FORWARDED_FOR=127.0.0.1"));
    expect_missing(GET("/metrics", "REMOTE_ADDR=127.0.0.1", "HTTP_FORWARDED=for=127.0.0.1"));
    ck_assert_int_eq(GET("/metrics", REMOTE, KEY(text)), AUTH_GRANTED);
}
END_TEST

START_TEST(some_calls_are_everybodys)
{
    static const char *const open[] = {"/health",          "/ready",   "/docs",          "/v2/health/live",
                                       "/v2/health/ready", "/nothing", "/api/v1/predict"}; /* the last: 405 */
    static const char *const closed[] = {"/api/v1/models", "/api/v1/models/m"};
    for (size_t i = 0; i < COUNT_OF(open); i++) {
        ck_assert_int_eq(GET(open[i], REMOTE), AUTH_GRANTED);
        ck_assert_int_eq(identity.outcome, AUTH_OUTCOME_OPEN);
        ck_assert_uint_eq(identity.rights, 0);
    }
    for (size_t i = 0; i < COUNT_OF(closed); i++)
        expect_missing(GET(closed[i], REMOTE));
}
END_TEST

START_TEST(each_call_says_which_right_it_needs)
{
    bool open[CALL_COUNT] = {
        [CALL_OTHER] = true,     [CALL_HEALTH] = true,  [CALL_READY] = true,   [CALL_DOCS] = true,
        [CALL_DASHBOARD] = true, [CALL_V2_LIVE] = true, [CALL_V2_READY] = true};
    for (int call = 0; call < CALL_COUNT; call++)
        ck_assert_msg((call_right((enum call)call) == RIGHT_NONE) == open[call], "%s",
                      call_label((enum call)call));
    ck_assert_int_eq(call_right(CALL_PREDICT), RIGHT_PREDICT);
    ck_assert_int_eq(call_right(CALL_METRICS), RIGHT_METRICS);
    ck_assert_int_eq(call_right(CALL_DASHBOARD_DATA), RIGHT_METRICS);
    ck_assert_int_eq(call_right(CALL_FEEDBACK), RIGHT_FEEDBACK);
    ck_assert_int_eq(call_right(CALL_V2_LOAD), RIGHT_ADMIN);
}
END_TEST

/* ---- tokens ---- */

START_TEST(tokens_are_asked_of_their_module)
{
    start(check_token);
    module.verdict = TOKEN_GOOD;
    ck_assert_int_eq(PREDICT(REMOTE, BEARER("abc.def")), AUTH_GRANTED);
    ck_assert(identity.kind == IDENTITY_TOKEN && identity.tenant == 77);
    ck_assert_str_eq(module.token, "abc.def");
    expect(
        GET("/metrics", REMOTE, BEARER("abc")), 403, AUTH_OUTCOME_RIGHT,
        "WWW-Authenticate: Bearer realm=\"outrigger\", error=\"insufficient_scope\", scope=\"metrics\"\r\n");
    module.verdict = TOKEN_BAD;
    expect_bad(PREDICT(REMOTE, BEARER("abc")));
    ck_assert(identity.tenant == 0 && *identity.name == '\0');
    ck_assert_str_eq(identity.why, "the module says so");
    expect_address("192.0.2.1");
    module.verdict = TOKEN_PENDING;
    ck_assert_int_eq(PREDICT(REMOTE, BEARER("abc")), AUTH_PENDING);
    ck_assert(identity.outcome == AUTH_OUTCOME_PENDING && identity.rights == 0);
    module.asked = 0;
    expect_bad(PREDICT(REMOTE, BEARER("ork_abc")));
    expect_bad(PREDICT(REMOTE, KEY("abc.def"))); /* a token is no key */
    ck_assert_uint_eq(module.asked, 0);
}
END_TEST

/* ---- the web server's word ---- */

START_TEST(the_web_server_names_somebody)
{
    static char user[] = "REMOTE_USER", subject[] = "SSL_CLIENT_S_DN", scopes[] = "predict",
                models[] = "a b-*";
    config.auth_trust_remote_user = user;
    config.auth_trust_client_certificate = subject;
    config.auth_web_server_scopes = scopes;
    config.auth_web_server_models = models;
    start(NULL);
    ck_assert_int_eq(PREDICT("REMOTE_USER=alice"), AUTH_GRANTED);
    uint64_t alice = identity.tenant;
    ck_assert(identity.kind == IDENTITY_WEB_SERVER && alice != 0);
    ck_assert_str_eq(identity.name, "alice");
    ck_assert(auth_may_use(&identity, text_of("b-1")) && !auth_may_use(&identity, text_of("c")));
    ck_assert_int_eq(PREDICT("REMOTE_USER=alice", "HTTP_AUTHORIZATION=Basic YWxpY2U6c2VjcmV0"), AUTH_GRANTED);
    ck_assert_int_eq(PREDICT("REMOTE_USER=alice", KEY(text)), AUTH_GRANTED);
    ck_assert_int_eq(identity.kind, IDENTITY_KEY); /* what is shown counts */
    expect_bad(PREDICT("REMOTE_USER=alice", KEY("x")));
    expect_malformed(
        PREDICT("REMOTE_USER=alice", "HTTP_AUTHORIZATION=Basic YTpi", "HTTP_AUTHORIZATION=Basic YTpj"));
    expect_missing(PREDICT("REMOTE_USER="));
    expect_missing(PREDICT("REMOTE_USER=alice", "REMOTE_USER=bob"));
    expect_missing(PREDICT("HTTP_REMOTE_USER=alice"));
    expect_missing(PREDICT("REMOTE_USERS=alice"));
    ck_assert_int_eq(PREDICT("SSL_CLIENT_S_DN=CN=a", "SSL_CLIENT_VERIFY=SUCCESS"), AUTH_GRANTED);
    expect_missing(PREDICT("SSL_CLIENT_S_DN=CN=a", "SSL_CLIENT_VERIFY=NONE"));
    expect_missing(PREDICT("SSL_CLIENT_S_DN=CN=a", "SSL_CLIENT_VERIFY=FAILED:expired"));
    expect_missing(PREDICT("SSL_CLIENT_S_DN=CN=a"));
    expect_missing(PREDICT("SSL_CLIENT_VERIFY=SUCCESS"));
    expect_missing(PREDICT("SSL_CLIENT_S_DN=CN=a", "SSL_CLIENT_VERIFY=SUCCESS", "SSL_CLIENT_VERIFY=NONE"));
    expect(
        GET("/metrics", REMOTE, "REMOTE_USER=a"), 403, AUTH_OUTCOME_RIGHT,
        "WWW-Authenticate: Bearer realm=\"outrigger\", error=\"insufficient_scope\", scope=\"metrics\"\r\n");
    ck_assert_int_eq(PREDICT("REMOTE_USER=a\nb\x7f"), AUTH_GRANTED);
    ck_assert_int_eq(strncmp(identity.name, "a?b?~", 5), 0);
    ck_assert_int_eq(PREDICT("REMOTE_USER=alice"), AUTH_GRANTED);
    ck_assert_uint_eq(identity.tenant, alice);
}
END_TEST

/* Two users whose names begin alike, for longer than a name is shown, and one who is called like a key. */
START_TEST(the_web_servers_users_are_told_apart)
{
    static char subject[] = "SSL_CLIENT_S_DN", scopes[] = "predict";
    char alike[600], other[600], id[API_KEY_ID + 1], called[64];
    config.auth_trust_client_certificate = subject;
    config.auth_web_server_scopes = scopes;
    start(NULL);
    snprintf(alike, sizeof alike, "SSL_CLIENT_S_DN=CN=%0500dalice", 1);
    snprintf(other, sizeof other, "SSL_CLIENT_S_DN=CN=%0500dmallory", 1);
    ck_assert_int_eq(PREDICT(alike, "SSL_CLIENT_VERIFY=SUCCESS"), AUTH_GRANTED);
    struct identity first = identity;
    ck_assert_int_eq(PREDICT(other, "SSL_CLIENT_VERIFY=SUCCESS"), AUTH_GRANTED);
    ck_assert_uint_ne(identity.tenant, first.tenant);
    ck_assert_str_ne(identity.name, first.name);
    ck_assert_int_eq(PREDICT(alike, "SSL_CLIENT_VERIFY=SUCCESS"), AUTH_GRANTED);
    ck_assert(identity.tenant == first.tenant && strcmp(identity.name, first.name) == 0);
    text_copy((struct text){text + 4, API_KEY_ID}, id, sizeof id);
    snprintf(called, sizeof called, "SSL_CLIENT_S_DN=%s", id);
    ck_assert_int_eq(PREDICT(called, "SSL_CLIENT_VERIFY=SUCCESS"), AUTH_GRANTED);
    ck_assert_uint_ne(identity.tenant, api_key_tenant(id)); /* whose limits would be his */
}
END_TEST

START_TEST(the_web_servers_word_counts_only_when_that_is_said)
{
    expect_missing(PREDICT("REMOTE_USER=alice"));
    expect_missing(PREDICT("SSL_CLIENT_S_DN=CN=a", "SSL_CLIENT_VERIFY=SUCCESS"));
    static char header[] = "HTTP_X_USER", scopes[] = "predict";
    config.auth_trust_remote_user = header;
    config.auth_web_server_scopes = scopes;
    start(NULL);
    ck_assert_int_eq(PREDICT("HTTP_X_USER=alice"), AUTH_GRANTED);
    expect_missing(PREDICT("HTTP_X_USER=alice", "HTTP_X_USER=root"));
}
END_TEST

/* ---- switched off ---- */

static uint64_t shown(const char *words)
{
    return identity_tenant("text that was shown", text_of(words));
}

START_TEST(without_authentication_everybody_may_everything)
{
    config.auth_required = 0;
    start(NULL);
    ck_assert_int_eq(PREDICT(REMOTE), AUTH_GRANTED);
    ck_assert(identity.rights == RIGHTS_ALL && identity.tenant == 0 && identity.outcome == AUTH_OUTCOME_OPEN);
    ck_assert_int_eq(PREDICT(REMOTE, "HTTP_X_API_KEY=anything"), AUTH_GRANTED);
    ck_assert_uint_eq(identity.tenant, shown("anything")); /* fairness among those who say who they are */
    ck_assert_int_eq(GET("/metrics", REMOTE), AUTH_GRANTED);
    ck_assert(auth_may_use(&identity, text_of("anything")));
}
END_TEST

/* Its limits are those of the id, however it is shown; it takes no rights from anybody. */
START_TEST(without_authentication_a_key_is_known_all_the_same)
{
    char narrow[API_KEY_LENGTH + 1], ended[API_KEY_LENGTH + 1], id[API_KEY_ID + 1];
    add_key((struct api_key){.rights = RIGHT_METRICS, .models = "mine"}, narrow);
    add_key((struct api_key){.rights = RIGHT_PREDICT, .expires = 1}, ended);
    text_copy((struct text){narrow + 4, API_KEY_ID}, id, sizeof id);
    config.auth_required = 0;
    start(NULL);
    ck_assert_int_eq(PREDICT(REMOTE, KEY(narrow)), AUTH_GRANTED);
    ck_assert(identity.kind == IDENTITY_KEY && identity.outcome == AUTH_OUTCOME_OPEN);
    ck_assert(identity.rights == RIGHTS_ALL && identity.tenant == api_key_tenant(id));
    ck_assert(auth_may_use(&identity, text_of("anything")));
    ck_assert_int_eq(PREDICT(REMOTE, BEARER(narrow)), AUTH_GRANTED);
    ck_assert_uint_eq(identity.tenant, api_key_tenant(id));
    ck_assert_int_eq(PREDICT(REMOTE, KEY(ended)), AUTH_GRANTED);
    ck_assert(identity.kind == IDENTITY_NOBODY && identity.tenant == shown(ended));
    ck_assert_int_eq(PREDICT(REMOTE, KEY(id)), AUTH_GRANTED); /* which is in every log */
    ck_assert(identity.kind == IDENTITY_NOBODY && identity.tenant != 0);
    ck_assert_uint_ne(identity.tenant, api_key_tenant(id));
    ck_assert_int_eq(PREDICT(REMOTE, KEY(narrow), BEARER(narrow)),
                     AUTH_GRANTED); /* not for us to judge here */
    ck_assert(identity.kind == IDENTITY_NOBODY && identity.tenant == shown(narrow));
}
END_TEST

START_TEST(outcomes_have_labels)
{
    ck_assert_str_eq(auth_outcome_label(AUTH_OUTCOME_TOO_MANY), "too_many");
    ck_assert_str_eq(auth_outcome_label(AUTH_OUTCOME_COUNT), "");
    ck_assert_str_eq(auth_kind_label(IDENTITY_WEB_SERVER), "web_server");
    ck_assert_str_eq(auth_kind_label((enum identity_kind)9), "");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_key_in_either_header_is_somebody,
                                  nothing_shown_is_asked_for_something,
                                  more_than_one_credential_is_refused,
                                  what_is_no_credential_is_refused,
                                  credentials_belong_into_headers,
                                  every_cause_has_one_answer,
                                  a_right_that_is_missing_is_named,
                                  too_many_wrong_ones_are_put_off,
                                  proxies_are_believed_when_they_are_trusted,
                                  metrics_are_for_this_host,
                                  some_calls_are_everybodys,
                                  each_call_says_which_right_it_needs,
                                  tokens_are_asked_of_their_module,
                                  the_web_server_names_somebody,
                                  the_web_servers_users_are_told_apart,
                                  the_web_servers_word_counts_only_when_that_is_said,
                                  without_authentication_everybody_may_everything,
                                  without_authentication_a_key_is_known_all_the_same,
                                  outcomes_have_labels};
    return SUITE_RUN("auth", set_up, tear_down, tests);
}
