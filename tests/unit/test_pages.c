/* test_pages: what is shown by path, in which format and coding, and what is shared. SPDX-License-Identifier:
 * MIT */
#include "compression.h"
#include "config.h"
#include "dashboard_page.h"
#include "history.h"
#include "pages.h"
#include "suite.h"
#include "tell.h"

#include <stdlib.h>
#include <sys/mman.h>

static struct page_sources sources;
static struct config *config;
static struct page page;
static struct teller teller = {.name = "a", .pid = 10, .start = 100};

static void set_up(void)
{
    sources.loop = loop_new();
    sources.registry = registry_new(10000);
    sources.exposition = exposition_new(sources.registry, false);
    struct config_errors errors = {0};
    config = config_load(NULL, NULL, 0, &errors);
    sources.config = config;
    sources.history = history_new(memfd_create("history", 0), 1);
    sources.dashboard = dashboard_page_new();
}

static void tear_down(void)
{
    page_drop(&page);
    dashboard_page_free(sources.dashboard);
    history_free(sources.history);
    config_free(config);
    exposition_free(sources.exposition);
    registry_free(sources.registry);
    loop_free(sources.loop);
}

static void ask(struct page_request request)
{
    page_drop(&page);
    pages_answer(&sources, &request, &page);
}

START_TEST(pages_by_path)
{
    static const char *const none[] = {"", "/", "/metrics/", "/metricsx", "/metric", "metrics", "/health/x"};
    ask((struct page_request){.path = text_of("/health")});
    ck_assert(page.answer.status == 200 && text_is(page.answer.body, "healthy\n"));
    ask((struct page_request){.path = text_of("/metrics"), .query = text_of("x=y")});
    ck_assert_int_eq(page.answer.status, 200);
    ck_assert(text_is(page.answer.content_type, "text/plain; version=0.0.4; charset=utf-8"));
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        ask((struct page_request){.path = text_of(none[i])});
        ck_assert_int_eq(page.answer.status, 404);
    }
}
END_TEST

static bool is_open(const char *accept)
{
    ask((struct page_request){.path = text_of("/metrics"), .accept = text_of(accept)});
    struct text body = page.answer.body;
    bool ends = body.length > 6 && memcmp(body.at + body.length - 6, "# EOF\n", 6) == 0;
    ck_assert_int_eq(ends, text_is(page.answer.content_type,
                                   "application/openmetrics-text; version=1.0.0; charset=utf-8"));
    return ends;
}

START_TEST(openmetrics_is_for_those_who_like_it)
{
    static const char *const open[] = {
        "application/openmetrics-text", "text/plain;q=0.5, application/openmetrics-text;version=1.0.0;q=0.5",
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"};
    static const char *const text[] = {"",
                                       "*/*",
                                       "application/*",
                                       "text/html, */*;q=0.8",
                                       "application/openmetrics-text;q=0",
                                       "text/plain",
                                       "application/openmetrics-text;q=0.4, text/plain;q=0.5",
                                       "nonsense"};
    for (size_t i = 0; i < COUNT_OF(open); i++)
        ck_assert_msg(is_open(open[i]), "%s", open[i]);
    for (size_t i = 0; i < COUNT_OF(text); i++)
        ck_assert_msg(!is_open(text[i]), "%s", text[i]);
}
END_TEST

START_TEST(pages_are_packed_for_who_takes_it)
{
    struct snapshot_series series[] = {
        value(METRIC_RETRIES, "iris", 7),
        {.metric = METRIC_QUEUE_DURATION, .labels = {text_of("iris"), text_of("1")}}};
    struct output unpacked = {0};
    registry_take(sources.registry, tell(&teller, 1000, series, COUNT_OF(series)), 0);
    ask((struct page_request){.path = text_of("/metrics"), .accept_encoding = text_of("gzip;q=0, deflate")});
    ck_assert_uint_eq(page.answer.content_encoding.length, 0);
    size_t length = page.answer.body.length;
    ask((struct page_request){.path = text_of("/metrics"), .accept_encoding = text_of("br, gzip")});
    ck_assert(text_is(page.answer.content_encoding, "gzip"));
    ck_assert_uint_lt(page.answer.body.length, length);
    ck_assert_int_eq(
        compression_unpack(ENCODING_GZIP, page.answer.body.at, page.answer.body.length, 1 << 20, &unpacked),
        UNPACKED_WELL);
    ck_assert_uint_eq(unpacked.length, length);
    ck_assert_ptr_nonnull(memmem(unpacked.bytes, unpacked.length, "model=\"iris\"} 7\n", 16));
    const char *bytes = page.answer.body.at;
    struct page other; /* at the same moment it is the same one */
    pages_answer(&sources,
                 &(struct page_request){.path = text_of("/metrics"), .accept_encoding = text_of("gzip")},
                 &other);
    ck_assert_ptr_eq(other.answer.body.at, bytes);
    page_drop(&other);
    ask((struct page_request){.path = text_of("/health"), .accept_encoding = text_of("gzip")});
    ck_assert_uint_eq(page.answer.content_encoding.length, 0);
    output_free(&unpacked);
}
END_TEST

/* How it is costs something to tell: it is told once to all who ask at about the same time. */
START_TEST(who_asks_how_it_is_gets_what_others_got)
{
    struct page other;
    ask((struct page_request){.path = text_of("/outrigger/api/now")});
    ck_assert(page.answer.status == 200 && text_is(page.answer.content_type, "application/json"));
    pages_answer(&sources, &(struct page_request){.path = text_of("/outrigger/api/now")}, &other);
    ck_assert_ptr_eq(other.answer.body.at, page.answer.body.at);
    page_drop(&other);
    ask((struct page_request){.path = text_of("/outrigger/api/history"), .query = text_of("span=5")});
    ck_assert(page.answer.status == 200 && text_is(page.answer.content_type, "application/json"));
}
END_TEST

START_TEST(a_page_outlives_the_one_that_comes_after_it)
{
    char *letter = strdup("a letter");
    struct blob *blob = blob_new(letter, strlen(letter));
    page_show_blob(&page, blob);
    blob_drop(blob);
    ck_assert(text_is(page.answer.body, "a letter"));
    ck_assert_uint_eq(blob_packed(page.blob).length, 0); /* no smaller */
    page_tag(&page);
    ck_assert(entity_tag_matches(text_of("\"x\", W/\"c\""), text_of("\"c\"")));
    ck_assert(entity_tag_matches(page.answer.etag, page.answer.etag));
    ck_assert(memcmp(page.answer.etag.at, "W/\"", 3) == 0); /* packed it is the same */
    struct text strong = {page.answer.etag.at + 2, page.answer.etag.length - 2};
    ck_assert(entity_tag_matches(strong, page.answer.etag) && entity_tag_matches(page.answer.etag, strong));
    ck_assert(text_is(page.answer.cache_control, "no-cache"));
    page_drop(&page);
    page_show_memory(&page, strdup("another"), 7);
    ck_assert(text_is(page.answer.body, "another"));
    blob_drop(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {pages_by_path, openmetrics_is_for_those_who_like_it,
                                  pages_are_packed_for_who_takes_it, who_asks_how_it_is_gets_what_others_got,
                                  a_page_outlives_the_one_that_comes_after_it};
    return SUITE_RUN("pages", set_up, tear_down, tests);
}
