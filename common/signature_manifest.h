/* signature_manifest: what a signature says of a model: the name and hash of each file (OpenSSF Model Signing
 * v1.0). SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SIGNATURE_MANIFEST_H
#define OUTRIGGER_SIGNATURE_MANIFEST_H

#include "contents.h"

/* True when the statement, of which the caller has verified the signature, is about exactly these files.
 * False with `reason`, which names the first file that is another, is missing, or is not signed.
 *
 * Signed must be every file of the folder but the signature itself (model.sig) and what git keeps there
 * (.git, .github, .gitattributes, .gitignore), as far as the statement passes those over. */
bool signature_manifest_fits(struct text statement, const struct contents *contents, char *reason,
                             size_t capacity);

#endif
