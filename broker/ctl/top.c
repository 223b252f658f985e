/* top: joins what four questions have answered. The broker's figures say what happens to requests, the
 * supervisor's status what its processes cost, its models what was decided. Each of them may be missing, and
 * may be from another version of Outrigger: a member that is not there, or of another type, is unknown, and
 * shown as such. SPDX-License-Identifier: MIT */
#include "top.h"

#include "ask.h"
#include "clock.h"
#include "latency.h"
#include "protocol.h"

#include <stdlib.h>

/* ---- reading ---- */

static int64_t number_in(yyjson_val *object, const char *name, int64_t fallback)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return yyjson_is_int(value) ? yyjson_get_sint(value) : fallback;
}

/* The entry of a list whose `key` is that name; NULL. */
static yyjson_val *find(yyjson_val *list, const char *key, const char *name)
{
    size_t i, count;
    yyjson_val *entry;
    yyjson_arr_foreach(list, i, count, entry)
    {
        if (yyjson_equals_str(yyjson_obj_get(entry, key), name))
            return entry;
    }
    return NULL;
}

/* The figures of a version. */
static yyjson_val *find_version(yyjson_val *figures, const char *model, const char *version)
{
    yyjson_val *entry = find(yyjson_obj_get(figures, "models"), "model", model);
    return find(yyjson_obj_get(entry, "versions"), "version", version);
}

static yyjson_val *find_pid(yyjson_val *list, int64_t pid)
{
    size_t i, count;
    yyjson_val *entry;
    yyjson_arr_foreach(list, i, count, entry)
    {
        if (pid > 0 && number_in(entry, "pid", 0) == pid)
            return entry;
    }
    return NULL;
}

/* ---- rows ---- */

static struct top_row *row_of(struct top *top, const char *model, const char *version)
{
    for (size_t i = 0; i < top->count; i++)
        if (strcmp(top->rows[i].model, model) == 0 && strcmp(top->rows[i].version, version) == 0)
            return &top->rows[i];
    struct top_row *rows = realloc(top->rows, (top->count + 1) * sizeof *rows);
    ENSURE(rows != NULL);
    top->rows = rows;
    struct top_row *row = &rows[top->count++];
    *row = (struct top_row){.share = TOP_UNKNOWN,
                            .rate = TOP_UNKNOWN,
                            .errors = TOP_UNKNOWN,
                            .p50 = TOP_UNKNOWN,
                            .p99 = TOP_UNKNOWN,
                            .queue = TOP_UNKNOWN,
                            .in_flight = TOP_UNKNOWN,
                            .ready = TOP_UNKNOWN,
                            .wanted = TOP_UNKNOWN,
                            .restarts = TOP_UNKNOWN,
                            .cpu = TOP_UNKNOWN,
                            .resident = TOP_UNKNOWN};
    text_copy(text_of(model), row->model, sizeof row->model);
    text_copy(text_of(version), row->version, sizeof row->version);
    return row;
}

static void set_state(struct top_row *row, const char *state, const char *reason)
{
    if (*state != '\0')
        text_copy(text_of(state), row->state, sizeof row->state);
    if (*reason != '\0')
        text_copy(text_of(reason), row->reason, sizeof row->reason);
}

/* ---- what the broker says ---- */

static void take_broker_model(struct top *top, yyjson_val *entry)
{
    struct top_row *row = row_of(top, ask_text(entry, "model"), ask_text(entry, "version"));
    set_state(row, ask_text(entry, "state"), ask_text(entry, "reason"));
    row->stable = yyjson_get_bool(yyjson_obj_get(entry, "stable"));
    row->queue = number_in(entry, "queue_requests", TOP_UNKNOWN);
    row->in_flight = number_in(entry, "in_flight", TOP_UNKNOWN);
    row->ready = number_in(entry, "workers", TOP_UNKNOWN);
    row->unmanaged = number_in(entry, "unmanaged", 0);
    top->queue_rows += number_in(entry, "queue_rows", 0);
}

static void take_broker(struct top *top, yyjson_val *broker)
{
    size_t i, count;
    yyjson_val *entry;
    yyjson_arr_foreach(yyjson_obj_get(broker, "models"), i, count, entry)
    {
        take_broker_model(top, entry);
    }
}

