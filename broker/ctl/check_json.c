/* check_json: the plan of `outrigger check --json`. SPDX-License-Identifier: MIT */
#include "checked.h"
#include "say.h"
#include "schema_fields.h"

#include <math.h>

/* A list that is being filled. */
struct list {
    yyjson_mut_doc *document;
    yyjson_mut_val *entries;
};

static void add_process(void *self, const char *name, int64_t count, int64_t threads, const char *cores,
                        const char *user)
{
    struct list *list = self;
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(list->document, list->entries);
    yyjson_mut_obj_add_strcpy(list->document, entry, "process", name);
    yyjson_mut_obj_add_sint(list->document, entry, "count", count);
    yyjson_mut_obj_add_sint(list->document, entry, "threads", threads);
    yyjson_mut_obj_add_strcpy(list->document, entry, "cores", cores);
    yyjson_mut_obj_add_strcpy(list->document, entry, "user", user);
}

static void add_socket(void *self, const char *address, const char *mode, const char *what)
{
    struct list *list = self;
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(list->document, list->entries);
    yyjson_mut_obj_add_strcpy(list->document, entry, "socket", address);
    yyjson_mut_obj_add_strcpy(list->document, entry, "mode", mode);
    yyjson_mut_obj_add_strcpy(list->document, entry, "for", what);
}

static void add_guard(void *self, const char *part, bool there, const char *what)
{
    struct list *list = self;
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(list->document, list->entries);
    yyjson_mut_obj_add_strcpy(list->document, entry, "part", part + strspn(part, " "));
    yyjson_mut_obj_add_bool(list->document, entry, "here", there);
    yyjson_mut_obj_add_strcpy(list->document, entry, "what", what);
}

/* A text that may not be there, as null then. */
static void add_text(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name, const char *text)
{
    if (text == NULL)
        yyjson_mut_obj_add_null(document, object, name);
    else
        yyjson_mut_obj_add_strcpy(document, object, name, text);
}

static void add_value(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name,
                      const struct schema_value *value)
{
    if (value->text != NULL)
        yyjson_mut_obj_add_strcpy(document, object, name, value->text);
    else if (isfinite(value->number))
        yyjson_mut_obj_add_real(document, object, name, value->number);
    else
        yyjson_mut_obj_add_null(document, object, name);
}

static void add_column(yyjson_mut_doc *document, yyjson_mut_val *entry, const struct schema_field *field)
{
    yyjson_mut_obj_add_strcpy(document, entry, "name", field->name);
    if (field->description != NULL)
        yyjson_mut_obj_add_strcpy(document, entry, "description", field->description);
    if (field->type != SCHEMA_ANY)
        yyjson_mut_obj_add_str(document, entry, "type", schema_type_name(field->type));
    if (field->has_minimum)
        yyjson_mut_obj_add_real(document, entry, "minimum", field->minimum);
    if (field->has_maximum)
        yyjson_mut_obj_add_real(document, entry, "maximum", field->maximum);
    yyjson_mut_val *allowed =
        field->allowed_count == 0 ? NULL : yyjson_mut_obj_add_arr(document, entry, "allowed");
    for (size_t i = 0; i < field->allowed_count; i++)
        if (field->allowed[i].text != NULL)
            yyjson_mut_arr_add_strcpy(document, allowed, field->allowed[i].text);
        else
            yyjson_mut_arr_add_real(document, allowed, field->allowed[i].number);
    yyjson_mut_obj_add_bool(document, entry, "required", !field->optional);
    if (field->optional)
        add_value(document, entry, "default", &field->standard);
}

static void add_columns(yyjson_mut_doc *document, yyjson_mut_val *entry, const struct model_config *config)
{
    if (config->input_count == 0)
        return;
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, entry, "fields");
    for (size_t i = 0; i < config->input_count; i++)
        add_column(document, yyjson_mut_arr_add_obj(document, list), &config->inputs[i]);
}

