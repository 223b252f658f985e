/* ask: questions to a control socket in runtime_directory. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ASK_H
#define OUTRIGGER_ASK_H

#include "ctl.h"

#include <yyjson.h>

/* Asks RUNTIME/socket ("supervisor.sock") {"command": command} and waits up to timeout_ms. The answer, which
 * the caller frees with yyjson_doc_free, may be a refusal; NULL and errno when nobody answers. */
yyjson_doc *ask(const struct config *config, const char *socket, const char *command, int timeout_ms);

/* The same with a whole command line, a JSON object. */
yyjson_doc *ask_line(const struct config *config, const char *socket, const char *line, int timeout_ms);

/* NULL when the answer is no refusal, else its reason. */
const char *ask_refusal(yyjson_doc *answer);

/* The text that a member of an answer is; "" when it is none, or is not there. */
const char *ask_text(yyjson_val *object, const char *name);

/* True for the errno of a socket at which nobody listens. */
bool ask_nobody_there(int error);
/* Says that `what` ("nothing", "no supervisor") runs in the runtime directory, and how to name another.
 * Returns CTL_NOT_RUNNING. */
int ask_say_absent(const struct arguments *arguments, const struct config *config, const char *what);

/* ---- a question of which every answer but yes is the end of the command ---- */

/* A command line to be filled: {"command": command}. */
yyjson_mut_doc *ask_new(const char *command);
/* Adds "name": text, unless the text is NULL. The document keeps the pointer. */
void ask_add_text(yyjson_mut_doc *question, const char *name, const char *text);

/* Asks the supervisor and frees the question. NULL when nobody answers or it refuses: then that is said ("not
 * reloaded: the reason", with "not reloaded" in `refused`), and *status is the exit status. */
yyjson_doc *ask_supervisor(const struct arguments *arguments, const struct config *config,
                           yyjson_mut_doc *question, int timeout_ms, const char *refused, int *status);
/* The same of the broker, and of the collector. */
yyjson_doc *ask_broker(const struct arguments *arguments, const struct config *config,
                       yyjson_mut_doc *question, int timeout_ms, const char *refused, int *status);
yyjson_doc *ask_collector(const struct arguments *arguments, const struct config *config,
                          yyjson_mut_doc *question, int timeout_ms, const char *refused, int *status);
/* CTL_GOOD when a broker answers; else that is said, with what was `refused` therefore ("not sent"). */
int ask_whether_broker(const struct arguments *arguments, const struct config *config, const char *refused);

/* Sleeps a moment between two questions. */
void ask_pause(void);

#endif
