/* restart_command: `outrigger restart`: tells the supervisor, then prints what it does until it has done it.
 * The supervisor goes on when this command is interrupted. SPDX-License-Identifier: MIT */
#include "ask.h"
#include "clock.h"
#include "ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { ANSWER_TIMEOUT_MS = 5000 };

static char *restart_line(const struct arguments *arguments)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    ENSURE(document != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_str(document, root, "command", "restart");
    yyjson_mut_obj_add_str(document, root, "what", arguments->operand);
    if (arguments->model != NULL)
        yyjson_mut_obj_add_str(document, root, "model", arguments->model);
    char *line = yyjson_mut_write(document, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    ENSURE(line != NULL);
    yyjson_mut_doc_free(document);
    return line;
}

/* Prints what is new in the answer; true when that was all. */
static bool print_progress(yyjson_val *answer, size_t *printed)
{
    size_t index, count;
    yyjson_val *line;
    yyjson_arr_foreach(yyjson_obj_get(answer, "lines"), index, count, line)
    {
        printf("%s\n", yyjson_is_str(line) ? yyjson_get_str(line) : "");
        ++*printed;
    }
    fflush(stdout);
    return yyjson_get_bool(yyjson_obj_get(answer, "done"));
}

/* Follows the restart to its end. */
static int follow(const struct config *config, uint64_t id, int wait_seconds)
{
    size_t printed = 0;
    int64_t deadline = wait_seconds < 0 ? INT64_MAX : clock_now() + wait_seconds * SECOND;
    for (;; ask_pause()) {
        char line[128];
        snprintf(line, sizeof line, "{\"command\":\"restart-progress\",\"id\":%" PRIu64 ",\"from\":%zu}", id,
                 printed);
        yyjson_doc *answer = ask_line(config, "supervisor.sock", line, ANSWER_TIMEOUT_MS);
        yyjson_val *root = yyjson_doc_get_root(answer);
        int result = -1;
        if (answer == NULL) {
            fprintf(stderr, "outrigger: the supervisor does not answer any more: %s\n", strerror(errno));
            result = CTL_FAULT;
        } else if (ask_refusal(answer) != NULL) {
            fprintf(stderr, "outrigger: the supervisor was started again meanwhile: %s\n",
                    ask_refusal(answer));
            result = CTL_FAULT;
        } else if (print_progress(root, &printed)) {
            const char *failure = yyjson_get_str(yyjson_obj_get(root, "failure"));
            if (failure != NULL)
                fprintf(stderr, "outrigger: given up: %s\n", failure);
            else
                puts("restarted");
            result = failure == NULL ? CTL_GOOD : CTL_FAULT;
        } else if (clock_now() >= deadline) {
            fprintf(stderr, "outrigger: still restarting after %d s\n", wait_seconds);
            result = CTL_FAULT;
        }
        yyjson_doc_free(answer);
        if (result >= 0)
            return result;
    }
}

static int restart(const struct arguments *arguments, const struct config *config)
{
    char *line = restart_line(arguments);
    yyjson_doc *answer = ask_line(config, "supervisor.sock", line, ANSWER_TIMEOUT_MS);
    uint64_t id = yyjson_get_uint(yyjson_obj_get(yyjson_doc_get_root(answer), "id"));
    int result = CTL_FAULT;
    free(line);
    if (answer == NULL && ask_nobody_there(errno)) {
        ask_say_absent(config, "no supervisor");
        result = CTL_NOT_RUNNING;
    } else if (answer == NULL) {
        fprintf(stderr, "outrigger: the supervisor does not answer: %s\n", strerror(errno));
    } else if (ask_refusal(answer) != NULL) {
        fprintf(stderr, "outrigger: not restarted: %s\n", ask_refusal(answer));
    } else {
        result = follow(config, id, arguments->wait_seconds);
    }
    yyjson_doc_free(answer);
    return result;
}

int restart_command(const struct arguments *arguments)
{
    if (arguments->operand == NULL) {
        fputs("outrigger: restart what? workers, frontends, broker, collector or all\n", stderr);
        return CTL_USAGE;
    }
    struct config *config = arguments_config(arguments);
    if (config == NULL)
        return CTL_FAULT;
    int result = restart(arguments, config);
    config_free(config);
    return result;
}
