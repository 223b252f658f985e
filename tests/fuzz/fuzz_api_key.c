/* Any bytes as keys.json, and as the headers, query and form of a request that shows a credential: what is
 * taken has the form that the rest relies on, and nothing is granted to bytes. The first byte says which.
 * SPDX-License-Identifier: MIT */
#include "api_key.h"
#include "credential.h"
#include "visitor.h"

#include <stdlib.h>

enum { PARAMETERS_MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_key(const struct api_key *key)
{
    ENSURE(api_key_id_ok(text_of(key->id)) && api_key_name_ok(text_of(key->name)));
    ENSURE((key->rights & ~(unsigned)RIGHTS_ALL) == 0 && strlen(key->models) <= API_KEY_MODELS_MAX);
    ENSURE(key->created > 0 && key->expires >= 0 && key->previous_until >= 0);
    ENSURE(key->requests_per_s >= 0 && key->rows_per_s >= 0 && key->burst >= 0);
}

/* What is read is written so that it is read again. */
static void try_file(struct text text)
{
    struct config_errors errors = {0};
    size_t length;
    struct api_keys *keys = api_keys_parse("keys.json", text, &errors);
    ENSURE((keys == NULL) == (errors.count > 0));
    if (keys == NULL)
        return;
    ENSURE(keys->count <= API_KEYS_MAX);
    for (size_t i = 0; i < keys->count; i++) {
        check_key(&keys->keys[i]);
        ENSURE(api_keys_find(keys, keys->keys[i].id) == &keys->keys[i]);
        ENSURE(i == 0 || strcmp(keys->keys[i - 1].id, keys->keys[i].id) < 0);
    }
    char *written = api_keys_print(keys, &length);
    struct api_keys *again = api_keys_parse("again", (struct text){written, length}, &errors);
    ENSURE(again != NULL && again->count == keys->count);
    api_keys_free(again);
    api_keys_free(keys);
    free(written);
}

/* NAME=value lines become the request's parameters. */
static void try_request(char *text)
{
    char method[] = "REQUEST_METHOD=POST", *parameters[PARAMETERS_MAX + 1] = {method};
    struct http_ids ids = {.lots = 1};
    struct http_request request;
    struct address_list proxies;
    char word[ADDRESS_WORD_MAX], user[] = "REMOTE_USER", subject[] = "SSL_CLIENT_S_DN";
    const struct config config = {.auth_trust_remote_user = user, .auth_trust_client_certificate = subject};
    size_t count = 1;
    for (char *line; count < PARAMETERS_MAX && (line = strsep(&text, "\n")) != NULL;)
        parameters[count++] = line;
    parameters[count] = NULL;
    http_request_read(&request, parameters, &ids);
    request.body = parameters[count - 1];
    request.body_length = strlen(request.body);
    struct credential credential = credential_read(&request, visitor_name(&request, &config).length > 0);
    bool shown = credential.kind == CREDENTIAL_KEY || credential.kind == CREDENTIAL_TOKEN;
    ENSURE((credential.kind == CREDENTIAL_MALFORMED) == (credential.why != NULL));
    ENSURE(shown == (credential.text.length > 0));
    for (size_t i = 0; i < credential.text.length; i++)
        ENSURE(credential.text.at[i] > ' ' && credential.text.at[i] <= '~' && credential.text.at[i] != ',');
    if (shown && api_key_well_formed(credential.text))
        ENSURE(credential.kind == CREDENTIAL_KEY && credential.text.length == API_KEY_LENGTH);
    if (address_list_read("10.0.0.0/8, 127.0.0.1", &proxies, word)) {
        struct address address = visitor_address(&request, &proxies);
        ENSURE(!visitor_is_local(&request, &proxies) || address_is_loopback(&address));
        address_list_free(&proxies);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length == 0)
        return 0;
    char *text = malloc(length);
    ENSURE(text != NULL);
    memcpy(text, bytes + 1, length - 1);
    text[length - 1] = '\0';
    if (bytes[0] == 'f')
        try_file((struct text){text, length - 1});
    else
        try_request(text);
    free(text);
    return 0;
}
