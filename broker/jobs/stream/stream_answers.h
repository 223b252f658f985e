/* stream_answers: what goes back to a stream for each of its messages: an answer, a dead letter, or nothing.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STREAM_ANSWERS_H
#define OUTRIGGER_STREAM_ANSWERS_H

#include "scorer.h"
#include "stream.h"
#include "stream_trace.h"

enum {
    STREAM_HEADERS_MAX = 1024, /* of a message; Redis adds an entry with as many in one command */
    STREAM_OWN_HEADERS = 3
};

/* A message that is being scored. */
struct stream_entry {
    struct stream_message *message;
    struct stream_trace trace;
};

/* The first ones are set once, by the one who has it. */
struct stream_answers {
    const struct stream_job *job;
    const char *model;            /* that is asked */
    struct stream_traces *traces; /* NULL: there are none */
    struct stream *stream;        /* of job->kind */
    /* The job must end, so: a message is bad, and is neither to be left out nor told elsewhere. */
    void (*end)(void *self, enum stream_exit verdict);
    void *self;
    struct stream_header headers[STREAM_HEADERS_MAX + STREAM_OWN_HEADERS]; /* of the one that is made */
};

/* What came of its row. */
void stream_answers_score(struct stream_answers *answers, const struct stream_entry *entry,
                          const struct scored *row);
/* It cannot be scored, whoever tries. */
void stream_answers_refuse(struct stream_answers *answers, const struct stream_entry *entry,
                           const char *reason);
/* The stream did not take that answer, which is too large for where it goes: a smaller one. */
void stream_answers_cut(struct stream_answers *answers, struct stream_message *message,
                        const struct stream_answer *refused);

#endif
