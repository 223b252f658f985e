/* registry: how the counters of many processes, which come and go, become one sum each.
 *
 * A process sends cumulative numbers. What is kept of it is what it said last (its holdings); a new snapshot
 * adds the difference to the totals. So the totals are always right, a total is read without looking at any
 * process, and a process that ends needs no work for its counters: what it added stays. Only its gauges are
 * taken out, as is one that it does not name any more.
 *
 *     process (kind, name, pid, start) 1 -- n holding n -- 1 total (metric, labels)
 *
 * A retired process is remembered by its name alone for a while: its last snapshot may still be on its way,
 * and its page still on the disk, and neither may be counted again.
 *
 * Everything is bounded: totals by the configuration, processes and holdings below. Unsigned arithmetic wraps
 * round on purpose: a total is the sum of its holdings modulo 2^64 whatever a process says.
 *
 * Filled by main.c and reaper.c; read by what shows: prometheus.c, triton.c, totals.c, agreement.c,
 * sampler.c, dashboard_now.c, retired.c. SPDX-License-Identifier: MIT */
#include "registry.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

enum {
    REGISTRY_MAGIC = 0x72670001,
    PROCESSES_MAX = 1024,   /* 64 frontends and 256 workers of a few models, several times over */
    RETIRED_MAX = 256,      /* remembered; a process that restarts every second fills it in four minutes */
    HOLDINGS_A_SERIES = 16, /* holdings, by max_series: more would be processes that all count everything */
    SILENT_INTERVALS = 5,
    INTERVAL_UNHEARD_MS = 1000, /* of a process that is known by its page alone */
    TOTAL_KEY_BYTES = 1 + METRICS_LABELS_MAX * METRICS_LABEL_BYTES,
    PROCESS_KEY_BYTES = SNAPSHOT_TOPIC_BYTES + 21
};

_Static_assert(METRIC_COUNT < 256, "a metric is one byte of a total's key");

struct total {
    UT_hash_handle hh; /* by key */
    struct total *prev;
    struct total *next; /* of its metric */
    enum metric metric;
    size_t holders;                         /* processes that hold it */
    const char *labels[METRICS_LABELS_MAX]; /* into key */
    char *key;
    struct registry_exemplar *exemplars; /* METRICS_BUCKETS + 1 of them; NULL: there are none */
    uint64_t *retired;                   /* number_count of them, behind numbers */
    uint64_t numbers[];                  /* number_count of them */
};

struct holding {
    UT_hash_handle hh; /* by total */
    struct total *total;
    uint64_t sequence; /* of the snapshot that named it last */
    uint64_t numbers[];
};

struct process {
    UT_hash_handle hh; /* by key */
    struct process *prev;
    struct process *next; /* in registry.retired, when it is */
    char key[PROCESS_KEY_BYTES];
    struct registry_process identity;
    struct holding *holdings;
    uint64_t sequence; /* of its last snapshot; 0: none yet */
    size_t named;      /* holdings that are in it */
    int64_t heard;
    int64_t patience; /* nanoseconds of silence after which its gauges go */
    bool live;        /* its gauges are in the totals */
    bool retired;
};

struct registry {
    unsigned magic;
    size_t max_series;
    size_t holding_count;
    struct total *totals;
    struct total *by_metric[METRIC_COUNT];
    struct process *processes;
    struct process *retired; /* the oldest first */
    size_t retired_count;
    struct registry_counts counts;
};

/* ---- totals ---- */

static bool is_gauge(const struct total *total)
{
    return metric_describe(total->metric)->kind == GAUGE;
}

/* Writes the metric and its labels, each with a terminator, what is no printable ASCII as '?'. */
static size_t write_total_key(const struct snapshot_series *series, char key[TOTAL_KEY_BYTES])
{
    size_t length = 0;
    key[length++] = (char)series->metric;
    size_t label_count = metric_label_count(series->metric);
    for (size_t label = 0; label < label_count; label++) {
        metrics_label(series->labels[label], key + length);
        length += strlen(key + length) + 1;
    }
    return length;
}

static struct total *add_total(struct registry *registry, enum metric metric, const char *key,
                               size_t key_length)
{
    if (registry->counts.series >= registry->max_series)
        return NULL;
    size_t number_count = snapshot_number_count(metric);
    struct total *total = object_alloc(sizeof *total + 2 * number_count * sizeof(uint64_t));
    total->metric = metric;
    total->retired = total->numbers + number_count;
    total->key = object_alloc(key_length);
    memcpy(total->key, key, key_length);
    const char *at = total->key + 1;
    for (size_t label = 0; label < metric_label_count(metric); label++) {
        total->labels[label] = at;
        at += strlen(at) + 1;
    }
    HASH_ADD_KEYPTR(hh, registry->totals, total->key, key_length, total);
    DL_APPEND(registry->by_metric[metric], total);
    registry->counts.series++;
    return total;
}

