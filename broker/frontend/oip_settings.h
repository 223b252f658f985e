/* oip_settings: trace and log settings, and shared memory, in the words of the Open Inference Protocol.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OIP_SETTINGS_H
#define OUTRIGGER_OIP_SETTINGS_H

#include "predict.h"

/* Tells the settings; a POST that would change one is refused. */
void oip_settings_trace(const struct config *config, struct api_lane *lane,
                        const struct http_request *request, struct http_response *response);
void oip_settings_logging(const struct config *config, struct api_lane *lane,
                          const struct http_request *request, struct http_response *response);
/* There is none, and none can be had. `region` is empty where none is named. */
void oip_settings_memory(enum call call, struct text region, struct http_response *response);

#endif
