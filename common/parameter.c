/* parameter: the table's side of reading a configuration: defaults, finding a row (or the nearest one to what
 * was mistyped), bounds, storing, complaints. It knows nothing of libconfig (parameter_file.c does), so a
 * value of the command line and one of a file pass the same checks and give the same sentences.
 * SPDX-License-Identifier: MIT */
#include "parameter_reader.h"

#include "nearest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#define PARAMETER_READER_MAGIC 0x70617261u

/* ---- the table ---- */

static void *member_of(void *target, const struct parameter *row)
{
    return (char *)target + row->offset;
}

static void set_string(char **member, const char *text)
{
    char *copy = object_strdup(text);
    free(*member);
    *member = copy;
}

void config_names_free(struct config_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct config_names){0};
}

void parameters_default(const struct parameter_table *table, void *target)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct parameter *row = &table->rows[i];
        if (row->kind == PARAMETER_INTEGER)
            *(int64_t *)member_of(target, row) = row->standard;
        else if (row->kind == PARAMETER_REAL)
            *(double *)member_of(target, row) = row->standard_real;
        else if (row->kind == PARAMETER_STRING)
            set_string(member_of(target, row), row->standard_text);
    }
}

void parameters_free(const struct parameter_table *table, void *target)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct parameter *row = &table->rows[i];
        if (row->kind == PARAMETER_STRING)
            free(*(char **)member_of(target, row));
        else if (row->kind == PARAMETER_NAMES)
            config_names_free(member_of(target, row));
    }
}

char *parameter_path(const struct parameter *row, char path[PARAMETER_PATH_MAX])
{
    snprintf(path, PARAMETER_PATH_MAX, "%s%s%s", row->section, *row->section == '\0' ? "" : ".", row->name);
    return path;
}

const struct parameter *parameter_find(const struct parameter_table *table, const char *path)
{
    char known[PARAMETER_PATH_MAX];
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(parameter_path(&table->rows[i], known), path) == 0)
            return &table->rows[i];
    return NULL;
}

const struct parameter_group *parameter_find_group(const struct parameter_table *table, const char *name)
{
    for (size_t i = 0; i < table->group_count; i++)
        if (strcmp(table->groups[i].name, name) == 0)
            return &table->groups[i];
    return NULL;
}

bool parameter_is_yes_no(const struct parameter *row)
{
    return row->kind == PARAMETER_INTEGER && strcmp(row->unit, "yes/no") == 0;
}

/* The row that somebody who wrote `path` most likely meant. A name that is right but in the wrong section
 * counts as one slip. */
static const struct parameter *nearest_row(const struct parameter_table *table, const char *path)
{
    const char *dot = strrchr(path, '.');
    const char *name = dot == NULL ? path : dot + 1;
    const struct parameter *nearest = NULL;
    size_t least = SIZE_MAX;
    char known[PARAMETER_PATH_MAX];
    for (size_t i = 0; i < table->count; i++) {
        bool moved = strcmp(table->rows[i].name, name) == 0;
        parameter_path(&table->rows[i], known);
        size_t distance = moved ? 1 : nearest_distance(known, path);
        if (distance < least && (moved || nearest_plausible(known, path))) {
            least = distance;
            nearest = &table->rows[i];
        }
    }
    return nearest;
}

/* ---- the reader ---- */

struct parameter_reader *parameter_reader_new(const struct parameter_table *table, void *target,
                                              const char *source, struct config_errors *errors)
{
    struct parameter_reader *reader = object_alloc(sizeof *reader);
    reader->magic = PARAMETER_READER_MAGIC;
    reader->table = table;
    reader->target = target;
    reader->source = source;
    reader->errors = errors;
    reader->origins = object_alloc(table->count * sizeof(char *));
    return reader;
}

void parameter_reader_free(struct parameter_reader *reader)
{
    if (reader == NULL)
        return;
    CHECK_OBJECT(reader, PARAMETER_READER_MAGIC);
    for (size_t i = 0; i < reader->table->count; i++)
        free(reader->origins[i]);
    free(reader->origins);
    reader->magic = 0;
    free(reader);
}

