/* inspecting: see inspecting.h. Called by main.c before all else. The file is loaded by the engine that will
 * serve it, in the sandbox that it will be served in. SPDX-License-Identifier: MIT */
#include "inspecting.h"

#include "account.h"
#include "confinement.h"
#include "log.h"
#include "measuring.h"
#include "model_config.h"
#include "pipeline.h"
#include "trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- what is asked ---- */

enum {
    DESCRIBE_FILE = 2,
    DESCRIBE_FOLDER,
    DESCRIBE_MODE,
    DESCRIBE_ALSO,
    DESCRIBE_MODELS,
    DESCRIBE_KEYS,
    DESCRIBE_USER,
    DESCRIBE_END
};

enum { GRAPH_FILE = 2, GRAPH_OUTPUT, GRAPH_MODE, GRAPH_END };

static bool is_description(int count, char **arguments)
{
    return (count == DESCRIBE_FOLDER || count == DESCRIBE_MODE || count == DESCRIBE_END) &&
           strcmp(arguments[1], "--describe") == 0;
}

static bool is_measurement(int count, char **arguments)
{
    return count == DESCRIBE_END && strcmp(arguments[1], "--measure") == 0;
}

static bool is_graph(int count, char **arguments)
{
    return count == GRAPH_END && strcmp(arguments[1], "--graph") == 0;
}

bool inspecting_asked(int count, char **arguments)
{
    return is_description(count, arguments) || is_measurement(count, arguments) || is_graph(count, arguments);
}

/* ---- doing it ---- */

static int write_graph(char **arguments)
{
    confine(&(struct confinement){.mode = arguments[GRAPH_MODE],
                                  .name = "--graph",
                                  .path = arguments[GRAPH_FILE],
                                  .writes = arguments[GRAPH_OUTPUT]});
    return measuring_write_graph(arguments[GRAPH_FILE], arguments[GRAPH_OUTPUT]);
}

static bool has_suffix(const char *path, const char *suffix)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL && strcmp(dot, suffix) == 0;
}

/* What is loaded by an interpreter, or made of other models, is told by its own file alone here: who has
 * signed it, and whether a pipeline's steps can be read. */
static const char *platform_elsewhere(const char *path)
{
    return has_suffix(path, ".py") || has_suffix(path, ".pkl") || has_suffix(path, ".joblib") ? "python"
           : pipeline_is_file(path)                                                           ? "pipeline"
                                                                                              : NULL;
}

static int describe_elsewhere(const struct provenance *provenance, const char *path, const char *platform)
{
    char reason[TRIAL_ERROR_MAX];
    struct config_errors errors = {0};
    if (!provenance_trusted(provenance, reason, sizeof reason)) {
        fprintf(stderr, "%s\n", reason);
        return TRIAL_DO_NOT_RESTART;
    }
    struct pipeline *pipeline = pipeline_is_file(path) ? pipeline_read(path, &errors) : NULL;
    pipeline_free(pipeline);
    if (errors.count > 0) {
        config_errors_print(&errors, stderr);
        return 1;
    }
    printf("{\"platform\":\"%s\",\"inputs\":[],\"outputs\":[],\"digest\":\"%s\",\"signed\":%s}\n", platform,
           provenance_digest(provenance), provenance_demanded(provenance) ? "true" : "false");
    return 0;
}

/* The model whose folder that is; NULL when it is none. */
static struct model_config *find_by_folder(const char *folder, struct config_errors *errors)
{
    const char *slash = strrchr(folder, '/');
    char *repository = object_strdup(slash == NULL ? "." : folder);
    if (slash != NULL)
        repository[slash - folder] = '\0';
    struct model_config *config = model_config_load(repository, slash == NULL ? folder : slash + 1, errors);
    free(repository);
    return config;
}

/* Ends the process with one line when that cannot be. */
static void become(const char *user)
{
    struct account *account = *user == '\0' || geteuid() != 0 ? NULL : account_find(user);
    if (account != NULL && account_assume(account) == -1) {
        fprintf(stderr, "cannot become the user %s: %s\n", user, strerror(errno));
        exit(1);
    }
    account_free(account);
}

static int describe(int count, char **arguments)
{
    const char *path = arguments[DESCRIBE_FILE], *folder = arguments[DESCRIBE_FOLDER]; /* NULL ends them */
    folder = folder != NULL && *folder == '\0' ? NULL : folder; /* no model's, though more is said */
    struct confinement confinement = {.mode = "on", .name = "--describe", .path = path, .model = folder};
    if (count == DESCRIBE_END) {
        confinement.mode = arguments[DESCRIBE_MODE];
        confinement.also = arguments[DESCRIBE_ALSO];
        confinement.models_directory = arguments[DESCRIBE_MODELS];
        become(arguments[DESCRIBE_USER]);
    }
    char error[TRIAL_ERROR_MAX];
    bool measured = is_measurement(count, arguments);
    struct config_errors errors = {0};
    struct model_config *config = folder == NULL ? NULL : find_by_folder(folder, &errors);
    struct trial trial = {.path = path,
                          .backend = backend_for_file(path),
                          .config = config,
                          .threads =
                              measured && config != NULL && config->threads > 0 ? (int)config->threads : 1,
                          .most_rows = 1,
                          .max_answer_bytes = SIZE_MAX};
    log_open("worker", "info");
    const char *elsewhere = folder == NULL ? NULL : platform_elsewhere(path);
    if ((trial.backend == NULL && elsewhere == NULL) || (folder != NULL && config == NULL)) {
        fprintf(stderr, "%s: %s\n", path,
                trial.backend == NULL && elsewhere == NULL ? "the suffix is none of a model's"
                                                           : "no model's");
        model_config_free(config);
        return 1;
    }
    if (folder != NULL)
        trial_identify(&trial, count == DESCRIBE_END ? arguments[DESCRIBE_KEYS] : "");
    confine(&confinement);
    int status = elsewhere != NULL ? describe_elsewhere(trial.provenance, path, elsewhere)
                 : measured        ? measuring_run(&trial)
                                   : trial_status(trial_run(&trial, error), error);
    if (status == 0 && elsewhere == NULL && !measured)
        loaded_model_describe(trial.model, trial.golden,
                              folder != NULL && provenance_demanded(trial.provenance), stdout);
    loaded_model_free(trial.model);
    provenance_free(trial.provenance);
    model_config_free(config);
    return status;
}

int inspecting_run(int count, char **arguments)
{
    return is_graph(count, arguments) ? write_graph(arguments) : describe(count, arguments);
}
