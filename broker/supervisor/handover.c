/* handover: when the routes have moved to new workers, requests that were queued for the old ones still need
 * them; and a worker that leaves with a batch in its hands gives it back to a queue that nobody would serve.
 * SPDX-License-Identifier: MIT */
#include "handover.h"

#include "control.h"
#include "runtime.h"

#include <stdlib.h>

enum { STATUS_MS = 200 };

struct handover {
    yyjson_doc *status; /* NULL: the broker said nothing */
};

struct handover *handover_new(const struct config *config)
{
    char path[RUNTIME_PATH_BYTES];
    struct handover *handover = object_alloc(sizeof(*handover));
    handover->status =
        control_call(runtime_path(config, "broker.sock", path), "{\"command\":\"status\"}", STATUS_MS);
    return handover;
}

void handover_free(struct handover *handover)
{
    if (handover == NULL)
        return;
    yyjson_doc_free(handover->status);
    free(handover);
}

uint64_t handover_open(const struct handover *handover, const char *model, const char *version)
{
    yyjson_val *models = yyjson_obj_get(yyjson_doc_get_root(handover->status), "models");
    size_t index;
    size_t count;
    yyjson_val *entry;
    yyjson_arr_foreach(models, index, count, entry)
    {
        if (yyjson_equals_str(yyjson_obj_get(entry, "model"), model) &&
            yyjson_equals_str(yyjson_obj_get(entry, "version"), version))
            return yyjson_get_uint(yyjson_obj_get(entry, "queue_requests")) +
                   yyjson_get_uint(yyjson_obj_get(entry, "in_flight"));
    }
    return 0;
}
