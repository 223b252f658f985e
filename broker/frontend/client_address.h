/* client_address: by which number limits know the address of a client. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_CLIENT_ADDRESS_H
#define OUTRIGGER_CLIENT_ADDRESS_H

#include "http.h"

/* Of the client, as the web server says (REMOTE_ADDR): one number for an IPv4 address, one for the first 64
 * bits of an IPv6 address, as a customer gets so many; the same in every process. 0: it is not known, or came
 * over a Unix socket. */
uint64_t client_address(const struct http_request *request);
/* The same of a text. */
uint64_t client_address_number(const char *text);

#endif
