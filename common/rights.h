/* rights: what one may do. The names are those of scopes, of keys and of tokens alike.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_RIGHTS_H
#define OUTRIGGER_RIGHTS_H

#include "object.h"

#define RIGHTS(X)                                                                                            \
    X(PREDICT, "predict", 1)                                                                                 \
    X(FEEDBACK, "feedback", 2)                                                                               \
    X(METRICS, "metrics", 4)                                                                                 \
    X(ADMIN, "admin", 8)

enum right {
    RIGHT_NONE = 0, /* everybody may */
#define X(name, text, bit) RIGHT_##name = bit,
    RIGHTS(X)
#undef X
        RIGHTS_ALL = 15
};

/* The right of that name; RIGHT_NONE for another word. */
enum right right_of(struct text word);
/* "predict"; "" for what is no right. */
const char *right_text(enum right right);
/* Adds up words parted by commas or blanks. False when one is none of ours: it is copied to `word`. */
enum { RIGHTS_WORD_MAX = 40 };
bool rights_read(const char *text, unsigned *rights, char word[RIGHTS_WORD_MAX]);
/* "predict metrics", or with another separator. Returns `text`. */
enum { RIGHTS_TEXT_MAX = 40 };
char *rights_text(unsigned rights, char separator, char text[RIGHTS_TEXT_MAX]);

#endif
