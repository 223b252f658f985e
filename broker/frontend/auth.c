/* auth: one decision for each request: who it is, and whether that may do what is asked.
 *
 *     auth.required off                                        go on; a key says whose limits hold
 *     call that is everybody's                                 go on, nobody is asked
 *     two credentials, or one in a query or a form             400 invalid_request
 *     nothing shown, and the web server has let nobody in      401
 *     no key or token of anybody, or not any more              401 invalid_token, or 429
 *     somebody without the right that the call needs           403 insufficient_scope
 *
 * (RFC 6750 section 3.) Why a credential is no good is told to nobody but the log: all causes have one
 * answer. A good one is never refused for the bad ones that came from the same address: behind one address
 * there may be many, and none of our keys can be guessed. Called by api.c in whatever thread has the request;
 * counted in the loop's. SPDX-License-Identifier: MIT */
#include "auth.h"

#include "api_key.h"
#include "clock.h"
#include "credential.h"
#include "failures.h"
#include "key_ring.h"
#include "log.h"
#include "problem.h"
#include "visitor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { AUTH_MAGIC = 0x0a07f001 };

#define REALM "Bearer realm=\"outrigger\""

struct auth {
    unsigned magic;
    struct auth_context context;
    struct key_uses *uses; /* NULL: it could not be opened */
    struct key_ring *ring;
    struct failures *failures; /* NULL: nobody is asked */
    struct address_list proxies;
    unsigned web_rights;
    char web_models[IDENTITY_MODELS_MAX + 1];
};

_Static_assert((int)IDENTITY_NAME_MAX >= (int)API_KEY_NAME_MAX, "a key's name fits an identity");
_Static_assert((int)IDENTITY_MODELS_MAX == (int)API_KEY_MODELS_MAX,
               "what a key's models fit, an identity does");

/* What one request is decided by. */
struct asking {
    struct auth *auth;
    const struct http_request *request;
    enum right right; /* that the call needs */
    struct identity *identity;
    struct http_response *response;
};

/* ---- life ---- */

/* Its parts were checked when it was read (config.c). */
static void read_config(struct auth *auth, const struct config *config)
{
    char word[ADDRESS_WORD_MAX];
    address_list_read(config->auth_trusted_proxies, &auth->proxies, word);
    rights_read(config->auth_web_server_scopes, &auth->web_rights, word);
    api_key_models_read(config->auth_web_server_models, auth->web_models, word);
}

static struct key_uses *open_uses(const struct config *config)
{
    char *path;
    ENSURE(asprintf(&path, "%s/key_uses.table", config->state_directory) >= 0);
    struct key_uses *uses = key_uses_open(path);
    if (uses == NULL)
        log_warning("%s: %s; when API keys are used is not kept", path, strerror(errno));
    free(path);
    return uses;
}

struct auth *auth_new(const struct auth_context *context)
{
    const struct config *config = context->config;
    struct auth *auth = object_alloc(sizeof *auth);
    char *path;
    auth->magic = AUTH_MAGIC;
    auth->context = *context;
    read_config(auth, config);
    auth->uses = open_uses(config);
    auth->ring = key_ring_new(config->auth_keys_file, auth->uses, context->loop, context->metrics);
    if (config->auth_required == 0) /* the supervisor has warned of that */
        return auth;
    ENSURE(asprintf(&path, "%s/failures.table", config->runtime_directory) >= 0);
    auth->failures = failures_new(path);
    free(path);
    return auth;
}

void auth_free(struct auth *auth)
{
    if (auth == NULL)
        return;
    CHECK_OBJECT(auth, AUTH_MAGIC);
    key_ring_free(auth->ring);
    key_uses_free(auth->uses);
    failures_free(auth->failures);
    address_list_free(&auth->proxies);
    auth->magic = 0;
    free(auth);
}

/* ---- what is said ---- */

static enum auth_next grant(const struct asking *asking, enum auth_outcome outcome)
{
    asking->identity->outcome = outcome;
    return AUTH_GRANTED;
}

static enum auth_next refuse(const struct asking *asking, enum auth_outcome outcome, const char *why)
{
    asking->identity->outcome = outcome;
    asking->identity->why = why;
    return AUTH_REFUSED;
}

