/* table: collects all cells first, since a column is as wide as its widest. SPDX-License-Identifier: MIT */
#include "table.h"

#include "object.h"

#include <stdarg.h>
#include <stdlib.h>

#define TABLE_MAGIC 0x7461626cu

struct cell {
    char *text;
    enum tone tone;
};

struct table {
    unsigned magic;
    const char *const *heads;
    size_t columns;
    struct cell *cells; /* row by row */
    size_t count;
    size_t capacity;
};

struct table *table_new(const char *const *heads, size_t columns)
{
    struct table *table = object_alloc(sizeof *table);
    table->magic = TABLE_MAGIC;
    table->heads = heads;
    table->columns = columns;
    return table;
}

void table_free(struct table *table)
{
    if (table == NULL)
        return;
    CHECK_OBJECT(table, TABLE_MAGIC);
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].text);
    free(table->cells);
    table->magic = 0;
    free(table);
}

void table_cell(struct table *table, enum tone tone, const char *format, ...)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    if (table->count == table->capacity) {
        table->capacity = table->capacity == 0 ? 64 : table->capacity * 2;
        table->cells = realloc(table->cells, table->capacity * sizeof(struct cell));
        ENSURE(table->cells != NULL);
    }
    struct cell *cell = &table->cells[table->count++];
    va_list arguments;
    va_start(arguments, format);
    ENSURE(vasprintf(&cell->text, format, arguments) >= 0);
    va_end(arguments);
    cell->tone = tone;
    for (char *at = cell->text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
}

/* Characters of UTF-8: all bytes but continuations. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static bool is_number(const struct table *table, size_t column)
{
    return table->heads[column][0] == '>';
}

static const char *head(const struct table *table, size_t column)
{
    return table->heads[column] + is_number(table, column);
}

static int column_width(const struct table *table, size_t column)
{
    int widest = width_of(head(table, column));
    for (size_t i = column; i < table->count; i += table->columns)
        if (width_of(table->cells[i].text) > widest)
            widest = width_of(table->cells[i].text);
    return widest;
}

/* Pads on the side that the column is not aligned to; the last column needs none on its right. */
static void print_cell(const struct table *table, size_t column, int width, const char *text,
                       const char *colour, FILE *out)
{
    int padding = width - width_of(text);
    bool is_last = column + 1 == table->columns;
    fprintf(out, "%*s%s%s%s", is_number(table, column) ? padding : 0, "", colour, text,
            *colour == '\0' ? "" : "\033[0m");
    if (is_last)
        fputc('\n', out);
    else
        fprintf(out, "%*s", (is_number(table, column) ? 0 : padding) + 2, "");
}

void table_print(const struct table *table, FILE *out, bool coloured)
{
    static const char *const colours[] = {
        [TONE_PLAIN] = "", [TONE_GOOD] = "\033[32m", [TONE_BUSY] = "\033[33m", [TONE_BAD] = "\033[31m"};
    CHECK_OBJECT(table, TABLE_MAGIC);
    if (table->count == 0)
        return;
    ENSURE(table->columns > 0);
    int *widths = object_alloc(table->columns * sizeof(int));
    for (size_t column = 0; column < table->columns; column++)
        widths[column] = column_width(table, column);
    for (size_t column = 0; column < table->columns; column++)
        print_cell(table, column, widths[column], head(table, column), coloured ? "\033[1m" : "", out);
    for (size_t i = 0; i < table->count; i++) {
        const struct cell *cell = &table->cells[i];
        size_t column = i % table->columns;
        print_cell(table, column, widths[column], cell->text, coloured ? colours[cell->tone] : "", out);
    }
    free(widths);
}
