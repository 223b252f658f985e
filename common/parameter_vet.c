/* parameter_vet: what libconfig 1.5 (Debian 12) does wrongly without a word, found before it reads: a whole
 * number of more than 32 bits that has no L is cut to some other number, and an @include of a folder ends the
 * process. A supervisor that is told to reload must survive both. The scanner below knows just enough of the
 * syntax to tell numbers and includes from comments, texts and names. SPDX-License-Identifier: MIT */
#include "parameter_reader.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

/* libconfig itself refuses deeper ones; here the bounds end circles of includes, also those that branch. */
enum { INCLUDE_DEPTH_MAX = 10, INCLUDE_COUNT_MAX = 100 };

struct scan {
    struct config_errors *errors;
    const char *name;
    const char *include_directory;
    const char *at;
    int line;
    int depth;
    int *includes;      /* files included so far, all together */
    bool line_is_blank; /* nothing but blanks so far: an @include may stand here */
    bool good;
};

static void vet_text(struct scan *scan);

static char step(struct scan *scan)
{
    char c = *scan->at++;
    if (c == '\n') {
        scan->line++;
        scan->line_is_blank = true;
    } else if (c != ' ' && c != '\t') {
        scan->line_is_blank = false;
    }
    return c;
}

static bool starts(const struct scan *scan, const char *prefix)
{
    return strncmp(scan->at, prefix, strlen(prefix)) == 0;
}

static void skip_line(struct scan *scan)
{
    while (*scan->at != '\0' && *scan->at != '\n')
        step(scan);
}

static void skip_block_comment(struct scan *scan)
{
    while (*scan->at != '\0' && !starts(scan, "*/"))
        step(scan);
    for (int i = 0; i < 2 && *scan->at != '\0'; i++)
        step(scan);
}

/* Moves past the text whose opening mark is next. */
static void skip_string(struct scan *scan)
{
    step(scan);
    while (*scan->at != '\0' && *scan->at != '"')
        if (step(scan) == '\\' && *scan->at != '\0')
            step(scan);
    if (*scan->at == '"')
        step(scan);
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == '+' || c == '*';
}

/* True for a whole number that does not fit 32 bits (64 with an L), decimal or hexadecimal. */
static bool is_cut(const char *word, size_t length)
{
    char digits[32]; /* longer than any 64-bit number */
    bool is_long = false;
    while (length > 0 && (word[length - 1] == 'L' || word[length - 1] == 'l')) {
        is_long = true;
        length--;
    }
    if (length == 0)
        return false;
    bool hexadecimal = length > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
    size_t start = hexadecimal ? 2 : word[0] == '-' || word[0] == '+';
    for (size_t i = start; i < length; i++)
        if (hexadecimal ? !isxdigit((unsigned char)word[i]) : !isdigit((unsigned char)word[i]))
            return false; /* a name, a fraction, or a mistake that libconfig finds */
    text_copy((struct text){word, length}, digits, sizeof digits);
    errno = 0;
    long long value = strtoll(digits, NULL, hexadecimal ? 16 : 10);
    if (length >= sizeof digits || errno == ERANGE)
        return true;
    return !is_long && (value > INT_MAX || value < INT_MIN);
}

static void vet_word(struct scan *scan)
{
    const char *word = scan->at;
    while (is_word(*scan->at))
        step(scan);
    size_t length = (size_t)(scan->at - word);
    if (!is_cut(word, length))
        return;
    config_complain(scan->errors,
                    "%s:%d: %.*s%s: a whole number above 2147483647 is written with an L at its end, and "
                    "must fit 64 bits",
                    scan->name, scan->line, (int)(length < 40 ? length : 40), word, length < 40 ? "" : "...");
    scan->good = false;
}

static void vet_included_file(struct scan *scan, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return; /* libconfig says so, with the line */
    const char *reason = "is one of more than 100";
    char *text = ++*scan->includes > INCLUDE_COUNT_MAX ? NULL : parameter_slurp(path, &reason);
    if (text == NULL) {
        config_complain(scan->errors, "%s:%d: @include: %s %s", scan->name, scan->line, path, reason);
        scan->good = false;
    } else if (scan->depth < INCLUDE_DEPTH_MAX) {
        struct scan inner = {.errors = scan->errors,
                             .name = path,
                             .include_directory = scan->include_directory,
                             .at = text,
                             .depth = scan->depth + 1,
                             .includes = scan->includes};
        vet_text(&inner);
        scan->good = scan->good && inner.good;
    }
    free(text);
}

/* Looks at the file of an @include both in the directory and, when the path is absolute, as it stands:
 * versions of libconfig differ in that. */
static void vet_include(struct scan *scan)
{
    scan->at += strlen("@include");
    while (*scan->at == ' ' || *scan->at == '\t')
        step(scan);
    if (*scan->at != '"')
        return;
    const char *start = scan->at + 1;
    skip_string(scan);
    size_t length = (size_t)(scan->at - start);
    if (length == 0 || length > PATH_MAX || start[length - 1] != '"')
        return;
    char path[2 * PATH_MAX + 2];
    snprintf(path, sizeof path, "%.*s/%.*s", PATH_MAX, scan->include_directory, (int)(length - 1), start);
    vet_included_file(scan, path);
    if (*start == '/')
        vet_included_file(scan, text_copy((struct text){start, length - 1}, path, sizeof path));
}

static void vet_text(struct scan *scan)
{
    scan->line = 1;
    scan->line_is_blank = true;
    scan->good = true;
    while (*scan->at != '\0' && *scan->includes <= INCLUDE_COUNT_MAX) {
        if (*scan->at == '#' || starts(scan, "//"))
            skip_line(scan);
        else if (starts(scan, "/*"))
            skip_block_comment(scan);
        else if (*scan->at == '"')
            skip_string(scan);
        else if (scan->line_is_blank && starts(scan, "@include"))
            vet_include(scan);
        else if (is_word(*scan->at))
            vet_word(scan);
        else
            step(scan);
    }
}

bool parameter_vet(struct config_errors *errors, const char *name, const char *include_directory,
                   const char *text)
{
    int includes = 0;
    struct scan scan = {.errors = errors,
                        .name = name,
                        .include_directory = include_directory,
                        .at = text,
                        .includes = &includes};
    vet_text(&scan);
    return scan.good;
}
