/* mishaps: one function for each kind, in a table. None of them may do anything that could not happen to the
 * real processes. SPDX-License-Identifier: MIT */
#include "mishaps.h"

#include "broker.h"
#include "clock.h"
#include "network.h"
#include "report.h"
#include "world.h"

/* How long something that is stopped stays so: often shorter than three heartbeats, sometimes longer than a
 * batch may take. */
static int64_t draw_stop(void)
{
    return world_now() + chance_between(world_chance(), 1, 3000) * MILLISECOND;
}

/* ---- workers ---- */

static struct simulated_worker *any_worker(struct host *host)
{
    size_t first = chance_below(world_chance(), host->place_count);
    for (size_t i = 0; i < host->place_count; i++) {
        struct place *place = &host->places[(first + i) % host->place_count];
        if (place->worker != NULL && simulated_worker_alive(place->worker))
            return place->worker;
    }
    return NULL;
}

static void kill_worker(struct host *host)
{
    struct simulated_worker *worker = any_worker(host);
    if (worker != NULL)
        simulated_worker_kill(worker);
}

static void hang_worker(struct host *host)
{
    struct simulated_worker *worker = any_worker(host);
    if (worker != NULL)
        simulated_worker_set_mood(worker, MOOD_HANGS);
}

static void stop_worker(struct host *host)
{
    struct simulated_worker *worker = any_worker(host);
    if (worker != NULL)
        simulated_worker_pause(worker, draw_stop());
}

static void slow_worker(struct host *host)
{
    struct simulated_worker *worker = any_worker(host);
    if (worker != NULL)
        simulated_worker_set_mood(worker, MOOD_SLOW);
}

static void leave_worker(struct host *host)
{
    struct simulated_worker *worker = any_worker(host);
    if (worker != NULL)
        simulated_worker_leave(worker);
}

static void confuse_worker(struct host *host)
{
    struct simulated_worker *worker = any_worker(host);
    if (worker != NULL)
        simulated_worker_set_mood(worker,
                                  chance_below(world_chance(), 2) == 0 ? MOOD_MISCOUNTS : MOOD_REPEATS);
}

static void cut_worker(struct host *host)
{
    struct simulated_worker *worker = any_worker(host);
    if (worker != NULL)
        simulated_worker_cut(worker);
}

/* ---- askers ---- */

static unsigned any_asker(const struct host *host)
{
    return (unsigned)chance_below(world_chance(), host->scenario->askers);
}

static void cut_asker(struct host *host)
{
    if (host->remote || host->lost)
        return;
    simulated_asker_cut(host->askers[any_asker(host)]);
}

static void kill_asker(struct host *host)
{
    if (host->remote || host->lost)
        return;
    unsigned which = any_asker(host);
    report_event("asker # is killed", which, 0, 0);
    simulated_asker_kill(host->askers[which]);
    simulated_asker_free(host->askers[which]);
    host_start_asker(host, which);
}

/* On a busy machine. */
static void stall_asker(struct host *host)
{
    simulated_asker_pause(host->askers[any_asker(host)],
                          world_now() + chance_between(world_chance(), 1, 150) * MILLISECOND);
}

static void rubbish(struct host *host)
{
    struct simulated_worker *worker = any_worker(host);
    if (chance_below(world_chance(), 2) == 0)
        simulated_asker_babble(host->askers[any_asker(host)]);
    else if (worker != NULL)
        simulated_worker_babble(worker);
}

/* ---- the broker ---- */

static void kill_broker(struct host *host)
{
    if (host->broker != NULL)
        host_kill_broker(host);
}

static void restart_broker(struct host *host)
{
    if (host->broker != NULL)
        host_drain_broker(host);
}

static void replace_broker(struct host *host)
{
    if (host->broker != NULL)
        host_replace_broker(host);
}

static void stop_broker(struct host *host)
{
    if (host->broker == NULL)
        return;
    int64_t until = draw_stop();
    report_event("the broker is stopped for # ms", (uint64_t)((until - world_now()) / MILLISECOND), 0, 0);
    loop_pause(host->broker_loop, until);
}

static void reload_now(void *self)
{
    broker_reload(((struct host *)self)->broker);
}

static void reload(struct host *host)
{
    host->other = host->scenario->other_conf != NULL && !host->other;
    report_event("the configuration changes", 0, 0, 0);
    host_configure(host);
    if (host->broker != NULL)
        loop_interrupt(host->broker_loop, reload_now, host);
}

/* ---- a roll: new workers, the route, then the old workers leave ---- */

static void want_version(struct host *host, unsigned version, bool wanted)
{
    for (size_t i = 0; i < host->place_count; i++)
        if (host->places[i].model == host->rolling && host->places[i].version == version)
            host_want(&host->places[i], wanted);
}

static void roll_out_old(void *self)
{
    struct host *host = self;
    if (!host->scenario->both)
        want_version(host, !host->versions[host->rolling], false);
}

