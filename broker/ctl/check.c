/* check: `outrigger check`: all that can be known before anything is started. What the programs would refuse
 * at their start is a fault and gives exit status 1; what works but surely is not meant is a warning.
 * SPDX-License-Identifier: MIT */
#include "checked.h"

#include "api_key.h"
#include "cgroup.h"
#include "curve.h"
#include "inspect.h"
#include "safety.h"
#include "say.h"
#include "signature_bundle.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- faults ---- */

static void check_programs(const struct config *config, struct config_errors *errors)
{
    static const char *const names[] = {"supervisor", "broker", "frontend", "worker", "collector"};
    char path[8192];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(path, sizeof path, "%s/outrigger-%s", config->binary_directory, names[i]);
        if (access(path, X_OK) != 0)
            config_complain(errors, "binary_directory: %s: %s", path, strerror(errno));
    }
}

static void check_names(const struct check *check, struct config_errors *errors)
{
    const struct config *config = check->config;
    const char *model = config->default_model, *group = config->frontend_socket_group;
    if (*model != '\0' && model_list_find(check->list, text_of(model)) == NULL)
        config_complain(errors, "default_model: there is no model \"%s\" in %s", model,
                        config->models_directory);
    if (*group != '\0' && getgrnam(group) == NULL)
        config_complain(errors, "frontend.socket_group: there is no group \"%s\"", group);
}

static yyjson_doc *inspect(const struct config *config, const struct model_config *model, const char *file,
                           struct config_errors *errors)
{
    char reason[1024];
    yyjson_doc *description = inspect_model(config, file, model->directory, reason, sizeof reason);
    if (description == NULL)
        config_complain(errors, "%s: %s", file, reason);
    return description;
}

/* A model in Python is loaded by a program of its own, which is not asked here: loading runs the model's
 * code. So its golden requests wait for its start. Who has signed it can be seen without. */
static void check_python(const struct config *config, const struct model_config *model, const char *version,
                         const char *file, struct config_errors *errors)
{
    if (*config_signing_keys(config, model->name) != '\0')
        yyjson_doc_free(inspect(config, model, file, errors));
    char *python = model_python(model, version, config->python);
    if (access(python, X_OK) != 0 && *model->python != '\0')
        config_complain(errors, "%s/model.conf: python: %s: %s", model->directory, python, strerror(errno));
    else if (access(python, X_OK) != 0)
        config_complain(errors, "python: %s: %s (the model %s needs it)", python, strerror(errno),
                        model->name);
    free(python);
}

static void check_one_model(const struct config *config, const struct deployments *said,
                            struct check_model *entry, struct config_errors *errors)
{
    entry->version = deployment_wanted(entry->model, said);
    char *file =
        entry->version == NULL ? NULL : model_file(entry->model, entry->version, &entry->backend, errors);
    if (file == NULL)
        return;
    if (strcmp(entry->backend, "python") == 0) {
        check_python(config, entry->model, entry->version, file, errors);
    } else {
        entry->description = inspect(config, entry->model, file, errors);
    }
    free(file);
}

/* The caller frees. */
static char *user_name(const struct account *account)
{
    const struct passwd *entry = getpwuid(account == NULL ? geteuid() : account->uid);
    char *name;
    ENSURE(asprintf(&name, "%u", (unsigned)(account == NULL ? geteuid() : account->uid)) >= 0);
    if (entry != NULL) {
        free(name);
        name = object_strdup(entry->pw_name);
    }
    return name;
}

/* Who starts it is thought to be who asks here; but it may be root, and then what its users may read is not
 * to be known from here. */
static void check_users(struct check *check)
{
    const struct config *config = check->config;
    struct account *service = check->service = *config->user == '\0' ? NULL : account_find(config->user);
    struct account *workers = *config->worker_user == '\0' ? NULL : account_find(config->worker_user);
    check->user = user_name(service);
    check->worker_user = user_name(workers == NULL ? service : workers);
    safety_check(config, service == NULL ? geteuid() : service->uid, &check->errors, &check->warnings);
    if (geteuid() == 0)
        safety_check_readers(config, service, workers, &check->errors);
    account_free(workers);
}

/* ---- warnings ---- */

static void warn_of_version(struct check *check, const struct model_config *model, const char *version)
{
    if (version != NULL && !model_has_version(model, version))
        config_complain(&check->warnings,
                        "the route of the model %s names the version %s, which is not in %s: unless a worker "
                        "elsewhere serves it, the stable version answers",
                        model->name, version, model->directory);
}

static void warn_of_route(struct check *check, const struct model_config *model)
{
    const struct route *route = model->route;
    for (size_t i = 0; i < route->arm_count; i++)
        warn_of_version(check, model, route->arms[i].version);
    for (size_t i = 0; i < route->rule_count; i++)
        warn_of_version(check, model, route->rules[i].version);
    warn_of_version(check, model, route->shadow.version);
}

static void check_auth(struct check *check)
{
    const struct config *config = check->config;
    if (config->auth_required != 0)
        api_keys_free(api_keys_read(config->auth_keys_file, &check->errors));
    else
        config_complain(&check->warnings,
                        "auth.required is off: everybody who reaches the web server may ask for everything");
}

