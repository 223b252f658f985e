/* protocol_verbs: the fields of each verb, written and read, exactly as PROTOCOL.md says.
 *
 * Each verb is one row: how many elements its array has, a function that writes its fields and one that reads
 * them. Fields that came later stand behind those, with functions of their own, and may be left out. The
 * readers take every field with its bound, so that whatever passes protocol_decode can be used without a
 * further check. protocol.c calls them, by the table at the end. SPDX-License-Identifier: MIT */
#include "protocol_fields.h"

enum { LIMIT_NAME_MAX = 64 };

#define TIME_MAX                                                                                             \
    (UINT64_C(1) << 53) /* microseconds or milliseconds; safe to multiply by nothing, to add to a clock */

/* ---- reading of field types ---- */

/* Small letters and _ alone: it goes into a header. */
static bool is_word(struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        if ((text.at[i] < 'a' || text.at[i] > 'z') && text.at[i] != '_')
            return false;
    return true;
}

static bool take_failure(struct wire_reader *reader, enum failure *failure)
{
    uint64_t number;
    if (!wire_read_uint(reader, UINT8_MAX, &number) || number == FAILURE_NONE)
        return false;
    *failure = (enum failure)number;
    return true;
}

/* ---- one pair of functions for each verb that has fields ---- */

static void write_request(struct wire_writer *writer, const struct envelope *e)
{
    wire_write_text(writer, e->request.model);
    wire_write_text(writer, e->request.version);
    wire_write_uint(writer, e->request.rows);
    wire_write_uint(writer, e->request.time_left_us);
    wire_write_uint(writer, e->request.priority);
    wire_write_uint(writer, e->request.tenant);
    wire_write_text(writer, e->request.key);
    wire_write_text(writer, e->request.tag);
}

static const char *read_request(struct wire_reader *reader, struct envelope *e)
{
    uint64_t priority;
    TAKE(protocol_take_name(reader, true, &e->request.model), "REQUEST: model is no name");
    TAKE(protocol_take_name(reader, true, &e->request.version), "REQUEST: version is no name");
    TAKE(protocol_take_u32(reader, 1, PROTOCOL_ROWS_MAX, &e->request.rows), "REQUEST: rows is out of bounds");
    TAKE(wire_read_uint(reader, TIME_MAX, &e->request.time_left_us),
         "REQUEST: time_left_us is out of bounds");
    TAKE(wire_read_uint(reader, PROTOCOL_PRIORITY_MAX, &priority), "REQUEST: priority is out of bounds");
    TAKE(wire_read_uint(reader, UINT64_MAX, &e->request.tenant), "REQUEST: tenant is no number");
    TAKE(wire_read_str(reader, PROTOCOL_TEXT_MAX, &e->request.key),
         "REQUEST: key is no text of at most 512 bytes");
    TAKE(wire_read_str(reader, PROTOCOL_TEXT_MAX, &e->request.tag),
         "REQUEST: tag is no text of at most 512 bytes");
    e->request.priority = (uint8_t)priority;
    return NULL;
}

static bool take_limit(struct wire_reader *reader, struct text *limit)
{
    return wire_read_str(reader, LIMIT_NAME_MAX, limit) && is_word(*limit);
}

static uint32_t count_request_later(const struct envelope *e)
{
    return e->request.trace.length > 0  ? 4
           : e->request.once.length > 0 ? 3
           : e->request.again           ? 2
                                        : e->request.address != 0;
}

static void write_request_later(struct wire_writer *writer, const struct envelope *e, uint32_t count)
{
    wire_write_uint(writer, e->request.address);
    if (count > 1)
        wire_write_bool(writer, e->request.again);
    if (count > 2)
        wire_write_bin(writer, e->request.once.at, e->request.once.length);
    if (count > 3)
        wire_write_bin(writer, e->request.trace.at, e->request.trace.length);
}

/* So many bytes, or none. */
static bool take_bytes(struct wire_reader *reader, size_t length, struct text *bytes)
{
    return wire_read_bin(reader, length, bytes) && (bytes->length == 0 || bytes->length == length);
}

static const char *read_request_later(struct wire_reader *reader, struct envelope *e, uint32_t count)
{
    e->request.address = 0;
    e->request.again = false;
    e->request.once = e->request.trace = (struct text){0};
    if (count > 0)
        TAKE(wire_read_uint(reader, UINT64_MAX, &e->request.address), "REQUEST: address is no number");
    if (count > 1)
        TAKE(wire_read_bool(reader, &e->request.again), "REQUEST: again is no boolean");
    if (count > 2)
        TAKE(take_bytes(reader, PROTOCOL_ONCE_BYTES, &e->request.once),
             "REQUEST: once is no bin of 0 or 64 bytes");
    if (count > 3)
        TAKE(take_bytes(reader, PROTOCOL_TRACE_BYTES, &e->request.trace),
             "REQUEST: trace is no bin of 0 or 25 bytes");
    return NULL;
}

