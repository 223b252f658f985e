/* token_settings: what the parameters token.* mean, and which of them contradict each other.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TOKEN_SETTINGS_H
#define OUTRIGGER_TOKEN_SETTINGS_H

#include "config.h"

#include <stdbool.h>

/* The algorithms (jwk.h's bits) of a list with blanks or commas between the names. 0 and a constant
 * complaint: one is unknown, or there is none. */
unsigned token_settings_algorithms(const char *list, const char **complaint);
/* NULL when a URL may be asked for keys or about tokens: https://, or http:// to the loopback (or anywhere,
 * by `allow_http`), without a user in it. Otherwise a constant complaint. */
const char *token_settings_url(const char *url, bool allow_http);
/* True when signed tokens are taken: there are keys, or a secret. */
bool token_settings_signed(const struct config *config);
/* True when tokens are taken at all. */
bool token_settings_any(const struct config *config);

struct parameter_reader;
/* Complains of what contradicts itself. */
void token_settings_check(struct parameter_reader *reader, const struct config *config);

#endif
