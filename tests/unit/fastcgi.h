/* fastcgi: the web server's end of a FastCGI connection for tests: requests as bytes, answers read back.
 * Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FASTCGI_H
#define OUTRIGGER_FASTCGI_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* FastCGI specification 1.0, section 8. */
enum {
    FASTCGI_BEGIN = 1,
    FASTCGI_ABORT = 2,
    FASTCGI_END = 3,
    FASTCGI_PARAMS = 4,
    FASTCGI_STDIN = 5,
    FASTCGI_STDOUT = 6,
    FASTCGI_RESPONDER = 1,
    FASTCGI_KEEP = 1
};

/* A request under construction. */
struct fastcgi_request {
    uint8_t bytes[400000];
    size_t length;
};

static inline void fastcgi_add(struct fastcgi_request *request, uint8_t type, const void *content,
                               size_t length)
{
    const uint8_t header[8] = {1, type, 0, 1, (uint8_t)(length >> 8), (uint8_t)length, 0, 0};
    ck_assert_uint_le(request->length + sizeof header + length, sizeof request->bytes);
    memcpy(request->bytes + request->length, header, sizeof header);
    if (length > 0)
        memcpy(request->bytes + request->length + sizeof header, content, length);
    request->length += sizeof header + length;
}

static inline void fastcgi_begin(struct fastcgi_request *request, uint16_t role, uint8_t flags)
{
    const uint8_t body[8] = {(uint8_t)(role >> 8), (uint8_t)role, flags};
    request->length = 0;
    fastcgi_add(request, FASTCGI_BEGIN, body, sizeof body);
}

/* A record with one parameter; name and value shorter than 128 bytes. */
static inline void fastcgi_parameter(struct fastcgi_request *request, const char *name, const char *value)
{
    char content[300];
    int length =
        snprintf(content, sizeof content, "%c%c%s%s", (char)strlen(name), (char)strlen(value), name, value);
    fastcgi_add(request, FASTCGI_PARAMS, content, (size_t)length);
}

/* Ends the parameters, and adds the whole body. */
static inline void fastcgi_body(struct fastcgi_request *request, const char *body, size_t length)
{
    fastcgi_add(request, FASTCGI_PARAMS, NULL, 0);
    for (size_t at = 0; at < length; at += 60000)
        fastcgi_add(request, FASTCGI_STDIN, body + at, length - at < 60000 ? length - at : 60000);
    fastcgi_add(request, FASTCGI_STDIN, NULL, 0);
}

/* An answer as its records come. */
struct fastcgi_answer {
    uint8_t bytes[400000]; /* records */
    size_t length;
    char text[400000]; /* contents of stdout, terminated */
    bool ended;        /* the request is: all of the answer is there */
    bool closed;       /* the other side has closed */
};

/* Reads what has come. True when the answer is there whole, or the connection is closed. */
static inline bool fastcgi_read(struct fastcgi_answer *answer, int fd)
{
    ssize_t count;
    while ((count = recv(fd, answer->bytes + answer->length, sizeof answer->bytes - answer->length,
                         MSG_DONTWAIT)) > 0)
        answer->length += (size_t)count;
    answer->closed = answer->closed || count == 0;
    size_t text = 0;
    for (size_t at = 0; at + 8 <= answer->length;) {
        const uint8_t *header = answer->bytes + at;
        size_t content = (size_t)(header[4] << 8 | header[5]);
        if (at + 8 + content + header[6] > answer->length)
            break;
        ck_assert(header[0] == 1 && header[2] == 0 && header[3] == 1);
        answer->ended = header[1] == FASTCGI_END;
        if (!answer->ended) {
            ck_assert_int_eq(header[1], FASTCGI_STDOUT);
            memcpy(answer->text + text, header + 8, content);
            text += content;
        }
        at += 8 + content + header[6];
        ck_assert(!answer->ended || at == answer->length); /* nothing behind it */
    }
    answer->text[text] = '\0';
    return answer->ended || answer->closed;
}

/* Forgets the answer, for the next one on the same connection. */
static inline void fastcgi_next(struct fastcgi_answer *answer)
{
    answer->length = 0;
    answer->text[0] = '\0';
    answer->ended = false;
}

#endif
