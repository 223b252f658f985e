/* feedback: POST /api/v1/feedback: what turned out to be true of predictions. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FEEDBACK_H
#define OUTRIGGER_FEEDBACK_H

#include "http.h"
#include "identity.h"
#include "predictions.h"

/* Reads the body and writes down what it says, and of which models `identity` may say it; the response is
 * complete then: 202 {"status", "accepted"}, 400 with every fault, 404 when predictions are not kept
 * (`predictions` NULL), 415, 503 when the disk does not take it. Any thread. */
void feedback(struct predictions *predictions, const struct identity *identity,
              const struct http_request *request, struct http_response *response);

#endif
