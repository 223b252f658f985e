/* value: what may be written after an option or as an operand, and how it is read. Pure.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_VALUE_H
#define OUTRIGGER_VALUE_H

#include "object.h"

/* The kinds; see value_expected for what each of them takes. */
enum value_kind {
    VALUE_NONE, /* a flag: no value at all */
    VALUE_TEXT,
    VALUE_FILE,     /* a path */
    VALUE_SETTING,  /* section.name=value */
    VALUE_MODEL,    /* a model's name */
    VALUE_VERSION,  /* a version's name */
    VALUE_WORD,     /* one of those that the row lists, a|b|c */
    VALUE_COUNT,    /* a whole number, not negative */
    VALUE_SECONDS,  /* a duration; a number alone is seconds */
    VALUE_DURATION, /* a duration with its unit: ms, s, m, h */
    VALUE_PERCENT,  /* 0.1%: with its sign, since 0.1 alone might be meant as a tenth */
    VALUE_PERCENTS, /* 1,5,25,100: percents, the sign may be left out */
    VALUE_SIZE      /* bytes; K, M, G are powers of 1024 */
};

/* A value read: which members are set depends on the kind. */
struct value {
    const char *text; /* as it was written */
    int64_t number;   /* COUNT; SECONDS and DURATION in milliseconds; SIZE in bytes */
    double fraction;  /* PERCENT: 0 to 1 */
};

enum { VALUE_PERCENTS_MAX = 32 };

/* Reads `text` as the kind says. `words` are those of WORD, else not looked at. False when it is not one. */
bool value_read(enum value_kind kind, const char *words, const char *text, struct value *value);
/* "a duration such as 200ms, 10s or 10m", for complaints. */
const char *value_expected(enum value_kind kind, const char *words);

/* A number with an optional "%" (must there be one?) as a fraction of 1. False for what is not in 0 to 100.
 */
bool value_percent(const char *text, bool sign_required, double *fraction);
/* The list of PERCENTS as fractions of 1. Returns how many, 0 when the list is wrong or longer than the room.
 */
size_t value_percents(const char *text, double *fractions, size_t capacity);

/* The words of a|b|c, one after the other: starts with *at = words; false at the end. */
bool value_next_word(const char **at, struct text *word);
/* The word of a|b|c that was most likely meant; an empty text when none is like it. */
struct text value_nearest_word(const char *words, const char *text);

#endif
