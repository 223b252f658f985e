/* test_catalog: the models as told, found by name; snapshots that live as long as somebody holds them, also
 * from several threads; and how they are described. SPDX-License-Identifier: MIT */
#include "catalog.h"
#include "describe.h"
#include "example_schema.h"
#include "layout.h"
#include "log.h"
#include "suite.h"

#include <pthread.h>
#include <stdio.h>
#include <yyjson.h>

static struct catalog *catalog;
static uint8_t *schema_bytes;
static size_t schema_length;
static struct output out;
static const struct identity anybody;

static void set_up(void)
{
    log_open("test_catalog", "error");
    struct schema *schema = example_classifier(2);
    schema->features = example_names((const char *const[]){"a", "b"}, 2);
    schema->feature_count = 2;
    free(schema->description);
    schema->description = object_strdup("says \"hello\"");
    schema->timeout_ms = 250;
    schema_bytes = schema_encode(schema, &schema_length);
    schema_free(schema);
}

static void tear_down(void)
{
    catalog_release(catalog);
    free(schema_bytes);
    output_free(&out);
}

static struct catalog_entry entry(const char *model, const char *version, enum catalog_state state,
                                  uint32_t workers, bool stable)
{
    return (struct catalog_entry){text_of(model), text_of(version), state,     workers,  stable,
                                  true,           {NULL, 0},        {NULL, 0}, {NULL, 0}};
}

static struct catalog_entry with_schema(struct catalog_entry entry)
{
    entry.schema = (struct text){(const char *)schema_bytes, schema_length};
    return entry;
}

#define TOLD(standard, ...)                                                                                  \
    do {                                                                                                     \
        const struct catalog_entry entries[] = {__VA_ARGS__};                                                \
        catalog_release(catalog);                                                                            \
        catalog = catalog_new(entries, COUNT_OF(entries), standard);                                         \
    } while (0)

static const struct catalog_model *find(const char *name)
{
    return catalog_find(catalog, text_of(name));
}

START_TEST(models_are_found_by_name)
{
    TOLD("", entry("m", "2", CATALOG_READY, 1, true), entry("b", "1", CATALOG_LOADING, 0, true),
         entry("m", "1", CATALOG_DRAINING, 3, false), entry("a", "", CATALOG_LOADING, 0, false),
         entry("mm", "1", CATALOG_FAILED, 0, true));
    ck_assert_uint_eq(catalog_count(catalog), 4);
    static const char *const names[] = {"a", "b", "m", "mm"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        ck_assert_str_eq(catalog_at(catalog, i)->name, names[i]);
        ck_assert_ptr_eq(find(names[i]), catalog_at(catalog, i));
    }
    static const char *const others[] = {"A", "aa", "l", "mmm", "z", "m "};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        ck_assert_ptr_null(find(others[i]));
    ck_assert_ptr_null(catalog_find(catalog, (struct text){"m\0x", 3}));
    ck_assert_ptr_null(catalog_find(catalog, (struct text){"m\0", 2}));
    ck_assert_uint_eq(find("m")->version_count, 2);
    ck_assert_uint_eq(find("a")->version_count, 0);
    ck_assert_ptr_null(find("a")->stable);
}
END_TEST

START_TEST(versions_are_found_by_name)
{
    TOLD("", entry("m", "1", CATALOG_READY, 1, false), entry("m", "2", CATALOG_READY, 1, true));
    const struct catalog_model *model = find("m");
    ck_assert_str_eq(catalog_version(model, text_of("1"))->name, "1");
    ck_assert_str_eq(catalog_version(model, text_of("2"))->name, "2");
    ck_assert_ptr_eq(catalog_version(model, text_of("")), catalog_version(model, text_of("2")));
    ck_assert_ptr_null(catalog_version(model, text_of("3")));
    ck_assert_ptr_null(catalog_version(model, text_of("12")));
}
END_TEST

START_TEST(the_default_model)
{
    TOLD("", entry("m", "1", CATALOG_READY, 1, true));
    ck_assert_ptr_eq(find(""), find("m")); /* the only one */
    TOLD("", entry("m", "1", CATALOG_READY, 1, true), entry("n", "1", CATALOG_READY, 1, true));
    ck_assert_ptr_null(find(""));
    TOLD("n", entry("m", "1", CATALOG_READY, 1, true), entry("n", "1", CATALOG_READY, 1, true));
    ck_assert_ptr_eq(find(""), find("n"));
    TOLD("o", entry("m", "1", CATALOG_READY, 1, true));
    ck_assert_ptr_null(find(""));
    catalog_release(catalog);
    catalog = catalog_new(NULL, 0, "");
    ck_assert_ptr_null(find(""));
    ck_assert_ptr_null(find("m"));
    ck_assert_uint_eq(catalog_count(catalog), 0);
}
END_TEST

