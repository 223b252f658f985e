/* limit_script: what limit_redis.c has Redis run: the script, what it is given, and what it says. Pure: no
 * I/O. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LIMIT_SCRIPT_H
#define OUTRIGGER_LIMIT_SCRIPT_H

#include "limit_redis.h"
#include "redis_address.h"

struct redisReply;

enum {
    LIMIT_SCRIPT_SHA_BYTES = 40,
    LIMIT_SCRIPT_ARGUMENTS = 5, /* for each key */
    LIMIT_SCRIPT_WORDS = 3 + LIMITS_OF_REQUEST * (1 + LIMIT_SCRIPT_ARGUMENTS),
    LIMIT_SCRIPT_KEY_BYTES = REDIS_PREFIX_MAX + 48,
    LIMIT_SCRIPT_NUMBER_BYTES = 24
};

/* For each key: what the request costs (us and a part of one), the rate, and the span of a burst likewise;
 * see limit.c. Returns the number of the key that lets it through last and the us until then; or 0, and for
 * each key how far it is ahead of a rest now, likewise. */
static const char LIMIT_SCRIPT[] =
    "local t = redis.call('TIME')\n"
    "local now = tonumber(t[1]) * 1000000 + tonumber(t[2])\n"
    "local worst, wait, kept = 0, 0, {}\n"
    "local function keep(key, at, part, us)\n"
    "  redis.call('SET', key, string.format('%.0f %.0f', at, part), 'PX',\n"
    "    string.format('%.0f', math.ceil(us / 1000) + 1))\n"
    "end\n"
    "for i, key in ipairs(KEYS) do\n"
    "  local a = 5 * (i - 1)\n"
    "  local rate, span, rest = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])\n"
    "  local at, part = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')\n"
    "  at, part = tonumber(at or 0), tonumber(part or 0)\n"
    "  if at - now > span then\n" /* the rate has changed, or the clock was set back */
    "    at, part = now + span, rest\n"
    "    keep(key, at, part, span)\n"
    "  end\n"
    "  if at + (part > 0 and 1 or 0) < now then at, part = now, 0\n"
    "  elseif part >= rate then part = 0 end\n"
    "  at, part = at + tonumber(ARGV[a + 1]), part + tonumber(ARGV[a + 2])\n"
    "  if part >= rate then at, part = at + 1, part - rate end\n"
    "  local excess = at - now - span\n"
    "  if part > rest then excess = excess + 1 end\n"
    "  if excess > wait then worst, wait = i, excess end\n"
    "  kept[i] = {at, part, at - now}\n"
    "end\n"
    "if worst > 0 then return {worst, wait} end\n"
    "local left = {0}\n"
    "for i, key in ipairs(KEYS) do\n"
    "  keep(key, kept[i][1], kept[i][2], kept[i][3])\n"
    "  left[2 * i], left[2 * i + 1] = kept[i][3], kept[i][2]\n"
    "end\n"
    "return left\n";

/* A command's words, each with its memory. Stands still: `at` points into it. */
struct limit_words {
    size_t count;
    const char *at[LIMIT_SCRIPT_WORDS];
    size_t lengths[LIMIT_SCRIPT_WORDS];
    char number_of_keys[2];
    char keys[LIMITS_OF_REQUEST][LIMIT_SCRIPT_KEY_BYTES];
    char numbers[LIMITS_OF_REQUEST * LIMIT_SCRIPT_ARGUMENTS][LIMIT_SCRIPT_NUMBER_BYTES];
};

/* The command that asks for all limits of the list: the script by its `sha`, or itself where that is NULL.
 * Names of keys begin with `prefix`. The list and the sha outlive the words. */
void limit_script_words(struct limit_words *words, const struct limit_list *list, const char *prefix,
                        const char *sha);
/* What Redis said to it at `now` (monotonic ns); NULL: nothing. False when the script says no such thing.
 * Not set are `list` and `by`; `refuses` points into the list. */
bool limit_script_read(const struct redisReply *reply, const struct limit_list *list, int64_t now,
                       struct limit_answer *what);

#endif
