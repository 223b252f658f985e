/* onnx_options: how ONNX Runtime is to compute a model. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ONNX_OPTIONS_H
#define OUTRIGGER_ONNX_OPTIONS_H

#include "backend.h"

#include <onnxruntime_c_api.h>
#include <stdbool.h>

/* Sets what model.conf says in its section onnx (model_parameters.def), and otherwise what is there by
 * default. False when the engine cannot do that; `error` (BACKEND_ERROR_MAX bytes) then says what it can. */
bool onnx_options_set(const OrtApi *api, OrtSessionOptions *settings, const struct backend_options *options,
                      char *error);

/* True when the engine refused; `error` then holds its words on one line. */
bool onnx_refused(const OrtApi *api, OrtStatus *status, char *error);

#endif
