/* oip_classes: see oip_classes.h. Values are written as std::to_string has them, since that is what clients
 * of the extension have always read. Called by oip_response.c. SPDX-License-Identifier: MIT */
#include "oip_classes.h"

#include "roles.h"

#include <endian.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { VALUE_MAX = 400 /* bytes of the largest double with six digits behind its point, and of an index */ };

bool oip_classes_possible(enum datatype datatype)
{
    return datatype != DATATYPE_BYTES && datatype != DATATYPE_BOOL;
}

/* One row while it is put in order. */
struct row {
    const struct tensor *tensor;
    size_t first; /* of its values */
};

/* A NaN is smaller than all others. */
static int compare_floats(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a < b) - (a > b);
}

static int compare_integers(const struct tensor *tensor, uint64_t a, uint64_t b)
{
    if (value_is_signed(tensor))
        return ((int64_t)a < (int64_t)b) - ((int64_t)a > (int64_t)b);
    return (a < b) - (a > b);
}

/* The larger value first; of equal ones the one that comes first. */
static int compare(const void *left, const void *right, void *self)
{
    const struct row *row = self;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    const struct tensor *tensor = row->tensor;
    int order = value_is_float(tensor)
                    ? compare_floats(value_float(tensor, row->first + a), value_float(tensor, row->first + b))
                    : compare_integers(tensor, value_integer(tensor, row->first + a),
                                       value_integer(tensor, row->first + b));
    return order != 0 ? order : (a > b) - (a < b);
}

static size_t print_value(const struct tensor *tensor, size_t index, char text[VALUE_MAX])
{
    if (value_is_float(tensor))
        return (size_t)snprintf(text, VALUE_MAX, "%f", value_float(tensor, index));
    if (value_is_signed(tensor))
        return (size_t)snprintf(text, VALUE_MAX, "%" PRId64, (int64_t)value_integer(tensor, index));
    return (size_t)snprintf(text, VALUE_MAX, "%" PRIu64, value_integer(tensor, index));
}

static void add_class(struct output *room, const struct row *row, uint32_t index, const struct schema *schema)
{
    char text[VALUE_MAX];
    size_t length = print_value(row->tensor, row->first + index, text);
    length += (size_t)snprintf(text + length, VALUE_MAX - length, ":%u", index);
    const char *label = index < schema->label_count ? schema->labels[index] : NULL;
    size_t all = length + (label == NULL ? 0 : 1 + strlen(label));
    uint32_t prefix = htole32((uint32_t)all);
    output_add(room, (const char *)&prefix, sizeof prefix);
    output_add(room, text, length);
    if (label != NULL) {
        output_add_char(room, ':');
        output_add_string(room, label);
    }
}

void oip_classes_make(const struct tensor *values, const struct schema *schema, uint32_t count,
                      struct tensor *classes, struct output *room)
{
    size_t columns = value_columns(values), rows = (size_t)values->shape[0];
    ENSURE(columns <= UINT32_MAX);
    count = count < columns ? count : (uint32_t)columns;
    uint32_t *order = object_alloc((columns + 1) * sizeof *order);
    for (size_t i = 0; i < rows; i++) {
        struct row row = {values, i * columns};
        for (uint32_t j = 0; j < columns; j++)
            order[j] = j;
        qsort_r(order, columns, sizeof *order, compare, &row);
        for (uint32_t j = 0; j < count; j++)
            add_class(room, &row, order[j], schema);
    }
    free(order);
    *classes = (struct tensor){.name = values->name,
                               .datatype = DATATYPE_BYTES,
                               .rank = 2,
                               .shape = {(int64_t)rows, count},
                               .data = (const uint8_t *)room->bytes,
                               .bytes = room->length};
}