static enum auth_next refuse_nobody(const struct asking *asking)
{
    problem_status(asking->response, 401,
                   "this needs an API key or a bearer token: X-API-Key, or Authorization: Bearer");
    http_response_add_header(asking->response, "WWW-Authenticate", REALM);
    return refuse(asking, AUTH_OUTCOME_MISSING, "nothing was shown");
}

static enum auth_next refuse_form(const struct asking *asking, const char *why)
{
    problem_status(asking->response, 400, "%s", why);
    http_response_add_header(asking->response, "WWW-Authenticate", REALM ", error=\"invalid_request\"");
    return refuse(asking, AUTH_OUTCOME_MALFORMED, why);
}

static enum auth_next refuse_right(const struct asking *asking)
{
    char value[96];
    const char *scope = right_text(asking->right);
    snprintf(value, sizeof value, REALM ", error=\"insufficient_scope\", scope=\"%s\"", scope);
    problem_status(asking->response, 403, "this needs the scope %s", scope);
    http_response_add_header(asking->response, "WWW-Authenticate", value);
    return refuse(asking, AUTH_OUTCOME_RIGHT, "the scope for this is missing");
}

static enum auth_next refuse_for_now(const struct asking *asking, uint64_t seconds, const char *why)
{
    static long long last;
    char address[ADDRESS_TEXT_MAX];
    if (log_allowed(&last, 10))
        log_warning("wrong credentials keep coming from %s",
                    address_text(&asking->identity->address, address));
    problem_status(asking->response, 429, "too many wrong credentials came from this address");
    asking->response->retry_after = seconds;
    return refuse(asking, AUTH_OUTCOME_TOO_MANY, why);
}

/* One answer for every cause. */
static enum auth_next refuse_bad(const struct asking *asking, const char *why)
{
    const struct auth *auth = asking->auth;
    uint64_t wait = failures_add(auth->failures, address_number(&asking->identity->address), clock_now(),
                                 auth->context.config->auth_max_failures_per_minute);
    if (wait > 0)
        return refuse_for_now(asking, wait, why);
    problem_status(asking->response, 401, "the credential is not, or no longer, valid");
    http_response_add_header(asking->response, "WWW-Authenticate", REALM ", error=\"invalid_token\"");
    return refuse(asking, AUTH_OUTCOME_INVALID, why);
}

/* Whether the token is good cannot be said: that is our trouble, not the client's. */
static enum auth_next refuse_unavailable(const struct asking *asking, const char *why)
{
    problem_status(asking->response, 503, "who issues these tokens does not answer at the moment");
    asking->response->retry_after = 1;
    return refuse(asking, AUTH_OUTCOME_UNAVAILABLE, why);
}

/* ---- who it is ---- */

static enum auth_next admit(const struct asking *asking)
{
    if ((asking->identity->rights & asking->right) == 0)
        return refuse_right(asking);
    return grant(asking, AUTH_OUTCOME_GRANTED);
}

static enum auth_next try_key(const struct asking *asking, struct text text)
{
    const char *why = key_ring_open(asking->auth->ring, text, clock_wall() / SECOND, asking->identity);
    return why == NULL ? admit(asking) : refuse_bad(asking, why);
}

/* What the other module may have filled in of an identity that is none is not to be seen. */
static void forget(struct identity *identity)
{
    struct address address = identity->address;
    *identity = (struct identity){.address = address};
}

static enum auth_next try_token(const struct asking *asking, struct text text)
{
    const struct auth_context *context = &asking->auth->context;
    struct identity *identity = asking->identity;
    const char *why = "there are no tokens here, only API keys";
    enum token_verdict verdict =
        context->check_token == NULL ? TOKEN_BAD : context->check_token(context->self, text, identity, &why);
    if (verdict == TOKEN_GOOD) {
        identity->kind = IDENTITY_TOKEN;
        return admit(asking);
    }
    forget(identity);
    if (verdict == TOKEN_BAD)
        return refuse_bad(asking, why);
    if (verdict == TOKEN_UNAVAILABLE)
        return refuse_unavailable(asking, why);
    identity->outcome = AUTH_OUTCOME_PENDING;
    return AUTH_PENDING;
}

