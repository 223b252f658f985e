/* fcgi: libfcgi, used for what it is good at: reading the records of a request that is there, and writing
 * those of an answer. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FCGI_H
#define OUTRIGGER_FCGI_H

#include "object.h"

/* One request on one connection, from its parameters to its answer. */
struct fcgi;

/* Once in a process, after our own signal handlers are set (libfcgi takes SIGTERM otherwise). False when
 * libfcgi does not start, or cannot be made to read from memory. */
bool fcgi_init(void);

struct fcgi *fcgi_new(void);
void fcgi_free(struct fcgi *fcgi);

/* Reads the parameters of a request whose `bytes` are all there. They are the caller's, and must stay until
 * fcgi_read_body has returned. False when the parameters are malformed. */
bool fcgi_open(struct fcgi *fcgi, const uint8_t *bytes, size_t length);
/* "NAME=value" of the request, NULL-terminated; good until fcgi_put_down, fcgi_close or fcgi_drop. */
char **fcgi_parameters(const struct fcgi *fcgi);
/* Reads the body to its end into `body`; at most `capacity` bytes are kept. Returns its length, also when
 * that is larger than `capacity`; -1 when it is broken off. */
int64_t fcgi_read_body(struct fcgi *fcgi, char *body, size_t capacity);
/* Gives back the memory that reading took, 20 KB or more: the request will be answered, or dropped, and not
 * be looked at any more. */
void fcgi_put_down(struct fcgi *fcgi);
/* Writes the answer to `fd`, and ends the request. Waits as long as the descriptor does for a peer that does
 * not take it. True when the connection stays open for another one, false when it is to be closed (the web
 * server wants that, or did not take the answer). */
bool fcgi_close(struct fcgi *fcgi, int fd, const char *head, size_t head_length, const char *body,
                size_t body_length);
/* Ends the request without an answer. */
void fcgi_drop(struct fcgi *fcgi);

#endif
