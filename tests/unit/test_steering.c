/* test_steering: headers, addresses and keys to versions, by the route of a model: rules, the client's own
 * choice, what is hashed; and the calls of the API that show or use it. SPDX-License-Identifier: MIT */
#include "api.h"
#include "describe.h"
#include "example_schema.h"
#include "steering.h"
#include "suite.h"

static struct catalog *catalog;
static const struct catalog_model *model;
static struct http_request request;
static struct http_ids ids;
static const char *parameters[16];
static uint8_t *schema_bytes;
static size_t schema_length;

static void set_up(void)
{
    struct schema *schema = example_classifier(3);
    schema_bytes = schema_encode(schema, &schema_length);
    schema_free(schema);
    http_ids_init(&ids);
}

static void tear_down(void)
{
    catalog_release(catalog);
    free(schema_bytes);
}

/* Model m: 1 is stable, 2 ready, 3 loading but known, 4 failed, 5 loading and nothing is known of it. */
static void set_route(const char *route)
{
    static const struct {
        const char *version;
        enum catalog_state state;
        bool known;
    } versions[] = {{"1", CATALOG_READY, true},
                    {"2", CATALOG_READY, true},
                    {"3", CATALOG_LOADING, true},
                    {"4", CATALOG_FAILED, true},
                    {"5", CATALOG_LOADING, false}};
    struct catalog_entry entries[COUNT_OF(versions)];
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        entries[i] = (struct catalog_entry){.model = text_of("m"),
                                            .version = text_of(versions[i].version),
                                            .state = versions[i].state,
                                            .workers = versions[i].state == CATALOG_READY};
        if (versions[i].known)
            entries[i].schema = (struct text){(const char *)schema_bytes, schema_length};
    }
    entries[0].stable = true;
    entries[0].route = text_of(route);
    catalog_release(catalog);
    catalog = catalog_new(entries, COUNT_OF(entries), "");
    model = catalog_find(catalog, text_of("m"));
}

/* A request with these "NAME=value". */
#define REQUEST(...) read_request((const char *const[]){"REQUEST_URI=/", __VA_ARGS__, NULL})

static void read_request(const char *const *given)
{
    size_t count = 0;
    for (; *given != NULL; given++)
        parameters[count++] = *given;
    parameters[count] = NULL;
    http_request_read(&request, (char **)parameters, &ids);
}

/* Who asks, where nobody authenticates. */
static const struct identity *asks(void)
{
    static struct identity identity;
    identity = (struct identity){.tenant = request.tenant};
    address_read(text_of(request.remote_address), &identity.address);
    return &identity;
}

static void expect_version(const char *version, enum steered expected)
{
    enum steered steered;
    struct text chosen = steering_version(model, &request, asks(), &steered);
    ck_assert_msg(text_is(chosen, version), "%.*s, not %s", (int)chosen.length, chosen.at, version);
    ck_assert_msg(steered == expected, "%s, not %s", steered_label(steered), steered_label(expected));
}

START_TEST(a_model_without_a_route_has_none)
{
    set_route("");
    ck_assert_ptr_null(model->route);
    set_route("not JSON"); /* of a broker that is older or newer: the others are served */
    ck_assert_ptr_null(model->route);
    set_route("{\"by\":\"key\",\"new\":1}");
    ck_assert_ptr_nonnull(model->route);
}
END_TEST