/* NULL when there is no room. */
static struct total *find_total(struct registry *registry, const struct snapshot_series *series)
{
    char key[TOTAL_KEY_BYTES];
    size_t length = write_total_key(series, key);
    struct total *total;
    HASH_FIND(hh, registry->totals, key, length, total);
    return total != NULL ? total : add_total(registry, series->metric, key, length);
}

static void drop_total(struct registry *registry, struct total *total)
{
    HASH_DEL(registry->totals, total);
    DL_DELETE(registry->by_metric[total->metric], total);
    registry->counts.series--;
    free(total->exemplars);
    free(total->key);
    free(total);
}

/* ---- holdings ---- */

/* NULL when there is no room. */
static struct holding *find_holding(struct registry *registry, struct process *process, struct total *total)
{
    struct holding *holding;
    HASH_FIND_PTR(process->holdings, &total, holding);
    if (holding != NULL || registry->holding_count >= registry->max_series * HOLDINGS_A_SERIES)
        return holding;
    holding = object_alloc(sizeof *holding + snapshot_number_count(total->metric) * sizeof(uint64_t));
    holding->total = total;
    HASH_ADD_PTR(process->holdings, total, holding);
    registry->holding_count++;
    total->holders++;
    return holding;
}

static void drop_holding(struct registry *registry, struct process *process, struct holding *holding)
{
    HASH_DEL(process->holdings, holding);
    registry->holding_count--;
    holding->total->holders--;
    free(holding);
}

/* A gauge that nobody holds any more says nothing. */
static void withdraw_gauge(struct registry *registry, struct process *process, struct holding *holding)
{
    struct total *total = holding->total;
    total->numbers[0] -= holding->numbers[0];
    drop_holding(registry, process, holding);
    if (total->holders == 0)
        drop_total(registry, total);
}

static void withdraw_gauges(struct registry *registry, struct process *process)
{
    struct holding *holding;
    struct holding *next;
    HASH_ITER(hh, process->holdings, holding, next)
    {
        if (is_gauge(holding->total))
            withdraw_gauge(registry, process, holding);
    }
}

static void retire_counters(struct registry *registry, struct process *process)
{
    struct holding *holding;
    struct holding *next;
    HASH_ITER(hh, process->holdings, holding, next)
    {
        size_t number_count = snapshot_number_count(holding->total->metric);
        for (size_t i = 0; i < number_count; i++)
            holding->total->retired[i] += holding->numbers[i];
        drop_holding(registry, process, holding);
    }
}

/* ---- processes ---- */

static void write_process_key(const struct registry_process *identity, char key[PROCESS_KEY_BYTES])
{
    snprintf(key, PROCESS_KEY_BYTES, "%s.%s.%u.%llu", identity->kind, identity->name, identity->pid,
             (unsigned long long)identity->start);
}

static struct process *find_process(const struct registry *registry, const struct registry_process *identity)
{
    char key[PROCESS_KEY_BYTES];
    struct process *process;
    write_process_key(identity, key);
    HASH_FIND_STR(registry->processes, key, process);
    return process;
}

static void set_live(struct registry *registry, struct process *process, bool live)
{
    if (process->live != live)
        registry->counts.processes += live ? 1 : (uint64_t)-1;
    process->live = live;
}

static void forget_process(struct registry *registry, struct process *process)
{
    if (process->retired) {
        DL_DELETE(registry->retired, process);
        registry->retired_count--;
    }
    HASH_DEL(registry->processes, process);
    free(process);
}

/* NULL when there is no room. */
static struct process *add_process(struct registry *registry, const struct registry_process *identity)
{
    while (registry->retired_count > RETIRED_MAX)
        forget_process(registry, registry->retired);
    if (HASH_COUNT(registry->processes) - registry->retired_count >= PROCESSES_MAX)
        return NULL;
    struct process *process = object_alloc(sizeof *process);
    process->identity = *identity;
    process->patience = SILENT_INTERVALS * INTERVAL_UNHEARD_MS * MILLISECOND;
    write_process_key(identity, process->key);
    HASH_ADD_STR(registry->processes, key, process);
    return process;
}

static void retire(struct registry *registry, struct process *process)
{
    if (process->retired)
        return;
    withdraw_gauges(registry, process);
    retire_counters(registry, process);
    set_live(registry, process, false);
    process->retired = true;
    DL_APPEND(registry->retired, process);
    registry->retired_count++;
    registry->counts.retired++;
}

static void revive(struct registry *registry, struct process *process)
{
    process->retired = false;
    DL_DELETE(registry->retired, process);
    registry->retired_count--;
}

