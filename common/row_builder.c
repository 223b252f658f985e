/* row_builder: see row_builder.h.
 *
 * A row is written behind the others of each input, and checked as it is written: a number against its
 * column's bounds, which are worked out once, as floats where the model takes floats. Only yes or no is asked
 * then. A row that is refused is cut off again and looked at a second time, value by value, for what to say
 * of it. This is the inner loop of jobs over millions of rows: the usual value, a number for an FP32, meets
 * neither a call nor memory of its own. SPDX-License-Identifier: MIT */
#include "row_builder.h"

#include "cell.h"
#include "columns.h"
#include "element.h"
#include "schema_fields.h"
#include "utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BUILDER_MAGIC = 0x0b01d001,
    FIRST_ROWS = 64,
    NAME_SHOWN_MAX = 64, /* bytes of a name that are told */
    WORDS_MAX = SCHEMA_FAULT_MAX
};

_Static_assert((int)CELL_TEXT_MAX <= (int)WORDS_MAX && (int)ELEMENT_TEXT_MAX <= (int)WORDS_MAX,
               "whoever explains has room");

/* What the values of a column may be. */
struct column {
    float low, high; /* infinities where nothing is said */
    bool plain;      /* nothing but these bounds is to be looked at, and it is FP32 */
    enum datatype datatype;
    const struct schema_field *field; /* NULL: nothing is said */
};

/* The rows of one input. */
struct rows_of {
    uint8_t *bytes;
    size_t length, room;
    size_t row_bytes; /* 0 for BYTES */
    size_t *ends;     /* of each row of BYTES; else NULL */
};

struct row_builder {
    unsigned magic;
    const struct schema *schema;
    struct layout *layout;
    size_t width;
    size_t rows, rows_max;
    size_t rows_room; /* that `ends` have */
    struct column *columns;
    struct rows_of inputs[TENSOR_COUNT_MAX];
    uint8_t *payload;
    size_t payload_room;
};

/* ---- columns ---- */

static bool is_boolean(const struct column *column)
{
    return column->field != NULL && column->field->type == SCHEMA_BOOLEAN &&
           column->datatype != DATATYPE_BOOL;
}

static void take_column(struct row_builder *builder, size_t at, enum datatype datatype)
{
    struct column *column = &builder->columns[at];
    const struct schema_field *field = builder->schema->fields;
    column->datatype = datatype;
    column->low = -INFINITY;
    column->high = INFINITY;
    column->plain = datatype == DATATYPE_FP32;
    if (field == NULL || builder->layout->width != builder->schema->feature_count)
        return;
    column->field = field += at;
    if (field->has_minimum)
        column->low = (float)field->minimum;
    if (field->has_maximum)
        column->high = (float)field->maximum;
    column->plain = column->plain && field->allowed_count == 0 && field->type != SCHEMA_INTEGER &&
                    field->type != SCHEMA_BOOLEAN;
}

static void take_columns(struct row_builder *builder)
{
    const struct layout *layout = builder->layout;
    free(builder->columns);
    builder->columns = object_alloc(builder->width * sizeof *builder->columns);
    for (size_t input = 0; input < layout->input_count; input++) {
        const struct layout_input *place = &layout->inputs[input];
        size_t width = layout_columns(layout, input, builder->width);
        for (size_t at = place->first; at < place->first + width; at++)
            take_column(builder, at, place->tensor->datatype);
        builder->inputs[input].row_bytes = width * datatype_bytes(place->tensor->datatype);
    }
}

/* ---- life ---- */

struct row_builder *row_builder_new(const struct schema *schema, size_t rows_max)
{
    struct layout *layout = layout_new(schema);
    ENSURE(rows_max > 0);
    if (layout == NULL)
        return NULL;
    struct row_builder *builder = object_alloc(sizeof *builder);
    builder->magic = BUILDER_MAGIC;
    builder->schema = schema;
    builder->layout = layout;
    builder->rows_max = rows_max;
    builder->width = layout->width;
    if (builder->width > 0)
        take_columns(builder);
    return builder;
}

void row_builder_free(struct row_builder *builder)
{
    if (builder == NULL)
        return;
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    for (size_t i = 0; i < builder->layout->input_count; i++) {
        free(builder->inputs[i].bytes);
        free(builder->inputs[i].ends);
    }
    layout_free(builder->layout);
    free(builder->columns);
    free(builder->payload);
    builder->magic = 0;
    free(builder);
}

const struct layout *row_builder_layout(const struct row_builder *builder)
{
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    return builder->layout;
}

size_t row_builder_width(const struct row_builder *builder)
{
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    return builder->width;
}

