/* log_scene: a log whose lines the test reads as they are written. Include it in one test program's only .c.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_LOG_SCENE_H
#define OUTRIGGER_LOG_SCENE_H

#include "log.h"
#include "object.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <yyjson.h>

static int saved_stderr;
static int reader; /* gets each write to stderr as one packet, so that a torn line would show */

static inline void set_up(void)
{
    int pair[2];
    saved_stderr = dup(STDERR_FILENO);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    reader = pair[0];
    ck_assert_int_eq(dup2(pair[1], STDERR_FILENO), STDERR_FILENO);
    close(pair[1]);
    unsetenv("OUTRIGGER_LOG");
}

static inline void tear_down(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(reader);
}

/* The next line, terminated; its length. 0 when there is none. */
static inline size_t next_line(char line[8192])
{
    ssize_t length = recv(reader, line, 8191, 0);
    line[length < 0 ? 0 : length] = '\0';
    return length < 0 ? 0 : (size_t)length;
}

/* The next line as JSON, which the caller frees; it must be one whole line of at most 4096 bytes. */
static inline yyjson_doc *next_document(void)
{
    char line[8192];
    size_t length = next_line(line);
    ck_assert_uint_gt(length, 0);
    ck_assert_uint_le(length, 4096);
    ck_assert_ptr_eq(strchr(line, '\n'), line + length - 1);
    yyjson_doc *document = yyjson_read(line, length, 0);
    ck_assert_msg(document != NULL, "%s", line);
    return document;
}

static inline const char *member(yyjson_doc *document, const char *name)
{
    return yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(document), name));
}

static inline void expect_message(const char *expected)
{
    yyjson_doc *document = next_document();
    ck_assert_str_eq(member(document, "message"), expected);
    yyjson_doc_free(document);
}

static inline void expect_match(const char *text, const char *pattern)
{
    regex_t compiled;
    ck_assert_int_eq(regcomp(&compiled, pattern, REG_EXTENDED), 0);
    ck_assert_msg(regexec(&compiled, text, 0, NULL, 0) == 0, "%s", text);
    regfree(&compiled);
}

/* Whose a line is. */
static const uint8_t trace[16] = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
                                  0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c};
static const struct log_of somebodys = {.request = "r1", .trace = trace};

#endif
