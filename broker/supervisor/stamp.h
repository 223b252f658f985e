/* stamp: what state the files of a version are in. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_STAMP_H
#define OUTRIGGER_STAMP_H

#include <stdbool.h>
#include <stdint.h>

/* A stamp is "HASH+N": a number that changes when a regular file of the folder is another, has another size
 * or was written to, and how often workers were started anew from the same files because somebody asked for
 * it. "" is no stamp. The caller frees what is returned. */
char *stamp_of_folder(const char *directory);
/* Of one file; "" when there is none. */
char *stamp_of_file(const char *path);
/* The same files, once more. */
char *stamp_renewed(const char *stamp);
/* True when both are of the same files. */
bool stamp_same_files(const char *left, const char *right);
/* True when a worker that was started at the stamp `have` need not be started again for `want`. */
bool stamp_fits(const char *have, const char *want);

/* How long it takes, in milliseconds, until nothing has changed in the folder (or that file) for settle_ms,
 * if nothing does: 0 when that is so already. A file that somebody has open for writing is not settled, as
 * far as the kernel tells. A folder that is renamed into place does not change by that. */
int64_t stamp_unsettled_ms(const char *path, int64_t settle_ms);

#endif
