/* model_inputs: see model_inputs.h. What can be known without the model is checked here, where the line of a
 * field is known, too; whether it goes together with the model's file, its worker finds out at the start
 * (schema_fields_misfit). SPDX-License-Identifier: MIT */
#include "model_inputs.h"

#include "reading.h"
#include "schema_fields.h"

#include <math.h>
#include <stdlib.h>

static const char *const known[] = {"name",    "description", "type",    "minimum",  "min",
                                    "maximum", "max",         "allowed", "required", "default"};

/* ---- single members ---- */

/* A copy; NULL after a complaint, or when there is none. */
static char *read_text(struct reading *reading, const char *place, yyjson_val *object, const char *key,
                       size_t most)
{
    char field[READING_FIELD_MAX];
    yyjson_val *value = yyjson_obj_get(object, key);
    if (value == NULL)
        return NULL;
    reading_field(place, key, field);
    if (!yyjson_is_str(value))
        reading_expect(reading, field, "a text", value);
    else if (yyjson_get_len(value) > most)
        reading_complain(reading, field, "expected at most %zu bytes, got %zu", most, yyjson_get_len(value));
    else
        return object_strdup(yyjson_get_str(value));
    return NULL;
}

static void read_type(struct reading *reading, const char *place, yyjson_val *object,
                      struct schema_field *field)
{
    char path[READING_FIELD_MAX];
    yyjson_val *value = yyjson_obj_get(object, "type");
    struct text name = {yyjson_get_str(value), yyjson_is_str(value) ? yyjson_get_len(value) : 0};
    if (value != NULL && !schema_type_parse(name, &field->type))
        reading_expect(reading, reading_field(place, "type", path), "number, integer, boolean or string",
                       value);
}

/* The bound by its long or its short name. Returns true when it is there, and good. */
static bool read_bound(struct reading *reading, const char *place, yyjson_val *object, const char *name,
                       const char *short_name, double *bound)
{
    char path[READING_FIELD_MAX];
    yyjson_val *value = yyjson_obj_get(object, name), *other = yyjson_obj_get(object, short_name);
    if (value != NULL && other != NULL) {
        reading_complain(reading, reading_field(place, short_name, path), "%s and %s are the same", name,
                         short_name);
        return false;
    }
    if (value == NULL) {
        value = other;
        name = short_name;
    }
    if (value == NULL)
        return false;
    *bound = yyjson_get_num(value);
    if (!yyjson_is_num(value))
        reading_expect(reading, reading_field(place, name, path), "a number", value);
    return yyjson_is_num(value);
}

/* A text, a number, or true and false, which are 1 and 0. */
static bool read_value(struct reading *reading, const char *path, yyjson_val *value,
                       struct schema_value *result)
{
    if (yyjson_is_str(value) && yyjson_get_len(value) > SCHEMA_VALUE_MAX)
        reading_complain(reading, path, "expected at most %d bytes, got %zu", SCHEMA_VALUE_MAX,
                         yyjson_get_len(value));
    else if (yyjson_is_str(value))
        result->text = object_strdup(yyjson_get_str(value));
    else if (yyjson_is_bool(value))
        result->number = yyjson_get_bool(value);
    else if (yyjson_is_num(value))
        result->number = yyjson_get_num(value);
    else
        reading_expect(reading, path, "a number, a text, true or false", value);
    return yyjson_is_num(value) || yyjson_is_bool(value) || result->text != NULL;
}

static void read_allowed(struct reading *reading, const char *place, yyjson_val *object,
                         struct schema_field *field)
{
    char path[READING_FIELD_MAX];
    yyjson_val *list = yyjson_obj_get(object, "allowed"), *value;
    size_t index, size;
    if (list == NULL)
        return;
    reading_field(place, "allowed", path);
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) == 0) {
        reading_expect(reading, path, "a list of at least one value, as [ \"basic\", \"pro\" ]", list);
        return;
    }
    if (yyjson_arr_size(list) > SCHEMA_ALLOWED_MAX) {
        reading_complain(reading, path, "expected at most %d values, got %zu", SCHEMA_ALLOWED_MAX,
                         yyjson_arr_size(list));
        return;
    }
    field->allowed = object_alloc(yyjson_arr_size(list) * sizeof *field->allowed);
    yyjson_arr_foreach(list, index, size, value)
    {
        char element[READING_FIELD_MAX];
        snprintf(element, sizeof element, "%.60s[%zu]", path, index);
        if (read_value(reading, element, value, &field->allowed[field->allowed_count]))
            field->allowed_count++;
    }
}

/* A default makes a column that may be left out, and such a one without a default is then NaN. */
static void read_default(struct reading *reading, const char *place, yyjson_val *object,
                         struct schema_field *field)
{
    char path[READING_FIELD_MAX];
    yyjson_val *required = yyjson_obj_get(object, "required"), *value = yyjson_obj_get(object, "default");
    if (required != NULL && !yyjson_is_bool(required)) {
        reading_expect(reading, reading_field(place, "required", path), "true or false", required);
        return;
    }
    field->optional = value != NULL || yyjson_is_false(required);
    reading_field(place, "default", path);
    if (value == NULL && field->optional && schema_field_type(field) == SCHEMA_STRING)
        reading_complain(reading, path, "is missing: a text that may be left out needs one");
    else if (value == NULL)
        field->standard.number = NAN;
    else if (yyjson_is_true(required))
        reading_complain(reading, path, "a column that is required has none");
    else
        read_value(reading, path, value, &field->standard);
}

