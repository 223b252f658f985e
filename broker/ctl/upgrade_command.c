/* upgrade_command: `outrigger upgrade`: tells the supervisor, then looks on until everything that runs is of
 * its release. The supervisor goes on when this command is interrupted.
 *
 * The supervisor becomes another program in the middle of it, and nobody answers for a moment; what has been
 * replaced is therefore told by what runs, and not by a list that somebody would have to keep.
 * SPDX-License-Identifier: MIT */
#include "ask.h"
#include "clock.h"
#include "say.h"

#include <inttypes.h>
#include <stdlib.h>

enum { ANSWER_TIMEOUT_MS = 5000, TRY_TIMEOUT_MS = 60000, REASON_BYTES = 512 };

struct upgrade {
    const struct arguments *arguments;
    const struct config *config;
    yyjson_doc *before;   /* what the supervisor of before said */
    yyjson_doc *now;      /* and the one of now; NULL: it does not answer yet */
    yyjson_mut_doc *said; /* with --json: what is said at the end */
    yyjson_mut_val *replaced;
};

static const char *release_of(yyjson_doc *status)
{
    return ask_text(yyjson_doc_get_root(status), "release");
}

static yyjson_val *processes_of(yyjson_doc *status)
{
    return yyjson_obj_get(yyjson_doc_get_root(status), "processes");
}

static bool has_pid(yyjson_doc *status, int64_t pid)
{
    size_t index, count;
    yyjson_val *process;
    yyjson_arr_foreach(processes_of(status), index, count, process)
    {
        if (yyjson_get_sint(yyjson_obj_get(process, "pid")) == pid)
            return true;
    }
    return false;
}

/* Takes one that runs now, and that neither the supervisor of before nor our last look knew as running. */
static void tell_one(struct upgrade *upgrade, yyjson_doc *last, yyjson_val *process)
{
    int64_t pid = yyjson_get_sint(yyjson_obj_get(process, "pid"));
    if (pid == 0 || has_pid(upgrade->before, pid) || (last != NULL && has_pid(last, pid)))
        return;
    if (upgrade->said == NULL) {
        printf("%s (%" PRId64 "): is started\n", ask_text(process, "name"), pid);
        return;
    }
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(upgrade->said, upgrade->replaced);
    yyjson_mut_obj_add_strcpy(upgrade->said, entry, "name", ask_text(process, "name"));
    yyjson_mut_obj_add_int(upgrade->said, entry, "pid", pid);
}

/* Names a process that runs, or starts, and is not of the supervisor's release; NULL when there is none. One
 * that has not said ready has not said of which it is. */
static yyjson_val *find_other(yyjson_doc *status)
{
    size_t index, count;
    yyjson_val *process;
    yyjson_arr_foreach(processes_of(status), index, count, process)
    {
        if (yyjson_get_sint(yyjson_obj_get(process, "pid")) != 0 &&
            strcmp(ask_text(process, "release"), release_of(status)) != 0)
            return process;
    }
    return NULL;
}

static bool is_another_supervisor(const struct upgrade *upgrade, yyjson_doc *status)
{
    return !yyjson_equals(yyjson_obj_get(yyjson_doc_get_root(status), "began_ms"),
                          yyjson_obj_get(yyjson_doc_get_root(upgrade->before), "began_ms"));
}

/* Looks once. True when nothing is left to be replaced: then `reason` says what is not as it should be, or is
 * "". */
static bool look(struct upgrade *upgrade, char reason[REASON_BYTES])
{
    size_t index, count;
    yyjson_val *process;
    yyjson_doc *status = ask(upgrade->config, "supervisor.sock", "status", ANSWER_TIMEOUT_MS);
    *reason = '\0';
    if (status == NULL || ask_refusal(status) != NULL || !is_another_supervisor(upgrade, status)) {
        yyjson_doc_free(status);
        return false;
    }
    yyjson_arr_foreach(processes_of(status), index, count, process)
    {
        tell_one(upgrade, upgrade->now, process);
    }
    fflush(stdout);
    yyjson_doc_free(upgrade->now);
    upgrade->now = status;
    if (yyjson_get_uint(yyjson_obj_get(yyjson_doc_get_root(status), "replacing")) > 0)
        return false;
    yyjson_val *other = find_other(status);
    const char *state = ask_text(other, "state");
    if (other != NULL && strcmp(state, "running") != 0)
        return strcmp(state, "failed") == 0;
    if (other != NULL)
        snprintf(reason, REASON_BYTES,
                 "%s (%" PRId64 ") stays what it was, %s: its successor does not get ready, see the log",
                 ask_text(other, "name"), yyjson_get_sint(yyjson_obj_get(other, "pid")),
                 *ask_text(other, "release") == '\0' ? "of no known release" : ask_text(other, "release"));
    return true;
}

static int end(struct upgrade *upgrade, const char *failure)
{
    const char *to = upgrade->now == NULL ? "" : release_of(upgrade->now);
    if (*failure != '\0')
        fprintf(stderr, "outrigger: %s\n", failure);
    else if (upgrade->said == NULL)
        printf("upgraded: %s -> %s\n", release_of(upgrade->before), to);
    if (upgrade->said != NULL) {
        yyjson_mut_val *root = yyjson_mut_doc_get_root(upgrade->said);
        yyjson_mut_obj_add_strcpy(upgrade->said, root, "from", release_of(upgrade->before));
        yyjson_mut_obj_add_strcpy(upgrade->said, root, "to", to);
        if (*failure != '\0')
            say_set_error(upgrade->said, failure);
        say_json(upgrade->said);
    }
    return *failure == '\0' ? CTL_GOOD : CTL_FAULT;
}

static int look_on(struct upgrade *upgrade)
{
    char reason[REASON_BYTES];
    int64_t wait_ms = arguments_number(upgrade->arguments, OPTION_WAIT, -1);
    int64_t deadline = wait_ms < 0 ? INT64_MAX : clock_now() + wait_ms * MILLISECOND;
    bool done = look(upgrade, reason);
    for (; !done && clock_now() < deadline; done = look(upgrade, reason))
        ask_pause();
    if (!done)
        snprintf(reason, sizeof reason, "it still goes on after %g s", (double)wait_ms / 1000);
    return end(upgrade, reason);
}

int upgrade_command(const struct arguments *arguments)
{
    struct upgrade upgrade = {.arguments = arguments, .config = arguments_config(arguments)};
    if (upgrade.config == NULL)
        return CTL_FAULT;
    int status;
    upgrade.before = ask_supervisor(arguments, upgrade.config, ask_new("status"), ANSWER_TIMEOUT_MS,
                                    "not upgraded", &status);
    yyjson_doc *answer = upgrade.before == NULL
                             ? NULL
                             : ask_supervisor(arguments, upgrade.config, ask_new("upgrade"), TRY_TIMEOUT_MS,
                                              "not upgraded", &status);
    if (answer != NULL && arguments->json) {
        upgrade.said = say_new();
        upgrade.replaced =
            yyjson_mut_obj_add_arr(upgrade.said, yyjson_mut_doc_get_root(upgrade.said), "replaced");
    }
    if (answer != NULL)
        status = look_on(&upgrade);
    yyjson_doc_free(answer);
    yyjson_doc_free(upgrade.before);
    yyjson_doc_free(upgrade.now);
    config_free((struct config *)upgrade.config);
    return status;
}
