/* schema_fields: see schema_fields.h. The rules of a column stand here once: model.conf is read by them, what
 * a worker says is refused by them, and the frontend explains by them what it refuses.
 *
 * A value is compared as it is in its input's datatype, and so are bounds and allowed values: rounding keeps
 * the order, so nothing that is within the bounds is refused because a float is near it, and 0.1 is 0.1 in
 * FP32, too. SPDX-License-Identifier: MIT */
#include "schema_fields.h"

#include "element.h"
#include "number.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define WHOLE_EXACT 1e15 /* whole numbers up to here are printed without an exponent */

/* ---- types ---- */

static const char *const type_names[] = {[SCHEMA_ANY] = "",
                                         [SCHEMA_NUMBER] = "number",
                                         [SCHEMA_INTEGER] = "integer",
                                         [SCHEMA_BOOLEAN] = "boolean",
                                         [SCHEMA_STRING] = "string"};

const char *schema_type_name(enum schema_type type)
{
    return (size_t)type < COUNT_OF(type_names) ? type_names[type] : "";
}

bool schema_type_parse(struct text name, enum schema_type *type)
{
    for (size_t i = SCHEMA_NUMBER; i < COUNT_OF(type_names); i++) {
        if (!text_is(name, type_names[i]))
            continue;
        *type = (enum schema_type)i;
        return true;
    }
    return false;
}

enum schema_type schema_field_type(const struct schema_field *field)
{
    if (field->type != SCHEMA_ANY)
        return field->type;
    if (field->has_minimum || field->has_maximum)
        return SCHEMA_NUMBER;
    if (field->allowed_count > 0)
        return field->allowed[0].text != NULL ? SCHEMA_STRING : SCHEMA_NUMBER;
    if (field->optional)
        return field->standard.text != NULL ? SCHEMA_STRING : SCHEMA_NUMBER;
    return SCHEMA_ANY;
}

/* ---- memory ---- */

static char *copy_text(const char *text)
{
    return text == NULL ? NULL : object_strdup(text);
}

struct schema_field *schema_fields_copy(const struct schema_field *fields, size_t count)
{
    struct schema_field *copies = object_alloc(count * sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        copies[i] = fields[i];
        copies[i].name = copy_text(fields[i].name);
        copies[i].description = copy_text(fields[i].description);
        copies[i].standard.text = copy_text(fields[i].standard.text);
        copies[i].allowed = object_alloc(fields[i].allowed_count * sizeof *copies[i].allowed);
        for (size_t j = 0; j < fields[i].allowed_count; j++)
            copies[i].allowed[j] =
                (struct schema_value){copy_text(fields[i].allowed[j].text), fields[i].allowed[j].number};
    }
    return copies;
}

void schema_fields_free(struct schema_field *fields, size_t count)
{
    for (size_t i = 0; fields != NULL && i < count; i++) {
        for (size_t j = 0; j < fields[i].allowed_count; j++)
            free(fields[i].allowed[j].text);
        free(fields[i].allowed);
        free(fields[i].standard.text);
        free(fields[i].name);
        free(fields[i].description);
    }
    free(fields);
}

/* ---- numbers ---- */

char *schema_number_text(double number, bool single, char text[SCHEMA_NUMBER_MAX])
{
    char digits[NUMBER_TEXT_MAX];
    if (!isfinite(number) || (trunc(number) == number && fabs(number) < WHOLE_EXACT)) {
        snprintf(text, SCHEMA_NUMBER_MAX, "%.0f", number);
        return text;
    }
    size_t length = single ? number_write_float((float)number, digits) : number_write_double(number, digits);
    return text_copy((struct text){digits, length}, text, SCHEMA_NUMBER_MAX);
}

double schema_number_in(enum datatype datatype, double number)
{
    if (datatype == DATATYPE_FP32)
        return (double)(float)number;
    if (datatype == DATATYPE_FP16)
        return (double)number_from_half(number_to_half(number));
    return number;
}

/* ---- what is wrong with a value ---- */

