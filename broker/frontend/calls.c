/* calls: the table of the API's paths.
 *
 * One row is one path: a "*" stands for a name of a model or, the second one, of a version. Called by api.c
 * once for each request. A name that could not be one (protocol_name_ok) makes the path unknown, so no other
 * file has to think of strange ones. SPDX-License-Identifier: MIT */
#include "calls.h"

#include "protocol.h"

enum { NAMES_MAX = 2 /* stars of a path */ };

static const struct {
    const char *pattern;
    enum call call;
} paths[] = {
    {"/api/v1/predict", CALL_PREDICT},
    {"/api/v1/batch-predict", CALL_BATCH_PREDICT},
    {"/api/v1/models/*/predict", CALL_PREDICT},
    {"/api/v1/models/*/batch-predict", CALL_BATCH_PREDICT},
    {"/api/v1/models/*/versions/*/predict", CALL_PREDICT},
    {"/api/v1/models/*/versions/*/batch-predict", CALL_BATCH_PREDICT},
    {"/api/v1/feedback", CALL_FEEDBACK},
    {"/api/v1/models", CALL_MODELS},
    {"/api/v1/models/*", CALL_MODEL},
    {"/health", CALL_HEALTH},
    {"/ready", CALL_READY},
    {"/metrics", CALL_METRICS},
    {"/openapi.json", CALL_OPENAPI},
    {"/docs", CALL_DOCS},
};

const char *call_label(enum call call)
{
    static const char *const labels[] = {
#define X(name, label) [CALL_##name] = label,
        CALLS(X)
#undef X
    };
    return (size_t)call < COUNT_OF(labels) ? labels[call] : "other";
}

enum right call_right(enum call call)
{
    switch (call) {
    case CALL_OTHER: /* that there is nothing is no secret */
    case CALL_HEALTH:
    case CALL_READY:
    case CALL_DOCS: /* a page like any other; what it shows it asks for */
        return RIGHT_NONE;
    case CALL_METRICS:
        return RIGHT_METRICS;
    case CALL_FEEDBACK:
        return RIGHT_FEEDBACK;
    default:
        return RIGHT_PREDICT;
    }
}

/* True when the path follows the pattern; `names` are then what stood for its stars. */
static bool matches(const char *path, const char *pattern, struct text names[NAMES_MAX])
{
    for (size_t count = 0; *pattern != '\0'; pattern++) {
        if (*pattern == '*') {
            names[count] = (struct text){path, strcspn(path, "/")};
            if (!protocol_name_ok(names[count]))
                return false;
            path += names[count++].length;
        } else if (*path++ != *pattern) {
            return false;
        }
    }
    return *path == '\0';
}

static bool takes_body(enum call call)
{
    return call == CALL_PREDICT || call == CALL_BATCH_PREDICT || call == CALL_FEEDBACK;
}

struct called call_find(const struct http_request *request)
{
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct text names[NAMES_MAX] = {{NULL, 0}, {NULL, 0}};
        if (!matches(request->path, paths[i].pattern, names))
            continue;
        bool allowed = takes_body(paths[i].call)
                           ? request->method == HTTP_POST
                           : request->method == HTTP_GET || request->method == HTTP_HEAD;
        return (struct called){
            .call = allowed ? paths[i].call : CALL_OTHER,
            .status = allowed ? 200 : 405,
            .allow = takes_body(paths[i].call) ? "POST" : "GET, HEAD",
            .model = names[0],
            .version = names[1],
        };
    }
    return (struct called){.call = CALL_OTHER, .status = 404};
}
