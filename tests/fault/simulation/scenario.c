/* scenario: the table. Each mixes what belongs together, so that a violation says where to look; the last
 * mixes all. Times are virtual. SPDX-License-Identifier: MIT */
#include "scenario.h"

#include "clock.h"
#include "protocol.h"

#include <string.h>

const char *const mishap_texts[MISHAP_COUNT] = {
#define X(name, text) [MISHAP_##name] = text,
    MISHAPS(X)
#undef X
};

#define FAILURE_BIT(failure) (UINT32_C(1) << (failure))

const struct scenario scenarios[] = {
    {.name = "calm", .text = "nothing goes wrong, and nobody fails or waits", .longest_wait = SECOND},
    {.name = "shapes",
     .text = "priorities, requests larger than a batch, refusals by the model, cancels, wrong names",
     .models = 3,
     .most_rows = 200,
     .most_bytes = 5000,
     .priorities = 10,
     .tenants = 5,
     .compute_row = 4 * MICROSECOND,
     .failing = 20000,
     .cancelled = 50000,
     .misnamed = 5000,
     .allowed = FAILURE_BIT(FAILURE_UNKNOWN_MODEL)},
    {.name = "sharing",
     .text =
         "the same questions again and again: kept answers, shared computations, deaths, cancels, deadlines",
     .model_conf = "cache: { ttl_ms = 20; max_bytes = 8192; }; limits: { compute_timeout_ms = 400; };",
     .other_conf = "cache: { ttl_ms = 100; max_bytes = 50000; }; batching: { max_batch_rows = 4; };",
     .contents = 300,
     .priorities = 3,
     .tenants = 3,
     .cancelled = 100000,
     .deadline = {3 * MILLISECOND, 300 * MILLISECOND},
     .every = {[MISHAP_KILL_WORKER] = 100 * MILLISECOND,
               [MISHAP_RELOAD] = 300 * MILLISECOND,
               [MISHAP_ROLL] = 900 * MILLISECOND,
               [MISHAP_SLOW_WORKER] = 700 * MILLISECOND},
     .allowed =
         FAILURE_BIT(FAILURE_OVERLOADED) | FAILURE_BIT(FAILURE_DEADLINE) | FAILURE_BIT(FAILURE_POISON)},
    {.name = "repeating",
     .text = "requests that come again under the same name: deaths, cancels, deadlines, broken connections",
     .model_conf = "limits: { compute_timeout_ms = 400; };",
     .other_conf = "cache: { ttl_ms = 20; max_bytes = 8192; };",
     .setting = "idempotency.keys=100",
     .contents = 300,
     .named = 700000,
     .cancelled = 100000,
     .deadline = {3 * MILLISECOND, 300 * MILLISECOND},
     .every = {[MISHAP_KILL_WORKER] = 100 * MILLISECOND,
               [MISHAP_RELOAD] = 300 * MILLISECOND,
               [MISHAP_CUT_ASKER] = 100 * MILLISECOND,
               [MISHAP_RESTART_BROKER] = SECOND,
               [MISHAP_SLOW_WORKER] = 700 * MILLISECOND},
     .allowed = FAILURE_BIT(FAILURE_OVERLOADED) | FAILURE_BIT(FAILURE_DEADLINE) |
                FAILURE_BIT(FAILURE_POISON) | FAILURE_BIT(FAILURE_KEY_RUNNING) |
                FAILURE_BIT(FAILURE_KEY_REUSED)},
    {.name = "company",
     .text = "max_delay holds batches",
     .model_conf = "batching: { max_delay_us = 2000; max_batch_rows = 32; };",
     .cancelled = 20000,
     .longest_wait = SECOND},
    {.name = "overload",
     .text = "ten times more than the workers can do, small queues, short deadlines",
     .window = 2000,
     .burst = 200,
     .model_conf = "queue: { max_rows = 500; max_bytes = 16384; };",
     .setting = "broker.max_requests=700",
     .workers = 2,
     .tenants = 20,
     .priorities = 2,
     .deadline = {MILLISECOND, 200 * MILLISECOND},
     .cancelled = 20000,
     .allowed = FAILURE_BIT(FAILURE_OVERLOADED) | FAILURE_BIT(FAILURE_DEADLINE)},
    {.name = "sizes",
     .text =
         "workers tell what batches cost, some of them wrongly: sizes are learned, whoever comes and goes",
     .curves = true,
     .window = 500,
     .burst = 20,
     .pause = 50 * MILLISECOND,
     .workers = 2,
     .compute = 2 * MILLISECOND,
     .compute_row = 500 * MICROSECOND,
     .model_conf = "limits: { compute_timeout_ms = 400; };",
     .other_conf =
         "batching: { learned = false; max_batch_rows = 32; }; limits: { compute_timeout_ms = 400; };",
     .deadline = {100 * MILLISECOND, 2 * SECOND},
     .cancelled = 20000,
     .every = {[MISHAP_KILL_WORKER] = 300 * MILLISECOND,
               [MISHAP_SLOW_WORKER] = 700 * MILLISECOND,
               [MISHAP_RELOAD] = 900 * MILLISECOND,
               [MISHAP_RESTART_BROKER] = 2 * SECOND},
     .allowed =
         FAILURE_BIT(FAILURE_OVERLOADED) | FAILURE_BIT(FAILURE_DEADLINE) | FAILURE_BIT(FAILURE_POISON)},
    {.name = "flood",
     .text = "one tenant asks for far more than there is, another for little; the quiet one hardly notices",
     .window = 8000,
     .burst = 100,
     .workers = 2,
     .model_conf = "queue: { max_rows = 60000; };",
     .deadline = {SECOND, 2 * SECOND},
     .allowed = FAILURE_BIT(FAILURE_OVERLOADED) | FAILURE_BIT(FAILURE_DEADLINE),
     .quiet_wait = 250 * MILLISECOND},
    {.name = "jobs",
     .text = "jobs ask for far more than there is, beside a client; he hardly notices, and they lose nothing",
     .jobs = true,
     .window = 2000,
     .burst = 100,
     .workers = 2,
     .compute_row = 100 * MICROSECOND,
     .deadline = {40 * SECOND, 60 * SECOND},
     .every = {[MISHAP_RELOAD] = 300 * MILLISECOND},
     .quiet_wait = 250 * MILLISECOND,
     .quiet_usually = 8 * MILLISECOND},
    {.name = "deaths",
     .text = "workers are killed; a request that was twice with one that was is taken for poison",
     .every = {[MISHAP_KILL_WORKER] = 40 * MILLISECOND},
     .allowed = FAILURE_BIT(FAILURE_POISON)},
    {.name = "poison",
     .text = "some requests kill who computes them; all others are answered",
     .workers = 6,
     .poison = 1000},
    {.name = "strict",
     .text = "one death is enough for poison; still nobody else is refused",
     .workers = 6,
     .model_conf = "limits: { compute_timeout_ms = 400; max_kills = 1; };",
     .max_kills = 1,
     .poison = 1000},
    {.name = "hangs",
     .text = "workers hang, are stopped, are slow; late results come for what others have",
     .pause = 2 * MILLISECOND,
     .every = {[MISHAP_HANG_WORKER] = 700 * MILLISECOND,
               [MISHAP_STOP_WORKER] = 700 * MILLISECOND,
               [MISHAP_SLOW_WORKER] = 700 * MILLISECOND},
     .allowed = FAILURE_BIT(FAILURE_POISON)},
    {.name = "confusion",
     .text = "workers miscount, answer twice, answer for others; rubbish from both sides",
     .every = {[MISHAP_CONFUSE_WORKER] = 20 * MILLISECOND, [MISHAP_RUBBISH] = 5 * MILLISECOND},
     .allowed = FAILURE_BIT(FAILURE_POISON)},
    {.name = "leaving",
     .text = "workers leave and come, versions roll, the configuration changes; nobody fails",
     .models = 2,
     .other_conf = "batching: { max_batch_rows = 3; max_delay_us = 500; }; queue: { max_rows = 1000; };",
     .every = {[MISHAP_LEAVE_WORKER] = 50 * MILLISECOND,
               [MISHAP_RELOAD] = 100 * MILLISECOND,
               [MISHAP_ROLL] = 900 * MILLISECOND}},
    {.name = "cuts",
     .text = "connections break between processes that live",
     .every = {[MISHAP_CUT_WORKER] = 60 * MILLISECOND, [MISHAP_CUT_ASKER] = 60 * MILLISECOND},
     .allowed = FAILURE_BIT(FAILURE_POISON)},
    {.name = "broker",
     .text = "the broker is killed and stopped; nobody fails",
     .pause = 2 * MILLISECOND,
     .every = {[MISHAP_KILL_BROKER] = 1500 * MILLISECOND, [MISHAP_STOP_BROKER] = 8 * SECOND}},
    {.name = "restarts",
     .text = "the broker is told to stop and started again, or replaced; nobody fails",
     .pause = 2 * MILLISECOND,
     .every = {[MISHAP_RESTART_BROKER] = 1500 * MILLISECOND, [MISHAP_REPLACE_BROKER] = 1500 * MILLISECOND}},
    {.name = "askers",
     .text = "askers are killed with requests in flight",
     .every = {[MISHAP_KILL_ASKER] = 100 * MILLISECOND}},
    {.name = "routes",
     .text = "shares, keys and names lead to two versions, while the route changes and all else dies; nobody "
             "fails",
     .both = true,
     .workers = 3,
     .keys = 50,
     .wishes = 200000,
     .tenants = 3,
     .cancelled = 20000,
     .contents = 2000,
     .model_conf = "cache: { ttl_ms = 20; }; limits: { compute_timeout_ms = 400; };"
                   "route: { by = \"key\"; arms = ( { version = \"2\"; percent = 30.5; } ); };",
     .other_conf = "limits: { compute_timeout_ms = 400; };",
     .every = {[MISHAP_KILL_WORKER] = 60 * MILLISECOND,
               [MISHAP_LEAVE_WORKER] = 60 * MILLISECOND,
               [MISHAP_RELOAD] = 30 * MILLISECOND,
               [MISHAP_ROLL] = 900 * MILLISECOND,
               [MISHAP_KILL_BROKER] = 3 * SECOND},
     .allowed = FAILURE_BIT(FAILURE_POISON)},
    {.name = "limits",
     .text =
         "more than rate limits let through, while brokers and connections come and go; nobody is refused "
         "for being sent again",
     .tenants = 5,
     .keys = 50,
     .contents = 2000,
     .cancelled = 20000,
     .compute = 20 * MILLISECOND, /* much of what was let through is on its way when a broker goes */
     .setting = "limit.key_requests_per_s=100",
     .model_conf = "rate: { rows_per_s = 3000; }; cache: { ttl_ms = 20; };",
     .other_conf = "rate: { requests_per_s = 300; rows_per_s = 0; };",
     .every = {[MISHAP_LEAVE_WORKER] = 200 * MILLISECOND,
               [MISHAP_CUT_ASKER] = 60 * MILLISECOND,
               [MISHAP_KILL_BROKER] = 500 * MILLISECOND,
               [MISHAP_RESTART_BROKER] = 500 * MILLISECOND,
               [MISHAP_REPLACE_BROKER] = 500 * MILLISECOND,
               [MISHAP_RELOAD] = 300 * MILLISECOND},
     .allowed = FAILURE_BIT(FAILURE_RATE_LIMITED)},
    {.name = "once",
     .text = "a model that is not idempotent never computes a request twice, whatever dies",
     .model_conf = "idempotent = false; limits: { compute_timeout_ms = 400; };",
     .every = {[MISHAP_KILL_WORKER] = 60 * MILLISECOND,
               [MISHAP_STOP_WORKER] = 700 * MILLISECOND,
               [MISHAP_LEAVE_WORKER] = 200 * MILLISECOND,
               [MISHAP_CUT_WORKER] = 200 * MILLISECOND},
     .allowed = FAILURE_BIT(FAILURE_WORKER_DIED)},
    {.name = "orderly",
     .text = "such a model, while workers leave and brokers are replaced: nobody fails either",
     .pause = 2 * MILLISECOND,
     .model_conf = "idempotent = false; limits: { compute_timeout_ms = 400; };",
     .every = {[MISHAP_LEAVE_WORKER] = 200 * MILLISECOND,
               [MISHAP_STALL_ASKER] = 50 * MILLISECOND,
               [MISHAP_REPLACE_BROKER] = 500 * MILLISECOND}},
    {.name = "shadow",
     .text = "the other version gets copies, while workers of both die, hang and leave, brokers and routes "
             "change",
     .models = 2,
     .shadow = 70,
     .both = true,
     .cancelled = 5000,
     .contents = 300,
     .model_conf = "cache: { ttl_ms = 20; }; limits: { compute_timeout_ms = 400; };",
     .other_conf = "batching: { max_batch_rows = 5; }; limits: { compute_timeout_ms = 300; };",
     .setting = "broker.max_shadow_requests=40",
     .every = {[MISHAP_KILL_WORKER] = 100 * MILLISECOND,
               [MISHAP_HANG_WORKER] = SECOND,
               [MISHAP_SLOW_WORKER] = SECOND,
               [MISHAP_LEAVE_WORKER] = 200 * MILLISECOND,
               [MISHAP_CONFUSE_WORKER] = SECOND,
               [MISHAP_KILL_BROKER] = 4 * SECOND,
               [MISHAP_RESTART_BROKER] = 4 * SECOND,
               [MISHAP_REPLACE_BROKER] = 4 * SECOND,
               [MISHAP_RELOAD] = 500 * MILLISECOND,
               [MISHAP_ROLL] = 900 * MILLISECOND},
     .allowed = FAILURE_BIT(FAILURE_POISON)},
    {.name = "all",
     .text = "everything at once",
     .models = 3,
     .workers = 3,
     .pause = 2 * MILLISECOND,
     .priorities = 3,
     .tenants = 3,
     .poison = 200,
     .failing = 5000,
     .cancelled = 10000,
     .misnamed = 1000,
     .other_conf = "batching: { max_batch_rows = 5; }; limits: { compute_timeout_ms = 300; };",
     .every = {[MISHAP_KILL_WORKER] = 300 * MILLISECOND,
               [MISHAP_HANG_WORKER] = 2 * SECOND,
               [MISHAP_STOP_WORKER] = 2 * SECOND,
               [MISHAP_SLOW_WORKER] = 2 * SECOND,
               [MISHAP_LEAVE_WORKER] = SECOND,
               [MISHAP_CONFUSE_WORKER] = SECOND,
               [MISHAP_CUT_WORKER] = SECOND,
               [MISHAP_CUT_ASKER] = SECOND,
               [MISHAP_KILL_ASKER] = SECOND,
               [MISHAP_KILL_BROKER] = 4 * SECOND,
               [MISHAP_RESTART_BROKER] = 4 * SECOND,
               [MISHAP_REPLACE_BROKER] = 4 * SECOND,
               [MISHAP_STOP_BROKER] = 10 * SECOND,
               [MISHAP_RELOAD] = SECOND,
               [MISHAP_ROLL] = 3 * SECOND,
               [MISHAP_RUBBISH] = 100 * MILLISECOND},
     .allowed =
         FAILURE_BIT(FAILURE_POISON) | FAILURE_BIT(FAILURE_UNKNOWN_MODEL) | FAILURE_BIT(FAILURE_DEADLINE),
     .poison_forgotten = true},
    {.name = "named",
     .text = "such a model never computes a request twice that comes again under its name, whatever dies, "
             "whoever gives up, also over brokers that make room",
     .model_conf = "idempotent = false; limits: { compute_timeout_ms = 400; };",
     .contents = 100,
     .named = 1000000,
     .cancelled = 100000,
     .deadline = {3 * MILLISECOND, 300 * MILLISECOND},
     .every = {[MISHAP_KILL_WORKER] = 60 * MILLISECOND,
               [MISHAP_STOP_WORKER] = 700 * MILLISECOND,
               [MISHAP_SLOW_WORKER] = 700 * MILLISECOND,
               [MISHAP_LEAVE_WORKER] = 200 * MILLISECOND,
               [MISHAP_CUT_WORKER] = 200 * MILLISECOND,
               [MISHAP_CUT_ASKER] = 100 * MILLISECOND,
               [MISHAP_REPLACE_BROKER] = 500 * MILLISECOND},
     .allowed = FAILURE_BIT(FAILURE_WORKER_DIED) | FAILURE_BIT(FAILURE_DEADLINE) |
                FAILURE_BIT(FAILURE_OVERLOADED) | FAILURE_BIT(FAILURE_KEY_RUNNING)},
    {.name = NULL},
};

