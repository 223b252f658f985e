/* state: what the files of the broker share: broker.c (its life and its clock), asking.c (the askers' side),
 * askers.c (who they are), sharing.c (requests that need no computation of their own), repeating.c (those
 * that were sent before), serving.c (the workers' side), losing.c (how workers end), admitting.c (which
 * worker is believed), shadow.c (copies for another version), resting.c. Nobody else includes this, but the
 * inspector of tests/fault/simulation. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BROKER_STATE_H
#define OUTRIGGER_BROKER_STATE_H

#include "admission.h"
#include "broker.h"
#include "clock.h"
#include "gate.h"
#include "idempotency.h"
#include "limit_keys.h"
#include "limit_redis.h"
#include "observer.h"
#include "quarantine.h"
#include "routing.h"
#include "tracer.h"

struct asker;
struct waiting;

/* Why READY is not believed; the labels of WORKERS_REFUSED, in admitting.c. */
enum refusal_of_worker {
    REFUSED_MISSING,
    REFUSED_UNKNOWN,
    REFUSED_OTHER,
    REFUSED_TWICE,
    REFUSED_INSTANCE,
    REFUSED_KEY_OF_OTHERS,
    REFUSALS_OF_WORKERS
};

struct broker {
    unsigned magic;
    struct loop *loop;
    const struct config *config;
    struct metrics *metrics;
    struct port *askers_port;
    struct port *workers_port;
    struct gate *gate; /* NULL: nobody comes over tcp */
    struct model_table *models;
    struct pool *pool;
    struct request_table *requests;
    struct request_table *copies; /* those of no asker: each is some copies */
    bool limited;                 /* some rate limit holds */
    struct limiting {
        struct limits *states;
        struct limit_keys *keys;
        struct limit_rule key, address; /* of those that have none of their own */
        struct limit_redis *redis;      /* NULL: none is configured */
        struct waiting *waiting;        /* requests that wait for it */
        size_t waiting_bytes;           /* of their payloads */
        int64_t looked_at;              /* for keys */
        struct series *by[LIMIT_BY_COUNT];
    } limiting;
    struct admitting {
        struct admission *admission;
        int64_t asked_at; /* the supervisor, last */
        struct series *refused[REFUSALS_OF_WORKERS];
        long long logged[REFUSALS_OF_WORKERS]; /* of log_allowed */
    } admitting;
    struct idempotency *names; /* that clients gave their requests */
    uint64_t next_copy;
    size_t copies_waiting;    /* for workers */
    struct loop_timer gather; /* the first of them has waited long enough for company */
    void *zmq_context;
    struct observer *observer;     /* NULL: there is none, */
    bool observes;                 /* or nothing was to be shown yet */
    struct tracer *tracer;         /* NULL: nobody traces */
    struct quarantine *quarantine; /* NULL: what kills workers is not kept */
    struct asker *askers;          /* who hears of the catalog */
    uint64_t epoch;                /* drawn at the start */
    uint64_t next_batch;
    uint64_t queued_bytes;     /* payload that waits, over all models */
    struct heap deadlines;     /* of QUEUED and SENT requests, and of copies */
    struct loop_timer alarm;   /* at the first of them */
    struct loop_timer janitor; /* looks for workers that fail; beats */
    int64_t janitor_due;
    bool workers_left;             /* some, since the janitor looked */
    struct loop_timer unreachable; /* workers that could not be sent to are lost */
    struct loop_timer delay;       /* a batch that was held becomes due */
    struct version *waiting;       /* versions to decide on at the end of this turn */
    uint64_t catalog_number;
    bool catalog_changed;
    bool catalog_told; /* it was published, or may be: see asking_catalog_ready */
    int64_t started_at;
    loop_call *drained; /* not NULL: stopping */
    void *drained_self;
    loop_call *handed_over; /* not NULL: another broker follows; what is not with a worker is left to it */
    void *handed_over_self;
    bool hands_empty; /* workers have nothing more that is waited for */
    int64_t handing_over_since;
    struct series *bad_asker, *bad_worker, *stray;
};

