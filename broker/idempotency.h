/* idempotency: the requests whose clients gave them a name (Idempotency-Key): which of them are under way,
 * and what was answered to the others. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_IDEMPOTENCY_H
#define OUTRIGGER_IDEMPOTENCY_H

#include "config.h"
#include "metrics.h"
#include "request.h"

/*   (nothing) -- a request takes the name --> RUNNING -- its answer came --> KEPT -- ttl, room --> (gone)
 *                                              | it ended without one that may be given again
 *                                              v
 *                                            (gone)                                                      */
struct idempotency;
struct idempotency_entry;

/* idempotency.keys answers of idempotency.max_bytes in all are kept for idempotency.ttl_s. Never NULL. */
struct idempotency *idempotency_new(const struct config *config, struct metrics *metrics);
/* Requests that hold an entry are not looked at. NULL: nothing. */
void idempotency_free(struct idempotency *table);
/* False when idempotency.keys is 0: then nothing else may be called. */
bool idempotency_is_on(const struct idempotency *table);

/* What an answer is made of. Views, but for the payload. */
struct idempotency_answer {
    enum failure failure;
    struct text version;    /* that answered, or whose failure it is */
    struct text tag;        /* of the request that it was computed for */
    struct text message;    /* of a failure */
    struct payload payload; /* of a success */
    int64_t computed_at;
};

/* `once` is REQUEST's, of PROTOCOL_ONCE_BYTES: the first half is the name, the second what is asked. The
 * entry of that name, running or kept not longer than the ttl; NULL when there is none. */
struct idempotency_entry *idempotency_find(struct idempotency *table, struct text once, int64_t now);
/* True when the entry is of a request that asked the same. */
bool idempotency_asks(const struct idempotency_entry *entry, struct text once);
/* Who holds the name; NULL: the answer is kept. */
struct request *idempotency_runner(const struct idempotency_entry *entry);
/* The answer that is kept, as views and a borrowed payload that are good until the table is changed. */
struct idempotency_answer idempotency_answer(const struct idempotency_entry *entry);

/* The request, of that tenant, holds the name from now on; it must be nobody's. */
void idempotency_run(struct idempotency *table, struct text once, uint64_t tenant, struct request *request);
/* The two change what they hold, as they change their places (request_swap). */
void idempotency_swap(struct request *left, struct request *right);
/* The request ends and the name is free again. Does nothing for one that holds none. */
void idempotency_leave(struct request *request);
/* The answer to the request, which holds its name no more: kept for those who ask again, or, when it is
 * larger than all that may be kept, the name is free. When there is not room for all, the tenant that holds
 * the most gives up its oldest: it may be this one. The payload is shared. Does nothing for one that holds
 * none. */
void idempotency_keep(struct request *request, const struct idempotency_answer *answer, int64_t now);
/* The same for an answer that was there at once. */
void idempotency_keep_at_once(struct idempotency *table, struct text once, uint64_t tenant,
                              const struct idempotency_answer *answer, int64_t now);

/* An answer with all that is needed to keep it elsewhere (idempotency_keep_at_once). */
struct idempotency_kept {
    struct text once;
    uint64_t tenant;
    struct idempotency_answer answer;
    int64_t answered_at;
};
typedef void idempotency_visit(void *self, const struct idempotency_kept *kept);
/* The newest answers that cost at most so many bytes together, the oldest of them first. `visit` must not
 * change the table. */
void idempotency_each(const struct idempotency *table, uint64_t most_bytes, idempotency_visit *visit,
                      void *self);

/* How many names are held by requests. */
size_t idempotency_running(const struct idempotency *table);

/* Lets go of some that are too old: called now and then. */
void idempotency_expire(struct idempotency *table, int64_t now);

#endif
