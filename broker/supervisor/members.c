/* members: see members.h. Also the ear of the fleet: what services tell is counted here, and the broker hears
 * of a dead worker before anything else is done about it, and of each one that does not start.
 * SPDX-License-Identifier: MIT */
#include "members.h"

#include "clock.h"
#include "control.h"
#include "introduction.h"
#include "log.h"
#include "process.h"
#include "runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

/* ---- what the services tell ---- */

static void count_state(const struct member *member, enum service_state state, int64_t value)
{
    series_set(metrics_series(member->members->setup->metrics, METRIC_PROCESS_UP, member->command->name,
                              service_state_name(state), NULL),
               value);
}

static void add_to(struct introduction *introduction, const struct member *member)
{
    struct worker_token token = service_token(member->service);
    introduction_add(introduction, &token, member->command->model, member->command->version,
                     service_pid(member->service));
}

/* Before its program runs, so that the broker knows it when it comes. */
static void introduce(const struct member *member)
{
    char path[RUNTIME_PATH_BYTES];
    const struct config *config = member->members->setup->basis.config;
    struct introduction *introduction = introduction_new(runtime_path(config, "broker.sock", path), 0);
    add_to(introduction, member);
    introduction_end(introduction);
}

void members_introduce(const struct members *members, uint64_t question)
{
    char path[RUNTIME_PATH_BYTES];
    const struct config *config = members->setup->basis.config;
    struct introduction *introduction = introduction_new(runtime_path(config, "broker.sock", path), question);
    const struct member *member;
    DL_FOREACH(members->first, member)
    {
        add_to(introduction, member);
    }
    introduction_end(introduction);
}

void members_tell_of_death(const struct members *members, pid_t pid)
{
    char path[RUNTIME_PATH_BYTES];
    char line[64];
    snprintf(line, sizeof(line), "{\"command\":\"worker-gone\",\"pid\":%ld}", (long)pid);
    /* A broker that is away has nothing to forget: workers register anew with the next one. */
    (void)control_tell(runtime_path(members->setup->basis.config, "broker.sock", path), line);
}

/* True when no worker of the version has a process, or is about to try one. */
static bool all_failed(const struct members *members, const struct command *command)
{
    const struct member *member;
    DL_FOREACH(members->first, member)
    {
        const struct command *other = member->command;
        if (!member->retiring && other->role == ROLE_WORKER && strcmp(other->model, command->model) == 0 &&
            strcmp(other->version, command->version) == 0 && service_state(member->service) != SERVICE_FAILED)
            return false;
    }
    return true;
}

/* The line for the broker; NULL when the reason is no UTF-8. The caller frees. */
static char *describe_fault(const char *model, const char *version, bool all, const char *reason)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_str(document, root, "command", "worker-failed");
    yyjson_mut_obj_add_strcpy(document, root, "model", model);
    yyjson_mut_obj_add_strcpy(document, root, "version", version);
    yyjson_mut_obj_add_bool(document, root, "all", all);
    yyjson_mut_obj_add_strcpy(document, root, "reason", reason);
    char *line = yyjson_mut_write(document, YYJSON_WRITE_NOFLAG, NULL);
    yyjson_mut_doc_free(document);
    return line;
}

void members_tell_fault(const struct members *members, const char *model, const char *version, bool all,
                        const char *reason)
{
    char path[RUNTIME_PATH_BYTES];
    char *line = describe_fault(model, version, all, reason);
    if (line == NULL)
        line = describe_fault(model, version, all, "its last words are no text");
    (void)control_tell(runtime_path(members->setup->basis.config, "broker.sock", path), line);
    free(line);
}

/* What it keeps of the start that failed is told, for the catalog. */
static void tell_broker_of_failure(const struct member *member)
{
    members_tell_fault(member->members, member->command->model, member->command->version,
                       all_failed(member->members, member->command), service_cause(member->service));
}

static bool has_failed(const struct member *member)
{
    enum service_state state = service_state(member->service);
    return member->command->role == ROLE_WORKER && !member->retiring &&
           (state == SERVICE_FAILED || (state == SERVICE_WAITING && service_failures(member->service) > 0));
}

void members_tell_failures(const struct members *members)
{
    const struct member *member;
    DL_FOREACH(members->first, member)
    {
        if (has_failed(member))
            tell_broker_of_failure(member);
    }
}

static void weigh(const struct members *members)
{
    if (members->cgroup != NULL)
        cgroup_weigh(members->cgroup);
}

static void member_ended(void *self, struct service *service, pid_t pid, const char *how)
{
    struct member *member = self;
    (void)service;
    member->how = how;
    member->members->changed = true;
    weigh(member->members);
    /* One that left has said so to the broker itself, after its last results, which may still be on their
     * way: those must not be computed again. */
    if (member->command->role == ROLE_WORKER && strcmp(how, "left") != 0)
        members_tell_of_death(member->members, pid);
}

static void member_born(void *self)
{
    const struct member *member = self;
    weigh(member->members);
    introduce(member);
    member->members->born(member->members->self);
}

