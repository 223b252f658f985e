/* scaling: see scaling.h. There is a pilot (scale.c) for each version that runs; one that has a fixed number
 * of workers has it as both bounds. What a pilot decided is in no file: a supervisor that comes back counts
 * the workers that there are, and asks the broker what waits. SPDX-License-Identifier: MIT */
#include "scaling.h"

#include "clock.h"
#include "log.h"
#include "scale.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

struct entry {
    char *model;
    char *version;
    struct scale_pilot pilot;
    bool planned; /* the plan has it */
    struct entry *prev, *next;
};

struct scaling {
    struct entry *entries;
};

struct scaling *scaling_new(void)
{
    return object_alloc(sizeof(struct scaling));
}

static void free_entry(struct scaling *scaling, struct entry *entry)
{
    DL_DELETE(scaling->entries, entry);
    free(entry->model);
    free(entry->version);
    free(entry);
}

void scaling_free(struct scaling *scaling)
{
    struct entry *entry, *next;
    if (scaling == NULL)
        return;
    DL_FOREACH_SAFE(scaling->entries, entry, next)
    {
        free_entry(scaling, entry);
    }
    free(scaling);
}

static struct entry *find(const struct scaling *scaling, const char *model, const char *version)
{
    struct entry *entry;
    DL_FOREACH(scaling->entries, entry)
    {
        if (strcmp(entry->model, model) == 0 && strcmp(entry->version, version) == 0)
            return entry;
    }
    return NULL;
}

static struct entry *add(struct scaling *scaling, const struct plan_version *version, int64_t begin)
{
    struct entry *entry = object_alloc(sizeof(*entry));
    entry->model = object_strdup(version->model->name);
    entry->version = object_strdup(version->version);
    entry->pilot.target = begin;
    DL_APPEND(scaling->entries, entry);
    return entry;
}

void scaling_inherit(struct scaling *scaling, const struct plan *plan, const struct members *members)
{
    for (size_t i = 0; i < plan->model_count; i++)
        for (size_t j = 0; j < plan->models[i].version_count; j++) {
            const struct plan_version *version = &plan->models[i].versions[j];
            add(scaling, version, members_count(members, ROLE_WORKER, version, false));
        }
}

void scaling_apply(struct scaling *scaling, struct plan *plan)
{
    struct entry *entry, *next;
    for (size_t i = 0; i < plan->model_count; i++)
        for (size_t j = 0; j < plan->models[i].version_count; j++) {
            struct plan_version *version = &plan->models[i].versions[j];
            entry = find(scaling, version->model->name, version->version);
            if (entry == NULL)
                entry = add(scaling, version, version->instances);
            scale_bound(&entry->pilot, version->min, version->max);
            version->instances = entry->pilot.target;
            entry->planned = true;
        }
    DL_FOREACH_SAFE(scaling->entries, entry, next)
    {
        if (!entry->planned)
            free_entry(scaling, entry);
        else
            entry->planned = false; /* until the next time */
    }
}

void scaling_rest(struct scaling *scaling, const char *model)
{
    struct entry *entry;
    DL_FOREACH(scaling->entries, entry)
    {
        if (strcmp(entry->model, model) == 0)
            entry->pilot.target = 0;
    }
}

bool scaling_wanted(struct scaling *scaling, const char *model, const char *version)
{
    struct entry *entry = find(scaling, model, version);
    if (entry == NULL || !scale_wake(&entry->pilot))
        return false;
    log_info("%s %s: somebody asks for it: a worker is started", model, version);
    return true;
}

/* ---- the budget ---- */

int64_t scaling_cores(const struct config *config)
{
    cpu_set_t cores;
    if (config->supervisor_scale_cores > 0)
        return config->supervisor_scale_cores;
    if (sched_getaffinity(0, sizeof(cores), &cores) == 0)
        return CPU_COUNT(&cores);
    return sysconf(_SC_NPROCESSORS_ONLN);
}

/* What all workers of the plan together may keep busy. */
static int64_t threads_of_all(const struct plan *plan, const struct scaling *scaling)
{
    int64_t threads = 0;
    for (size_t i = 0; i < plan->model_count; i++)
        for (size_t j = 0; j < plan->models[i].version_count; j++) {
            const struct plan_version *version = &plan->models[i].versions[j];
            const struct entry *entry = find(scaling, version->model->name, version->version);
            threads += (entry == NULL ? version->instances : entry->pilot.target) * version->model->threads;
        }
    return threads;
}

/* ---- looking ---- */

static void log_target(const struct entry *entry, int64_t before, const struct scale_seen *seen)
{
    if (entry->pilot.target == 0)
        log_info("%s %s: nobody has asked for it for long: its last worker ends", entry->model,
                 entry->version);
    else
        log_info("%s %s: %lld workers instead of %lld; %lld requests are open, the queue waits %lld ms",
                 entry->model, entry->version, (long long)entry->pilot.target, (long long)before,
                 (long long)seen->open, (long long)(seen->wait / MILLISECOND));
}

/* True when the version has another number of workers now. */
static bool look_at(struct scaling *scaling, const struct config *config, const struct plan *plan,
                    const struct plan_version *version, const struct members *members,
                    struct broker_view *view)
{
    struct scale_seen seen = {.now = clock_now()};
    struct entry *entry = find(scaling, version->model->name, version->version);
    if (entry == NULL || version->min == version->max ||
        !broker_view_load(view, version->model->name, version->version, &seen))
        return false;
    int64_t before = entry->pilot.target, threads = version->model->threads;
    seen.running = members_count(members, ROLE_WORKER, version, true);
    seen.room = (scaling_cores(config) - threads_of_all(plan, scaling)) / (threads > 0 ? threads : 1);
    if (scale_look(&entry->pilot, &version->model->scaling, &seen) == before)
        return false;
    log_target(entry, before, &seen);
    return true;
}

bool scaling_look(struct scaling *scaling, const struct config *config, const struct plan *plan,
                  const struct members *members, struct broker_view *view)
{
    bool changed = false;
    for (size_t i = 0; i < plan->model_count; i++)
        for (size_t j = 0; j < plan->models[i].version_count; j++)
            changed = look_at(scaling, config, plan, &plan->models[i].versions[j], members, view) || changed;
    return changed;
}
