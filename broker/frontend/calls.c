/* calls: the table of the API's paths.
 *
 * One row is one path: a "*" stands for a name of a model or, the second one, of a version; "**" for all that
 * follows. Called by api.c once for each request. A name that could not be one (protocol_name_ok) makes the
 * path unknown, so no other file has to think of strange ones. SPDX-License-Identifier: MIT */
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
    {"/outrigger", CALL_DASHBOARD},
    {"/outrigger/api/**", CALL_DASHBOARD_DATA},
    {"/outrigger/**", CALL_DASHBOARD},
    {"/openapi.json", CALL_OPENAPI},
    {"/docs", CALL_DOCS},

    {"/v2", CALL_V2_SERVER},
    {"/v2/", CALL_V2_SERVER},
    {"/v2/health/live", CALL_V2_LIVE},
    {"/v2/health/ready", CALL_V2_READY},
    {"/v2/models", CALL_V2_MODELS},
    {"/v2/models/stats", CALL_V2_STATISTICS}, /* before a model of that name */
    {"/v2/models/*", CALL_V2_MODEL},
    {"/v2/models/*/versions/*", CALL_V2_MODEL},
    {"/v2/models/*/ready", CALL_V2_MODEL_READY},
    {"/v2/models/*/versions/*/ready", CALL_V2_MODEL_READY},
    {"/v2/models/*/config", CALL_V2_CONFIG},
    {"/v2/models/*/versions/*/config", CALL_V2_CONFIG},
    {"/v2/models/*/stats", CALL_V2_STATISTICS},
    {"/v2/models/*/versions/*/stats", CALL_V2_STATISTICS},
    {"/v2/models/*/infer", CALL_V2_INFER},
    {"/v2/models/*/versions/*/infer", CALL_V2_INFER},
    {"/v2/models/*/generate", CALL_V2_GENERATE},
    {"/v2/models/*/versions/*/generate", CALL_V2_GENERATE},
    {"/v2/models/*/generate_stream", CALL_V2_GENERATE},
    {"/v2/models/*/versions/*/generate_stream", CALL_V2_GENERATE},
    {"/v2/models/*/trace/setting", CALL_V2_TRACE},
    {"/v2/models/*/versions/*/trace/setting", CALL_V2_TRACE},
    {"/v2/trace/setting", CALL_V2_TRACE},
    {"/v2/logging", CALL_V2_LOGGING},
    {"/v2/repository/index", CALL_V2_INDEX},
    {"/v2/repository/models/*/load", CALL_V2_LOAD},
    {"/v2/repository/models/*/unload", CALL_V2_UNLOAD},
    {"/v2/repository/*/index", CALL_V2_NAMED_REPOSITORY},
    {"/v2/repository/*/models/*/load", CALL_V2_NAMED_REPOSITORY},
    {"/v2/repository/*/models/*/unload", CALL_V2_NAMED_REPOSITORY},
    {"/v2/systemsharedmemory/status", CALL_V2_MEMORY_STATUS},
    {"/v2/systemsharedmemory/region/*/status", CALL_V2_MEMORY_STATUS},
    {"/v2/systemsharedmemory/region/*/register", CALL_V2_MEMORY_REGISTER},
    {"/v2/systemsharedmemory/region/*/unregister", CALL_V2_MEMORY_UNREGISTER},
    {"/v2/systemsharedmemory/unregister", CALL_V2_MEMORY_UNREGISTER},
    {"/v2/cudasharedmemory/status", CALL_V2_MEMORY_STATUS},
    {"/v2/cudasharedmemory/region/*/status", CALL_V2_MEMORY_STATUS},
    {"/v2/cudasharedmemory/region/*/register", CALL_V2_MEMORY_REGISTER},
    {"/v2/cudasharedmemory/region/*/unregister", CALL_V2_MEMORY_UNREGISTER},
    {"/v2/cudasharedmemory/unregister", CALL_V2_MEMORY_UNREGISTER},
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
    case CALL_DOCS:      /* a page like any other; what it shows it asks for */
    case CALL_DASHBOARD: /* likewise, from the collector */
        return RIGHT_NONE;
    case CALL_METRICS:
    case CALL_DASHBOARD_DATA:
        return RIGHT_METRICS;
    case CALL_FEEDBACK:
        return RIGHT_FEEDBACK;
    case CALL_V2_LIVE:
    case CALL_V2_READY:
        return RIGHT_NONE;
    case CALL_V2_INDEX:
    case CALL_V2_LOAD:
    case CALL_V2_UNLOAD:
    case CALL_V2_NAMED_REPOSITORY:
    case CALL_V2_TRACE:
    case CALL_V2_LOGGING:
    case CALL_V2_MEMORY_STATUS:
    case CALL_V2_MEMORY_REGISTER:
    case CALL_V2_MEMORY_UNREGISTER:
        return RIGHT_ADMIN;
    default:
        return RIGHT_PREDICT;
    }
}

/* True when the path follows the pattern; `names` are then what stood for its stars. */
static bool matches(const char *path, const char *pattern, struct text names[NAMES_MAX])
{
    for (size_t count = 0; *pattern != '\0'; pattern++) {
        if (pattern[0] == '*' && pattern[1] == '*')
            return true;
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

bool call_is_v2(enum call call)
{
    return call >= CALL_V2_SERVER && call <= CALL_V2_MEMORY_UNREGISTER;
}

bool call_is_prediction(enum call call)
{
    return call == CALL_PREDICT || call == CALL_BATCH_PREDICT || call == CALL_V2_INFER;
}

/* The methods of a call, as the header Allow has them. */
static const char *methods(enum call call)
{
    switch (call) {
    case CALL_PREDICT:
    case CALL_BATCH_PREDICT:
    case CALL_FEEDBACK:
    case CALL_V2_INFER:
    case CALL_V2_GENERATE:
    case CALL_V2_INDEX:
    case CALL_V2_LOAD:
    case CALL_V2_UNLOAD:
    case CALL_V2_NAMED_REPOSITORY:
    case CALL_V2_MEMORY_REGISTER:
    case CALL_V2_MEMORY_UNREGISTER:
        return "POST";
    case CALL_V2_TRACE:
    case CALL_V2_LOGGING:
        return "GET, HEAD, POST";
    default:
        return "GET, HEAD";
    }
}

static bool takes(const char *allow, enum http_method method)
{
    bool reads = method == HTTP_GET || method == HTTP_HEAD;
    return (reads && allow[0] == 'G') || (method == HTTP_POST && strstr(allow, "POST") != NULL);
}

struct called call_find(const struct http_request *request)
{
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct text names[NAMES_MAX] = {{NULL, 0}, {NULL, 0}};
        if (!matches(request->path, paths[i].pattern, names))
            continue;
        const char *allow = methods(paths[i].call);
        bool allowed = takes(allow, request->method);
        return (struct called){
            .call = allowed ? paths[i].call : CALL_OTHER,
            .status = allowed ? 200 : 405,
            .allow = allow,
            .pattern = paths[i].pattern,
            .model = names[0],
            .version = names[1],
        };
    }
    return (struct called){.call = CALL_OTHER, .status = 404};
}
