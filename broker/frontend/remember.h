/* remember: predictions that were answered are written down, for feedback to be joined with them.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REMEMBER_H
#define OUTRIGGER_REMEMBER_H

#include "answer.h"
#include "predictions.h"
#include "roles.h"

enum { REMEMBER_ROWS_MAX = 1024 /* of one answer; no truth of further rows is taken */ };

/* `answer` gives `rows` predictions, made of these outputs. Any thread. What the disk does not take is lost.
 */
void remember_answer(const struct answer *answer, const struct roles *roles, size_t rows);
/* The same from the payload of an answer that somebody else has written; one that makes no prediction is
 * passed over. */
void remember_payload(const struct answer *answer, const uint8_t *payload, size_t bytes);

#endif
