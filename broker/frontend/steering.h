/* steering: what the route of a model makes of one request. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STEERING_H
#define OUTRIGGER_STEERING_H

#include "catalog.h"
#include "http.h"
#include "identity.h"

/* What a header did to the choice of the version. */
enum steered {
    STEERED_NOT,       /* nothing: the broker chooses */
    STEERED_BY_RULE,   /* a rule's version is asked for, as long as it can answer */
    STEERED_BY_CLIENT, /* the client named the version itself */
    STEERED_REFUSED,   /* the client named one and may not: its header is passed over, and no rule fitted */
    STEERED_BACK,      /* a rule's version could not answer */
    STEERED_COUNT
};
/* "rule", "client", "refused", "fallback"; "" for STEERED_NOT. */
const char *steered_label(enum steered steered);

/* The version that the headers of the request name, for one that names none in its path and body; empty: the
 * broker chooses. A view of the request or the model, which must have a route. */
struct text steering_version(const struct catalog_model *model, const struct http_request *request,
                             const struct identity *identity, enum steered *steered);

/* What is hashed for this request (empty: nothing), by the route: a view of `body_key`, or a text in `room`.
 */
enum { STEERING_KEY_ROOM = PROTOCOL_TEXT_MAX + 1 };
struct text steering_key(const struct route *route, const struct http_request *request,
                         const struct identity *identity, struct text body_key, char room[STEERING_KEY_ROOM]);

#endif