bool row_builder_widen(struct row_builder *builder, size_t width)
{
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    if (width > 0 && width == builder->width)
        return true;
    if (builder->layout->width != 0 || builder->rows > 0 || width == 0 || width > LAYOUT_WIDTH_MAX)
        return false;
    builder->width = width;
    take_columns(builder);
    return true;
}

/* ---- room ---- */

static void grow(struct rows_of *input, size_t bytes)
{
    size_t wanted = input->length + bytes;
    ENSURE(wanted >= bytes && wanted <= SIZE_MAX / 2);
    if (wanted <= input->room)
        return;
    input->room = wanted * 2;
    input->bytes = realloc(input->bytes, input->room);
    ENSURE(input->bytes != NULL);
}

static void grow_ends(struct row_builder *builder)
{
    if (builder->rows < builder->rows_room)
        return;
    size_t twice = builder->rows_room * 2 < FIRST_ROWS ? FIRST_ROWS : builder->rows_room * 2;
    builder->rows_room = twice < builder->rows_max ? twice : builder->rows_max;
    for (size_t i = 0; builder->layout->has_bytes && i < builder->layout->input_count; i++) {
        struct rows_of *input = &builder->inputs[i];
        if (builder->layout->inputs[i].tensor->datatype != DATATYPE_BYTES)
            continue;
        input->ends = realloc(input->ends, builder->rows_room * sizeof *input->ends);
        ENSURE(input->ends != NULL);
    }
}

/* ---- one value ---- */

static yyjson_val real_of(double number)
{
    return (yyjson_val){.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL, .uni.f64 = number};
}

/* As JSON would have brought it, for any kind but ROW_TEXT. */
static yyjson_val json_of(const struct row_value *value)
{
    switch (value->kind) {
    case ROW_NUMBER:
        return real_of(value->number);
    case ROW_INTEGER:
        return value->integer < 0
                   ? (yyjson_val){.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_SINT, .uni.i64 = value->integer}
                   : (yyjson_val){.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT,
                                  .uni.u64 = (uint64_t)value->integer};
    case ROW_TRUTH:
        return (yyjson_val){.tag = YYJSON_TYPE_BOOL |
                                   (value->truth ? YYJSON_SUBTYPE_TRUE : YYJSON_SUBTYPE_FALSE)};
    case ROW_STRING:
        return (yyjson_val){.tag = YYJSON_TYPE_STR | (uint64_t)value->text.length << YYJSON_TAG_BIT,
                            .uni.str = value->text.at};
    default:
        return (yyjson_val){.tag = YYJSON_TYPE_NULL};
    }
}

static struct cell cell_of(const struct row_value *value)
{
    return (struct cell){value->text, value->quoted};
}

static bool is_missing(const struct column *column, const struct row_value *value)
{
    if (value->kind != ROW_TEXT)
        return value->kind == ROW_MISSING;
    return column->datatype == DATATYPE_BYTES ? value->text.length == 0 && !value->quoted
                                              : text_trim(value->text).length == 0;
}

/* What stands for a value that is missing; false: it may not be. */
static bool find_standard(const struct row_builder *builder, const struct column *column, yyjson_val *value)
{
    if (column->field != NULL && column->field->optional) {
        *value = schema_value_json(&column->field->standard);
        return true;
    }
    *value = column->datatype == DATATYPE_BYTES ? (yyjson_val){.tag = YYJSON_TYPE_STR, .uni.str = ""}
                                                : real_of(NAN);
    return builder->schema->allow_nan &&
           (column->datatype == DATATYPE_BYTES || datatype_is_float(column->datatype));
}

bool row_builder_optional(const struct row_builder *builder, size_t column)
{
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    yyjson_val value;
    ENSURE(column < builder->width);
    return find_standard(builder, &builder->columns[column], &value);
}

/* Writes a value of any datatype but BYTES. False: it is none. */
static bool write_element(const struct row_builder *builder, const struct column *column,
                          const struct row_value *value, uint8_t *place)
{
    bool truth, allow_nan = builder->schema->allow_nan;
    yyjson_val json;
    if (is_missing(column, value))
        return find_standard(builder, column, &json) &&
               element_write(column->datatype, &json, allow_nan, place);
    if (value->kind != ROW_TEXT) {
        json = value->kind == ROW_TRUTH && is_boolean(column) ? real_of(value->truth) : json_of(value);
        return element_write(column->datatype, &json, allow_nan, place);
    }
    struct text text = value->text;
    if (is_boolean(column) && cell_read_truth(text, &truth))
        text = truth ? (struct text){"1", 1} : (struct text){"0", 1};
    return cell_write(column->datatype, text, allow_nan, place);
}

