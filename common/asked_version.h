/* asked_version: which version of a model is asked, by what catalogs tell, and what it takes. Pure: no I/O.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ASKED_VERSION_H
#define OUTRIGGER_ASKED_VERSION_H

#include "protocol.h"
#include "schema.h"

enum { ASKED_VERSION_REASON_MAX = 512 };

struct asked_version;

/* `follow`: where no version was named, a new stable one that takes the same rows is asked instead. */
struct asked_version *asked_version_new(bool follow);
void asked_version_free(struct asked_version *asked); /* NULL is fine */

/* Which one is wanted, until one is found; `version` NULL or "": the stable one. */
void asked_version_want(struct asked_version *asked, const char *model, const char *version);

enum asked_version_news {
    ASKED_VERSION_NO_NEWS,
    ASKED_VERSION_FOUND,  /* now there is one */
    ASKED_VERSION_UNKNOWN /* there is none, and the broker knows others (one that just began knows none) */
};
/* A catalog came. */
enum asked_version_news asked_version_take(struct asked_version *asked, const struct catalog_entry *entries,
                                           size_t count);

/* "" until it is said which. */
const char *asked_version_model(const struct asked_version *asked);
/* "" until one is found. */
const char *asked_version_name(const struct asked_version *asked);
/* What a version said of itself that was asked at some time; that of the one that is asked for another; NULL
 * until one is found. It stays as it is until asked_version_free. */
const struct schema *asked_version_schema(const struct asked_version *asked, struct text version);
/* Why none is found, as the last catalog has it; "" while none came. */
const char *asked_version_why_not(const struct asked_version *asked);

#endif
