/* parameter_print: the table as a commented libconfig file in which every parameter has its default: the
 * template that `outrigger check --template` gives, from the same rows that the parser uses.
 * SPDX-License-Identifier: MIT */
#include "parameter.h"

#include <ctype.h>
#include <inttypes.h>

enum { LINE_WIDTH = 110 };

/* The text as comment lines, broken between words. */
static void print_comment(FILE *out, int indent, const char *text)
{
    int room = LINE_WIDTH - indent - 2;
    while (*text != '\0') {
        int length = (int)strlen(text);
        if (length > room) {
            length = room;
            while (length > 0 && text[length] != ' ')
                length--;
            if (length == 0)
                length = room;
        }
        fprintf(out, "%*s# %.*s\n", indent, "", length, text);
        text += length;
        text += strspn(text, " ");
    }
}

static void print_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++)
        fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    fputc('"', out);
}

static void print_integer(FILE *out, const struct parameter *row)
{
    if (parameter_is_yes_no(row))
        fputs(row->standard != 0 ? "true" : "false", out);
    else
        fprintf(out, "%" PRId64 "%s", row->standard, row->standard > INT32_MAX ? "L" : "");
}

/* libconfig tells a real number from a whole one by its point or exponent. */
static void print_real(FILE *out, double real)
{
    char text[32];
    snprintf(text, sizeof text, "%.15g", real);
    fprintf(out, "%s%s", text, strpbrk(text, ".e") == NULL ? ".0" : "");
}

static void print_row(FILE *out, const struct parameter *row)
{
    int indent = *row->section == '\0' ? 0 : 4;
    char comment[1024];
    if (row->kind == PARAMETER_REAL)
        snprintf(comment, sizeof comment, "%s (%s, %g to %g)", row->text, row->unit, row->minimum_real,
                 row->maximum_real);
    else if (row->kind != PARAMETER_INTEGER)
        snprintf(comment, sizeof comment, "%s", row->text);
    else if (parameter_is_yes_no(row))
        snprintf(comment, sizeof comment, "%s (true or false)", row->text);
    else
        snprintf(comment, sizeof comment, "%s (%s, %" PRId64 " to %" PRId64 ")", row->text, row->unit,
                 row->minimum, row->maximum);
    print_comment(out, indent, comment);
    fprintf(out, "%*s%s = ", indent, "", row->name);
    if (row->kind == PARAMETER_INTEGER)
        print_integer(out, row);
    else if (row->kind == PARAMETER_REAL)
        print_real(out, row->standard_real);
    else if (row->kind == PARAMETER_STRING)
        print_text(out, row->standard_text);
    else
        fputs("( )", out);
    fputs(";\n", out);
}

/* Rows of one section stand together in the tables. */
void parameters_print(const struct parameter_table *table, FILE *out)
{
    const char *open = "";
    for (size_t i = 0; i < table->count; i++) {
        const struct parameter *row = &table->rows[i];
        bool same = strcmp(row->section, open) == 0;
        if (!same && *open != '\0')
            fputs("};\n", out);
        fputc('\n', out);
        if (!same && *row->section != '\0')
            fprintf(out, "%s =\n{\n", row->section);
        open = row->section;
        print_row(out, row);
    }
    if (*open != '\0')
        fputs("};\n", out);
    for (size_t i = 0; i < table->group_count; i++)
        table->groups[i].print(out);
}
