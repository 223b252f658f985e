/* openapi_scene: catalogs made by hand, and a look at the OpenAPI document of them. Include it in one test
 * program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OPENAPI_SCENE_H
#define OUTRIGGER_OPENAPI_SCENE_H

#include "example_schema.h"
#include "log.h"
#include "openapi.h"
#include "suite.h"

#include <stdio.h>
#include <yyjson.h>

static struct catalog *catalog;
static struct output out;
static yyjson_doc *document;
static struct openapi *openapi;
static struct http_response response;
static const struct openapi_view everything = {.models = ""};

static inline void set_up(void)
{
    log_open("openapi_scene", "error");
    openapi = openapi_new();
}

static inline void tear_down(void)
{
    yyjson_doc_free(document);
    openapi_free(openapi);
    catalog_release(catalog);
    output_free(&out);
    http_response_free(&response);
}

/* ---- catalogs ---- */

/* A version with that schema, which is encoded and freed. */
static inline struct catalog_entry entry(const char *model, const char *version, bool stable,
                                         struct schema *schema)
{
    struct catalog_entry entry = {.model = text_of(model),
                                  .version = text_of(version),
                                  .state = CATALOG_READY,
                                  .workers = 1,
                                  .stable = stable,
                                  .required = true};
    size_t length;
    if (schema == NULL)
        return entry;
    entry.schema.at = (const char *)schema_encode(schema, &length);
    entry.schema.length = length;
    schema_free(schema);
    return entry;
}

static inline void tell(struct catalog_entry *entries, size_t count)
{
    catalog_release(catalog);
    catalog = catalog_new(entries, count, "");
    for (size_t i = 0; i < count; i++)
        free((char *)entries[i].schema.at);
}
#define TELL(...)                                                                                            \
    do {                                                                                                     \
        struct catalog_entry entries[] = {__VA_ARGS__};                                                      \
        tell(entries, COUNT_OF(entries));                                                                    \
    } while (0)

static inline struct schema *of_inputs(const struct example_tensor *inputs, size_t count)
{
    struct schema *schema = schema_new();
    example_inputs(schema, inputs, count);
    example_outputs(schema, &(struct example_tensor){"y", DATATYPE_FP32, {-1, 1}}, 1);
    schema->regression = true;
    return schema;
}

/* Columns of that width, called f0, f1, ... */
static inline struct schema *wide(int64_t width)
{
    struct schema *schema = of_inputs(&(struct example_tensor){"x", DATATYPE_FP32, {-1, width}}, 1);
    schema->features = object_alloc((size_t)width * sizeof *schema->features);
    schema->feature_count = (size_t)width;
    for (size_t i = 0; i < (size_t)width; i++) {
        char name[32];
        snprintf(name, sizeof name, "f%zu", i);
        schema->features[i] = object_strdup(name);
    }
    return schema;
}

/* ---- looking ---- */

static inline void write_document(const struct openapi_view *view)
{
    output_clear(&out);
    yyjson_doc_free(document);
    openapi_write(&out, catalog, view);
    yyjson_read_err error;
    document = yyjson_read_opts(out.bytes, out.length, 0, NULL, &error);
    ck_assert_msg(document != NULL, "%s at %zu: %.200s", error.msg, error.pos,
                  out.bytes + (error.pos > 100 ? error.pos - 100 : 0));
}

/* The value at a JSON pointer; NULL: there is none. */
static inline yyjson_val *at(const char *pointer)
{
    return yyjson_doc_ptr_get(document, pointer);
}

static inline void is(const char *pointer, const char *json)
{
    char *text = at(pointer) == NULL ? NULL : yyjson_val_write(at(pointer), 0, NULL);
    ck_assert_msg(text != NULL && strcmp(text, json) == 0, "%s is %s, not %s", pointer,
                  text == NULL ? "missing" : text, json);
    free(text);
}

static inline void list_paths(char *text, size_t capacity)
{
    size_t i, count, length = 0;
    yyjson_val *key, *value;
    text[0] = '\0';
    yyjson_obj_foreach(at("/paths"), i, count, key, value)
    {
        if (strstr(yyjson_get_str(key), "predict") != NULL)
            length += (size_t)snprintf(text + length, capacity - length, "%s ", yyjson_get_str(key));
    }
}

static inline void paths_are(const char *expected)
{
    char text[8192];
    list_paths(text, sizeof text);
    ck_assert_str_eq(text, expected);
}

/* Each $ref leads somewhere. */
static inline size_t follow(yyjson_val *value)
{
    size_t i, count, references = 0;
    yyjson_val *key, *member;
    if (yyjson_is_arr(value)) {
        yyjson_arr_foreach(value, i, count, member)
        {
            references += follow(member);
        }
        return references;
    }
    yyjson_obj_foreach(value, i, count, key, member)
    {
        if (yyjson_equals_str(key, "$ref")) {
            const char *reference = yyjson_get_str(member);
            ck_assert_ptr_nonnull(reference);
            ck_assert_msg(at(reference + 1) != NULL, "%s leads nowhere", reference);
            references++;
        }
        references += follow(member);
    }
    return references;
}

#endif