/* The broker knows the token of a process that will never come. */
static void member_lost(void *self, pid_t pid)
{
    const struct member *member = self;
    if (member->command->role == ROLE_WORKER)
        members_tell_of_death(member->members, pid);
}

static void member_changed(void *self, struct service *service, enum service_state before)
{
    struct member *member = self;
    struct members *members = member->members;
    enum service_state state = service_state(service);
    members->changed = true;
    member->was_known = member->missing = false; /* of what it was just now */
    count_state(member, before, 0);
    count_state(member, state, 1);
    if (state == SERVICE_STARTING && service_restarts(service) > 0)
        series_add(metrics_series(members->setup->metrics, METRIC_PROCESS_RESTARTS, member->command->name,
                                  member->how, NULL),
                   1);
    if (has_failed(member))
        tell_broker_of_failure(member);
    if (member->command->role != ROLE_BROKER || state != SERVICE_RUNNING)
        return;
    members->broker_was_ready = true;
    members_introduce(members, 0);
    members_tell_failures(members); /* a broker that has just come knows of none */
}

/* ---- coming and going ---- */

/* 90 to 100: nobody lives longer than the limit says, and not all equally long. */
static unsigned draw_limit(const struct member *member)
{
    uint64_t mixed = ((uint64_t)clock_now() ^ (uintptr_t)member) * UINT64_C(0x9e3779b97f4a7c15);
    return 90 + (unsigned)((mixed >> 32) % 11);
}

/* Groups are made when the first worker needs one, as our own processes move for them. */
static void make_groups(struct members *members)
{
    char own[CGROUP_PATH_BYTES];
    cgroup_own(own);
    members->cgroup = cgroup_new(own, members->setup->basis.config->runtime_directory);
    struct cgroup_powers powers = cgroup_has(members->cgroup);
    if (!powers.memory)
        log_info("limits.memory_mb is kept by RLIMIT_DATA: there is no control group that we may divide");
    if (!powers.cpu)
        log_warning("limits.cpu_percent is not kept: there is no control group that we may divide");
}

/* Those in the background that run already: from now on it takes a group to give way to others. */
static void hold_background(struct members *members)
{
    struct member *member;
    DL_FOREACH(members->first, member)
    {
        if (!member->command->background)
            continue;
        member->view.cgroup = members->cgroup;
        service_hold(member->service);
    }
}

static struct cgroup *group_for(struct members *members, const struct command *command)
{
    bool limited = command->limits.memory_mb > 0 || command->limits.cpu_percent > 0;
    if (limited && members->cgroup == NULL)
        make_groups(members);
    if (command->limits.cpu_percent > 0 && cgroup_share_cpu(members->cgroup))
        hold_background(members);
    return limited || command->background ? members->cgroup : NULL;
}

static struct member *add(struct members *members, struct command *command)
{
    struct member *member = object_alloc(sizeof(*member));
    struct service_watcher watcher = {.born = member_born,
                                      .lost = member_lost,
                                      .ended = member_ended,
                                      .changed = member_changed,
                                      .self = member};
    member->members = members;
    member->command = command;
    member->how = "start";
    member->limit_percent = draw_limit(member);
    member->view = (struct child_command){.name = command->name,
                                          .path = command->path,
                                          .arguments = (const char *const *)command->arguments,
                                          .listen_fd = command->listen_fd,
                                          .cores = command->cores,
                                          .background = command->background,
                                          .cgroup = group_for(members, command),
                                          .limits = command->limits,
                                          .hidden = command->hidden,
                                          .has_token = command->role == ROLE_WORKER,
                                          .account = command->account,
                                          .drain_signal = command->drain_signal};
    member->view.limits.idle = command->background;
    member->service =
        service_new(members->setup->loop, &member->view, members->patience, &watcher, STDERR_FILENO);
    DL_APPEND(members->first, member);
    return member;
}

/* In its command and in its process, unless the kernel does not let us. */
static bool come_forward(struct member *member, const struct plan_version *version)
{
    pid_t pid = service_pid(member->service);
    if (pid != 0 && !process_come_forward(pid))
        return false;
    member->command->background = false;
    command_limit(member->command, version); /* an adopted one whose place was another has none yet */
    member->view.background = false;
    member->view.cores = member->command->cores;
    member->view.limits = member->command->limits;
    if (member->view.cgroup == NULL)
        member->view.cgroup = group_for(member->members, member->command);
    service_hold(member->service);
    return true;
}

void members_come_forward(struct members *members, const struct plan_version *version)
{
    char title[MEMBER_TITLE_BYTES];
    struct member *member;
    DL_FOREACH(members->first, member)
    {
        if (member->retiring || member->leaving || !member->command->background || version->background ||
            version->python != NULL || !command_could_serve(member->command, version))
            continue;
        if (come_forward(member, version))
            log_info("%s: was in the background, and is not any more", member_title(member, title));
    }
}

const char *member_title(const struct member *member, char *buffer)
{
    snprintf(buffer, MEMBER_TITLE_BYTES, "%s (%ld)", member->command->name,
             (long)service_pid(member->service));
    return buffer;
}

