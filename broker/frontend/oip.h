/* oip: the Open Inference Protocol, version 2, over HTTP. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OIP_H
#define OUTRIGGER_OIP_H

#include "predict.h"

/* Handles a call of the protocol (call_is_v2). call->catalog is the caller's; NULL: it is not known yet. */
enum api_next oip_handle(const struct config *config, struct api_lane *lane,
                         const struct http_request *request, const struct called *called,
                         struct api_call *call, struct http_response *response);
/* What call->task asked was answered (NULL: it was not). True: it is to be sent again. False: `response` is
 * complete. */
bool oip_errand_done(struct api_call *call, yyjson_val *answer, int64_t now, struct http_response *response);

#endif
