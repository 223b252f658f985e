/* http: between the CGI parameters of a web server and the structs that the API works on.
 *
 * The path comes from REQUEST_URI, the one parameter that Apache, Caddy and nginx all hand on raw (their
 * SCRIPT_NAME and PATH_INFO differ: decoded or not, normalised or not). It is decoded exactly once, and
 * whatever could mean two things to two programs is refused instead of repaired: a ".." segment, an encoded
 * slash, control characters, bytes that are no UTF-8. Called by the connections for each request; the
 * response's head is written by them, too. SPDX-License-Identifier: MIT */
#include "http.h"

#include "fnv.h"
#include "hex.h"
#include "number.h"
#include "splitmix.h"
#include "utf8.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include <sys/random.h>

enum { SPREAD_SHARE = 4 }; /* Retry-After is up to a fourth longer than it must be */

/* ---- request ids ---- */

void http_ids_init(struct http_ids *ids)
{
    *ids = (struct http_ids){0};
    trace_ids_init(&ids->trace);
    ids->lots = splitmix_seed();
}

/* Ids are secret to whom they are not given: who has one may tell the truth of that prediction. Where the
 * kernel gives nothing they are at least different. */
static uint64_t draw_id(struct http_ids *ids)
{
    if (ids->left == 0) {
        if (getrandom(ids->chance, sizeof ids->chance, GRND_NONBLOCK) != sizeof ids->chance)
            return splitmix_next(&ids->lots);
        ids->left = COUNT_OF(ids->chance);
    }
    return ids->chance[--ids->left];
}

static void make_id(uint64_t number, char id[HTTP_ID_MAX + 1])
{
    uint8_t bytes[sizeof number];
    memcpy(bytes, &number, sizeof bytes);
    hex_write(id, bytes, sizeof bytes);
    id[2 * sizeof bytes] = '\0';
}

static bool id_ok(const char *id)
{
    size_t length = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return length >= 1 && length <= HTTP_ID_MAX && id[length] == '\0';
}

/* ---- single parameters ---- */

/* True when the comma-separated list of preferences (RFC 7240) has `server-timing`. */
static bool prefers_timing(const char *value)
{
    static const char wanted[] = "server-timing";
    while (*value != '\0') {
        value += strspn(value, ", \t");
        size_t length = strcspn(value, ",; \t");
        if (length == sizeof wanted - 1 && strncasecmp(value, wanted, length) == 0)
            return true;
        value += strcspn(value, ",");
    }
    return false;
}

static enum http_method method_of(const char *name)
{
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {
#define X(name) {#name, HTTP_##name},
        HTTP_METHODS(X)
#undef X
    };
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (strcmp(name, methods[i].name) == 0)
            return methods[i].method;
    return HTTP_OTHER;
}

const char *http_method_name(enum http_method method)
{
    static const char *const names[] = {[HTTP_OTHER] = "_OTHER",
#define X(name) [HTTP_##name] = #name,
                                        HTTP_METHODS(X)
#undef X
    };
    return names[method];
}

static void set_fault(struct http_request *request, int status, const char *fault)
{
    if (request->fault_status != 0)
        return;
    request->fault_status = status;
    request->fault = fault;
}

/* Servers say "", "0" or nothing for no body, and Caddy says -1 for a length that it does not know. */
static void set_content_length(struct http_request *request, const char *value)
{
    if (*value == '\0' || strcmp(value, "-1") == 0)
        return;
    int64_t length = 0;
    for (; *value >= '0' && *value <= '9'; value++)
        length = length > (INT64_MAX - 9) / 10 ? INT64_MAX : length * 10 + (*value - '0');
    if (*value != '\0')
        set_fault(request, 400, "Content-Length is not a number");
    else
        request->content_length = length;
}

/* ---- the path ---- */

/* "scheme://authority" in front, which a client may send to a proxy (RFC 9112 section 3.2.2), is passed over.
 */
static const char *skip_authority(const char *uri)
{
    if (*uri == '/')
        return uri;
    const char *authority = strstr(uri, "://");
    if (authority == NULL || authority > uri + strcspn(uri, "/?"))
        return uri;
    authority += 3;
    return authority + strcspn(authority, "/?");
}

