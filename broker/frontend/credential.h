/* credential: what a request shows of who sends it. Pure: nothing is known yet of whether it is any good.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CREDENTIAL_H
#define OUTRIGGER_CREDENTIAL_H

#include "http.h"

enum credential_kind {
    CREDENTIAL_NONE,     /* nothing, or a scheme that is not ours */
    CREDENTIAL_KEY,      /* an API key, or what was shown as one */
    CREDENTIAL_TOKEN,    /* a bearer token that is none */
    CREDENTIAL_MALFORMED /* more than one, or where none belongs */
};

struct credential {
    enum credential_kind kind;
    struct text text; /* KEY, TOKEN: a view of the request's parameters */
    const char *why;  /* MALFORMED: a sentence for the client, constant */
};

/* `web_server` says that the web server has let somebody in and says whom: then an Authorization header that
 * is no bearer's is its own business, and not looked at. */
struct credential credential_read(const struct http_request *request, bool web_server);

#endif