static enum auth_next take_web_server(const struct asking *asking, struct text name)
{
    const struct auth *auth = asking->auth;
    struct identity *identity = asking->identity;
    identity->kind = IDENTITY_WEB_SERVER;
    identity->rights = auth->web_rights;
    identity_name(identity, "", name);
    memcpy(identity->models, auth->web_models, sizeof identity->models);
    return admit(asking);
}

/* Whoever shows the same text is one; and none who has a key, whatever text he thinks of: the hash of an id,
 * which is no secret, is that key's tenant. */
static uint64_t tenant_of_text(const struct http_request *request)
{
    const char *text = request->api_key != NULL ? request->api_key : request->authorization;
    return text == NULL ? 0 : identity_tenant("text that was shown", text_of(text));
}

/* Where nobody is asked whoever shows a key of ours is known by it all the same: for its limits, its turn in
 * the queue and the audit log, not for what it may do. Of another text no more is known than that those who
 * show the same are one. */
static enum auth_next take_anybody(const struct asking *asking)
{
    struct identity *identity = asking->identity;
    struct credential credential = {.kind = CREDENTIAL_NONE};
    if (asking->request->credential_count > 0)
        credential = credential_read(asking->request, false);
    if (credential.kind != CREDENTIAL_KEY ||
        key_ring_open(asking->auth->ring, credential.text, clock_wall() / SECOND, identity) != NULL)
        identity->tenant = tenant_of_text(asking->request);
    identity->rights = RIGHTS_ALL;
    *identity->models = '\0';
    return grant(asking, AUTH_OUTCOME_OPEN);
}

/* ---- the decision ---- */

static enum auth_next decide(const struct asking *asking)
{
    struct text name = visitor_name(asking->request, asking->auth->context.config);
    struct credential credential = credential_read(asking->request, name.length > 0);
    switch (credential.kind) {
    case CREDENTIAL_MALFORMED:
        return refuse_form(asking, credential.why);
    case CREDENTIAL_KEY:
        return try_key(asking, credential.text);
    case CREDENTIAL_TOKEN:
        return try_token(asking, credential.text);
    default:
        return name.length > 0 ? take_web_server(asking, name) : refuse_nobody(asking);
    }
}

enum auth_next auth_request(struct auth *auth, const struct http_request *request,
                            const struct called *called, struct identity *identity,
                            struct http_response *response)
{
    CHECK_OBJECT(auth, AUTH_MAGIC);
    struct asking asking = {auth, request, call_right(called->call), identity, response};
    if (auth->failures == NULL)
        return take_anybody(&asking);
    if (asking.right == RIGHT_NONE ||
        (asking.right == RIGHT_METRICS && visitor_is_local(request, &auth->proxies)))
        return grant(&asking, AUTH_OUTCOME_OPEN);
    return decide(&asking);
}

struct address auth_address(const struct auth *auth, const struct http_request *request)
{
    static const struct address_list nobody;
    return visitor_address(request, auth == NULL ? &nobody : &auth->proxies);
}

/* ---- what it may use ---- */

bool auth_may_use(const struct identity *identity, struct text model)
{
    return api_key_models_have(identity->models, model);
}

const struct catalog_model *auth_find_model(const struct catalog *catalog, const struct identity *identity,
                                            struct text name)
{
    const struct catalog_model *model = catalog_find(catalog, name);
    return model != NULL && auth_may_use(identity, text_of(model->name)) ? model : NULL;
}

/* ---- labels ---- */

const char *auth_outcome_label(enum auth_outcome outcome)
{
    static const char *const labels[] = {
#define X(name, label) [AUTH_OUTCOME_##name] = label,
        AUTH_OUTCOMES(X)
#undef X
    };
    return (size_t)outcome < COUNT_OF(labels) ? labels[outcome] : "";
}

const char *auth_kind_label(enum identity_kind kind)
{
    static const char *const labels[] = {[IDENTITY_NOBODY] = "nobody",
                                         [IDENTITY_KEY] = "key",
                                         [IDENTITY_TOKEN] = "token",
                                         [IDENTITY_WEB_SERVER] = "web_server"};
    return (size_t)kind < COUNT_OF(labels) ? labels[kind] : "";
}
