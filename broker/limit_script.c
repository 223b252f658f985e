/* limit_script: see limit_script.h. Called by limit_redis.c.
 *
 * limit.c counts in nanoseconds and parts of one, the script in microseconds and parts of one, of which there
 * are as many as the rate has requests in 1000 s: so both are exact. SPDX-License-Identifier: MIT */
#include "limit_script.h"

#include "clock.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>

/* ---- what it is given ---- */

static void add_word(struct limit_words *words, const char *word, size_t length)
{
    words->at[words->count] = word;
    words->lengths[words->count++] = length;
}

/* Nanoseconds and a part of one, as microseconds and a part of one: exact, as both count in 1 / per_1000s. */
static void add_time(struct limit_words *words, size_t first, const struct limit_rate *rate, uint64_t cells)
{
    ENSURE(rate->per_1000s > 0); /* limit_list_add passes over what does not limit */
    unsigned __int128 total = (unsigned __int128)cells * UINT64_C(1000000000); /* us in 1000 s */
    const uint64_t parts[] = {(uint64_t)(total / rate->per_1000s), (uint64_t)(total % rate->per_1000s)};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        char *number = words->numbers[first + i];
        add_word(words, number, (size_t)snprintf(number, LIMIT_SCRIPT_NUMBER_BYTES, "%" PRIu64, parts[i]));
    }
}

static void add_limit(struct limit_words *words, size_t index, const struct limit *limit)
{
    size_t first = index * LIMIT_SCRIPT_ARGUMENTS;
    add_time(words, first, &limit->rate, limit->cells);
    char *number = words->numbers[first + 2];
    add_word(words, number,
             (size_t)snprintf(number, LIMIT_SCRIPT_NUMBER_BYTES, "%" PRIu64, limit->rate.per_1000s));
    add_time(words, first + 3, &limit->rate, limit->rate.burst);
}

void limit_script_words(struct limit_words *words, const struct limit_list *list, const char *prefix,
                        const char *sha)
{
    words->count = 0;
    add_word(words, sha == NULL ? "EVAL" : "EVALSHA", sha == NULL ? 4 : 7);
    add_word(words, sha == NULL ? LIMIT_SCRIPT : sha,
             sha == NULL ? sizeof LIMIT_SCRIPT - 1 : LIMIT_SCRIPT_SHA_BYTES);
    words->number_of_keys[0] = (char)('0' + list->count);
    words->number_of_keys[1] = '\0';
    add_word(words, words->number_of_keys, 1);
    for (size_t i = 0; i < list->count; i++) {
        const struct limit *limit = &list->limits[i];
        char *key = words->keys[i];
        add_word(words, key,
                 (size_t)snprintf(key, LIMIT_SCRIPT_KEY_BYTES, "%s:%s:%016" PRIx64, prefix,
                                  limit_name(limit->of, limit->in), limit->whom));
    }
    for (size_t i = 0; i < list->count; i++)
        add_limit(words, i, &list->limits[i]);
}

/* ---- what it says ---- */

static bool is_integer(const redisReply *reply, size_t index)
{
    return reply->element[index]->type == REDIS_REPLY_INTEGER && reply->element[index]->integer >= 0;
}

/* What the script tells of a time is never longer than a burst. */
static bool is_span(const redisReply *reply, size_t index)
{
    return is_integer(reply, index) &&
           reply->element[index]->integer / (SECOND / MICROSECOND) <= (long long)LIMIT_SPAN_MAX_S;
}

/* A part of a microsecond, of which there are per_1000s. */
static bool is_part(const redisReply *reply, size_t index, const struct limit_rate *rate)
{
    return is_integer(reply, index) && (uint64_t)reply->element[index]->integer < rate->per_1000s;
}

/* Microseconds and a part of one, as nanoseconds and a part of one. */
static struct limit_state state_of(const struct limit_rate *rate, uint64_t us, uint64_t part, int64_t now)
{
    unsigned __int128 parts = (unsigned __int128)part * MICROSECOND;
    return (struct limit_state){now + (int64_t)us * MICROSECOND + (int64_t)(parts / rate->per_1000s),
                                (uint64_t)(parts % rate->per_1000s)};
}

/* False when it is none of the script's. */
static bool read_granted(const redisReply *reply, const struct limit_list *list, int64_t now,
                         struct limit_answer *what)
{
    *what = (struct limit_answer){.verdict = LIMIT_GRANTED};
    for (size_t i = 0; i < list->count; i++) {
        const struct limit *limit = &list->limits[i];
        if (!is_span(reply, 1 + 2 * i) || !is_part(reply, 2 + 2 * i, &limit->rate))
            return false;
        struct limit_state state = state_of(&limit->rate, (uint64_t)reply->element[1 + 2 * i]->integer,
                                            (uint64_t)reply->element[2 + 2 * i]->integer, now);
        limit_rest_note(&what->rest, limit, &state, now);
    }
    return true;
}

bool limit_script_read(const redisReply *reply, const struct limit_list *list, int64_t now,
                       struct limit_answer *what)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 || !is_integer(reply, 0) ||
        !is_span(reply, 1) || reply->element[0]->integer > (long long)list->count)
        return false;
    long long which = reply->element[0]->integer;
    if (which == 0)
        return reply->elements == 1 + 2 * list->count && read_granted(reply, list, now, what);
    *what = (struct limit_answer){.verdict = LIMIT_REFUSED,
                                  .refuses = &list->limits[which - 1],
                                  .wait = reply->element[1]->integer * MICROSECOND};
    return true;
}
