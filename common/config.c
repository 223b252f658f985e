/* config: outrigger.conf. The rows of parameters.def make the struct, the parser and the template; this file
 * adds what no single row can say: the values that are computed from others, and the checks between them.
 * Every process of ours calls config_load once; the supervisor calls it again on reload and keeps what it has
 * when it gets NULL. SPDX-License-Identifier: MIT */
#include "config.h"

#include "account.h"
#include "address.h"
#include "api_key.h"
#include "log.h"
#include "parameter.h"
#include "placement.h"
#include "protocol.h"
#include "redis_address.h"
#include "sandbox_policy.h"
#include "token_settings.h"
#include "trace_settings.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

static const struct parameter rows[] = {
#define INTEGER(section, name, ...) PARAMETER_ROW_INTEGER(config, section, name, __VA_ARGS__),
#define STRING(section, name, ...)  PARAMETER_ROW_STRING(config, section, name, __VA_ARGS__),
#include "parameters.def"
#undef INTEGER
#undef STRING
};

static const struct parameter_table table = {.rows = rows, .count = COUNT_OF(rows)};

/* ---- what is computed when nothing is configured ---- */

static void set_computed(char **member, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void set_computed(char **member, const char *format, ...)
{
    if (**member != '\0')
        return;
    free(*member);
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(member, format, arguments);
    va_end(arguments);
    ENSURE(length >= 0);
}

/* Cores that this process may run on; 1 when the kernel does not say. */
static int64_t core_count(void)
{
    cpu_set_t cores;
    return sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
}

static void compute(struct config *config)
{
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length < 0 ? 0 : length] = '\0';
    set_computed(&config->binary_directory, "%s", dirname(program));
    set_computed(&config->frontend_socket, "%s/frontend.sock", config->runtime_directory);
    set_computed(&config->broker_askers, "ipc://%s/askers.ipc", config->runtime_directory);
    set_computed(&config->broker_workers, "ipc://%s/workers.ipc", config->runtime_directory);
    set_computed(&config->auth_keys_file, "%s/keys.json", config->state_directory);
    int64_t cores = core_count();
    if (config->frontend_processes == 0)
        config->frontend_processes = cores < 4 ? 1 : cores / 2 < 64 ? cores / 2 : 64;
}

/* ---- the checks between values ---- */

/* A socket of ours is bound beside its final name, with a ~ behind it (unix_socket.c), so it has one byte
 * less. */
enum {
    SYSTEM_PATH_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1,
    SOCKET_PATH_MAX = SYSTEM_PATH_MAX - 1,
    SOCKET_NAME_MAX = sizeof("/supervisor.sock") - 1 /* the longest name in runtime_directory */
};

static void check_directories(struct parameter_reader *reader, const struct config *config)
{
    char *const *members[] = {&config->runtime_directory, &config->state_directory, &config->models_directory,
                              &config->python};
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (**members[i] == '\0')
            parameter_complain(reader, members[i], "expected a path, got \"\"");
    size_t length = strlen(config->runtime_directory);
    if (length + SOCKET_NAME_MAX > SOCKET_PATH_MAX)
        parameter_complain(reader, &config->runtime_directory,
                           "the paths of its sockets would be too long: expected at most %d bytes, got %zu",
                           SOCKET_PATH_MAX - SOCKET_NAME_MAX, length);
}

static void check_socket(struct parameter_reader *reader, const struct config *config)
{
    const char *mode = config->frontend_socket_mode;
    size_t length = strlen(config->frontend_socket);
    if (length > SOCKET_PATH_MAX)
        parameter_complain(reader, &config->frontend_socket,
                           "expected a path of at most %d bytes (the system's limit for sockets), got %zu",
                           SOCKET_PATH_MAX, length);
    size_t digits = strspn(mode, "01234567");
    if (mode[digits] != '\0' || digits < 3 || digits > 4 || strtol(mode, NULL, 8) > 0777)
        parameter_complain(reader, &config->frontend_socket_mode,
                           "expected an octal mode, as \"0660\", got \"%.40s\"", mode);
}

