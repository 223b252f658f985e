/* outbound: HTTP to others, by libcurl, with the same care everywhere. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_OUTBOUND_H
#define OUTRIGGER_OUTBOUND_H

#include <curl/curl.h>
#include <stdint.h>

/* Once, before the sandbox. */
void outbound_init(void);

/* `easy` asks that URL and no other: by its own scheme alone, without redirects, over TLS 1.2 or newer whose
 * certificates are checked with `ca_file` ("": those of the system). No proxy of the environment stands
 * between us and our own host (http://). All of it, and connecting, may take `timeout_ms`. `error` has
 * CURL_ERROR_SIZE bytes, and lives as long as `easy`. */
void outbound_prepare(CURL *easy, const char *url, const char *ca_file, int64_t timeout_ms, char *error);

/* Why it was not answered, for people; `error` is that of outbound_prepare. */
const char *outbound_complaint(CURLcode result, const char *error);

#endif
