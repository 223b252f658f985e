/* identity: who sends a request, and what it may do. What authentication finds out and everything behind it
 * asks: routing, limits, counters, the audit log. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_IDENTITY_H
#define OUTRIGGER_IDENTITY_H

#include "object.h"

enum {
    IDENTITY_NAME_MAX = 128,  /* bytes; longer names are cut */
    IDENTITY_MODELS_MAX = 512 /* bytes of the models that one may use */
};

/* What one may do; the names are those of scopes, of keys and of tokens alike. */
#define RIGHTS(X)                                                                                            \
    X(PREDICT, "predict", 1)                                                                                 \
    X(FEEDBACK, "feedback", 2)                                                                               \
    X(METRICS, "metrics", 4)                                                                                 \
    X(ADMIN, "admin", 8)

enum right {
    RIGHT_NONE = 0, /* everybody may */
#define X(name, text, bit) RIGHT_##name = bit,
    RIGHTS(X)
#undef X
        RIGHTS_ALL = 15
};

enum identity_kind {
    IDENTITY_NOBODY,    /* nobody was asked, or none was shown */
    IDENTITY_KEY,       /* an API key */
    IDENTITY_TOKEN,     /* a bearer token: JWT, or one that was introspected */
    IDENTITY_WEB_SERVER /* the web server says who it is */
};

struct identity {
    enum identity_kind kind;
    unsigned rights;                      /* enum right's, added */
    uint64_t tenant;                      /* whose turn it is in the queue and in limits; 0: nobody known */
    int64_t expires_at;                   /* seconds since 1970; 0: does not */
    char name[IDENTITY_NAME_MAX + 1];     /* for people, logs and the audit log; never a secret */
    char models[IDENTITY_MODELS_MAX + 1]; /* names, separated by blanks, "prefix*" too; "": all */
};

/* What a bearer token is worth. UNAVAILABLE: who would have to be asked does not answer. */
enum token_verdict { TOKEN_GOOD, TOKEN_BAD, TOKEN_PENDING, TOKEN_UNAVAILABLE };
/* Asks; any thread. TOKEN_GOOD: `identity` is filled in. Otherwise `*why` is a constant, for the log and the
 * audit log, never for the client. */
typedef enum token_verdict token_check(void *self, struct text token, struct identity *identity,
                                       const char **why);

#endif
