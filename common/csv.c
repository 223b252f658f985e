/* csv: see csv.h. Tables are large, so bytes are looked at in blocks, each of which gives a word of bits:
 * where bytes are that mean something (mark_special); the state says what they mean. The state outlives the
 * piece, and so does what there is of a record: its bytes are carried over into memory of the reader. Fields
 * are places in the record, whose bytes lie in the piece, where they are nearly always read, or in that
 * memory. It is also where doubled quotes become single, since the piece is the caller's.
 *
 * Nothing depends on how the text is cut: bounds are kept at the very byte that breaks them.
 * SPDX-License-Identifier: MIT */
#include "csv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CSV_MAGIC = 0x0c580001, FIELDS_FIRST = 64, CARRIED_FIRST = 4096, BLOCK = 64 };

/* What the last byte was. */
enum state {
    NOTHING,   /* there was none, or it was of a byte order mark (`mark`) */
    LINE_END,  /* what comes is a record, or an empty line */
    DELIMITER, /* what comes is a field */
    PLAIN,     /* of a field without quotes */
    QUOTED,    /* of a field, within its quotes */
    QUOTE,     /* the end of a field, or half of a doubled quote */
    RETURN     /* the first half of a line's end */
};

static const char byte_order_mark[] = "\xef\xbb\xbf";

struct csv {
    unsigned magic;
    struct csv_options options;
    uint64_t delimiters; /* eight of them */

    const char *piece;
    size_t length, at; /* of the piece; how far it is read */
    bool finished;     /* it was the last one */
    size_t block;      /* of the piece's bytes that were looked at: the first; past the piece: none was */
    uint64_t special;  /* those of the block that mean something, one bit for each */
    enum state state;
    size_t mark;            /* bytes of a byte order mark so far */
    uint64_t line;          /* of the byte at `at` */
    struct csv_error error; /* line 0: none */

    /* The record under way. Places in it count from its first byte. */
    size_t begin;         /* its first byte in the piece, when nothing is carried */
    char *carried;        /* its bytes from the pieces before, or all, in memory of ours */
    size_t carried_bytes; /* 0: none */
    size_t carried_capacity;
    struct csv_field *fields;
    size_t count, capacity;
    size_t field_begin; /* place of the field under way */
    bool field_doubled; /* it has doubled quotes */
    bool any_doubled;   /* some field has */
    uint64_t record_line, field_line;
};

struct csv *csv_new(const struct csv_options *options)
{
    unsigned char delimiter = (unsigned char)options->delimiter;
    ENSURE(delimiter > 0 && delimiter < 0x80 && strchr("\"\r\n", delimiter) == NULL);
    ENSURE(options->max_field_bytes <= UINT32_MAX && options->max_fields > 0);
    struct csv *csv = object_alloc(sizeof *csv);
    csv->magic = CSV_MAGIC;
    csv->options = *options;
    csv->delimiters = delimiter * UINT64_C(0x0101010101010101);
    csv_begin(csv);
    return csv;
}

void csv_free(struct csv *csv)
{
    if (csv == NULL)
        return;
    CHECK_OBJECT(csv, CSV_MAGIC);
    free(csv->carried);
    free(csv->fields);
    csv->magic = 0;
    free(csv);
}

static void begin_record(struct csv *csv)
{
    csv->begin = csv->at;
    csv->carried_bytes = 0;
    csv->count = 0;
    csv->field_begin = 0;
    csv->field_doubled = csv->any_doubled = false;
    csv->record_line = csv->field_line = csv->line;
}

void csv_begin(struct csv *csv)
{
    CHECK_OBJECT(csv, CSV_MAGIC);
    csv->piece = NULL;
    csv->length = csv->at = csv->mark = 0;
    csv->finished = false;
    csv->state = NOTHING;
    csv->line = 1;
    csv->error.line = 0;
    begin_record(csv);
}

void csv_feed(struct csv *csv, const char *bytes, size_t length)
{
    CHECK_OBJECT(csv, CSV_MAGIC);
    ENSURE(csv->at == csv->length && !csv->finished);
    csv->piece = bytes;
    csv->length = length;
    csv->at = csv->begin = 0;
    csv->block = SIZE_MAX - BLOCK + 1;
}

void csv_finish(struct csv *csv)
{
    CHECK_OBJECT(csv, CSV_MAGIC);
    csv->finished = true;
}

