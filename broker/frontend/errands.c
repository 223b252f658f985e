/* errands: one connection for each question, since they are rare, and a few at a time; a question that many
 * may ask at any time, the broker's statistics, is on its way once at most.
 *
 * Who asks for statistics while an answer is on its way waits for the next one: the one that comes may have
 * been made before that somebody's last request was counted. Connections are local, and the other side
 * answers a line at once or is stuck; then the deadline ends it. Used by connection.c for the calls of
 * oip_repository.c and oip_statistics.c. SPDX-License-Identifier: MIT */
#include "errands.h"

#include "clock.h"
#include "unix_socket.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

enum {
    ERRANDS_MAGIC = 0x0e77a4d5,
    ANSWER_FIRST = 4096,
    ANSWER_MAX = 16 << 20, /* bytes; as much as control.h's asking side takes */
    OPEN_MAX = 8           /* connections at a time: the other side takes 64, and is the operator's, too */
};

#define TRY_AGAIN_AFTER (5 * MILLISECOND) /* when so many are open */

/* One question, from its call to its answer. */
struct run {
    struct errands *errands;
    struct loop_timer begin, limit;
    int fd; /* -1: it does not ask itself, or not yet */
    enum errand_kind kind;
    bool asked; /* ERRAND_STATISTICS: what is on its way is for it, too */
    char line[ERRAND_LINE_MAX + 1];
    char *answer;
    size_t length, capacity;
    errand_done *done;
    void *self;
    struct run *prev, *next;
};

struct errands {
    unsigned magic;
    struct loop *loop;
    char *runtime_directory;
    struct run *runs;
    size_t open;
    bool statistics_asked; /* an answer is on its way */
    bool ending;           /* nothing is asked any more */
};

static void ask_statistics(struct errands *errands);

static void finish(struct run *run, yyjson_val *answer)
{
    struct errands *errands = run->errands;
    errand_done *done = run->done;
    void *self = run->self;
    loop_timer_cancel(errands->loop, &run->begin);
    loop_timer_cancel(errands->loop, &run->limit);
    if (run->fd >= 0) {
        loop_remove(errands->loop, run->fd);
        close(run->fd);
        errands->open--;
    }
    DL_DELETE(errands->runs, run);
    free(run->answer);
    free(run);
    done(self, answer);
}

static void give_up(void *self)
{
    finish(self, NULL);
}

/* ---- one question over a connection ---- */

static void read_answer(struct run *run)
{
    yyjson_doc *document = yyjson_read(run->answer, run->length, YYJSON_READ_ALLOW_INVALID_UNICODE);
    yyjson_val *root = yyjson_doc_get_root(document);
    finish(run, yyjson_is_obj(root) ? root : NULL);
    yyjson_doc_free(document);
}

static void make_room(struct run *run)
{
    if (run->length < run->capacity)
        return;
    run->capacity = run->capacity == 0 ? ANSWER_FIRST : 2 * run->capacity;
    /* cppcheck-suppress memleakOnRealloc ; the process ends when there is no memory */
    run->answer = realloc(run->answer, run->capacity);
    ENSURE(run->answer != NULL);
}

static void receive(void *self, int fd, uint32_t events)
{
    (void)events;
    struct run *run = self;
    for (;;) {
        make_room(run);
        ssize_t count = recv(fd, run->answer + run->length, run->capacity - run->length, MSG_DONTWAIT);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN)
            return;
        if (count <= 0 || run->length > ANSWER_MAX) {
            give_up(run);
            return;
        }
        run->length += (size_t)count;
        if (run->answer[run->length - 1] == '\n') {
            read_answer(run);
            return;
        }
    }
}

/* The line is short, and nothing is in the socket's buffer yet: it is sent in one piece. */
static void begin(void *self)
{
    struct run *run = self;
    struct errands *errands = run->errands;
    char path[PATH_MAX];
    if (errands->open >= OPEN_MAX) {
        loop_timer_set(errands->loop, &run->begin, clock_now() + TRY_AGAIN_AFTER, begin, run);
        return;
    }
    size_t length = strlen(run->line);
    run->line[length] = '\n';
    snprintf(path, sizeof path, "%s/%s.sock", errands->runtime_directory,
             run->kind == ERRAND_STATISTICS ? "broker" : "supervisor");
    run->fd = unix_connect(path);
    errands->open += run->fd >= 0;
    if (run->fd >= 0 && loop_add(errands->loop, run->fd, EPOLLIN, receive, run) != 0) {
        close(run->fd);
        run->fd = -1;
        errands->open--;
    }
    if (run->fd < 0 || send(run->fd, run->line, length + 1, MSG_NOSIGNAL) != (ssize_t)length + 1)
        give_up(run);
}

static struct run *add_run(struct errands *errands, const struct errand *errand, errand_done *done,
                           void *self)
{
    struct run *run = object_alloc(sizeof *run);
    run->errands = errands;
    run->fd = -1;
    run->kind = errand->kind;
    run->done = done;
    run->self = self;
    text_copy(text_of(errand->line), run->line, ERRAND_LINE_MAX);
    DL_APPEND(errands->runs, run);
    loop_timer_set(errands->loop, &run->limit, errand->deadline, give_up, run);
    return run;
}

/* ---- statistics: one question for all ---- */

static struct run *first_asked(const struct errands *errands)
{
    struct run *run;
    DL_FOREACH(errands->runs, run)
    {
        if (run->asked)
            return run;
    }
    return NULL;
}

static void statistics_came(void *self, yyjson_val *answer)
{
    struct errands *errands = self;
    struct run *run;
    errands->statistics_asked = false;
    while ((run = first_asked(errands)) != NULL)
        finish(run, answer);
    ask_statistics(errands);
}

/* For all who wait and are not being asked for; the latest of their deadlines is the question's. */
static void ask_statistics(struct errands *errands)
{
    struct errand errand = {.kind = ERRAND_STATISTICS, .line = "{\"command\":\"statistics\"}"};
    struct run *run;
    if (errands->statistics_asked || errands->ending)
        return;
    DL_FOREACH(errands->runs, run)
    {
        if (run->kind != ERRAND_STATISTICS)
            continue;
        run->asked = true;
        if (run->limit.node.at > errand.deadline)
            errand.deadline = run->limit.node.at;
    }
    if (errand.deadline == 0)
        return;
    errands->statistics_asked = true;
    begin(add_run(errands, &errand, statistics_came, errands));
}

/* ---- life ---- */

void errands_send(struct errands *errands, const struct errand *errand, errand_done *done, void *self)
{
    CHECK_OBJECT(errands, ERRANDS_MAGIC);
    struct run *run = add_run(errands, errand, done, self);
    if (errand->kind == ERRAND_STATISTICS)
        ask_statistics(errands);
    else if (errand->not_before > loop_now(errands->loop))
        loop_timer_set(errands->loop, &run->begin, errand->not_before, begin, run);
    else
        begin(run);
}

struct errands *errands_new(struct loop *loop, const char *runtime_directory)
{
    struct errands *errands = object_alloc(sizeof *errands);
    errands->magic = ERRANDS_MAGIC;
    errands->loop = loop;
    errands->runtime_directory = object_strdup(runtime_directory);
    return errands;
}

void errands_free(struct errands *errands)
{
    if (errands == NULL)
        return;
    CHECK_OBJECT(errands, ERRANDS_MAGIC);
    errands->ending = true;
    while (errands->runs != NULL)
        give_up(errands->runs);
    free(errands->runtime_directory);
    errands->magic = 0;
    free(errands);
}
