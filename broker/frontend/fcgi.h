/* fcgi: libfcgi, used for what it is good at: reading the records of a request that is there, and writing
 * those of an answer. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_FCGI_H
#define OUTRIGGER_FCGI_H

#include "object.h"

/* One request on one connection, from its parameters to its answer. */
struct fcgi;

/* Once in a process, after our own signal handlers are set (libfcgi takes SIGTERM otherwise). False when
 * libfcgi does not start. */
bool fcgi_init(void);

struct fcgi *fcgi_new(void);
void fcgi_free(struct fcgi *fcgi);

/* Reads the parameters of the request that lies whole in `fd`. Where the bytes of it are in memory, `bytes`
 * (else NULL) has them, and `memory_fd` (fcgi_memory, this thread's) lends them a descriptor; the answer goes
 * to `fd` all the same. Never blocks, since all is there. False when the parameters are malformed: nothing
 * was answered, and `fd` is closed, unless `bytes` were lent: then it is still the caller's, whose thread may
 * be another one that would meet its number again. */
bool fcgi_open(struct fcgi *fcgi, int fd, const uint8_t *bytes, size_t length, int *memory_fd);
/* "NAME=value" of the request, NULL-terminated; good until fcgi_close or fcgi_drop. */
char **fcgi_parameters(const struct fcgi *fcgi);
/* Reads the body to its end into `body`; at most `capacity` bytes are kept. Returns its length, also when
 * that is larger than `capacity`; -1 when it is broken off. */
int64_t fcgi_read_body(struct fcgi *fcgi, char *body, size_t capacity);
/* Writes the answer, and ends the request. True when the connection stays open for another one, false when it
 * is to be closed (the web server wants that, or did not take the answer). `fd` stays the caller's to close.
 */
bool fcgi_close(struct fcgi *fcgi, const char *head, size_t head_length, const char *body,
                size_t body_length);
/* Ends the request without an answer. */
void fcgi_drop(struct fcgi *fcgi);

/* A descriptor that can lend memory to libfcgi; one for each thread that calls fcgi_open. -1 with errno. */
int fcgi_memory(void);

#endif
