/* trace_context: traceparent and tracestate as W3C Trace Context has them.
 *
 * What a client sends is believed only when all of it is right; else the request begins a trace of its own,
 * as the recommendation wants it. Whether a trace is recorded is decided by its id alone, so that all who see
 * the id come to the same decision without talking to each other: the low 56 bits of an id are random, and
 * those above a threshold are recorded. Called once for each request, so all of it is arithmetic: no
 * allocation, no call of the kernel, no printf. A client that names a trace has chosen that id, so how many
 * of those are recorded is bounded. Called by http.c in a frontend, and by asking.c in the broker.
 * SPDX-License-Identifier: MIT */
#include "trace_context.h"

#include "clock.h"
#include "hex.h"
#include "splitmix.h"

enum {
    KEY_MAX = 256,   /* bytes of a tracestate's key */
    VALUE_MAX = 256, /* bytes of its value */
    AT_TRACE = 3,    /* where the fields of a traceparent stand */
    AT_SPAN = 36,
    AT_FLAGS = 53
};

#define MILLION UINT64_C(1000000)

/* ---- numbers ---- */

void trace_ids_init(struct trace_ids *ids)
{
    *ids = (struct trace_ids){.high = splitmix_seed(), .low = splitmix_seed()};
}

static void put(uint8_t bytes[8], uint64_t number)
{
    number = __builtin_bswap64(number); /* only to look the same as in the text; any order is random */
    memcpy(bytes, &number, 8);
}

/* Both halves of a trace's id have a seed of their own: two processes would have to draw both alike to give
 * the same id twice. */
static uint64_t draw(const struct trace_ids *ids, uint64_t seed)
{
    return splitmix_of(seed + ids->count * SPLITMIX_STEP);
}

void trace_span_draw(struct trace_ids *ids, uint8_t span[TRACE_SPAN_BYTES])
{
    uint64_t number;
    do {
        ids->count++;
        number = draw(ids, ids->high ^ ids->low);
    } while (number == 0);
    put(span, number);
}

static void draw_trace(struct trace_ids *ids, uint8_t id[TRACE_ID_BYTES])
{
    uint64_t high, low;
    do {
        ids->count++;
        high = draw(ids, ids->high);
        low = draw(ids, ids->low);
    } while ((high | low) == 0);
    put(id, high);
    put(id + 8, low);
}

/* ---- traceparent ---- */

