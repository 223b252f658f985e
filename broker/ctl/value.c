/* value: the readers behind the kinds of values. Numbers are read without a locale's help: the command keeps
 * the C locale's numbers. SPDX-License-Identifier: MIT */
#include "value.h"

#include "nearest.h"
#include "protocol.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { WORD_BYTES = 64 };

/* Longer than anybody waits, and far below what overflows in nanoseconds. */
#define DURATION_MAX_MS (INT64_C(366) * 86400000)

/* A unit and what one of it is worth. */
struct unit {
    const char *name;
    int64_t worth;
};

/* ---- numbers ---- */

/* A decimal number, not negative, neither hexadecimal nor infinite; *end is what follows it. */
static bool read_number(const char *text, double *number, const char **end)
{
    size_t length = strspn(text, "0123456789.");
    char *stop;
    *number = strtod(text, &stop);
    *end = stop;
    return length > 0 && stop == text + length && isfinite(*number);
}

/* Number and unit, "1.5" and "m"; the unit "" is worth `bare`, 0 when it must be said. */
static bool read_measure(const char *text, const struct unit *units, size_t count, int64_t bare,
                         int64_t *worth)
{
    double number;
    const char *end;
    if (!read_number(text, &number, &end))
        return false;
    int64_t unit = *end == '\0' ? bare : 0;
    if (*end == '\0' && number == 0.0)
        unit = 1; /* nothing is nothing in every unit */
    for (size_t i = 0; i < count; i++)
        if (strcmp(end, units[i].name) == 0)
            unit = units[i].worth;
    double product = number * (double)unit;
    if (unit == 0 || product > 9e15)
        return false;
    *worth = (int64_t)llround(product);
    return true;
}

static bool read_duration(const char *text, bool seconds_alone, int64_t *milliseconds)
{
    static const struct unit units[] = {{"ms", 1},      {"s", 1000},    {"m", 60000},
                                        {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
    return read_measure(text, units, COUNT_OF(units), seconds_alone ? 1000 : 0, milliseconds) &&
           *milliseconds <= DURATION_MAX_MS;
}

static bool read_size(const char *text, int64_t *bytes)
{
    static const int64_t K = 1024;
    const struct unit units[] = {{"B", 1},       {"K", K},         {"KiB", K},        {"M", K * K},
                                 {"MiB", K * K}, {"G", K * K * K}, {"GiB", K * K * K}};
    return read_measure(text, units, COUNT_OF(units), 1, bytes);
}

static bool read_count(const char *text, int64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

bool value_percent(const char *text, bool sign_required, double *fraction)
{
    double number;
    const char *end;
    if (!read_number(text, &number, &end) || number > 100)
        return false;
    *fraction = number / 100;
    return strcmp(end, "%") == 0 || (*end == '\0' && (!sign_required || number == 0.0));
}

size_t value_percents(const char *text, double *fractions, size_t capacity)
{
    size_t count = 0;
    for (;;) {
        char part[WORD_BYTES];
        size_t length = strcspn(text, ",");
        text_copy((struct text){text, length}, part, sizeof part);
        if (count == capacity || length >= sizeof part || !value_percent(part, false, &fractions[count]))
            return 0;
        count++;
        if (text[length] == '\0')
            return count;
        text += length + 1;
    }
}

/* ---- words ---- */

bool value_next_word(const char **at, struct text *word)
{
    if (**at == '\0')
        return false;
    *word = (struct text){*at, strcspn(*at, "|")};
    *at += word->length + ((*at)[word->length] == '|');
    return true;
}

static bool is_word(const char *words, const char *text)
{
    struct text word;
    while (value_next_word(&words, &word))
        if (text_is(word, text))
            return true;
    return false;
}

struct text value_nearest_word(const char *words, const char *text)
{
    struct text word, nearest = {"", 0};
    char candidate[WORD_BYTES];
    size_t least = SIZE_MAX;
    while (value_next_word(&words, &word)) {
        text_copy(word, candidate, sizeof candidate);
        size_t distance = nearest_distance(candidate, text);
        if (nearest_plausible(candidate, text) && distance < least) {
            least = distance;
            nearest = word;
        }
    }
    return nearest;
}

/* ---- kinds ---- */

static bool is_setting(const char *text)
{
    const char *equals = strchr(text, '=');
    return equals != NULL && equals != text;
}

bool value_read(enum value_kind kind, const char *words, const char *text, struct value *value)
{
    double percents[VALUE_PERCENTS_MAX];
    *value = (struct value){.text = text};
    switch (kind) {
    case VALUE_MODEL:
    case VALUE_VERSION:
        return protocol_name_ok(text_of(text));
    case VALUE_WORD:
        return is_word(words, text);
    case VALUE_SETTING:
        return is_setting(text);
    case VALUE_COUNT:
        return read_count(text, &value->number);
    case VALUE_SECONDS:
    case VALUE_DURATION:
        return read_duration(text, kind == VALUE_SECONDS, &value->number);
    case VALUE_PERCENT:
        return value_percent(text, true, &value->fraction);
    case VALUE_PERCENTS:
        return value_percents(text, percents, VALUE_PERCENTS_MAX) > 0;
    case VALUE_SIZE:
        return read_size(text, &value->number);
    default:
        return kind != VALUE_FILE || *text != '\0';
    }
}

const char *value_expected(enum value_kind kind, const char *words)
{
    static const char *const expected[] = {
        [VALUE_NONE] = "no value",
        [VALUE_TEXT] = "a text",
        [VALUE_FILE] = "a path",
        [VALUE_SETTING] = "SECTION.NAME=VALUE",
        [VALUE_MODEL] = "a model's name (1 to 128 letters, digits, dots, _ and -, no dot in front)",
        [VALUE_VERSION] = "a version's name (1 to 128 letters, digits, dots, _ and -, no dot in front)",
        [VALUE_COUNT] = "a whole number from 0 on",
        [VALUE_SECONDS] = "a duration such as 30, 30s or 2m",
        [VALUE_DURATION] = "a duration with its unit such as 200ms, 10s or 10m",
        [VALUE_PERCENT] = "a percentage such as 0.1%",
        [VALUE_PERCENTS] = "percentages such as 1,5,25,100",
        [VALUE_SIZE] = "a size such as 4096, 64K, 512M or 2G"};
    return kind == VALUE_WORD ? words : expected[kind];
}
