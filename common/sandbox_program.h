/* sandbox_program: what each of our programs may do, as the configuration says. SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_SANDBOX_PROGRAM_H
#define OUTRIGGER_SANDBOX_PROGRAM_H

#include "config.h"
#include "sandbox.h"

/* The sandbox of the frontend, broker, collector or supervisor called `name`. Its file of counters is `page`
 * (metrics_path; NULL: none). Folders that are made at a start are there by now. A program that needs more
 * adds it (sandbox_may_read and its like, network_out) before it enters. */
struct sandbox *sandbox_program_new(const struct config *config, enum sandbox_role role, const char *name,
                                    const char *page);
/* That of a hand (hand.h) called `name`: it may connect to any host, and reads `ca_file` ("": none). */
struct sandbox *sandbox_program_fetcher(const struct config *config, const char *name, const char *ca_file);
/* Enters it and frees it, or ends the process with a line that says why not. */
void sandbox_program_enter(struct sandbox *sandbox);
/* Why no names can be looked up, where the sandbox keeps the file of the name servers closed; a constant.
 * NULL: it does not. */
const char *sandbox_program_no_names(void);

#endif
