/* jwk_algorithm: see jwk_algorithm.h. Apart from jwk.c, so that programs that only read the configuration are
 * not linked to what verifies signatures. SPDX-License-Identifier: MIT */
#include "jwk_algorithm.h"

#include <stdio.h>

static const struct {
    const char *name;
    unsigned bit;
} algorithms_known[] = {
#define X(name, text, bit) {text, bit},
    JWK_ALGORITHMS(X)
#undef X
};

unsigned jwk_algorithm(struct text name)
{
    for (size_t i = 0; i < COUNT_OF(algorithms_known); i++)
        if (text_is(name, algorithms_known[i].name))
            return algorithms_known[i].bit;
    return 0;
}

char *jwk_algorithm_names(unsigned algorithms, char names[JWK_ALGORITHM_NAMES_MAX])
{
    size_t length = 0;
    *names = '\0';
    for (size_t i = 0; i < COUNT_OF(algorithms_known); i++)
        if ((algorithms & algorithms_known[i].bit) != 0)
            length += (size_t)snprintf(names + length, JWK_ALGORITHM_NAMES_MAX - length, "%s%s",
                                       length > 0 ? " " : "", algorithms_known[i].name);
    return names;
}