START_TEST(a_model_is_ready_by_its_stable_version)
{
    TOLD("", entry("a", "1", CATALOG_READY, 1, true), entry("b", "1", CATALOG_DRAINING, 1, true),
         entry("c", "1", CATALOG_LOADING, 1, true), entry("d", "1", CATALOG_READY, 1, false),
         entry("e", "", CATALOG_READY, 1, true));
    ck_assert(catalog_model_ready(find("a")));
    for (const char *name = "bcde"; *name != '\0'; name++)
        ck_assert(!catalog_model_ready(catalog_find(catalog, (struct text){name, 1})));
}
END_TEST

START_TEST(a_model_that_rests_is_ready)
{
    TOLD("", entry("a", "1", CATALOG_READY, 0, true)); /* a request calls for a worker, and waits for it */
    ck_assert(catalog_model_ready(find("a")));
}
END_TEST

START_TEST(a_schema_may_be_missing_or_broken)
{
    struct catalog_entry broken = entry("c", "1", CATALOG_READY, 1, true);
    broken.schema = (struct text){"\xc1", 1};
    TOLD("", with_schema(entry("a", "1", CATALOG_READY, 1, true)), entry("b", "1", CATALOG_READY, 1, true),
         broken);
    ck_assert_uint_eq(find("a")->stable->schema->input_count, 1);
    ck_assert_uint_eq(find("a")->stable->layout->width, 2);
    ck_assert_ptr_null(find("b")->stable->schema);
    ck_assert_ptr_null(find("c")->stable->schema);
    ck_assert_ptr_null(find("c")->stable->layout);
}
END_TEST

/* A new broker that has not heard of a model's worker tells the model without its schema. */
START_TEST(what_was_known_of_a_version_holds_while_its_workers_are_away)
{
    TOLD("", with_schema(entry("a", "1", CATALOG_READY, 1, true)), entry("b", "1", CATALOG_LOADING, 0, true));
    struct catalog *known = catalog_acquire(catalog);
    TOLD("", entry("a", "1", CATALOG_LOADING, 0, true), entry("a", "2", CATALOG_LOADING, 0, false),
         entry("b", "1", CATALOG_LOADING, 0, true), entry("c", "1", CATALOG_LOADING, 0, true),
         entry("d", "", CATALOG_LOADING, 0, false));
    catalog_remember(catalog, NULL);
    ck_assert_ptr_null(find("a")->stable->schema);
    catalog_remember(catalog, known);
    catalog_release(known);
    ck_assert_uint_eq(find("a")->stable->layout->width, 2);
    ck_assert_uint_eq(find("a")->stable->schema->timeout_ms, 250);
    ck_assert_uint_eq(find("a")->stable->state, CATALOG_LOADING); /* which it is all the same */
    ck_assert_ptr_null(catalog_version(find("a"), text_of("2"))->schema);
    ck_assert_ptr_null(find("b")->stable->schema);
    ck_assert_ptr_null(find("c")->stable->schema);
}
END_TEST

START_TEST(what_a_worker_says_replaces_what_was_known)
{
    TOLD("", with_schema(entry("a", "1", CATALOG_READY, 1, true)));
    struct catalog *known = catalog_acquire(catalog);
    const struct schema *said = find("a")->stable->schema;
    TOLD("", with_schema(entry("a", "1", CATALOG_LOADING, 0, true)), entry("b", "1", CATALOG_READY, 1, true));
    const struct schema *fresh = find("a")->stable->schema;
    catalog_remember(catalog, known);
    ck_assert_ptr_eq(find("a")->stable->schema, fresh);
    ck_assert_ptr_ne(fresh, said);
    TOLD("", entry("a", "1", CATALOG_READY, 1, true)); /* there, and silent about it: so is its word */
    catalog_remember(catalog, known);
    ck_assert_ptr_null(find("a")->stable->schema);
    catalog_release(known);
}
END_TEST

START_TEST(a_catalog_is_complete_when_no_required_model_is_a_riddle)
{
    TOLD("", with_schema(entry("a", "1", CATALOG_LOADING, 0, true)), entry("b", "1", CATALOG_FAILED, 0, true),
         entry("c", "", CATALOG_LOADING, 0, false));
    ck_assert(catalog_complete(catalog));
    struct catalog_entry riddle = entry("d", "1", CATALOG_LOADING, 0, true);
    TOLD("", riddle);
    ck_assert(!catalog_complete(catalog));
    riddle.required = false;
    TOLD("", riddle);
    ck_assert(catalog_complete(catalog));
}
END_TEST

START_TEST(every_truncation_of_a_schema_is_no_schema)
{
    for (size_t length = 0; length < schema_length; length++) {
        struct catalog_entry cut = with_schema(entry("a", "1", CATALOG_READY, 1, true));
        cut.schema.length = length;
        TOLD("", cut);
        ck_assert_ptr_null(find("a")->stable->schema);
    }
}
END_TEST

