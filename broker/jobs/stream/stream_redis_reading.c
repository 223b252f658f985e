/* stream_redis_reading: how entries come: new ones by XREADGROUP, our own of before by the same with an id,
 * those of others by XAUTOCLAIM. The order: what is ours is recalled first, and only then are new ones
 * fetched, since both show the same entry when a connection was lost between.
 * SPDX-License-Identifier: MIT */
#include "stream_redis_state.h"

#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { FETCH_MAX = 256 /* entries of one reply: what the wire brings in a millisecond */ };

/* ---- entries ---- */

/* Its time, which Redis gives to ids. */
static int64_t time_of(const char *id)
{
    char *end;
    int64_t ms = strtoll(id, &end, 10);
    return *end == '-' && ms > 0 ? ms : 0;
}

static char *put(char **at, const redisReply *text)
{
    char *begin = *at;
    memcpy(begin, text->str, text->len);
    *at += text->len;
    return begin;
}

static bool is_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING;
}

/* Names and values by turns; returns their bytes, or -1 when they are none. */
static int64_t count_bytes(const redisReply *fields)
{
    int64_t bytes = 0;
    if (fields->type != REDIS_REPLY_ARRAY || fields->elements % 2 != 0)
        return -1;
    for (size_t i = 0; i < fields->elements; i++) {
        if (!is_text(fields->element[i]))
            return -1;
        bytes += (int64_t)fields->element[i]->len;
    }
    return bytes;
}

/* The first field of the value's name is the value, the first called key the key, others are headers. */
static void fill(struct redis_message *entry, const redisReply *fields, struct stream_header *headers,
                 char *bytes)
{
    struct stream_message *message = &entry->message;
    message->headers = headers;
    for (size_t i = 0; i < fields->elements; i += 2) {
        struct text name = {put(&bytes, fields->element[i]), fields->element[i]->len};
        struct text value = {put(&bytes, fields->element[i + 1]), fields->element[i + 1]->len};
        if (message->value.at == NULL && text_is(name, entry->stream->field))
            message->value = value;
        else if (message->key.at == NULL && text_is(name, "key"))
            message->key = value;
        else
            headers[message->header_count++] = (struct stream_header){name, value};
    }
}

/* All in one piece of memory. */
static struct redis_message *message_new(struct redis_stream *stream, const redisReply *id,
                                         const redisReply *fields, size_t bytes)
{
    size_t headers = fields->elements / 2 * sizeof(struct stream_header);
    struct redis_message *entry = object_alloc(sizeof *entry + headers + bytes);
    struct stream_header *first = (struct stream_header *)(entry + 1);
    entry->stream = stream;
    entry->bytes = sizeof *entry + headers + bytes;
    text_copy((struct text){id->str, id->len}, entry->id, sizeof entry->id);
    entry->id_length = (uint8_t)id->len;
    entry->message.at_ms = time_of(entry->id);
    fill(entry, fields, first, (char *)first + headers);
    stream->bytes_in_hand += entry->bytes;
    if (entry->bytes > stream->largest)
        stream->largest = entry->bytes;
    HASH_ADD(hh, stream->in_hand, id, entry->id_length, entry);
    return entry;
}

void redis_message_free(struct redis_message *message)
{
    message->stream->bytes_in_hand -= message->bytes;
    HASH_DEL(message->stream->in_hand, message);
    free(message);
}

/* It was deleted, or trimmed away, while it was pending: there is nothing to answer. */
static void settle_gone(struct redis_stream *stream, const redisReply *id)
{
    static long long last;
    struct redis_words words = {0};
    if (log_allowed(&last, 1))
        log_warning("redis: entry %.*s was deleted before it was scored", (int)id->len, id->str);
    redis_words_add_string(&words, "XACK");
    redis_words_add_string(&words, stream->context->job->source.name);
    redis_words_add_string(&words, stream->group);
    redis_words_add(&words, (struct text){id->str, id->len});
    redis_link_send(stream->writer, redis_words_command(&words), redis_reading_ignore, stream);
    redis_words_free(&words);
}

