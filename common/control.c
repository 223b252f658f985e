/* control: commands as one JSON object a line, over a Unix socket that is not the data's.
 *
 * The supervisor and the broker listen, the operator's command and the supervisor ask. A peer is read only as
 * far as one line, answered, and read again when the answer is gone: so a peer that writes and never reads
 * costs one line and one answer, and the loop never waits for it. Who may speak is decided once, at accept,
 * by the uid that the kernel tells; the socket's mode says the same, and the second lock costs nothing.
 * SPDX-License-Identifier: MIT */
#include "control.h"

#include "clock.h"
#include "log.h"
#include "object.h"
#include "unix_socket.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

enum {
    CONTROL_MAGIC = 0x0c0711a5,
    LINE_MAX_BYTES = 64 * 1024,          /* a command is a few names; nothing sensible is longer */
    PEERS_MAX = 64,                      /* operators and one supervisor, not clients */
    ANSWER_MAX_BYTES = 16 * 1024 * 1024, /* a status of some thousand processes, with room */
    BACKLOG = 64
};

/* One connection. It is reading a line or writing an answer, never both. */
struct peer {
    struct control *control;
    int fd;
    uid_t uid;
    char *line; /* what has come in, LINE_MAX_BYTES; made at the first byte */
    size_t line_length;
    char *answer; /* NULL while reading */
    size_t answer_length;
    size_t answer_sent;
    bool last; /* close when the answer is sent */
    struct peer *prev;
    struct peer *next;
};

struct control {
    unsigned magic;
    struct loop *loop;
    char *path;
    int fd;
    control_command *command;
    void *self;
    struct peer *peers;
    size_t peer_count;
    long long refusal_logged; /* log_allowed's */
    int64_t uid;              /* whose command is being handled; -1: none is */
};

/* ---- answers ---- */

void control_refuse(yyjson_mut_doc *reply, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    yyjson_mut_val *root = yyjson_mut_obj(reply);
    yyjson_mut_obj_add_bool(reply, root, "ok", false);
    yyjson_mut_obj_add_strcpy(reply, root, "error", text);
    yyjson_mut_doc_set_root(reply, root);
}