/* ---- taking a snapshot ---- */

/* `base_line`: the process was retired too early, and the totals hold what it says already. Returns the
 * total; NULL: there is no room. */
static struct total *take_series(struct registry *registry, struct process *process,
                                 const struct snapshot_series *series, bool base_line)
{
    struct total *total = find_total(registry, series);
    struct holding *holding = total == NULL ? NULL : find_holding(registry, process, total);
    if (holding == NULL) {
        registry->counts.dropped++;
        return NULL;
    }
    bool count_in = !base_line || is_gauge(total);
    size_t number_count = snapshot_number_count(total->metric);
    for (size_t i = 0; i < number_count; i++) {
        if (count_in)
            total->numbers[i] += series->numbers[i] - holding->numbers[i];
        else
            total->retired[i] -= series->numbers[i]; /* living again: no more part of the retired */
        holding->numbers[i] = series->numbers[i];
    }
    process->named += holding->sequence != process->sequence;
    holding->sequence = process->sequence;
    return total;
}

/* A snapshot names every series of the process: a gauge that is not in it is none any more. */
static void withdraw_unnamed(struct registry *registry, struct process *process)
{
    struct holding *holding;
    struct holding *next;
    HASH_ITER(hh, process->holdings, holding, next)
    {
        if (holding->sequence != process->sequence && is_gauge(holding->total))
            withdraw_gauge(registry, process, holding);
    }
}

static void take_exemplar(struct total *total, const struct snapshot_exemplar *exemplar)
{
    if (total == NULL || metric_describe(total->metric)->kind != HISTOGRAM)
        return;
    if (total->exemplars == NULL)
        total->exemplars = object_alloc((METRICS_BUCKETS + 1) * sizeof *total->exemplars);
    struct registry_exemplar *kept = &total->exemplars[exemplar->bucket];
    if (exemplar->time < kept->time)
        return;
    *kept = (struct registry_exemplar){.value = exemplar->value, .time = exemplar->time};
    memcpy(kept->trace, exemplar->trace, sizeof kept->trace);
}

static void take_all(struct registry *registry, struct process *process, struct snapshot *snapshot,
                     bool base_line)
{
    struct snapshot_series series;
    struct snapshot_exemplar exemplar;
    /* By their place in the snapshot, when an exemplar names that. */
    struct total **totals =
        snapshot->exemplar_count == 0 ? NULL : object_alloc(snapshot->series_count * sizeof(struct total *));
    process->named = 0;
    for (uint32_t place = 0; snapshot_next(snapshot, &series); place++) {
        struct total *total =
            series.metric == METRIC_COUNT ? NULL : take_series(registry, process, &series, base_line);
        if (totals != NULL)
            totals[place] = total;
    }
    while (totals != NULL && snapshot_next_exemplar(snapshot, &exemplar))
        take_exemplar(totals[exemplar.series], &exemplar);
    free(totals);
    if (process->named < HASH_COUNT(process->holdings))
        withdraw_unnamed(registry, process);
}

static struct registry_process identify(const struct snapshot *snapshot)
{
    struct registry_process identity = {.pid = snapshot->pid, .start = snapshot->start};
    text_copy(snapshot->kind, identity.kind, sizeof identity.kind);
    text_copy(snapshot->name, identity.name, sizeof identity.name);
    return identity;
}

static void hear(struct registry *registry, struct process *process, const struct snapshot *snapshot,
                 int64_t now)
{
    if (process->sequence != 0)
        registry->counts.lost += snapshot->sequence - process->sequence - 1;
    registry->counts.taken++;
    process->sequence = snapshot->sequence;
    process->heard = now;
    process->patience = SILENT_INTERVALS * (int64_t)snapshot->interval_ms * MILLISECOND;
    set_live(registry, process, true);
}

/* The same process became another program, and counts from 0: a supervisor that was upgraded. What it has
 * counted before stays in the totals. */
static struct process *begin_anew(struct registry *registry, struct process *process)
{
    struct registry_process identity = process->identity;
    retire(registry, process);
    forget_process(registry, process);
    return add_process(registry, &identity);
}

enum registry_answer registry_take(struct registry *registry, struct snapshot *snapshot, int64_t now)
{
    CHECK_OBJECT(registry, REGISTRY_MAGIC);
    struct registry_process identity = identify(snapshot);
    struct process *process = find_process(registry, &identity);
    if (process != NULL && !process->retired && snapshot->sequence == 1 && process->sequence > 1)
        process = begin_anew(registry, process);
    if (process != NULL && snapshot->sequence <= process->sequence)
        return REGISTRY_STALE;
    if (process == NULL)
        process = add_process(registry, &identity);
    if (process == NULL)
        return REGISTRY_FULL;
    bool base_line = process->retired;
    if (process->retired)
        revive(registry, process);
    hear(registry, process, snapshot, now);
    take_all(registry, process, snapshot, base_line);
    if (snapshot->interval_ms == 0)
        retire(registry, process);
    return REGISTRY_TAKEN;
}