/* One of [[id, [name, value, ...]], ...]; false: it is none. */
static bool bring(struct redis_stream *stream, const redisReply *pair)
{
    if (pair->type == REDIS_REPLY_NIL)
        return true; /* XAUTOCLAIM of a Redis before 7, of one that was deleted */
    if (pair->type != REDIS_REPLY_ARRAY || pair->elements != 2 || !is_text(pair->element[0]) ||
        pair->element[0]->len == 0 || pair->element[0]->len >= REDIS_ID_MAX)
        return false;
    const redisReply *id = pair->element[0], *fields = pair->element[1];
    struct redis_message *known;
    HASH_FIND(hh, stream->in_hand, id->str, id->len, known);
    if (known != NULL)
        return true;
    if (fields->type == REDIS_REPLY_NIL) {
        settle_gone(stream, id);
        return true;
    }
    int64_t bytes = count_bytes(fields);
    if (bytes < 0)
        return false;
    struct redis_message *entry = message_new(stream, id, fields, (size_t)bytes);
    stream->context->events->message(stream->context->self, &entry->message);
    return true;
}

static bool bring_all(struct redis_stream *stream, struct redis_link *link, const redisReply *entries)
{
    bool good = entries->type == REDIS_REPLY_ARRAY;
    for (size_t i = 0; good && i < entries->elements; i++)
        good = bring(stream, entries->element[i]);
    if (!good)
        redis_link_drop(link, "does not speak as Redis does");
    return good;
}

void redis_reading_ignore(void *self, const redisReply *reply)
{
    (void)self, (void)reply;
}

/* ---- asking ---- */

/* Entries that may be asked for: by the window, and by their bytes, as if all were as large as the largest so
 * far: Redis counts entries only. How large they are shows the first one. */
static size_t room(const struct redis_stream *stream)
{
    const struct stream_job *job = stream->context->job;
    size_t window = (size_t)job->window, used = HASH_COUNT(stream->in_hand);
    size_t most_bytes = (size_t)job->window_bytes;
    if (used >= window || stream->bytes_in_hand >= most_bytes)
        return 0;
    size_t fitting = stream->largest == 0 ? 1 : (most_bytes - stream->bytes_in_hand) / stream->largest;
    size_t most = fitting < FETCH_MAX ? fitting : FETCH_MAX;
    if (most == 0 && used == 0)
        most = 1; /* it is larger than all may be together, and there alone */
    return window - used < most ? window - used : most;
}

/* XREADGROUP GROUP group consumer COUNT n [BLOCK ms] STREAMS source id */
static bool ask(struct redis_stream *stream, struct redis_link *link, size_t count, bool block,
                const char *id, redis_link_replied *replied)
{
    struct redis_words words = {0};
    redis_words_add_string(&words, "XREADGROUP");
    redis_words_add_string(&words, "GROUP");
    redis_words_add_string(&words, stream->group);
    redis_words_add_string(&words, stream->consumer);
    redis_words_add_string(&words, "COUNT");
    redis_words_add_number(&words, (int64_t)count);
    if (block) {
        redis_words_add_string(&words, "BLOCK");
        redis_words_add_number(&words, REDIS_WAIT / MILLISECOND);
    }
    redis_words_add_string(&words, "STREAMS");
    redis_words_add_string(&words, stream->context->job->source.name);
    redis_words_add_string(&words, id);
    bool sent = redis_link_send(link, redis_words_command(&words), replied, stream);
    redis_words_free(&words);
    return sent;
}

/* The entries of the one stream that was asked for: [[name, entries]]; NULL: there are none. */
static const redisReply *entries_of(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1)
        return NULL;
    const redisReply *stream = reply->element[0];
    return stream->type == REDIS_REPLY_ARRAY && stream->elements == 2 ? stream->element[1] : NULL;
}

static void fetched(void *self, const redisReply *reply)
{
    struct redis_stream *stream = self;
    stream->fetching = false;
    if (reply == NULL)
        return;
    if (reply->type == REDIS_REPLY_ERROR) {
        if (strncmp(reply->str, "NOGROUP", 7) == 0 || strncmp(reply->str, "UNBLOCKED", 9) == 0)
            redis_link_drop(stream->writer, reply->str); /* whose greeting makes it again */
        redis_stream_error(stream, stream->reader, reply->str);
        return;
    }
    const redisReply *entries = entries_of(reply);
    redis_link_praise(stream->reader);
    if (entries == NULL || bring_all(stream, stream->reader, entries))
        redis_stream_next(stream);
}