/* "expected one of basic, pro, got gold"; as many of them as there is room for. */
static const char *say_not_allowed(const struct schema_field *field, struct text got,
                                   char words[SCHEMA_FAULT_MAX])
{
    enum { GOT_SHOWN = 40, ONE_SHOWN = 40, TAIL = 64 /* ", ..., got " and the value */ };
    char number[SCHEMA_NUMBER_MAX];
    bool alone = field->allowed_count == 1, quoted = field->allowed[0].text != NULL;
    const char *quote = quoted ? "\"" : "";
    size_t length = (size_t)snprintf(words, SCHEMA_FAULT_MAX, alone ? "expected " : "expected one of ");
    for (size_t i = 0; i < field->allowed_count; i++) {
        char one[ONE_SHOWN + 8];
        const char *value =
            quoted ? field->allowed[i].text : schema_number_text(field->allowed[i].number, false, number);
        size_t added = (size_t)snprintf(one, sizeof one, "%s%s%.*s%s", i == 0 ? "" : ", ", quote, ONE_SHOWN,
                                        value, quote);
        if (length + added + TAIL > SCHEMA_FAULT_MAX) {
            length += (size_t)snprintf(words + length, SCHEMA_FAULT_MAX - length, ", ...");
            break;
        }
        length += (size_t)snprintf(words + length, SCHEMA_FAULT_MAX - length, "%s", one);
    }
    snprintf(words + length, SCHEMA_FAULT_MAX - length, ", got %s%.*s%s", quote,
             (int)(got.length < GOT_SHOWN ? got.length : GOT_SHOWN), got.at, quote);
    return words;
}

static bool allows_number(const struct schema_field *field, enum datatype datatype, double number)
{
    for (size_t i = 0; i < field->allowed_count; i++)
        if (schema_number_in(datatype, field->allowed[i].number) == number)
            return true;
    return field->allowed_count == 0;
}

static bool takes_number(const struct schema_field *field, enum datatype datatype, double number)
{
    if (isnan(number))
        return true;
    if ((field->type == SCHEMA_BOOLEAN && number != 0 && number != 1) ||
        (field->type == SCHEMA_INTEGER && trunc(number) != number))
        return false;
    return !(field->has_minimum && number < schema_number_in(datatype, field->minimum)) &&
           !(field->has_maximum && number > schema_number_in(datatype, field->maximum)) &&
           allows_number(field, datatype, number);
}

const char *schema_field_number_fault(const struct schema_field *field, enum datatype datatype, double number,
                                      char words[SCHEMA_FAULT_MAX])
{
    char got[SCHEMA_NUMBER_MAX], bound[SCHEMA_NUMBER_MAX];
    if (takes_number(field, datatype, number))
        return NULL;
    schema_number_text(number, datatype == DATATYPE_FP32 || datatype == DATATYPE_FP16, got);
    if (field->type == SCHEMA_BOOLEAN && number != 0 && number != 1)
        snprintf(words, SCHEMA_FAULT_MAX, "expected true or false, got %s", got);
    else if (field->type == SCHEMA_INTEGER && trunc(number) != number)
        snprintf(words, SCHEMA_FAULT_MAX, "expected a whole number, got %s", got);
    else if (field->has_minimum && number < schema_number_in(datatype, field->minimum))
        snprintf(words, SCHEMA_FAULT_MAX, "%s is below the minimum %s", got,
                 schema_number_text(field->minimum, false, bound));
    else if (field->has_maximum && number > schema_number_in(datatype, field->maximum))
        snprintf(words, SCHEMA_FAULT_MAX, "%s is above the maximum %s", got,
                 schema_number_text(field->maximum, false, bound));
    else
        say_not_allowed(field, text_of(got), words);
    return words;
}

const char *schema_field_text_fault(const struct schema_field *field, struct text text,
                                    char words[SCHEMA_FAULT_MAX])
{
    for (size_t i = 0; i < field->allowed_count; i++)
        if (text_is(text, field->allowed[i].text))
            return NULL;
    return field->allowed_count == 0 ? NULL : say_not_allowed(field, text, words);
}

/* ---- in words ---- */

