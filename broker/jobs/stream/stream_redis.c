/* stream_redis: Redis Streams as a stream of the job: consumer groups, with an answer and its message's end
 * in one step.
 *
 * Entries wait in Redis as pending of the consumer that got them until they are acknowledged. Answers go out
 * as calls of one script, which adds the answer and acknowledges the entry if it is still pending, and does
 * nothing if it is not: so whatever is sent again after a connection was lost, and whoever else works on the
 * same entry, each is answered once. Entries that come lost on the way stay ours in Redis, and are recalled
 * when the connection is there again or the job is; those of consumers that are gone are claimed after a
 * while.
 * SPDX-License-Identifier: MIT */
#include "stream_redis_state.h"

#include "log.h"
#include "secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const source_options[] = {"group", "consumer", "start", "claim_ms", "db", "field", NULL};
static const char *const sink_options[] = {"maxlen", NULL};

/* ---- what is told ---- */

void redis_stream_fail(struct redis_stream *stream, const char *reason)
{
    if (stream->failed)
        return;
    stream->failed = true;
    stream->context->events->failed(stream->context->self, reason);
}

/* What another try would meet again, for ever. */
static bool is_for_ever(const char *error)
{
    static const char *const words[] = {"WRONGTYPE", "NOPERM", "WRONGPASS", "NOAUTH", "CROSSSLOT", "MOVED"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strncmp(error, words[i], strlen(words[i])) == 0)
            return true;
    return strncmp(error, "ERR unknown command", 19) == 0;
}

void redis_stream_error(struct redis_stream *stream, struct redis_link *link, const char *error)
{
    if (is_for_ever(error) || strstr(error, "WRONGTYPE") != NULL) /* a script's error has words around it */
        redis_stream_fail(stream, error);
    else
        redis_link_drop(link, error);
}

static void tell_connected(struct redis_stream *stream, const char *why)
{
    bool is =
        redis_link_is_ready(stream->writer) && (stream->draining || redis_link_is_ready(stream->reader));
    if (is == stream->connected)
        return;
    stream->connected = is;
    if (is)
        log_info("redis %s: connected", stream->context->job->source.place);
    else
        log_warning("redis %s: %s; it is tried again", stream->context->job->source.place, why);
    stream->context->events->connected(stream->context->self, is);
}

/* ---- the connections ---- */

static void ready(struct redis_stream *stream)
{
    tell_connected(stream, "");
    redis_stream_next(stream);
}

/* Within a call of the link's: nothing is begun here. */
static void lost(struct redis_stream *stream, const char *why)
{
    redis_reading_recall(stream); /* entries may have been on the way */
    tell_connected(stream, why);
}

static void refused(void *self, const char *why)
{
    redis_stream_fail(self, why);
}

static void reader_ready(void *self)
{
    ready(self);
}

static void reader_lost(void *self, const char *why)
{
    lost(self, why);
}

static void writer_ready(void *self)
{
    redis_writing_greet(self);
    ready(self);
}

static void writer_lost(void *self, const char *why)
{
    struct redis_stream *stream = self;
    stream->has_group = false;
    lost(stream, why);
}

/* ---- opening ---- */

static bool read_numbers(struct redis_stream *stream, const struct stream_job *job,
                         char reason[STREAM_REASON_MAX])
{
    int64_t database = stream_address_number(&job->source, "db", 0, 0, 65535, reason);
    stream->claim_ms = stream_address_number(&job->source, "claim_ms", 60000, 100, 86400000, reason);
    stream->limits[0] = stream_address_number(&job->sink, "maxlen", 0, 1, INT64_MAX / 16, reason);
    stream->limits[1] =
        job->has_dead ? stream_address_number(&job->dead, "maxlen", 0, 1, INT64_MAX / 16, reason) : 0;
    stream->place.database = (int)database;
    return database >= 0 && stream->claim_ms >= 0 && stream->limits[0] >= 0 && stream->limits[1] >= 0;
}

static bool read_names(struct redis_stream *stream, const struct stream_job *job,
                       char reason[STREAM_REASON_MAX])
{
    const struct stream_address *source = &job->source;
    char host[64] = "outrigger";
    gethostname(host, sizeof host - 1);
    stream->group = stream_address_option(source, "group", "outrigger");
    stream->field = stream_address_option(source, "field", "value");
    snprintf(stream->consumer, sizeof stream->consumer, "%s",
             stream_address_option(source, "consumer", host));
    const char *start = stream_address_option(source, "start", "first");
    stream->start = strcmp(start, "first") == 0 ? "0" : strcmp(start, "new") == 0 ? "$" : NULL;
    if (stream->start == NULL)
        snprintf(reason, STREAM_REASON_MAX, "start: expected first or new, got \"%.40s\"", start);
    else if (*stream->group == '\0' || stream->consumer[0] == '\0' || *stream->field == '\0')
        snprintf(reason, STREAM_REASON_MAX, "group, consumer and field: expected names, got \"\"");
    else if (!redis_place_read(source->place, &stream->place))
        snprintf(reason, STREAM_REASON_MAX, "expected HOST:PORT or the path of a socket, got \"%.80s\"",
                 source->place);
    else
        return true;
    return false;
}

static bool read_password(struct redis_stream *stream, const struct stream_job *job,
                          char reason[STREAM_REASON_MAX])
{
    char why[STREAM_REASON_MAX - 16];
    stream->place.user = job->user;
    if (*job->password == '\0')
        return true;
    stream->password = secret_read(job->password, why, sizeof why);
    stream->place.password = stream->password;
    if (stream->password == NULL)
        snprintf(reason, STREAM_REASON_MAX, "password: %s", why);
    return stream->password != NULL;
}

