/* scan: the framing of FastCGI records, so that nothing in front of libfcgi ever blocks or surprises it.
 *
 * libfcgi reads with blocking calls, trusts management records, and does not bound its parameters. So the
 * connection looks first (connection.c, at the bytes that it read), and libfcgi gets only what is a complete
 * request of the form that web servers send: BEGIN_REQUEST, PARAMS..., empty PARAMS, STDIN..., empty STDIN,
 * all with one request id. Everything else (management records, aborts before the end, other roles, a second
 * request behind the first, more parameters than the limit) closes the connection. Of the parameters only
 * their lengths are looked at: libfcgi allocates what a length claims before it reads, and ends the process
 * when it cannot. SPDX-License-Identifier: MIT */
#include "scan.h"

/* FastCGI specification 1.0, section 8. */
enum {
    VERSION_1 = 1,
    BEGIN_REQUEST = 1,
    PARAMS = 4,
    STDIN = 5,
    BEGIN_LENGTH = 8,
    HEADER_LENGTH = 8,
    RESPONDER = 1
};

enum stage { STAGE_BEGIN, STAGE_PARAMS, STAGE_STDIN, STAGE_END };

/* A record header is there: is it one that may come now? */
static bool accept_header(struct scan *scan, const struct scan_limits *limits)
{
    const uint8_t *header = scan->header;
    uint16_t id = (uint16_t)(header[2] << 8 | header[3]);
    size_t content = (size_t)(header[4] << 8 | header[5]);
    if (header[0] != VERSION_1 || id == 0)
        return false;
    scan->content_left = content;
    scan->padding_left = header[6];
    switch (scan->stage) {
    case STAGE_BEGIN:
        scan->request_id = id;
        scan->stage = STAGE_PARAMS;
        return header[1] == BEGIN_REQUEST && content == BEGIN_LENGTH;
    case STAGE_PARAMS:
        scan->params += content;
        if (content == 0) {
            if (scan->pair_left > 0 || scan->lengths_count > 0)
                return false; /* ends within a parameter */
            scan->stage = STAGE_STDIN;
            scan->params_end = scan->offset + scan->padding_left;
        }
        return header[1] == PARAMS && id == scan->request_id && scan->params <= limits->max_params;
    case STAGE_STDIN:
        scan->body += content;
        if (content == 0)
            scan->stage = STAGE_END;
        return header[1] == STDIN && id == scan->request_id;
    default:
        return false;
    }
}

static size_t smaller(size_t left, size_t right)
{
    return left < right ? left : right;
}

/* One length of a parameter's two (section 3.4): one byte, or four with the highest bit set. Returns how many
 * bytes it takes. */
static size_t read_length(const uint8_t *bytes, size_t *length)
{
    *length = bytes[0];
    if (bytes[0] < 0x80)
        return 1;
    *length = (size_t)(bytes[0] & 0x7f) << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
    return 4;
}

/* Another byte of a parameter's two lengths; when it was the last, name and value follow. */
static void take_length_byte(struct scan *scan, uint8_t byte)
{
    scan->lengths[scan->lengths_count++] = byte;
    size_t name, value;
    size_t name_bytes = read_length(scan->lengths, &name);
    if (scan->lengths_count <= name_bytes)
        return;
    size_t value_bytes = read_length(scan->lengths + name_bytes, &value);
    if (scan->lengths_count < name_bytes + value_bytes)
        return;
    scan->pair_left = name + value;
    scan->lengths_count = 0;
}

static bool accept_params(struct scan *scan, const struct scan_limits *limits, const uint8_t *bytes,
                          size_t length)
{
    size_t at = 0;
    while (at < length) {
        if (scan->pair_left == 0) {
            take_length_byte(scan, bytes[at++]);
            if (scan->pair_left > limits->max_params)
                return false;
        } else {
            size_t part = smaller(scan->pair_left, length - at);
            scan->pair_left -= part;
            at += part;
        }
    }
    return true;
}

/* The role is the first two of the eight bytes. */
static bool accept_begin(const struct scan *scan, const uint8_t *bytes, size_t length)
{
    size_t position = BEGIN_LENGTH - scan->content_left;
    for (size_t i = 0; i < length && position + i < 2; i++)
        if (bytes[i] != (position + i == 0 ? 0 : RESPONDER))
            return false;
    return true;
}

/* Passes over content and padding that is there, and adds to *at how much. False when the content is not
 * right. */
static bool pass_over(struct scan *scan, const struct scan_limits *limits, const uint8_t *bytes,
                      size_t length, size_t *at)
{
    size_t content = smaller(scan->content_left, length - *at);
    size_t padding = smaller(scan->padding_left, length - *at - content);
    if (scan->header[1] == PARAMS && !accept_params(scan, limits, bytes + *at, content))
        return false;
    if (scan->header[1] == BEGIN_REQUEST && !accept_begin(scan, bytes + *at, content))
        return false;
    scan->content_left -= content;
    scan->padding_left -= padding;
    scan->offset += content + padding;
    *at += content + padding;
    return true;
}

enum scan_result scan_feed(struct scan *scan, const struct scan_limits *limits, const uint8_t *bytes,
                           size_t length)
{
    size_t at = 0;
    for (;;) {
        if (!pass_over(scan, limits, bytes, length, &at))
            return SCAN_REFUSED;
        if (scan->content_left > 0 || scan->padding_left > 0)
            return SCAN_PARTIAL;
        if (scan->stage == STAGE_END) {
            if (at < length)
                return SCAN_REFUSED;
            return scan->body > limits->max_body ? SCAN_TOO_LARGE : SCAN_COMPLETE;
        }
        size_t part = smaller(HEADER_LENGTH - scan->header_length, length - at);
        memcpy(scan->header + scan->header_length, bytes + at, part);
        scan->header_length += part;
        scan->offset += part;
        at += part;
        if (scan->header_length < HEADER_LENGTH)
            return SCAN_PARTIAL;
        scan->header_length = 0;
        if (!accept_header(scan, limits))
            return SCAN_REFUSED;
    }
}
