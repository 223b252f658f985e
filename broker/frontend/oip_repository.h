/* oip_repository: the models on disk, in the words of the Open Inference Protocol: which there are, load one,
 * unload one. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OIP_REPOSITORY_H
#define OUTRIGGER_OIP_REPOSITORY_H

#include "predict.h"

/* The list of all versions of all models. */
void oip_repository_index(const struct config *config, struct api_lane *lane,
                          const struct http_request *request, const struct api_call *call,
                          struct http_response *response);
/* Loading (`load`) or unloading. True: call->task is to be sent. False: `response` is complete. */
bool oip_repository_order(const struct config *config, struct api_lane *lane,
                          const struct http_request *request, struct text model, struct api_call *call,
                          struct http_response *response);
/* The supervisor's answer to it (NULL: none came), at that time (monotonic nanoseconds); call->catalog is the
 * present one. True: call->task is to be sent again. False: `response` is complete. */
bool oip_repository_answer(struct api_call *call, yyjson_val *answer, int64_t now,
                           struct http_response *response);

#endif
