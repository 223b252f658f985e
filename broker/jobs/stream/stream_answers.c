/* stream_answers: see stream_answers.h. An answer has the key and the headers of its message, and says where
 * that stood; a dead letter has its value, and says why it is one.
 * SPDX-License-Identifier: MIT */
#include "stream_answers.h"

#include "log.h"
#include "row_builder.h"
#include "stream_reply.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    KEY_KEPT_MAX = 1024, /* bytes of the key of a dead letter that is cut */
    CUT_MAX = 256        /* bytes that say that it is */
};

static const char source_header[] = "outrigger-source", reason_header[] = "outrigger-reason";

static bool is_own(struct text name, bool traced)
{
    return text_is(name, source_header) || text_is(name, reason_header) ||
           (traced && text_is(name, "traceparent"));
}

/* The message's own headers (of one that comes out of dead letters not those that we gave it), and where it
 * stood; with why it is bad, unless that is NULL; in a trace that is recorded with our span for the parent.
 */
static size_t make_headers(struct stream_answers *answers, const struct stream_entry *entry,
                           const char *position, const char *reason)
{
    size_t count = 0;
    const struct stream_message *message = entry->message;
    for (size_t i = 0; i < message->header_count && count < STREAM_HEADERS_MAX; i++)
        if (!is_own(message->headers[i].name, entry->trace.recorded))
            answers->headers[count++] = message->headers[i];
    if (entry->trace.recorded)
        answers->headers[count++] =
            (struct stream_header){text_of("traceparent"), text_of(entry->trace.text)};
    if (reason != NULL)
        answers->headers[count++] = (struct stream_header){text_of(reason_header), text_of(reason)};
    answers->headers[count++] = (struct stream_header){text_of(source_header), text_of(position)};
    return count;
}

/* `reason` says why it is bad; NULL: it is scored. */
static void give(struct stream_answers *answers, const struct stream_entry *entry,
                 enum stream_outcome outcome, struct text value, const char *reason)
{
    char position[STREAM_POSITION_MAX];
    struct stream_message *message = entry->message;
    answers->job->kind->position(message, position);
    struct stream_answer answer = {.outcome = outcome, .key = message->key, .value = value};
    answer.header_count = make_headers(answers, entry, position, reason);
    answer.headers = answers->headers;
    stream_trace_end(answers->traces, &entry->trace, answers->job, message, reason);
    answers->job->kind->answer(answers->stream, message, &answer);
}

void stream_answers_refuse(struct stream_answers *answers, const struct stream_entry *entry,
                           const char *reason)
{
    static long long last;
    char position[STREAM_POSITION_MAX];
    if (answers->job->has_dead) {
        give(answers, entry, STREAM_BAD, entry->message->value, reason);
        return;
    }
    answers->job->kind->position(entry->message, position);
    if (answers->job->skip_bad) {
        if (log_allowed(&last, 1))
            log_warning("message %s is left out: %s", position, reason);
        give(answers, entry, STREAM_SKIPPED, entry->message->value, reason);
        return;
    }
    log_error(
        "message %s cannot be scored: %s; with dead_letter it would go there, with skip_bad it would be "
        "left out",
        position, reason);
    answers->end(answers->self, STREAM_EXIT_BAD);
}

void stream_answers_score(struct stream_answers *answers, const struct stream_entry *entry,
                          const struct scored *row)
{
    char usual[STREAM_REPLY_MAX];
    char *reply = row->list == NULL ? usual : object_alloc(stream_reply_room(row));
    size_t length = stream_reply_write(answers->job->form, row, answers->model, reply);
    give(answers, entry, STREAM_SCORED, (struct text){reply, length}, NULL);
    if (reply != usual)
        free(reply);
}

/* ---- those that are too large ---- */

/* A dead letter without its value, its headers and a long key: it says where the message stands, why it is
 * one, and what is left out. */
static void give_cut(struct stream_answers *answers, struct stream_message *message, struct text why)
{
    char position[STREAM_POSITION_MAX], reason[ROW_FAULTS_MAX + CUT_MAX];
    snprintf(reason, sizeof reason, "%.*s; left out here, as too large for %.80s: the value of %zu bytes%s%s",
             (int)(why.length < ROW_FAULTS_MAX ? why.length : ROW_FAULTS_MAX), why.at,
             answers->job->dead.name, message->value.length, message->header_count > 0 ? ", the headers" : "",
             message->key.length > KEY_KEPT_MAX ? ", the key" : "");
    answers->job->kind->position(message, position);
    struct stream_header headers[] = {{text_of(reason_header), text_of(reason)},
                                      {text_of(source_header), text_of(position)}};
    struct stream_answer answer = {
        .outcome = STREAM_BAD, .headers = headers, .header_count = COUNT_OF(headers)};
    if (message->key.length <= KEY_KEPT_MAX)
        answer.key = message->key;
    answers->job->kind->answer(answers->stream, message, &answer);
}

static struct text reason_of(const struct stream_answer *answer)
{
    for (size_t i = 0; i < answer->header_count; i++)
        if (text_is(answer->headers[i].name, reason_header))
            return answer->headers[i].value;
    return (struct text){0};
}

/* Its trace has ended with the first answer. */
void stream_answers_cut(struct stream_answers *answers, struct stream_message *message,
                        const struct stream_answer *refused)
{
    const struct stream_entry entry = {.message = message};
    char reason[CUT_MAX], position[STREAM_POSITION_MAX];
    if (refused->outcome == STREAM_SCORED) {
        snprintf(reason, sizeof reason,
                 "the answer, with the message's key and headers, is too large for %.80s",
                 answers->job->sink.name);
        stream_answers_refuse(answers, &entry, reason);
    } else if (refused->value.at != NULL || refused->header_count > 2) {
        give_cut(answers, message, reason_of(refused));
    } else {
        answers->job->kind->position(message, position);
        log_error(
            "message %s cannot be told to %s, which takes not even its position and what is wrong with it",
            position, answers->job->dead.name);
        answers->end(answers->self, STREAM_EXIT_FAILED);
    }
}
