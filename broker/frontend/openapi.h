/* openapi: /openapi.json, the API as it is with the models that are loaded. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OPENAPI_H
#define OUTRIGGER_OPENAPI_H

#include "catalog.h"
#include "http.h"

enum {
    OPENAPI_MODELS_MAX = 4 << 20 /* bytes about models; those beyond are told of by the general paths alone */
};

/* Which models somebody may know of. */
struct openapi_view {
    const char *models; /* what tells views apart; "": all of them, and `may_use` is not asked */
    bool (*may_use)(const void *self, struct text model);
    const void *self;
};

/* The documents of the last catalog, each made when it is asked for the first time. */
struct openapi;
struct openapi *openapi_new(void);
void openapi_free(struct openapi *openapi);
/* Makes `response` (begun already) the document, or 304. Any thread. */
void openapi_answer(struct openapi *openapi, struct catalog *catalog, const struct openapi_view *view,
                    const struct http_request *request, struct http_response *response);
/* There is another catalog: gives up what was made of the one before. Any thread. */
void openapi_forget(struct openapi *openapi);

/* Writes the document: what openapi_answer keeps. */
void openapi_write(struct output *out, const struct catalog *catalog, const struct openapi_view *view);

#endif
