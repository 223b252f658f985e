/* columns: see columns.h. Called by the collector's drift_window.c and by baseline_builder.c.
 * SPDX-License-Identifier: MIT */
#include "columns.h"

#include "roles.h"

#include <math.h>

const struct tensor *columns_tensor(const struct tensor *tensors, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (text_is(tensors[i].name, name))
            return &tensors[i];
    return NULL;
}

struct column_value columns_value(const struct tensor *tensor, size_t row, size_t column,
                                  struct columns_cursor *cursor)
{
    struct column_value value = {.number = NAN};
    size_t index = row * value_columns(tensor) + column;
    if (tensor->datatype != DATATYPE_BYTES) {
        value.number = value_number(tensor, index);
        value.missing = !isfinite(value.number);
        return value;
    }
    if (cursor->index > index)
        *cursor = (struct columns_cursor){0};
    for (; cursor->index <= index; cursor->index++)
        value.text = value_bytes(tensor, &cursor->offset);
    value.missing = value.text.length == 0;
    return value;
}