/* Requests that ended, and of those the errors: all but answers and what the client gave up itself. */
static uint64_t ended(yyjson_val *version, uint64_t *errors)
{
    uint64_t all = 0, fine = 0;
    size_t i, count;
    yyjson_val *name, *number;
    yyjson_obj_foreach(yyjson_obj_get(version, "outcomes"), i, count, name, number)
    {
        all += yyjson_get_uint(number);
        if (yyjson_equals_str(name, failure_label(FAILURE_NONE)) ||
            yyjson_equals_str(name, failure_label(FAILURE_CANCELLED)))
            fine += yyjson_get_uint(number);
    }
    *errors = all - fine;
    return all;
}

static void read_latency(yyjson_val *version, struct latency *latency)
{
    size_t i, count;
    yyjson_val *part;
    *latency = (struct latency){0};
    yyjson_arr_foreach(yyjson_obj_get(version, "latency_ns"), i, count, part)
    {
        int64_t bound = yyjson_get_sint(yyjson_arr_get(part, 0));
        if (bound > 0)
            latency->counts[latency_bucket(bound - 1)] += yyjson_get_uint(yyjson_arr_get(part, 1));
    }
}

static void set_quantiles(struct top_row *row, yyjson_val *before, yyjson_val *now)
{
    struct latency old, latency;
    read_latency(before, &old);
    read_latency(now, &latency);
    for (size_t i = 0; i < LATENCY_BUCKETS; i++)
        latency.counts[i] -= old.counts[i] < latency.counts[i] ? old.counts[i] : latency.counts[i];
    if (latency_total(&latency) == 0)
        return;
    row->p50 = latency_quantile(&latency, 0.5);
    row->p99 = latency_quantile(&latency, 0.99);
}

/* `before` is NULL for a version that was not there: then all has happened since. */
static void set_rates(struct top *top, struct top_row *row, yyjson_val *before, yyjson_val *now,
                      double seconds)
{
    uint64_t old_errors, errors, old = ended(before, &old_errors), all = ended(now, &errors);
    if (old > all || old_errors > errors)
        return; /* another version of that name */
    all -= old;
    errors -= old_errors;
    row->rate = (double)all / seconds;
    row->errors = all == 0 ? TOP_UNKNOWN : (double)errors / (double)all;
    top->rate += row->rate;
    top->error_rate += (double)errors / seconds;
    set_quantiles(row, before, now);
}

static int64_t count_unmanaged(yyjson_val *workers)
{
    int64_t unmanaged = 0;
    size_t i, count;
    yyjson_val *worker;
    yyjson_arr_foreach(workers, i, count, worker)
    {
        unmanaged += yyjson_is_false(yyjson_obj_get(worker, "managed"));
    }
    return unmanaged;
}

/* `seconds` between the looks, 0 when there was none before that can be compared. */
static void take_version(struct top *top, const struct top_look *before, yyjson_val *model,
                         yyjson_val *version, double seconds)
{
    const char *name = ask_text(model, "model");
    struct top_row *row = row_of(top, name, ask_text(version, "version"));
    yyjson_val *workers = yyjson_obj_get(version, "workers");
    set_state(row, ask_text(version, "state"), ask_text(version, "reason"));
    row->stable = strcmp(ask_text(model, "stable"), row->version) == 0;
    row->queue = number_in(version, "queue_requests", row->queue);
    row->in_flight = number_in(version, "in_flight", row->in_flight);
    if (yyjson_is_arr(workers)) {
        row->ready = (int64_t)yyjson_arr_size(workers);
        row->unmanaged = count_unmanaged(workers);
    }
    if (seconds > 0)
        set_rates(top, row, find_version(before->figures, name, row->version), version, seconds);
}

/* Refused before a version was chosen. */
static void take_limited(struct top *top, const struct top_look *before, yyjson_val *model, double seconds)
{
    if (seconds <= 0)
        return;
    yyjson_val *old = find(yyjson_obj_get(before->figures, "models"), "model", ask_text(model, "model"));
    int64_t limited = number_in(model, "limited", 0) - number_in(old, "limited", 0);
    top->limited_rate += limited > 0 ? (double)limited / seconds : 0;
}

