/* auth_scene: who may what, by keys of the scratch directory and a token module that says what the test
 * wishes, and a request. Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_AUTH_SCENE_H
#define OUTRIGGER_AUTH_SCENE_H

#include "api_key.h"
#include "auth.h"
#include "log.h"
#include "scratch_directory.h"

static char empty[] = "", keys_file[160], runtime[160];
static struct config config;
static struct auth *auth;
static struct http_ids ids;
static struct http_request request;
static struct http_response response;
static char body[256];
static char text[API_KEY_LENGTH + 1]; /* of a key for everything */
static struct api_keys keys;
static struct sha256 *sha256;

/* What the token module will be asked, and what it says. */
static struct {
    enum token_verdict verdict;
    unsigned asked;
    char token[64];
} module;

static inline enum token_verdict check_token(void *self, struct text token, struct identity *who,
                                             const char **why)
{
    ck_assert_ptr_eq(self, &module);
    module.asked++;
    text_copy(token, module.token, sizeof module.token);
    who->rights = RIGHT_PREDICT;
    who->tenant = 77;
    strcpy(who->name, "subject");
    *why = "the module says so";
    return module.verdict;
}

static inline void add_key(struct api_key pattern, char key[API_KEY_LENGTH + 1])
{
    api_key_make(NULL, key);
    memcpy(pattern.id, key + 4, API_KEY_ID);
    sha256_of(sha256, text_of(key), pattern.digest);
    strcpy(pattern.name, "somebody");
    pattern.created = 1;
    ck_assert(api_keys_add(&keys, &pattern));
    ck_assert_int_eq(api_keys_write(keys_file, &keys), 0);
}

static inline void start(token_check *check)
{
    auth_free(auth);
    auth = auth_new(&(struct auth_context){.config = &config, .check_token = check, .self = &module});
}

static inline void set_up(void)
{
    log_open("auth_scene", "error");
    scratch_make();
    sha256 = sha256_new();
    snprintf(keys_file, sizeof keys_file, "%s/keys.json", scratch_directory);
    snprintf(runtime, sizeof runtime, "%s", scratch_directory);
    config = (struct config){.auth_required = 1,
                             .auth_max_failures_per_minute = 20,
                             .auth_keys_file = keys_file,
                             .auth_trusted_proxies = empty,
                             .auth_trust_remote_user = empty,
                             .auth_trust_client_certificate = empty,
                             .auth_web_server_scopes = empty,
                             .auth_web_server_models = empty,
                             .runtime_directory = runtime,
                             .state_directory = runtime,
                             .default_model = empty,
                             .frontend_max_rows = 100,
                             .frontend_max_json_depth = 64,
                             .oip_max_json_depth = 100,
                             .frontend_request_timeout_ms = 10000,
                             .broker_max_message_bytes = 65536};
    http_ids_init(&ids);
    add_key((struct api_key){.rights = RIGHTS_ALL}, text);
    start(NULL);
}

static inline void tear_down(void)
{
    auth_free(auth);
    http_response_free(&response);
    free(keys.keys);
    sha256_free(sha256);
    scratch_remove();
}

/* ---- one request ---- */

enum { PARAMETERS_MAX = 16 };
static char lines[PARAMETERS_MAX][1024];
static char *parameters[PARAMETERS_MAX + 1];

static inline void read_request(const char *method, const char *uri, const char *const *more)
{
    size_t count = 2;
    snprintf(lines[0], sizeof lines[0], "REQUEST_METHOD=%s", method);
    snprintf(lines[1], sizeof lines[1], "REQUEST_URI=%s", uri);
    for (; *more != NULL; more++)
        snprintf(lines[count++], sizeof lines[0], "%s", *more);
    for (size_t i = 0; i < count; i++)
        parameters[i] = lines[i];
    parameters[count] = NULL;
    http_request_read(&request, parameters, &ids);
    request.body = body;
    request.body_length = strlen(body);
    request.body_capacity = sizeof body;
}

#define REMOTE "REMOTE_ADDR=192.0.2.1"

static inline const char *with(const char *head, const char *value)
{
    static char buffers[4][512];
    static unsigned next;
    char *buffer = buffers[next++ % 4];
    size_t length = strlen(head);
    ck_assert_uint_lt(length + strlen(value), sizeof buffers[0]);
    memmove(buffer, head, length);
    memmove(buffer + length, value, strlen(value) + 1);
    return buffer;
}

#define KEY(key)    with("HTTP_X_API_KEY=", key)
#define BEARER(key) with("HTTP_AUTHORIZATION=Bearer ", key)

#endif
