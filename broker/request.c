/* request: the table of open requests, and their states.
 *
 * Owned by broker.c, which asks for a place when a REQUEST comes and gives it back when the request is
 * answered. The places are kept in a free list, so that the steady state allocates nothing. A request in
 * state ABANDONED has been answered (or cancelled) but its batch is still with a worker: it is out of the
 * table, and freed when the batch ends. SPDX-License-Identifier: MIT */
#include "request.h"

#include <stdlib.h>
#include <utlist.h>

enum { TABLE_MAGIC = 0x4e900001, REQUEST_MAGIC = 0x4e900002 };

struct request_table {
    unsigned magic;
    size_t limit;
    size_t held; /* open and abandoned */
    struct request *open;
    struct request *free;
};

struct request_table *request_table_new(size_t limit)
{
    struct request_table *table = object_alloc(sizeof *table);
    table->magic = TABLE_MAGIC;
    table->limit = limit;
    return table;
}

void request_table_free(struct request_table *table)
{
    if (table == NULL)
        return;
    CHECK_OBJECT(table, TABLE_MAGIC);
    struct request *request, *next;
    HASH_ITER(hh, table->open, request, next)
    {
        request_free(table, request);
    }
    DL_FOREACH_SAFE2(table->free, request, next, next)
    {
        free(request);
    }
    table->magic = 0;
    free(table);
}

struct request *request_find(struct request_table *table, const struct request_key *key)
{
    struct request *request;
    HASH_FIND(hh, table->open, key, sizeof *key, request);
    return request;
}

struct request *request_new(struct request_table *table, const struct request_key *key)
{
    CHECK_OBJECT(table, TABLE_MAGIC);
    ENSURE(request_find(table, key) == NULL);
    if (table->held >= table->limit)
        return NULL;
    struct request *request = table->free;
    if (request != NULL)
        DL_DELETE2(table->free, request, previous, next);
    else
        request = malloc(sizeof *request);
    ENSURE(request != NULL);
    memset(request, 0, sizeof *request);
    request->magic = REQUEST_MAGIC;
    request->state = REQUEST_QUEUED;
    request->key = *key;
    HASH_ADD(hh, table->open, key, sizeof request->key, request);
    table->held++;
    return request;
}

void request_abandon(struct request_table *table, struct request *request)
{
    CHECK_OBJECT(request, REQUEST_MAGIC);
    ENSURE(request->state == REQUEST_SENT);
    HASH_DEL(table->open, request);
    request->state = REQUEST_ABANDONED;
}

void request_swap(struct request_table *table, struct request *left, struct request *right)
{
    CHECK_OBJECT(left, REQUEST_MAGIC);
    CHECK_OBJECT(right, REQUEST_MAGIC);
    ENSURE(left->state != REQUEST_ABANDONED && right->state != REQUEST_ABANDONED);
    struct request_key key = left->key;
    char tag[sizeof left->tag];
    memcpy(tag, left->tag, sizeof tag);
    HASH_DEL(table->open, left);
    ENSURE(table->open != NULL); /* the other is still there */
    HASH_DEL(table->open, right);
    left->key = right->key;
    right->key = key;
    memcpy(left->tag, right->tag, sizeof tag);
    memcpy(right->tag, tag, sizeof tag);
    uint8_t trace[PROTOCOL_TRACE_BYTES];
    memcpy(trace, left->trace, sizeof trace);
    memcpy(left->trace, right->trace, sizeof trace);
    memcpy(right->trace, trace, sizeof trace);
    bool traced = left->traced;
    left->traced = right->traced;
    right->traced = traced;
    struct limit_rest rest = left->rest;
    left->rest = right->rest;
    right->rest = rest;
    bool named = left->named;
    left->named = right->named;
    right->named = named;
    HASH_ADD(hh, table->open, key, sizeof key, left);
    HASH_ADD(hh, table->open, key, sizeof key, right);
}

void request_rename(struct request_table *table, struct request *request, const struct request_key *key)
{
    CHECK_OBJECT(request, REQUEST_MAGIC);
    ENSURE(request->state != REQUEST_ABANDONED && request_find(table, key) == NULL);
    HASH_DEL(table->open, request);
    request->key = *key;
    HASH_ADD(hh, table->open, key, sizeof request->key, request);
}

void request_free(struct request_table *table, struct request *request)
{
    CHECK_OBJECT(request, REQUEST_MAGIC);
    if (request->state != REQUEST_ABANDONED)
        HASH_DEL(table->open, request);
    payload_close(&request->payload);
    copies_free(request->copies);
    request->magic = 0;
    table->held--;
    DL_PREPEND2(table->free, request, previous, next);
}

size_t request_count(const struct request_table *table)
{
    return HASH_COUNT(table->open);
}

size_t request_held(const struct request_table *table)
{
    return table->held;
}

void request_each(const struct request_table *table, request_visit *each, void *self)
{
    for (const struct request *request = table->open; request != NULL; request = request->hh.next)
        each(self, request);
}
