/* triton: our sums under the names that Triton Inference Server has for them, for dashboards that exist.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TRITON_H
#define OUTRIGGER_TRITON_H

#include "registry.h"

#include <stdio.h>

/* Writes nv_inference_*; `open`: as OpenMetrics. */
void triton_write(FILE *out, const struct registry *registry, bool open);

#endif
