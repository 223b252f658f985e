/* outbound: see outbound.h. An address that was checked must not lead to one that was not, so nothing is
 * followed. Called by the processes that may connect: the frontend's fetch_hand.c, the collector's
 * trace_hand.c. SPDX-License-Identifier: MIT */
#include "outbound.h"

#include "object.h"
#include "sandbox_program.h"

void outbound_init(void)
{
    ENSURE(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

void outbound_prepare(CURL *easy, const char *url, const char *ca_file, int64_t timeout_ms, char *error)
{
    bool plain = strncmp(url, "http://", 7) == 0;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (plain)
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (*ca_file != '\0')
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "outrigger/" OUTRIGGER_VERSION);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
}

const char *outbound_complaint(CURLcode result, const char *error)
{
    const char *no_names = result == CURLE_COULDNT_RESOLVE_HOST ? sandbox_program_no_names() : NULL;
    if (no_names != NULL)
        return no_names;
    return *error != '\0' ? error : curl_easy_strerror(result);
}
