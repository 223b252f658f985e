/* host: plays main and supervisor.
 *
 * It starts the broker as its main does, on a loop and with a page of counters of its own for each life. It
 * keeps the workers that the models want, tells the broker of deaths some time after they happened (as
 * SIGCHLD and the control socket would), kills a worker that the broker reports as hung, and starts what
 * ended again. The mishaps of a scenario come by timers of the host's own loop, each with a mean time between
 * two. SPDX-License-Identifier: MIT */
#include "host.h"

#include "admission.h"
#include "broker.h"
#include "clock.h"
#include "inspector.h"
#include "mishaps.h"
#include "network.h"
#include "process.h"
#include "report.h"
#include "witness.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

/* As in broker/main.c. */
#define DRAIN_TIME (1500 * MILLISECOND)
/* As supervisor.stop_timeout_ms. */
#define STOP_TIMEOUT (5 * SECOND)

/* ---- the broker's life ---- */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ENSURE(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

void host_configure(struct host *host)
{
    char path[512], text[1024];
    for (unsigned i = 0; i < host->scenario->models; i++) {
        snprintf(path, sizeof path, "%s/%s/model.conf", host->directory, host->model_names[i]);
        char route[128] = "";
        if (host->scenario->shadow > 0)
            snprintf(route, sizeof route, "route = { shadow = { version = \"%s\"; percent = %u; }; };",
                     host_version_name(!host->versions[i]), host->scenario->shadow);
        snprintf(text, sizeof text, "version = \"%s\"; %s%s", host_version_name(host->versions[i]), route,
                 host->other ? host->scenario->other_conf : host->scenario->model_conf);
        write_file(path, text);
    }
}

static struct config *load_config(const struct host *host)
{
    char models[300], runtime[300];
    const char *settings[] = {models, runtime, "broker.max_quarantine_bytes=0", host->scenario->setting};
    struct config_errors errors = {0};
    snprintf(models, sizeof models, "models_directory=%s", host->directory);
    snprintf(runtime, sizeof runtime, "runtime_directory=%s", host->directory);
    struct config *config = config_load(NULL, settings, host->scenario->setting == NULL ? 3 : 4, &errors);
    PROMISE(config != NULL, "the configuration: %s", errors.text);
    return config;
}

/* The broker hears of workers as it does of their deaths: some time after. */
static void tell_workers(void *self)
{
    struct host *host = self;
    for (size_t i = 0; i < host->place_count; i++) {
        const struct place *place = &host->places[i];
        if (place->worker == NULL)
            continue;
        struct claim claim = {.token = place->token, .pid = simulated_worker_pid(place->worker)};
        text_copy(text_of(host->model_names[place->model]), claim.model, sizeof claim.model);
        text_copy(text_of(host_version_name(place->version)), claim.version, sizeof claim.version);
        broker_announce(host->broker, &claim);
    }
    broker_announced(host->broker, host->question);
    host->introducing = false;
    host->question = 0;
}

static void introduce(void *self)
{
    struct host *host = self;
    if (host->broker == NULL || host->introducing)
        return;
    host->introducing = true;
    loop_interrupt(host->broker_loop, tell_workers, host);
}

static void introduce_soon(struct host *host)
{
    if (!heap_contains(&host->introduction.node))
        loop_timer_set(host->loop, &host->introduction,
                       world_now() + chance_between(world_chance(), 50, 8000) * MICROSECOND, introduce, host);
}

static void start_broker(void *self)
{
    struct host *host = self;
    const char *endpoint;
    host->life++;
    report_event("broker # starts", host->life, 0, 0);
    host->witness = witness_begin(host->ledger);
    host->broker_loop = loop_new();
    host->metrics = metrics_new(NULL);
    host->broker = broker_new(host->network, host->broker_loop, host->config, host->metrics, &endpoint);
    ENSURE(host->broker != NULL);
    witness_knows(host->witness, host->broker);
    loop_interrupt(host->broker_loop, host_tell_deaths, host); /* the loop must have a first turn */
    introduce_soon(host);
}

static void free_broker(struct host *host)
{
    broker_free(host->broker);
    host->broker = NULL;
    loop_free(host->broker_loop);
    host->broker_loop = NULL;
    metrics_free(host->metrics);
    host->dead_count = 0;
    host->introducing = false;
    host->question = 0;
    witness_end(host->witness);
    host->witness = NULL;
}

static void start_broker_later(struct host *host)
{
    loop_timer_set(host->loop, &host->broker_start,
                   world_now() + chance_between(world_chance(), 20, 400) * MILLISECOND, start_broker, host);
}

void host_end_broker(struct host *host)
{
    loop_timer_cancel(host->loop, &host->broker_start);
    loop_timer_cancel(host->loop, &host->broker_stop);
    if (host->broker == NULL)
        return;
    report_event("broker # is killed", host->life, 0, 0);
    network_kill(host->network, host->broker_loop);
    free_broker(host);
}

void host_kill_broker(struct host *host)
{
    host_end_broker(host);
    start_broker_later(host);
}

static void stop_broker(void *self)
{
    loop_stop(((struct host *)self)->broker_loop);
}

static void drain_broker(void *self)
{
    struct host *host = self;
    loop_timer_set(host->loop, &host->broker_stop, world_now() + DRAIN_TIME, stop_broker, host);
    broker_drain(host->broker, stop_broker, host);
}

static void hand_over(void *self)
{
    struct host *host = self;
    loop_timer_set(host->loop, &host->broker_stop, world_now() + STOP_TIMEOUT, stop_broker, host);
    witness_hand_over(host->witness);
    broker_hand_over(host->broker, stop_broker, host);
}

void host_replace_broker(struct host *host)
{
    if (heap_contains(&host->broker_stop.node))
        return;
    report_event("broker # is told to make room", host->life, 0, 0);
    loop_interrupt(host->broker_loop, hand_over, host);
}

void host_drain_broker(struct host *host)
{
    if (heap_contains(&host->broker_stop.node))
        return;
    report_event("broker # is told to stop", host->life, 0, 0);
    loop_interrupt(host->broker_loop, drain_broker, host);
}

struct broker *host_after_turn(struct host *host, const struct loop *turned)
{
    if (host->broker == NULL || turned != host->broker_loop)
        return NULL;
    if (!loop_stopped(host->broker_loop))
        return host->broker;
    report_event("broker # ends", host->life, 0, 0);
    inspector_add_up(host->broker);
    loop_timer_cancel(host->loop, &host->broker_stop);
    free_broker(host);
    start_broker_later(host);
    return NULL;
}

struct broker *host_broker(const struct host *host)
{
    return host->broker;
}

/* ---- workers ---- */

const char *host_version_name(unsigned version)
{
    return version == 0 ? "1" : "2";
}

void host_tell_deaths(void *self)
{
    struct host *host = self;
    for (size_t i = 0; i < host->dead_count; i++)
        broker_worker_gone(host->broker, host->dead_pids[i]);
    host->dead_count = 0;
}

static void tell_death(void *self)
{
    struct death *death = self;
    struct host *host = death->host;
    if (host->broker != NULL && host->dead_count < COUNT_OF(host->dead_pids)) {
        host->dead_pids[host->dead_count++] = death->pid;
        loop_interrupt(host->broker_loop, host_tell_deaths, host);
    }
    death->pid = 0;
}

static struct death *free_death(struct host *host)
{
    for (size_t i = 0; i < COUNT_OF(host->deaths); i++)
        if (host->deaths[i].pid == 0)
            return &host->deaths[i];
    return NULL; /* the supervisor was away: the broker must find out by itself */
}

static void bury(void *self)
{
    struct host *host = self;
    for (size_t i = 0; i < host->buried_count; i++)
        simulated_worker_free(host->buried[i]);
    host->buried_count = 0;
}

static void start_worker(void *self)
{
    struct place *place = self;
    struct host *host = place->host;
    if (!place->wanted || place->worker != NULL || host->lost)
        return;
    if (!host->remote)
        place->token = worker_token_draw();
    struct worker_plan plan = {.network = host->network,
                               .endpoint = host->workers_at,
                               .scenario = host->scenario,
                               .ledger = host->ledger,
                               .model = host->model_names[place->model],
                               .version = host_version_name(place->version),
                               .pid = ++host->last_pid,
                               .token = place->token,
                               .ended = host_worker_ended,
                               .self = place};
    place->worker = simulated_worker_new(&plan);
    if (!host->remote)
        introduce_soon(host);
}

/* Loading takes its time; a worker that died is started again at once or within a second. */
void host_want(struct place *place, bool wanted)
{
    struct host *host = place->host;
    place->wanted = wanted;
    if (wanted && place->worker == NULL)
        loop_timer_set(host->loop, &place->start,
                       world_now() + chance_between(world_chance(), 5, 150) * MILLISECOND, start_worker,
                       place);
    else if (!wanted && place->worker != NULL)
        simulated_worker_leave(place->worker);
}

void host_worker_ended(void *self, struct simulated_worker *worker, bool died)
{
    struct place *place = self;
    struct host *host = place->host;
    struct death *death = free_death(host);
    uint32_t pid = simulated_worker_pid(worker);
    host->deaths_count += died;
    place->worker = NULL;
    ENSURE(host->buried_count < COUNT_OF(host->buried));
    host->buried[host->buried_count++] = worker;
    loop_timer_set(host->loop, &host->burial, world_now(), bury, host);
    if (death != NULL && (died || chance_below(world_chance(), 2) == 0)) {
        death->host = host;
        death->pid = pid;
        loop_timer_set(host->loop, &death->timer,
                       world_now() + chance_between(world_chance(), 50, 8000) * MICROSECOND, tell_death,
                       death);
    }
    host_want(place, place->wanted);
}

static void kill_hung(void *self)
{
    struct host *host = self;
    for (size_t i = 0; i < host->hung_count; i++)
        for (size_t j = 0; j < host->place_count; j++) {
            struct simulated_worker *worker = host->places[j].worker;
            if (worker != NULL && simulated_worker_pid(worker) == host->hung_pids[i])
                simulated_worker_kill(worker);
        }
    host->hung_count = 0;
}

/* The broker's word to the supervisor, as control_tell carries it: to the one in whose folder its socket is.
 */
static struct host *supervised;

static struct host *told_host(const char *path)
{
    struct host *host = supervised;
    while (host != NULL && strncmp(path, host->directory, strlen(host->directory)) != 0)
        host = host->next;
    ENSURE(host != NULL);
    return host;
}

/* One of four gets lost: the supervisor is away. */
static void hear_question(struct host *host, const char *line)
{
    const char *number = strstr(line, "\"question\":");
    PROMISE(number != NULL, "the broker asks the supervisor: %s", line);
    if (chance_below(world_chance(), 4) == 0)
        return;
    host->question = strtoull(number + 11, NULL, 10);
    introduce_soon(host);
}

int __wrap_control_tell(const char *path, const char *line);
int __wrap_control_tell(const char *path, const char *line)
{
    unsigned pid;
    struct host *host = told_host(path);
    if (strstr(line, "worker-unknown") != NULL) {
        hear_question(host, line);
        return 0;
    }
    const char *number = strstr(line, "\"pid\":");
    PROMISE(strstr(line, "worker-hung") != NULL && number != NULL && sscanf(number + 6, "%u", &pid) == 1,
            "the broker tells the supervisor: %s", line);
    report_event("worker # is reported as hung", pid, 0, 0);
    if (host->hung_count < COUNT_OF(host->hung_pids))
        host->hung_pids[host->hung_count++] = pid;
    loop_timer_set(host->loop, &host->hung, world_now() + chance_between(world_chance(), 1, 20) * MILLISECOND,
                   kill_hung, host);
    return 0;
}

/* ---- all of it ---- */

static void name_models(struct host *host)
{
    static const char *const names[MODELS_HERE_MAX] = {"ada", "bea", "cyd", "dot"};
    memcpy(host->model_names, names, sizeof names);
}

static void make_models(struct host *host)
{
    char path[512];
    for (unsigned i = 0; i < host->scenario->models; i++) {
        for (unsigned version = 0; version < 2; version++) {
            snprintf(path, sizeof path, "%s/%s", host->directory, host->model_names[i]);
            process_make_directory(path, 0700);
            snprintf(path, sizeof path, "%s/%s/%s", host->directory, host->model_names[i],
                     host_version_name(version));
            ENSURE(process_make_directory(path, 0700) == 0);
        }
    }
    host_configure(host);
}

static void make_places(struct host *host, unsigned workers)
{
    host->place_count = (size_t)host->scenario->models * workers * 2;
    host->places = object_alloc(host->place_count * sizeof *host->places);
    for (size_t i = 0; i < host->place_count; i++) {
        struct place *place = &host->places[i];
        place->host = host;
        place->version = (unsigned)(i % 2);
        place->model = (unsigned)(i / 2 % host->scenario->models);
        place->wanted = place->version == 0 || host->scenario->both;
    }
}

void host_start_asker(struct host *host, unsigned which)
{
    struct asker_plan plan = {.network = host->network,
                              .endpoint = host->config->broker_askers,
                              .scenario = host->scenario,
                              .ledger = host->ledger,
                              .models = host->model_names,
                              .quiet = which == 0 && host->scenario->quiet_wait > 0,
                              .lost = host->site->lost,
                              .self = host->site->self,
                              .hosts_alive = host->scenario->hosts > 1 ? &host->site->alive : NULL};
    host->askers[which] = simulated_asker_new(&plan);
}

void host_begin(struct host *host)
{
    if (!host->remote)
        start_broker(host);
    for (size_t i = 0; i < host->place_count; i++)
        if (host->places[i].wanted)
            host_want(&host->places[i], true);
    for (unsigned i = 0; !host->remote && i < host->scenario->askers; i++)
        host_start_asker(host, i);
}

static struct host *new_host(struct site *site)
{
    struct host *host = object_alloc(sizeof *host);
    host->site = site;
    host->scenario = site->scenario;
    host->ledger = site->ledger;
    host->network = site->network;
    host->loop = loop_new();
    name_models(host);
    return host;
}

struct host *host_new(struct site *site, unsigned number)
{
    struct host *host = new_host(site);
    snprintf(host->directory, sizeof host->directory, "%s/%u", site->directory, number);
    ENSURE(process_make_directory(host->directory, 0700) == 0);
    host->next = supervised;
    supervised = host;
    site->alive++;
    make_models(host);
    host->config = load_config(host);
    host->workers_at = host->config->broker_workers;
    make_places(host, host->scenario->workers);
    host_begin(host);
    mishaps_begin(host);
    return host;
}

struct host *host_new_of_workers(struct site *site)
{
    struct host *host = new_host(site);
    snprintf(host->directory, sizeof host->directory, "ipc://%s/*/workers.ipc", site->directory);
    host->workers_at = host->directory;
    host->remote = true;
    host->last_pid = 1000000; /* of other hosts than the brokers': none of theirs has it */
    make_places(host, host->scenario->remote);
    host_begin(host);
    mishaps_begin(host);
    return host;
}

void host_free(struct host *host)
{
    mishaps_end(host);
    for (unsigned i = 0; i < host->scenario->askers; i++)
        simulated_asker_free(host->askers[i]);
    bury(host);
    for (size_t i = 0; i < host->place_count; i++)
        simulated_worker_free(host->places[i].worker);
    free(host->places);
    if (host->broker != NULL)
        free_broker(host);
    loop_free(host->loop);
    config_free(host->config);
    free(host);
}

void host_calm(struct host *host)
{
    mishaps_end(host);
    mishaps_return_host(host);
    if (host->broker_loop != NULL)
        loop_pause(host->broker_loop, 0);
    for (size_t i = 0; i < host->place_count; i++)
        if (host->places[i].worker != NULL)
            simulated_worker_resume(host->places[i].worker);
}

bool host_settled(const struct host *host)
{
    if (host->broker == NULL || heap_contains(&host->broker_stop.node))
        return false;
    for (unsigned i = 0; i < host->scenario->askers; i++)
        if (simulated_asker_told_workers(host->askers[i]) != host_known(host))
            return false;
    return true;
}

size_t host_wanted(const struct host *host)
{
    size_t wanted = 0;
    for (size_t i = 0; i < host->place_count; i++)
        wanted += host->places[i].wanted;
    return wanted;
}

size_t host_known(const struct host *host)
{
    return host->broker == NULL ? 0 : pool_count(broker_pool(host->broker));
}

bool host_takes(struct host *host, struct ask *ask)
{
    unsigned first = (unsigned)chance_below(world_chance(), host->scenario->askers);
    for (unsigned i = 0; !host->lost && i < host->scenario->askers; i++)
        if (simulated_asker_take(host->askers[(first + i) % host->scenario->askers], ask))
            return true;
    return false;
}

bool host_is_lost(const struct host *host)
{
    return host->lost;
}

uint64_t host_mishaps(const struct host *host, enum mishap mishap)
{
    return host->sources[mishap].count;
}

uint64_t host_losses(const struct host *host)
{
    return host->losses;
}

uint64_t host_deaths(const struct host *host)
{
    return host->deaths_count;
}
