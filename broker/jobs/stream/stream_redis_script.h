/* stream_redis_script: what Redis does for a batch of answers. SPDX-License-Identifier: MIT
 *
 * KEYS: the stream that entries come from, that of answers, that of dead letters. ARGV: the group, MAXLEN of
 * answers and of dead letters (0: none), then for each entry its id, where its answer goes (1: answers, 2:
 * dead letters, 0: nowhere), how many words the answer has, and these: names and values of fields. Returns 1
 * for each entry that was pending, 0 for one that was not: it has been answered.
 *
 * The answer is added before the entry is acknowledged: adding may fail (no memory), which ends the script
 * where it is, and what it did before stays done. */
#ifndef OUTRIGGER_STREAM_REDIS_SCRIPT_H
#define OUTRIGGER_STREAM_REDIS_SCRIPT_H

#define STREAM_REDIS_SCRIPT                                                                                  \
    "local group, limits, done, at = ARGV[1], {ARGV[2], ARGV[3]}, {}, 4\n"                                   \
    "while at <= #ARGV do\n"                                                                                 \
    "  local id, where, last = ARGV[at], tonumber(ARGV[at + 1]), at + 2 + tonumber(ARGV[at + 2])\n"          \
    "  local pending = #redis.call('XPENDING', KEYS[1], group, id, id, 1) == 1\n"                            \
    "  if pending and where > 0 then\n"                                                                      \
    "    if limits[where] == '0' then\n"                                                                     \
    "      redis.call('XADD', KEYS[where + 1], '*', unpack(ARGV, at + 3, last))\n"                           \
    "    else\n"                                                                                             \
    "      redis.call('XADD', KEYS[where + 1], 'MAXLEN', '~', limits[where], '*', unpack(ARGV, at + 3, "     \
    "last))\n"                                                                                               \
    "    end\n"                                                                                              \
    "  end\n"                                                                                                \
    "  if pending then redis.call('XACK', KEYS[1], group, id) end\n"                                         \
    "  done[#done + 1] = pending and 1 or 0\n"                                                               \
    "  at = last + 1\n"                                                                                      \
    "end\n"                                                                                                  \
    "return done\n"

#endif
