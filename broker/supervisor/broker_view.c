/* broker_view: see broker_view.h. A worker that says ready to us may not have reached the broker yet, and a
 * worker that the routes do not lead to any more may still have requests: only the broker knows either.
 * SPDX-License-Identifier: MIT */
#include "broker_view.h"

#include "control.h"
#include "runtime.h"

#include <stdlib.h>

enum { STATUS_MS = 200 };

struct broker_view {
    yyjson_doc *status; /* NULL: no answer */
};

struct broker_view *broker_view_new(const struct config *config)
{
    char path[RUNTIME_PATH_BYTES];
    struct broker_view *view = object_alloc(sizeof(*view));
    view->status =
        control_call(runtime_path(config, "broker.sock", path), "{\"command\":\"status\"}", STATUS_MS);
    return view;
}

void broker_view_free(struct broker_view *view)
{
    if (view == NULL)
        return;
    yyjson_doc_free(view->status);
    free(view);
}

/* The status entry of a version; NULL when the broker does not know it. */
static yyjson_val *entry_of(const struct broker_view *view, const char *model, const char *version)
{
    yyjson_val *models = yyjson_obj_get(yyjson_doc_get_root(view->status), "models");
    size_t index;
    size_t count;
    yyjson_val *entry;
    yyjson_arr_foreach(models, index, count, entry)
    {
        if (yyjson_equals_str(yyjson_obj_get(entry, "model"), model) &&
            yyjson_equals_str(yyjson_obj_get(entry, "version"), version))
            return entry;
    }
    return NULL;
}

int64_t broker_view_workers(const struct broker_view *view, const char *model, const char *version)
{
    return yyjson_get_sint(yyjson_obj_get(entry_of(view, model, version), "workers"));
}

int64_t broker_view_open(const struct broker_view *view, const char *model, const char *version)
{
    yyjson_val *entry = entry_of(view, model, version);
    return yyjson_get_sint(yyjson_obj_get(entry, "queue_requests")) +
           yyjson_get_sint(yyjson_obj_get(entry, "in_flight"));
}
