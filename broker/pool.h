/* pool: the workers that the broker knows, and what each has in hand. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_POOL_H
#define OUTRIGGER_POOL_H

#include "dispatch.h"
#include "key.h"
#include "request.h"

enum { POOL_WORKERS_MAX = 4096 };

/*   READY --> IDLE <--> BUSY          DRAINING: gets no more batches, leaves when it has none
 *              \----------\-----> DRAINING --> (removed)       any state --> (removed) when lost   */
enum worker_state { WORKER_IDLE, WORKER_BUSY, WORKER_DRAINING };
#define WORKER_STATES 3
const char *worker_state_name(enum worker_state state);

/* What one BATCH carried. */
struct batch {
    uint64_t id;
    int64_t sent_at;
    int64_t overdue_at; /* the worker is given up when it has not answered by then */
    uint32_t rows;
    size_t count;
    struct request **requests; /* count of them, in the order of the payloads; copies are one */
    size_t capacity;           /* of `requests`, kept for the next batch */
    bool behind;               /* what is in it waited before the last result of its worker came */
    bool alone;                /* a suspect's: the worker gets nothing else meanwhile */
    enum release release;      /* why it went; its sender fills it in */
};

struct worker {
    unsigned magic;
    struct peer peer;
    enum worker_state state;
    struct version *version;
    uint32_t pid;  /* on its host: not this one, where it is remote */
    uint64_t pass; /* the supervisor has announced it (admission.h); 0: it came over tcp, or by hand */
    bool remote;   /* it came over tcp: started by hand or on another host, and the supervisor's never */
    char key[KEY_LENGTH + 1]; /* remote: its public key, the name that the list has for it, and its address */
    char key_name[KEY_NAME_MAX + 1];
    char address[48];
    uint8_t probes;    /* remote: beats sent to it since it was heard, busy or not */
    uint64_t instance; /* drawn by it at its start; 0: it is not heard while it computes */
    uint32_t capacity_rows;
    uint32_t slots;        /* batches it takes at a time; set by pool_set_slots */
    uint32_t in_flight;    /* batches it has: batches[0..in_flight), oldest first */
    struct batch *batches; /* one for each slot */
    int64_t result_at;     /* when its last batch came back */
    uint64_t answered;     /* requests, since it registered */
    int64_t heard_at;
    int64_t silence;                /* ns without a word after which it is given up */
    bool dead;                      /* DRAINING because its process has ended */
    int64_t last_words_until;       /* DRAINING: until then what it said before may still be on its way */
    struct worker *previous, *next; /* in the version's list, the one longest unused first */
    UT_hash_handle hh;              /* by peer */
    UT_hash_handle by_instance;     /* unless that is 0 */
};

struct pool;
struct pool *pool_new(void);
void pool_free(struct pool *pool);
size_t pool_count(const struct pool *pool);

/* A new IDLE worker with one slot, or NULL when POOL_WORKERS_MAX is reached. The caller fills in the rest,
 * and sees that the peer is not known yet. */
struct worker *pool_add(struct pool *pool, const struct peer *peer, struct version *version);
struct worker *pool_find(struct pool *pool, const struct peer *peer);
/* So many batches at a time, up to PROTOCOL_SLOTS_MAX, no fewer than before; not while somebody has one of
 * them in hand. */
void pool_set_slots(struct worker *worker, uint32_t slots);
/* It computes its batches side by side, where others compute one after the other. */
static inline bool worker_is_concurrent(const struct worker *worker)
{
    return worker->slots > PROTOCOL_SLOTS_SERIAL;
}
/* Gives it the number by which its HEARTBEATs name it; no other may have it. 0: none. */
void pool_name(struct pool *pool, struct worker *worker, uint64_t instance);
/* NULL for 0, too. */
struct worker *pool_find_instance(struct pool *pool, uint64_t instance);
/* The worker of this host that has that pid: others' numbers mean nothing here, and what one that nobody has
 * announced says of its own only where no other has it. */
struct worker *pool_find_pid(struct pool *pool, uint32_t pid);
/* Forgets it. Its batches must have been taken care of. */
void pool_remove(struct pool *pool, struct worker *worker);
/* Calls `each` for every worker; it may remove the one it is called with. */
typedef void pool_visit(void *self, struct worker *worker);
void pool_each(struct pool *pool, pool_visit *each, void *self);

/* True when it may be given another batch. */
bool worker_free_slot(const struct worker *worker);
/* Makes a batch of `count` requests (copied) its newest: IDLE -> BUSY. */
struct batch *worker_assign(struct worker *worker, uint64_t batch_id, struct request *const *requests,
                            size_t count, uint32_t rows, int64_t now, int64_t overdue_at);
/* The batch with that id that this worker has, or NULL. */
struct batch *worker_batch(struct worker *worker, uint64_t batch_id);
/* True for a batch of copies (shadow.c), which nobody waits for. */
bool batch_is_copies(const struct batch *batch);
/* How many payloads its BATCH had, and its RESULT must have. */
size_t batch_payloads(const struct batch *batch);
/* True when it has a batch that is none of copies. */
bool worker_has_requests(const struct worker *worker);
/* When it began to compute the batch that it has, and has had the longest (monotonic ns). */
int64_t worker_began(const struct worker *worker);
/* Takes the batch out of its hands: BUSY -> IDLE when it was the last. */
void worker_release(struct worker *worker, struct batch *batch);
/* IDLE or BUSY -> DRAINING. */
void worker_drain(struct worker *worker);
/* The broker itself was away for so long: neither silence nor slowness in that time is the worker's. */
void worker_forgive(struct worker *worker, int64_t nanoseconds);
/* Why it must be given up at `now`: "overdue" (its oldest batch), "silent" (not heard), or NULL. */
const char *worker_failing(const struct worker *worker, int64_t now);

#endif
