/* last_words: one pipe from a child's stderr through us to our own stderr.
 *
 * The way through us is there for two things: a status that says why a process died ("exit 1: cannot read
 * model.onnx"), and lines of many children that do not tear each other apart. One per service, reused for
 * each child that it starts. A stderr of ours that nobody reads loses lines instead of stopping the
 * supervision.
 * SPDX-License-Identifier: MIT */
#include "last_words.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <yyjson.h>

enum {
    LAST_WORDS_MAGIC = 0x1a57309d,
    KEPT_BYTES = 4096,    /* a log line is at most that long */
    PATIENCE_MS = 100,    /* how long a full stderr of ours may hold up the loop */
    READS_AT_A_TIME = 16, /* of KEPT_BYTES; a child that floods must not keep the loop from the others */
    READS_AT_THE_END = 64 /* more than a pipe holds (64 KiB), so that the last line is seen */
};

struct last_words {
    unsigned magic;
    struct loop *loop;
    int out_fd;
    int fd; /* the pipe's reading end, -1 between children */
    char kept[KEPT_BYTES];
    size_t length;
    size_t passed; /* of `length`, what went on to out_fd already */
    bool stuck;    /* out_fd took nothing the last time: it is not waited for again */
};

struct last_words *last_words_new(struct loop *loop, int out_fd)
{
    struct last_words *words = object_alloc(sizeof(*words));
    words->magic = LAST_WORDS_MAGIC;
    words->loop = loop;
    words->out_fd = out_fd;
    words->fd = -1;
    return words;
}

void last_words_free(struct last_words *words)
{
    if (words == NULL)
        return;
    last_words_close(words);
    words->magic = 0;
    free(words);
}

static void write_out(struct last_words *words, const char *text, size_t length)
{
    while (length > 0) {
        struct pollfd out = {.fd = words->out_fd, .events = POLLOUT};
        words->stuck = poll(&out, 1, words->stuck ? 0 : PATIENCE_MS) != 1 || !(out.revents & POLLOUT);
        if (words->stuck)
            return;
        ssize_t written = write(words->out_fd, text, length);
        if (written <= 0)
            return;
        text += written;
        length -= (size_t)written;
    }
}

/* The journal wants to know of each line how grave it is. */
static void pass_to_journal(struct last_words *words, const char *text, size_t length)
{
    char line[KEPT_BYTES + 8];
    while (length > 0) {
        const char *newline = memchr(text, '\n', length);
        size_t part = newline == NULL ? length : (size_t)(newline - text) + 1;
        int head = snprintf(line, sizeof line, "<%d>", log_priority_of(text, part));
        memcpy(line + head, text, part);
        write_out(words, line, (size_t)head + part);
        text += part;
        length -= part;
    }
}

static void pass_on(struct last_words *words, const char *text, size_t length)
{
    if (log_pass(text, length))
        return;
    if (words->out_fd == STDERR_FILENO && log_is_journal())
        pass_to_journal(words, text, length);
    else
        write_out(words, text, length);
}

/* Passes on what is complete: whoever writes it to a file may begin another one behind it. All of it goes at
 * the end, or when a line is longer than there is room. */
static void pass_lines_on(struct last_words *words, bool all)
{
    size_t end = words->length;
    while (!all && end > words->passed && words->kept[end - 1] != '\n')
        end--;
    if (end <= words->passed && words->passed == 0 && words->length == sizeof(words->kept))
        end = words->length;
    if (end <= words->passed)
        return;
    pass_on(words, words->kept + words->passed, end - words->passed);
    words->passed = end;
}

/* Forgets the oldest half when the room is used up, or what of it was passed on already. */
static void make_room(struct last_words *words)
{
    if (words->length < sizeof(words->kept))
        return;
    size_t half = sizeof(words->kept) / 2;
    size_t forgotten = words->passed < half ? words->passed : half;
    memmove(words->kept, words->kept + forgotten, words->length - forgotten);
    words->length -= forgotten;
    words->passed -= forgotten;
}

/* Takes in what is there. False when the pipe has ended. */
static bool take_in(struct last_words *words, int reads)
{
    while (reads-- > 0) {
        make_room(words);
        ssize_t count = read(words->fd, words->kept + words->length, sizeof(words->kept) - words->length);
        if (count == -1 && errno == EINTR)
            continue;
        if (count <= 0)
            return count == -1 && errno == EAGAIN;
        words->length += (size_t)count;
        pass_lines_on(words, false);
    }
    return true;
}

