/* test_docs: the page at /docs, put together, and its policy; and the tags by which a client asks whether
 * what it has still holds. SPDX-License-Identifier: MIT */
#include "api_once.h"
#include "docs.h"
#include "etag.h"
#include "example_schema.h"
#include "log.h"
#include "suite.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

static struct docs *docs;
static struct http_response response;

static void set_up(void)
{
    docs = docs_new();
}

static void tear_down(void)
{
    docs_free(docs);
    http_response_free(&response);
}

/* ---- the page ---- */

static void ask(const char *method, const char *known)
{
    char method_parameter[32], parameter[128];
    snprintf(method_parameter, sizeof method_parameter, "REQUEST_METHOD=%s", method);
    snprintf(parameter, sizeof parameter, "HTTP_IF_NONE_MATCH=%s", known == NULL ? "" : known);
    const char *parameters[] = {method_parameter, "REQUEST_URI=/docs", known == NULL ? NULL : parameter,
                                NULL};
    struct http_ids ids = {.lots = 1};
    struct http_request request;
    http_request_read(&request, (char **)parameters, &ids);
    http_response_begin(&response, &request);
    docs_answer(docs, &request, &response);
}

static const char *head(void)
{
    static char bytes[HTTP_HEAD_MAX + 1];
    bytes[http_response_head(&response, bytes)] = '\0';
    return bytes;
}

/* What stands between two marks of the page; it must be there once. */
static struct text between(const char *begin, const char *end)
{
    const char *at = memmem(response.body.bytes, response.body.length, begin, strlen(begin));
    ck_assert_ptr_nonnull(at);
    at += strlen(begin);
    size_t left = response.body.length - (size_t)(at - response.body.bytes);
    ck_assert_ptr_null(memmem(at, left, begin, strlen(begin)));
    const char *stop = memmem(at, left, end, strlen(end));
    ck_assert_ptr_nonnull(stop);
    return (struct text){at, (size_t)(stop - at)};
}

static void policy_names(const char *directive, struct text content)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hash[64], expected[128];
    ck_assert_uint_gt(content.length, 5000);
    SHA256((const unsigned char *)content.at, content.length, digest);
    EVP_EncodeBlock((unsigned char *)hash, digest, sizeof digest);
    snprintf(expected, sizeof expected, "; %s 'sha256-%s';", directive, hash);
    ck_assert_msg(strstr(head(), expected) != NULL, "%s is not in %s", expected, head());
}