static double number_in(enum datatype datatype, const uint8_t *place)
{
    const struct tensor one = {.datatype = datatype, .rank = 1, .shape = {1}, .data = place};
    return columns_value(&one, 0, 0, &(struct columns_cursor){0}).number;
}

/* What is wrong with a value of any datatype but BYTES, or NULL; the element is written if it is one. */
static const char *element_fault(const struct row_builder *builder, const struct column *column,
                                 const struct row_value *value, uint8_t *place, char words[WORDS_MAX])
{
    if (write_element(builder, column, value, place))
        return column->field == NULL ? NULL
                                     : schema_field_number_fault(column->field, column->datatype,
                                                                 number_in(column->datatype, place), words);
    bool whole = column->field != NULL && column->field->type == SCHEMA_INTEGER;
    enum datatype told = is_boolean(column)                             ? DATATYPE_BOOL
                         : whole && datatype_is_float(column->datatype) ? DATATYPE_INT64
                                                                        : column->datatype;
    if (value->kind == ROW_MISSING)
        return "is missing";
    if (value->kind == ROW_TEXT) {
        const char *fault = cell_explain(told, cell_of(value), builder->schema->allow_nan, words);
        return fault != NULL
                   ? fault
                   : cell_explain(column->datatype, cell_of(value), builder->schema->allow_nan, words);
    }
    yyjson_val json = json_of(value);
    return element_explain(yyjson_is_num(&json) ? column->datatype : told, &json, words);
}

/* The string of a value for BYTES; false: it is none. */
static bool find_string(const struct row_builder *builder, const struct column *column,
                        const struct row_value *value, struct text *text)
{
    yyjson_val standard;
    if (is_missing(column, value)) {
        if (!find_standard(builder, column, &standard))
            return false;
        *text = (struct text){yyjson_get_str(&standard), yyjson_get_len(&standard)};
        return true;
    }
    *text = value->text;
    return (value->kind == ROW_TEXT || value->kind == ROW_STRING) && value->text.length <= UINT32_MAX &&
           utf8_ok(value->text);
}

static const char *string_fault(const struct row_builder *builder, const struct column *column,
                                const struct row_value *value, char words[WORDS_MAX])
{
    struct text text;
    if (find_string(builder, column, value, &text))
        return column->field == NULL ? NULL : schema_field_text_fault(column->field, text, words);
    if (value->kind == ROW_MISSING)
        return "is missing";
    if (value->kind == ROW_TEXT || value->kind == ROW_STRING)
        return cell_explain(DATATYPE_BYTES,
                            (struct cell){value->text, value->quoted || value->kind == ROW_STRING},
                            builder->schema->allow_nan, words);
    yyjson_val json = json_of(value);
    return element_explain(DATATYPE_BYTES, &json, words);
}

/* ---- one row ---- */

/* The float of the usual value; false: it is to be looked at more closely. NaN is within all bounds here. */
static inline bool read_plain(const struct row_value *value, float *number)
{
    if (value->kind == ROW_NUMBER)
        *number = (float)value->number;
    else if (value->kind == ROW_INTEGER)
        *number = (float)value->integer;
    else
        return value->kind == ROW_TEXT &&
               decimal_read(value->text.at, number) == value->text.at + value->text.length;
    return isfinite(*number);
}

static bool put_other(const struct row_builder *builder, const struct column *column,
                      const struct row_value *value, uint8_t *place)
{
    char words[WORDS_MAX];
    return element_fault(builder, column, value, place, words) == NULL;
}

/* The row's numbers of one input. */
static bool put_numbers(struct row_builder *builder, const struct column *columns, size_t width,
                        const struct row_value *values, struct rows_of *input)
{
    grow(input, input->row_bytes);
    uint8_t *place = input->bytes + input->length;
    size_t step = input->row_bytes / width;
    bool good = true;
    for (size_t i = 0; i < width; i++, place += step) {
        float number;
        if (columns[i].plain && read_plain(&values[i], &number)) {
            good &= !(number < columns[i].low) & !(number > columns[i].high);
            memcpy(place, &number, sizeof number);
        } else if (!put_other(builder, &columns[i], &values[i], place)) {
            return false;
        }
    }
    input->length += input->row_bytes;
    return good;
}

static bool put_strings(struct row_builder *builder, const struct column *columns, size_t width,
                        const struct row_value *values, struct rows_of *input)
{
    char words[WORDS_MAX];
    for (size_t i = 0; i < width; i++) {
        struct text text;
        if (string_fault(builder, &columns[i], &values[i], words) != NULL)
            return false;
        ENSURE(find_string(builder, &columns[i], &values[i], &text));
        uint32_t length = (uint32_t)text.length;
        grow(input, sizeof length + length);
        memcpy(input->bytes + input->length, &length, sizeof length);
        if (length > 0)
            memcpy(input->bytes + input->length + sizeof length, text.at, length);
        input->length += sizeof length + length;
    }
    input->ends[builder->rows] = input->length;
    return true;
}

