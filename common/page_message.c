/* page_message: see page_message.h. Questions come from frontends, which copy them from what a client said:
 * every text has its bound, and a message of another form is refused as a whole. Called by stats.c in a
 * frontend, and by the collector's pages.c.
 * SPDX-License-Identifier: MIT */
#include "page_message.h"

#include "wire.h"

#include <stdlib.h>

enum {
    REQUEST_TEXTS = 5,
    REQUEST_FIELDS = 2 + REQUEST_TEXTS, /* a version and a number before them */
    ANSWER_TEXTS = 5,
    ANSWER_FIELDS = 3 + ANSWER_TEXTS, /* a status, too */
    STATUS_MIN = 100,
    STATUS_MAX = 599
};

/* ---- the texts of a question ---- */

static const size_t request_bounds[REQUEST_TEXTS] = {PAGE_PATH_MAX, PAGE_QUERY_MAX, PAGE_HEADER_MAX,
                                                     PAGE_HEADER_MAX, PAGE_HEADER_MAX};

static struct text *request_text(struct page_request *request, size_t index)
{
    struct text *const texts[REQUEST_TEXTS] = {&request->path, &request->query, &request->accept,
                                               &request->accept_encoding, &request->if_none_match};
    return texts[index];
}

static struct text request_text_of(const struct page_request *request, size_t index)
{
    struct page_request copy = *request;
    return *request_text(&copy, index);
}

bool page_request_fit(struct page_request *request)
{
    for (size_t i = 2; i < REQUEST_TEXTS; i++)
        if (request_text(request, i)->length > request_bounds[i])
            *request_text(request, i) = (struct text){NULL, 0};
    return request->path.length <= PAGE_PATH_MAX && request->query.length <= PAGE_QUERY_MAX;
}

bool page_request_equal(const struct page_request *one, const struct page_request *other)
{
    for (size_t i = 0; i < REQUEST_TEXTS; i++) {
        struct text a = request_text_of(one, i), b = request_text_of(other, i);
        if (a.length != b.length || (a.length > 0 && memcmp(a.at, b.at, a.length) != 0))
            return false;
    }
    return true;
}

struct page_request *page_request_copy(const struct page_request *request)
{
    size_t length = 0;
    for (size_t i = 0; i < REQUEST_TEXTS; i++)
        length += request_text_of(request, i).length;
    struct page_request *copy = object_alloc(sizeof *copy + length);
    char *at = (char *)(copy + 1);
    *copy = *request;
    for (size_t i = 0; i < REQUEST_TEXTS; i++) {
        struct text *text = request_text(copy, i);
        if (text->length > 0)
            memcpy(at, text->at, text->length);
        text->at = at;
        at += text->length;
    }
    return copy;
}

/* ---- on the wire ---- */

size_t page_request_encode(const struct page_request *request, uint64_t number, void *bytes, size_t capacity)
{
    struct wire_writer writer;
    wire_writer_begin(&writer, bytes, capacity);
    wire_write_array(&writer, REQUEST_FIELDS);
    wire_write_uint(&writer, PAGE_MESSAGE_VERSION);
    wire_write_uint(&writer, number);
    for (size_t i = 0; i < REQUEST_TEXTS; i++)
        wire_write_text(&writer, request_text_of(request, i));
    return wire_writer_end(&writer);
}

static bool read_head(struct wire_reader *reader, uint32_t fields, uint64_t *number)
{
    uint32_t count;
    uint64_t version;
    return wire_read_array(reader, &count) && count == fields &&
           wire_read_uint(reader, PAGE_MESSAGE_VERSION, &version) && version == PAGE_MESSAGE_VERSION &&
           wire_read_uint(reader, UINT64_MAX, number);
}

bool page_request_decode(const void *bytes, size_t length, struct page_request *request, uint64_t *number)
{
    struct wire_reader reader = wire_reader(bytes, length);
    if (!read_head(&reader, REQUEST_FIELDS, number))
        return false;
    for (size_t i = 0; i < REQUEST_TEXTS; i++)
        if (!wire_read_str(&reader, request_bounds[i], request_text(request, i)))
            return false;
    return wire_finished(&reader);
}

static struct text *answer_text(struct page_answer *answer, size_t index)
{
    struct text *const texts[ANSWER_TEXTS] = {&answer->content_type, &answer->content_encoding, &answer->etag,
                                              &answer->cache_control, &answer->content_security_policy};
    return texts[index];
}

size_t page_answer_encode(const struct page_answer *answer, uint64_t number, void *bytes, size_t capacity)
{
    struct wire_writer writer;
    struct page_answer copy = *answer;
    wire_writer_begin(&writer, bytes, capacity);
    wire_write_array(&writer, ANSWER_FIELDS);
    wire_write_uint(&writer, PAGE_MESSAGE_VERSION);
    wire_write_uint(&writer, number);
    wire_write_uint(&writer, (uint64_t)answer->status);
    for (size_t i = 0; i < ANSWER_TEXTS; i++)
        wire_write_text(&writer, *answer_text(&copy, i));
    return wire_writer_end(&writer);
}

/* What becomes a line of a header has no control characters. */
static bool is_header(struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.at[i] < ' ' || text.at[i] == 0x7f)
            return false;
    return true;
}

bool page_answer_decode(const void *bytes, size_t length, struct page_answer *answer, uint64_t *number)
{
    struct wire_reader reader = wire_reader(bytes, length);
    uint64_t status;
    *answer = (struct page_answer){0};
    if (!read_head(&reader, ANSWER_FIELDS, number) || !wire_read_uint(&reader, STATUS_MAX, &status) ||
        status < STATUS_MIN)
        return false;
    answer->status = (int)status;
    for (size_t i = 0; i < ANSWER_TEXTS; i++)
        if (!wire_read_str(&reader, PAGE_HEADER_MAX, answer_text(answer, i)) ||
            !is_header(*answer_text(answer, i)))
            return false;
    return wire_finished(&reader);
}
