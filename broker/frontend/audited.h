/* audited: the lines that a frontend writes to the audit log: who asked for what, whether that was let in,
 * and what came of it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_AUDITED_H
#define OUTRIGGER_AUDITED_H

#include "config.h"
#include "http.h"

struct api_call;
struct audit_log;
struct audited_sample; /* what is kept of a body until its line is written */

/* What a call keeps of its request for its line. Zeroed = nothing. */
struct audited_note {
    uint64_t bytes;                /* of the body */
    struct audited_sample *sample; /* NULL: its body is not told */
};

/* False when the configuration says that no request has a line: then no log is needed. */
bool audited_wanted(const struct config *config);
/* `log` NULL: nothing is written. Both outlive it. */
struct audited;
struct audited *audited_new(const struct config *config, struct audit_log *log);
void audited_free(struct audited *audited);

/* False while the log cannot be written and what would have to be written is to be refused; counts that. Any
 * thread. */
bool audited_accepts(struct audited *audited);
/* A request begins: notes what is gone when it ends. Any thread. */
void audited_begin(const struct audited *audited, const struct http_request *request,
                   struct audited_note *note);
/* It is a prediction, and its body is unpacked: keeps what its line shall say of it. Any thread. */
void audited_sample(struct audited *audited, const struct http_request *request, struct audited_note *note);
/* Frees what the note holds, and empties it. */
void audited_note_drop(struct audited_note *note);
/* The call is answered: writes its line, if it shall have one. The loop's thread. */
void audited_end(struct audited *audited, const struct api_call *call, const struct http_response *response);

#endif
