/* object: checks at the door of our own structs, and how text is passed without copying.
 *
 * Every opaque struct starts with `unsigned magic`. CHECK_OBJECT at the head of a public function turns a
 * stale or foreign pointer into an abort with a line number, in production too: the supervisor restarts the
 * process. These are assertions about our own mistakes; bytes from outside never reach one (they are
 * refused). SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OBJECT_H
#define OUTRIGGER_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Prints "file:line: assertion failed: text" to stderr and aborts. */
_Noreturn void object_panic(const char *file, int line, const char *text);

/* An assertion that stays on in production. */
#define ENSURE(condition)                                                                                    \
    do {                                                                                                     \
        if (__builtin_expect(!(condition), 0))                                                               \
            object_panic(__FILE__, __LINE__, #condition);                                                    \
    } while (0)

#define CHECK_OBJECT(object, expected_magic) ENSURE((object) != NULL && (object)->magic == (expected_magic))

/* Memory or abort: a process that cannot get memory for a few bytes is better restarted than half alive.
 * Sizes that come from outside are bounded before they reach these. The memory is zeroed. */
void *object_alloc(size_t bytes);
char *object_strdup(const char *text);

/* A view of characters that somebody else owns; not terminated. */
struct text {
    const char *at;
    size_t length;
};

static inline struct text text_of(const char *string)
{
    return (struct text){.at = string, .length = string == NULL ? 0 : strlen(string)};
}

static inline bool text_is(struct text text, const char *string)
{
    size_t length = strlen(string);
    return text.length == length && (length == 0 || memcmp(text.at, string, length) == 0);
}

/* The view without spaces and tabs around it. */
static inline struct text text_trim(struct text text)
{
    while (text.length > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
        text = (struct text){text.at + 1, text.length - 1};
    while (text.length > 0 && (text.at[text.length - 1] == ' ' || text.at[text.length - 1] == '\t'))
        text.length--;
    return text;
}

/* Copies the view into `buffer` with a terminator, cutting what does not fit. Returns `buffer`. */
char *text_copy(struct text text, char *buffer, size_t capacity);

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
