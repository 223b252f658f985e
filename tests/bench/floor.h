/* floor: what the two floors have in common, so that they differ in nothing but who waits for whom.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BENCH_FLOOR_H
#define OUTRIGGER_BENCH_FLOOR_H

#include <fcgiapp.h>

/* Starts libfcgi and listens at the Unix socket argv[1], which any web server may connect to. Ends the
 * program with a message when that cannot be. Returns the descriptor. */
int floor_listen(int argc, char **argv);

/* Reads the body to its end, answers with the fixed response, and ends the request. After that
 * request->ipcFd is -1 unless the connection is kept. */
void floor_answer(FCGX_Request *request);

#endif
