/* once: from a client's key and the request to two digests, by which the broker (repeating.c there) knows
 * what was sent before.
 *
 * The name: who asks, the model, the key. Who asks is the tenant with what it is called, so that nobody finds
 * the name of another by looking for one of the same hash; where authentication is off it is what the client
 * shows, if anything. What is asked: the call, the version if the client names one, the body byte for byte
 * (unpacked), and the headers that say how it is to be read. A version that a rule of the route chose is not
 * in it: the route may change between two of the same. Both are SHA-256, each text with its end told, so that
 * no two requests make one.
 *
 * Called by api.c and predict.c in whatever thread has the request. Requests without the header never come
 * here. SPDX-License-Identifier: MIT */
#include "once.h"

#include "problem.h"
#include "sha256.h"
#include "structured.h"

#include <stdlib.h>

_Static_assert(PROTOCOL_ONCE_BYTES == 2 * SHA256_BYTES, "a name and what is asked");

struct once {
    uint8_t name[SHA256_BYTES], asked[SHA256_BYTES]; /* as they go to the broker: one behind the other */
};

_Static_assert(sizeof(struct once) == PROTOCOL_ONCE_BYTES, "as it is sent");

/* ---- the header ---- */

static bool is_visible(char character)
{
    return character > 0x20 && character < 0x7f;
}

size_t once_read_key(const char *value, char key[ONCE_KEY_MAX])
{
    size_t length = 0;
    if (value[strspn(value, " ")] == '"')
        return structured_read_string(value, key, ONCE_KEY_MAX);
    for (; *value != '\0'; value++) {
        if (!is_visible(*value) || length == ONCE_KEY_MAX)
            return 0;
        key[length++] = *value;
    }
    return length;
}

/* ---- the digests ---- */

static void digest_name(const struct identity *identity, struct text key, uint8_t digest[SHA256_BYTES])
{
    bool known = identity->kind != IDENTITY_NOBODY;
    uint64_t who[] = {(uint64_t)identity->kind, identity->tenant};
    struct sha256_sum sum = sha256_begin();
    sha256_add_bytes(&sum, who, sizeof who);
    sha256_add_text(&sum, known ? text_of(identity->name) : (struct text){0});
    sha256_add_text(&sum, key);
    sha256_end(&sum, digest);
}

static void digest_body(const struct http_request *request, enum call call, uint8_t digest[SHA256_BYTES])
{
    const char *json_length = http_request_header(request, "Inference-Header-Content-Length");
    struct sha256_sum sum = sha256_begin();
    sha256_add_text(&sum, text_of(call_label(call)));
    sha256_add_text(&sum, request->content_type);
    sha256_add_text(&sum, text_of(json_length == NULL ? "" : json_length));
    sha256_add_text(&sum, (struct text){request->body, request->body_length});
    sha256_end(&sum, digest);
}

/* What is known later goes behind what is there. */
static void extend(uint8_t digest[SHA256_BYTES], struct text text)
{
    struct sha256_sum sum = sha256_begin();
    sha256_add_bytes(&sum, digest, SHA256_BYTES);
    sha256_add_text(&sum, text);
    sha256_end(&sum, digest);
}

bool once_begin(const struct config *config, const struct http_request *request, struct api_call *call,
                struct http_response *response)
{
    char key[ONCE_KEY_MAX];
    if (config->idempotency_keys == 0)
        return true;
    size_t length = request->idempotency_key_count == 1 ? once_read_key(request->idempotency_key, key) : 0;
    if (length == 0) {
        problem_status(response, 400,
                       "Idempotency-Key: expected one key of 1 to %d ASCII characters, in quotes, or without "
                       "and then no blanks",
                       ONCE_KEY_MAX);
        return false;
    }
    call->once = object_alloc(sizeof *call->once);
    digest_name(&call->identity, (struct text){key, length}, call->once->name);
    digest_body(request, call->call, call->once->asked);
    return true;
}

void once_fill(struct api_call *call)
{
    const struct text any = text_of(NULL);
    extend(call->once->name, call->ask.model);
    extend(call->once->asked, call->steered == STEERED_BY_RULE ? any : call->ask.version);
    call->ask.once = (struct text){(const char *)call->once, sizeof *call->once};
}
