/* credential: X-API-Key, or Authorization: Bearer (RFC 6750 section 2.1), and nothing else.
 *
 * Web servers bring two headers of one name as two parameters, or as one with a comma between: neither a key
 * nor a token has a comma or a blank, so both are seen. A token in the query or in a form (sections 2.2, 2.3)
 * would end in logs and histories: it is refused whatever it is. SPDX-License-Identifier: MIT */
#include "credential.h"

#include "api_key.h"
#include "media.h"

#include <strings.h>

static struct credential malformed(const char *why)
{
    return (struct credential){.kind = CREDENTIAL_MALFORMED, .why = why};
}

/* ---- where none belongs ---- */

/* True when one of the fields, parted by &, is called like a credential. */
static bool has_field(struct text fields)
{
    static const char *const names[] = {"access_token=", "api_key="};
    for (size_t at = 0; at < fields.length;) {
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            size_t length = strlen(names[i]);
            if (fields.length - at >= length && memcmp(fields.at + at, names[i], length) == 0)
                return true;
        }
        const char *next = memchr(fields.at + at, '&', fields.length - at);
        if (next == NULL)
            return false;
        at = (size_t)(next - fields.at) + 1;
    }
    return false;
}

static bool form_has_field(const struct http_request *request)
{
    enum csv_header header;
    if (request->body_length == 0 || media_type(request->content_type, &header) != MEDIA_FORM)
        return false;
    return has_field((struct text){request->body, request->body_length});
}

/* ---- the headers ---- */

/* True for what can be one credential: visible characters, no comma. */
static bool is_one(struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.at[i] <= ' ' || text.at[i] > '~' || text.at[i] == ',')
            return false;
    return text.length > 0;
}

static struct credential of_key(const char *value)
{
    struct text text = text_of(value);
    if (!is_one(text))
        return malformed("X-API-Key takes one key");
    return (struct credential){.kind = CREDENTIAL_KEY, .text = text};
}

static bool is_bearer(const char *value)
{
    return strncasecmp(value, "Bearer", 6) == 0 && (value[6] == ' ' || value[6] == '\0');
}

static struct credential of_bearer(const char *value)
{
    struct text text = text_of(value + 6 + strspn(value + 6, " "));
    if (!is_one(text))
        return malformed("Authorization takes \"Bearer\" and one token");
    bool key = strncmp(text.at, API_KEY_PREFIX, sizeof API_KEY_PREFIX - 1) == 0;
    return (struct credential){.kind = key ? CREDENTIAL_KEY : CREDENTIAL_TOKEN, .text = text};
}

struct credential credential_read(const struct http_request *request, bool web_server)
{
    const char *authorization = request->authorization;
    unsigned count = request->credential_count;
    if ((request->query.length > 0 && has_field(request->query)) || form_has_field(request))
        return malformed("credentials are taken from headers alone, never from a query or a form");
    if (web_server && authorization != NULL && !is_bearer(authorization)) {
        authorization = NULL;
        count--;
    }
    if (count > 1 || (count == 1 && request->api_key == NULL && authorization == NULL))
        return malformed("there is more than one credential: X-API-Key or Authorization, once");
    if (request->api_key != NULL)
        return of_key(request->api_key);
    if (authorization != NULL && is_bearer(authorization))
        return of_bearer(authorization);
    if (authorization != NULL && strchr(authorization, ',') != NULL &&
        strcasestr(authorization, "bearer ") != NULL)
        return malformed("there is more than one credential: Authorization, once");
    return (struct credential){.kind = CREDENTIAL_NONE};
}