static void *hold_and_release(void *self)
{
    for (int i = 0; i < 10000; i++) {
        struct catalog *held = catalog_acquire(self);
        ck_assert_ptr_nonnull(catalog_find(held, text_of("m")));
        catalog_release(held);
    }
    catalog_release(self);
    return NULL;
}

START_TEST(a_snapshot_is_held_by_threads)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    TOLD("", with_schema(entry("m", "1", CATALOG_READY, 1, true)));
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hold_and_release, catalog_acquire(catalog)), 0);
    catalog_release(catalog); /* the threads hold it still; the last one frees */
    catalog = NULL;
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    catalog_release(NULL);
}
END_TEST

START_TEST(states_have_names)
{
    ck_assert_str_eq(catalog_state_name(CATALOG_LOADING), "loading");
    ck_assert_str_eq(catalog_state_name(CATALOG_READY), "ready");
    ck_assert_str_eq(catalog_state_name(CATALOG_DRAINING), "draining");
    ck_assert_str_eq(catalog_state_name(CATALOG_FAILED), "failed");
    ck_assert_str_eq(catalog_state_name((enum catalog_state)4), "unknown");
}
END_TEST

START_TEST(models_are_listed)
{
    TOLD("", with_schema(entry("m", "2", CATALOG_READY, 1, true)),
         entry("m", "1", CATALOG_DRAINING, 0, false), entry("n", "", CATALOG_LOADING, 0, false));
    describe_models(&out, catalog, &anybody);
    ck_assert(text_is(
        (struct text){out.bytes, out.length},
        "{\"models\":[{\"id\":\"m\",\"version\":\"2\",\"state\":\"ready\",\"ready\":true,"
        "\"task\":\"classification\",\"description\":\"says \\\"hello\\\"\",\"versions\":[\"2\",\"1\"]},"
        "{\"id\":\"n\",\"version\":null,\"state\":\"unavailable\",\"ready\":false,\"versions\":[]}]}\n"));
    output_clear(&out);
    catalog_release(catalog);
    catalog = catalog_new(NULL, 0, "");
    describe_models(&out, catalog, &anybody);
    ck_assert(text_is((struct text){out.bytes, out.length}, "{\"models\":[]}\n"));
}
END_TEST

START_TEST(a_model_is_described)
{
    /* The stable version's schema is not known yet: another version's is shown. */
    TOLD("", entry("m", "2", CATALOG_LOADING, 0, true),
         with_schema(entry("m", "1", CATALOG_READY, 3, false)));
    describe_model(&out, find("m"));
    ck_assert_msg(
        text_is((struct text){out.bytes, out.length},
                "{\"id\":\"m\",\"version\":\"2\",\"state\":\"loading\",\"ready\":false,\"task\":"
                "\"classification\","
                "\"description\":\"says \\\"hello\\\"\",\"versions\":["
                "{\"version\":\"2\",\"state\":\"loading\",\"stable\":true,\"workers\":0},"
                "{\"version\":\"1\",\"state\":\"ready\",\"stable\":false,\"workers\":3}],\"platform\":\"\","
                "\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[-1,2]}],"
                "\"outputs\":[{\"name\":\"label\",\"datatype\":\"INT64\",\"shape\":[-1]},"
                "{\"name\":\"probabilities\",\"datatype\":\"FP32\",\"shape\":[-1,2]}],"
                "\"features\":[\"a\",\"b\"],\"labels\":[\"no\",\"yes\"],\"allow_nan\":false,\"timeout_ms\":"
                "250}\n"),
        "%.*s", (int)out.length, out.bytes);
    output_clear(&out);
    TOLD("", entry("m", "", CATALOG_LOADING, 0, false));
    describe_model(&out, find("m"));
    ck_assert(text_is(
        (struct text){out.bytes, out.length},
        "{\"id\":\"m\",\"version\":null,\"state\":\"unavailable\",\"ready\":false,\"versions\":[]}\n"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {models_are_found_by_name,
                                  versions_are_found_by_name,
                                  the_default_model,
                                  a_model_is_ready_by_its_stable_version,
                                  a_model_that_rests_is_ready,
                                  a_schema_may_be_missing_or_broken,
                                  what_was_known_of_a_version_holds_while_its_workers_are_away,
                                  what_a_worker_says_replaces_what_was_known,
                                  a_catalog_is_complete_when_no_required_model_is_a_riddle,
                                  every_truncation_of_a_schema_is_no_schema,
                                  a_snapshot_is_held_by_threads,
                                  states_have_names,
                                  models_are_listed,
                                  a_model_is_described};
    return SUITE_RUN("catalog", set_up, tear_down, tests);
}