/* A text that grows within its bounds. */
struct line {
    char *text;
    size_t capacity, length;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int added = vsnprintf(line->text + line->length, line->capacity - line->length, format, arguments);
    va_end(arguments);
    line->length += (size_t)added;
    if (line->length >= line->capacity)
        line->length = line->capacity - 1;
}

static void add_value(struct line *line, const char *before, enum schema_type type,
                      const struct schema_value *value)
{
    char number[SCHEMA_NUMBER_MAX];
    if (value->text != NULL)
        add(line, "%s\"%s\"", before, value->text);
    else if (type == SCHEMA_BOOLEAN)
        add(line, "%s%s", before, value->number != 0 ? "true" : "false");
    else
        add(line, "%s%s", before, schema_number_text(value->number, false, number));
}

char *schema_field_words(const struct schema_field *field, char *text, size_t capacity)
{
    struct line line = {.text = text, .capacity = capacity};
    char low[SCHEMA_NUMBER_MAX], high[SCHEMA_NUMBER_MAX];
    text[0] = '\0';
    add(&line, "%s", schema_type_name(field->type));
    const char *comma = line.length > 0 ? ", " : "";
    if (field->has_minimum && field->has_maximum)
        add(&line, "%s%s to %s", comma, schema_number_text(field->minimum, false, low),
            schema_number_text(field->maximum, false, high));
    else if (field->has_minimum)
        add(&line, "%s%s or more", comma, schema_number_text(field->minimum, false, low));
    else if (field->has_maximum)
        add(&line, "%s%s or less", comma, schema_number_text(field->maximum, false, high));
    for (size_t i = 0; i < field->allowed_count; i++)
        add_value(&line,
                  i > 0             ? ", "
                  : line.length > 0 ? ", one of "
                                    : "one of ",
                  field->type, &field->allowed[i]);
    if (field->optional)
        add_value(&line, line.length > 0 ? "; else " : "else ", field->type, &field->standard);
    return text;
}

/* ---- contradictions ---- */

#define CONTRADICTS(field_member, ...)                                                                       \
    (*member = (field_member), snprintf(complaint, SCHEMA_CONTRADICTION_MAX, __VA_ARGS__), false)

static bool bounds_consistent(const struct schema_field *field, const char **member,
                              char complaint[SCHEMA_CONTRADICTION_MAX])
{
    char low[SCHEMA_NUMBER_MAX], high[SCHEMA_NUMBER_MAX];
    bool bounded = field->has_minimum || field->has_maximum;
    enum schema_type type = schema_field_type(field);
    if (bounded && (type == SCHEMA_STRING || type == SCHEMA_BOOLEAN))
        return CONTRADICTS(field->has_minimum ? "minimum" : "maximum", "a %s has no bounds",
                           schema_type_name(type));
    if (field->has_minimum && !isfinite(field->minimum))
        return CONTRADICTS("minimum", "expected a finite number");
    if (field->has_maximum && !isfinite(field->maximum))
        return CONTRADICTS("maximum", "expected a finite number");
    if (field->has_minimum && field->has_maximum && field->minimum > field->maximum)
        return CONTRADICTS("minimum", "%s is above the maximum, which is %s",
                           schema_number_text(field->minimum, false, low),
                           schema_number_text(field->maximum, false, high));
    return true;
}

/* One of the values that are allowed, or the default. `rules`: what it must keep to. */
static bool value_consistent(const struct schema_field *rules, const struct schema_value *value,
                             const char *name, const char **member, char complaint[SCHEMA_CONTRADICTION_MAX])
{
    char words[SCHEMA_FAULT_MAX];
    bool is_string = schema_field_type(rules) == SCHEMA_STRING;
    if (is_string != (value->text != NULL))
        return CONTRADICTS(name, "expected a %s, got a %s", is_string ? "string" : "number",
                           is_string ? "number" : "string");
    const char *fault = is_string ? schema_field_text_fault(rules, text_of(value->text), words)
                                  : schema_field_number_fault(rules, DATATYPE_FP64, value->number, words);
    return fault == NULL ? true : CONTRADICTS(name, "%s", fault);
}

