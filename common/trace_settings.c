/* trace_settings: the checks between the parameters trace.*: where spans go, and what is shown there. Spans
 * hold nothing secret, so plain HTTP is as good as the network; the header that a receiver wants is, so that
 * goes over TLS, or to the loopback. Called by config.c for every program. SPDX-License-Identifier: MIT */
#include "trace_settings.h"

#include "parameter.h"
#include "token_settings.h"

/* A header's name: a token of RFC 9110. */
static bool is_header(const char *name)
{
    return *name != '\0' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == strlen(name);
}

void trace_settings_check(struct parameter_reader *reader, const struct config *config)
{
    bool sends = *config->trace_endpoint != '\0', shows = *config->trace_header_secret != '\0';
    const char *complaint = sends ? token_settings_url(config->trace_endpoint, true) : NULL;
    if (complaint != NULL)
        parameter_complain(reader, &config->trace_endpoint, "%s; got \"%.80s\"", complaint,
                           config->trace_endpoint);
    else if (sends && shows && token_settings_url(config->trace_endpoint, false) != NULL)
        parameter_complain(reader, &config->trace_endpoint,
                           "http beyond the loopback would show trace.header_secret to whoever is on the "
                           "way: expected https://");
    if (*config->trace_header != '\0' && !is_header(config->trace_header))
        parameter_complain(reader, &config->trace_header, "expected the name of a header, got \"%.80s\"",
                           config->trace_header);
    if ((*config->trace_header != '\0') != shows)
        parameter_complain(reader, shows ? &config->trace_header : &config->trace_header_secret,
                           "trace.header and trace.header_secret are given together, or not at all");
    if (*config->trace_service == '\0')
        parameter_complain(reader, &config->trace_service, "expected a name");
}
