/* ask: a thin layer over control_call, with the sentences for what goes wrong. SPDX-License-Identifier: MIT
 */
#include "ask.h"

#include "clock.h"
#include "control.h"

#include <errno.h>
#include <limits.h>

enum { PAUSE_MS = 100 }; /* a person does not notice, the supervisor neither */

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

bool ask_nobody_there(int error)
{
    return error == ENOENT || error == ECONNREFUSED;
}

void ask_say_absent(const struct config *config, const char *what)
{
    fprintf(stderr,
            "outrigger: %s runs in %s (another place is named by --config FILE or --set "
            "runtime_directory=DIRECTORY)\n",
            what, config->runtime_directory);
}

void ask_pause(void)
{
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * MILLISECOND}, NULL);
}
