/* desk: see desk.h. A chunk that is handed in waits in a queue until the scorer has room; a descriptor wakes
 * the loop. Its lane sleeps on a condition of its own. SPDX-License-Identifier: MIT */
#include "desk.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { DESK_MAGIC = 0x0de5c001 };

/* One chunk that is waited for; its lane's. */
struct ticket {
    struct ticket *next;
    struct desk *desk;
    struct chunk *chunk;
    char *reason;
    bool done, good;
    pthread_cond_t answered;
};

struct desk {
    unsigned magic;
    struct loop *loop;
    struct scorer *scorer;
    int bell;
    pthread_mutex_t lock; /* of all below, and of the tickets */
    struct ticket *first, **last;
};

/* ---- the loop's side ---- */

static void answer(struct ticket *ticket, bool good)
{
    struct desk *desk = ticket->desk;
    pthread_mutex_lock(&desk->lock);
    ticket->good = good;
    ticket->done = true;
    pthread_cond_signal(&ticket->answered);
    pthread_mutex_unlock(&desk->lock);
}

static struct ticket *next_ticket(struct desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    struct ticket *ticket = desk->first;
    if (ticket != NULL) {
        desk->first = ticket->next;
        if (desk->first == NULL)
            desk->last = &desk->first;
    }
    pthread_mutex_unlock(&desk->lock);
    return ticket;
}

static void pump(struct desk *desk);

static void scored(void *owner, const struct scored *rows, size_t count)
{
    struct ticket *ticket = owner;
    struct desk *desk = ticket->desk;
    answer(ticket, chunk_answered(ticket->chunk, rows, count, ticket->reason));
    pump(desk);
}

static void submit(struct desk *desk, struct ticket *ticket)
{
    struct row_builder *builder = ticket->chunk->builder;
    size_t rows = row_builder_rows(builder), length;
    if (rows == 0) { /* all of them are rejected already */
        answer(ticket, chunk_answered(ticket->chunk, NULL, 0, ticket->reason));
        return;
    }
    const uint8_t *bytes = row_builder_payload(builder, 0, rows, &length);
    scorer_submit(desk->scorer, &(struct rows_payload){.bytes = bytes, .length = length, .rows = rows},
                  scored, ticket);
}

static void pump(struct desk *desk)
{
    struct ticket *ticket;
    while (scorer_room(desk->scorer) && (ticket = next_ticket(desk)) != NULL)
        submit(desk, ticket);
}

static void rung(void *self, int fd, uint32_t events)
{
    uint64_t count;
    (void)events;
    ENSURE(read(fd, &count, sizeof count) == sizeof count || errno == EAGAIN);
    pump(self);
}

/* ---- life ---- */

struct desk *desk_new(struct loop *loop, struct scorer *scorer)
{
    struct desk *desk = object_alloc(sizeof *desk);
    desk->magic = DESK_MAGIC;
    desk->loop = loop;
    desk->scorer = scorer;
    desk->last = &desk->first;
    ENSURE(pthread_mutex_init(&desk->lock, NULL) == 0);
    desk->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (desk->bell != -1 && loop_add(loop, desk->bell, EPOLLIN, rung, desk) == 0)
        return desk;
    if (desk->bell != -1)
        close(desk->bell);
    pthread_mutex_destroy(&desk->lock);
    free(desk);
    return NULL;
}

void desk_free(struct desk *desk)
{
    if (desk == NULL)
        return;
    CHECK_OBJECT(desk, DESK_MAGIC);
    ENSURE(desk->first == NULL);
    loop_remove(desk->loop, desk->bell);
    close(desk->bell);
    pthread_mutex_destroy(&desk->lock);
    desk->magic = 0;
    free(desk);
}

/* ---- a lane's side ---- */

bool desk_score(struct desk *desk, struct chunk *chunk, char reason[CHUNK_REASON_MAX])
{
    CHECK_OBJECT(desk, DESK_MAGIC);
    struct ticket *ticket = object_alloc(sizeof *ticket);
    const uint64_t one = 1;
    *ticket = (struct ticket){.desk = desk, .chunk = chunk, .reason = reason};
    *reason = '\0';
    ENSURE(pthread_cond_init(&ticket->answered, NULL) == 0);
    pthread_mutex_lock(&desk->lock);
    *desk->last = ticket;
    desk->last = &ticket->next;
    pthread_mutex_unlock(&desk->lock);
    ENSURE(write(desk->bell, &one, sizeof one) == sizeof one);
    pthread_mutex_lock(&desk->lock);
    while (!ticket->done)
        pthread_cond_wait(&ticket->answered, &desk->lock);
    bool good = ticket->good;
    pthread_mutex_unlock(&desk->lock);
    pthread_cond_destroy(&ticket->answered);
    free(ticket);
    return good;
}
