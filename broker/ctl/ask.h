/* ask: one question to a control socket in runtime_directory. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ASK_H
#define OUTRIGGER_ASK_H

#include "config.h"

#include <yyjson.h>

/* Asks RUNTIME/socket ("supervisor.sock") {"command": command} and waits up to timeout_ms. The answer, which
 * the caller frees with yyjson_doc_free, may be a refusal; NULL and errno when nobody answers. */
yyjson_doc *ask(const struct config *config, const char *socket, const char *command, int timeout_ms);

/* The same with a whole command line, a JSON object. */
yyjson_doc *ask_line(const struct config *config, const char *socket, const char *line, int timeout_ms);

/* NULL when the answer is no refusal, else its reason. */
const char *ask_refusal(yyjson_doc *answer);

/* True for the errno of a socket at which nobody listens. */
bool ask_nobody_there(int error);
/* Says that `what` ("nothing", "no supervisor") runs in the runtime directory, and how to name another. */
void ask_say_absent(const struct config *config, const char *what);

/* Sleeps a moment between two questions. */
void ask_pause(void);

#endif