bool registry_notice(struct registry *registry, const struct registry_process *identity, int64_t now)
{
    CHECK_OBJECT(registry, REGISTRY_MAGIC);
    if (find_process(registry, identity) != NULL)
        return true;
    struct process *process = add_process(registry, identity);
    if (process == NULL)
        return false;
    process->heard = now;
    return true;
}

void registry_retire(struct registry *registry, const struct registry_process *identity)
{
    CHECK_OBJECT(registry, REGISTRY_MAGIC);
    struct process *process = find_process(registry, identity);
    if (process != NULL)
        retire(registry, process);
}

bool registry_is_retired(const struct registry *registry, const struct registry_process *identity)
{
    struct process *process = find_process(registry, identity);
    return process != NULL && process->retired;
}

void registry_check(struct registry *registry, int64_t now, registry_silent *silent, void *self)
{
    CHECK_OBJECT(registry, REGISTRY_MAGIC);
    struct process *process;
    struct process *next;
    /* Safe against what `silent` may do: a known process is never removed by taking or retiring. */
    HASH_ITER(hh, registry->processes, process, next)
    {
        if (process->retired || now - process->heard <= process->patience)
            continue;
        withdraw_gauges(registry, process);
        set_live(registry, process, false);
        silent(self, &process->identity);
    }
}

/* ---- looking ---- */

void registry_each_process(const struct registry *registry, registry_visit_process *visit, void *self)
{
    for (struct process *process = registry->processes; process != NULL; process = process->hh.next)
        if (!process->retired)
            visit(self, &process->identity, process->sequence);
}

void registry_each_retired(const struct registry *registry, registry_visit_process *visit, void *self)
{
    for (struct process *process = registry->retired; process != NULL; process = process->next)
        visit(self, &process->identity, process->sequence);
}

void registry_each(const struct registry *registry, enum metric metric, registry_visit *visit, void *self)
{
    CHECK_OBJECT(registry, REGISTRY_MAGIC);
    for (const struct total *total = registry->by_metric[metric]; total != NULL; total = total->next) {
        struct registry_total seen = {.metric = metric,
                                      .labels = total->labels,
                                      .numbers = total->numbers,
                                      .retired = total->retired,
                                      .exemplars = total->exemplars};
        visit(self, &seen);
    }
}

struct registry_counts registry_counts(const struct registry *registry)
{
    CHECK_OBJECT(registry, REGISTRY_MAGIC);
    return registry->counts;
}

/* ---- life ---- */

void registry_restore_process(struct registry *registry, const struct registry_process *identity,
                              uint64_t sequence)
{
    CHECK_OBJECT(registry, REGISTRY_MAGIC);
    if (find_process(registry, identity) != NULL)
        return;
    struct process *process = add_process(registry, identity);
    if (process == NULL)
        return;
    process->sequence = sequence;
    retire(registry, process);
}

void registry_restore_series(struct registry *registry, const struct snapshot_series *series)
{
    CHECK_OBJECT(registry, REGISTRY_MAGIC);
    if (series->metric == METRIC_COUNT || metric_describe(series->metric)->kind == GAUGE)
        return;
    struct total *total = find_total(registry, series);
    if (total == NULL) {
        registry->counts.dropped++;
        return;
    }
    size_t number_count = snapshot_number_count(total->metric);
    for (size_t i = 0; i < number_count; i++) {
        total->numbers[i] += series->numbers[i];
        total->retired[i] += series->numbers[i];
    }
}

struct registry *registry_new(size_t max_series)
{
    struct registry *registry = object_alloc(sizeof *registry);
    registry->magic = REGISTRY_MAGIC;
    registry->max_series = max_series;
    return registry;
}

static void free_holdings(struct registry *registry, struct process *process)
{
    struct holding *holding;
    struct holding *next;
    HASH_ITER(hh, process->holdings, holding, next)
    {
        drop_holding(registry, process, holding);
    }
}

void registry_free(struct registry *registry)
{
    if (registry == NULL)
        return;
    CHECK_OBJECT(registry, REGISTRY_MAGIC);
    struct process *process;
    struct process *next_process;
    HASH_ITER(hh, registry->processes, process, next_process)
    {
        free_holdings(registry, process);
        forget_process(registry, process);
    }
    struct total *total;
    struct total *next_total;
    HASH_ITER(hh, registry->totals, total, next_total)
    {
        drop_total(registry, total);
    }
    registry->magic = 0;
    free(registry);
}
