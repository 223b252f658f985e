/* access: a line in the log for a request, with what it was and how long each part took.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ACCESS_H
#define OUTRIGGER_ACCESS_H

#include "api.h"

enum { ACCESS_FAILED_A_SECOND = 20 /* lines of failed requests; under a flood of those the first say all */ };

struct access;

struct access *access_new(const struct config *config, struct metrics *metrics);
/* NULL is fine. */
void access_free(struct access *access);
/* The call is answered: writes its line, if it failed by no fault of who asked, or its lot says so. The
 * loop's thread. */
void access_end(struct access *access, const struct api_call *call, const struct http_response *response);

#endif
