/* stream_reply: what came of a row, as the value of an answer. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STREAM_REPLY_H
#define OUTRIGGER_STREAM_REPLY_H

#include "scorer.h"
#include "stream_job.h"

enum { STREAM_REPLY_MAX = 4096 /* bytes: two numbers and three names, each byte of which may need six */ };

/* Bytes that the answer has at most: STREAM_REPLY_MAX, and more where the prediction is a list. */
size_t stream_reply_room(const struct scored *row);

/* Writes {"prediction", "probability", "label", "model", "model_version"}, as POST /api/v1/predict has them,
 * as msgpack for messages of msgpack, as JSON for all others; members that there is nothing to say of are
 * left out. `bytes` has stream_reply_room. Returns the length. Only for a row without a failure. */
size_t stream_reply_write(enum stream_format format, const struct scored *row, const char *model,
                          char *bytes);

#endif
