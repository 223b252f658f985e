/* floor_threads: libfcgi as its manual has it, threads that each accept a connection and serve it to its end.
 * A kept connection holds its thread while it is idle: there must be as many threads as the web server may
 * keep connections, or requests wait for seconds behind idle ones. nginx, as conf/nginx has it, keeps 64 for
 * each of its processes, of which there is one for each core. SPDX-License-Identifier: MIT */
#include "floor.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS_PER_CORE = 64 };

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
    long threads = THREADS_PER_CORE * sysconf(_SC_NPROCESSORS_ONLN);
    for (long i = 1; i < threads; i++) {
        if (pthread_create(&thread, NULL, serve, &listening) != 0) {
            fprintf(stderr, "%s: cannot start thread %ld\n", argv[0], i);
            return 1;
        }
    }
    serve(&listening);
}
