/* heritage: see heritage.h. A supervisor that comes back finds three kinds of processes in the ledger: those
 * that are as it would start them, which are simply its own from now on; those that are not (another command
 * line, another program file since an upgrade, a model's version that is not wanted any more), which serve on
 * until a successor is ready; and those that died meanwhile. What it cannot adopt at all (other sockets,
 * other directories) main has ended before. SPDX-License-Identifier: MIT */
#include "heritage.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <utlist.h>

/* True when the file at `path` is not the program that the process runs. */
static bool program_changed(const struct ledger_process *process, const char *path)
{
    struct stat file;
    return process->inode != 0 && stat(path, &file) == 0 &&
           (process->device != file.st_dev || process->inode != file.st_ino);
}

/* Why the member is not what would be started now; NULL when it is. A worker of a version that is not wanted
 * is none of our business: the fleet moves models from version to version. */
static const char *outdated(const struct member *member, const struct ledger_process *process,
                            const struct plan *plan, bool new_socket)
{
    const struct command *command = member->command;
    const struct plan_version *version = NULL;
    if (command->role == ROLE_WORKER) {
        version = plan_of_command(plan, command);
        if (version == NULL)
            return NULL;
    }
    if (new_socket && command->role == ROLE_FRONTEND)
        return "it listens at a socket that is gone";
    if (program_changed(process, command->path))
        return "its program is another by now";
    /* The program of a worker in Python is the interpreter. */
    if (process->orphan.release[0] != '\0' && strcmp(process->orphan.release, OUTRIGGER_VERSION) != 0)
        return "it is of another release";
    struct command *now =
        command_new(&member->members->setup->basis, command->role, command->number, version);
    bool equal = command_equals(command, now);
    command_free(now);
    return equal ? NULL : "it was started with other options";
}

/* Returns the member when it is to be replaced; else NULL. */
static struct member *take(struct ledger_process *process, struct members *members, const struct plan *plan,
                           bool new_socket)
{
    char title[MEMBER_TITLE_BYTES];
    bool retiring = process->retiring;
    const struct plan_version *version = plan_of_command(plan, process->command);
    if (process->command->role == ROLE_WORKER && version != NULL)
        command_limit(process->command, version);
    struct member *member = members_adopt(members, process);
    member_title(member, title);
    if (retiring) {
        log_info("%s: adopted; it goes on ending", title);
        member_drain(member);
        return NULL;
    }
    const char *why = outdated(member, process, plan, new_socket);
    if (why == NULL) {
        log_info("%s: adopted", title);
        return NULL;
    }
    log_warning("%s: adopted, and replaced by a new one: %s", title, why);
    return member;
}

/* Workers and frontends first: of an older release's workers a new broker may know none (they have no
 * tokens), and would have nobody until each had its successor. */
static void replace(struct turnover *turnover, struct member *const *members, size_t count)
{
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < count; i++) {
            enum role role = members[i]->command->role;
            if ((role == ROLE_WORKER || role == ROLE_FRONTEND) == (round == 0))
                turnover_add(turnover, members[i], TURNOVER_OUTDATED);
        }
}

size_t heritage_take(struct ledger *ledger, struct members *members, const struct plan *plan,
                     struct turnover *turnover, bool new_socket)
{
    size_t count = 0, outdated_count = 0;
    struct member **outdated_ones = object_alloc((ledger->count + 1) * sizeof(struct member *));
    for (size_t i = 0; i < ledger->count; i++) {
        struct ledger_process *process = &ledger->processes[i];
        if (process->orphan.pidfd != -1) {
            struct member *member = take(process, members, plan, new_socket);
            if (member != NULL)
                outdated_ones[outdated_count++] = member;
            count++;
            continue;
        }
        if (process->ended)
            continue;                              /* said already */
        if (process->command->role == ROLE_WORKER) /* nobody told the broker when it died */
            members_tell_of_death(members, process->orphan.pid);
        log_warning("%s (%ld): is gone; a new one is started", process->command->name,
                    (long)process->orphan.pid);
    }
    replace(turnover, outdated_ones, outdated_count);
    free(outdated_ones);
    return count;
}

void heritage_mark(const struct ledger *ledger, struct members *members)
{
    struct member *member;
    DL_FOREACH(members->first, member)
    {
        for (size_t i = 0; i < ledger->count; i++) {
            const struct ledger_process *process = &ledger->processes[i];
            if (member->origin[0] == '\0' && process->command != NULL &&
                strcmp(process->command->name, member->command->name) == 0)
                snprintf(member->origin, sizeof(member->origin), "replaces %ld, which %s",
                         (long)process->orphan.pid, process->ended ? "could not be adopted" : "had died");
        }
    }
}