size_t csv_read(const struct csv *csv)
{
    CHECK_OBJECT(csv, CSV_MAGIC);
    return csv->at;
}

const struct csv_error *csv_error(const struct csv *csv)
{
    CHECK_OBJECT(csv, CSV_MAGIC);
    ENSURE(csv->error.line > 0);
    return &csv->error;
}

__attribute__((format(printf, 3, 4))) static bool complain(struct csv *csv, uint64_t line, const char *format,
                                                           ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(csv->error.complaint, sizeof csv->error.complaint, format, arguments);
    va_end(arguments);
    csv->error.line = line;
    csv->error.field = csv->count + (csv->state != RETURN || csv->count == 0);
    return false;
}

/* ---- the record's bytes ---- */

/* The piece's byte at `at` is that far from the record's first one. */
static inline size_t place_of(const struct csv *csv, size_t at)
{
    return at - csv->begin + csv->carried_bytes;
}

/* What there is of the record in the piece, up to `at`, is carried. A NUL stands behind it. */
static void carry(struct csv *csv)
{
    size_t more = csv->at - csv->begin, needed = csv->carried_bytes + more;
    if (csv->carried_capacity <= needed) {
        size_t doubled = csv->carried_capacity * 2;
        csv->carried_capacity = needed < CARRIED_FIRST ? CARRIED_FIRST
                                : needed < doubled     ? doubled
                                                       : needed + 1;
        csv->carried = realloc(csv->carried, csv->carried_capacity);
        ENSURE(csv->carried != NULL);
    }
    if (more > 0)
        memcpy(csv->carried + csv->carried_bytes, csv->piece + csv->begin, more);
    csv->carried_bytes = needed;
    csv->carried[needed] = '\0';
    csv->begin = csv->at;
}

/* Doubled quotes become single, and a NUL ends the text. */
static void undouble(char *bytes, struct csv_field *field)
{
    char *from = bytes + field->begin, *end = from + field->length, *to = from;
    for (; from < end; from++) {
        *to++ = *from;
        from += *from == '"'; /* its other half */
    }
    *to = '\0';
    field->length = (uint32_t)(to - bytes - field->begin);
}

static void give_record(struct csv *csv, struct csv_record *record)
{
    if (csv->carried_bytes > 0 || csv->any_doubled)
        carry(csv);
    for (size_t i = 0; csv->any_doubled && i < csv->count; i++)
        if (csv->fields[i].doubled)
            undouble(csv->carried, &csv->fields[i]);
    *record = (struct csv_record){
        .bytes = csv->carried_bytes > 0 ? csv->carried : csv->piece + csv->begin,
        .fields = csv->fields,
        .count = csv->count,
        .line = csv->record_line,
    };
}

/* ---- fields ---- */

static bool make_room(struct csv *csv)
{
    if (csv->count == csv->options.max_fields)
        return complain(csv, csv->line, "more than %zu fields", csv->options.max_fields);
    csv->capacity = csv->capacity == 0 ? FIELDS_FIRST : csv->capacity * 2;
    if (csv->capacity > csv->options.max_fields)
        csv->capacity = csv->options.max_fields;
    csv->fields = realloc(csv->fields, csv->capacity * sizeof *csv->fields);
    ENSURE(csv->fields != NULL);
    return true;
}

/* The field under way ends before the byte at `at`, with a quote when `quoted`. */
static inline bool end_field(struct csv *csv, size_t at, bool quoted)
{
    if (__builtin_expect(csv->count == csv->capacity, 0) && !make_room(csv))
        return false;
    size_t begin = csv->field_begin, end = place_of(csv, at);
    csv->fields[csv->count++] = (struct csv_field){.begin = begin + quoted,
                                                   .length = (uint32_t)(end - begin - 2 * quoted),
                                                   .quoted = quoted,
                                                   .doubled = csv->field_doubled};
    csv->any_doubled |= csv->field_doubled;
    csv->field_doubled = false;
    return true;
}

/* How far the field under way may be read: one byte more than it may have, if the piece has it. */
static inline size_t field_stop(const struct csv *csv)
{
    size_t left = csv->field_begin + csv->options.max_field_bytes + 1 - place_of(csv, csv->at);
    return left < csv->length - csv->at ? csv->at + left : csv->length;
}

