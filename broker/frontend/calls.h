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
    X(OPENAPI, "openapi")                                                                                    \
    X(DOCS, "docs")

enum call {
#define X(name, label) CALL_##name,
    CALLS(X)
#undef X
        CALL_COUNT
};

const char *call_label(enum call call);
/* Which right one needs for the call; RIGHT_NONE: it is everybody's. */
enum right call_right(enum call call);

/* What was called. Texts are views of the request's path. */
struct called {
    enum call call;      /* CALL_OTHER: answer `status` */
    int status;          /* 200, 404 or 405 */
    const char *allow;   /* the methods of the path, for 405 */
    struct text model;   /* named in the path; empty: not named */
    struct text version; /* likewise */
};

/* Paths are taken literally: no trailing slash, no other case. */
struct called call_find(const struct http_request *request);

#endif
