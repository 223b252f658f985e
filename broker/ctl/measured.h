/* measured: a model file in a worker of its own, that answers rows and tells how long they take.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_MEASURED_H
#define OUTRIGGER_MEASURED_H

#include "config.h"
#include "schema.h"

enum { MEASURED_REASON_MAX = 1024 };

struct measured;

/* Starts `outrigger-worker --measure` with that file, as a version of the model (NULL: of none, and
 * nothing is known but what the file says). `keys`: one of them must
 * have signed its folder; "" for none. NULL, and `reason` says why: what the worker says of the file. */
struct measured *measured_new(const struct config *config, const struct model_config *model, const char *file,
                              const char *keys, char reason[MEASURED_REASON_MAX]);
/* Ends it. NULL is fine. */
void measured_free(struct measured *measured);

/* What it takes and gives. */
const struct schema *measured_schema(const struct measured *measured);
/* Asks for the rows of a tensors payload. The answer's payload is good until the next question. NULL, and
 * `reason` says why. */
const uint8_t *measured_ask(struct measured *measured, const uint8_t *payload, size_t bytes, size_t *length,
                            char reason[MEASURED_REASON_MAX]);
/* Asks again and again for so many milliseconds; the nanoseconds of a call, their median. -1, and `reason`
 * says why. */
int64_t measured_time(struct measured *measured, const uint8_t *payload, size_t bytes, uint32_t milliseconds,
                      char reason[MEASURED_REASON_MAX]);

#endif
