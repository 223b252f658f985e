/* claims: what a token says, made into who somebody is. Pure. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CLAIMS_H
#define OUTRIGGER_CLAIMS_H

#include "identity.h"

#include <yyjson.h>

/* The parameters token.* of these names. */
struct claims_policy {
    const char *issuer;            /* "": not compared (introspection alone) */
    const char *audience;          /* likewise */
    const char *introspection_url; /* who says the names where there is no issuer */
    int64_t leeway_s;
    const char *scope_claim;  /* "": scope, else scp */
    const char *scope_prefix; /* before the names of rights */
    const char *models_claim; /* "": every model */
};

/* Checks iss, aud, exp, nbf and iat (RFC 7519 section 4.1) of a strict_json object at `now` (seconds since
 * 1970) and fills in the identity. `introspected`: it is an answer of RFC 7662, in which iss and exp may be
 * missing. False with a constant reason. */
bool claims_read(const struct claims_policy *policy, yyjson_val *claims, int64_t now, bool introspected,
                 struct identity *identity, const char **why);

#endif
