/* resting: versions that have no workers because nobody asked for them: the first request calls for one, and
 * waits in the queue like any other. The broker keeps what such a version takes, so that frontends accept its
 * requests; it starts no process itself. SPDX-License-Identifier: MIT */
#include "state.h"

#include "control.h"

#include <stdio.h>

/* The supervisor is not asked more often for a worker of the same version. It is asked again as long as there
 * is none, since it may be away just now; who comes back looks for himself what waits. */
#define CALL_AGAIN_AFTER (250 * MILLISECOND)

void resting_call(struct broker *broker, struct version *version)
{
    char path[256], line[2 * PROTOCOL_NAME_MAX + 64];
    int64_t now = loop_now(broker->loop);
    bool rests = version->worker_count == 0 && version->expected && version->model->may_rest;
    if (!rests || version->queue.requests == 0 ||
        (version->called_at != 0 && now - version->called_at < CALL_AGAIN_AFTER))
        return;
    version->called_at = now;
    snprintf(path, sizeof path, "%s/supervisor.sock", broker->config->runtime_directory);
    /* Names need no quoting: see protocol_name_ok. */
    snprintf(line, sizeof line, "{\"command\":\"wanted\",\"model\":\"%s\",\"version\":\"%s\"}",
             version->model->name, version->name);
    control_tell(path, line);
}

void resting_look(struct broker *broker)
{
    for (struct model *model = model_first(broker->models); model != NULL; model = model->next)
        for (struct version *version = model->versions; version != NULL; version = version->next)
            resting_call(broker, version);
}