static yyjson_mut_doc *new_reply(void)
{
    yyjson_mut_doc *reply = yyjson_mut_doc_new(NULL);
    ENSURE(reply != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(reply);
    yyjson_mut_obj_add_bool(reply, root, "ok", true);
    yyjson_mut_doc_set_root(reply, root);
    return reply;
}

/* The reply as one line. Text that is not UTF-8 (an error message may quote anything) is let through as it
 * is, for an answer with an odd byte is better than none. */
static char *reply_line(const yyjson_mut_doc *reply, size_t *length)
{
    char *json = yyjson_mut_write(reply, YYJSON_WRITE_ALLOW_INVALID_UNICODE, length);
    ENSURE(json != NULL);
    char *line = realloc(json, *length + 1);
    ENSURE(line != NULL);
    line[(*length)++] = '\n'; /* over the terminator: the length counts from here on */
    return line;
}

/* ---- peers ---- */

static void peer_free(struct peer *peer)
{
    struct control *control = peer->control;
    DL_DELETE(control->peers, peer);
    control->peer_count--;
    loop_remove(control->loop, peer->fd);
    close(peer->fd);
    free(peer->line);
    free(peer->answer);
    free(peer);
}

/* Sends what the socket takes. True when the peer was freed. */
static bool peer_send(struct peer *peer)
{
    while (peer->answer_sent < peer->answer_length) {
        ssize_t sent = send(peer->fd, peer->answer + peer->answer_sent,
                            peer->answer_length - peer->answer_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent == -1 && (errno == EAGAIN || errno == EINTR)) {
            if (errno == EAGAIN) {
                loop_modify(peer->control->loop, peer->fd, EPOLLOUT);
                return false;
            }
            continue;
        }
        if (sent == -1) {
            peer_free(peer);
            return true;
        }
        peer->answer_sent += (size_t)sent;
    }
    free(peer->answer);
    peer->answer = NULL;
    if (peer->last) {
        peer_free(peer);
        return true;
    }
    loop_modify(peer->control->loop, peer->fd, EPOLLIN);
    return false;
}

/* Answers and frees the reply. True when the peer was freed. */
static bool peer_answer(struct peer *peer, yyjson_mut_doc *reply)
{
    peer->answer = reply_line(reply, &peer->answer_length);
    peer->answer_sent = 0;
    yyjson_mut_doc_free(reply);
    return peer_send(peer);
}

static bool peer_refuse(struct peer *peer, const char *why)
{
    yyjson_mut_doc *reply = new_reply();
    control_refuse(reply, "%s", why);
    peer->last = true;
    return peer_answer(peer, reply);
}

static bool peer_command(struct peer *peer, const char *line, size_t length)
{
    struct control *control = peer->control;
    yyjson_mut_doc *reply = new_reply();
    yyjson_doc *request = yyjson_read(line, length, YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(request);
    if (request == NULL)
        control_refuse(reply, "a command is one JSON object in a line; this is no JSON");
    else if (!yyjson_is_str(yyjson_obj_get(root, "command")))
        control_refuse(reply, "a command is one JSON object with a text \"command\"");
    else {
        control->uid = peer->uid;
        control->command(control->self, root, reply);
        control->uid = -1;
    }
    yyjson_doc_free(request);
    return peer_answer(peer, reply);
}

/* Runs the lines that have come in, until one must wait for its answer to be taken. True when the peer was
 * freed. */
static bool peer_run_lines(struct peer *peer)
{
    while (peer->answer == NULL) {
        char *end = memchr(peer->line, '\n', peer->line_length);
        if (end == NULL)
            return peer->line_length == LINE_MAX_BYTES && peer_refuse(peer, "the line is longer than 64 KiB");
        size_t length = (size_t)(end - peer->line);
        char *line = object_alloc(length + 1);
        memcpy(line, peer->line, length);
        peer->line_length -= length + 1;
        memmove(peer->line, end + 1, peer->line_length);
        bool freed = peer_command(peer, line, length);
        free(line);
        if (freed)
            return true;
    }
    return false;
}

static void peer_receive(struct peer *peer)
{
    if (peer->line == NULL)
        peer->line = object_alloc(LINE_MAX_BYTES);
    ssize_t length =
        recv(peer->fd, peer->line + peer->line_length, LINE_MAX_BYTES - peer->line_length, MSG_DONTWAIT);
    if (length == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0) {
        peer_free(peer); /* what stands there without a line's end was cut off: no command */
        return;
    }
    peer->line_length += (size_t)length;
    peer_run_lines(peer);
}

static void peer_ready(void *self, int fd, uint32_t events)
{
    struct peer *peer = self;
    (void)fd;
    if (peer->answer != NULL) {
        if (!peer_send(peer) && peer->answer == NULL)
            peer_run_lines(peer);
    } else if (events & EPOLLIN) {
        peer_receive(peer);
    } else {
        peer_free(peer); /* an error or a hang-up, and nothing left to read */
    }
}

/* ---- the listener ---- */

/* NULL: welcome. */
static const char *unwelcome(const struct control *control, int fd, uid_t *uid)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);
    bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
    *uid = known ? peer.uid : (uid_t)-1;
    if (!known || (peer.uid != 0 && peer.uid != geteuid()))
        return "only root and the user that runs this process may give commands";
    if (control->peer_count > PEERS_MAX)
        return "too many connections";
    return NULL;
}

static void accept_peer(void *self, int listener, uint32_t events)
{
    struct control *control = self;
    (void)events;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd == -1) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED &&
            log_allowed(&control->refusal_logged, 1))
            log_warning("%s: accept: %s", control->path, strerror(errno));
        return;
    }
    struct peer *peer = object_alloc(sizeof(*peer));
    peer->control = control;
    peer->fd = fd;
    DL_APPEND(control->peers, peer);
    control->peer_count++;
    if (loop_add(control->loop, fd, EPOLLIN, peer_ready, peer) == -1) {
        peer_free(peer);
        return;
    }
    const char *why = unwelcome(control, fd, &peer->uid);
    if (why != NULL) {
        if (log_allowed(&control->refusal_logged, 1))
            log_warning("%s: refused a peer: %s", control->path, why);
        peer_refuse(peer, why);
    }
}