/* ---- broker.c ---- */

/* Puts the version on the list for the end of the turn. */
void broker_wake(struct broker *broker, struct version *version);
/* From now on broker->observer is there, if it can be had. */
void broker_observe(struct broker *broker);
/* The alarm follows the earliest deadline. */
void broker_set_alarm(struct broker *broker);

/* ---- asking.c ---- */

void asking_received(void *broker, struct port_message *message);
void asking_refused(void *broker, const struct peer *peer, const char *complaint);
/* Answers with a failure and ends the request (its memory goes, unless a worker still has it). One that is
 * followed, and whose failure says nothing of what they asked, stays where it is in the name of the first
 * follower. */
void asking_fail(struct broker *broker, struct request *request, enum failure failure, struct text message);
/* Answers the request, and who follows it, with the tensors in `payload`, and ends them. */
void asking_reply(struct broker *broker, struct request *request, const struct payload *payload,
                  const struct batch *batch, uint64_t compute_us);
/* How long it probably takes until a request that came in now would be answered, ns; 0 when nothing waits
 * before it, for then nobody knows better than by trying. */
int64_t asking_time_needed(const struct version *version, const struct envelope *envelope);
/* Takes a request in: all but its payload, and its place. */
void asking_begin(struct broker *broker, struct request *request, const struct envelope *envelope,
                  struct version *version, const struct limit_rest *rest);
/* Sends a REPLY whose fields but `version` and what tells of limits the caller has filled in. The payload
 * stays the caller's. */
void asking_send_reply(struct broker *broker, const struct request_key *key, const struct version *version,
                       const struct limit_rest *rest, struct envelope *envelope,
                       const struct payload *payload);
/* Ends a request whose answer nobody wants or has already. */
void asking_forget(struct broker *broker, struct request *request);
/* Gives back the memory of one that has ended and that no worker has any more. */
void asking_let_go(struct broker *broker, struct request *request);
/* Routes the request and takes it in, or refuses it: no rate limit is in its way, and its answer tells the
 * rest. */
void asking_take_in(struct broker *broker, struct port_message *message, const struct request_key *key,
                    const struct limit_rest *rest);
/* Why somebody takes back a request that arrived and ends at those times: nobody wants the answer any more,
 * or it comes too late. */
enum failure asking_reason_of_cancel(int64_t arrived_at, int64_t deadline, int64_t now);
/* Counts one that ends without an answer before it was taken in. */
void asking_count_failure(struct broker *broker, struct version *version, enum failure failure);
/* Tells the asker that the broker is stopping: the next one is asked. */
void asking_turn_away(struct broker *broker, const struct request_key *key);

/* ---- askers.c ---- */

/* Answers a hello (id 0) or a PING; a new asker is told the catalog. */
void askers_greet(struct broker *broker, const struct peer *peer, uint64_t id);
/* The request of this model has its answer. Where nothing may be computed twice, and its asker has met us
 * just now and may send it again, that is remembered. */
void askers_remember(struct broker *broker, const struct request_key *key, const struct model *model);
/* True when it is remembered. */
bool askers_were_answered(const struct broker *broker, const struct request_key *key);
/* False in a broker's first second while a model has no worker yet: they are registering again. */
bool askers_catalog_ready(struct broker *broker);
/* Sends the catalog to everyone who asked before. */
void askers_publish_catalog(struct broker *broker);
/* Some keys of askers are not allowed any more: nothing more is told to those who came over tcp, but who asks
 * again. */
void askers_bar(struct broker *broker);
void askers_free(struct broker *broker);

/* ---- limiting.c ---- */

