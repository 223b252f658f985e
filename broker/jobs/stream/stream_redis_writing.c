/* stream_redis_writing: answers go to Redis as calls of one script (stream_redis_script.h), as many in a call
 * as there are at the end of a turn. A call is kept until Redis has answered it, and sent again on the next
 * connection if it did not: the script passes over what it has done before.
 * SPDX-License-Identifier: MIT */
#include "stream_redis_state.h"

#include "stream_redis_script.h"

#include <stdlib.h>
#include <utlist.h>

enum {
    BATCH_MESSAGES_MAX = 256, /* Redis does nothing else in the millisecond that these take */
    BATCH_BYTES_MAX = 1 << 20
};

/* ---- a connection is new ---- */

static void loaded(void *self, const redisReply *reply)
{
    struct redis_stream *stream = self;
    if (reply == NULL)
        return;
    if (reply->type == REDIS_REPLY_ERROR)
        redis_stream_error(stream, stream->writer, reply->str);
    else if (reply->type != REDIS_REPLY_STRING || reply->len != REDIS_SHA_BYTES)
        redis_link_drop(stream->writer, "does not speak as Redis does");
    else
        text_copy((struct text){reply->str, reply->len}, stream->sha, sizeof stream->sha);
}

static void load_script(struct redis_stream *stream)
{
    struct redis_words words = {0};
    redis_words_add_string(&words, "SCRIPT");
    redis_words_add_string(&words, "LOAD");
    redis_words_add_string(&words, STREAM_REDIS_SCRIPT);
    redis_link_send(stream->writer, redis_words_command(&words), loaded, stream);
    redis_words_free(&words);
}

static void grouped(void *self, const redisReply *reply)
{
    struct redis_stream *stream = self;
    if (reply == NULL)
        return;
    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "BUSYGROUP", 9) != 0) {
        redis_stream_error(stream, stream->writer, reply->str);
        return;
    }
    stream->has_group = true;
    redis_stream_next(stream);
}

static void make_group(struct redis_stream *stream)
{
    const char *const create[] = {"XGROUP",      "CREATE",      stream->context->job->source.name,
                                  stream->group, stream->start, "MKSTREAM"};
    struct redis_words words = {0};
    for (size_t i = 0; i < COUNT_OF(create); i++)
        redis_words_add_string(&words, create[i]);
    redis_link_send(stream->writer, redis_words_command(&words), grouped, stream);
    redis_words_free(&words);
}

/* ---- batches ---- */

static void batch_free(struct redis_batch *batch)
{
    if (batch == NULL)
        return;
    redis_words_free(&batch->words);
    free(batch);
}

static struct redis_batch *batch_begin(struct redis_stream *stream)
{
    const struct stream_job *job = stream->context->job;
    struct redis_batch *batch = stream->spare;
    stream->spare = NULL;
    if (batch == NULL)
        batch = object_alloc(sizeof *batch);
    batch->stream = stream;
    batch->first = batch->last = NULL;
    batch->count = 0;
    redis_words_clear(&batch->words);
    redis_words_add_string(&batch->words, "EVALSHA");
    redis_words_add_string(&batch->words, stream->sha);
    redis_words_add_string(&batch->words, "3");
    redis_words_add_string(&batch->words, job->source.name);
    redis_words_add_string(&batch->words, job->sink.name);
    redis_words_add_string(&batch->words, job->has_dead ? job->dead.name : job->sink.name);
    redis_words_add_string(&batch->words, stream->group);
    redis_words_add_number(&batch->words, stream->limits[0]);
    redis_words_add_number(&batch->words, stream->limits[1]);
    return batch;
}

static void settle(struct redis_stream *stream, struct redis_message *message, bool dropped)
{
    enum stream_outcome outcome = message->outcome;
    int64_t at_ms = message->message.at_ms;
    redis_message_free(message);
    stream->context->events->settled(stream->context->self, outcome, at_ms, dropped);
}