static void take_figures(struct top *top, const struct top_look *before, const struct top_look *now)
{
    size_t i, count, j, versions;
    yyjson_val *model, *version;
    bool comparable = before != NULL && before->figures != NULL &&
                      number_in(before->figures, "epoch", 0) == number_in(now->figures, "epoch", 1);
    double seconds = 0;
    if (comparable)
        seconds =
            (double)(number_in(now->figures, "now_ms", 0) - number_in(before->figures, "now_ms", 0)) / 1000;
    top->rate = top->error_rate = top->limited_rate = seconds > 0 ? 0 : TOP_UNKNOWN;
    yyjson_arr_foreach(yyjson_obj_get(now->figures, "models"), i, count, model)
    {
        take_limited(top, before, model, seconds);
        yyjson_arr_foreach(yyjson_obj_get(model, "versions"), j, versions, version)
        {
            take_version(top, before, model, version, seconds);
        }
    }
}

/* ---- what the supervisor says ---- */

static double add_known(double sum, double number)
{
    return number == TOP_UNKNOWN ? sum : sum == TOP_UNKNOWN ? number : sum + number;
}

/* Cores that the process has used since the look before. */
static double cores_used(const struct top_look *before, const struct top_look *now, yyjson_val *process)
{
    int64_t pid = number_in(process, "pid", 0), cpu = number_in(process, "cpu_us", TOP_UNKNOWN);
    yyjson_val *old = before == NULL ? NULL : find_pid(yyjson_obj_get(before->supervisor, "processes"), pid);
    int64_t before_us = number_in(old, "cpu_us", TOP_UNKNOWN);
    if (cpu == TOP_UNKNOWN || before_us == TOP_UNKNOWN || cpu < before_us || now->at <= before->at)
        return TOP_UNKNOWN;
    return (double)(cpu - before_us) * (double)MICROSECOND / (double)(now->at - before->at);
}

static void take_worker(struct top *top, yyjson_val *process, double cpu)
{
    const char *model = ask_text(process, "model"), *version = ask_text(process, "version");
    if (*model == '\0' || *version == '\0')
        return;
    struct top_row *row = row_of(top, model, version);
    row->cpu = add_known(row->cpu, cpu);
    row->resident =
        (int64_t)add_known((double)row->resident, (double)number_in(process, "rss_bytes", TOP_UNKNOWN));
    row->restarts =
        (int64_t)add_known((double)row->restarts, (double)number_in(process, "restarts", TOP_UNKNOWN));
    if (strcmp(ask_text(process, "state"), "draining") != 0) /* it has a successor */
        row->wanted = (int64_t)add_known((double)row->wanted, 1);
    if (strcmp(ask_text(process, "state"), "failed") == 0) {
        set_state(row, "failed", row->reason[0] == '\0' ? ask_text(process, "cause") : "");
    }
}

static void take_other(struct top_kind *kind, yyjson_val *process, double cpu)
{
    kind->wanted += strcmp(ask_text(process, "state"), "draining") != 0;
    kind->running += strcmp(ask_text(process, "state"), "running") == 0;
    kind->restarts += number_in(process, "restarts", 0);
    kind->resident =
        (int64_t)add_known((double)kind->resident, (double)number_in(process, "rss_bytes", TOP_UNKNOWN));
    kind->cpu = add_known(kind->cpu, cpu);
}

static void take_processes(struct top *top, const struct top_look *before, const struct top_look *now)
{
    size_t i, count;
    yyjson_val *process;
    yyjson_arr_foreach(yyjson_obj_get(now->supervisor, "processes"), i, count, process)
    {
        double cpu = cores_used(before, now, process);
        const char *kind = ask_text(process, "kind");
        int64_t uptime = number_in(process, "uptime_ms", 0);
        top->uptime_ms = uptime > top->uptime_ms ? uptime : top->uptime_ms;
        if (strcmp(kind, "worker") == 0)
            take_worker(top, process, cpu);
        for (size_t j = 0; j < COUNT_OF(top->kinds); j++)
            if (strcmp(kind, top->kinds[j].name) == 0)
                take_other(&top->kinds[j], process, cpu);
    }
}

/* The broker knows every version of the repository; one that shall not run is nothing to watch, unless
 * somebody else runs it. */
static void drop(struct top *top, const char *model, const char *version)
{
    for (size_t i = 0; i < top->count; i++) {
        struct top_row *row = &top->rows[i];
        if (strcmp(row->model, model) != 0 || strcmp(row->version, version) != 0 || row->ready > 0)
            continue;
        top->count--;
        memmove(row, row + 1, (top->count - i) * sizeof *row);
        return;
    }
}

