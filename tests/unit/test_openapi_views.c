/* test_openapi_views: which OpenAPI document somebody gets: what is left out when there is too much; who is
 * told of which models; what is kept, and when it is made anew. SPDX-License-Identifier: MIT */
#include "etag.h"
#include "openapi_scene.h"

/* ---- bounds and views ---- */

START_TEST(models_beyond_the_bound_are_told_of_in_general)
{
    enum { MODELS = 100 }; /* of about 60 kB each */
    struct catalog_entry entries[MODELS];
    char names[MODELS][8];
    for (size_t i = 0; i < MODELS; i++) {
        snprintf(names[i], sizeof names[i], "m%02zu", i);
        entries[i] = entry(names[i], "1", true, wide(1024));
    }
    tell(entries, MODELS);
    write_document(&everything);
    ck_assert_uint_le(out.length, OPENAPI_MODELS_MAX + 100000);
    ck_assert_uint_gt(out.length, OPENAPI_MODELS_MAX / 2);
    ck_assert_ptr_nonnull(at("/components/schemas/Row.m00"));
    ck_assert_ptr_null(at("/components/schemas/Row.m99"));
    ck_assert_ptr_null(at("/paths/~1api~1v1~1models~1m99~1predict"));
    ck_assert_ptr_nonnull(at("/paths/~1api~1v1~1models~1{model}~1predict/post"));
    is("/paths/~1api~1v1~1models~1{model}~1predict/parameters/0/name", "\"model\"");
    follow(yyjson_doc_get_root(document));
}
END_TEST

static bool may_use_b(const void *self, struct text model)
{
    return text_is(model, self);
}

START_TEST(nobody_is_told_of_models_that_are_not_theirs)
{
    TELL(entry("alpha", "1", true, example_classifier(2)), entry("beta", "1", true, example_classifier(2)));
    const struct openapi_view view = {.models = "beta", .may_use = may_use_b, .self = "beta"};
    write_document(&view);
    paths_are("/api/v1/models/beta/predict /api/v1/models/beta/batch-predict "
              "/api/v1/models/beta/versions/1/predict "
              "/api/v1/models/beta/versions/1/batch-predict /api/v1/predict /api/v1/batch-predict ");
    ck_assert_ptr_null(memmem(out.bytes, out.length, "alpha", 5));
}
END_TEST

/* ---- answering ---- */

static const char *tag(void)
{
    static char value[ENTITY_TAG_MAX];
    const char *header = strstr(response.extra, "ETag: ");
    ck_assert_ptr_nonnull(header);
    ck_assert_uint_eq(strcspn(header + 6, "\r"), ENTITY_TAG_MAX - 1);
    return text_copy((struct text){header + 6, ENTITY_TAG_MAX - 1}, value, sizeof value);
}

static void ask(const struct openapi_view *view, const char *known)
{
    char parameter[256];
    snprintf(parameter, sizeof parameter, "HTTP_IF_NONE_MATCH=%s", known == NULL ? "" : known);
    const char *parameters[] = {"REQUEST_METHOD=GET", "REQUEST_URI=/openapi.json",
                                known == NULL ? NULL : parameter, NULL};
    struct http_ids ids = {.lots = 1};
    struct http_request request;
    http_request_read(&request, (char **)parameters, &ids);
    http_response_begin(&response, &request);
    openapi_answer(openapi, catalog, view, &request, &response);
    ck_assert_str_eq(response.cache_control, "no-cache");
}

START_TEST(it_is_made_once_and_known_again)
{
    TELL(entry("a", "1", true, example_classifier(2)));
    write_document(&everything);
    ask(&everything, NULL);
    ck_assert_int_eq(response.status, 200);
    ck_assert_uint_eq(response.body.length, out.length);
    ck_assert_mem_eq(response.body.bytes, out.bytes, out.length);
    char first[ENTITY_TAG_MAX];
    strcpy(first, tag());
    ask(&everything, first);
    ck_assert_int_eq(response.status, 304);
    ck_assert_uint_eq(response.body.length, 0);
    ck_assert_str_eq(tag(), first);

    /* What was kept is not looked at again: a change that no catalog told of is not seen. */
    catalog_at(catalog, 0)->versions[0].schema->regression = true;
    ask(&everything, first);
    ck_assert_int_eq(response.status, 304);
    openapi_forget(openapi);
    ask(&everything, first);
    ck_assert_int_eq(response.status, 200);
    ck_assert_str_ne(tag(), first);
}
END_TEST

START_TEST(the_same_content_has_the_same_tag)
{
    TELL(entry("a", "1", true, example_classifier(2)));
    ask(&everything, NULL);
    char first[ENTITY_TAG_MAX];
    strcpy(first, tag());
    TELL(entry("a", "1", true, example_classifier(2))); /* as after a change of workers */
    openapi_forget(openapi);
    ask(&everything, first);
    ck_assert_int_eq(response.status, 304);
    TELL(entry("a", "1", true, example_classifier(2)), entry("b", "1", true, example_classifier(2)));
    ask(&everything, first);
    ck_assert_int_eq(response.status, 200);
}
END_TEST

START_TEST(views_are_kept_apart)
{
    TELL(entry("a", "1", true, example_classifier(2)), entry("b", "1", true, example_classifier(2)));
    char tags[3][ENTITY_TAG_MAX];
    const char *const names[] = {"a", "b"};
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < 3; i++) {
            struct openapi_view view = {
                .models = i < 2 ? names[i] : "", .may_use = may_use_b, .self = names[i % 2]};
            ask(&view, NULL);
            if (round == 0)
                strcpy(tags[i], tag());
            ck_assert_str_eq(tag(), tags[i]);
        }
    ck_assert_str_ne(tags[0], tags[1]);
    ck_assert_str_ne(tags[1], tags[2]);
    for (int i = 0; i < 50; i++) { /* more than are kept */
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        ask(&(struct openapi_view){.models = name, .may_use = may_use_b, .self = "a"}, NULL);
        ck_assert_str_eq(tag(), tags[0]);
    }
    ask(&(struct openapi_view){.models = "b", .may_use = may_use_b, .self = "b"}, NULL);
    ck_assert_str_eq(tag(), tags[1]);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        models_beyond_the_bound_are_told_of_in_general,
        nobody_is_told_of_models_that_are_not_theirs,
        it_is_made_once_and_known_again,
        the_same_content_has_the_same_tag,
        views_are_kept_apart,
    };
    return SUITE_RUN("openapi_views", set_up, tear_down, tests);
}