/* Three askers, four workers, a load that keeps about half of them busy, time enough. */
static const struct scenario usual = {.askers = 3,
                                      .window = 64,
                                      .burst = 4,
                                      .pause = 300 * MICROSECOND,
                                      .models = 1,
                                      .workers = 4,
                                      .slots = 2,
                                      .capacity_rows = 64,
                                      .compute = 200 * MICROSECOND,
                                      .compute_row = 20 * MICROSECOND,
                                      .max_kills = 2,
                                      .most_rows = 16,
                                      .most_bytes = 200,
                                      .deadline = {20 * SECOND, 30 * SECOND},
                                      .model_conf = "limits: { compute_timeout_ms = 400; };"};

struct scenario scenario_complete(const struct scenario *scenario)
{
    struct scenario complete = *scenario;
    complete.askers = complete.askers ?: usual.askers;
    complete.window = complete.window ?: usual.window;
    complete.burst = complete.burst ?: usual.burst;
    complete.pause = complete.pause ?: usual.pause;
    complete.models = complete.models ?: usual.models;
    complete.workers = complete.workers ?: usual.workers;
    complete.slots = complete.slots ?: usual.slots;
    complete.capacity_rows = complete.capacity_rows ?: usual.capacity_rows;
    complete.compute = complete.compute ?: usual.compute;
    complete.compute_row = complete.compute_row ?: usual.compute_row;
    complete.max_kills = complete.max_kills ?: usual.max_kills;
    complete.most_rows = complete.most_rows ?: usual.most_rows;
    complete.most_bytes = complete.most_bytes ?: usual.most_bytes;
    complete.deadline[0] = complete.deadline[0] ?: usual.deadline[0];
    complete.deadline[1] = complete.deadline[1] ?: usual.deadline[1];
    complete.model_conf = complete.model_conf ?: usual.model_conf;
    return complete;
}

const struct scenario *scenario_find(const char *name)
{
    for (const struct scenario *scenario = scenarios; scenario->name != NULL; scenario++)
        if (strcmp(scenario->name, name) == 0)
            return scenario;
    return NULL;
}

const struct kept_seed kept_seeds[] = {
    {"sharing", 1, 10000,
     "a follower moved its leader before a suspect, and nobody looked at the queue again"},
    {"sharing", 49, 10000,
     "a suspect that was first in line ended, and those behind it stood until something else came"},
    {"all", 219, 10000,
     "the last worker of an old version hung: its request waited there until its deadline"},
    {.scenario = NULL},
};