/* False after a complaint in the log. */
bool limiting_begin(struct broker *broker);
void limiting_free(struct broker *broker);
/* Models may have other limits now. */
void limiting_settle(struct broker *broker);
/* From time to time: keys may have. */
void limiting_look(struct broker *broker);
/* Asks all rate limits of the request; some hold (broker->limited). True when it may come in, with *rest when
 * limits hold for it, too. Else it is refused, or waits for Redis and then either goes to asking_take_in or
 * is refused. */
bool limiting_lets(struct broker *broker, struct port_message *message, const struct request_key *key,
                   struct limit_rest *rest);
/* What a REPLY tells of it. */
void limiting_tell(const struct limit_rest *rest, struct envelope *envelope, int64_t now);
/* True when it waits so. */
bool limiting_has(const struct broker *broker, const struct request_key *key);
/* Its asker takes it back; false when it does not wait. */
bool limiting_cancel(struct broker *broker, const struct request_key *key);
/* The broker stops: whoever waits is turned away (`tell`), or left to the next one. */
void limiting_leave(struct broker *broker, bool tell);

/* ---- sharing.c ---- */

/* True when the request was answered from the cache of its model, which must be on, or waits for the answer
 * of an identical one; not when that will come too late. Else *digest is the name under which it is to lead.
 */
bool sharing_take(struct broker *broker, const struct request_key *key, const struct port_message *message,
                  struct version *version, const struct limit_rest *rest, struct cache_key *digest);
/* Before a request ends without an answer: its place goes to the first of those that follow it. Returns the
 * one that now stands for what ends. */
struct request *sharing_hand_over(struct broker *broker, struct request *request);

/* ---- repeating.c: for requests that carry `once` ---- */

/* True when the request was sent before: then it was answered, refused, or is the one that is under way. */
bool repeating_take(struct broker *broker, const struct request_key *key, const struct envelope *envelope,
                    const struct limit_rest *rest);
/* It is the first: it holds its name from now on. */
void repeating_begin(struct broker *broker, struct request *request, const struct envelope *envelope);
/* It ends, or, when nobody waited for it any more, its worker has answered or died. `payload` is the tensors,
 * or the text of a failure; it stays the caller's. Does nothing for a failure after which the same may be
 * asked anew, and for a request that holds no name. */
void repeating_ended(struct broker *broker, struct request *request, enum failure failure,
                     const struct payload *payload);
/* It was answered as soon as it came, with what was computed so long ago (ns), and never was a request of
 * ours. */
void repeating_answered_at_once(struct broker *broker, const struct envelope *envelope,
                                const struct version *version, const struct payload *payload, int64_t age);

/* ---- shadow.c ---- */

/* The stable version of the model, which has a shadow, has answered this request, which still has its
 * payload: a copy is taken of it if it is its turn and there is room. */
void shadow_offer(struct broker *broker, const struct request *request, const struct payload *answer);
/* True when copies wait for this version that should go to an idle worker now. Otherwise *again_at = when
 * they should; INT64_MAX: when something changes. */
bool shadow_due(struct broker *broker, struct version *version, int64_t *again_at);
/* A worker has answered the copies, or says why not: `failures` as in a RESULT, `answers` one of each. Ends
 * them. */
void shadow_result(struct broker *broker, struct request *copies, struct text failures,
                   const struct payload *answers);
/* The worker that had the copies is lost. Ends them: they are not tried again. */
void shadow_lost(struct broker *broker, struct request *copies, bool died);
/* Their time is over. */
void shadow_late(struct broker *broker, struct request *copies);
/* How long a worker may take for a batch, ns; `copies`: of copies, for which one that serves nothing else may
 * get only what time others leave it. */
int64_t shadow_patience(const struct version *version, bool copies);
/* At the end of a turn, when all that clients wait for is under way: the batches of copies that are due. */
void shadow_dispatch(struct broker *broker);
/* Drops the copies that wait for a version that is the shadow no more. */
void shadow_follow_route(struct broker *broker, struct version *version);
/* Gives back copies that nobody has any more. */
void shadow_free(struct broker *broker, struct request *copies);