START_TEST(the_first_rule_that_fits_names_the_version)
{
    set_route("{\"rules\":[{\"header\":\"X-Segment\",\"value\":\"beta\",\"version\":\"2\"},"
              "{\"header\":\"x-segment\",\"value\":\"gamma\",\"version\":\"3\"},"
              "{\"header\":\"X-Plan\",\"value\":\"gold\",\"version\":\"1\"}]}");
    REQUEST("HTTP_X_SEGMENT=beta");
    expect_version("2", STEERED_BY_RULE);
    REQUEST("HTTP_X_SEGMENT=gamma");
    expect_version("3", STEERED_BY_RULE);
    REQUEST("HTTP_X_PLAN=gold", "HTTP_X_SEGMENT=beta");
    expect_version("2", STEERED_BY_RULE);
    REQUEST("HTTP_X_PLAN=gold", "HTTP_X_SEGMENT=Beta"); /* values are exact */
    expect_version("1", STEERED_BY_RULE);
    REQUEST("HTTP_X_SEGMENT=bet", "HTTP_X_SEGMENTS=beta", "HTTP_X_PLAN=");
    expect_version("", STEERED_NOT);
    REQUEST("HTTP_X_SEGMENT=other", "HTTP_X_SEGMENT=beta"); /* the first counts */
    expect_version("", STEERED_NOT);
}
END_TEST

START_TEST(a_rule_whose_version_cannot_answer_is_no_fault)
{
    static const char *const versions[] = {"4", "5", "6"};
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        char route[128];
        snprintf(route, sizeof route, "{\"rules\":[{\"header\":\"A\",\"value\":\"b\",\"version\":\"%s\"}]}",
                 versions[i]);
        set_route(route);
        REQUEST("HTTP_A=b");
        expect_version("", STEERED_BACK);
    }
}
END_TEST

#define FORCE(from)                                                                                          \
    "{\"force_header\":\"X-Model-Version\",\"force_from\":[" from "],"                                       \
    "\"rules\":[{\"header\":\"A\",\"value\":\"b\",\"version\":\"2\"}]}"

START_TEST(clients_that_may_name_the_version_before_all_rules)
{
    set_route(FORCE("\"127.0.0.1\",\"2001:db8::/32\""));
    REQUEST("HTTP_X_MODEL_VERSION=3", "REMOTE_ADDR=127.0.0.1", "HTTP_A=b");
    expect_version("3", STEERED_BY_CLIENT);
    REQUEST("HTTP_X_MODEL_VERSION=9", "REMOTE_ADDR=2001:db8::7"); /* as in the URL: it is refused later */
    expect_version("9", STEERED_BY_CLIENT);
    REQUEST("HTTP_X_MODEL_VERSION=", "REMOTE_ADDR=127.0.0.1", "HTTP_A=b");
    expect_version("2", STEERED_BY_RULE);
    REQUEST("REMOTE_ADDR=127.0.0.1");
    expect_version("", STEERED_NOT);
}
END_TEST

START_TEST(the_header_of_those_who_may_not_is_passed_over)
{
    set_route(FORCE("\"127.0.0.1\""));
    REQUEST("HTTP_X_MODEL_VERSION=3", "REMOTE_ADDR=192.0.2.1");
    expect_version("", STEERED_REFUSED);
    REQUEST("HTTP_X_MODEL_VERSION=3", "REMOTE_ADDR=192.0.2.1", "HTTP_A=b"); /* rules are for all */
    expect_version("2", STEERED_BY_RULE);
    REQUEST("HTTP_X_MODEL_VERSION=3"); /* a web server that does not say who asks */
    expect_version("", STEERED_REFUSED);
    set_route(FORCE(""));
    expect_version("3", STEERED_BY_CLIENT);
}
END_TEST

static void expect_key(const char *by, const char *expected)
{
    char route[128], room[STEERING_KEY_ROOM];
    snprintf(route, sizeof route, "{\"by\":\"%s\",\"arms\":[{\"version\":\"2\",\"percent\":5}]}", by);
    set_route(route);
    struct text key = steering_key(model->route, &request, asks(), text_of("of the body"), room);
    ck_assert_msg(text_is(key, expected), "%s: %.*s, not %s", by, (int)key.length, key.at, expected);
}

