/* exchange: one HTTP request and its response, on one connection. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_EXCHANGE_H
#define OUTRIGGER_EXCHANGE_H

#include "api.h"
#include "fcgi.h"

/* What is needed while a request is under way; a connection has one only then, and they are used again. */
struct exchange {
    unsigned magic;
    struct fcgi *fcgi;
    struct api_call call;
    struct http_response response;
    struct client_request *asked; /* with the broker, or NULL */
    uint8_t *answer_payload;      /* a large answer, copied for the side lane; NULL otherwise */
    struct client_answer answer;  /* the rest of it */
    char answer_version[PROTOCOL_NAME_MAX + 1];
    char answer_tag[HTTP_ID_MAX + 1];
    char answer_limit[HTTP_LIMIT_MAX + 1];
    struct exchange *next; /* in its store */
};

/* A request that came in whole. */
struct exchange_source {
    const uint8_t *bytes;
    size_t length;
    size_t body_length; /* bytes of the body that came, by the scan of its records */
    int refuse;         /* 0, or the status to answer without looking at it: 413 too large, 503 no room */
    const char *why;    /* constant, for people: why it is refused; NULL: as the status has it */
    int64_t received;   /* monotonic nanoseconds: when it was there whole; 0: now */
    bool brief;         /* it is in a hurry: a packed body that makes a large one is not unpacked here */
};

/* The tools of one thread. */
struct exchange_tools {
    struct api *api;
    struct api_lane *lane;
    struct http_ids ids;
    char *body; /* reused for small bodies */
    size_t body_capacity;
    struct output unpacked; /* a body that came packed */
};
void exchange_tools_init(struct exchange_tools *tools, struct api *api);
void exchange_tools_free(struct exchange_tools *tools);

struct exchange *exchange_new(void);
void exchange_free(struct exchange *exchange);

/* Exchanges without a connection, to be used again. Zeroed = none. */
struct exchange_store {
    struct exchange *first;
    size_t count;
};
struct exchange *exchange_store_take(struct exchange_store *store);
/* Resets it before; NULL is taken, too. */
void exchange_store_give(struct exchange_store *store, struct exchange *exchange);
void exchange_store_free(struct exchange_store *store);

enum exchange_next {
    EXCHANGE_RESPOND, /* the response is complete */
    EXCHANGE_ASK,     /* call.request wants to go to the broker */
    EXCHANGE_PAGE,    /* the collector is to be asked for call.page */
    EXCHANGE_WAIT,    /* who asks is being found out: the same request is to be handled again then */
    EXCHANGE_ERRAND,  /* another process is, what api_call_errand says */
    EXCHANGE_PASS_ON, /* `brief`: it is to be handled again, where there is time for it */
    EXCHANGE_BROKEN   /* nothing can be answered */
};
/* Reads the request and does with it what can be done without waiting; its bytes are not needed afterwards,
 * but for EXCHANGE_WAIT. Any thread, with its own tools. */
enum exchange_next exchange_handle(struct exchange *exchange, struct exchange_tools *tools,
                                   const struct exchange_source *source);
/* Makes the response of the broker's answer. Any thread. */
void exchange_answer(struct exchange *exchange, const struct client_answer *answer);
/* Keeps a copy of the answer, for exchange_answer_kept in another thread. */
void exchange_keep_answer(struct exchange *exchange, const struct client_answer *answer);
void exchange_answer_kept(struct exchange *exchange);
/* True when the response is worth packing, which takes its time. */
bool exchange_packs(const struct exchange *exchange, const struct config *config);
/* Does so. Any thread. */
void exchange_pack(struct exchange *exchange);
/* Writes the response to the connection; true when that stays open. Any thread. */
bool exchange_respond(struct exchange *exchange, int fd);
/* Back to the state of a new one; a request that was opened and not answered is dropped. */
void exchange_reset(struct exchange *exchange);

#endif
