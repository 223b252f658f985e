/* sandbox_program: see sandbox_program.h. These programs are ours and read outside bytes with care; what is
 * given up here is what somebody could do who gets into one of them all the same.
 * SPDX-License-Identifier: MIT */
#include "sandbox_program.h"

#include "log.h"
#include "redis_address.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXTS_MAX = 64 };

#define NAME_SERVERS "/etc/resolv.conf"

/* The texts that are only made here live as long as the sandbox. */
struct program {
    struct sandbox sandbox; /* the first, so that one pointer is both */
    char *texts[TEXTS_MAX];
    size_t count;
};

static const char *text(struct program *program, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static const char *text(struct program *program, const char *format, ...)
{
    va_list arguments;
    ENSURE(program->count < TEXTS_MAX);
    va_start(arguments, format);
    ENSURE(vasprintf(&program->texts[program->count], format, arguments) >= 0);
    va_end(arguments);
    return program->texts[program->count++];
}

/* The folder in which an endpoint's socket is made. */
static void may_bind(struct program *program, const char *endpoint)
{
    if (strncmp(endpoint, "ipc:///", 7) == 0)
        sandbox_may_write(&program->sandbox, dirname((char *)text(program, "%s", endpoint + 6)));
}

/* A file that others replace by renaming a new one over it is found by its folder alone: a rule about the
 * file would go on holding for the one before. Where it is a link, so may be what it leads to. */
static void may_read_beside(struct program *program, const char *path)
{
    char *real = *path == '\0' ? NULL : realpath(path, NULL);
    const char *const both[] = {path, real};
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        if (both[i] == NULL || *both[i] == '\0')
            continue;
        const char *folder = dirname((char *)text(program, "%s", both[i]));
        sandbox_may_read(&program->sandbox, strcmp(folder, "/") == 0 ? text(program, "%s", both[i]) : folder);
    }
    free(real);
}

static bool is_known(const struct program *program, const char *text)
{
    for (size_t i = 0; i < program->count; i++)
        if (strcmp(program->texts[i], text) == 0)
            return true;
    return false;
}

/* Models may be links: then the folder that they lead into is read, too, and what else lies there, as is what
 * lies beside the repository, which may be a link that is changed or a folder that is replaced. A model that
 * is linked to from elsewhere later is not found until the process is started again. */
static void may_read_models(struct program *program, const char *models_directory)
{
    enum { LINKS_MAX = 8 };
    size_t links = 0;
    DIR *folder = opendir(models_directory);
    sandbox_may_read(&program->sandbox, models_directory);
    may_read_beside(program, models_directory);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char *path, *real;
        if (entry->d_name[0] == '.' || (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN))
            continue;
        ENSURE(asprintf(&path, "%s/%s", models_directory, entry->d_name) >= 0);
        real = realpath(path, NULL);
        const char *above = real == NULL ? NULL : dirname(real);
        if (above != NULL && !is_known(program, above) && links++ < LINKS_MAX)
            sandbox_may_read(&program->sandbox, text(program, "%s", above));
        if (links == LINKS_MAX + 1)
            log_warning(
                "sandbox: %s: links lead into more than %d folders; models in the others are not seen", path,
                LINKS_MAX);
        free(path);
        free(real);
    }
    if (folder != NULL)
        closedir(folder);
}

static void may_reach_ours(struct program *program, const struct config *config, const char *name)
{
    sandbox_may_reach(&program->sandbox, text(program, "ipc://%s/%s", config->runtime_directory, name));
}

/* Where the reference of a secret leads (secret.h). */
static void may_read_secret(struct program *program, const char *reference)
{
    if (strncmp(reference, "credential:", 11) == 0)
        sandbox_may_read(&program->sandbox, getenv("CREDENTIALS_DIRECTORY"));
    else if (strncmp(reference, "env:", 4) != 0)
        may_read_beside(program, reference + (strncmp(reference, "file:", 5) == 0 ? 5 : 0));
}

/* A new file takes this one's place when the network changes. Where it is a link into a folder of its own, as
 * with systemd-resolved and NetworkManager, that folder is read; of one that lies in /etc itself the sandbox
 * knows what was there at the start. */
static void may_read_name_servers(struct program *program)
{
    char *real = realpath(NAME_SERVERS, NULL);
    const char *folder = real == NULL ? "/" : dirname((char *)text(program, "%s", real));
    if (strchr(folder + 1, '/') != NULL)
        sandbox_may_read(&program->sandbox, folder);
    free(real);
}