/* It is in no state, and has no memory: names come with each version, and would fill the page in the end. */
static void forget_gauges(const struct member *member)
{
    struct metrics *metrics = member->members->setup->metrics;
    for (int state = 0; state < SERVICE_STATE_COUNT; state++)
        metrics_forget(metrics, METRIC_PROCESS_UP, member->command->name,
                       service_state_name((enum service_state)state), NULL);
    metrics_forget(metrics, METRIC_RESIDENT_BYTES, member->command->name, NULL, NULL);
}

static void member_free(struct member *member)
{
    forget_gauges(member);
    DL_DELETE(member->members->first, member);
    service_free(member->service);
    if (member->view.cgroup != NULL)
        cgroup_drop(member->view.cgroup, member->command->name);
    command_free(member->command);
    free(member);
}

void member_retire(struct member *member)
{
    member->retiring = true;
    service_event(member->service, SERVICE_ON_STOP);
}

void member_drain(struct member *member)
{
    member->retiring = true;
    service_event(member->service, SERVICE_ON_DRAIN);
}

void members_remove_retired(struct members *members)
{
    struct member *member;
    struct member *next;
    DL_FOREACH_SAFE(members->first, member, next)
    {
        if (member->retiring && service_state(member->service) == SERVICE_STOPPED)
            member_free(member);
    }
}

void members_free_all(struct members *members)
{
    while (members->first != NULL)
        member_free(members->first);
    cgroup_free(members->cgroup);
}

/* ---- who is wanted ---- */

bool member_fits(const struct member *member, enum role role, const struct plan_version *version)
{
    return !member->retiring && !member->leaving && member->command->role == role &&
           (version == NULL || command_serves(member->command, version));
}

bool member_serves(const struct member *member)
{
    return member->command->role == ROLE_WORKER && !member->retiring &&
           service_state(member->service) == SERVICE_RUNNING;
}

int64_t members_running(const struct members *members, const char *model, const char *version)
{
    int64_t count = 0;
    const struct member *member;
    DL_FOREACH(members->first, member)
    {
        count += member_serves(member) && strcmp(member->command->model, model) == 0 &&
                 strcmp(member->command->version, version) == 0;
    }
    return count;
}

int64_t members_count(const struct members *members, enum role role, const struct plan_version *version,
                      bool running)
{
    int64_t count = 0;
    const struct member *member;
    DL_FOREACH(members->first, member)
    {
        if (member_fits(member, role, version) &&
            (!running || service_state(member->service) == SERVICE_RUNNING))
            count++;
    }
    return count;
}

static bool name_taken(const struct members *members, const char *name)
{
    const struct member *member;
    DL_FOREACH(members->first, member)
    {
        if (strcmp(member->command->name, name) == 0)
            return true;
    }
    return false;
}

/* The lowest whose name nobody has, who is on his way out neither. That also keeps the workers of version 1.2
 * of a model m and those of version 2 of a model m.1 apart. */
static int free_number(const struct members *members, enum role role, const struct plan_version *version)
{
    for (int number = 1;; number++) {
        char *name = command_name(role, number, version);
        bool taken = name_taken(members, name);
        free(name);
        if (!taken)
            return number;
    }
}

static struct member *start(struct members *members, enum role role, const struct plan_version *version)
{
    int number = free_number(members, role, version);
    struct member *member = add(members, command_new(&members->setup->basis, role, number, version));
    service_event(member->service, SERVICE_ON_START);
    return member;
}

struct member *members_succeed(struct members *members, struct member *old,
                               const struct plan_version *version, const char *cause)
{
    struct member *successor = start(members, old->command->role, version);
    snprintf(successor->origin, sizeof(successor->origin), "after %s: %s", old->command->name, cause);
    old->leaving = true;
    return successor;
}

struct member *members_adopt(struct members *members, struct ledger_process *process)
{
    const struct plan_basis *basis = &members->setup->basis;
    struct command *command = process->command;
    command_complete(command, basis);
    struct member *member = add(members, command);
    struct orphan orphan = process->orphan;
    process->command = NULL;
    process->orphan.pidfd = -1;
    process->orphan.reached = false;
    snprintf(member->origin, sizeof(member->origin), "adopted");
    service_adopt(member->service, &orphan, process->restarts);
    service_hold(member->service); /* its group may be gone, or say what model.conf said then */
    return member;
}

static struct member *highest(const struct members *members, enum role role,
                              const struct plan_version *version)
{
    struct member *found = NULL;
    struct member *member;
    DL_FOREACH(members->first, member)
    {
        if (member_fits(member, role, version) &&
            (found == NULL || member->command->number > found->command->number))
            found = member;
    }
    return found;
}

struct member *members_highest(const struct members *members, const struct plan_version *version)
{
    return highest(members, ROLE_WORKER, version);
}

void members_have_at_least(struct members *members, enum role role, const struct plan_version *version,
                           int64_t wanted)
{
    for (int64_t count = members_count(members, role, version, false); count < wanted; count++)
        start(members, role, version);
}

void members_have(struct members *members, enum role role, const struct plan_version *version, int64_t wanted)
{
    members_have_at_least(members, role, version, wanted);
    for (int64_t count = members_count(members, role, version, false); count > wanted; count--)
        member_retire(highest(members, role, version));
}