static void batch_settle(struct redis_batch *batch, const redisReply *reply)
{
    struct redis_stream *stream = batch->stream;
    DL_DELETE(stream->sent, batch);
    struct redis_message *message = batch->first;
    for (size_t i = 0; message != NULL; i++) {
        struct redis_message *next = message->next;
        settle(stream, message, reply->element[i]->integer == 0);
        message = next;
    }
    batch_free(stream->spare);
    stream->spare = batch;
}

static void batch_replied(void *self, const redisReply *reply)
{
    struct redis_batch *batch = self;
    struct redis_stream *stream = batch->stream;
    if (reply == NULL)
        return; /* it is sent again with the next connection */
    if (reply->type == REDIS_REPLY_ERROR) {
        redis_stream_error(stream, stream->writer, reply->str);
        return;
    }
    bool good = reply->type == REDIS_REPLY_ARRAY && reply->elements == batch->count;
    for (size_t i = 0; good && i < batch->count; i++)
        good = reply->element[i]->type == REDIS_REPLY_INTEGER;
    if (!good) {
        redis_link_drop(stream->writer, "does not speak as Redis does");
        return;
    }
    redis_link_praise(stream->writer);
    batch_settle(batch, reply);
    redis_stream_next(stream);
}

static void batch_send(struct redis_batch *batch)
{
    redis_link_send(batch->stream->writer, redis_words_command(&batch->words), batch_replied, batch);
}

/* ---- what the others call ---- */

void redis_writing_greet(struct redis_stream *stream)
{
    load_script(stream);
    make_group(stream);
    struct redis_batch *batch;
    DL_FOREACH(stream->sent, batch)
    batch_send(batch);
}

static void add_words(struct redis_words *words, const struct redis_message *message,
                      const struct stream_answer *answer)
{
    static const char *const where[] = {[STREAM_SCORED] = "1", [STREAM_BAD] = "2", [STREAM_SKIPPED] = "0"};
    bool produced = answer->outcome != STREAM_SKIPPED, keyed = answer->key.length > 0;
    redis_words_add(words, (struct text){message->id, message->id_length});
    redis_words_add_string(words, where[answer->outcome]);
    redis_words_add_number(words, produced ? 2 * ((int64_t)answer->header_count + keyed + 1) : 0);
    if (!produced)
        return;
    if (keyed) {
        redis_words_add_string(words, "key");
        redis_words_add(words, answer->key);
    }
    redis_words_add_string(words, message->stream->field);
    redis_words_add(words, answer->value);
    for (size_t i = 0; i < answer->header_count; i++) {
        redis_words_add(words, answer->headers[i].name);
        redis_words_add(words, answer->headers[i].value);
    }
}

void redis_writing_add(struct redis_stream *stream, struct redis_message *message,
                       const struct stream_answer *answer)
{
    struct redis_batch *batch = stream->gathering;
    if (batch == NULL)
        batch = stream->gathering = batch_begin(stream);
    message->outcome = (uint8_t)answer->outcome;
    message->next = NULL;
    add_words(&batch->words, message, answer);
    if (batch->last == NULL)
        batch->first = message;
    else
        batch->last->next = message;
    batch->last = message;
    if (++batch->count >= BATCH_MESSAGES_MAX || batch->words.length >= BATCH_BYTES_MAX)
        redis_writing_flush(stream);
}

void redis_writing_flush(struct redis_stream *stream)
{
    struct redis_batch *batch = stream->gathering;
    if (batch == NULL)
        return;
    stream->gathering = NULL;
    DL_APPEND(stream->sent, batch);
    batch_send(batch);
}

void redis_writing_end(struct redis_stream *stream)
{
    struct redis_batch *batch, *next;
    DL_FOREACH_SAFE(stream->sent, batch, next)
    {
        DL_DELETE(stream->sent, batch);
        batch_free(batch);
    }
    batch_free(stream->gathering);
    batch_free(stream->spare);
    stream->gathering = stream->spare = NULL;
}
