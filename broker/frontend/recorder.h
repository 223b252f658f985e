/* recorder: the flight recorder of a frontend: what its last requests were and what became of them
 * (common/flight.h). SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_RECORDER_H
#define OUTRIGGER_RECORDER_H

#include "config.h"
#include "http.h"

struct api_call;
struct recorder;

/* What a call keeps of its request for its entry. Zeroed = nothing. */
struct recorder_note {
    bool hashed;
    uint32_t payload_length;
    uint64_t hash, payload_at, payload_hash;
};

/* NULL when the configuration wants none, or after a complaint. Before the sandbox, which the file need not
 * be in. */
struct recorder *recorder_new(const struct config *config, const char *name);
void recorder_free(struct recorder *recorder); /* NULL is fine, here and below */

/* The body of a prediction is there, unpacked. Any thread. */
void recorder_body(const struct recorder *recorder, const struct http_request *request,
                   struct recorder_note *note);
/* These tensors are about to be sent. The loop's thread. */
void recorder_asks(struct recorder *recorder, const uint8_t *payload, size_t bytes,
                   struct recorder_note *note);
/* The call is answered, or given up: a prediction gets an entry, as does what else failed (5xx). The loop's
 * thread. */
void recorder_end(struct recorder *recorder, const struct api_call *call,
                  const struct http_response *response);

#endif
