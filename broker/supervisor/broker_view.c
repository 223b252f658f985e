/* broker_view: see broker_view.h. A worker that says ready to us may not have reached the broker yet, and a
 * worker that the routes do not lead to any more may still have requests: only the broker knows either.
 * SPDX-License-Identifier: MIT */
#include "broker_view.h"

#include "clock.h"
#include "control.h"
#include "runtime.h"

#include <stdio.h>
#include <stdlib.h>

enum { STATUS_MS = 200 };

struct broker_view {
    const struct config *config;
    bool asked;
    yyjson_doc *status;  /* NULL: no answer */
    struct known *known; /* its workers by pid; NULL: not sorted yet, or there are none */
    size_t known_count;
};

/* One worker of the status. */
struct known {
    int64_t pid;
    yyjson_val *entry;
};

struct broker_view *broker_view_new(const struct config *config)
{
    struct broker_view *view = object_alloc(sizeof(*view));
    view->config = config;
    return view;
}

void broker_view_forget(struct broker_view *view)
{
    yyjson_doc_free(view->status);
    free(view->known);
    view->status = NULL;
    view->known = NULL;
    view->known_count = 0;
    view->asked = false;
}

void broker_view_free(struct broker_view *view)
{
    if (view == NULL)
        return;
    broker_view_forget(view);
    free(view);
}

/* One of the lists of the status; NULL when there is no answer. */
static yyjson_val *list_of(struct broker_view *view, const char *name)
{
    char path[RUNTIME_PATH_BYTES];
    if (!view->asked)
        view->status = control_call(runtime_path(view->config, "broker.sock", path),
                                    "{\"command\":\"status\"}", STATUS_MS);
    view->asked = true;
    return yyjson_obj_get(yyjson_doc_get_root(view->status), name);
}

/* The status entry of a version; NULL when the broker does not know it. */
static yyjson_val *entry_of(struct broker_view *view, const char *model, const char *version)
{
    yyjson_val *models = list_of(view, "models");
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

int64_t broker_view_workers(struct broker_view *view, const char *model, const char *version)
{
    yyjson_val *entry = entry_of(view, model, version);
    return yyjson_get_sint(yyjson_obj_get(entry, "workers")) -
           yyjson_get_sint(yyjson_obj_get(entry, "unmanaged"));
}

int64_t broker_view_open(struct broker_view *view, const char *model, const char *version)
{
    yyjson_val *entry = entry_of(view, model, version);
    return yyjson_get_sint(yyjson_obj_get(entry, "queue_requests")) +
           yyjson_get_sint(yyjson_obj_get(entry, "in_flight"));
}

bool broker_view_load(struct broker_view *view, const char *model, const char *version,
                      struct scale_seen *seen)
{
    yyjson_val *entry = entry_of(view, model, version);
    if (entry == NULL)
        return false;
    seen->workers = yyjson_get_sint(yyjson_obj_get(entry, "workers"));
    seen->busy = yyjson_get_sint(yyjson_obj_get(entry, "busy_us")) * MICROSECOND;
    seen->wait = yyjson_get_sint(yyjson_obj_get(entry, "wait_us")) * MICROSECOND;
    seen->open = broker_view_open(view, model, version);
    seen->known = yyjson_get_bool(yyjson_obj_get(entry, "known"));
    return true;
}

static const char *text_in(yyjson_val *entry, const char *name)
{
    const char *text = yyjson_get_str(yyjson_obj_get(entry, name));
    return text == NULL ? "" : text;
}

void broker_view_each(const struct broker_view *view, broker_view_visit *visit, void *self)
{
    size_t index;
    size_t count;
    yyjson_val *entry;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(view->status), "models"), index, count, entry)
    {
        const struct broker_view_version version = {
            .model = text_in(entry, "model"),
            .version = text_in(entry, "version"),
            .digest = text_in(entry, "digest"),
            .stable = yyjson_get_bool(yyjson_obj_get(entry, "stable")),
            .workers = yyjson_get_sint(yyjson_obj_get(entry, "workers"))};
        visit(self, &version);
    }
}

bool broker_view_same_inputs(struct broker_view *view, const char *model, const char *one, const char *other,
                             char *how, size_t capacity)
{
    char path[RUNTIME_PATH_BYTES], *line; /* names are ASCII without quotes */
    ENSURE(asprintf(&line, "{\"command\":\"inputs\",\"model\":\"%s\",\"one\":\"%s\",\"other\":\"%s\"}", model,
                    one, other) >= 0);
    yyjson_doc *answer = control_call(runtime_path(view->config, "broker.sock", path), line, STATUS_MS);
    yyjson_val *root = yyjson_doc_get_root(answer);
    bool same = !yyjson_is_false(yyjson_obj_get(root, "same"));
    const char *said = yyjson_get_str(yyjson_obj_get(root, "how"));
    snprintf(how, capacity, "%s", same || said == NULL ? "" : said);
    yyjson_doc_free(answer);
    free(line);
    return same;
}

static int by_pid(const void *left, const void *right)
{
    int64_t a = ((const struct known *)left)->pid, b = ((const struct known *)right)->pid;
    return (a > b) - (a < b);
}

/* One of another host, which is not ours though its pid may be that of a worker of ours. */
static bool is_unmanaged(yyjson_val *worker)
{
    return yyjson_is_false(yyjson_obj_get(worker, "managed"));
}

/* Sorted once, as every worker of the fleet may be looked for in the same answer. */
static void sort_workers(struct broker_view *view)
{
    yyjson_val *workers = list_of(view, "workers");
    size_t index;
    size_t count;
    yyjson_val *entry;
    if (view->known != NULL || yyjson_arr_size(workers) == 0)
        return;
    view->known = object_alloc(yyjson_arr_size(workers) * sizeof(*view->known));
    yyjson_arr_foreach(workers, index, count, entry)
    {
        if (!is_unmanaged(entry))
            view->known[view->known_count++] =
                (struct known){yyjson_get_sint(yyjson_obj_get(entry, "pid")), entry};
    }
    qsort(view->known, view->known_count, sizeof(*view->known), by_pid);
}

static yyjson_val *worker_of(struct broker_view *view, pid_t pid)
{
    const struct known wanted = {.pid = pid};
    sort_workers(view);
    const struct known *found =
        pid <= 0 || view->known == NULL
            ? NULL
            : bsearch(&wanted, view->known, view->known_count, sizeof(*view->known), by_pid);
    return found == NULL ? NULL : found->entry;
}

bool broker_view_answers(struct broker_view *view)
{
    return yyjson_is_arr(list_of(view, "workers"));
}

bool broker_view_knows(struct broker_view *view, pid_t pid)
{
    return worker_of(view, pid) != NULL;
}

int64_t broker_view_answered(struct broker_view *view, pid_t pid)
{
    return yyjson_get_sint(yyjson_obj_get(worker_of(view, pid), "answered"));
}
