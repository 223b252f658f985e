/* check_token: the keys and secrets of token.*, as `outrigger check` finds them. An issuer elsewhere is not
 * asked: a check tells of this host, and has no say over who may be reached from it. Nor are secrets looked
 * for that only the service manager or the environment of the programs has. SPDX-License-Identifier: MIT */
#include "checked.h"
#include "secret.h"
#include "table.h"
#include "token_settings.h"

#include <errno.h>
#include <stdlib.h>

static const char *stands_for_file(const char *reference)
{
    bool elsewhere = strncmp(reference, "env:", 4) == 0 || strncmp(reference, "credential:", 11) == 0;
    return *reference == '\0' || elsewhere ? NULL : reference;
}

static void check_secret(const char *name, const char *reference, size_t at_least,
                         struct config_errors *errors)
{
    char reason[4400];
    if (stands_for_file(reference) == NULL)
        return;
    struct secret *secret = secret_read(reference, reason, sizeof reason);
    if (secret == NULL)
        config_complain(errors, "%s: %s", name, reason);
    else if (secret_text(secret).length < at_least)
        config_complain(errors, "%s: %s: expected at least %zu bytes", name, reference, at_least);
    secret_free(secret);
}

/* Whether each certificate is any good the frontends find out when they ask the issuer. */
static void check_authority(const char *path, struct config_errors *errors)
{
    char *line = NULL;
    size_t capacity = 0;
    bool any = false;
    errno = 0;
    FILE *file = fopen(path, "re");
    while (file != NULL && !any && getline(&line, &capacity, file) != -1)
        any = strncmp(line, "-----BEGIN ", 11) == 0 && strstr(line, "CERTIFICATE-----") != NULL;
    if (file == NULL || errno != 0)
        config_complain(errors, "token.ca_file: %s: %s", path, strerror(errno));
    else if (!any)
        config_complain(errors, "token.ca_file: %s: there is no certificate in it", path);
    if (file != NULL)
        fclose(file);
    free(line);
}

static void warn_of_left_out(const struct check *check, struct config_errors *warnings)
{
    for (const char *line = check->token_keys->left_out; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        config_complain(warnings, "%s: left out: %.*s", check->config->token_jwks_file, (int)length, line);
        line += length + (line[length] == '\n');
    }
}

void check_tokens(struct check *check)
{
    const struct config *config = check->config;
    const char *complaint;
    char reason[1024];
    check_secret("token.hs256_secret", config->token_hs256_secret, JWK_SECRET_BYTES_MIN, &check->errors);
    check_secret("token.introspection_secret", config->token_introspection_secret, 1, &check->errors);
    if (*config->token_ca_file != '\0')
        check_authority(config->token_ca_file, &check->errors);
    if (*config->token_jwks_file == '\0')
        return;
    unsigned algorithms = token_settings_algorithms(config->token_algorithms, &complaint) & JWK_PUBLIC;
    check->token_keys = jwk_set_read_file(config->token_jwks_file, algorithms, reason, sizeof reason);
    if (check->token_keys == NULL)
        config_complain(&check->errors, "token.jwks_file: %s: %s", config->token_jwks_file, reason);
    else
        warn_of_left_out(check, &check->warnings);
}

void check_print_tokens(const struct check *check, FILE *out, bool coloured)
{
    static const char *const heads[] = {"TOKEN KEY", "TYPE", "ALGORITHMS"};
    const struct config *config = check->config;
    if (!token_settings_any(config))
        return;
    fprintf(out, "\ntokens of %s for %s\n",
            *config->token_issuer == '\0' ? "any issuer" : config->token_issuer,
            *config->token_audience == '\0' ? "any audience" : config->token_audience);
    if (*config->token_jwks_url != '\0')
        fprintf(out, "their keys come from %s, which was not asked\n", config->token_jwks_url);
    if (*config->token_introspection_url != '\0')
        fprintf(out, "others are asked about at %s\n", config->token_introspection_url);
    if (check->token_keys == NULL)
        return;
    struct table *table = table_new(heads, COUNT_OF(heads));
    for (size_t i = 0; i < check->token_keys->count; i++) {
        const struct jwk *key = &check->token_keys->keys[i];
        char names[JWK_ALGORITHM_NAMES_MAX];
        table_cell(table, TONE_PLAIN, "%s", key->has_kid ? key->kid : "-");
        table_cell(table, TONE_PLAIN, "%s", key->type);
        table_cell(table, TONE_PLAIN, "%s", jwk_algorithm_names(key->algorithms, names));
    }
    table_print(table, out, coloured);
    table_free(table);
}