static void write_reply(struct wire_writer *writer, const struct envelope *e)
{
    wire_write_text(writer, e->reply.version);
    wire_write_uint(writer, e->reply.queue_us);
    wire_write_uint(writer, e->reply.compute_us);
    wire_write_uint(writer, e->reply.batch_rows);
    wire_write_uint(writer, e->reply.age_us);
}

static const char *read_reply(struct wire_reader *reader, struct envelope *e)
{
    TAKE(protocol_take_name(reader, false, &e->reply.version), "REPLY: version is no name");
    TAKE(wire_read_uint(reader, TIME_MAX, &e->reply.queue_us), "REPLY: queue_us is out of bounds");
    TAKE(wire_read_uint(reader, TIME_MAX, &e->reply.compute_us), "REPLY: compute_us is out of bounds");
    TAKE(protocol_take_u32(reader, 0, UINT32_MAX, &e->reply.batch_rows),
         "REPLY: batch_rows is out of bounds");
    TAKE(wire_read_uint(reader, TIME_MAX, &e->reply.age_us), "REPLY: age_us is out of bounds");
    return NULL;
}

static uint32_t count_reply_later(const struct envelope *e)
{
    return e->reply.replayed ? 7 : e->reply.limit.length > 0 ? 5 : 0;
}

static void write_reply_later(struct wire_writer *writer, const struct envelope *e, uint32_t count)
{
    (void)count;
    wire_write_text(writer, e->reply.limit);
    wire_write_uint(writer, e->reply.quota);
    wire_write_uint(writer, e->reply.window_s);
    wire_write_uint(writer, e->reply.left);
    wire_write_uint(writer, e->reply.whole_s);
    if (count > 5) {
        wire_write_bool(writer, e->reply.replayed);
        wire_write_text(writer, e->reply.tag);
    }
}

static const char *read_reply_later(struct wire_reader *reader, struct envelope *e, uint32_t count)
{
    e->reply.limit = (struct text){0};
    e->reply.quota = e->reply.window_s = e->reply.left = e->reply.whole_s = 0;
    e->reply.replayed = false;
    e->reply.tag = (struct text){0};
    if (count > 0)
        TAKE(take_limit(reader, &e->reply.limit), "REPLY: limit is no word of at most 64 bytes");
    if (count > 1)
        TAKE(wire_read_uint(reader, TIME_MAX, &e->reply.quota), "REPLY: quota is out of bounds");
    if (count > 2)
        TAKE(wire_read_uint(reader, TIME_MAX, &e->reply.window_s), "REPLY: window_s is out of bounds");
    if (count > 3)
        TAKE(wire_read_uint(reader, TIME_MAX, &e->reply.left), "REPLY: left is out of bounds");
    if (count > 4)
        TAKE(wire_read_uint(reader, TIME_MAX, &e->reply.whole_s), "REPLY: whole_s is out of bounds");
    if (count > 5)
        TAKE(wire_read_bool(reader, &e->reply.replayed), "REPLY: replayed is no boolean");
    if (count > 6)
        TAKE(wire_read_str(reader, PROTOCOL_TEXT_MAX, &e->reply.tag),
             "REPLY: tag is no text of at most 512 bytes");
    return NULL;
}

static void write_reject(struct wire_writer *writer, const struct envelope *e)
{
    wire_write_uint(writer, e->reject.failure);
    wire_write_uint(writer, e->reject.retry_after_ms);
    wire_write_text(writer, e->reject.message);
}

static const char *read_reject(struct wire_reader *reader, struct envelope *e)
{
    TAKE(take_failure(reader, &e->reject.failure), "REJECT: error is no error");
    TAKE(wire_read_uint(reader, TIME_MAX, &e->reject.retry_after_ms),
         "REJECT: retry_after_ms is out of bounds");
    TAKE(wire_read_str(reader, PROTOCOL_TEXT_MAX, &e->reject.message),
         "REJECT: message is no text of at most 512 bytes");
    return NULL;
}

static uint32_t count_reject_later(const struct envelope *e)
{
    return e->reject.version.length > 0 ? 5 : e->reject.replayed ? 4 : e->reject.limit.length > 0 ? 3 : 0;
}