START_TEST(the_page_may_run_and_wear_what_it_brought)
{
    ask("GET", NULL);
    ck_assert_int_eq(response.status, 200);
    policy_names("script-src", between("<script type=\"module\">", "</script>"));
    policy_names("style-src", between("<style>", "</style>"));
    static const char *const lines[] = {"Status: 200 OK\r\n",
                                        "Content-Type: text/html; charset=utf-8\r\n",
                                        "Content-Security-Policy: default-src 'none'; ",
                                        "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; ",
                                        "\r\nReferrer-Policy: no-referrer\r\n",
                                        "\r\nCache-Control: no-cache\r\n",
                                        "\r\nX-Content-Type-Options: nosniff\r\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        ck_assert_msg(strstr(head(), lines[i]) != NULL, "%s is not in %s", lines[i], head());
}
END_TEST

START_TEST(the_page_is_whole)
{
    ask("GET", NULL);
    static const char begin[] = "<!doctype html>\n", end[] = "</script>\n</body>\n</html>\n";
    ck_assert_mem_eq(response.body.bytes, begin, strlen(begin));
    ck_assert_mem_eq(response.body.bytes + response.body.length - strlen(end), end, strlen(end));
    ck_assert_ptr_null(memchr(response.body.bytes, '\0', response.body.length));
    ask("HEAD", NULL);
    ck_assert(response.head_only);
    ck_assert_ptr_nonnull(strstr(head(), "Content-Length: "));
}
END_TEST

START_TEST(a_page_that_is_there_is_not_sent_again)
{
    ask("GET", NULL);
    char tag[ENTITY_TAG_MAX];
    text_copy((struct text){strstr(response.extra, "ETag: ") + 6, ENTITY_TAG_MAX - 1}, tag, sizeof tag);
    ask("GET", tag);
    ck_assert_int_eq(response.status, 304);
    ck_assert_uint_eq(response.body.length, 0);
    ck_assert_ptr_nonnull(strstr(head(), "Status: 304 Not Modified\r\nX-Request-Id: "));
    ck_assert_ptr_nonnull(strstr(head(), tag));
    ck_assert_ptr_nonnull(strstr(head(), "Content-Security-Policy: "));
    ck_assert_ptr_null(strstr(head(), "Content-Length"));
    ask("GET", "\"another\"");
    ck_assert_int_eq(response.status, 200);
}
END_TEST

/* ---- tags ---- */

START_TEST(lists_of_tags_are_read)
{
    static const char own[] = "\"0123456789abcdef0123456789abcdef\"";
    static const char *const good[] = {"*",
                                       " *",
                                       "\"0123456789abcdef0123456789abcdef\"",
                                       "W/\"0123456789abcdef0123456789abcdef\"",
                                       "\"a\", \"0123456789abcdef0123456789abcdef\"",
                                       "\"a,b\" ,\t, W/\"x\",W/\"0123456789abcdef0123456789abcdef\""};
    static const char *const bad[] = {"",
                                      " ",
                                      ",,,",
                                      "\"",
                                      "W/",
                                      "\"0123456789abcdef0123456789abcde\"",
                                      "\"a \"0123456789abcdef0123456789abcdef",
                                      "0123456789abcdef0123456789abcdef",
                                      "x\"0123456789abcdef0123456789abcdef\"",
                                      "\"a\", b"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        ck_assert_msg(entity_tag_matches(text_of(good[i]), text_of(own)), "%s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_assert_msg(!entity_tag_matches(text_of(bad[i]), text_of(own)), "%s", bad[i]);
}
END_TEST

START_TEST(a_tag_is_of_the_content)
{
    char a[ENTITY_TAG_MAX], b[ENTITY_TAG_MAX];
    entity_tag_make(text_of("abc"), a);
    ck_assert_str_eq(a, "W/\"ba7816bf8f01cfea414140de5dae2223\"");
    entity_tag_make(text_of("abd"), b);
    ck_assert_str_ne(a, b);
}
END_TEST

/* ---- as calls of the API ---- */

static struct metrics *metrics;
static struct api *api;
static struct api_lane *lane;
static struct api_call call;

static bool connected(void *self)
{
    (void)self;
    return true;
}

static void handle(const char *method, const char *path)
{
    char method_parameter[32], path_parameter[64];
    snprintf(method_parameter, sizeof method_parameter, "REQUEST_METHOD=%s", method);
    snprintf(path_parameter, sizeof path_parameter, "REQUEST_URI=%s", path);
    const char *parameters[] = {method_parameter, path_parameter, NULL};
    struct http_ids ids = {.lots = 1};
    struct http_request request;
    http_request_read(&request, (char **)parameters, &ids);
    ck_assert_int_eq(api_once(api, lane, &request, &call, &response), API_RESPOND);
    api_count(api, &call, &response);
}

static void counted(const char *name, const char *status, uint64_t count)
{
    ck_assert_uint_eq(metrics_series(metrics, METRIC_HTTP_REQUESTS, name, status, NULL)->value, count);
}

START_TEST(they_are_calls_of_the_api)
{
    static char nothing[] = "";
    static const struct config config = {
        .default_model = nothing, .frontend_max_json_depth = 64, .oip_max_json_depth = 100};
    log_open("test_docs", "error");
    metrics = metrics_new(NULL);
    lane = api_lane_new();
    api =
        api_new(&(struct api_context){.config = &config, .metrics = metrics, .broker_connected = connected});
    handle("GET", "/docs"); /* at once */
    ck_assert_int_eq(response.status, 200);
    handle("GET", "/openapi.json"); /* not before there are models to tell of */
    ck_assert_int_eq(response.status, 503);
    ck_assert_uint_eq(response.retry_after, 1);

    size_t length;
    struct schema *schema = example_classifier(3);
    uint8_t *bytes = schema_encode(schema, &length);
    struct catalog_entry entry = {.model = text_of("one"),
                                  .version = text_of("1"),
                                  .state = CATALOG_READY,
                                  .workers = 1,
                                  .stable = true,
                                  .required = true,
                                  .schema = {(const char *)bytes, length}};
    api_catalog(api, &entry, 1);
    handle("GET", "/openapi.json");
    ck_assert_int_eq(response.status, 200);
    ck_assert_str_eq(response.content_type, "application/json");
    ck_assert_ptr_nonnull(memmem(response.body.bytes, response.body.length, "/models/one/", 12));
    entry.model = text_of("two");
    api_catalog(api, &entry, 1);
    handle("HEAD", "/openapi.json");
    ck_assert(response.head_only);
    ck_assert_ptr_nonnull(memmem(response.body.bytes, response.body.length, "/models/two/", 12));
    handle("POST", "/openapi.json");
    ck_assert_int_eq(response.status, 405);
    ck_assert_str_eq(response.allow, "GET, HEAD");
    handle("GET", "/docs/");
    ck_assert_int_eq(response.status, 404);

    counted("docs", "200", 1);
    counted("openapi", "503", 1);
    counted("openapi", "200", 2);
    counted("other", "405", 1);
    api_call_end(&call);
    api_free(api);
    api_lane_free(lane);
    metrics_free(metrics);
    schema_free(schema);
    free(bytes);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_page_may_run_and_wear_what_it_brought,
                                  the_page_is_whole,
                                  a_page_that_is_there_is_not_sent_again,
                                  lists_of_tags_are_read,
                                  a_tag_is_of_the_content,
                                  they_are_calls_of_the_api};
    return SUITE_RUN("docs", set_up, tear_down, tests);
}
