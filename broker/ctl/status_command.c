/* status_command: `outrigger status`: asks, waits if it was told to, prints. SPDX-License-Identifier: MIT */
#include "ask.h"
#include "clock.h"
#include "say.h"
#include "status.h"

#include <errno.h>

enum { ANSWER_TIMEOUT_MS = 2000 }; /* both answer from memory: longer means that they hang */

struct side {
    yyjson_doc *answer; /* NULL: none */
    char fault[256];    /* why not; "" when there is an answer */
    bool nobody_there;
};

struct answers {
    struct side supervisor;
    struct side broker;
    struct side models; /* the supervisor's; an older one knows them not, which is no fault */
};

static struct side ask_side(const struct config *config, const char *socket, const char *command)
{
    struct side side = {.answer = ask(config, socket, command, ANSWER_TIMEOUT_MS)};
    if (side.answer == NULL) {
        side.nobody_there = ask_nobody_there(errno);
        snprintf(side.fault, sizeof side.fault, "%s", strerror(errno));
    } else if (ask_refusal(side.answer) != NULL) {
        snprintf(side.fault, sizeof side.fault, "%s", ask_refusal(side.answer));
        yyjson_doc_free(side.answer);
        side.answer = NULL;
    }
    return side;
}

static struct answers ask_all(const struct config *config)
{
    return (struct answers){ask_side(config, "supervisor.sock", "status"),
                            ask_side(config, "broker.sock", "status"),
                            ask_side(config, "supervisor.sock", "models")};
}

static void free_answers(struct answers *answers)
{
    yyjson_doc_free(answers->supervisor.answer);
    yyjson_doc_free(answers->broker.answer);
    yyjson_doc_free(answers->models.answer);
}

static struct status status_of(const struct answers *answers)
{
    return (struct status){yyjson_doc_get_root(answers->supervisor.answer),
                           yyjson_doc_get_root(answers->broker.answer),
                           yyjson_doc_get_root(answers->models.answer)};
}

/* Asks until all is ready or the time is over; the last answers stay. */
static bool wait_until_ready(const struct config *config, int64_t wait_ms, struct answers *answers,
                             char *missing, size_t capacity)
{
    int64_t deadline = clock_now() + wait_ms * MILLISECOND;
    for (;;) {
        *answers = ask_all(config);
        struct status status = status_of(answers);
        if (status_is_ready(&status, missing, capacity))
            return true;
        if (clock_now() >= deadline)
            return false;
        free_answers(answers);
        ask_pause();
    }
}

static void say_silent(const struct side *side, const char *name)
{
    if (side->answer == NULL)
        fprintf(stderr, "outrigger: the %s does not answer: %s\n", name, side->fault);
}

static void print(const struct arguments *arguments, const struct answers *answers)
{
    struct status status = status_of(answers);
    if (arguments->json)
        status_print_json(&status, stdout);
    else
        status_print(&status, stdout, say_coloured());
    fflush(stdout);
    say_silent(&answers->supervisor, "supervisor");
    say_silent(&answers->broker, "broker");
}

int status_command(const struct arguments *arguments)
{
    struct config *config = arguments_config(arguments);
    struct answers answers;
    char missing[4096] = "";
    if (config == NULL)
        return CTL_FAULT;
    int64_t wait_ms = arguments_number(arguments, OPTION_WAIT, -1);
    bool waits = wait_ms >= 0;
    bool ready = waits && wait_until_ready(config, wait_ms, &answers, missing, sizeof missing);
    if (!waits)
        answers = ask_all(config);
    int result = answers.supervisor.answer != NULL && answers.broker.answer != NULL ? CTL_GOOD : CTL_FAULT;
    if (answers.supervisor.nobody_there && answers.broker.nobody_there) {
        result = ask_say_absent(arguments, config, "nothing");
    } else {
        print(arguments, &answers);
    }
    if (waits && !ready && result != CTL_NOT_RUNNING) {
        fprintf(stderr, "outrigger: not ready after %g s: %s\n", (double)wait_ms / 1000, missing);
        result = CTL_FAULT;
    }
    free_answers(&answers);
    config_free(config);
    return result;
}