const char *sandbox_program_no_names(void)
{
    int fd = open(NAME_SERVERS, O_RDONLY | O_CLOEXEC);
    if (fd != -1)
        close(fd);
    return fd != -1 || errno != EACCES ? NULL
                                       : NAME_SERVERS " was replaced, and the sandbox does not know the new "
                                                      "one: outrigger restart frontends (for tokens), "
                                                      "outrigger restart collector (for traces)";
}

static void of_tokens(struct program *program, const struct config *config)
{
    may_read_beside(program, config->token_jwks_file);
    may_read_secret(program, config->token_hs256_secret);
    may_read_secret(program, config->token_introspection_secret);
}

static void of_redis(struct program *program, const struct config *config)
{
    struct redis_address address;
    may_read_secret(program, config->limit_redis_password);
    if (*config->limit_redis == '\0' || redis_address_read(config->limit_redis, &address) != NULL)
        return;
    if (*address.host == '\0')
        sandbox_may_reach(&program->sandbox, text(program, "ipc://%s", address.path));
    else
        sandbox_may_reach(&program->sandbox,
                          text(program, strchr(address.host, ':') != NULL ? "tcp://[%s]:%d" : "tcp://%s:%d",
                               address.host, address.port));
}

static void of_frontend(struct program *program, const struct config *config)
{
    sandbox_may_reach(&program->sandbox, config->broker_askers);
    may_reach_ours(program, config, "stats.ipc");
    may_reach_ours(program, config, "exposition.ipc");
    may_reach_ours(program, config, "observations.ipc");
    may_reach_ours(program, config, "supervisor.sock");
    may_reach_ours(program, config, "broker.sock");
    sandbox_may_read(&program->sandbox, config->state_directory);
    sandbox_may_write(&program->sandbox, text(program, "%s/audit", config->state_directory));
    sandbox_may_write(&program->sandbox, text(program, "%s/predictions", config->state_directory));
    sandbox_may_write(&program->sandbox, text(program, "%s/failures.table", config->runtime_directory));
    sandbox_may_write(&program->sandbox, text(program, "%s/key_uses.table", config->state_directory));
    may_read_beside(program, config->auth_keys_file);
    of_tokens(program, config);
}

static void of_broker(struct program *program, const struct config *config)
{
    may_reach_ours(program, config, "stats.ipc");
    may_reach_ours(program, config, "observations.ipc");
    may_reach_ours(program, config, "supervisor.sock");
    sandbox_may_write(&program->sandbox, config->runtime_directory);
    sandbox_may_write(&program->sandbox, config->state_directory);
    may_bind(program, config->broker_askers);
    may_bind(program, config->broker_workers);
    may_read_models(program, config->models_directory);
    may_read_secret(program, config->broker_curve_secret_file);
    may_read_beside(program, config->broker_curve_allow);
    may_read_beside(program, config->auth_keys_file);
    of_redis(program, config);
    program->sandbox.listens = true;
    program->sandbox.lists_interfaces =
        *config->broker_workers_tcp != '\0' || *config->broker_askers_tcp != '\0';
}

/* It looks which processes live, and reads the baselines of models. */
static void of_collector(struct program *program, const struct config *config)
{
    may_read_models(program, config->models_directory);
    sandbox_may_write(&program->sandbox, config->runtime_directory);
    sandbox_may_read(&program->sandbox, "/proc");
    sandbox_may_write(&program->sandbox, text(program, "%s/predictions", config->state_directory));
    program->sandbox.listens = true;
}

static struct program *new_program(const struct config *config, enum sandbox_role role, const char *name,
                                   const char *page)
{
    struct program *program = object_alloc(sizeof *program);
    program->sandbox =
        (struct sandbox){.role = role, .mode = config->sandbox_mode, .name = name, .remove = page};
    return program;
}

/* What it is given to do is in fetch_hand.c and trace_hand.c. */
struct sandbox *sandbox_program_fetcher(const struct config *config, const char *name, const char *ca_file)
{
    struct program *program = new_program(config, SANDBOX_FETCHER, name, NULL);
    may_read_beside(program, ca_file);
    may_read_name_servers(program);
    program->sandbox.network_out = true;
    return &program->sandbox;
}

struct sandbox *sandbox_program_new(const struct config *config, enum sandbox_role role, const char *name,
                                    const char *page)
{
    struct program *program = new_program(config, role, name, page);
    if (role == SANDBOX_FRONTEND)
        of_frontend(program, config);
    else if (role == SANDBOX_BROKER)
        of_broker(program, config);
    else if (role == SANDBOX_COLLECTOR)
        of_collector(program, config);
    return &program->sandbox;
}

void sandbox_program_enter(struct sandbox *sandbox)
{
    struct program *program = (struct program *)sandbox;
    sandbox_enter_or_exit(sandbox);
    for (size_t i = 0; i < program->count; i++)
        free(program->texts[i]);
    free(program);
}