/* Bytes of the first `rows` rows of an input. */
static size_t bytes_of(const struct rows_of *input, size_t rows)
{
    if (input->ends == NULL)
        return rows * input->row_bytes;
    return rows == 0 ? 0 : input->ends[rows - 1];
}

static void cut(struct row_builder *builder)
{
    for (size_t i = 0; i < builder->layout->input_count; i++)
        builder->inputs[i].length = bytes_of(&builder->inputs[i], builder->rows);
}

/* Adds "; age: is missing" as far as there is room. */
static void add_fault(const struct row_builder *builder, size_t column, const char *fault,
                      char faults[ROW_FAULTS_MAX])
{
    size_t length = strlen(faults);
    const char *between = length == 0 ? "" : "; ";
    if (builder->layout->names != NULL) {
        struct text name = builder->layout->names[column];
        snprintf(faults + length, ROW_FAULTS_MAX - length, "%s%.*s: %s", between,
                 (int)(name.length < NAME_SHOWN_MAX ? name.length : NAME_SHOWN_MAX), name.at, fault);
    } else {
        snprintf(faults + length, ROW_FAULTS_MAX - length, "%scolumn %zu: %s", between, column + 1, fault);
    }
}

static void list_faults(const struct row_builder *builder, const struct row_value *values,
                        char faults[ROW_FAULTS_MAX])
{
    uint8_t place[ELEMENT_BYTES_MAX];
    char words[WORDS_MAX];
    faults[0] = '\0';
    for (size_t i = 0; i < builder->width && strlen(faults) < ROW_FAULTS_MAX - 1; i++) {
        const struct column *column = &builder->columns[i];
        const char *fault = column->datatype == DATATYPE_BYTES
                                ? string_fault(builder, column, &values[i], words)
                                : element_fault(builder, column, &values[i], place, words);
        if (fault != NULL)
            add_fault(builder, i, fault, faults);
    }
}

bool row_builder_add(struct row_builder *builder, const struct row_value *values, char faults[ROW_FAULTS_MAX])
{
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    ENSURE(builder->width > 0 && builder->rows < builder->rows_max);
    const struct layout *layout = builder->layout;
    bool good = true;
    grow_ends(builder);
    for (size_t i = 0; good && i < layout->input_count; i++) {
        size_t first = layout->inputs[i].first, width = layout_columns(layout, i, builder->width);
        good =
            builder->inputs[i].row_bytes == 0
                ? put_strings(builder, builder->columns + first, width, values + first, &builder->inputs[i])
                : put_numbers(builder, builder->columns + first, width, values + first, &builder->inputs[i]);
    }
    if (good) {
        builder->rows++;
        return true;
    }
    cut(builder);
    list_faults(builder, values, faults);
    return false;
}

/* ---- rows ---- */

size_t row_builder_rows(const struct row_builder *builder)
{
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    return builder->rows;
}

bool row_builder_full(const struct row_builder *builder)
{
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    return builder->rows == builder->rows_max;
}

void row_builder_drop(struct row_builder *builder)
{
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    ENSURE(builder->rows > 0);
    builder->rows--;
    cut(builder);
}

void row_builder_clear(struct row_builder *builder)
{
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    builder->rows = 0;
    cut(builder);
}

const uint8_t *row_builder_payload(struct row_builder *builder, size_t from, size_t to, size_t *bytes)
{
    CHECK_OBJECT(builder, BUILDER_MAGIC);
    ENSURE(from < to && to <= builder->rows);
    struct tensor tensors[TENSOR_COUNT_MAX];
    size_t count = builder->layout->input_count;
    layout_tensors(builder->layout, to - from, builder->width, tensors);
    for (size_t i = 0; i < count; i++) {
        const struct rows_of *input = &builder->inputs[i];
        size_t begin = bytes_of(input, from);
        tensors[i].data = input->bytes + begin;
        tensors[i].bytes = bytes_of(input, to) - begin;
    }
    *bytes = tensors_encoded_size(tensors, count);
    if (builder->payload_room < *bytes) {
        free(builder->payload);
        builder->payload = object_alloc(builder->payload_room = *bytes);
    }
    ENSURE(tensors_encode(tensors, count, builder->payload, *bytes, NULL) == *bytes);
    return builder->payload;
}