static void roll_route(void *self)
{
    struct host *host = self;
    unsigned *version = &host->versions[host->rolling];
    *version = !*version;
    report_event("model # goes to version #", host->rolling, *version + 1, 0);
    host_configure(host);
    if (host->broker != NULL)
        loop_interrupt(host->broker_loop, reload_now, host);
    loop_timer_set(host->loop, &host->roll, world_now() + 20 * MILLISECOND, roll_out_old, host);
}

static void roll(struct host *host)
{
    if (heap_contains(&host->roll.node))
        return;
    host->rolling = (unsigned)chance_below(world_chance(), host->scenario->models);
    want_version(host, !host->versions[host->rolling], true);
    loop_timer_set(host->loop, &host->roll, world_now() + 300 * MILLISECOND, roll_route, host);
}

/* ---- the whole of it ---- */

static void return_host(void *self)
{
    struct host *host = self;
    loop_timer_cancel(host->loop, &host->back);
    if (!host->lost)
        return;
    report_event("a host is back", 0, 0, 0);
    host->lost = false;
    host->site->alive++;
    host_begin(host);
}

void mishaps_return_host(struct host *host)
{
    return_host(host);
}

/* As when the power goes: nobody says a word, and nobody else notices before some heartbeats are missing.
 * Half of the hosts are there at any time. */
static void lose_host(struct host *host)
{
    struct site *site = host->site;
    if (host->remote || host->lost || site->alive * 2 <= host->scenario->hosts)
        return;
    host->lost = true;
    site->alive--;
    site->silence = chance_between(world_chance(), 600, 3000) * MILLISECOND;
    report_event("a host is lost; for # ms nobody notices", (uint64_t)(site->silence / MILLISECOND), 0, 0);
    network_be_silent(host->network, site->silence);
    host_end_broker(host);
    for (unsigned i = 0; i < host->scenario->askers; i++) {
        simulated_asker_kill(host->askers[i]);
        simulated_asker_free(host->askers[i]);
        host->askers[i] = NULL;
    }
    for (size_t i = 0; i < host->place_count; i++) {
        loop_timer_cancel(host->loop, &host->places[i].start);
        if (host->places[i].worker != NULL)
            simulated_worker_kill(host->places[i].worker);
    }
    loop_timer_cancel(host->loop, &host->introduction);
    network_be_silent(host->network, 0);
    site->silence = 0;
    host->losses++;
    loop_timer_set(host->loop, &host->back,
                   world_now() + chance_between(world_chance(), 1000, 6000) * MILLISECOND, return_host, host);
}

/* ---- the table ---- */

typedef void mishap_call(struct host *host);

static mishap_call *const calls[] = {
    [MISHAP_KILL_WORKER] = kill_worker,
    [MISHAP_HANG_WORKER] = hang_worker,
    [MISHAP_STOP_WORKER] = stop_worker,
    [MISHAP_SLOW_WORKER] = slow_worker,
    [MISHAP_LEAVE_WORKER] = leave_worker,
    [MISHAP_CONFUSE_WORKER] = confuse_worker,
    [MISHAP_CUT_WORKER] = cut_worker,
    [MISHAP_CUT_ASKER] = cut_asker,
    [MISHAP_KILL_ASKER] = kill_asker,
    [MISHAP_STALL_ASKER] = stall_asker,
    [MISHAP_KILL_BROKER] = kill_broker,
    [MISHAP_RESTART_BROKER] = restart_broker,
    [MISHAP_REPLACE_BROKER] = replace_broker,
    [MISHAP_STOP_BROKER] = stop_broker,
    [MISHAP_RELOAD] = reload,
    [MISHAP_ROLL] = roll,
    [MISHAP_RUBBISH] = rubbish,
    [MISHAP_LOSE_HOST] = lose_host,
};
_Static_assert(COUNT_OF(calls) == MISHAP_COUNT, "a function for each mishap");

static void happen(void *self)
{
    struct mishap_source *source = self;
    struct host *host = source->host;
    int64_t mean = host->scenario->every[source->mishap];
    loop_timer_set(host->loop, &source->timer, world_now() + chance_between(world_chance(), 1, 2 * mean),
                   happen, source);
    if (source->count++ > 0 || host->ledger->asked > 0) /* the first comes when there is something to lose */
        calls[source->mishap](host);
}

void mishaps_begin(struct host *host)
{
    for (enum mishap mishap = 0; mishap < MISHAP_COUNT; mishap++) {
        struct mishap_source *source = &host->sources[mishap];
        *source = (struct mishap_source){.host = host, .mishap = mishap};
        int64_t mean = host->scenario->every[mishap];
        if (mean > 0)
            loop_timer_set(host->loop, &source->timer,
                           world_now() + chance_between(world_chance(), 1, 2 * mean), happen, source);
    }
}

void mishaps_end(struct host *host)
{
    for (enum mishap mishap = 0; mishap < MISHAP_COUNT; mishap++)
        loop_timer_cancel(host->loop, &host->sources[mishap].timer);
}
