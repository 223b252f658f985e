/* floor_threads: libfcgi as its manual has it, 64 threads that each accept a connection and serve it to its
 * end. A kept connection holds its thread while it is idle, so the web server in front must not keep more
 * than there are threads. SPDX-License-Identifier: MIT */
#include "floor.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 64 };

static void *serve(void *listening)
{
    FCGX_Request request;
    FCGX_InitRequest(&request, *(int *)listening, 0);
    while (FCGX_Accept_r(&request) == 0)
        floor_answer(&request);
    perror("accept");
    exit(1);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    int listening = floor_listen(argc, argv);
    for (int i = 1; i < THREADS; i++) {
        if (pthread_create(&thread, NULL, serve, &listening) != 0) {
            fprintf(stderr, "%s: cannot start thread %d\n", argv[0], i);
            return 1;
        }
    }
    serve(&listening);
}
