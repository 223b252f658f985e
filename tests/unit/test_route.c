/* test_route: a route as data: what JSON may say and what it must not, in which words that is told, and that
 * what is written is read again. SPDX-License-Identifier: MIT */
#include "protocol.h"
#include "route.h"
#include "suite.h"

static const char whole[] =
    "{\"arms\":[{\"version\":\"3\",\"percent\":5},{\"version\":\"v4\",\"percent\":0.25}],"
    "\"by\":\"header:X-User\","
    "\"rules\":[{\"header\":\"X-Segment\",\"value\":\"beta tester\",\"version\":\"5\"}],"
    "\"force_header\":\"X-Model-Version\",\"force_from\":[\"127.0.0.1\",\"10.0.0.0/8\",\"::1\",\"fd00::/7\"],"
    "\"shadow\":{\"version\":\"6\",\"percent\":12.5}}";

static char reason[256];

static struct route *read_route(const char *text)
{
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    ck_assert_msg(document != NULL, "%s", text);
    reason[0] = '\0';
    struct route *route = route_from_json(yyjson_doc_get_root(document), reason, sizeof reason);
    ck_assert((route == NULL) == (reason[0] != '\0'));
    yyjson_doc_free(document);
    return route;
}

static struct route *read_good(const char *text)
{
    struct route *route = read_route(text);
    ck_assert_msg(route != NULL, "%s: %s", text, reason);
    return route;
}

static void expect_fault(const char *text, const char *complaint)
{
    ck_assert_ptr_null(read_route(text));
    ck_assert_str_eq(reason, complaint);
}

static void expect_text(const struct route *route, const char *expected)
{
    size_t length;
    char *text = route_text(route, &length);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(length, strlen(expected));
    free(text);
}

START_TEST(a_new_route_says_nothing)
{
    struct route *route = route_new(), *read = read_good("{}");
    ck_assert(route_is_empty(route));
    ck_assert(route_equals(route, read));
    ck_assert_uint_eq(route_rest(route), ROUTE_WHOLE);
    ck_assert(!route_names(route, "1"));
    expect_text(route, "");
    route_free(route);
    route_free(read);
    route_free(NULL);
}
END_TEST

START_TEST(every_field_is_read_and_written)
{
    struct route *route = read_good(whole);
    ck_assert_uint_eq(route->arm_count, 2);
    ck_assert_str_eq(route->arms[1].version, "v4");
    ck_assert_uint_eq(route->arms[1].weight, 25);
    ck_assert_uint_eq(route_weight(route, "3"), 500);
    ck_assert_uint_eq(route_weight(route, "5"), 0);
    ck_assert_uint_eq(route_rest(route), 9475);
    ck_assert_int_eq(route->by, ROUTE_BY_HEADER);
    ck_assert_str_eq(route->by_header, "X-User");
    ck_assert_uint_eq(route->rule_count, 1);
    ck_assert_str_eq(route->rules[0].value, "beta tester");
    ck_assert_str_eq(route->force_header, "X-Model-Version");
    ck_assert_uint_eq(route->network_count, 4);
    ck_assert_uint_eq(route->shadow.weight, 1250);
    ck_assert(!route_is_empty(route));
    expect_text(route,
                "{\"arms\":[{\"version\":\"3\",\"percent\":5},{\"version\":\"v4\",\"percent\":0.25}],"
                "\"by\":\"header:X-User\",\"rules\":[{\"header\":\"X-Segment\",\"value\":\"beta tester\","
                "\"version\":\"5\"}],\"force_header\":\"X-Model-Version\",\"force_from\":[\"127.0.0.1\","
                "\"10.0.0.0/8\",\"::1\",\"fc00::/7\"],\"shadow\":{\"version\":\"6\",\"percent\":12.5}}");
    route_free(route);
}
END_TEST