START_TEST(the_key_is_what_the_route_says)
{
    REQUEST("HTTP_X_API_KEY=secret", "REMOTE_ADDR=192.0.2.1", "HTTP_X_USER=u 17");
    expect_key("key", "of the body");
    expect_key("random", "of the body"); /* which the broker passes over */
    expect_key("address", "192.0.2.1");
    expect_key("header:x-user", "u 17");
    expect_key("header:X-Other", "");
    expect_key("api_key", "ab23f0eec020c951"); /* never the key itself */
    REQUEST("HTTP_AUTHORIZATION=Bearer secret");
    expect_key("api_key", "7062b196450d317c");
    expect_key("address", "");
    REQUEST("HTTP_X_USER=");
    expect_key("api_key", "");
    expect_key("header:x-user", "");
}
END_TEST

START_TEST(a_header_that_is_no_text_of_the_wire_is_hashed)
{
    static char parameter[1024] = "HTTP_X_USER=";
    REQUEST("HTTP_X_USER=\xff\xfe");
    char room[STEERING_KEY_ROOM], other[STEERING_KEY_ROOM];
    set_route("{\"by\":\"header:X-User\",\"arms\":[{\"version\":\"2\",\"percent\":5}]}");
    struct text key = steering_key(model->route, &request, asks(), text_of(""), room);
    ck_assert_uint_eq(key.length, 16);
    memset(parameter + strlen(parameter), 'x', PROTOCOL_TEXT_MAX);
    REQUEST(parameter);
    key = steering_key(model->route, &request, asks(), text_of(""), room);
    ck_assert_uint_eq(key.length, PROTOCOL_TEXT_MAX);
    strcat(parameter, "x");
    key = steering_key(model->route, &request, asks(), text_of(""), room);
    strcat(parameter, "x");
    struct text longer = steering_key(model->route, &request, asks(), text_of(""), other);
    ck_assert_uint_eq(key.length, 16);
    ck_assert_uint_eq(longer.length, 16);
    ck_assert_mem_ne(key.at, longer.at, 16);
}
END_TEST

/* ---- what clients see ---- */

static void expect_shown(const char *expected)
{
    struct output out = {0};
    describe_model(&out, model);
    output_add_char(&out, '\0');
    const char *route = strstr(out.bytes, ",\"route\":");
    ck_assert_msg(route != NULL && strncmp(route, expected, strlen(expected)) == 0, "%s", out.bytes);
    output_free(&out);
}

START_TEST(a_model_shows_its_route)
{
    set_route(
        "{\"arms\":[{\"version\":\"2\",\"percent\":5},{\"version\":\"3\",\"percent\":0.25}],"
        "\"by\":\"header:X-User\",\"rules\":[{\"header\":\"A\",\"value\":\"\\\"b\\\"\",\"version\":\"2\"}],"
        "\"force_header\":\"V\",\"force_from\":[\"127.0.0.1\"],"
        "\"shadow\":{\"version\":\"4\",\"percent\":12.5}}");
    expect_shown(",\"route\":{\"stable\":\"1\",\"shares\":[{\"version\":\"1\",\"percent\":94.75},"
                 "{\"version\":\"2\",\"percent\":5},{\"version\":\"3\",\"percent\":0.25}],"
                 "\"by\":\"header:X-User\",\"rules\":[{\"header\":\"A\",\"value\":\"\\\"b\\\"\","
                 "\"version\":\"2\"}],\"shadow\":{\"version\":\"4\",\"percent\":12.50}},");
    set_route("{\"arms\":[{\"version\":\"1\",\"percent\":5},{\"version\":\"2\",\"percent\":10}]}");
    expect_shown(",\"route\":{\"stable\":\"1\",\"shares\":[{\"version\":\"1\",\"percent\":90},"
                 "{\"version\":\"2\",\"percent\":10}],\"by\":\"random\",\"rules\":[]},");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_model_without_a_route_has_none,
                                  the_first_rule_that_fits_names_the_version,
                                  a_rule_whose_version_cannot_answer_is_no_fault,
                                  clients_that_may_name_the_version_before_all_rules,
                                  the_header_of_those_who_may_not_is_passed_over,
                                  the_key_is_what_the_route_says,
                                  a_header_that_is_no_text_of_the_wire_is_hashed,
                                  a_model_shows_its_route};
    return SUITE_RUN("steering", set_up, tear_down, tests);
}