/* The child's last line may lack its end; the next child's first line must not continue it. */
static void close_pipe(struct last_words *words)
{
    pass_lines_on(words, true);
    if (words->length > 0 && words->kept[words->length - 1] != '\n')
        pass_on(words, "\n", 1);
    loop_remove(words->loop, words->fd);
    close(words->fd);
    words->fd = -1;
}

static void pipe_ready(void *self, int fd, uint32_t events)
{
    struct last_words *words = self;
    (void)fd;
    (void)events;
    if (!take_in(words, READS_AT_A_TIME))
        close_pipe(words);
}

int last_words_open(struct last_words *words)
{
    CHECK_OBJECT(words, LAST_WORDS_MAGIC);
    int fds[2];
    last_words_close(words);
    if (pipe2(fds, O_CLOEXEC) == -1)
        return -1;
    /* Our end only: the child's is an ordinary stderr, which blocks. */
    if (fcntl(fds[0], F_SETFL, O_NONBLOCK) == -1 ||
        loop_add(words->loop, fds[0], EPOLLIN, pipe_ready, words) == -1) {
        int error = errno;
        close(fds[0]);
        close(fds[1]);
        errno = error;
        return -1;
    }
    words->fd = fds[0];
    words->length = words->passed = 0;
    return fds[1];
}

void last_words_adopt(struct last_words *words, int fd)
{
    CHECK_OBJECT(words, LAST_WORDS_MAGIC);
    last_words_close(words);
    words->length = words->passed = 0;
    if (fd == -1)
        return;
    if (loop_add(words->loop, fd, EPOLLIN, pipe_ready, words) == 0)
        words->fd = fd;
    else
        close(fd);
}

void last_words_close(struct last_words *words)
{
    CHECK_OBJECT(words, LAST_WORDS_MAGIC);
    if (words->fd == -1)
        return;
    take_in(words, READS_AT_THE_END);
    close_pipe(words);
}

/* Our own programs log JSON when their stderr is no terminal: the message is what people want to read. */
static bool message_of(const char *line, size_t length, char *buffer, size_t capacity)
{
    yyjson_doc *document = yyjson_read(line, length, YYJSON_READ_NOFLAG);
    yyjson_val *message = yyjson_obj_get(yyjson_doc_get_root(document), "message");
    bool found = yyjson_is_str(message);
    if (found)
        text_copy((struct text){yyjson_get_str(message), yyjson_get_len(message)}, buffer, capacity);
    yyjson_doc_free(document);
    return found;
}

/* The last line before `end` that is not empty, as people read it. Returns where it starts: the next search's
 * `end`. */
static const char *line_before(const struct last_words *words, const char *end, char *buffer, size_t capacity)
{
    while (end > words->kept && (end[-1] == '\n' || end[-1] == '\r' || end[-1] == ' '))
        end--;
    const char *start = end;
    while (start > words->kept && start[-1] != '\n')
        start--;
    size_t length = (size_t)(end - start);
    if (length == 0 || start[0] != '{' || !message_of(start, length, buffer, capacity))
        text_copy((struct text){start, length}, buffer, capacity);
    return start;
}

void last_words_line(const struct last_words *words, char *buffer, size_t capacity)
{
    CHECK_OBJECT(words, LAST_WORDS_MAGIC);
    line_before(words, words->kept + words->length, buffer, capacity);
}

void last_words_lines(const struct last_words *words, int lines, char *buffer, size_t capacity)
{
    CHECK_OBJECT(words, LAST_WORDS_MAGIC);
    const char *end = words->kept + words->length;
    size_t at = capacity - 1; /* the buffer is filled from its end */
    buffer[at] = '\0';
    while (lines-- > 0) {
        char line[KEPT_BYTES];
        end = line_before(words, end, line, sizeof(line));
        size_t length = strlen(line), newline = buffer[at] == '\0' ? 0 : 1;
        if (length == 0 || length + newline > at)
            break;
        if (newline == 1)
            buffer[--at] = '\n';
        at -= length;
        memcpy(buffer + at, line, length);
    }
    memmove(buffer, buffer + at, capacity - at);
}
