/* provenance: which model it is that a worker loads (the digest of its folder), and whether somebody who is
 * trusted has signed it. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PROVENANCE_H
#define OUTRIGGER_PROVENANCE_H

#include "object.h"

struct provenance;

/* Reads all files of the folder that the model file lies in, and the keys of the list (PATH:PATH; "": none,
 * then nobody need have signed). Before the sandbox. NULL with `reason`: the keys cannot be read, or there
 * are keys and a file cannot be read; without keys that is a warning in the log, and the digest is not known.
 */
struct provenance *provenance_gather(const char *model_file, const char *signing_keys, char *reason,
                                     size_t capacity);
/* True when the model is signed by one of the keys, or there are none. In the sandbox, and before anything of
 * the model is looked at. False with `reason`, one line that names the file. */
bool provenance_trusted(const struct provenance *provenance, char *reason, size_t capacity);
/* True when nothing in the folder has changed since. When the model is loaded. */
bool provenance_holds(const struct provenance *provenance, char *reason, size_t capacity);

/* "sha256:" and 64 hexadecimal digits (contents.h says of what); "": it is not known. */
const char *provenance_digest(const struct provenance *provenance);
/* There are keys. */
bool provenance_demanded(const struct provenance *provenance);
void provenance_free(struct provenance *provenance);

#endif
