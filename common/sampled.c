/* sampled: see sampled.h. Called by the frontend's sampling.c and the collector's drift.c.
 * SPDX-License-Identifier: MIT */
#include "sampled.h"

enum {
    SAMPLED_FIELDS = 8, /* of its array, the two of every kind among them */
    HEAD_FIELDS = 2,
    NUMBERS_BYTES_MAX = 64 /* of all that is neither text nor inputs nor scores, with the heads of those */
};

size_t sampled_bound(const struct sampled *sampled)
{
    return sampled->model.length + sampled->version.length + sampled->inputs.length +
           sampled->rows * sizeof(double) + NUMBERS_BYTES_MAX;
}

size_t sampled_encode(const struct sampled *sampled, uint8_t *bytes, size_t capacity)
{
    struct wire_writer writer;
    ENSURE(sampled->rows <= SAMPLED_ROWS_MAX);
    wire_writer_begin(&writer, bytes, capacity);
    wire_write_array(&writer, SAMPLED_FIELDS);
    wire_write_uint(&writer, OBSERVATION_VERSION);
    wire_write_uint(&writer, OBSERVATION_ROWS);
    wire_write_text(&writer, sampled->model);
    wire_write_text(&writer, sampled->version);
    wire_write_uint(&writer, sampled->score_kind);
    wire_write_uint(&writer, sampled->rows);
    wire_write_bin(&writer, sampled->inputs.at, sampled->inputs.length);
    wire_write_bin(&writer, sampled->scores, sampled->rows * sizeof(double));
    size_t length = wire_writer_end(&writer);
    ENSURE(length > 0);
    return length;
}

const char *sampled_read(const struct observation_any *any, struct sampled *sampled,
                         double scores[SAMPLED_ROWS_MAX])
{
    struct wire_reader reader = wire_reader(any->body.at, any->body.length);
    struct text doubles;
    uint64_t kind, rows;
    if (any->fields != SAMPLED_FIELDS - HEAD_FIELDS)
        return "its array has another length";
    if (!wire_read_str(&reader, PROTOCOL_NAME_MAX, &sampled->model) ||
        !wire_read_str(&reader, PROTOCOL_NAME_MAX, &sampled->version) || sampled->model.length == 0 ||
        sampled->version.length == 0)
        return "a name is none";
    if (!wire_read_uint(&reader, SCORE_KIND_COUNT - 1, &kind) ||
        !wire_read_uint(&reader, SAMPLED_ROWS_MAX, &rows) || rows == 0)
        return "a number is out of its bounds";
    if (!wire_read_bin(&reader, SAMPLED_BYTES_MAX, &sampled->inputs) ||
        !wire_read_bin(&reader, SAMPLED_ROWS_MAX * sizeof *scores, &doubles) ||
        doubles.length != rows * sizeof *scores)
        return "rows or scores are none";
    sampled->score_kind = (enum score_kind)kind;
    sampled->rows = (uint32_t)rows;
    memcpy(scores, doubles.at, doubles.length);
    sampled->scores = scores;
    return NULL;
}
