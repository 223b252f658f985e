/* stream_redis_words: RESP arrays of bulk strings, written once, straight into what is sent, and kept as they
 * are until Redis has answered: answers that were lost with a connection are sent again byte for byte.
 * SPDX-License-Identifier: MIT */
#include "stream_redis_words.h"

#include "number.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    HEAD_ROOM = 16, /* "*4294967295\r\n" is 13 */
    WORD_ROOM = 32  /* "$18446744073709551615\r\n" and the end of line */
};

static char *room(struct redis_words *words, size_t bytes)
{
    size_t needed = HEAD_ROOM + words->length + bytes;
    if (needed > words->capacity) {
        words->capacity = needed < 512 ? 1024 : needed * 2;
        words->memory = realloc(words->memory, words->capacity);
        ENSURE(words->memory != NULL);
    }
    return words->memory + HEAD_ROOM + words->length;
}

/* Writes $LENGTH\r\n. */
static char *write_head(char *at, size_t length)
{
    char digits[NUMBER_TEXT_MAX];
    size_t count = number_write_unsigned(length, digits);
    *at++ = '$';
    memcpy(at, digits, count);
    at += count;
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

void redis_words_add(struct redis_words *words, struct text word)
{
    char *begin = room(words, WORD_ROOM + word.length), *at = write_head(begin, word.length);
    if (word.length > 0)
        memcpy(at, word.at, word.length);
    at += word.length;
    *at++ = '\r';
    *at++ = '\n';
    words->length += (size_t)(at - begin);
    words->count++;
}

void redis_words_add_string(struct redis_words *words, const char *word)
{
    redis_words_add(words, text_of(word));
}

void redis_words_add_number(struct redis_words *words, int64_t number)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRId64, number);
    redis_words_add(words, (struct text){text, (size_t)length});
}

struct text redis_words_command(struct redis_words *words)
{
    char head[HEAD_ROOM + 1];
    size_t length = (size_t)snprintf(head, sizeof head, "*%" PRIu32 "\r\n", words->count);
    room(words, 0);
    char *begin = words->memory + HEAD_ROOM - length;
    memcpy(begin, head, length);
    return (struct text){begin, length + words->length};
}

void redis_words_clear(struct redis_words *words)
{
    words->length = 0;
    words->count = 0;
}

void redis_words_free(struct redis_words *words)
{
    free(words->memory);
    *words = (struct redis_words){0};
}