bool schema_field_consistent(const struct schema_field *field, const char **member,
                             char complaint[SCHEMA_CONTRADICTION_MAX])
{
    struct schema_field rules = *field; /* without the list, whose values are looked at */
    if (!bounds_consistent(field, member, complaint))
        return false;
    rules.type = schema_field_type(field);
    rules.allowed_count = 0;
    for (size_t i = 0; i < field->allowed_count; i++) {
        if (field->allowed[i].text == NULL && !isfinite(field->allowed[i].number))
            return CONTRADICTS("allowed", "expected finite numbers");
        if (!value_consistent(&rules, &field->allowed[i], "allowed", member, complaint))
            return false;
    }
    rules.allowed_count = field->allowed_count;
    if (!field->optional)
        return true;
    if (field->standard.text == NULL && isinf(field->standard.number))
        return CONTRADICTS("default", "expected a finite number");
    return value_consistent(&rules, &field->standard, "default", member, complaint);
}

/* ---- together with the model ---- */

static bool is_floating(enum datatype datatype)
{
    return datatype == DATATYPE_FP16 || datatype == DATATYPE_FP32 || datatype == DATATYPE_FP64;
}

yyjson_val schema_value_json(const struct schema_value *value)
{
    if (value->text == NULL)
        return (yyjson_val){.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL, .uni.f64 = value->number};
    return (yyjson_val){.tag = YYJSON_TYPE_STR | (uint64_t)strlen(value->text) << YYJSON_TAG_BIT,
                        .uni.str = value->text};
}

/* The value may be an element of the datatype. */
static bool value_fits(const struct schema_value *value, enum datatype datatype, bool allow_nan)
{
    uint8_t place[ELEMENT_BYTES_MAX];
    yyjson_val json = schema_value_json(value);
    return value->text != NULL ? datatype == DATATYPE_BYTES
                               : element_write(datatype, &json, allow_nan, place);
}

static const char *misfit(const struct schema_field *field, enum datatype datatype, bool allow_nan)
{
    enum schema_type type = schema_field_type(field);
    if (type != SCHEMA_ANY && (type == SCHEMA_STRING) != (datatype == DATATYPE_BYTES))
        return datatype == DATATYPE_BYTES ? "the model takes a string there"
                                          : "the model takes no string there";
    if (datatype == DATATYPE_BOOL && (type == SCHEMA_NUMBER || type == SCHEMA_INTEGER))
        return "the model takes a boolean there";
    for (size_t i = 0; i < field->allowed_count; i++)
        if (!value_fits(&field->allowed[i], datatype, false))
            return "one of the allowed values is none of the model's datatype there";
    if (field->optional && !value_fits(&field->standard, datatype, allow_nan && is_floating(datatype)))
        return "the default is no value of the model's datatype there";
    return NULL;
}

/* The values in one row of one input; those of all of them are as many as there are features. */
static size_t columns_of(const struct schema_tensor *input)
{
    size_t columns = 1;
    for (uint32_t i = 1; i < input->rank; i++)
        columns *= (size_t)input->shape[i];
    return columns;
}

const char *schema_fields_misfit(const struct schema *schema, size_t *at)
{
    *at = schema->feature_count;
    if (schema->fields == NULL)
        return NULL;
    if (schema->feature_count == 0 || schema_row_values(schema) != schema->feature_count)
        return "there is not one field for each value of a row";
    size_t column = 0;
    for (size_t i = 0; i < schema->input_count; i++)
        for (size_t end = column + columns_of(&schema->inputs[i]); column < end; column++) {
            const char *complaint =
                strcmp(schema->fields[column].name, schema->features[column]) != 0
                    ? "the fields are not named as the features"
                    : misfit(&schema->fields[column], schema->inputs[i].datatype, schema->allow_nan);
            *at = column;
            if (complaint != NULL)
                return complaint;
        }
    return NULL;
}

/* ---- the same ---- */

static bool same_value(const struct schema_value *a, const struct schema_value *b)
{
    if (a->text != NULL || b->text != NULL)
        return a->text != NULL && b->text != NULL && strcmp(a->text, b->text) == 0;
    return a->number == b->number || (isnan(a->number) && isnan(b->number));
}

