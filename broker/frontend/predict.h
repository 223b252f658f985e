/* predict: from the request of a prediction to what is asked of the broker. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PREDICT_H
#define OUTRIGGER_PREDICT_H

#include "api.h"
#include "csv_rows.h"
#include "decode.h"
#include "form.h"
#include "oip_tensors.h"
#include "rows.h"

/* What one thread works in (api.h). */
struct api_lane {
    unsigned magic;
    struct decoder *decoder;
    struct decode_body body;
    struct rows rows;      /* of a body of JSON */
    struct csv_rows table; /* of one of CSV */
    struct form form;
    struct oip_request oip; /* an inference request of the Open Inference Protocol */
    struct oip_tensors tensors;
    struct problem_faults faults;
};

/* True: `call` is ready to be asked (its catalog was set by the caller). False: `response` is complete. */
bool predict(const struct config *config, struct api_lane *lane, const struct http_request *request,
             const struct called *called, struct api_call *call, struct http_response *response);

/* ---- what a request of the Open Inference Protocol shares (oip_infer.c) ---- */

/* A version of the model cannot take requests: 503. `why`: to the Open Inference Protocol, the version. */
void predict_not_ready(struct http_response *response, const char *model, const char *why);
/* Finds call->model and call->version, with what a route's headers say; false: `response` is complete. */
bool predict_find(const struct config *config, const struct http_request *request, struct api_call *call,
                  struct text model, struct text version, struct http_response *response);
/* Fills in call->ask. `key` (empty: none) is what the client gave for routing; `wanted`: nanoseconds that it
 * would wait, 0: not said. */
void predict_fill_ask(const struct config *config, const struct http_request *request, struct api_call *call,
                      struct text key, int64_t wanted, uint32_t rows);

#endif
