/* steering: headers to versions and keys, by the route of the model.
 *
 * The broker makes the choice among shares, but does not see headers: so rules and the client's own choice
 * are settled here, and the version is then asked for by name. Called by predict.c in whatever thread has the
 * request, for models that have a route; all others never come here. SPDX-License-Identifier: MIT */
#include "steering.h"

#include <inttypes.h>
#include <stdio.h>

const char *steered_label(enum steered steered)
{
    static const char *const labels[] = {[STEERED_NOT] = "",
                                         [STEERED_BY_RULE] = "rule",
                                         [STEERED_BY_CLIENT] = "client",
                                         [STEERED_REFUSED] = "refused",
                                         [STEERED_BACK] = "fallback"};
    return labels[steered];
}

/* ---- the version ---- */

/* The route is never ahead of the versions: a version that is told as gone or failed, or of which nobody
 * knows yet what it takes, is not asked for. */
static bool can_answer(const struct catalog_version *version)
{
    return version != NULL && (version->state == CATALOG_READY || version->state == CATALOG_LOADING) &&
           version->schema != NULL;
}

static struct text by_rule(const struct catalog_model *model, const struct http_request *request,
                           enum steered *steered)
{
    for (size_t i = 0; i < model->route->rule_count; i++) {
        const struct route_rule *rule = &model->route->rules[i];
        const char *value = http_request_header(request, rule->header);
        if (value == NULL || strcmp(value, rule->value) != 0)
            continue;
        struct text version = text_of(rule->version);
        bool can = can_answer(catalog_version(model, version));
        *steered = can ? STEERED_BY_RULE : STEERED_BACK;
        return can ? version : (struct text){0};
    }
    return (struct text){0};
}

struct text steering_version(const struct catalog_model *model, const struct http_request *request,
                             const struct identity *identity, enum steered *steered)
{
    const struct route *route = model->route;
    *steered = STEERED_NOT;
    if (*route->force_header != '\0') {
        const char *version = http_request_header(request, route->force_header);
        bool named = version != NULL && *version != '\0';
        bool may = named && route_may_force(route, &identity->address);
        if (named)
            *steered = may ? STEERED_BY_CLIENT : STEERED_REFUSED;
        if (may)
            return text_of(version);
    }
    return by_rule(model, request, steered);
}

/* ---- the key ---- */

/* As it is where that is plain and short; else a hash, as what is hashed again must be a text of the wire. */
static struct text key_of(const char *value, char room[STEERING_KEY_ROOM])
{
    size_t length = strlen(value);
    bool plain = length <= PROTOCOL_TEXT_MAX;
    for (size_t i = 0; i < length && plain; i++)
        plain = value[i] >= ' ' && value[i] <= '~';
    if (plain)
        return text_of(text_copy((struct text){value, length}, room, STEERING_KEY_ROOM));
    snprintf(room, STEERING_KEY_ROOM, "%016" PRIx64, http_hash(value));
    return text_of(room);
}

struct text steering_key(const struct route *route, const struct http_request *request,
                         const struct identity *identity, struct text body_key, char room[STEERING_KEY_ROOM])
{
    char address[ADDRESS_TEXT_MAX];
    const char *value = NULL;
    switch (route->by) {
    case ROUTE_BY_RANDOM:
    case ROUTE_BY_KEY:
        return body_key;
    case ROUTE_BY_API_KEY: /* never the key itself */
        if (identity->tenant == 0)
            return (struct text){0};
        snprintf(room, STEERING_KEY_ROOM, "%016" PRIx64, identity->tenant);
        return text_of(room);
    case ROUTE_BY_ADDRESS:
        value = address_text(&identity->address, address);
        break;
    case ROUTE_BY_HEADER:
        value = http_request_header(request, route->by_header);
        break;
    }
    if (value == NULL)
        return (struct text){0};
    return key_of(value, room);
}