static bool too_long(const struct csv *csv)
{
    return place_of(csv, csv->at) - csv->field_begin > csv->options.max_field_bytes;
}

/* ---- bytes ---- */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte of eight is the lowest");

/* The highest bit of each byte of `word` that is as in `pattern`. */
static inline uint64_t matches(uint64_t word, uint64_t pattern)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t difference = word ^ pattern;
    return ~(((difference & low) + low) | difference | low);
}

/* The bytes of a block that are no ordinary ones, one bit for each. */
static uint64_t mark_special(const char *block, uint64_t delimiters)
{
    uint64_t special = 0;
    for (size_t at = 0; at < BLOCK; at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, block + at, sizeof word);
        uint64_t found = matches(word, delimiters) | matches(word, UINT64_C(0x0a0a0a0a0a0a0a0a)) |
                         matches(word, UINT64_C(0x0d0d0d0d0d0d0d0d)) |
                         matches(word, UINT64_C(0x2222222222222222));
        special |= ((found >> 7) * UINT64_C(0x0102040810204080) >> 56) << at; /* eight bits side by side */
    }
    return special;
}

/* The block that begins with the piece's byte at `at` is the one that is known. */
static void look_at_block(struct csv *csv, size_t at)
{
    char end[BLOCK] = {0};
    const char *block = csv->piece + at;
    if (csv->length - at < BLOCK)
        block = memcpy(end, block, csv->length - at);
    csv->block = at;
    csv->special = mark_special(block, csv->delimiters);
}

/* From `at` to the next byte that is no ordinary one, or to `stop`. */
static inline size_t skip_plain(struct csv *csv, size_t at, size_t stop)
{
    while (at < stop) {
        if (at - csv->block >= BLOCK)
            look_at_block(csv, at);
        uint64_t special = csv->special >> (at - csv->block);
        if (special != 0) {
            at += (size_t)__builtin_ctzll(special);
            break;
        }
        at = csv->block + BLOCK;
    }
    return at < stop ? at : stop;
}

/* The same to the next quote; counts lines. */
static size_t skip_quoted(struct csv *csv, size_t stop)
{
    const char *at = csv->piece + csv->at, *end = csv->piece + stop;
    const char *quote = memchr(at, '"', (size_t)(end - at));
    end = quote == NULL ? end : quote;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        csv->line++;
        at++;
    }
    return (size_t)(end - csv->piece);
}

/* ---- states: each takes at least one byte, or fails ---- */

static void take_mark(struct csv *csv)
{
    while (csv->at < csv->length && csv->mark < sizeof byte_order_mark - 1 &&
           csv->piece[csv->at] == byte_order_mark[csv->mark]) {
        csv->at++;
        csv->mark++;
    }
    if (csv->mark == sizeof byte_order_mark - 1)
        csv->state = LINE_END;
    else if (csv->at < csv->length)
        csv->state = csv->mark == 0 ? LINE_END : PLAIN; /* what looked like a mark is the first field's */
}

/* Behind a whole field: what ends it, which is taken. */
static bool take_end(struct csv *csv)
{
    char byte = csv->piece[csv->at++];
    if (byte == csv->options.delimiter) {
        csv->state = DELIMITER;
        csv->field_begin = place_of(csv, csv->at);
        csv->field_line = csv->line;
    } else {
        csv->state = byte == '\n' ? LINE_END : RETURN;
        csv->line += byte == '\n';
    }
    return true;
}

/* The fast way through fields without quotes, one after the other, as long as a delimiter ends them in this
 * piece: what changes is kept in registers. What stops it is left to take_plain. */
static void take_delimited(struct csv *csv)
{
    const char delimiter = csv->options.delimiter;
    const size_t max_bytes = csv->options.max_field_bytes;
    size_t at = csv->at, begin = csv->field_begin, count = csv->count;
    while (count < csv->capacity) {
        size_t end = skip_plain(csv, at, csv->length);
        size_t length = place_of(csv, end) - begin;
        if (end == csv->length || csv->piece[end] != delimiter || length > max_bytes)
            break;
        csv->fields[count++] = (struct csv_field){.begin = begin, .length = (uint32_t)length};
        at = end + 1;
        begin += length + 1;
    }
    if (at > csv->at) {
        csv->state = DELIMITER;
        csv->field_line = csv->line;
    }
    csv->at = at;
    csv->field_begin = begin;
    csv->count = count;
}

