/* etag: the content's own SHA-256, cut to 128 bits, is its tag: nothing is to be counted or kept, and all
 * frontends say the same. Called by docs.c and openapi.c. SPDX-License-Identifier: MIT */
#include "etag.h"

#include <openssl/sha.h>
#include <stdio.h>

enum { TAG_BYTES = 16 };

void etag_make(struct text content, char etag[ETAG_MAX])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)content.at, content.length, digest);
    etag[0] = '"';
    for (size_t i = 0; i < TAG_BYTES; i++)
        snprintf(etag + 1 + 2 * i, 3, "%02x", digest[i]);
    strcpy(etag + 1 + 2 * TAG_BYTES, "\"");
}

bool etag_matches(const char *if_none_match, const char *etag)
{
    size_t length = strlen(etag);
    const char *at = if_none_match + strspn(if_none_match, " \t");
    if (*at == '*')
        return true;
    while (*at != '\0') {
        at += strspn(at, ", \t");
        if (strncmp(at, "W/", 2) == 0)
            at += 2;
        if (strncmp(at, etag, length) == 0)
            return true;
        const char *end =
            *at == '"' ? strchr(at + 1, '"') : NULL; /* commas inside the quotes are the tag's */
        at = end == NULL ? at + strcspn(at, ",") : end + 1;
    }
    return false;
}

void etag_answer(const struct http_request *request, struct http_response *response, const char *etag,
                 struct text content)
{
    const char *known = http_request_header(request, "If-None-Match");
    response->cache_control = "no-cache";
    http_response_add_header(response, "ETag", etag);
    if (known != NULL && etag_matches(known, etag))
        response->status = 304;
    else
        output_add(&response->body, content.at, content.length);
}