struct control *control_listen(struct loop *loop, const char *path, control_command *command, void *self)
{
    int fd = unix_listen(path, 0600, (gid_t)-1, BACKLOG);
    if (fd == -1)
        return NULL;
    struct control *control = object_alloc(sizeof(*control));
    *control =
        (struct control){.magic = CONTROL_MAGIC, .loop = loop, .fd = fd, .command = command, .uid = -1};
    control->path = object_strdup(path);
    control->self = self;
    if (loop_add(loop, fd, EPOLLIN, accept_peer, control) == -1) {
        int error = errno;
        control_free(control);
        errno = error;
        return NULL;
    }
    return control;
}

void control_free(struct control *control)
{
    if (control == NULL)
        return;
    CHECK_OBJECT(control, CONTROL_MAGIC);
    struct peer *peer;
    struct peer *next;
    DL_FOREACH_SAFE(control->peers, peer, next)
    peer_free(peer);
    loop_remove(control->loop, control->fd);
    close(control->fd);
    unlink(control->path);
    free(control->path);
    control->magic = 0;
    free(control);
}

int64_t control_uid(const struct control *control)
{
    CHECK_OBJECT(control, CONTROL_MAGIC);
    return control->uid;
}

/* ---- the asking side ---- */

/* Waits for the events until the deadline; 0, or -1 with errno (ETIMEDOUT). */
static int wait_for(int fd, short events, int64_t deadline)
{
    for (;;) {
        int64_t left = (deadline - clock_now() + MILLISECOND - 1) / MILLISECOND;
        struct pollfd watch = {.fd = fd, .events = events};
        int count = poll(&watch, 1, left <= 0 ? 0 : (int)(left < INT_MAX ? left : INT_MAX));
        if (count == 1)
            return 0;
        if (count == 0)
            errno = ETIMEDOUT;
        if (errno != EINTR)
            return -1;
    }
}

/* Sends the line and its end before the deadline; 0, or -1 with errno. */
static int send_line(int fd, const char *line, int64_t deadline)
{
    size_t length = strlen(line);
    for (size_t sent = 0; sent <= length;) {
        const char *from = sent < length ? line + sent : "\n";
        ssize_t count = send(fd, from, sent < length ? length - sent : 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count >= 0)
            sent += (size_t)count;
        else if (errno == EAGAIN ? wait_for(fd, POLLOUT, deadline) == -1 : errno != EINTR)
            return -1;
    }
    return 0;
}

/* Receives one line, without its end; NULL with errno. The caller frees. */
static char *receive_line(int fd, int64_t deadline, size_t *length)
{
    size_t capacity = 0;
    char *line = NULL;
    for (*length = 0;;) {
        if (*length == capacity) {
            capacity = capacity == 0 ? 4096 : 2 * capacity;
            /* cppcheck-suppress memleakOnRealloc ; the process ends when there is no memory */
            line = realloc(line, capacity);
            ENSURE(line != NULL);
        }
        ssize_t count = recv(fd, line + *length, capacity - *length, MSG_DONTWAIT);
        if (count > 0 && line[*length + (size_t)count - 1] == '\n') {
            *length += (size_t)count - 1;
            return line;
        }
        if (count > 0)
            *length += (size_t)count;
        if (count == 0 || *length > ANSWER_MAX_BYTES)
            errno = count == 0 ? ECONNRESET : EMSGSIZE;
        else if (count > 0 || errno == EINTR || (errno == EAGAIN && wait_for(fd, POLLIN, deadline) == 0))
            continue;
        int error = errno;
        free(line);
        errno = error;
        return NULL;
    }
}

yyjson_doc *control_call(const char *path, const char *line, int timeout_ms)
{
    int64_t deadline = clock_now() + timeout_ms * MILLISECOND;
    int fd = unix_connect(path);
    if (fd == -1)
        return NULL;
    size_t length;
    /* EPIPE: who refuses a peer says so before it reads, and closes. */
    bool sent = send_line(fd, line, deadline) == 0 || errno == EPIPE;
    char *answer = sent ? receive_line(fd, deadline, &length) : NULL;
    int error = errno;
    close(fd);
    if (answer == NULL) {
        errno = error;
        return NULL;
    }
    yyjson_doc *document = yyjson_read(answer, length, YYJSON_READ_ALLOW_INVALID_UNICODE);
    free(answer);
    if (document == NULL)
        errno = EBADMSG;
    return document;
}

int control_tell(const char *path, const char *line)
{
    int fd = unix_connect(path);
    if (fd == -1)
        return -1;
    int result = send_line(fd, line, 0);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}
