/* follow: asks what is new until that was all. SPDX-License-Identifier: MIT */
#include "follow.h"

#include "clock.h"
#include "say.h"

#include <errno.h>
#include <inttypes.h>

enum { ANSWER_TIMEOUT_MS = 5000, FIRST_TIMEOUT_MS = 60000, REASON_BYTES = 4096 };

struct following {
    const struct arguments *arguments;
    const struct config *config;
    uint64_t id;
    uint64_t seen;        /* lines */
    yyjson_mut_doc *said; /* with --json: what is said at the end */
    yyjson_mut_val *lines;
    char failure[REASON_BYTES]; /* "" for none */
};

enum step { STEP_GOES_ON, STEP_DONE, STEP_FAILED };

static void take_line(struct following *following, const char *line)
{
    following->seen++;
    if (following->said != NULL)
        yyjson_mut_arr_add_strcpy(following->said, following->lines, line);
    else
        puts(line);
}

/* Takes what is new in the answer. */
static enum step take_answer(struct following *following, yyjson_val *answer)
{
    size_t index, count;
    yyjson_val *line;
    yyjson_arr_foreach(yyjson_obj_get(answer, "lines"), index, count, line)
    {
        take_line(following, yyjson_is_str(line) ? yyjson_get_str(line) : "");
    }
    fflush(stdout);
    if (!yyjson_get_bool(yyjson_obj_get(answer, "done")))
        return STEP_GOES_ON;
    const char *failure = yyjson_get_str(yyjson_obj_get(answer, "failure"));
    if (failure == NULL)
        return STEP_DONE;
    snprintf(following->failure, sizeof following->failure, "given up: %s", failure);
    return STEP_FAILED;
}

static enum step look(struct following *following)
{
    char line[128];
    snprintf(line, sizeof line, "{\"command\":\"restart-progress\",\"id\":%" PRIu64 ",\"from\":%" PRIu64 "}",
             following->id, following->seen);
    yyjson_doc *answer = ask_line(following->config, "supervisor.sock", line, ANSWER_TIMEOUT_MS);
    enum step step = STEP_FAILED;
    if (answer == NULL)
        snprintf(following->failure, sizeof following->failure, "the supervisor does not answer any more: %s",
                 strerror(errno));
    else if (ask_refusal(answer) != NULL)
        snprintf(following->failure, sizeof following->failure,
                 "the supervisor was started again meanwhile: %s", ask_refusal(answer));
    else
        step = take_answer(following, yyjson_doc_get_root(answer));
    yyjson_doc_free(answer);
    return step;
}

/* Says how it ended; frees what was said. */
static int end(struct following *following, enum step step, const char *done)
{
    if (step == STEP_FAILED)
        fprintf(stderr, "outrigger: %s\n", following->failure);
    else if (following->said == NULL)
        puts(done);
    if (following->said != NULL) {
        if (step == STEP_FAILED)
            say_set_error(following->said, following->failure);
        say_json(following->said);
    }
    return step == STEP_DONE ? CTL_GOOD : CTL_FAULT;
}

int follow(const struct arguments *arguments, const struct config *config, yyjson_doc *answer,
           const char *done)
{
    struct following following = {.arguments = arguments,
                                  .config = config,
                                  .id = yyjson_get_uint(yyjson_obj_get(yyjson_doc_get_root(answer), "id"))};
    int64_t wait_ms = arguments_number(arguments, OPTION_WAIT, -1);
    int64_t deadline = wait_ms < 0 ? INT64_MAX : clock_now() + wait_ms * MILLISECOND;
    if (arguments->json) {
        following.said = say_new();
        following.lines =
            yyjson_mut_obj_add_arr(following.said, yyjson_mut_doc_get_root(following.said), "lines");
    }
    enum step step = look(&following);
    for (; step == STEP_GOES_ON && clock_now() < deadline; step = look(&following))
        ask_pause();
    if (step == STEP_GOES_ON) {
        snprintf(following.failure, sizeof following.failure, "it still goes on after %g s",
                 (double)wait_ms / 1000);
        step = STEP_FAILED;
    }
    return end(&following, step, done);
}

int follow_question(const struct arguments *arguments, const struct config *config, yyjson_mut_doc *question,
                    const char *refused, const char *done)
{
    int status;
    yyjson_doc *answer = ask_supervisor(arguments, config, question, FIRST_TIMEOUT_MS, refused, &status);
    if (answer != NULL)
        status = follow(arguments, config, answer, done);
    yyjson_doc_free(answer);
    return status;
}
