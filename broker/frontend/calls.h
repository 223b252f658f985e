/* calls: the calls of the API, and which of them a path and a method mean. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CALLS_H
#define OUTRIGGER_CALLS_H

#include "http.h"
#include "identity.h"

/* The calls of the API, and how counters name them. */
#define CALLS(X)                                                                                             \
    X(OTHER, "other") /* no such path, or the wrong method */                                                \
    X(PREDICT, "predict")                                                                                    \
    X(BATCH_PREDICT, "batch_predict")                                                                        \
    X(FEEDBACK, "feedback")                                                                                  \
    X(MODELS, "models")                                                                                      \
    X(MODEL, "model")                                                                                        \
    X(HEALTH, "health")                                                                                      \
    X(READY, "ready")                                                                                        \
    X(METRICS, "metrics")                                                                                    \
    X(DASHBOARD, "dashboard")           /* pages of the collector that hold no data */                       \
    X(DASHBOARD_DATA, "dashboard_data") /* and what they show */                                             \
    X(OPENAPI, "openapi")                                                                                    \
    X(DOCS, "docs")                                                                                          \
    X(V2_SERVER, "v2_server") /* from here on: the Open Inference Protocol (oip.c) */                        \
    X(V2_LIVE, "v2_live")                                                                                    \
    X(V2_READY, "v2_ready")                                                                                  \
    X(V2_MODELS, "v2_models")                                                                                \
    X(V2_MODEL, "v2_model")                                                                                  \
    X(V2_MODEL_READY, "v2_model_ready")                                                                      \
    X(V2_CONFIG, "v2_config")                                                                                \
    X(V2_STATISTICS, "v2_statistics")                                                                        \
    X(V2_INFER, "v2_infer")                                                                                  \
    X(V2_GENERATE, "v2_generate")                                                                            \
    X(V2_INDEX, "v2_index")                                                                                  \
    X(V2_LOAD, "v2_load")                                                                                    \
    X(V2_UNLOAD, "v2_unload")                                                                                \
    X(V2_NAMED_REPOSITORY, "v2_named_repository")                                                            \
    X(V2_TRACE, "v2_trace")                                                                                  \
    X(V2_LOGGING, "v2_logging")                                                                              \
    X(V2_MEMORY_STATUS, "v2_memory_status")                                                                  \
    X(V2_MEMORY_REGISTER, "v2_memory_register")                                                              \
    X(V2_MEMORY_UNREGISTER, "v2_memory_unregister")

enum call {
#define X(name, label) CALL_##name,
    CALLS(X)
#undef X
        CALL_COUNT
};

const char *call_label(enum call call);
/* Which right one needs for the call; RIGHT_NONE: it is everybody's. */
enum right call_right(enum call call);
/* True for those of the Open Inference Protocol. */
bool call_is_v2(enum call call);
/* True for those that ask a model. */
bool call_is_prediction(enum call call);

/* What was called. Texts are views of the request's path. */
struct called {
    enum call call;      /* CALL_OTHER: answer `status` */
    int status;          /* 200, 404 or 405 */
    const char *allow;   /* the methods of the path, for 405 */
    const char *pattern; /* of the path, with a * for each name in it; NULL: 404 */
    struct text model;   /* named in the path; empty: not named */
    struct text version; /* likewise */
};

/* Paths are taken literally: no trailing slash, no other case. */
struct called call_find(const struct http_request *request);

#endif