static void check_endpoint(struct parameter_reader *reader, char *const *member)
{
    const char *endpoint = *member;
    if (strncmp(endpoint, "tcp://", 6) == 0 && endpoint[6] != '\0')
        return;
    if (strncmp(endpoint, "ipc://", 6) != 0 || endpoint[6] == '\0')
        parameter_complain(reader, member,
                           "expected an endpoint, as ipc:///PATH or tcp://ADDRESS:PORT, got \"%.80s\"",
                           endpoint);
    else if (strlen(endpoint + 6) > SYSTEM_PATH_MAX)
        parameter_complain(reader, member,
                           "expected a path of at most %d bytes (the system's limit for sockets), got %zu",
                           SYSTEM_PATH_MAX, strlen(endpoint + 6));
}

/* What listens for other hosts has keys, and a list of theirs, or is refused here by every program. */
static void check_tcp(struct parameter_reader *reader, const struct config *config, char *const *member)
{
    const char *endpoint = *member, *colon = strrchr(endpoint, ':');
    if (*endpoint == '\0')
        return;
    size_t digits = strspn(colon == NULL ? "" : colon + 1, "0123456789");
    if (strncmp(endpoint, "tcp://", 6) != 0 || colon < endpoint + 7 || digits == 0 || digits > 5 ||
        colon[1 + digits] != '\0')
        parameter_complain(reader, member, "expected an endpoint, as tcp://ADDRESS:PORT, got \"%.80s\"",
                           endpoint);
    if (*config->broker_curve_secret_file == '\0')
        parameter_complain(reader, member,
                           "tcp is served with CURVE alone: make a key with outrigger keygen, and name its "
                           "secret file in broker.curve_secret_file");
    if (*config->broker_curve_allow == '\0')
        parameter_complain(reader, member,
                           "nobody could come in: broker.curve_allow names the public keys of those who may");
}

/* "127.0.0.1:9464" or "[::1]:9464". */
static bool is_address_and_port(const char *text)
{
    char address[INET6_ADDRSTRLEN + 2];
    struct in6_addr parsed; /* large enough for both families */
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof address)
        return false;
    const char *port = colon + 1;
    size_t digits = strspn(port, "0123456789");
    if (digits == 0 || digits > 5 || port[digits] != '\0' || strtol(port, NULL, 10) > 65535)
        return false;
    text_copy((struct text){text, (size_t)(colon - text)}, address, sizeof address);
    size_t length = strlen(address);
    if (length < 2 || address[0] != '[' || address[length - 1] != ']')
        return inet_pton(AF_INET, address, &parsed) == 1;
    address[length - 1] = '\0';
    return inet_pton(AF_INET6, address + 1, &parsed) == 1;
}

static void check_user(struct parameter_reader *reader, char *const *member)
{
    struct account *account = **member == '\0' ? NULL : account_find(*member);
    if (**member != '\0' && account == NULL)
        parameter_complain(reader, member, "there is no user \"%.80s\" on this host", *member);
    account_free(account);
}

/* What the workers' user is for. */
static void check_apart(struct parameter_reader *reader, const struct config *config)
{
    struct account *service = *config->user == '\0' ? NULL : account_find(config->user);
    struct account *workers = *config->worker_user == '\0' ? NULL : account_find(config->worker_user);
    bool both = service != NULL && workers != NULL && service->uid != workers->uid;
    if (both && workers->uid == 0)
        parameter_complain(reader, &config->worker_user, "root is no user for models");
    else if (both && service->gid == workers->gid)
        parameter_complain(reader, &config->worker_user,
                           "%s has the same group as %s (user): expected one with a group of its own",
                           workers->name, service->name);
    account_free(service);
    account_free(workers);
}