static bool same_allowed(const struct schema_field *a, const struct schema_field *b)
{
    bool same = a->allowed_count == b->allowed_count;
    for (size_t i = 0; same && i < a->allowed_count; i++) {
        same = false; /* the order does not matter */
        for (size_t j = 0; !same && j < b->allowed_count; j++)
            same = same_value(&a->allowed[i], &b->allowed[j]);
    }
    return same;
}

/* NULL: nothing. */
static const char *what_differs(const struct schema_field *a, const struct schema_field *b)
{
    if (a->type != b->type)
        return "the type";
    if (a->has_minimum != b->has_minimum || (a->has_minimum && a->minimum != b->minimum))
        return "the minimum";
    if (a->has_maximum != b->has_maximum || (a->has_maximum && a->maximum != b->maximum))
        return "the maximum";
    if (!same_allowed(a, b))
        return "the list of allowed values";
    if (a->optional != b->optional)
        return "whether it is required";
    return a->optional && !same_value(&a->standard, &b->standard) ? "the default" : NULL;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

bool schema_fields_equal(const struct schema_field *one, const struct schema_field *other, size_t count)
{
    bool equal = true;
    for (size_t i = 0; equal && i < count; i++)
        equal = same_text(one[i].name, other[i].name) &&
                same_text(one[i].description, other[i].description) &&
                what_differs(&one[i], &other[i]) == NULL;
    return equal;
}

enum { NAME_SHOWN = 64 /* bytes of a name in `how` */ };

#define DIFFER(...) (snprintf(how, capacity, __VA_ARGS__), false)

static bool same_tensor(const struct schema_tensor *a, const char *a_name, const struct schema_tensor *b,
                        const char *b_name, char *how, size_t capacity)
{
    if (strcmp(a->name, b->name) != 0)
        return DIFFER("an input of %s is called %.*s, that of %s %.*s", a_name, NAME_SHOWN, a->name, b_name,
                      NAME_SHOWN, b->name);
    if (a->datatype != b->datatype)
        return DIFFER("input %.*s: %s takes %s, %s %s", NAME_SHOWN, a->name, a_name,
                      datatype_name(a->datatype), b_name, datatype_name(b->datatype));
    if (a->rank != b->rank || memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) != 0)
        return DIFFER("input %.*s: the shapes of %s and %s differ", NAME_SHOWN, a->name, a_name, b_name);
    return true;
}

bool schema_same_inputs(const struct schema *one, const char *one_name, const struct schema *other,
                        const char *other_name, char *how, size_t capacity)
{
    static const struct schema_field nothing = {0};
    if (one->input_count != other->input_count)
        return DIFFER("%s has %zu inputs, %s has %zu", one_name, one->input_count, other_name,
                      other->input_count);
    for (size_t i = 0; i < one->input_count; i++)
        if (!same_tensor(&one->inputs[i], one_name, &other->inputs[i], other_name, how, capacity))
            return false;
    if (one->allow_nan != other->allow_nan)
        return DIFFER("%s takes NaN, %s does not", one->allow_nan ? one_name : other_name,
                      one->allow_nan ? other_name : one_name);
    if (one->feature_count != other->feature_count)
        return DIFFER("%s names %zu columns, %s %zu", one_name, one->feature_count, other_name,
                      other->feature_count);
    for (size_t i = 0; i < one->feature_count; i++) {
        if (strcmp(one->features[i], other->features[i]) != 0)
            return DIFFER("column %zu of %s is %.*s, that of %s %.*s", i + 1, one_name, NAME_SHOWN,
                          one->features[i], other_name, NAME_SHOWN, other->features[i]);
        const char *member = what_differs(one->fields == NULL ? &nothing : &one->fields[i],
                                          other->fields == NULL ? &nothing : &other->fields[i]);
        if (member != NULL)
            return DIFFER("column %.*s: %s differs between %s and %s", NAME_SHOWN, one->features[i], member,
                          one_name, other_name);
    }
    return true;
}
