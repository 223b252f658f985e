/* introspection: asks the issuer of a token about it (RFC 7662). SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_INTROSPECTION_H
#define OUTRIGGER_INTROSPECTION_H

#include "claims.h"
#include "config.h"
#include "fetch.h"
#include "token_cache.h"

struct introspection;

/* token.introspection_*; the secret stays the caller's, and both it and the policy must live as long. */
struct introspection *introspection_new(const struct config *config, const struct claims_policy *policy,
                                        struct text secret, struct fetcher *fetcher);
void introspection_free(struct introspection *introspection);

/* As token_check; `digest` is the token's. Any thread. */
enum token_verdict introspection_check(struct introspection *introspection,
                                       const uint8_t digest[TOKEN_DIGEST_BYTES], struct text token,
                                       struct identity *identity, const char **why);

#endif