/* What comes is ours already; what is in hand is passed over. The last one's id leads on. */
static void recalled(void *self, const redisReply *reply)
{
    struct redis_stream *stream = self;
    stream->recalling = false;
    if (reply == NULL)
        return;
    if (reply->type == REDIS_REPLY_ERROR) {
        redis_stream_error(stream, stream->writer, reply->str);
        return;
    }
    const redisReply *entries = entries_of(reply);
    if (stream->sent == NULL)
        redis_link_praise(stream->writer); /* else it is for what becomes of these */
    if (entries == NULL || entries->type != REDIS_REPLY_ARRAY || entries->elements == 0) {
        stream->recall_due = false;
    } else {
        if (!bring_all(stream, stream->writer, entries))
            return;
        const redisReply *id = entries->element[entries->elements - 1]->element[0];
        text_copy((struct text){id->str, id->len}, stream->recall_from, sizeof stream->recall_from);
    }
    redis_stream_next(stream);
}

static void recall(struct redis_stream *stream, size_t count)
{
    if (!stream->recalling)
        stream->recalling = ask(stream, stream->writer, count, false, stream->recall_from, recalled);
}

void redis_reading_recall(struct redis_stream *stream)
{
    stream->recall_due = true;
    snprintf(stream->recall_from, sizeof stream->recall_from, "0-0");
}

void redis_reading_next(struct redis_stream *stream)
{
    size_t count = room(stream);
    if (!stream->has_group || count == 0)
        return;
    if (stream->recall_due) {
        recall(stream, count);
        return;
    }
    /* Not for a few more than there are: it would be one call for each. */
    size_t window = (size_t)stream->context->job->window;
    bool some = (window - HASH_COUNT(stream->in_hand)) * 8 >= window;
    if (stream->fetching || stream->paused || stream->draining || !some)
        return;
    stream->fetching = ask(stream, stream->reader, count, true, ">", fetched);
}

/* ---- those that others leave ---- */

static void claim_again(void *self);

static void claim_later(struct redis_stream *stream)
{
    snprintf(stream->claim_from, sizeof stream->claim_from, "0-0");
    loop_timer_set(stream->context->loop, &stream->claim,
                   loop_now(stream->context->loop) + stream->claim_ms * MILLISECOND / 2, claim_again, stream);
}

/* [the id to go on from, entries, those that are gone] */
static void claimed(void *self, const redisReply *reply)
{
    struct redis_stream *stream = self;
    stream->claiming = false;
    if (reply == NULL || stream->draining)
        return; /* what has become ours is recalled with the next connection */
    if (reply->type == REDIS_REPLY_ERROR) {
        redis_stream_error(stream, stream->writer, reply->str);
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 || !is_text(reply->element[0])) {
        redis_link_drop(stream->writer, "does not speak as Redis does");
        return;
    }
    if (!bring_all(stream, stream->writer, reply->element[1]))
        return;
    struct text next = {reply->element[0]->str, reply->element[0]->len};
    if (text_is(next, "0-0"))
        return;
    text_copy(next, stream->claim_from, sizeof stream->claim_from);
    loop_timer_set(stream->context->loop, &stream->claim, loop_now(stream->context->loop), claim_again,
                   stream);
}

/* Those that nobody has touched for so long: their consumer is gone. */
static void claim_again(void *self)
{
    struct redis_stream *stream = self;
    struct redis_words words = {0};
    size_t count = room(stream);
    char from[REDIS_ID_MAX];
    snprintf(from, sizeof from, "%s", stream->claim_from);
    claim_later(stream);
    if (!stream->has_group || stream->recall_due || stream->claiming || stream->paused || count == 0)
        return;
    redis_words_add_string(&words, "XAUTOCLAIM");
    redis_words_add_string(&words, stream->context->job->source.name);
    redis_words_add_string(&words, stream->group);
    redis_words_add_string(&words, stream->consumer);
    redis_words_add_number(&words, stream->claim_ms);
    redis_words_add_string(&words, from);
    redis_words_add_string(&words, "COUNT");
    redis_words_add_number(&words, (int64_t)count);
    stream->claiming = redis_link_send(stream->writer, redis_words_command(&words), claimed, stream);
    redis_words_free(&words);
}

void redis_reading_begin(struct redis_stream *stream)
{
    redis_reading_recall(stream);
    claim_later(stream);
}

void redis_reading_end(struct redis_stream *stream)
{
    loop_timer_cancel(stream->context->loop, &stream->claim);
}