/* ---- admitting.c ---- */

void admitting_begin(struct broker *broker);
void admitting_free(struct broker *broker);
/* True when this READY is believed: *pass is what the supervisor has said of the process, or NULL for one
 * that came over tcp or by hand. Else it was refused, or will be asked for again when the supervisor has said
 * whom it knows. */
bool admitting_lets(struct broker *broker, const struct port_message *message, struct pass **pass);
/* The worker was taken in with that pass. An earlier one that had it is lost. */
void admitting_came(struct broker *broker, struct worker *worker, struct pass *pass);
/* The supervisor has said something: those who are known now are asked for READY again, and those who are not
 * are refused when it was all that there is to say to that question (0: to none). */
void admitting_settle(struct broker *broker, uint64_t answered);
/* From time to time: the supervisor is asked about those who wait. */
void admitting_look(struct broker *broker);

/* ---- serving.c ---- */

void serving_received(void *broker, struct port_message *message);
void serving_refused(void *broker, const struct peer *peer, const char *complaint);
/* Says BEAT. False when nobody is there to hear it. */
bool serving_beat(struct broker *broker, const struct peer *peer, uint64_t epoch);
/* Tells somebody that nothing is wanted of him, and why. */
void serving_send_away(struct broker *broker, const struct peer *peer, const char *message);
/* Releases as many batches as the rule allows now. */
void serving_dispatch(struct broker *broker, struct version *version);
/* Nobody waits for that SENT request any more: a worker that computes side by side is told. */
void serving_recall(struct broker *broker, const struct request *request);
/* Sends a batch. False when the worker could not be reached and is being let go; the requests are still the
 * caller's then. */
bool serving_send(struct broker *broker, struct worker *worker, struct request **requests, size_t count,
                  uint32_t rows, enum release release);
/* Counts that a batch of the version went, and why. */
void serving_count_release(struct broker *broker, struct version *version, enum release release);
/* What waits for a version that has no worker and gets none goes to the stable one; who asked for it by name
 * waits on while it is not known that none is to come. */
void serving_follow_route(struct broker *broker, struct version *version);
/* Back to the front of its queue: it has waited there before. */
void serving_put_back(struct broker *broker, struct request *request);
/* Frees what the workers have in hand. */
void serving_free(struct broker *broker);

/* ---- losing.c ---- */

/* What became of the batches that a lost worker had. */
enum fate {
    FATE_LEFT,   /* it said BYE: it had not begun them */
    FATE_FORGOT, /* it registered again: it may have begun them, but has not died of them */
    FATE_DIED    /* or hung, or its connection is gone: one of their requests may be why */
};
/* Forgets the worker and gives what it had to others. `cause` is a label of WORKERS_LOST. */
void losing_worker(struct broker *broker, struct worker *worker, const char *cause, enum fate fate);
/* Its process has ended. It is lost as soon as all that it said before has been read. */
void losing_ended(struct broker *broker, struct worker *worker);
/* Nothing can be sent to it: its connection is gone, or (EAGAIN) it is there and has read nothing for very
 * long. What it said before may not have been read yet: its last results, and its BYE. So it gets nothing
 * new, and is lost in the next turn, when all of that has been taken in. */
void losing_unreachable(struct broker *broker, struct worker *worker, int error);
/* Some keys of workers may not be allowed any more, or not for the model that their worker serves: whoever
 * came with them is lost. */
void losing_barred(struct broker *broker);
/* Looks at every worker: beats, silence, overdue batches. */
void losing_look(struct broker *broker);
/* The broker itself did not run for so long: its workers are not to blame for it. */
void losing_forgive(struct broker *broker, int64_t nanoseconds);

/* ---- resting.c ---- */

/* Tells the supervisor when requests wait for a version that has no workers while nobody asks. */
void resting_call(struct broker *broker, struct version *version);
/* The same for all versions. */
void resting_look(struct broker *broker);

#endif