static void take_decided(struct top *top, const char *model, const char *stable, yyjson_val *version)
{
    struct top_row *row = row_of(top, model, ask_text(version, "version"));
    yyjson_val *share = yyjson_obj_get(version, "share");
    row->wanted = number_in(version, "wanted", row->wanted);
    row->shadow = yyjson_get_bool(yyjson_obj_get(version, "shadow"));
    if (yyjson_is_num(share))
        row->share = yyjson_get_num(share) / 100;
    if (*stable != '\0')
        row->stable = strcmp(stable, row->version) == 0;
    set_state(row, row->state[0] == '\0' ? ask_text(version, "state") : "", ask_text(version, "reason"));
}

/* The versions that are decided on: also those of which no worker was started yet. */
static void take_model(struct top *top, yyjson_val *model)
{
    size_t i, count;
    yyjson_val *version;
    const char *name = ask_text(model, "model"), *stable = ask_text(model, "stable");
    yyjson_arr_foreach(yyjson_obj_get(model, "versions"), i, count, version)
    {
        if (strcmp(ask_text(version, "state"), "unloaded") == 0)
            drop(top, name, ask_text(version, "version"));
        else
            take_decided(top, name, stable, version);
    }
}

static void take_models(struct top *top, yyjson_val *models)
{
    size_t i, count;
    yyjson_val *model;
    yyjson_arr_foreach(yyjson_obj_get(models, "models"), i, count, model)
    {
        take_model(top, model);
    }
}

/* ---- the whole ---- */

static void add_up(struct top *top)
{
    for (size_t i = 0; i < top->count; i++) {
        struct top_row *row = &top->rows[i];
        top->queue += row->queue == TOP_UNKNOWN ? 0 : row->queue;
        top->in_flight += row->in_flight == TOP_UNKNOWN ? 0 : row->in_flight;
        if (row->state[0] == '\0')
            strcpy(row->state, "unknown");
    }
}

struct top *top_new(const struct top_look *before, const struct top_look *now)
{
    struct top *top = object_alloc(sizeof *top);
    *top = (struct top){.supervisor_answers = now->supervisor != NULL,
                        .broker_answers = now->broker != NULL || now->figures != NULL,
                        .rate = TOP_UNKNOWN,
                        .error_rate = TOP_UNKNOWN,
                        .limited_rate = TOP_UNKNOWN,
                        .kinds = {{.name = "broker"}, {.name = "frontend"}, {.name = "collector"}}};
    for (size_t i = 0; i < COUNT_OF(top->kinds); i++)
        top->kinds[i].resident = TOP_UNKNOWN, top->kinds[i].cpu = TOP_UNKNOWN;
    take_broker(top, now->broker);
    if (now->figures != NULL)
        take_figures(top, before, now);
    take_processes(top, before, now);
    take_models(top, now->models);
    add_up(top);
    top_sort(top, TOP_BY_NAME);
    return top;
}

void top_free(struct top *top)
{
    if (top == NULL)
        return;
    free(top->rows);
    free(top);
}

/* ---- order ---- */

/* Versions that are numbers by value, so that 10 comes after 9. */
static int compare_versions(const struct top_row *a, const struct top_row *b)
{
    if (a->stable != b->stable)
        return a->stable ? -1 : 1;
    return strverscmp(a->version, b->version);
}

static int by_name(const void *one, const void *other)
{
    const struct top_row *a = one, *b = other;
    int order = strcmp(a->model, b->model);
    return order != 0 ? order : compare_versions(a, b);
}

/* The larger number first, equals by name. */
static int by_number(double a, double b, const void *one, const void *other)
{
    return a > b ? -1 : a < b ? 1 : by_name(one, other);
}

#define BY(name, member)                                                                                     \
    static int name(const void *one, const void *other)                                                      \
    {                                                                                                        \
        return by_number((double)((const struct top_row *)one)->member,                                      \
                         (double)((const struct top_row *)other)->member, one, other);                       \
    }
BY(by_rate, rate)
BY(by_errors, errors)
BY(by_p99, p99)
BY(by_queue, queue)
BY(by_cpu, cpu)

static const struct {
    const char *name;
    int (*compare)(const void *one, const void *other);
} sorts[] = {[TOP_BY_NAME] = {"name", by_name},       [TOP_BY_RATE] = {"req/s", by_rate},
             [TOP_BY_ERRORS] = {"errors", by_errors}, [TOP_BY_P99] = {"p99", by_p99},
             [TOP_BY_QUEUE] = {"queue", by_queue},    [TOP_BY_CPU] = {"cpu", by_cpu}};
