/* predict: from the request of a prediction to what is asked of the broker. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PREDICT_H
#define OUTRIGGER_PREDICT_H

#include "api.h"
#include "csv_rows.h"
#include "decode.h"
#include "form.h"
#include "rows.h"

/* What one thread works in (api.h). */
struct api_lane {
    unsigned magic;
    struct decoder *decoder;
    struct decode_body body;
    struct rows rows;      /* of a body of JSON */
    struct csv_rows table; /* of one of CSV */
    struct form form;
    struct problem_faults faults;
};

/* True: `call` is ready to be asked (its catalog was set by the caller). False: `response` is complete. */
bool predict(const struct config *config, struct api_lane *lane, const struct http_request *request,
             const struct called *called, struct api_call *call, struct http_response *response);

#endif
