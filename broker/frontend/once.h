/* once: the header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), and what the broker is told
 * of it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ONCE_H
#define OUTRIGGER_ONCE_H

#include "api.h"

enum { ONCE_KEY_MAX = 255 /* bytes of a key */ };

/* The key that a value of the header says: a String of RFC 8941 ("...", structured.h), or, as many clients
 * send it, the value as it is, which then has no blanks. Returns its length, 0 when it is none: a key has 1
 * to 255 printable characters of ASCII. */
size_t once_read_key(const char *value, char key[ONCE_KEY_MAX]);

/* The request has an Idempotency-Key and asks a model; its body was not parsed yet, which changes it. Makes
 * call->once, which api_call_end frees, unless idempotency.keys is 0. False: the header is wrong, and
 * `response` is complete. */
bool once_begin(const struct config *config, const struct http_request *request, struct api_call *call,
                struct http_response *response);
/* The model and version are known, too: sets call->ask.once. */
void once_fill(struct api_call *call);

#endif