/* Each worker reads the keys, but there may be none yet. */
static void check_signing(struct check *check)
{
    char reason[512];
    if (*check->config->signing_keys == '\0')
        return;
    struct signing_keys *keys = signing_keys_read(check->config->signing_keys, reason, sizeof reason);
    if (keys == NULL)
        config_complain(&check->errors, "signing.keys: %s", reason);
    signing_keys_free(keys);
}

static void warn(struct check *check)
{
    int64_t threads = check_all_threads(check);
    if (threads > check->cores)
        config_complain(
            &check->warnings,
            "the workers have %" PRId64
            " threads together and there are %d cores: fewer instances or threads would answer sooner",
            threads, check->cores);
    if (strcmp(check->config->sandbox_mode, "on") == 0 &&
        (!check->powers.seccomp || check->powers.landlock == 0))
        config_complain(&check->warnings, "sandbox.mode is on, and this kernel has no %s",
                        check->powers.seccomp         ? "Landlock"
                        : check->powers.landlock == 0 ? "seccomp and no Landlock"
                                                      : "seccomp");
    char own[CGROUP_PATH_BYTES];
    cgroup_own(own);
    struct cgroup_powers powers = cgroup_powers(own);
    for (size_t i = 0; i < check->list->count; i++) {
        const struct check_model *entry = &check->models[i];
        if (entry->model->limits_cpu_percent > 0 && !powers.cpu)
            config_complain(
                &check->warnings,
                "limits.cpu_percent of the model %s cannot be kept here: this process may not divide "
                "a control group of version 2 with the controller cpu (with systemd: Delegate=yes)",
                entry->model->name);
        warn_of_route(check, entry->model);
        check_writers(check, entry);
        if (entry->model->required != 0 &&
            (entry->version == NULL || check_bounds(check, entry->model).max == 0))
            config_complain(&check->warnings, "the model %s is required and has no %s: /ready will say 503",
                            entry->model->name, entry->version == NULL ? "version" : "instances");
    }
}

/* ---- the command ---- */

static int core_count(void)
{
    cpu_set_t cores;
    return sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores)
                                                           : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* As who will read them: of a secret that belongs to somebody else, somebody else knows. */
static void check_secrets(struct check *check)
{
    if (!account_borrow(check->service)) {
        config_complain(&check->errors, "user: cannot become %s: %s", check->config->user, strerror(errno));
        return;
    }
    curve_check(check->config, &check->errors);
    check_auth(check);
    check_tokens(check);
    account_return();
}

static void check_all(struct check *check)
{
    char path[DEPLOYMENTS_PATH_BYTES];
    struct config_errors *errors = &check->errors;
    const struct config *config = check->config;
    check->cores = core_count();
    check->powers = sandbox_powers();
    placement_plan(config, &check->placement, errors);
    check_programs(config, errors);
    check_users(check);
    check_secrets(check);
    check_signing(check);
    check->list = model_list_load(config->models_directory, errors);
    check->said = deployments_read(deployments_path(config, path), &check->warnings);
    check->models = object_alloc(check->list->count * sizeof(struct check_model));
    for (size_t i = 0; i < check->list->count; i++) {
        check->models[i].model = check->list->models[i];
        check_one_model(config, check->said, &check->models[i], errors);
    }
    check_pipelines(check);
    check_routes(check);
    check_names(check, errors);
    warn(check);
}

static void check_free(struct check *check)
{
    for (size_t i = 0; i < check->list->count; i++)
        yyjson_doc_free(check->models[i].description);
    free(check->models);
    model_list_free(check->list);
    deployments_free(check->said);
    jwk_set_release(check->token_keys);
    account_free(check->service);
    free(check->user);
    free(check->worker_user);
}

static void print_text(const struct check *check)
{
    const char *file = check->config->file;
    check_print(check, stdout, say_coloured());
    fflush(stdout);
    for (const char *line = check->warnings.text; *line != '\0'; line += strcspn(line, "\n") + 1)
        fprintf(stderr, "warning: %.*s\n", (int)strcspn(line, "\n"), line);
    config_errors_print(&check->errors, stderr);
    printf("\n%s: %s\n", *file == '\0' ? "the defaults" : file,
           check->errors.count == 0 ? "good" : "not good");
}

static int check_configuration(const struct arguments *arguments, const struct config *config)
{
    struct check check = {.config = config};
    setenv("OUTRIGGER_LOG", "plain", 0); /* what a worker complains of is shown to a person */
    check_all(&check);
    if (arguments->json)
        say_json(check_json(&check));
    else
        print_text(&check);
    int status = check.errors.count == 0 ? CTL_GOOD : CTL_FAULT;
    check_free(&check);
    return status;
}

int check_command(const struct arguments *arguments)
{
    bool configuration = arguments_has(arguments, OPTION_TEMPLATE);
    bool model = arguments_has(arguments, OPTION_MODEL_TEMPLATE);
    if (configuration)
        config_print_template(stdout);
    if (model)
        model_config_print_template(stdout);
    if (configuration || model)
        return CTL_GOOD;
    if (arguments->operands[0] != NULL && arguments->config_file != NULL)
        return say_usage(arguments, "the configuration is named twice, by --config and as FILE");
    struct arguments named = *arguments;
    if (named.operands[0] != NULL)
        named.config_file = named.operands[0];
    struct config *config = arguments_config(&named);
    int result = config == NULL ? CTL_FAULT : check_configuration(arguments, config);
    config_free(config);
    return result;
}
