/* oip_statistics: the broker's figures as the statistics of the Open Inference Protocol.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OIP_STATISTICS_H
#define OUTRIGGER_OIP_STATISTICS_H

#include "api.h"

#include <yyjson.h>

/* True: call->task is to be sent. False: `response` is complete. `model` and `version` may be empty. */
bool oip_statistics_ask(const struct config *config, struct text model, struct text version,
                        struct api_call *call, struct http_response *response);
/* Makes the response of the broker's answer (CONTROL.md section 4.2); NULL: it gave none. */
void oip_statistics_answer(const struct api_call *call, yyjson_val *answer, struct http_response *response);

#endif
