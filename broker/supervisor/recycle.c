/* recycle: see recycle.h. The fleet calls it once a second.
 *
 * A process that leaks a little with each request is healthy when it is replaced now and then. What a worker
 * has answered the broker counts, so that it holds for workers of any kind; what a frontend has, its page of
 * counters tells. Each process has 90 to 100 % of the limit, drawn once: those that were started together and
 * share the load do not come to the limit together. (They would not go together in any case: the turnover
 * takes one at a time.) SPDX-License-Identifier: MIT */
#include "recycle.h"

#include "clock.h"
#include "runtime.h"
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

/* A process that is too large from its first moments on is no leak: replacing it would go on for ever, and be
 * all that the host does. */
#define LARGE_AFTER_MS 5000

/* What a frontend has answered, from its page; 0 when that cannot be read. */
static int64_t answered_by_frontend(const struct member *member)
{
    char path[RUNTIME_PATH_BYTES + 64], name[128];
    const char *role = role_name(member->command->role);
    int64_t answered = 0;
    size_t length;
    struct snapshot snapshot;
    struct snapshot_series series;
    snprintf(name, sizeof(name), "stats/%s.%s.%ld", role, member->command->name,
             (long)service_pid(member->service));
    uint8_t *bytes = metrics_page_snapshot(runtime_path(member->members->setup->basis.config, name, path),
                                           role, member->command->name, &length);
    if (bytes != NULL && snapshot_decode(bytes, length, &snapshot) == NULL)
        while (snapshot_next(&snapshot, &series))
            answered += series.metric == METRIC_HTTP_REQUESTS ? (int64_t)series.numbers[0] : 0;
    free(bytes);
    return answered;
}

static bool beyond(const struct member *member, int64_t value, int64_t limit)
{
    return limit > 0 &&
           value >= limit / 100 * member->limit_percent + limit % 100 * member->limit_percent / 100;
}

static int64_t resident_mb(const struct member *member)
{
    uint64_t bytes, cpu;
    service_usage(member->service, &bytes, &cpu);
    return (int64_t)(bytes >> 20);
}

static void look_at_worker(struct member *member, const struct plan *plan, struct broker_view *view,
                           struct turnover *turnover)
{
    const struct plan_version *version = plan_of_command(plan, member->command);
    if (version == NULL)
        return;
    const struct plan_model *model = version->model;
    if (model->max_requests > 0 &&
        beyond(member, broker_view_answered(view, service_pid(member->service)), model->max_requests))
        turnover_add(turnover, member, TURNOVER_MAX_REQUESTS);
    else if (model->max_rss_mb > 0 && service_uptime_ms(member->service) >= LARGE_AFTER_MS &&
             beyond(member, resident_mb(member), model->max_rss_mb))
        turnover_add(turnover, member, TURNOVER_MAX_RSS);
}

void recycle_look(struct members *members, const struct plan *plan, struct broker_view *view,
                  struct turnover *turnover)
{
    struct member *member;
    DL_FOREACH(members->first, member)
    {
        if (member->retiring || member->leaving || service_state(member->service) != SERVICE_RUNNING ||
            member->no_recycling_before > clock_now())
            continue;
        if (member->command->role == ROLE_WORKER)
            look_at_worker(member, plan, view, turnover);
        else if (member->command->role == ROLE_FRONTEND && plan->frontend_max_requests > 0 &&
                 beyond(member, answered_by_frontend(member), plan->frontend_max_requests))
            turnover_add(turnover, member, TURNOVER_MAX_REQUESTS);
    }
}
