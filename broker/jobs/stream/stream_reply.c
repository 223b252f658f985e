/* stream_reply: see stream_reply.h. The members and the forms of their values are those of the HTTP answer,
 * so that whoever reads both finds the same. SPDX-License-Identifier: MIT */
#include "stream_reply.h"

#include "utf8.h"
#include "wire.h"

#include <math.h>
#include <stdio.h>
#include <yyjson.h>

_Static_assert(STREAM_REPLY_MAX > 128 + 2 * NUMBER_TEXT_MAX + 6 * (SCORED_LABEL_MAX + 2 * PROTOCOL_NAME_MAX),
               "every answer has room");

/* A class that is only a name is the prediction itself. */
static bool is_named(const struct scored *row)
{
    return row->is_class && row->has_label && isnan(row->value);
}

/* ---- JSON ---- */

struct line {
    char *bytes;
    size_t length;
};

static void add(struct line *line, const char *text)
{
    size_t length = strlen(text);
    memcpy(line->bytes + line->length, text, length);
    line->length += length;
}

static void add_escaped(struct line *line, unsigned char byte)
{
    char escape[8];
    if (byte == '"' || byte == '\\')
        snprintf(escape, sizeof escape, "\\%c", byte);
    else
        snprintf(escape, sizeof escape, "\\u%04x", byte);
    add(line, escape);
}

/* What is no UTF-8 becomes U+FFFD. */
static void add_string(struct line *line, const char *text)
{
    size_t left = strlen(text);
    add(line, "\"");
    while (left > 0) {
        size_t length = utf8_length(text, left);
        unsigned char byte = (unsigned char)*text;
        if (length == 0) {
            add(line, "\xef\xbf\xbd");
            length = 1;
        } else if (length > 1 || (byte >= ' ' && byte != '"' && byte != '\\')) {
            memcpy(line->bytes + line->length, text, length);
            line->length += length;
        } else {
            add_escaped(line, byte);
        }
        text += length;
        left -= length;
    }
    add(line, "\"");
}

static size_t write_json(const struct scored *row, const char *model, char *bytes)
{
    struct line line = {bytes, 0};
    add(&line, "{\"prediction\":");
    if (row->list != NULL)
        add(&line, row->list);
    else if (is_named(row))
        add_string(&line, row->label);
    else
        line.length += scored_value(row, bytes + line.length);
    if (!isnan(row->probability)) {
        add(&line, ",\"probability\":");
        line.length += scored_number(row->probability, row->probability_single, bytes + line.length);
    }
    if (row->has_label && !is_named(row)) {
        add(&line, ",\"label\":");
        add_string(&line, row->label);
    }
    add(&line, ",\"model\":");
    add_string(&line, model);
    add(&line, ",\"model_version\":");
    add_string(&line, row->version);
    add(&line, "}");
    return line.length;
}

/* ---- msgpack ---- */

static const double beyond_int64 = 9223372036854775808.0; /* 2^63: an int64_t has all below it */

static void pack_list(struct wire_writer *writer, const struct scored *row)
{
    yyjson_doc *document = yyjson_read(row->list, strlen(row->list), 0);
    yyjson_val *list = yyjson_doc_get_root(document), *value;
    size_t at, most;
    ENSURE(yyjson_is_arr(list));
    wire_write_array(writer, yyjson_arr_size(list));
    yyjson_arr_foreach(list, at, most, value)
    {
        if (row->is_whole)
            wire_write_int(writer, yyjson_get_sint(value));
        else
            wire_write_double(writer, yyjson_is_null(value) ? (double)NAN : yyjson_get_num(value));
    }
    yyjson_doc_free(document);
}

static void pack_value(struct wire_writer *writer, const struct scored *row)
{
    if (row->list != NULL)
        pack_list(writer, row);
    else if (is_named(row))
        wire_write_str(writer, row->label);
    else if (row->is_truth)
        wire_write_bool(writer, row->value != 0);
    else if (row->is_whole && row->value >= -beyond_int64 && row->value < beyond_int64)
        wire_write_int(writer, (int64_t)row->value);
    else
        wire_write_double(writer, row->value);
}

static size_t write_packed(const struct scored *row, const char *model, char *bytes)
{
    struct wire_writer writer;
    bool probability = !isnan(row->probability), label = row->has_label && !is_named(row);
    wire_writer_begin(&writer, bytes, stream_reply_room(row));
    wire_write_map(&writer, 3 + (size_t)probability + label);
    wire_write_str(&writer, "prediction");
    pack_value(&writer, row);
    if (probability) {
        wire_write_str(&writer, "probability");
        wire_write_double(&writer, row->probability);
    }
    if (label) {
        wire_write_str(&writer, "label");
        wire_write_str(&writer, row->label);
    }
    wire_write_str(&writer, "model");
    wire_write_str(&writer, model);
    wire_write_str(&writer, "model_version");
    wire_write_str(&writer, row->version);
    return wire_writer_end(&writer);
}

/* A number has nine bytes in msgpack, and one and a comma at least in a list. */
size_t stream_reply_room(const struct scored *row)
{
    return STREAM_REPLY_MAX + (row->list == NULL ? 0 : 5 * strlen(row->list));
}

size_t stream_reply_write(enum stream_format format, const struct scored *row, const char *model, char *bytes)
{
    return format == STREAM_MSGPACK ? write_packed(row, model, bytes) : write_json(row, model, bytes);
}