/* Decodes up to the "?" into request->path. Returns NULL or the complaint. */
static const char *decode_path(struct http_request *request, const char *at, size_t length)
{
    size_t written = 0;
    for (size_t i = 0; i < length; i++) {
        char character = at[i];
        if (character == '%') {
            int high = i + 2 < length ? hex_value(at[i + 1]) : -1;
            int low = high < 0 ? -1 : hex_value(at[i + 2]);
            if (low < 0)
                return "the path has a % without two hexadecimal digits";
            character = (char)(high * 16 + low);
            if (character == '/')
                return "the path has an encoded slash";
            i += 2;
        }
        if ((unsigned char)character < 0x20 || character == 0x7f)
            return "the path has a control character";
        request->path[written++] = character;
    }
    request->path[written] = '\0';
    request->path_length = written;
    return NULL;
}

static const char *check_path(const struct http_request *request)
{
    const char *path = request->path;
    if (path[0] != '/')
        return "the path does not start with a slash";
    for (const char *segment = path; segment != NULL; segment = strchr(segment + 1, '/'))
        if (strcmp(segment, "/..") == 0 || strncmp(segment, "/../", 4) == 0)
            return "the path has a .. segment";
    if (!utf8_ok((struct text){path, request->path_length}))
        return "the path is not UTF-8";
    return NULL;
}

static void set_path(struct http_request *request, const char *uri)
{
    uri = skip_authority(uri);
    size_t length = strcspn(uri, "?");
    if (uri[length] == '?')
        request->query = text_of(uri + length + 1);
    if (length >= HTTP_PATH_MAX) {
        set_fault(request, 414, "the path is longer than any of ours");
        return;
    }
    const char *complaint = decode_path(request, uri, length);
    if (complaint == NULL)
        complaint = check_path(request);
    if (complaint != NULL)
        set_fault(request, 400, complaint);
}

/* ---- the request ---- */

/* The value when `parameter` is NAME=value, else NULL. */
static const char *value_of(const char *parameter, const char *name, size_t length)
{
    return strncmp(parameter, name, length) == 0 && parameter[length] == '=' ? parameter + length + 1 : NULL;
}
#define VALUE_OF(parameter, name) value_of(parameter, name, sizeof(name) - 1)

uint64_t http_hash(const char *text)
{
    return fnv_of(text_of(text));
}

static void read_authorization(struct http_request *request, const char *value)
{
    request->credential_count++;
    if (request->authorization == NULL)
        request->authorization = value;
    if (request->tenant == 0)
        request->tenant = http_hash(value);
}

static void read_api_key(struct http_request *request, const char *value)
{
    request->credential_count++;
    if (request->api_key == NULL)
        request->api_key = value;
    request->tenant = http_hash(value);
}

static void read_forwarded_for(struct http_request *request, const char *value)
{
    request->forwarded_for = value;
    request->forwarded = true;
}

/* What is only understood when all of it was seen. */
struct found {
    const char *uri;
    const char *parent, *state; /* of the trace */
    unsigned parent_count;
};

static void read_parent(struct found *found, const char *value)
{
    found->parent = value;
    found->parent_count++;
}

/* A header of the request, "HTTP_NAME=value". The first one of a name counts, as in FCGX_GetParam. By its
 * first letter at once: most headers are none that we read. */
static void read_header(struct http_request *request, const char *parameter, struct found *found)
{
    if (strncmp(parameter, "HTTP_", 5) != 0)
        return;
    const char *header = parameter + 5, *value;
    switch (header[0]) {
    case 'A':
        if ((value = VALUE_OF(header, "AUTHORIZATION")) != NULL)
            read_authorization(request, value);
        else if ((value = VALUE_OF(header, "ACCEPT_ENCODING")) != NULL)
            request->accept_encoding = text_of(value);
        else if ((value = VALUE_OF(header, "ACCEPT")) != NULL)
            request->accept = text_of(value);
        break;
    case 'C':
        if ((value = VALUE_OF(header, "CONTENT_ENCODING")) != NULL)
            request->content_encoding = text_of(value);
        break;
    case 'F':
        request->forwarded |= VALUE_OF(header, "FORWARDED") != NULL;
        break;
    case 'I':
        if ((value = VALUE_OF(header, "IDEMPOTENCY_KEY")) != NULL && request->idempotency_key_count++ == 0)
            request->idempotency_key = value;
        break;
    case 'P':
        if ((value = VALUE_OF(header, "PREFER")) != NULL)
            request->want_timing |= prefers_timing(value);
        break;
    case 'T':
        if ((value = VALUE_OF(header, "TRACEPARENT")) != NULL)
            read_parent(found, value);
        else if ((value = VALUE_OF(header, "TRACESTATE")) != NULL && found->state == NULL)
            found->state = value;
        break;
    case 'X':
        if ((value = VALUE_OF(header, "X_REQUEST_ID")) != NULL && request->id[0] == '\0' && id_ok(value))
            strcpy(request->id, value);
        else if ((value = VALUE_OF(header, "X_API_KEY")) != NULL)
            read_api_key(request, value);
        else if ((value = VALUE_OF(header, "X_FORWARDED_FOR")) != NULL)
            read_forwarded_for(request, value);
        break;
    default:
        break;
    }
}

