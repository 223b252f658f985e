/* floor: the least that a FastCGI program does for a request, as the measure of what Outrigger adds. The
 * request is read whole, as any service would have to, and is not looked at; the response is a constant of
 * the length that a prediction has, headers and all, sent by libfcgi in one write.
 * SPDX-License-Identifier: MIT */
#include "floor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 4096 }; /* as Outrigger's own */

#define BODY                                                                                                 \
    "{\"prediction\":1,\"probability\":0.87592834,\"label\":\"benign\",\"model\":\"cancer-logistic\","       \
    "\"model_version\":\"1\",\"request_id\":\"0123456789abcdef\"}"

static char response[1024];
static int response_length;

static void stop(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

int floor_listen(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
        exit(2);
    }
    /* Before FCGX_Init, which would otherwise turn SIGTERM into a flag that nobody reads here. */
    signal(SIGTERM, stop);
    umask(0);
    int fd = FCGX_Init() == 0 ? FCGX_OpenSocket(argv[1], BACKLOG) : -1;
    if (fd < 0) {
        fprintf(stderr, "%s: cannot listen at %s\n", argv[0], argv[1]);
        exit(1);
    }
    response_length = snprintf(response, sizeof response,
                               "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                               "X-Request-Id: 0123456789abcdef\r\nCache-Control: no-store\r\n"
                               "X-Content-Type-Options: nosniff\r\n\r\n" BODY,
                               sizeof BODY - 1);
    return fd;
}

void floor_answer(FCGX_Request *request)
{
    char buffer[4096];
    while (FCGX_GetStr(buffer, sizeof buffer, request->in) > 0)
        continue;
    FCGX_PutStr(response, response_length, request->out);
    FCGX_Finish_r(request);
}
