/* hosts: the machines of a world, each with a broker, its askers and workers; hosts of workers alone beside
 * them; and before all a balancer.
 *
 * The balancer is what a Service and its clients, or a load balancer that retries, are together: who is alive
 * gets what there is to ask (simulated_asker.c asks more often the fewer there are), and what was under way
 * on a host that is lost is asked again elsewhere, when its silence has been noticed. So no request may be
 * lost with a host; without one that retries exactly those that are counted here would be.
 * SPDX-License-Identifier: MIT */
#include "hosts.h"

#include "clock.h"
#include "inspector.h"
#include "network.h"
#include "report.h"
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_EVERY 64 /* turns of brokers: a look costs as much as there is in flight */
#define TRY_AGAIN  (10 * MILLISECOND)

enum { HOSTS_MAX = 16 };

struct hosts {
    struct site site;
    unsigned count;
    struct host *each[HOSTS_MAX];
    struct host *workers; /* NULL: all are beside their broker */
    struct loop *balancer;
    uint64_t again;
    uint64_t turns;
};

/* ---- the balancer ---- */

static void ask_elsewhere(void *self)
{
    struct ask *ask = self;
    struct hosts *hosts = ask->asker;
    unsigned first = (unsigned)chance_below(world_chance(), hosts->count);
    for (unsigned i = 0; i < hosts->count; i++)
        if (host_takes(hosts->each[(first + i) % hosts->count], ask))
            return;
    loop_timer_set(hosts->balancer, &ask->cancel, world_now() + TRY_AGAIN, ask_elsewhere, ask);
}

static void was_lost(void *self, struct ask *ask)
{
    struct hosts *hosts = self;
    hosts->again++;
    ask->asker = hosts;
    int64_t notices = hosts->site.silence + chance_between(world_chance(), 1, 20) * MILLISECOND;
    loop_timer_set(hosts->balancer, &ask->cancel, world_now() + notices, ask_elsewhere, ask);
}

/* ---- life ---- */

struct hosts *hosts_new(const struct scenario *scenario, struct ledger *ledger, const char *directory)
{
    struct hosts *hosts = object_alloc(sizeof *hosts);
    ENSURE(scenario->hosts <= HOSTS_MAX);
    hosts->site = (struct site){
        .scenario = scenario, .ledger = ledger, .network = network_new(), .directory = directory};
    if (scenario->hosts > 1) {
        hosts->balancer = loop_new();
        hosts->site.lost = was_lost;
        hosts->site.self = hosts;
    }
    while (hosts->count < scenario->hosts) {
        hosts->each[hosts->count] = host_new(&hosts->site, hosts->count);
        hosts->count++;
    }
    if (scenario->remote > 0)
        hosts->workers = host_new_of_workers(&hosts->site);
    return hosts;
}

void hosts_free(struct hosts *hosts)
{
    if (hosts->workers != NULL)
        host_free(hosts->workers);
    for (unsigned i = 0; i < hosts->count; i++)
        host_free(hosts->each[i]);
    network_free(hosts->site.network);
    if (hosts->balancer != NULL)
        loop_free(hosts->balancer);
    free(hosts);
}

void hosts_step(struct hosts *hosts)
{
    struct loop *turned = world_step();
    PROMISE(turned != NULL, "nobody waits for anything any more");
    for (unsigned i = 0; i < hosts->count; i++) {
        struct broker *broker = host_after_turn(hosts->each[i], turned);
        if (broker == NULL)
            continue;
        inspector_glance(broker);
        if (++hosts->turns % LOOK_EVERY == 0)
            inspector_look(broker);
    }
}

void hosts_calm(struct hosts *hosts)
{
    for (unsigned i = 0; i < hosts->count; i++)
        host_calm(hosts->each[i]);
    if (hosts->workers != NULL)
        host_calm(hosts->workers);
}

bool hosts_settled(const struct hosts *hosts)
{
    size_t wanted = hosts->workers == NULL ? 0 : host_wanted(hosts->workers), known = 0;
    for (unsigned i = 0; i < hosts->count; i++) {
        wanted += host_wanted(hosts->each[i]);
        known += host_known(hosts->each[i]);
        if (!host_settled(hosts->each[i]) || !inspector_idle(host_broker(hosts->each[i])))
            return false;
    }
    return known == wanted;
}

void hosts_add_up(const struct hosts *hosts)
{
    for (unsigned i = 0; i < hosts->count; i++) {
        inspector_look(host_broker(hosts->each[i]));
        inspector_add_up(host_broker(hosts->each[i]));
    }
}

/* ---- telling ---- */

void hosts_describe(const struct hosts *hosts)
{
    for (unsigned i = 0; i < hosts->count; i++)
        if (host_broker(hosts->each[i]) != NULL)
            inspector_describe(host_broker(hosts->each[i]));
}

uint64_t hosts_mishaps(const struct hosts *hosts, enum mishap mishap)
{
    uint64_t count = hosts->workers == NULL ? 0 : host_mishaps(hosts->workers, mishap);
    for (unsigned i = 0; i < hosts->count; i++)
        count += host_mishaps(hosts->each[i], mishap);
    return count;
}

uint64_t hosts_deaths(const struct hosts *hosts)
{
    uint64_t count = hosts->workers == NULL ? 0 : host_deaths(hosts->workers);
    for (unsigned i = 0; i < hosts->count; i++)
        count += host_deaths(hosts->each[i]);
    return count;
}

void hosts_print(const struct hosts *hosts)
{
    uint64_t losses = 0;
    if (hosts->count == 1)
        return;
    for (unsigned i = 0; i < hosts->count; i++)
        losses += host_losses(hosts->each[i]);
    printf("  %u hosts with %zu workers each, %zu workers on others; a host was lost %" PRIu64
           " times; the balancer asked %" PRIu64 " requests again\n",
           hosts->count, host_wanted(hosts->each[0]),
           hosts->workers == NULL ? 0 : host_wanted(hosts->workers), losses, hosts->again);
}