static void read_parameter(struct http_request *request, const char *parameter, struct found *found)
{
    const char *value;
    switch (parameter[0]) {
    case 'H':
        read_header(request, parameter, found);
        break;
    case 'R':
        if ((value = VALUE_OF(parameter, "REQUEST_METHOD")) != NULL)
            request->method = method_of(value);
        else if (found->uri == NULL && (value = VALUE_OF(parameter, "REQUEST_URI")) != NULL)
            found->uri = value;
        else if ((value = VALUE_OF(parameter, "REMOTE_ADDR")) != NULL && request->remote_address == NULL)
            request->remote_address = value;
        break;
    case 'C':
        if ((value = VALUE_OF(parameter, "CONTENT_TYPE")) != NULL)
            request->content_type = text_of(value);
        else if ((value = VALUE_OF(parameter, "CONTENT_LENGTH")) != NULL)
            set_content_length(request, value);
        break;
    default:
        break;
    }
}

/* The trace is the client's only when it names exactly one; its state belongs to that, and is for those who
 * look at it. */
static void set_trace(struct http_request *request, const struct found *found, struct http_ids *ids)
{
    trace_context_begin(&request->trace, found->parent_count == 1 ? found->parent : NULL, &ids->trace,
                        &ids->sampling);
    request->traced = ids->sampling.on;
    if (request->trace.has_parent && trace_sampled(&request->trace) && found->state != NULL)
        request->trace_state = trace_state(found->state);
}

void http_request_read(struct http_request *request, char *const *parameters, struct http_ids *ids)
{
    *request = (struct http_request){
        .content_length = -1, .lot = splitmix_next(&ids->lots), .parameters = parameters};
    struct found found = {0};
    for (; *parameters != NULL; parameters++)
        read_parameter(request, *parameters, &found);
    set_trace(request, &found, ids);
    if (request->id[0] == '\0')
        make_id(draw_id(ids), request->id);
    if (found.uri == NULL)
        set_fault(request, 400, "the web server sends no REQUEST_URI");
    else
        set_path(request, found.uri);
}

const char *http_request_parameter(const struct http_request *request, const char *name)
{
    size_t length = strlen(name);
    for (char *const *parameter = request->parameters; *parameter != NULL; parameter++)
        if (strncmp(*parameter, name, length) == 0 && (*parameter)[length] == '=')
            return *parameter + length + 1;
    return NULL;
}

const char *http_request_header(const struct http_request *request, const char *name)
{
    char parameter[5 + HTTP_HEADER_MAX + 1] = "HTTP_";
    size_t length = 5;
    for (; *name != '\0' && length < sizeof parameter - 1; name++)
        parameter[length++] = *name == '-' ? '_' : (char)toupper((unsigned char)*name);
    parameter[length] = '\0';
    return http_request_parameter(request, parameter);
}

/* ---- the response ---- */

/* The Open Inference Protocol has all that is below /v2. */
static bool is_oip(const char *path)
{
    return strncmp(path, "/v2", 3) == 0 && (path[3] == '/' || path[3] == '\0');
}

/* The first of the further header lines. */
static void add_trace(struct http_response *response, const struct trace_context *trace)
{
    static const char name[] = "traceparent: ";
    char *at = response->extra + sizeof name - 1;
    memcpy(response->extra, name, sizeof name - 1);
    trace_context_text(trace, at);
    strcpy(at + TRACE_PARENT_TEXT, "\r\n");
}

void http_response_begin(struct http_response *response, const struct http_request *request)
{
    struct output body = response->body;
    output_clear(&body);
    *response = (struct http_response){.status = 200, .content_type = "application/json", .body = body};
    memcpy(response->id, request->id, sizeof response->id);
    response->lot = request->lot;
    response->head_only = request->method == HTTP_HEAD;
    response->oip = is_oip(request->path);
    if (request->accept_encoding.length > 0)
        response->accepted = encoding_accepted(request->accept_encoding);
    if (request->trace.has_parent || trace_sampled(&request->trace))
        add_trace(response, &request->trace);
}

