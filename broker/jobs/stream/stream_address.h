/* stream_address: where a stream is, as a job says it. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STREAM_ADDRESS_H
#define OUTRIGGER_STREAM_ADDRESS_H

#include "object.h"

enum {
    STREAM_OPTIONS_MAX = 16,
    STREAM_ADDRESS_REASON_MAX = 192 /* bytes of what is wrong, with the terminator */
};

struct stream_option {
    const char *name;
    const char *value; /* percent-decoded */
};

/* SCHEME:PLACE/NAME?option=value&option=value, taken apart; all texts are its own. */
struct stream_address {
    char *memory;
    const char *scheme; /* "kafka" */
    const char *place;  /* "10.0.0.1:9092,10.0.0.2:9092", "/run/redis.sock" */
    const char *name;   /* of the topic, or of the stream; never empty */
    struct stream_option options[STREAM_OPTIONS_MAX];
    size_t option_count;
};

/* Reads SCHEME:PLACE/NAME[?OPTIONS] (SCHEME://PLACE/NAME as well; the name is what stands behind the last /,
 * percent-decoded), or, with `beside`, NAME[?OPTIONS] alone, which is of its scheme and place. False:
 * `reason` says what is wrong. The caller frees it (stream_address_free) when it is read. */
bool stream_address_read(const char *text, const struct stream_address *beside,
                         struct stream_address *address, char reason[STREAM_ADDRESS_REASON_MAX]);
void stream_address_free(struct stream_address *address);

/* The option's value; `fallback` (NULL is fine) when it is not said. */
const char *stream_address_option(const struct stream_address *address, const char *name,
                                  const char *fallback);
/* The option as a number of those bounds; `fallback` when it is not said; -1 with `reason` when it is none.
 */
int64_t stream_address_number(const struct stream_address *address, const char *name, int64_t fallback,
                              int64_t minimum, int64_t maximum, char reason[STREAM_ADDRESS_REASON_MAX]);
/* The first option that is not in `known` (NULL behind the last); NULL when all are. */
const char *stream_address_unknown(const struct stream_address *address, const char *const *known);

#endif
