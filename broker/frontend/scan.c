/* scan: the framing of FastCGI records, so that nothing in front of libfcgi ever blocks or surprises it.
 *
 * libfcgi reads with blocking calls, trusts management records, and does not bound its parameters. So the
 * connection looks first (connection.c, at bytes that are still in the socket or already in the spool), and
 * libfcgi gets to read only what is a complete request of the form that web servers send: BEGIN_REQUEST,
 * PARAMS..., empty PARAMS, STDIN..., empty STDIN, all with one request id. Everything else (management
 * records, aborts before the end, other roles, a second request behind the first, more parameters than the
 * limit) closes the connection. Contents are not looked at. SPDX-License-Identifier: MIT */
#include "scan.h"

/* FastCGI specification 1.0, section 8. */
enum { VERSION_1 = 1, BEGIN_REQUEST = 1, PARAMS = 4, STDIN = 5, BEGIN_LENGTH = 8, HEADER_LENGTH = 8 };

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

/* Passes over content and padding that is there. Returns how much. */
static size_t pass_over(struct scan *scan, size_t available)
{
    size_t content = smaller(scan->content_left, available);
    size_t padding = smaller(scan->padding_left, available - content);
    scan->content_left -= content;
    scan->padding_left -= padding;
    return content + padding;
}

enum scan_result scan_feed(struct scan *scan, const struct scan_limits *limits, const uint8_t *bytes,
                           size_t length)
{
    size_t at = 0;
    for (;;) {
        size_t passed = pass_over(scan, length - at);
        at += passed;
        scan->offset += passed;
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