START_TEST(arms_rules_and_shadow_name_versions)
{
    struct route *route = read_good(whole);
    static const char *const named[] = {"3", "v4", "5", "6"};
    for (size_t i = 0; i < COUNT_OF(named); i++)
        ck_assert_msg(route_names(route, named[i]), "%s", named[i]);
    ck_assert(!route_names(route, "1"));
    ck_assert(!route_names(route, ""));
    route_free(route);
}
END_TEST

START_TEST(a_copy_is_equal_and_its_own)
{
    struct route *route = read_good(whole), *copy = route_copy(route), *empty = route_new();
    ck_assert(route_equals(route, copy));
    ck_assert(!route_equals(route, empty));
    copy->arms[0].weight++;
    ck_assert(!route_equals(route, copy));
    route_free(route);
    ck_assert_uint_eq(route_weight(copy, "3"), 501);
    ck_assert_str_eq(copy->rules[0].header, "X-Segment");
    route_free(copy);
    route_free(empty);
}
END_TEST

/* Each of the 10,001 percentages is exactly one weight, and comes back as what was written. */
START_TEST(percentages_have_two_decimals)
{
    for (unsigned weight = 0; weight <= ROUTE_WHOLE; weight++) {
        char text[96];
        snprintf(text, sizeof text, "{\"arms\":[{\"version\":\"3\",\"percent\":%u.%02u}]}", weight / 100,
                 weight % 100);
        struct route *route = read_good(text);
        ck_assert_uint_eq(route->arms[0].weight, weight);
        ck_assert_uint_eq(route_rest(route), ROUTE_WHOLE - weight);
        size_t length;
        char *written = route_text(route, &length);
        struct route *again = read_good(written);
        ck_assert(route_equals(route, again));
        free(written);
        route_free(again);
        route_free(route);
    }
}
END_TEST

START_TEST(absent_fields_and_null_have_defaults)
{
    struct route *route = read_good("{\"arms\":null,\"by\":null,\"rules\":null,\"force_header\":null,"
                                    "\"force_from\":null,\"shadow\":null}");
    ck_assert(route_is_empty(route));
    route_free(route);
    route = read_good("{\"shadow\":{\"version\":\"\",\"percent\":100}}");
    ck_assert(route_is_empty(route));
    route_free(route);
    route = read_good("{\"shadow\":{\"version\":\"4\"}}");
    ck_assert_uint_eq(route->shadow.weight, ROUTE_WHOLE);
    route_free(route);
}
END_TEST

START_TEST(each_by_is_known)
{
    static const struct {
        const char *word;
        enum route_by by;
    } cases[] = {{"random", ROUTE_BY_RANDOM},
                 {"key", ROUTE_BY_KEY},
                 {"api_key", ROUTE_BY_API_KEY},
                 {"address", ROUTE_BY_ADDRESS},
                 {"header:a", ROUTE_BY_HEADER}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"arms\":[],\"by\":\"%s\",\"force_header\":\"V\"}", cases[i].word);
        struct route *route = read_good(text);
        ck_assert_int_eq(route->by, cases[i].by);
        snprintf(text, sizeof text,
                 "{\"arms\":[],\"by\":\"%s\",\"rules\":[],\"force_header\":\"V\",\"force_from\":[]}",
                 cases[i].word);
        expect_text(route, text);
        route_free(route);
    }
}
END_TEST

