/* cell: texts become the values that JSON would have had, so that both meet the same rules in element.c.
 * Called for each field that decimal.h does not read at once. SPDX-License-Identifier: MIT */
#include "cell.h"

#include "element.h"
#include "utf8.h"

#include <math.h>
#include <stdio.h>
#include <strings.h>

_Static_assert((int)ELEMENT_TEXT_MAX <= (int)CELL_TEXT_MAX, "the words of element_explain have room");

enum { SHOWN_MAX = 32 /* bytes of a value that are told to who sent it */ };

static void make_real(double number, yyjson_val *value)
{
    value->tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL;
    value->uni.f64 = number;
}

static bool is_word(struct text text, const char *word)
{
    return text.length == strlen(word) && strncasecmp(text.at, word, text.length) == 0;
}

static bool read_bool(struct text text, yyjson_val *value)
{
    if (is_word(text, "true"))
        value->tag = YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_TRUE;
    else if (is_word(text, "false"))
        value->tag = YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_FALSE;
    else
        return false;
    return true;
}

static bool read_number(struct text text, yyjson_val *value)
{
    const char *at = text.at, *end = text.at + text.length;
    if (text.length > 1 && *at == '+' && at[1] >= '0' && at[1] <= '9')
        at++;
    return text.length > 0 && yyjson_read_number(at, value, YYJSON_READ_ALLOW_INF_AND_NAN, NULL, NULL) == end;
}

/* The value of JSON that a trimmed text stands for; false when there is none. */
static bool read_value(enum datatype datatype, struct text text, bool allow_nan, yyjson_val *value)
{
    if (text.length == 0) {
        make_real(NAN, value);
        return allow_nan && datatype_is_float(datatype);
    }
    return (datatype == DATATYPE_BOOL && read_bool(text, value)) || read_number(text, value);
}

bool cell_write(enum datatype datatype, struct text text, bool allow_nan, uint8_t *place)
{
    yyjson_val value;
    return read_value(datatype, text_trim(text), allow_nan, &value) &&
           element_write(datatype, &value, allow_nan, place);
}

static bool is_missing(struct cell cell)
{
    return cell.text.length == 0 && !cell.quoted;
}

bool cell_is_string(struct cell cell, bool allow_nan)
{
    return (allow_nan || !is_missing(cell)) && cell.text.length <= UINT32_MAX && utf8_ok(cell.text);
}

bool cell_is_value(enum datatype datatype, struct text text)
{
    yyjson_val value;
    text = text_trim(text);
    return (datatype == DATATYPE_BOOL && read_bool(text, &value)) || read_number(text, &value);
}

bool cell_read_truth(struct text text, bool *truth)
{
    text = text_trim(text);
    *truth = is_word(text, "true") || is_word(text, "on");
    return *truth || is_word(text, "false") || is_word(text, "off");
}

/* ---- explaining ---- */

static const char *explain_string(struct cell cell, bool allow_nan, char words[CELL_TEXT_MAX])
{
    if (cell_is_string(cell, allow_nan))
        return NULL;
    snprintf(words, CELL_TEXT_MAX, "%s",
             is_missing(cell) ? "expected a string, got nothing (an empty one is written \"\")"
                              : "expected a string in UTF-8");
    return words;
}

const char *cell_explain(enum datatype datatype, struct cell cell, bool allow_nan, char words[CELL_TEXT_MAX])
{
    uint8_t place[ELEMENT_BYTES_MAX];
    yyjson_val value;
    if (datatype == DATATYPE_BYTES)
        return explain_string(cell, allow_nan, words);
    struct text text = text_trim(cell.text);
    int shown = (int)(text.length < SHOWN_MAX ? text.length : SHOWN_MAX);
    if (read_value(datatype, text, allow_nan, &value)) {
        return element_write(datatype, &value, allow_nan, place) ? NULL
                                                                 : element_explain(datatype, &value, words);
    }
    if (text.length == 0)
        snprintf(words, CELL_TEXT_MAX, "expected %s, got nothing", element_expected(datatype));
    else
        snprintf(words, CELL_TEXT_MAX, "expected %s, got \"%.*s\"", element_expected(datatype), shown,
                 text.at);
    return words;
}
