/* control: commands between our processes, and from the operator, over a Unix socket of its own that is
 * checked by uid. One JSON object a line each way. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CONTROL_H
#define OUTRIGGER_CONTROL_H

#include "loop.h"

#include <yyjson.h>

struct control;

/* Handles one command: {"command": "...", ...}. Fills the root object of `reply`, which is {"ok": true} to
 * begin with (control_refuse turns it into a refusal). */
typedef void control_command(void *self, yyjson_val *request, yyjson_mut_doc *reply);

/* Listens at `path` (mode 0600, an old socket file is replaced; the caller holds the process's lock). Peers
 * whose uid is neither root's nor our own are refused. Lines over 64 KiB and more than 64 peers are refused.
 * NULL with errno. */
struct control *control_listen(struct loop *loop, const char *path, control_command *command, void *self);
void control_free(struct control *control);
/* The uid of the peer whose command is being handled; -1 while none is. */
int64_t control_uid(const struct control *control);
/* Makes the reply {"ok": false, "error": text}. */
void control_refuse(yyjson_mut_doc *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The asking side, blocking, for the command and for tests: sends the line (a JSON object without newline)
 * and waits up to timeout_ms for the answer, which the caller frees with yyjson_doc_free. NULL with errno. */
yyjson_doc *control_call(const char *path, const char *line, int timeout_ms);
/* Sends the line and does not wait for the answer: never blocks. 0, or -1 with errno when nobody listens. */
int control_tell(const char *path, const char *line);

#endif
