/* safety: who can change the configuration or a model runs code as us, so files that everybody can change are
 * refused. Running as root is told and not refused: it is what containers and test machines do, and a
 * supervisor that runs as root has no other user to become unless `user` tells it one.
 * SPDX-License-Identifier: MIT */
#include "safety.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void refuse_open(const char *path, const char *what, struct config_errors *errors)
{
    struct stat status;
    if (*path == '\0' || stat(path, &status) != 0) /* what is not there is complained of elsewhere */
        return;
    if ((status.st_mode & S_IWOTH) != 0)
        config_complain(errors, "%s: %s can be changed by everybody, who could run code here: chmod o-w it",
                        path, what);
}

/* Another user's file is his to change. */
static void warn_of_owner(const char *path, uid_t uid, struct config_errors *warnings)
{
    struct stat status;
    if (*path != '\0' && stat(path, &status) == 0 && status.st_uid != 0 && status.st_uid != uid)
        config_complain(warnings, "%s: belongs to user %u, who can change what runs as user %u", path,
                        (unsigned)status.st_uid, (unsigned)uid);
}

static bool is_loopback(const char *listen)
{
    return *listen == '\0' || strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]:", 6) == 0;
}

static void warn_of_settings(const struct config *config, uid_t uid, struct config_errors *warnings)
{
    if (uid == 0 && config->run_as_root == 0)
        config_complain(warnings,
                        "this runs as root: name the user that it shall become (user = \"outrigger\"; with "
                        "worker.user another one for models), or say run_as_root = true when that is meant");
    if (config->core_dumps != 0)
        config_complain(warnings, "core_dumps: a core file holds requests, keys and models");
    if ((strtol(config->frontend_socket_mode, NULL, 8) & 07) != 0)
        config_complain(
            warnings,
            "frontend.socket_mode: \"%s\" lets every user of this host past the web server; 0660 and "
            "frontend.socket_group let in the web server alone",
            config->frontend_socket_mode);
    if (config->broker_workers_by_hand != 0)
        config_complain(warnings,
                        "broker.workers_by_hand: with it every model that is a program can take the "
                        "requests of every other");
    if (!is_loopback(config->collector_listen))
        config_complain(warnings,
                        "collector.listen: %s shows the metrics to whoever reaches it, without asking",
                        config->collector_listen);
    if (strcmp(config->audit_access, "none") == 0)
        config_complain(warnings, "audit.access: with none nobody can tell later who asked for what");
    if (strcmp(config->audit_payload, "full") == 0 && config->audit_predictions_per_mille > 0)
        config_complain(warnings, "audit.payload: with full the audit log holds what people sent");
    if (strcmp(config->flight_payload, "full") == 0 && config->flight_requests > 0)
        config_complain(warnings, "flight.payload: with full the flight recorder holds what people sent");
}

void safety_check(const struct config *config, uid_t uid, struct config_errors *errors,
                  struct config_errors *warnings)
{
    refuse_open(config->file, "the configuration", errors);
    refuse_open(config->models_directory, "the model repository", errors);
    refuse_open(config->state_directory, "the folder of what must last", errors);
    warn_of_owner(config->file, uid, warnings);
    warn_of_settings(config, uid, warnings);
}

static void check_reader(const struct account *account, const char *path, struct config_errors *errors)
{
    int error = *path == '\0' ? 0 : account_try(account, path);
    if (error != 0 && error != ENOENT) /* what is not there is complained of elsewhere, or need not be */
        config_complain(
            errors,
            "%s: the user %s, as whom it is read, cannot read it (%s): give it, or the way to it, to "
            "that user or its group",
            path, account->name, strerror(error));
}

static void check_program(const struct account *account, const struct config *config, const char *name,
                          struct config_errors *errors)
{
    char *path;
    ENSURE(asprintf(&path, "%s/outrigger-%s", config->binary_directory, name) >= 0);
    check_reader(account, path, errors);
    free(path);
}

/* The file that the reference of a secret leads to (secret.h), if it does. */
static void check_secret(const struct account *account, const char *reference, struct config_errors *errors)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char *path = NULL;
    if (strncmp(reference, "env:", 4) == 0)
        return;
    if (strncmp(reference, "credential:", 11) == 0 && folder != NULL)
        ENSURE(asprintf(&path, "%s/%s", folder, reference + 11) >= 0);
    check_reader(account, path != NULL ? path : reference + (strncmp(reference, "file:", 5) == 0 ? 5 : 0),
                 errors);
    free(path);
}

static void check_secrets(const struct account *account, const struct config *config,
                          struct config_errors *errors)
{
    const char *const references[] = {config->auth_required != 0 ? config->auth_keys_file : "",
                                      config->broker_curve_secret_file,
                                      config->broker_curve_allow,
                                      config->limit_redis_password,
                                      config->token_jwks_file,
                                      config->token_hs256_secret,
                                      config->token_introspection_secret,
                                      config->token_ca_file};
    for (size_t i = 0; i < COUNT_OF(references); i++)
        check_secret(account, references[i], errors);
}

bool safety_is_empty(int folder)
{
    bool empty = true;
    int copy = dup(folder);
    DIR *stream = copy == -1 ? NULL : fdopendir(copy);
    for (struct dirent *entry; stream != NULL && empty && (entry = readdir(stream)) != NULL;)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (stream != NULL)
        closedir(stream);
    return stream != NULL && empty;
}

/* One that is missing or empty is given to the user at the start. */
static void check_folder(const struct account *account, const char *path, struct config_errors *errors)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd != -1 && fstat(fd, &status) == 0 && status.st_uid != account->uid && !safety_is_empty(fd)) {
        const struct passwd *entry = getpwuid(status.st_uid);
        config_complain(
            errors, "%s: belongs to %s, and all runs as the user %s: chown -R %s: %s, or name another folder",
            path, entry == NULL ? "another user" : entry->pw_name, account->name, account->name, path);
    }
    if (fd != -1)
        close(fd);
}

void safety_check_readers(const struct config *config, const struct account *service,
                          const struct account *workers, struct config_errors *errors)
{
    if (service != NULL) {
        check_folder(service, config->runtime_directory, errors);
        check_folder(service, config->state_directory, errors);
        check_program(service, config, "broker", errors);
        check_reader(service, config->file, errors);
        check_reader(service, config->models_directory, errors);
        check_secrets(service, config, errors);
    }
    if (workers != NULL) {
        check_program(workers, config, "worker", errors);
        check_reader(workers, config->file, errors);
        check_reader(workers, config->models_directory, errors);
    }
}

void safety_limit_core(const struct config *config)
{
    const struct rlimit none = {0, 0};
    if (config->core_dumps == 0)
        (void)setrlimit(RLIMIT_CORE, &none); /* lowering a limit is always allowed */
}
