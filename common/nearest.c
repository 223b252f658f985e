/* nearest: the edit distance behind "the nearest known is ...", for keys of configuration files and for
 * commands. SPDX-License-Identifier: MIT */
#include "nearest.h"

#include <string.h>

enum { WORD_MAX = 64 }; /* no key or command of ours is longer; bounds the row on the stack */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t nearest_distance(const char *a, const char *b)
{
    size_t length_a = strnlen(a, WORD_MAX), length_b = strnlen(b, WORD_MAX);
    size_t row[WORD_MAX + 1]; /* row[j] = distance of a[0..i) and b[0..j) */
    for (size_t j = 0; j <= length_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= length_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length_b; j++) {
            size_t above = row[j];
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            row[j] = least(replaced, least(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[length_b];
}

bool nearest_plausible(const char *a, const char *b)
{
    size_t length_a = strnlen(a, WORD_MAX), length_b = strnlen(b, WORD_MAX);
    return nearest_distance(a, b) * 2 <= (length_a > length_b ? length_a : length_b);
}