/* Fields without quotes: one or more, or what there is of one. */
static bool take_plain(struct csv *csv)
{
    take_delimited(csv);
    if (csv->at == csv->length || (csv->state == DELIMITER && csv->piece[csv->at] == '"'))
        return true;
    csv->at = skip_plain(csv, csv->at, field_stop(csv));
    csv->state = PLAIN;
    if (too_long(csv))
        return complain(csv, csv->line, "more than %zu bytes", csv->options.max_field_bytes);
    if (csv->at == csv->length)
        return true;
    if (csv->piece[csv->at] == '"')
        return complain(csv, csv->line, "a quote within a field that does not begin with one");
    return end_field(csv, csv->at, false) && take_end(csv);
}

static bool take_quoted(struct csv *csv)
{
    csv->at = skip_quoted(csv, field_stop(csv));
    if (too_long(csv))
        return complain(csv, csv->field_line, "more than %zu bytes, or the closing quote is missing",
                        csv->options.max_field_bytes);
    if (csv->at == csv->length)
        return true;
    csv->at++;
    csv->state = QUOTE;
    return true;
}

static bool take_quote(struct csv *csv)
{
    char byte = csv->piece[csv->at];
    if (too_long(csv))
        return complain(csv, csv->field_line, "more than %zu bytes", csv->options.max_field_bytes);
    if (byte == '"') {
        csv->field_doubled = true;
        csv->state = QUOTED;
        csv->at++;
        return true;
    }
    if (byte != csv->options.delimiter && byte != '\n' && byte != '\r')
        return complain(csv, csv->line, "something stands behind the closing quote");
    return end_field(csv, csv->at, true) && take_end(csv);
}

static bool take_return(struct csv *csv)
{
    if (csv->piece[csv->at] != '\n')
        return complain(csv, csv->line, "a carriage return that no line feed follows");
    csv->at++;
    csv->line++;
    csv->state = LINE_END;
    return true;
}

/* A field begins. */
static bool take_begin(struct csv *csv)
{
    if (csv->piece[csv->at] != '"')
        return take_plain(csv);
    csv->at++;
    csv->state = QUOTED;
    return true;
}

/* A line begins. An empty one is passed over. */
static bool take_line(struct csv *csv)
{
    char byte = csv->piece[csv->at];
    begin_record(csv);
    if (byte != '\n' && byte != '\r')
        return take_begin(csv);
    return take_end(csv);
}

static bool take(struct csv *csv)
{
    switch (csv->state) {
    case NOTHING:
        take_mark(csv);
        return true;
    case LINE_END:
        return take_line(csv);
    case DELIMITER:
        return take_begin(csv);
    case PLAIN:
        return take_plain(csv);
    case QUOTED:
        return take_quoted(csv);
    case QUOTE:
        return take_quote(csv);
    default:
        return take_return(csv);
    }
}

/* ---- records ---- */

/* There is nothing more: a record whose line has no end is one all the same. */
static bool finish_record(struct csv *csv)
{
    if (csv->state == LINE_END || (csv->state == NOTHING && csv->mark == 0))
        return true;
    if (csv->state == QUOTED)
        return complain(csv, csv->field_line, "the closing quote is missing");
    if (csv->state == RETURN)
        return complain(csv, csv->line, "a carriage return that no line feed follows");
    if (too_long(csv))
        return complain(csv, csv->field_line, "more than %zu bytes", csv->options.max_field_bytes);
    return end_field(csv, csv->at, csv->state == QUOTE);
}

enum csv_result csv_next(struct csv *csv, struct csv_record *record)
{
    CHECK_OBJECT(csv, CSV_MAGIC);
    if (csv->error.line > 0)
        return CSV_WRONG;
    if (csv->state == LINE_END)
        begin_record(csv);
    while (csv->at < csv->length) {
        if (!take(csv))
            return CSV_WRONG;
        if (csv->state == LINE_END && csv->count > 0) {
            give_record(csv, record);
            return CSV_RECORD;
        }
    }
    if (!csv->finished) {
        if (csv->state != LINE_END)
            carry(csv);
        return CSV_MORE;
    }
    if (!finish_record(csv))
        return CSV_WRONG;
    csv->state = LINE_END;
    if (csv->count == 0)
        return CSV_END;
    give_record(csv, record);
    return CSV_RECORD;
}