/* ---- one column ---- */

static void check_consistent(struct reading *reading, const char *place, yyjson_val *object,
                             const struct schema_field *field)
{
    char complaint[SCHEMA_CONTRADICTION_MAX], path[READING_FIELD_MAX];
    const char *member;
    if (schema_field_consistent(field, &member, complaint))
        return;
    if (strcmp(member, "minimum") == 0 && yyjson_obj_get(object, "min") != NULL)
        member = "min";
    if (strcmp(member, "maximum") == 0 && yyjson_obj_get(object, "max") != NULL)
        member = "max";
    reading_complain(reading, reading_field(place, member, path), "%s", complaint);
}

static void read_input(struct reading *reading, const char *place, yyjson_val *object,
                       struct schema_field *field)
{
    char path[READING_FIELD_MAX];
    size_t before = reading->faults;
    if (!yyjson_is_obj(object)) {
        reading_expect(reading, place, "a column, as { name = \"age\"; type = \"integer\"; minimum = 18; }",
                       object);
        return;
    }
    reading_check_keys(reading, place, object, known, COUNT_OF(known));
    field->name = read_text(reading, place, object, "name", SCHEMA_VALUE_MAX);
    if (yyjson_obj_get(object, "name") == NULL || (field->name != NULL && field->name[0] == '\0'))
        reading_complain(reading, reading_field(place, "name", path), "expected the name of the column");
    field->description = read_text(reading, place, object, "description", SCHEMA_FIELD_TEXT_MAX);
    read_type(reading, place, object, field);
    field->has_minimum = read_bound(reading, place, object, "minimum", "min", &field->minimum);
    field->has_maximum = read_bound(reading, place, object, "maximum", "max", &field->maximum);
    read_allowed(reading, place, object, field);
    read_default(reading, place, object, field);
    if (reading->faults == before)
        check_consistent(reading, place, object, field);
}

/* ---- all ---- */

struct named {
    const char *name;
    size_t index;
};

static int compare_names(const void *a, const void *b)
{
    const struct named *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

static void check_distinct(struct reading *reading, const struct schema_field *fields, size_t count)
{
    struct named *sorted = object_alloc(count * sizeof *sorted);
    size_t named = 0;
    for (size_t i = 0; i < count; i++)
        if (fields[i].name != NULL)
            sorted[named++] = (struct named){fields[i].name, i};
    qsort(sorted, named, sizeof *sorted, compare_names);
    for (size_t i = 1; i < named; i++) {
        char place[READING_FIELD_MAX];
        if (strcmp(sorted[i - 1].name, sorted[i].name) != 0)
            continue;
        snprintf(place, sizeof place, "[%zu].name", sorted[i].index);
        reading_complain(reading, place, "\"%.80s\" is the name of [%zu], too", sorted[i].name,
                         sorted[i - 1].index);
    }
    free(sorted);
}

bool model_inputs_read(yyjson_val *value, parameter_fault *fault, void *self, struct schema_field **fields,
                       size_t *count)
{
    struct reading reading = {.fault = fault, .self = self};
    size_t index, size = yyjson_arr_size(value);
    yyjson_val *object;
    if (!yyjson_is_arr(value) || size > SCHEMA_NAMES_MAX) {
        reading_expect(&reading, "", "a list of at most 65536 columns, as ( { name = \"age\"; }, ... )",
                       value);
        return false;
    }
    struct schema_field *list = object_alloc(size * sizeof *list);
    yyjson_arr_foreach(value, index, size, object)
    {
        char place[READING_FIELD_MAX];
        snprintf(place, sizeof place, "[%zu]", index);
        read_input(&reading, place, object, &list[index]);
    }
    check_distinct(&reading, list, size);
    if (reading.faults > 0) {
        schema_fields_free(list, size);
        return false;
    }
    *fields = list;
    *count = size;
    return true;
}

void model_inputs_print_template(FILE *out)
{
    fputs("\n"
          "# the input's columns, in order, and what their values may be; every request is checked by it.\n"
          "# Only name is needed:\n"
          "#     { name = \"age\"; description = \"years\"; type = \"integer\"; minimum = 18; maximum = 120; "
          "},\n"
          "#     { name = \"plan\"; type = \"string\"; allowed = [ \"basic\", \"pro\" ]; default = "
          "\"basic\"; }\n"
          "# type: number, integer, boolean or string. A column with a default may be left out of a row by\n"
          "# name (or be null, or an empty cell of CSV), and with required = false and allow_nan it is NaN\n"
          "# then. Names that features has, too, must be the same\n"
          "inputs = ( );\n",
          out);
}