static void write_reject_later(struct wire_writer *writer, const struct envelope *e, uint32_t count)
{
    wire_write_text(writer, e->reject.limit);
    wire_write_uint(writer, e->reject.quota);
    wire_write_uint(writer, e->reject.window_s);
    if (count > 3)
        wire_write_bool(writer, e->reject.replayed);
    if (count > 4)
        wire_write_text(writer, e->reject.version);
}

static const char *read_reject_later(struct wire_reader *reader, struct envelope *e, uint32_t count)
{
    e->reject.limit = e->reject.version = (struct text){0};
    e->reject.quota = e->reject.window_s = 0;
    e->reject.replayed = false;
    if (count > 0)
        TAKE(take_limit(reader, &e->reject.limit), "REJECT: limit is no word of at most 64 bytes");
    if (count > 1)
        TAKE(wire_read_uint(reader, TIME_MAX, &e->reject.quota), "REJECT: quota is out of bounds");
    if (count > 2)
        TAKE(wire_read_uint(reader, TIME_MAX, &e->reject.window_s), "REJECT: window_s is out of bounds");
    if (count > 3)
        TAKE(wire_read_bool(reader, &e->reject.replayed), "REJECT: replayed is no boolean");
    if (count > 4)
        TAKE(protocol_take_name(reader, true, &e->reject.version), "REJECT: version is no name");
    return NULL;
}

static void write_pong(struct wire_writer *writer, const struct envelope *e)
{
    wire_write_uint(writer, e->pong.epoch);
}

static const char *read_pong(struct wire_reader *reader, struct envelope *e)
{
    TAKE(wire_read_uint(reader, UINT64_MAX, &e->pong.epoch), "epoch is no number");
    return NULL;
}

static void write_catalog(struct wire_writer *writer, const struct envelope *e)
{
    wire_write_uint(writer, e->catalog.count);
}

static const char *read_catalog(struct wire_reader *reader, struct envelope *e)
{
    TAKE(protocol_take_u32(reader, 0, PROTOCOL_COUNT_MAX, &e->catalog.count),
         "CATALOG: count is out of bounds");
    return NULL;
}

static void write_ready(struct wire_writer *writer, const struct envelope *e)
{
    wire_write_text(writer, e->ready.model);
    wire_write_text(writer, e->ready.version);
    wire_write_uint(writer, e->ready.capacity_rows);
    wire_write_uint(writer, e->ready.slots);
    wire_write_uint(writer, e->ready.heartbeat_ms);
    wire_write_uint(writer, e->ready.pid);
    wire_write_text(writer, e->ready.token);
    wire_write_uint(writer, e->ready.instance);
}

static const char *read_ready(struct wire_reader *reader, struct envelope *e)
{
    TAKE(protocol_take_name(reader, false, &e->ready.model), "READY: model is no name");
    TAKE(protocol_take_name(reader, false, &e->ready.version), "READY: version is no name");
    TAKE(protocol_take_u32(reader, 1, PROTOCOL_ROWS_MAX, &e->ready.capacity_rows),
         "READY: capacity_rows is out of bounds");
    TAKE(protocol_take_u32(reader, 1, PROTOCOL_SLOTS_MAX, &e->ready.slots), "READY: slots is out of bounds");
    TAKE(protocol_take_u32(reader, 10, 3600000, &e->ready.heartbeat_ms),
         "READY: heartbeat_ms is out of bounds");
    TAKE(protocol_take_u32(reader, 0, UINT32_MAX, &e->ready.pid), "READY: pid is out of bounds");
    TAKE(wire_read_str(reader, PROTOCOL_TEXT_MAX, &e->ready.token),
         "READY: token is no text of at most 512 bytes");
    TAKE(wire_read_uint(reader, UINT64_MAX, &e->ready.instance), "READY: instance is no number");
    return NULL;
}

static void write_heartbeat(struct wire_writer *writer, const struct envelope *e)
{
    wire_write_uint(writer, e->heartbeat.instance);
}

static const char *read_heartbeat(struct wire_reader *reader, struct envelope *e)
{
    TAKE(wire_read_uint(reader, UINT64_MAX, &e->heartbeat.instance), "HEARTBEAT: instance is no number");
    return NULL;
}

static void write_result(struct wire_writer *writer, const struct envelope *e)
{
    wire_write_uint(writer, e->result.count);
    wire_write_uint(writer, e->result.compute_us);
    wire_write_bin(writer, e->result.failures.at, e->result.failures.length);
}

static const char *read_result(struct wire_reader *reader, struct envelope *e)
{
    TAKE(protocol_take_u32(reader, 1, PROTOCOL_COUNT_MAX, &e->result.count),
         "RESULT: count is out of bounds");
    TAKE(wire_read_uint(reader, TIME_MAX, &e->result.compute_us), "RESULT: compute_us is out of bounds");
    TAKE(wire_read_bin(reader, PROTOCOL_COUNT_MAX, &e->result.failures),
         "RESULT: errors is no bin of at most 1024 bytes");
    TAKE(e->result.failures.length == 0 || e->result.failures.length == e->result.count,
         "RESULT: errors has not one byte for each payload");
    return NULL;
}

