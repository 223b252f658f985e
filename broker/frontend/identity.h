/* identity: who sends a request, and what it may do. What authentication finds out and everything behind it
 * asks: routing, limits, counters, the audit log. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_IDENTITY_H
#define OUTRIGGER_IDENTITY_H

#include "address.h"
#include "api_key.h"
#include "rights.h"

enum {
    IDENTITY_NAME_MAX = 128,  /* bytes; of longer names a digest (identity_name) */
    IDENTITY_MODELS_MAX = 512 /* bytes of the models that one may use */
};

enum identity_kind {
    IDENTITY_NOBODY,    /* nobody was asked, or none was shown */
    IDENTITY_KEY,       /* an API key */
    IDENTITY_TOKEN,     /* a bearer token: JWT, or one that was introspected */
    IDENTITY_WEB_SERVER /* the web server says who it is */
};

/* What came of asking, as counters name it. */
#define AUTH_OUTCOMES(X)                                                                                     \
    X(OPEN, "open") /* nobody was asked: the call is everybody's, or auth.required is off */                 \
    X(GRANTED, "granted")                                                                                    \
    X(MISSING, "missing")         /* nothing was shown */                                                    \
    X(MALFORMED, "malformed")     /* two credentials, or one where none belongs */                           \
    X(INVALID, "invalid")         /* what was shown is nobody's, or not any more */                          \
    X(RIGHT, "right")             /* somebody, who may not do this */                                        \
    X(TOO_MANY, "too_many")       /* one wrong credential too many from this address */                      \
    X(PENDING, "pending")         /* somebody else is being asked */                                         \
    X(UNAVAILABLE, "unavailable") /* who would have to be asked does not answer */

enum auth_outcome {
#define X(name, label) AUTH_OUTCOME_##name,
    AUTH_OUTCOMES(X)
#undef X
        AUTH_OUTCOME_COUNT
};

struct identity {
    enum identity_kind kind;
    enum auth_outcome outcome;
    unsigned rights;                      /* enum right's, added */
    uint64_t tenant;                      /* whose turn it is in the queue and in limits; 0: nobody known */
    int64_t expires_at;                   /* seconds since 1970; 0: does not */
    char key[API_KEY_ID + 1];             /* the id of an API key, which is no secret; "": it is none */
    char name[IDENTITY_NAME_MAX + 1];     /* for people, logs and the audit log; never a secret */
    char models[IDENTITY_MODELS_MAX + 1]; /* names, separated by blanks, "prefix*" too; "": all */
    const char *why; /* constant: why nobody was let in, for log and audit, never for the client; NULL */
    struct address address; /* the client's, behind proxies that are trusted */
};

/* Fills in `tenant` and `name`: the same for whomever `said_by` (the issuer of a token; "": the web server)
 * calls so, and for nobody else. A name is shown as it is where that can be done; one that is too long, holds
 * control characters or is no UTF-8 is shown as what can be read of it, "~" and 32 digits of its SHA-256. */
void identity_name(struct identity *identity, const char *said_by, struct text name);

/* The `tenant` alone. */
uint64_t identity_tenant(const char *said_by, struct text name);

/* What a bearer token is worth. UNAVAILABLE: who would have to be asked does not answer. */
enum token_verdict { TOKEN_GOOD, TOKEN_BAD, TOKEN_PENDING, TOKEN_UNAVAILABLE };
/* Asks; any thread. TOKEN_GOOD: `identity` is filled in. Otherwise `*why` is a constant, for the log and the
 * audit log, never for the client. */
typedef enum token_verdict token_check(void *self, struct text token, struct identity *identity,
                                       const char **why);

#endif