static bool all_zero(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* VERSION-TRACE-PARENT-FLAGS. A later version than 00 may be longer, but its first four fields are these. */
static bool read_parent(const char *value, struct trace_context *context)
{
    struct text text = text_trim(text_of(value));
    const char *at = text.at;
    uint8_t version;
    if (text.length < TRACE_PARENT_TEXT || at[AT_TRACE - 1] != '-' || at[AT_SPAN - 1] != '-' ||
        at[AT_FLAGS - 1] != '-')
        return false;
    if (!hex_read(at, &version, 1) || !hex_read(at + AT_TRACE, context->id, TRACE_ID_BYTES) ||
        !hex_read(at + AT_SPAN, context->parent, TRACE_SPAN_BYTES) ||
        !hex_read(at + AT_FLAGS, &context->flags, 1))
        return false;
    if (version == 0xff || all_zero(context->id, TRACE_ID_BYTES) ||
        all_zero(context->parent, TRACE_SPAN_BYTES))
        return false;
    return text.length == TRACE_PARENT_TEXT || (version != 0 && at[TRACE_PARENT_TEXT] == '-');
}

/* ---- what is recorded ---- */

struct trace_sampling trace_sampling_of(uint64_t ratio_ppm, bool trust_parent)
{
    uint64_t ratio = ratio_ppm < MILLION ? ratio_ppm : MILLION;
    /* 2^56 times a million fits no 64 bits, so the part below the comma comes on its own. */
    uint64_t share = TRACE_NEVER / MILLION * ratio + TRACE_NEVER % MILLION * ratio / MILLION;
    return (struct trace_sampling){.on = true, .trust_parent = trust_parent, .least = TRACE_NEVER - share};
}

static bool is_chosen(const struct trace_context *context, const struct trace_sampling *sampling)
{
    uint64_t low;
    memcpy(&low, context->id + 8, 8);
    return (__builtin_bswap64(low) & (TRACE_NEVER - 1)) >= sampling->least;
}

/* False when clients have had more recorded in this second than chance would. */
static bool may_choose(struct trace_ids *ids, const struct trace_sampling *sampling)
{
    int64_t now = clock_now();
    double share = (double)(TRACE_NEVER - sampling->least) / (double)TRACE_NEVER;
    if (ids->since == 0 || now - ids->since >= SECOND) {
        ids->since = now;
        ids->named = 1;
        ids->chosen = 0;
    }
    if (ids->chosen >= TRACE_CHOSEN_A_SECOND && (double)ids->chosen >= 2 * share * (double)ids->named)
        return false;
    ids->chosen++;
    return true;
}

static bool decide(struct trace_context *context, struct trace_ids *ids,
                   const struct trace_sampling *sampling, bool parent_sampled)
{
    ids->named += context->has_parent;
    if (!sampling->on)
        return false;
    if (sampling->trust_parent && parent_sampled)
        return true;
    if (!is_chosen(context, sampling))
        return false;
    context->limited = context->has_parent && !may_choose(ids, sampling);
    return !context->limited;
}

void trace_context_begin(struct trace_context *context, const char *parent, struct trace_ids *ids,
                         const struct trace_sampling *sampling)
{
    *context = (struct trace_context){.has_parent = true};
    if (parent == NULL || !read_parent(parent, context)) {
        *context = (struct trace_context){.flags = TRACE_RANDOM};
        draw_trace(ids, context->id);
    }
    trace_span_draw(ids, context->span);
    bool parent_sampled = trace_sampled(context);
    context->flags &= TRACE_RANDOM;
    if (decide(context, ids, sampling, parent_sampled))
        context->flags |= TRACE_SAMPLED;
}

/* ---- texts and bytes ---- */

void trace_context_text(const struct trace_context *context, char text[TRACE_PARENT_TEXT + 1])
{
    memcpy(text, "00-", 3);
    hex_write(text + AT_TRACE, context->id, TRACE_ID_BYTES);
    text[AT_SPAN - 1] = '-';
    hex_write(text + AT_SPAN, context->span, TRACE_SPAN_BYTES);
    text[AT_FLAGS - 1] = '-';
    hex_write(text + AT_FLAGS, &context->flags, 1);
    text[TRACE_PARENT_TEXT] = '\0';
}

void trace_id_text(const uint8_t id[TRACE_ID_BYTES], char text[2 * TRACE_ID_BYTES + 1])
{
    hex_write(text, id, TRACE_ID_BYTES);
    text[2 * TRACE_ID_BYTES] = '\0';
}

struct text trace_context_wire(const struct trace_context *context)
{
    return (struct text){(const char *)context, TRACE_WIRE_BYTES};
}

bool trace_wire_read(struct text wire, uint8_t bytes[TRACE_WIRE_BYTES])
{
    if (wire.length != TRACE_WIRE_BYTES)
        return false;
    memcpy(bytes, wire.at, TRACE_WIRE_BYTES);
    bytes[TRACE_WIRE_BYTES - 1] &= TRACE_FLAGS;
    return !all_zero(bytes, TRACE_ID_BYTES) && !all_zero(bytes + TRACE_ID_BYTES, TRACE_SPAN_BYTES);
}

/* ---- tracestate ---- */

static bool is_small(char character)
{
    return character >= 'a' && character <= 'z';
}

static bool is_number(char character)
{
    return character >= '0' && character <= '9';
}

/* KEY, or TENANT@SYSTEM; both may begin with a digit (level 2). */
static bool key_ok(struct text key)
{
    size_t ats = 0;
    bool begins = true; /* a part of the key begins here */
    if (key.length == 0 || key.length > KEY_MAX)
        return false;
    for (size_t i = 0; i < key.length; i++) {
        char character = key.at[i];
        bool first = is_small(character) || is_number(character);
        if (character == '@' ? begins || ++ats > 1
                             : !(first || (!begins && memchr("_-*/", character, 4) != NULL)))
            return false;
        begins = character == '@';
    }
    return !begins;
}

/* Printable ASCII but "," and "="; not ending with a blank, which is the separator's then. */
static bool value_ok(struct text value)
{
    if (value.length == 0 || value.length > VALUE_MAX)
        return false;
    for (size_t i = 0; i < value.length; i++)
        if (value.at[i] < 0x20 || value.at[i] > 0x7e || value.at[i] == '=')
            return false;
    return true;
}

/* The next member of the list, without the blanks around it; false: there is none. */
static bool next_member(struct text *list, struct text *member)
{
    if (list->length == 0)
        return false;
    const char *comma = memchr(list->at, ',', list->length);
    size_t length = comma == NULL ? list->length : (size_t)(comma - list->at);
    *member = (struct text){list->at, length};
    size_t passed = comma == NULL ? length : length + 1;
    *list = (struct text){list->at + passed, list->length - passed};
    *member = text_trim(*member);
    return true;
}

static bool known_already(const struct text *keys, size_t count, struct text key)
{
    for (size_t i = 0; i < count; i++)
        if (keys[i].length == key.length && memcmp(keys[i].at, key.at, key.length) == 0)
            return true;
    return false;
}

struct text trace_state(const char *value)
{
    static const struct text none;
    struct text whole = text_trim(text_of(value)), left = whole, member, keys[TRACE_STATE_MEMBERS];
    size_t count = 0;
    if (whole.length > TRACE_STATE_MAX)
        return none;
    while (next_member(&left, &member)) {
        if (member.length == 0)
            continue; /* empty members are allowed, for headers that are joined */
        const char *equals = memchr(member.at, '=', member.length);
        if (equals == NULL || count == TRACE_STATE_MEMBERS)
            return none;
        struct text key = {member.at, (size_t)(equals - member.at)};
        struct text said = {equals + 1, member.length - key.length - 1};
        if (!key_ok(key) || !value_ok(said) || known_already(keys, count, key))
            return none;
        keys[count++] = key;
    }
    return count == 0 ? none : whole;
}
