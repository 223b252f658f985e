/* fetch: asks other servers over HTTP, beside the loop. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FETCH_H
#define OUTRIGGER_FETCH_H

#include "fetch_hand.h"
#include "loop.h"
#include "object.h"

struct fetcher;

struct fetch_request {
    enum fetch_place place;
    const char *form; /* the body of a POST, application/x-www-form-urlencoded; NULL: GET */
    const char *user; /* with `password` as HTTP Basic; NULL: without */
    struct text password;
    int64_t timeout_ms; /* for all of it */
    size_t max_bytes;   /* of the answer; a longer one is a failure */
};

struct fetch_answer {
    int status;            /* 200 and so on; 0: there is no whole answer */
    const char *complaint; /* status 0: why, for people */
    struct text body;
};

/* On the loop's thread. The answer is gone afterwards. */
typedef void fetch_done(void *self, const struct fetch_answer *answer);

struct fetcher_context {
    int fd; /* fetch_hand_start's; the fetcher closes it */
    struct loop *loop;
    loop_call *settled; /* on the loop's thread, after each bunch of answers */
    loop_call *lost;    /* likewise: the process that asks has ended, and nobody can be asked any more */
    void *self;
};

struct fetcher *fetcher_new(const struct fetcher_context *context);
/* Breaks off what is under way: `done` is not called for it. Nobody may ask any more. */
void fetcher_free(struct fetcher *fetcher);

/* Any thread; the request is copied. False: too many are under way already, or nobody can be asked any more,
 * and `done` will not be called. Redirects are not followed: the answer is their status. */
bool fetch(struct fetcher *fetcher, const struct fetch_request *request, fetch_done *done, void *self);

/* A value in a form: everything but letters, digits and -._~ as %XX. The caller frees it. */
char *fetch_encode(struct text value);

#endif
