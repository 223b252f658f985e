/* fuzz_http: the parameters of a FastCGI request, as any peer may send them: one NAME=value after the other,
 * each ended by a NUL byte. Whatever comes becomes a request that keeps its promises and is answered by a
 * whole response. SPDX-License-Identifier: MIT */
#include "calls.h"
#include "http.h"
#include "problem.h"

#include <stdlib.h>
#include <yyjson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PARAMETERS_MAX = 256 };

static void check_request(const struct http_request *request)
{
    size_t id = strlen(request->id);
    ENSURE(id >= 1 && id <= HTTP_ID_MAX);
    ENSURE(strpbrk(request->id, "\r\n\"\\/ ") == NULL);
    ENSURE(request->content_length >= -1);
    uint8_t bytes[TRACE_WIRE_BYTES];
    ENSURE(trace_wire_read(trace_context_wire(&request->trace), bytes)); /* never all zeros */
    ENSURE(request->trace.has_parent || request->trace_state.length == 0);
    ENSURE(request->trace_state.length <= TRACE_STATE_MAX);
    if (request->fault_status != 0)
        return;
    ENSURE(strlen(request->path) == request->path_length && request->path[0] == '/');
    ENSURE(strstr(request->path, "/../") == NULL);
}

/* One line for each header: nothing of the request may add another. */
static void check_head(const char *head, size_t length)
{
    ENSURE(length > 4 && memcmp(head + length - 4, "\r\n\r\n", 4) == 0);
    ENSURE(memmem(head, length, "\r\n\r\n", 4) == head + length - 4);
    for (size_t i = 0; i < length; i++)
        ENSURE(head[i] == '\r' || head[i] == '\n' || (unsigned char)head[i] >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = object_alloc(size + 1);
    memcpy(text, data, size);
    char *parameters[PARAMETERS_MAX + 1];
    size_t count = 0;
    for (char *at = text; at < text + size && count < PARAMETERS_MAX; at += strlen(at) + 1)
        parameters[count++] = at;
    parameters[count] = NULL;

    struct http_ids ids = {.lots = 1};
    struct http_request request;
    struct http_response response = {0};
    http_request_read(&request, parameters, &ids);
    check_request(&request);
    http_response_begin(&response, &request);
    struct called called = call_find(&request);
    ENSURE(called.status == 200 || called.call == CALL_OTHER);
    problem_status(&response, request.fault_status != 0 ? request.fault_status : called.status, "%s%.*s%.*s",
                   request.path, (int)called.model.length, called.model.length > 0 ? called.model.at : "",
                   (int)request.query.length, request.query.length > 0 ? request.query.at : "");
    char head[HTTP_HEAD_MAX];
    check_head(head, http_response_head(&response, head));
    yyjson_doc *document = yyjson_read(response.body.bytes, response.body.length, 0);
    ENSURE(document != NULL);
    yyjson_doc_free(document);
    http_response_free(&response);
    free(text);
    return 0;
}