_Static_assert(COUNT_OF(sorts) == TOP_SORT_COUNT, "every order has its row");

void top_sort(struct top *top, enum top_sort sort)
{
    if (top->count > 0)
        qsort(top->rows, top->count, sizeof top->rows[0], sorts[sort].compare);
}

const char *top_sort_name(enum top_sort sort)
{
    return sorts[sort].name;
}

/* ---- JSON ---- */

static void add_real(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name, double number,
                     double scale)
{
    if (number == TOP_UNKNOWN)
        yyjson_mut_obj_add_null(document, object, name);
    else
        yyjson_mut_obj_add_real(document, object, name, number * scale);
}

static void add_int(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name, int64_t number)
{
    if (number == TOP_UNKNOWN)
        yyjson_mut_obj_add_null(document, object, name);
    else
        yyjson_mut_obj_add_sint(document, object, name, number);
}

static void add_row(yyjson_mut_doc *document, yyjson_mut_val *list, const struct top_row *row)
{
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, list);
    yyjson_mut_obj_add_strcpy(document, entry, "model", row->model);
    yyjson_mut_obj_add_strcpy(document, entry, "version", row->version);
    yyjson_mut_obj_add_strcpy(document, entry, "state", row->state);
    if (row->reason[0] != '\0')
        yyjson_mut_obj_add_strcpy(document, entry, "reason", row->reason);
    yyjson_mut_obj_add_bool(document, entry, "stable", row->stable);
    yyjson_mut_obj_add_bool(document, entry, "shadow", row->shadow);
    add_real(document, entry, "share_percent", row->share, 100);
    add_real(document, entry, "requests_per_s", row->rate, 1);
    add_real(document, entry, "error_percent", row->errors, 100);
    add_real(document, entry, "p50_ms", (double)row->p50, row->p50 == TOP_UNKNOWN ? 1 : 1e-6);
    add_real(document, entry, "p99_ms", (double)row->p99, row->p99 == TOP_UNKNOWN ? 1 : 1e-6);
    add_int(document, entry, "queue_requests", row->queue);
    add_int(document, entry, "in_flight", row->in_flight);
    add_int(document, entry, "workers_ready", row->ready);
    add_int(document, entry, "workers_wanted", row->wanted);
    add_int(document, entry, "workers_unmanaged", row->unmanaged);
    add_int(document, entry, "restarts", row->restarts);
    add_real(document, entry, "cpu_percent", row->cpu, 100);
    add_int(document, entry, "rss_bytes", row->resident);
}

void top_to_json(const struct top *top, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    yyjson_mut_obj_add_bool(document, object, "supervisor", top->supervisor_answers);
    yyjson_mut_obj_add_bool(document, object, "broker", top->broker_answers);
    yyjson_mut_obj_add_sint(document, object, "uptime_ms", top->uptime_ms);
    add_real(document, object, "requests_per_s", top->rate, 1);
    add_real(document, object, "errors_per_s", top->error_rate, 1);
    add_real(document, object, "limited_per_s", top->limited_rate, 1);
    yyjson_mut_obj_add_sint(document, object, "queue_requests", top->queue);
    yyjson_mut_obj_add_sint(document, object, "queue_rows", top->queue_rows);
    yyjson_mut_obj_add_sint(document, object, "in_flight", top->in_flight);
    yyjson_mut_val *kinds = yyjson_mut_obj_add_arr(document, object, "processes");
    for (size_t i = 0; i < COUNT_OF(top->kinds); i++) {
        yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, kinds);
        yyjson_mut_obj_add_str(document, entry, "kind", top->kinds[i].name);
        yyjson_mut_obj_add_sint(document, entry, "running", top->kinds[i].running);
        yyjson_mut_obj_add_sint(document, entry, "wanted", top->kinds[i].wanted);
        yyjson_mut_obj_add_sint(document, entry, "restarts", top->kinds[i].restarts);
        add_real(document, entry, "cpu_percent", top->kinds[i].cpu, 100);
        add_int(document, entry, "rss_bytes", top->kinds[i].resident);
    }
    yyjson_mut_val *rows = yyjson_mut_obj_add_arr(document, object, "models");
    for (size_t i = 0; i < top->count; i++)
        add_row(document, rows, &top->rows[i]);
}
