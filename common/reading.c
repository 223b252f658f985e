/* reading: see reading.h. SPDX-License-Identifier: MIT */
#include "reading.h"

#include "nearest.h"

#include <stdarg.h>

void reading_complain(struct reading *reading, const char *field, const char *format, ...)
{
    char complaint[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(complaint, sizeof complaint, format, arguments);
    va_end(arguments);
    reading->faults++;
    reading->fault(reading->self, field, complaint);
}

/* What came, in a few words. */
static const char *show(yyjson_val *value, char shown[READING_SHOWN_MAX])
{
    if (value == NULL || yyjson_is_null(value))
        return "nothing";
    if (yyjson_is_num(value))
        snprintf(shown, READING_SHOWN_MAX, "%.10g", yyjson_get_num(value));
    else if (yyjson_is_bool(value))
        return yyjson_get_bool(value) ? "true" : "false";
    else if (yyjson_is_str(value))
        snprintf(shown, READING_SHOWN_MAX, "\"%.60s\"%s", yyjson_get_str(value),
                 yyjson_get_len(value) > 60 ? "..." : "");
    else
        return yyjson_is_arr(value) ? "a list" : "a section";
    return shown;
}

char *reading_field(const char *parent, const char *name, char field[READING_FIELD_MAX])
{
    snprintf(field, READING_FIELD_MAX, "%.40s%s%.40s", parent, *parent == '\0' ? "" : ".", name);
    return field;
}

void reading_expect(struct reading *reading, const char *field, const char *expected, yyjson_val *value)
{
    char shown[READING_SHOWN_MAX];
    reading_complain(reading, field, "expected %s, got %s", expected, show(value, shown));
}

void reading_check_keys(struct reading *reading, const char *field, yyjson_val *object,
                        const char *const *known, size_t count)
{
    size_t index, size;
    yyjson_val *key, *value;
    if (reading->lenient)
        return;
    yyjson_obj_foreach(object, index, size, key, value)
    {
        const char *name = yyjson_get_str(key), *nearest = NULL;
        char place[READING_FIELD_MAX];
        size_t i = 0;
        while (i < count && !yyjson_equals_str(key, known[i]))
            i++;
        if (i < count)
            continue;
        for (i = 0; i < count; i++)
            if (nearest_plausible(known[i], name) &&
                (nearest == NULL || nearest_distance(known[i], name) < nearest_distance(nearest, name)))
                nearest = known[i];
        reading_complain(reading, reading_field(field, name, place), "unknown key%s%s",
                         nearest == NULL ? "" : "; the nearest known is ", nearest == NULL ? "" : nearest);
    }
}