START_TEST(faults_name_the_field_and_what_was_expected)
{
#define VERSION "a version's name (1 to 128 of A-Z a-z 0-9 . _ -, no dot first)"
#define PERCENT "a percentage from 0 to 100 with at most two decimals"
#define BY      "random, key, api_key, address or header:NAME"
#define ADDRESS "an address or a network, as 127.0.0.1, 10.0.0.0/8 or ::1"
    static const struct {
        const char *text, *complaint;
    } cases[] = {
        {"[]", "expected a section, got a list"},
        {"7", "expected a section, got 7"},
        {"{\"arm\":[]}", "arm: unknown key; the nearest known is arms"},
        {"{\"arms\\u0000x\":[]}", "arms: unknown key; the nearest known is arms"},
        {"{\"xyzzy\":[]}", "xyzzy: unknown key"},
        {"{\"arms\":{}}", "arms: expected a list, got a section"},
        {"{\"arms\":[3]}",
         "arms[0]: expected a version and its share, as { version = \"3\"; percent = 5.0; }, got 3"},
        {"{\"arms\":[{\"percent\":5}]}", "arms[0].version: expected " VERSION ", got nothing"},
        {"{\"arms\":[{\"version\":3,\"percent\":5}]}", "arms[0].version: expected " VERSION ", got 3"},
        {"{\"arms\":[{\"version\":\".3\",\"percent\":5}]}",
         "arms[0].version: expected " VERSION ", got \".3\""},
        {"{\"arms\":[{\"version\":\"3\"}]}", "arms[0].percent: expected " PERCENT ", got nothing"},
        {"{\"arms\":[{\"version\":\"3\",\"percent\":-1}]}", "arms[0].percent: expected " PERCENT ", got -1"},
        {"{\"arms\":[{\"version\":\"3\",\"percent\":100.01}]}",
         "arms[0].percent: expected " PERCENT ", got 100.01"},
        {"{\"arms\":[{\"version\":\"3\",\"percent\":5.001}]}",
         "arms[0].percent: expected " PERCENT ", got 5.001"},
        {"{\"arms\":[{\"version\":\"3\",\"percent\":\"5\"}]}",
         "arms[0].percent: expected " PERCENT ", got \"5\""},
        {"{\"arms\":[{\"version\":\"3\",\"percent\":5,\"weight\":1}]}", "arms[0].weight: unknown key"},
        {"{\"arms\":[{\"version\":\"3\",\"percent\":5,\"percents\":1}]}",
         "arms[0].percents: unknown key; the nearest known is percent"},
        {"{\"arms\":[{\"version\":\"3\",\"percent\":5},{\"version\":\"3\",\"percent\":5}]}",
         "arms[1]: version \"3\" stands there twice"},
        {"{\"arms\":[{\"version\":\"3\",\"percent\":60},{\"version\":\"4\",\"percent\":40.5}]}",
         "arms: expected at most 100 percent together, got 100.5"},
        {"{\"by\":\"user\"}", "by: expected " BY ", got \"user\""},
        {"{\"by\":\"header:\"}", "by: expected " BY ", got \"header:\""},
        {"{\"by\":\"header:a b\"}", "by: expected " BY ", got \"header:a b\""},
        {"{\"by\":7}", "by: expected " BY ", got 7"},
        {"{\"rules\":true}", "rules: expected a list, got true"},
        {"{\"rules\":[{\"value\":\"b\",\"version\":\"3\"}]}",
         "rules[0].header: expected a header's name (1 to 64 of A-Z a-z 0-9 -), got nothing"},
        {"{\"rules\":[{\"header\":\"X\",\"value\":\"\",\"version\":\"3\"}]}",
         "rules[0].value: expected a text of 1 to 256 printable ASCII characters, got \"\""},
        {"{\"rules\":[{\"header\":\"X\",\"value\":\"\xc3\xa9\",\"version\":\"3\"}]}",
         "rules[0].value: expected a text of 1 to 256 printable ASCII characters, got \"\xc3\xa9\""},
        {"{\"rules\":[{\"header\":\"X\",\"value\":\"b\"}]}",
         "rules[0].version: expected " VERSION ", got nothing"},
        {"{\"force_header\":\"X_V\"}",
         "force_header: expected a header's name (1 to 64 of A-Z a-z 0-9 -), got \"X_V\""},
        {"{\"force_from\":[\"127.0.0.1\",\"localhost\"]}",
         "force_from[1]: expected " ADDRESS ", got \"localhost\""},
        {"{\"force_from\":[\"10.0.0.0/33\"]}", "force_from[0]: expected " ADDRESS ", got \"10.0.0.0/33\""},
        {"{\"force_from\":[\"10.0.0.0/\"]}", "force_from[0]: expected " ADDRESS ", got \"10.0.0.0/\""},
        {"{\"force_from\":[\"::/129\"]}", "force_from[0]: expected " ADDRESS ", got \"::/129\""},
        {"{\"force_from\":[\"::/-1\"]}", "force_from[0]: expected " ADDRESS ", got \"::/-1\""},
        {"{\"force_from\":[1]}", "force_from[0]: expected " ADDRESS ", got 1"},
        {"{\"shadow\":\"4\"}",
         "shadow: expected a version and its share, as { version = \"4\"; percent = 100.0; }, got \"4\""},
        {"{\"shadow\":{}}", "shadow.version: expected " VERSION ", got nothing"},
        {"{\"shadow\":{\"version\":\"4\",\"percent\":101}}", "shadow.percent: expected " PERCENT ", got 101"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        expect_fault(cases[i].text, cases[i].complaint);
}
END_TEST

static void count_fault(void *self, const char *field, const char *complaint)
{
    ck_assert(*field != '\0' && *complaint != '\0');
    ++*(int *)self;
}

START_TEST(all_faults_are_told)
{
    static const char text[] = "{\"arms\":[{\"version\":\"\",\"percent\":200}],\"by\":\"x\",\"rules\":[{}],"
                               "\"force_header\":1,\"force_from\":[\"\"],\"shadow\":{},\"more\":1}";
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    int faults = 0;
    ck_assert_ptr_null(route_read(yyjson_doc_get_root(document), count_fault, &faults));
    ck_assert_int_eq(faults, 2 + 1 + 3 + 1 + 1 + 1 + 1);
    yyjson_doc_free(document);
}
END_TEST

START_TEST(lists_are_bounded)
{
    char text[4096] = "{\"force_from\":[";
    for (int i = 0; i <= ROUTE_NETWORKS_MAX; i++)
        strcat(text, i == 0 ? "\"::1\"" : ",\"::1\"");
    strcat(text, "]}");
    expect_fault(text, "force_from: expected at most 64 entries, got 65");
}
END_TEST

/* Of a broker that is newer. */
START_TEST(a_peer_may_say_more)
{
    static const char text[] = "{\"more\":1,\"arms\":[{\"version\":\"3\",\"percent\":5,\"more\":{}}]}";
    struct route *route = route_from_peer(text_of(text), reason, sizeof reason);
    ck_assert_ptr_nonnull(route);
    ck_assert_uint_eq(route_weight(route, "3"), 500);
    route_free(route);
    ck_assert_ptr_null(route_from_peer(text_of("{\"by\":1}"), reason, sizeof reason));
    ck_assert_str_eq(reason, "by: expected random, key, api_key, address or header:NAME, got 1");
    ck_assert_ptr_null(route_from_peer(text_of("{"), reason, sizeof reason));
    ck_assert_str_eq(reason, "expected a section, got nothing");
}
END_TEST

/* The longest that may be: it must fit a CATALOG. */
START_TEST(the_longest_route_fits_the_wire)
{
    static char text[1 << 18];
    char version[PROTOCOL_NAME_MAX + 1], header[ROUTE_HEADER_MAX + 1], value[2 * ROUTE_VALUE_MAX + 1];
    memset(version, 'v', PROTOCOL_NAME_MAX);
    memset(header, 'H', ROUTE_HEADER_MAX);
    for (size_t i = 0; i < 2 * ROUTE_VALUE_MAX; i++)
        value[i] = "\\\""[i % 2];
    version[PROTOCOL_NAME_MAX] = header[ROUTE_HEADER_MAX] = value[2 * ROUTE_VALUE_MAX] = '\0';
    size_t length =
        (size_t)sprintf(text, "{\"by\":\"header:%s\",\"force_header\":\"%s\",\"arms\":[", header, header);
    for (int i = 0; i < ROUTE_ARMS_MAX; i++) {
        version[0] = (char)('a' + i);
        length += (size_t)sprintf(text + length, "%s{\"version\":\"%s\",\"percent\":0.01}", i == 0 ? "" : ",",
                                  version);
    }
    length += (size_t)sprintf(text + length, "],\"rules\":[");
    for (int i = 0; i < ROUTE_RULES_MAX; i++)
        length += (size_t)sprintf(text + length, "%s{\"header\":\"%s\",\"value\":\"%s\",\"version\":\"%s\"}",
                                  i == 0 ? "" : ",", header, value, version);
    length += (size_t)sprintf(text + length, "],\"force_from\":[");
    for (int i = 0; i < ROUTE_NETWORKS_MAX; i++)
        length += (size_t)sprintf(text + length, "%s\"1111:2222:3333:4444:5555:6666:7777:8888/127\"",
                                  i == 0 ? "" : ",");
    sprintf(text + length, "],\"shadow\":{\"version\":\"%s\",\"percent\":0.01}}", version);
    struct route *route = read_good(text);
    char *written = route_text(route, &length);
    ck_assert_uint_gt(length, PROTOCOL_ROUTE_MAX / 2);
    ck_assert_uint_le(length, PROTOCOL_ROUTE_MAX);
    free(written);
    route_free(route);
}
END_TEST

START_TEST(networks_say_who_may_force)
{
    static const struct {
        const char *networks, *address;
        bool may;
    } cases[] = {
        {"", "192.0.2.7", true}, /* none: all */
        {"", "", true},
        {"\"127.0.0.1\"", "127.0.0.1", true},
        {"\"127.0.0.1\"", "::ffff:127.0.0.1", true},
        {"\"127.0.0.1\"", "127.0.0.2", false},
        {"\"127.0.0.1\"", "::1", false},
        {"\"127.0.0.1\"", "", false},
        {"\"127.0.0.1\"", "unix", false},
        {"\"10.0.0.0/8\"", "10.255.0.1", true},
        {"\"10.0.0.0/8\"", "11.0.0.1", false},
        {"\"10.0.0.129/25\"", "10.0.0.200", true}, /* what is behind the prefix does not matter */
        {"\"10.0.0.129/25\"", "10.0.0.127", false},
        {"\"0.0.0.0/0\"", "203.0.113.9", true},
        {"\"0.0.0.0/0\"", "2001:db8::1", false},
        {"\"::/0\"", "2001:db8::1", true},
        {"\"::/0\"", "203.0.113.9", true},
        {"\"2001:db8::/33\"", "2001:db8:7fff::1", true},
        {"\"2001:db8::/33\"", "2001:db8:8000::1", false},
        {"\"::1\",\"192.0.2.0/24\"", "192.0.2.255", true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"force_from\":[%s]}", cases[i].networks);
        struct route *route = read_good(text);
        struct address address;
        address_read(text_of(cases[i].address), &address);
        ck_assert_msg(route_may_force(route, &address) == cases[i].may, "case %zu", i);
        route_free(route);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_new_route_says_nothing,
                                  every_field_is_read_and_written,
                                  arms_rules_and_shadow_name_versions,
                                  a_copy_is_equal_and_its_own,
                                  percentages_have_two_decimals,
                                  absent_fields_and_null_have_defaults,
                                  each_by_is_known,
                                  faults_name_the_field_and_what_was_expected,
                                  all_faults_are_told,
                                  lists_are_bounded,
                                  a_peer_may_say_more,
                                  the_longest_route_fits_the_wire,
                                  networks_say_who_may_force};
    return SUITE_RUN("route", NULL, NULL, tests);
}