/* The broker's socket is given to the workers' user by the folder that it lies in. */
static void check_users(struct parameter_reader *reader, const struct config *config)
{
    const char *workers = config->broker_workers, *runtime = config->runtime_directory;
    size_t length = strlen(runtime);
    check_user(reader, &config->user);
    check_user(reader, &config->worker_user);
    check_apart(reader, config);
    if (*config->worker_user != '\0' && strncmp(workers, "ipc:///", 7) == 0 &&
        (strncmp(workers + 6, runtime, length) != 0 || workers[6 + length] != '/' ||
         strchr(workers + 6 + length + 1, '/') != NULL))
        parameter_complain(reader, &config->broker_workers,
                           "expected a path in runtime_directory, where worker.user can reach it");
}

static void check_words(struct parameter_reader *reader, const struct config *config)
{
    char reason[256];
    if (!log_level_known(config->log_level))
        parameter_complain(reader, &config->log_level,
                           "expected error, warning, info or debug, got \"%.40s\"", config->log_level);
    if (!sandbox_mode_known(config->sandbox_mode))
        parameter_complain(reader, &config->sandbox_mode, "expected on, log or off, got \"%.40s\"",
                           config->sandbox_mode);
    if (!placement_check(config->placement, reason, sizeof reason))
        parameter_complain(reader, &config->placement, "%s", reason);
    if (*config->default_model != '\0' && !protocol_name_ok(text_of(config->default_model)))
        parameter_complain(
            reader, &config->default_model,
            "expected a model's name (1 to 128 of A-Z a-z 0-9 . _ -, no dot first), got \"%.140s\"",
            config->default_model);
    if (*config->collector_listen != '\0' && !is_address_and_port(config->collector_listen))
        parameter_complain(reader, &config->collector_listen,
                           "expected an address and a port, as 127.0.0.1:9464 or [::1]:9464, got \"%.80s\"",
                           config->collector_listen);
}

static void check_auth(struct parameter_reader *reader, const struct config *config)
{
    struct address_list proxies;
    unsigned rights;
    char word[ADDRESS_WORD_MAX], models[API_KEY_MODELS_MAX + 1];
    if (!address_list_read(config->auth_trusted_proxies, &proxies, word))
        parameter_complain(reader, &config->auth_trusted_proxies,
                           "expected addresses and networks, as 10.0.0.0/8, got \"%s\"", word);
    address_list_free(&proxies);
    if (!rights_read(config->auth_web_server_scopes, &rights, word))
        parameter_complain(reader, &config->auth_web_server_scopes,
                           "expected predict, feedback, metrics or admin, got \"%s\"", word);
    if (!api_key_models_read(config->auth_web_server_models, models, word))
        parameter_complain(reader, &config->auth_web_server_models,
                           "expected names of models, or beginnings of such with a *, got \"%s\"", word);
}

static void check_signing(struct parameter_reader *reader, const struct config *config)
{
    char word[API_KEY_WORD_MAX], models[API_KEY_MODELS_MAX + 1];
    if (!api_key_models_read(config->signing_unsigned, models, word))
        parameter_complain(reader, &config->signing_unsigned,
                           "expected names of models, or beginnings of such with a *, got \"%s\"", word);
}

static void check_redis(struct parameter_reader *reader, const struct config *config)
{
    struct redis_address address;
    const char *prefix = config->limit_redis_prefix;
    const char *complaint =
        *config->limit_redis == '\0' ? NULL : redis_address_read(config->limit_redis, &address);
    if (complaint != NULL)
        parameter_complain(reader, &config->limit_redis, "%s, got \"%.80s\"", complaint, config->limit_redis);
    if (*prefix == '\0' || strlen(prefix) > REDIS_PREFIX_MAX || strpbrk(prefix, " \t\r\n") != NULL)
        parameter_complain(reader, &config->limit_redis_prefix,
                           "expected 1 to %d bytes without a blank, got \"%.40s\"", REDIS_PREFIX_MAX, prefix);
}

