/* http_scene: a request of the parameters that the test gives, and a response. Include it in one test
 * program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_HTTP_SCENE_H
#define OUTRIGGER_HTTP_SCENE_H

#include "http.h"
#include "suite.h"

#include <stdio.h>

static struct http_ids ids;
static struct http_request request;
static struct http_response response;

static inline void set_up(void)
{
    http_ids_init(&ids);
}

static inline void tear_down(void)
{
    http_response_free(&response);
}

/* Reads a request of these parameters, up to a NULL. */
#define READ(...) http_request_read(&request, (char **)(const char *[]){__VA_ARGS__, NULL}, &ids)

static inline void read_uri(const char *uri)
{
    static char parameter[4096]; /* the request's texts are views of it */
    snprintf(parameter, sizeof parameter, "REQUEST_URI=%s", uri);
    READ("REQUEST_METHOD=GET", parameter);
}

#endif