static void add_model(const struct check *check, const struct check_model *model, struct list *list)
{
    yyjson_mut_doc *document = list->document;
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, list->entries);
    const struct model_config *config = model->model;
    yyjson_val *description = yyjson_doc_get_root(model->description);
    add_text(document, entry, "model", config->name);
    add_text(document, entry, "version", model->version);
    add_text(document, entry, "backend", model->backend);
    struct deployment_bounds bounds = check_bounds(check, config);
    yyjson_mut_obj_add_sint(document, entry, "instances", bounds.begin);
    yyjson_mut_obj_add_sint(document, entry, "instances_min", bounds.min);
    yyjson_mut_obj_add_sint(document, entry, "instances_max", bounds.max);
    yyjson_mut_obj_add_sint(document, entry, "max_batch_rows", config->batching_max_batch_rows);
    yyjson_mut_obj_add_sint(document, entry, "max_delay_us", config->batching_max_delay_us);
    yyjson_mut_obj_add_sint(document, entry, "queue_rows", config->queue_max_rows);
    yyjson_mut_obj_add_sint(document, entry, "queue_bytes", config->queue_max_bytes);
    yyjson_mut_obj_add_sint(document, entry, "timeout_ms", check_timeout_ms(check, config));
    yyjson_mut_obj_add_bool(document, entry, "required", config->required != 0);
    add_columns(document, entry, config);
    if (description != NULL) {
        static const char *const sides[] = {"inputs", "outputs"};
        for (size_t i = 0; i < COUNT_OF(sides); i++)
            yyjson_mut_obj_add_val(document, entry, sides[i],
                                   yyjson_val_mut_copy(document, yyjson_obj_get(description, sides[i])));
        add_text(document, entry, "digest", yyjson_get_str(yyjson_obj_get(description, "digest")));
        yyjson_mut_obj_add_bool(document, entry, "signed",
                                yyjson_get_bool(yyjson_obj_get(description, "signed")));
    }
}

/* Each line of the complaints. */
static void add_lines(yyjson_mut_doc *document, const char *name, const char *text)
{
    yyjson_mut_val *lines = yyjson_mut_obj_add_arr(document, yyjson_mut_doc_get_root(document), name);
    for (size_t length; *text != '\0'; text += length + 1) {
        length = strcspn(text, "\n");
        yyjson_mut_arr_add_strncpy(document, lines, text, length);
    }
}

static void add_token_key(const struct jwk *key, struct list *list)
{
    char names[JWK_ALGORITHM_NAMES_MAX];
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(list->document, list->entries);
    add_text(list->document, entry, "kid", key->has_kid ? key->kid : NULL);
    yyjson_mut_obj_add_strcpy(list->document, entry, "type", key->type);
    yyjson_mut_obj_add_strcpy(list->document, entry, "algorithms",
                              jwk_algorithm_names(key->algorithms, names));
}

yyjson_mut_doc *check_json(const struct check *check)
{
    yyjson_mut_doc *document = say_new();
    yyjson_mut_val *root = yyjson_mut_doc_get_root(document);
    if (check->errors.count > 0)
        say_set_error(document, "the configuration is not good: see errors");
    yyjson_mut_obj_add_strcpy(document, root, "file", check->config->file);
    add_lines(document, "errors", check->errors.text);
    add_lines(document, "warnings", check->warnings.text);
    yyjson_mut_obj_add_sint(document, root, "cores", check->cores);
    yyjson_mut_obj_add_sint(document, root, "worker_threads", check_all_threads(check));
    struct list list = {document, yyjson_mut_obj_add_arr(document, root, "processes")};
    check_each_process(check, add_process, &list);
    list.entries = yyjson_mut_obj_add_arr(document, root, "sockets");
    check_each_socket(check, add_socket, &list);
    yyjson_mut_obj_add_strcpy(document, root, "sandbox_mode", check->config->sandbox_mode);
    list.entries = yyjson_mut_obj_add_arr(document, root, "sandbox");
    check_each_guard(check, add_guard, &list);
    list.entries = yyjson_mut_obj_add_arr(document, root, "models");
    for (size_t i = 0; i < check->list->count; i++)
        add_model(check, &check->models[i], &list);
    yyjson_mut_obj_add_strcpy(document, root, "signing_keys", check->config->signing_keys);
    list.entries = yyjson_mut_obj_add_arr(document, root, "token_keys");
    for (size_t i = 0; check->token_keys != NULL && i < check->token_keys->count; i++)
        add_token_key(&check->token_keys->keys[i], &list);
    return document;
}
