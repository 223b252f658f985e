/* auth: who is asking, and what it may do. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_AUTH_H
#define OUTRIGGER_AUTH_H

#include "calls.h"
#include "catalog.h"
#include "config.h"
#include "identity.h"
#include "loop.h"
#include "metrics.h"

struct auth;

/* What it points to must live as long as the auth. */
struct auth_context {
    const struct config *config;
    struct loop *loop;        /* reads the keys again after each change, within a second; NULL: never */
    struct metrics *metrics;  /* NULL: nothing is counted */
    token_check *check_token; /* asked of bearer tokens that are no API keys; NULL: there are no others */
    void *self;               /* its first argument */
};
/* Reads the keys. What is wrong with them is logged: then nobody has one. Never NULL. */
struct auth *auth_new(const struct auth_context *context);
void auth_free(struct auth *auth);

enum auth_next {
    AUTH_GRANTED, /* go on; `identity` says as whom */
    AUTH_REFUSED, /* `response`, begun already, is complete: 400, 401, 403 or 429 */
    AUTH_PENDING  /* the token module will tell; ask again then, with the same request */
};
/* Who sends the request, and whether it may make that call (of which it asks call_right). `identity`, whose
 * address is known already (auth_address), is filled in whatever comes of it. Any thread. */
enum auth_next auth_request(struct auth *auth, const struct http_request *request,
                            const struct called *called, struct identity *identity,
                            struct http_response *response);

/* Where the request comes from (visitor.h); `auth` NULL: no proxy is trusted. Any thread. */
struct address auth_address(const struct auth *auth, const struct http_request *request);

/* Whether it may use that model. When not, answer exactly as for a model that does not exist. */
bool auth_may_use(const struct identity *identity, struct text model);

/* catalog_find for somebody: NULL, too, for a model that it may not use. */
const struct catalog_model *auth_find_model(const struct catalog *catalog, const struct identity *identity,
                                            struct text name);

/* "granted", "missing", ...; "nobody", "key", ... */
const char *auth_outcome_label(enum auth_outcome outcome);
const char *auth_kind_label(enum identity_kind kind);

#endif
