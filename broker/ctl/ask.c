/* ask: a thin layer over control_call, with the sentences for what goes wrong. SPDX-License-Identifier: MIT
 */
#include "ask.h"

#include "clock.h"
#include "control.h"
#include "say.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

enum {
    PAUSE_MS = 100, /* a person does not notice, the supervisor neither */
    BROKER_TIMEOUT_MS = 2000
};

yyjson_doc *ask_line(const struct config *config, const char *socket, const char *line, int timeout_ms)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", config->runtime_directory, socket);
    return control_call(path, line, timeout_ms);
}

yyjson_doc *ask(const struct config *config, const char *socket, const char *command, int timeout_ms)
{
    char line[128];
    snprintf(line, sizeof line, "{\"command\":\"%s\"}", command);
    return ask_line(config, socket, line, timeout_ms);
}

const char *ask_refusal(yyjson_doc *answer)
{
    yyjson_val *root = yyjson_doc_get_root(answer);
    if (yyjson_get_bool(yyjson_obj_get(root, "ok")))
        return NULL;
    const char *reason = yyjson_get_str(yyjson_obj_get(root, "error"));
    return reason == NULL ? "it refuses without a reason" : reason;
}

const char *ask_text(yyjson_val *object, const char *name)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, name));
    return text == NULL ? "" : text;
}

bool ask_nobody_there(int error)
{
    return error == ENOENT || error == ECONNREFUSED;
}

int ask_say_absent(const struct arguments *arguments, const struct config *config, const char *what)
{
    return say_fault(arguments, CTL_NOT_RUNNING,
                     "%s runs in %s (another place is named by --config FILE or --set "
                     "runtime_directory=DIRECTORY)",
                     what, config->runtime_directory);
}

yyjson_mut_doc *ask_new(const char *command)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    ENSURE(document != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    ENSURE(yyjson_mut_obj_add_str(document, root, "command", command));
    return document;
}

void ask_add_text(yyjson_mut_doc *question, const char *name, const char *text)
{
    if (text != NULL)
        yyjson_mut_obj_add_str(question, yyjson_mut_doc_get_root(question), name, text);
}

/* `name` is "supervisor": of the socket and in the sentences. */
static yyjson_doc *ask_process(const struct arguments *arguments, const struct config *config,
                               const char *name, yyjson_mut_doc *question, int timeout_ms,
                               const char *refused, int *status)
{
    char socket[32], absent[32];
    snprintf(socket, sizeof socket, "%s.sock", name);
    snprintf(absent, sizeof absent, "no %s", name);
    /* What a person wrote may be any bytes: the other side refuses them. */
    char *line = yyjson_mut_write(question, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    ENSURE(line != NULL);
    yyjson_mut_doc_free(question);
    yyjson_doc *answer = ask_line(config, socket, line, timeout_ms);
    int error = errno;
    free(line);
    *status = CTL_GOOD;
    if (answer == NULL && ask_nobody_there(error))
        *status = ask_say_absent(arguments, config, absent);
    else if (answer == NULL)
        *status = say_fault(arguments, CTL_FAULT, "the %s does not answer: %s", name, strerror(error));
    else if (ask_refusal(answer) != NULL)
        *status = say_fault(arguments, CTL_FAULT, "%s: %s", refused, ask_refusal(answer));
    if (*status == CTL_GOOD)
        return answer;
    yyjson_doc_free(answer);
    return NULL;
}

yyjson_doc *ask_supervisor(const struct arguments *arguments, const struct config *config,
                           yyjson_mut_doc *question, int timeout_ms, const char *refused, int *status)
{
    return ask_process(arguments, config, "supervisor", question, timeout_ms, refused, status);
}

yyjson_doc *ask_broker(const struct arguments *arguments, const struct config *config,
                       yyjson_mut_doc *question, int timeout_ms, const char *refused, int *status)
{
    return ask_process(arguments, config, "broker", question, timeout_ms, refused, status);
}

yyjson_doc *ask_collector(const struct arguments *arguments, const struct config *config,
                          yyjson_mut_doc *question, int timeout_ms, const char *refused, int *status)
{
    return ask_process(arguments, config, "collector", question, timeout_ms, refused, status);
}

int ask_whether_broker(const struct arguments *arguments, const struct config *config, const char *refused)
{
    int status;
    yyjson_doc *answer =
        ask_broker(arguments, config, ask_new("status"), BROKER_TIMEOUT_MS, refused, &status);
    yyjson_doc_free(answer);
    return status;
}

void ask_pause(void)
{
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * MILLISECOND}, NULL);
}
