/* sandbox_judge: whether a call that the filter did not let pass is allowed all the same, and the line that
 * says that it is not. For sandbox*.c alone. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SANDBOX_JUDGE_H
#define OUTRIGGER_SANDBOX_JUDGE_H

#include "sandbox_call.h"
#include "sandbox_places.h"
#include "sandbox_sealed.h"

/* All that both handlers know. */
struct sandbox_judge {
    const char *word, *name; /* the role's and the process's */
    unsigned groups;         /* the role's, of enum sandbox_group */
    bool landlock;           /* keeps it to its places, so that nobody else need to */
    bool network_out;
    bool goes_on; /* without a file that is refused */
    const struct sealed *sealed;
    struct places *places;
    struct call_names *names;
};

/* True for a call by path of a kind that the role has at all. */
bool judge_has(const struct sandbox_judge *judge, const struct sandbox_path_call *how);
/* True for a call by path into a listed place. Safe in a signal handler, as all of these. */
bool judge_path(const struct sandbox_judge *judge, const struct caught *call,
                const struct sandbox_path_call *how);
/* The sealed address of a connect; NULL: it has none. */
const struct sealed_address *judge_address(const struct sandbox_judge *judge, const struct caught *call);
/* True for a connect by IP where any is allowed. */
bool judge_goes_out(const struct sandbox_judge *judge, const struct caught *call);
/* True for a connect by path where any by IP is allowed: the C library asks for a cache of names before it
 * asks the network, and goes on without. Refused, but no news. */
bool judge_asks_locally(const struct sandbox_judge *judge, const struct caught *call);
/* True for the removal of the one file. */
bool judge_removal(const struct sandbox_judge *judge, const struct caught *call);
/* What becomes of the caller. */
enum sandbox_end { END_STOPPED, END_REFUSED, END_LET };

/* Logs the call with its end: "and was stopped". Of calls that are only refused, the first, and then one in
 * ten seconds. */
void judge_tell(const struct sandbox_judge *judge, const struct caught *call, enum sandbox_end end);

#endif
