/* visitor: what the web server says of who is at its other side: an address, and perhaps a name.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_VISITOR_H
#define OUTRIGGER_VISITOR_H

#include "config.h"
#include "http.h"
#include "identity.h"

/* The client's address: REMOTE_ADDR, or, where that is a proxy that is trusted, the nearest address of
 * X-Forwarded-For that is none. All zero: not known. */
struct address visitor_address(const struct http_request *request, const struct address_list *proxies);
/* True when it surely comes from this host: a loopback address, and nobody has passed it on but proxies that
 * are trusted. */
bool visitor_is_local(const struct http_request *request, const struct address_list *proxies);

/* Whom the web server has let in, as the configuration says that it is told: a user, or the subject of a
 * certificate. A view of the request's parameters; empty: nobody. */
struct text visitor_name(const struct http_request *request, const struct config *config);

#endif
