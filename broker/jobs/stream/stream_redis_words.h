/* stream_redis_words: a command to Redis as it goes over the wire, word by word. Pure.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STREAM_REDIS_WORDS_H
#define OUTRIGGER_STREAM_REDIS_WORDS_H

#include "object.h"

/* Zeroed = empty. Owns its memory. */
struct redis_words {
    char *memory;
    size_t length; /* of the words, behind the room for their number */
    size_t capacity;
    uint32_t count;
};

void redis_words_add(struct redis_words *words, struct text word);
void redis_words_add_string(struct redis_words *words, const char *word);
void redis_words_add_number(struct redis_words *words, int64_t number);
/* The command as it goes out; good until a word is added or they are freed. */
struct text redis_words_command(struct redis_words *words);
/* Empties them; the memory stays. */
void redis_words_clear(struct redis_words *words);
void redis_words_free(struct redis_words *words);

#endif
