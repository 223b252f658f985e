/* jwk_algorithm: the algorithms of signatures by their names. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_JWK_ALGORITHM_H
#define OUTRIGGER_JWK_ALGORITHM_H

#include "object.h"

/* The algorithms of signatures (RFC 7518 section 3.1, RFC 8037), as bits. "none" is none of them. */
#define JWK_ALGORITHMS(X)                                                                                    \
    X(RS256, "RS256", 1)                                                                                     \
    X(PS256, "PS256", 2)                                                                                     \
    X(ES256, "ES256", 4)                                                                                     \
    X(EDDSA, "EdDSA", 8)                                                                                     \
    X(HS256, "HS256", 16)

enum jwk_algorithm {
#define X(name, text, bit) JWK_##name = bit,
    JWK_ALGORITHMS(X)
#undef X
        JWK_PUBLIC = JWK_RS256 | JWK_PS256 | JWK_ES256 | JWK_EDDSA /* those with a public key */
};
/* The algorithm of exactly that name; 0: unknown. */
unsigned jwk_algorithm(struct text name);
/* The names of the algorithms, with blanks between them; returns `names`. */
enum { JWK_ALGORITHM_NAMES_MAX = 40 };
char *jwk_algorithm_names(unsigned algorithms, char names[JWK_ALGORITHM_NAMES_MAX]);

#endif
