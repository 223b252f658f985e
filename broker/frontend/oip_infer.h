/* oip_infer: an inference request of the Open Inference Protocol, from the HTTP request to what is asked of
 * the broker, and from its answer to the response. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OIP_INFER_H
#define OUTRIGGER_OIP_INFER_H

#include "predict.h"

/* True: `call` is ready to be asked (its catalog was set by the caller). False: `response` is complete. */
bool oip_infer(const struct config *config, struct api_lane *lane, const struct http_request *request,
               const struct called *called, struct api_call *call, struct http_response *response);
/* Makes the response of an answer with success; `schema`: of the version that gave it. NULL, or what is wrong
 * with it (a constant). */
const char *oip_infer_answer(const struct api_call *call, const struct client_answer *answer,
                             const struct schema *schema, struct http_response *response);
/* The same of an answer that is a failure, in the words that clients of this protocol look for. */
void oip_infer_failure(const struct api_call *call, const struct client_answer *answer,
                       struct http_response *response);

#endif
