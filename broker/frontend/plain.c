/* plain: see plain.h. A batch is mostly numbers, and a tree of them costs twice as much as reading them: each
 * becomes 16 bytes that are written, looked over and read again. So the one form that nearly every batch has
 * is read here without a tree. It is a short cut and no second reader of JSON: at the first thing that is not
 * of this form it gives up, and decode.c reads the body from the beginning, or says what is wrong with it.
 * A table of CSV has the same short cut, beside csv_rows.c. The numbers are read by decimal.h, which gives
 * the floats of the tree, bit for bit. SPDX-License-Identifier: MIT */
#include "plain.h"

#include "decimal.h"

#include <stdlib.h>

enum { KEPT_MAX = 4 << 20 /* values that a thread keeps memory for */ };

void plain_free(struct plain *plain)
{
    free(plain->values);
    *plain = (struct plain){0};
}

void plain_done(struct plain *plain)
{
    if (plain->capacity > KEPT_MAX)
        plain_free(plain);
}

static void make_room(struct plain *plain, size_t values)
{
    if (values <= plain->capacity)
        return;
    free(plain->values);
    plain->values = malloc(values * sizeof *plain->values);
    ENSURE(plain->values != NULL);
    plain->capacity = values;
}

/* ---- rows ---- */

static inline const char *skip_space(const char *at)
{
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')
        at++;
    return at;
}

/* Behind `character` and the white space around it; NULL when it is not there. */
static const char *pass(const char *at, char character)
{
    at = skip_space(at);
    return *at == character ? skip_space(at + 1) : NULL;
}

/* From behind the bracket that opens the row to behind the one that closes it; NULL: no plain row. */
static const char *read_row(const char *at, float **values)
{
    for (;;) {
        at = decimal_read(at, (*values)++);
        if (at == NULL)
            return NULL;
        at = skip_space(at);
        if (*at != ',')
            return *at == ']' ? skip_space(at + 1) : NULL;
        at = skip_space(at + 1);
    }
}

/* The same for all rows. */
static const char *read_rows(struct plain *plain, const char *at)
{
    float *values = plain->values;
    for (plain->rows = 0;; plain->rows++) {
        const float *row = values;
        at = pass(at, '[');
        at = at == NULL ? NULL : read_row(at, &values);
        if (at == NULL)
            return NULL;
        if (plain->rows == 0)
            plain->width = (size_t)(values - row);
        if ((size_t)(values - row) != plain->width)
            return NULL;
        if (*at != ',')
            break;
        at++;
    }
    plain->rows++;
    return *at == ']' ? skip_space(at + 1) : NULL;
}

size_t plain_read(struct plain *plain, const char *text, size_t length)
{
    static const char name[] = "\"instances\"";
    const char *at = pass(text, '{');
    if (at == NULL || strncmp(at, name, sizeof name - 1) != 0)
        return 0;
    at = pass(at + sizeof name - 1, ':');
    at = at == NULL ? NULL : pass(at, '[');
    if (at == NULL)
        return 0;
    make_room(plain, length / 2 + 1); /* a value and what separates it from the next are two bytes */
    at = read_rows(plain, at);
    return at == NULL ? 0 : (size_t)(at - text);
}

/* ---- lines of CSV ---- */

/* Behind the ends of lines, of which there may be none. */
static const char *pass_line_ends(const char *at)
{
    for (;;) {
        if (*at == '\r' && at[1] == '\n')
            at++;
        if (*at != '\n')
            return at;
        at++;
    }
}

/* One line, up to what ends it; NULL: it is no plain one. */
static const char *read_line(const char *at, float *row, size_t width, const size_t *column_of)
{
    for (size_t field = 0;; at++) {
        at = decimal_read(at, &row[column_of == NULL ? field : column_of[field]]);
        if (at == NULL || ++field == width)
            return at;
        if (*at != ',')
            return NULL;
    }
}

bool plain_read_lines(struct plain *plain, const char *text, size_t length, size_t width,
                      const size_t *column_of)
{
    make_room(plain,
              length / 2 + width); /* as in plain_read; a line that turns out to be short has room, too */
    plain->width = width;
    plain->rows = 0;
    const char *at = pass_line_ends(text);
    while (at < text + length) {
        at = read_line(at, plain->values + plain->rows * width, width, column_of);
        if (at == NULL)
            return false;
        const char *end = at;
        at = pass_line_ends(at);
        if (at == end && at < text + length)
            return false;
        plain->rows++;
    }
    return plain->rows > 0;
}