static struct stream *open_stream(const struct stream_context *context, char reason[STREAM_REASON_MAX])
{
    static const struct redis_link_events reader = {reader_ready, reader_lost, refused},
                                          writer = {writer_ready, writer_lost, refused};
    struct redis_stream *stream = object_alloc(sizeof *stream);
    stream->stream.kind = &stream_redis;
    stream->context = context;
    if (!read_numbers(stream, context->job, reason) || !read_names(stream, context->job, reason) ||
        !read_password(stream, context->job, reason)) {
        secret_free(stream->password);
        free(stream);
        return NULL;
    }
    stream->reader =
        redis_link_new(context->loop, &stream->place, REDIS_WAIT + REDIS_PATIENCE, &reader, stream);
    stream->writer = redis_link_new(context->loop, &stream->place, REDIS_PATIENCE, &writer, stream);
    redis_reading_begin(stream);
    return &stream->stream;
}

/* ---- what the job asks ---- */

static void pause_stream(struct stream *self)
{
    ((struct redis_stream *)self)->paused = true;
}

static void resume_stream(struct stream *self)
{
    struct redis_stream *stream = (struct redis_stream *)self;
    stream->paused = false;
    redis_stream_next(stream);
}

static void answer(struct stream *self, struct stream_message *message, const struct stream_answer *what)
{
    redis_writing_add((struct redis_stream *)self, (struct redis_message *)message, what);
}

static void position(const struct stream_message *message, char text[STREAM_POSITION_MAX])
{
    const struct redis_message *entry = (const struct redis_message *)message;
    snprintf(text, STREAM_POSITION_MAX, "%.440s@%s", entry->stream->context->job->source.name, entry->id);
}

static void flush(struct stream *self)
{
    struct redis_stream *stream = (struct redis_stream *)self;
    redis_writing_flush(stream);
    redis_link_flush(stream->writer);
    if (!stream->draining)
        redis_link_flush(stream->reader);
}

/* The element behind such a name in a flat list of names and values. */
static const redisReply *find_value(const redisReply *list, const char *name)
{
    for (size_t i = 0; list->type == REDIS_REPLY_ARRAY && i + 1 < list->elements; i += 2)
        if (list->element[i]->type == REDIS_REPLY_STRING &&
            text_is((struct text){list->element[i]->str, list->element[i]->len}, name))
            return list->element[i + 1];
    return NULL;
}

/* XINFO GROUPS: those never brought, and those pending. */
static int64_t lag_of(const redisReply *reply, const char *group)
{
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const redisReply *name = find_value(reply->element[i], "name"),
                         *lag = find_value(reply->element[i], "lag"),
                         *pending = find_value(reply->element[i], "pending");
        if (name == NULL || name->type != REDIS_REPLY_STRING ||
            !text_is((struct text){name->str, name->len}, group))
            continue;
        if (lag != NULL && lag->type == REDIS_REPLY_INTEGER && pending != NULL &&
            pending->type == REDIS_REPLY_INTEGER)
            return lag->integer + pending->integer;
    }
    return -1;
}

static void measured(void *self, const redisReply *reply)
{
    struct redis_stream *stream = self;
    if (reply != NULL)
        stream->context->events->lag(stream->context->self, "", lag_of(reply, stream->group));
}

static void measure(struct stream *self)
{
    struct redis_stream *stream = (struct redis_stream *)self;
    struct redis_words words = {0};
    redis_words_add_string(&words, "XINFO");
    redis_words_add_string(&words, "GROUPS");
    redis_words_add_string(&words, stream->context->job->source.name);
    redis_link_send(stream->writer, redis_words_command(&words), measured, stream);
    redis_words_free(&words);
}

/* ---- the end ---- */

static void tell_drained(void *self)
{
    struct redis_stream *stream = self;
    loop_call *drained = stream->drained;
    stream->drained = NULL;
    if (drained != NULL)
        drained(stream->drained_self);
}

void redis_stream_next(struct redis_stream *stream)
{
    if (stream->failed)
        return;
    redis_reading_next(stream);
    bool recalled = !stream->recall_due || !stream->has_group;
    if (stream->draining && stream->in_hand == NULL && recalled && stream->drained != NULL &&
        !heap_contains(&stream->end.node))
        loop_timer_set(stream->context->loop, &stream->end, loop_now(stream->context->loop), tell_drained,
                       stream);
}

/* The reader goes, and with it whatever it waits for; an entry that came to it just then is recalled. */
static void drain(struct stream *self, loop_call *done, void *done_self)
{
    struct redis_stream *stream = (struct redis_stream *)self;
    stream->draining = true;
    stream->drained = done;
    stream->drained_self = done_self;
    redis_link_free(stream->reader);
    stream->reader = NULL;
    redis_reading_end(stream);
    redis_reading_recall(stream);
    redis_stream_next(stream);
}

static void close_stream(struct stream *self)
{
    struct redis_stream *stream = (struct redis_stream *)self;
    stream->failed = true; /* nothing is told or begun any more */
    redis_link_free(stream->reader);
    redis_link_free(stream->writer);
    redis_reading_end(stream);
    redis_writing_end(stream);
    for (struct redis_message *message = stream->in_hand, *next; message != NULL; message = next) {
        next = message->hh.next;
        redis_message_free(message);
    }
    loop_timer_cancel(stream->context->loop, &stream->end);
    secret_free(stream->password);
    free(stream);
}

const struct stream_kind stream_redis = {.scheme = "redis",
                                         .source_options = source_options,
                                         .sink_options = sink_options,
                                         .open = open_stream,
                                         .pause = pause_stream,
                                         .resume = resume_stream,
                                         .answer = answer,
                                         .position = position,
                                         .measure = measure,
                                         .flush = flush,
                                         .drain = drain,
                                         .close = close_stream};
