/* measuring: a model answers, and is timed, for `outrigger optimize`: by the engine that will serve it, in
 * the sandbox that it will be served in, and with nobody in between.
 *
 * Frames (common/frame.h) that are asked, and what each is answered with:
 *     (nothing)                       'S' the schema as READY has it; the first frame of all
 *     'A' a tensors payload           'A' the answer's tensors payload
 *     'T' u32 milliseconds, payload   'T' u64 nanoseconds: the median of the calls made in that time
 * or 'F' and a text, when the model fails. Numbers are little-endian. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_MEASURING_H
#define OUTRIGGER_MEASURING_H

#include "trial.h"

/* Loads what is to be tried, and answers what comes on standard input, a socket, until it ends. Golden
 * requests are not asked: an optimised model may answer them otherwise. An exit status; what was wrong is
 * printed. */
int measuring_run(struct trial *trial);
/* Has the engine write the graph of a model in ONNX as it has optimised it, but for what only this machine's
 * processor could compute. An exit status; what was wrong is printed. */
int measuring_write_graph(const char *path, const char *output);

#endif