static void write_batch(struct wire_writer *writer, const struct envelope *e)
{
    wire_write_uint(writer, e->batch.count);
    wire_write_uint(writer, e->batch.rows);
    wire_write_uint(writer, e->batch.time_left_us);
}

static const char *read_batch(struct wire_reader *reader, struct envelope *e)
{
    TAKE(protocol_take_u32(reader, 1, PROTOCOL_COUNT_MAX, &e->batch.count), "BATCH: count is out of bounds");
    TAKE(protocol_take_u32(reader, 1, UINT32_MAX, &e->batch.rows), "BATCH: rows is out of bounds");
    TAKE(wire_read_uint(reader, TIME_MAX, &e->batch.time_left_us), "BATCH: time_left_us is out of bounds");
    return NULL;
}

static uint32_t count_batch_later(const struct envelope *e)
{
    return e->batch.told ? 3 : 0;
}

static void write_batch_later(struct wire_writer *writer, const struct envelope *e, uint32_t count)
{
    (void)count;
    wire_write_uint(writer, e->batch.priority);
    wire_write_text(writer, e->batch.tag);
    wire_write_bin(writer, e->batch.trace.at, e->batch.trace.length);
}

static const char *read_batch_later(struct wire_reader *reader, struct envelope *e, uint32_t count)
{
    uint64_t priority = PROTOCOL_PRIORITY_ONLINE;
    e->batch.told = count > 0;
    e->batch.tag = e->batch.trace = (struct text){0};
    if (count > 0)
        TAKE(wire_read_uint(reader, PROTOCOL_PRIORITY_MAX, &priority), "BATCH: priority is out of bounds");
    if (count > 1)
        TAKE(wire_read_str(reader, PROTOCOL_TEXT_MAX, &e->batch.tag),
             "BATCH: tag is no text of at most 512 bytes");
    if (count > 2)
        TAKE(take_bytes(reader, PROTOCOL_TRACE_BYTES, &e->batch.trace),
             "BATCH: trace is no bin of 0 or 25 bytes");
    e->batch.priority = (uint8_t)priority;
    return NULL;
}

static void write_drain(struct wire_writer *writer, const struct envelope *e)
{
    wire_write_text(writer, e->drain.message);
}

static const char *read_drain(struct wire_reader *reader, struct envelope *e)
{
    TAKE(wire_read_str(reader, PROTOCOL_TEXT_MAX, &e->drain.message),
         "DRAIN: message is no text of at most 512 bytes");
    return NULL;
}

/* ---- the table ---- */

static const struct later_fields later_request = {4, count_request_later, write_request_later,
                                                  read_request_later};
static const struct later_fields later_reply = {7, count_reply_later, write_reply_later, read_reply_later};
static const struct later_fields later_reject = {5, count_reject_later, write_reject_later,
                                                 read_reject_later};
static const struct later_fields later_batch = {3, count_batch_later, write_batch_later, read_batch_later};

const struct verb_row protocol_verb_rows[] = {
    {VERB_REQUEST, "REQUEST", 8, write_request, read_request, &later_request},
    {VERB_CANCEL, "CANCEL", 0, NULL, NULL, NULL},
    {VERB_PING, "PING", 0, NULL, NULL, NULL},
    {VERB_REPLY, "REPLY", 5, write_reply, read_reply, &later_reply},
    {VERB_REJECT, "REJECT", 3, write_reject, read_reject, &later_reject},
    {VERB_PONG, "PONG", 1, write_pong, read_pong, NULL},
    {VERB_CATALOG, "CATALOG", 1, write_catalog, read_catalog, NULL},
    {VERB_READY, "READY", 8, write_ready, read_ready, NULL},
    {VERB_RESULT, "RESULT", 3, write_result, read_result, NULL},
    {VERB_HEARTBEAT, "HEARTBEAT", 1, write_heartbeat, read_heartbeat, NULL},
    {VERB_BYE, "BYE", 0, NULL, NULL, NULL},
    {VERB_BATCH, "BATCH", 3, write_batch, read_batch, &later_batch},
    {VERB_DRAIN, "DRAIN", 1, write_drain, read_drain, NULL},
    {VERB_BEAT, "BEAT", 1, write_pong, read_pong, NULL},
};

_Static_assert(COUNT_OF(protocol_verb_rows) == PROTOCOL_VERB_COUNT, "every verb has its row");