void http_response_free(struct http_response *response)
{
    output_free(&response->body);
}

void http_response_add_header(struct http_response *response, const char *name, const char *value)
{
    size_t used = strlen(response->extra);
    size_t room = sizeof response->extra - used;
    int length = snprintf(response->extra + used, room, "%s: %s\r\n", name, value);
    if (length < 0 || (size_t)length >= room)
        response->extra[used] = '\0';
}

void http_response_add_limit(struct http_response *response, const struct http_limit *limit)
{
    char value[HTTP_LIMIT_MAX + 64];
    if (limit->name.length == 0 || limit->name.length > HTTP_LIMIT_MAX)
        return;
    int name = (int)limit->name.length;
    snprintf(value, sizeof value, "\"%.*s\";q=%" PRIu64 ";w=%" PRIu64, name, limit->name.at, limit->quota,
             limit->window_s);
    http_response_add_header(response, "RateLimit-Policy", value);
    snprintf(value, sizeof value, "\"%.*s\";r=%" PRIu64 ";t=%" PRIu64, name, limit->name.at, limit->left,
             limit->reset_s);
    http_response_add_header(response, "RateLimit", value);
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {202, "Accepted"},
        {304, "Not Modified"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Error";
}

/* Writes lines into `head`; what the bounds of the members allow always fits (see the assertion in the test).
 */
static void add_line(char *head, size_t *length, const char *name, const char *value)
{
    size_t name_length = strlen(name);
    size_t value_length = strlen(value);
    ENSURE(*length + name_length + value_length + 2 <= HTTP_HEAD_MAX);
    memcpy(head + *length, name, name_length);
    memcpy(head + *length + name_length, value, value_length);
    memcpy(head + *length + name_length + value_length, "\r\n", 2);
    *length += name_length + value_length + 2;
}

static void add_number_line(char *head, size_t *length, const char *name, uint64_t value)
{
    char digits[NUMBER_TEXT_MAX + 1];
    digits[number_write_unsigned(value, digits)] = '\0';
    add_line(head, length, name, digits);
}

uint64_t http_spread(uint64_t seconds, uint64_t lot)
{
    uint64_t most = seconds / SPREAD_SHARE;
    uint64_t later = lot % (most < 1 ? 2 : most + 1);
    return seconds > UINT64_MAX - later ? UINT64_MAX : seconds + later;
}

/* What tells of the body. A 304 has none, and must not tell of another than the one that it spares. */
static void add_content_lines(const struct http_response *response, char *head, size_t *length)
{
    if (response->status == 304)
        return;
    add_line(head, length, "Content-Type: ", response->content_type);
    add_number_line(head, length, "Content-Length: ", response->body.length);
}

size_t http_response_head(const struct http_response *response, char head[HTTP_HEAD_MAX])
{
    char status[64];
    size_t length = 0;
    if (response->status == 200)
        strcpy(status, "200 OK"); /* nearly every response: no formatting */
    else
        snprintf(status, sizeof status, "%d %s", response->status, http_reason(response->status));
    add_line(head, &length, "Status: ", status);
    add_content_lines(response, head, &length);
    add_line(head, &length, "X-Request-Id: ", response->id);
    if (response->json_bytes > 0)
        add_number_line(head, &length, "Inference-Header-Content-Length: ", response->json_bytes);
    if (response->encoding != ENCODING_IDENTITY)
        add_line(head, &length, "Content-Encoding: ", encoding_name(response->encoding));
    if (response->retry_after > 0)
        add_number_line(head, &length, "Retry-After: ", http_spread(response->retry_after, response->lot));
    if (response->allow != NULL)
        add_line(head, &length, "Allow: ", response->allow);
    size_t extra = strlen(response->extra);
    memcpy(head + length, response->extra, extra);
    length += extra;
    if (response->policy != NULL) {
        size_t policy = strlen(response->policy);
        ENSURE(policy <= HTTP_POLICY_MAX);
        memcpy(head + length, response->policy, policy);
        length += policy;
    }
    add_line(head, &length,
             "Cache-Control: ", response->cache_control == NULL ? "no-store" : response->cache_control);
    add_line(head, &length, "X-Content-Type-Options: nosniff\r\n", "");
    return length;
}