/* One of the words of a|b|c. */
static void check_word(struct parameter_reader *reader, char *const *member, const char *words)
{
    size_t length = strlen(*member);
    for (const char *at = words; length > 0; at++) {
        size_t word = strcspn(at, "|");
        if (word == length && memcmp(at, *member, length) == 0)
            return;
        at += word;
        if (*at == '\0')
            break;
    }
    parameter_complain(reader, member, "expected %s, got \"%.40s\"", words, *member);
}

static void check_audit(struct parameter_reader *reader, const struct config *config)
{
    check_word(reader, &config->audit_access, "all|refused|none");
    check_word(reader, &config->audit_payload, "none|hash|full");
    check_word(reader, &config->audit_when_full, "continue|refuse");
}

/* `small` must not be more than `large`, whose name is given. */
static void check_order(struct parameter_reader *reader, const int64_t *small, int64_t large,
                        const char *name)
{
    if (*small > large)
        parameter_complain(reader, small, "%" PRId64 " is more than %s (%" PRId64 ")", *small, name, large);
}

static void check(struct parameter_reader *reader, const struct config *config)
{
    check_directories(reader, config);
    check_socket(reader, config);
    check_endpoint(reader, &config->broker_askers);
    check_endpoint(reader, &config->broker_workers);
    if (strcmp(config->broker_askers, config->broker_workers) == 0)
        parameter_complain(reader, &config->broker_workers, "is the same endpoint as broker.askers");
    check_tcp(reader, config, &config->broker_workers_tcp);
    check_tcp(reader, config, &config->broker_askers_tcp);
    check_words(reader, config);
    check_users(reader, config);
    check_auth(reader, config);
    check_signing(reader, config);
    check_redis(reader, config);
    check_audit(reader, config);
    check_word(reader, &config->log_format, "auto|json|plain");
    check_order(reader, &config->frontend_large_body_bytes, config->frontend_max_body_bytes,
                "frontend.max_body_bytes");
    check_order(reader, &config->frontend_max_body_bytes, config->frontend_max_spool_bytes,
                "frontend.max_spool_bytes");
    check_order(reader, &config->frontend_max_body_bytes, config->broker_max_message_bytes,
                "broker.max_message_bytes");
    token_settings_check(reader, config);
    trace_settings_check(reader, config);
}

/* ---- the doors ---- */

struct config *config_load(const char *file, const char *const *settings, size_t setting_count,
                           struct config_errors *errors)
{
    int complaints_before = errors->count;
    struct config *config = object_alloc(sizeof *config);
    config->file = object_strdup(file == NULL ? "" : file);
    parameters_default(&table, config);
    struct parameter_reader *reader = parameter_reader_new(&table, config, config->file, errors);
    if (*config->file != '\0')
        parameter_read_file(reader, config->file);
    for (size_t i = 0; i < setting_count; i++)
        parameter_set(reader, settings[i]);
    compute(config);
    check(reader, config);
    parameter_reader_free(reader);
    if (errors->count == complaints_before)
        return config;
    config_free(config);
    return NULL;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    parameters_free(&table, config);
    free(config->file);
    free(config);
}

const char *config_signing_keys(const struct config *config, const char *model)
{
    char word[API_KEY_WORD_MAX], models[API_KEY_MODELS_MAX + 1];
    bool may = *config->signing_unsigned != '\0' && /* "" would be all of them */
               api_key_models_read(config->signing_unsigned, models, word) && *models != '\0' &&
               api_key_models_have(models, text_of(model));
    return may ? "" : config->signing_keys;
}

void config_print_template(FILE *out)
{
    fputs(
        "# outrigger.conf: every parameter of Outrigger, at its default. What is left out has its default.\n"
        "#\n"
        "# The syntax is libconfig's; @include \"FILE\" is relative to this file. Other relative paths are "
        "relative to\n"
        "# the working directory of the programs. A number above 2147483647 ends with an L. Any parameter "
        "can be\n"
        "# given on the command line instead: --set SECTION.NAME=VALUE. After a change:\n"
        "#     outrigger check outrigger.conf\n"
        "#     outrigger reload\n",
        out);
    parameters_print(&table, out);
}