void parameter_complain(struct parameter_reader *reader, const void *member, const char *format, ...)
{
    CHECK_OBJECT(reader, PARAMETER_READER_MAGIC);
    char reason[512], path[PARAMETER_PATH_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    size_t i = 0;
    while (i < reader->table->count && member_of(reader->target, &reader->table->rows[i]) != member)
        i++;
    ENSURE(i < reader->table->count); /* a member of the target */
    const char *origin = reader->origins[i] != NULL ? reader->origins[i] : reader->source;
    config_complain(reader->errors, "%s%s%s: %s", origin, *origin == '\0' ? "" : ": ",
                    parameter_path(&reader->table->rows[i], path), reason);
}

/* ---- storing a value ---- */

char *parameter_show(const struct parameter_value *value, char text[PARAMETER_SHOWN_MAX])
{
    switch (value->kind) {
    case VALUE_INTEGER:
        snprintf(text, PARAMETER_SHOWN_MAX, "%" PRId64, value->integer);
        break;
    case VALUE_REAL:
        snprintf(text, PARAMETER_SHOWN_MAX, "a floating-point number");
        break;
    case VALUE_TRUTH:
        snprintf(text, PARAMETER_SHOWN_MAX, "%s", value->integer != 0 ? "true" : "false");
        break;
    case VALUE_TEXT:
        snprintf(text, PARAMETER_SHOWN_MAX, "\"%.60s\"%s", value->text,
                 strlen(value->text) > 60 ? "..." : "");
        break;
    case VALUE_NAMES:
        snprintf(text, PARAMETER_SHOWN_MAX, "a list");
        break;
    case VALUE_OTHER:
        snprintf(text, PARAMETER_SHOWN_MAX, "%s", value->text);
        break;
    }
    return text;
}

static bool store_integer(struct parameter_reader *reader, const char *origin, const struct parameter *row,
                          const struct parameter_value *value)
{
    char path[PARAMETER_PATH_MAX], shown[PARAMETER_SHOWN_MAX];
    bool yes_no = parameter_is_yes_no(row);
    bool type_fits = value->kind == VALUE_INTEGER || (value->kind == VALUE_TRUTH && yes_no);
    if (type_fits && value->integer >= row->minimum && value->integer <= row->maximum) {
        *(int64_t *)member_of(reader->target, row) = value->integer;
        return true;
    }
    parameter_path(row, path);
    parameter_show(value, shown);
    if (yes_no)
        config_complain(reader->errors, "%s: %s: expected true or false, got %s", origin, path, shown);
    else
        config_complain(reader->errors,
                        "%s: %s: expected an integer from %" PRId64 " to %" PRId64 " (%s), got %s", origin,
                        path, row->minimum, row->maximum, row->unit, shown);
    return false;
}

static bool store_real(struct parameter_reader *reader, const char *origin, const struct parameter *row,
                       const struct parameter_value *value)
{
    char path[PARAMETER_PATH_MAX], shown[PARAMETER_SHOWN_MAX];
    double real = value->kind == VALUE_INTEGER ? (double)value->integer : value->real;
    bool type_fits = value->kind == VALUE_INTEGER || value->kind == VALUE_REAL;
    if (type_fits && real >= row->minimum_real && real <= row->maximum_real) {
        *(double *)member_of(reader->target, row) = real;
        return true;
    }
    if (type_fits)
        snprintf(shown, sizeof shown, "%g", real);
    else
        parameter_show(value, shown);
    config_complain(reader->errors, "%s: %s: expected a number from %g to %g (%s), got %s", origin,
                    parameter_path(row, path), row->minimum_real, row->maximum_real, row->unit, shown);
    return false;
}

/* Texts become paths, names and lines of a log: a control character in one is a mistake. */
static bool is_one_line(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

static bool store_string(struct parameter_reader *reader, const char *origin, const struct parameter *row,
                         const struct parameter_value *value)
{
    char path[PARAMETER_PATH_MAX], shown[PARAMETER_SHOWN_MAX];
    const char *expected = NULL;
    if (value->kind != VALUE_TEXT)
        expected = "a text in quotation marks";
    else if (strlen(value->text) > PARAMETER_STRING_MAX)
        expected = "a shorter text (at most 4095 bytes)";
    else if (!is_one_line(value->text))
        expected = "a text without control characters";
    if (expected == NULL)
        set_string(member_of(reader->target, row), value->text);
    else
        config_complain(reader->errors, "%s: %s: expected %s, got %s", origin, parameter_path(row, path),
                        expected, parameter_show(value, shown));
    return expected == NULL;
}

static bool store_names(struct parameter_reader *reader, const char *origin, const struct parameter *row,
                        struct parameter_value *value)
{
    char path[PARAMETER_PATH_MAX], shown[PARAMETER_SHOWN_MAX];
    parameter_path(row, path);
    if (value->kind != VALUE_NAMES) {
        config_complain(reader->errors, "%s: %s: expected a list of texts, as ( \"a\", \"b\" ), got %s",
                        origin, path, parameter_show(value, shown));
        return false;
    }
    for (size_t i = 0; i < value->names.count; i++) {
        const char *name = value->names.names[i];
        if (*name != '\0' && strlen(name) <= PARAMETER_NAME_MAX && is_one_line(name))
            continue;
        config_complain(reader->errors,
                        "%s: %s: element %zu: expected a text of 1 to %d bytes without control characters",
                        origin, path, i, PARAMETER_NAME_MAX);
        return false;
    }
    struct config_names *member = member_of(reader->target, row);
    config_names_free(member);
    *member = value->names;
    value->names = (struct config_names){0};
    return true;
}

static void refuse_unknown(struct parameter_reader *reader, const char *origin, const char *path)
{
    const struct parameter *nearest = nearest_row(reader->table, path);
    char known[PARAMETER_PATH_MAX];
    if (nearest == NULL)
        config_complain(reader->errors, "%s: %.200s: unknown key", origin, path);
    else
        config_complain(reader->errors, "%s: %.200s: unknown key; the nearest known is %s", origin, path,
                        parameter_path(nearest, known));
}

void parameter_assign(struct parameter_reader *reader, const char *origin, const char *path,
                      struct parameter_value *value)
{
    CHECK_OBJECT(reader, PARAMETER_READER_MAGIC);
    const struct parameter *row = parameter_find(reader->table, path);
    bool stored = false;
    if (row == NULL)
        refuse_unknown(reader, origin, path);
    else if (row->kind == PARAMETER_INTEGER)
        stored = store_integer(reader, origin, row, value);
    else if (row->kind == PARAMETER_REAL)
        stored = store_real(reader, origin, row, value);
    else if (row->kind == PARAMETER_STRING)
        stored = store_string(reader, origin, row, value);
    else
        stored = store_names(reader, origin, row, value);
    if (stored)
        set_string(&reader->origins[row - reader->table->rows], origin);
    config_names_free(&value->names);
}

/* ---- the command line ---- */

/* A table without sections. */
static bool is_flat(const struct parameter_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        if (*table->rows[i].section != '\0')
            return false;
    return true;
}

/* The text as what the row wants, as far as it is that; the checks of parameter_assign say the rest. */
static struct parameter_value value_of_text(const struct parameter *row, const char *text)
{
    struct parameter_value value = {.kind = VALUE_TEXT, .text = text};
    char *end;
    errno = 0;
    if (row != NULL && row->kind == PARAMETER_REAL) {
        double real = strtod(text, &end);
        return end != text && *end == '\0' ? (struct parameter_value){.kind = VALUE_REAL, .real = real}
                                           : value;
    }
    if (row == NULL || row->kind != PARAMETER_INTEGER)
        return value;
    long long integer = strtoll(text, &end, 10);
    bool digits_only = text[strspn(text, "+-0123456789")] == '\0';
    if (end != text && digits_only && *end == '\0' && errno == 0)
        return (struct parameter_value){.kind = VALUE_INTEGER, .integer = integer};
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return (struct parameter_value){.kind = VALUE_TRUTH, .integer = *text == 't'};
    return value;
}

void parameter_set_by(struct parameter_reader *reader, const char *option, const char *setting)
{
    CHECK_OBJECT(reader, PARAMETER_READER_MAGIC);
    const char *equals = strchr(setting, '=');
    if (equals == NULL || equals == setting) {
        config_complain(reader->errors, "%s: expected %s, got \"%.200s\"", option,
                        is_flat(reader->table) ? "NAME=VALUE" : "SECTION.NAME=VALUE", setting);
        return;
    }
    char *path = object_strdup(setting);
    path[equals - setting] = '\0';
    struct parameter_value value = value_of_text(parameter_find(reader->table, path), equals + 1);
    parameter_assign(reader, option, path, &value);
    free(path);
}

void parameter_set(struct parameter_reader *reader, const char *setting)
{
    parameter_set_by(reader, "--set", setting);
}
