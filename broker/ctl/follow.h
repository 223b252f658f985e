/* follow: what the supervisor does over a while, told as it goes. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FOLLOW_H
#define OUTRIGGER_FOLLOW_H

#include "ask.h"

/* Follows the work that the supervisor began, as its answer says ("id"), to its end: prints each line as it
 * comes and then `done` ("restarted"); with --json one object {"ok", "lines", "error"?} at the end. With
 * --wait at most that long: the supervisor goes on all the same. Returns an exit status: CTL_FAULT when it
 * was given up or the time is over. */
int follow(const struct arguments *arguments, const struct config *config, yyjson_doc *answer,
           const char *done);
/* Asks for that work, and follows it; `question` is freed. `refused` says what is not done where the
 * supervisor refuses ("not restarted"), who may read the repository before it answers. */
int follow_question(const struct arguments *arguments, const struct config *config, yyjson_mut_doc *question,
                    const char *refused, const char *done);

#endif
