/* table: rows of text under heads, aligned, coloured on a terminal. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TABLE_H
#define OUTRIGGER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table;

enum tone { TONE_PLAIN, TONE_GOOD, TONE_BUSY, TONE_BAD };

/* `heads` are the columns' names, constants; one that starts with '>' is a column of numbers, aligned to the
 * right. */
struct table *table_new(const char *const *heads, size_t columns);
void table_free(struct table *table);
/* The next cell, from left to right, then in the next row. Control characters are shown as '?'. */
void table_cell(struct table *table, enum tone tone, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Prints nothing for a table without rows. */
void table_print(const struct table *table, FILE *out, bool coloured);

#endif
