/* repository: a model repository of the test's own in the scratch directory, and the configuration for it.
 * Include it in one test program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_REPOSITORY_H
#define OUTRIGGER_REPOSITORY_H

#include "config.h"
#include "scratch_directory.h"

/* Makes the version's folder (and the model's) with an empty model file: "m/1". */
static inline void repository_add(const char *model, const char *version)
{
    char path[128];
    mkdir(scratch_path(model), 0700); /* may be there from another version */
    snprintf(path, sizeof path, "%s/%s", model, version);
    scratch_folder(path);
    snprintf(path, sizeof path, "%s/%s/model.echo", model, version);
    scratch_file(path, "");
}

/* Writes the model's model.conf. */
static inline void repository_configure(const char *model, const char *text)
{
    char path[128];
    mkdir(scratch_path(model), 0700);
    snprintf(path, sizeof path, "%s/model.conf", model);
    scratch_file(path, text);
}

/* The defaults, with the scratch directory for models, sockets and state, and up to 6 settings ("a.b=c"),
 * ended by NULL. */
static inline struct config *repository_config(const char *const *settings)
{
    char models[128], runtime[128], state[128];
    const char *all[9] = {models, runtime, state};
    size_t count = 3;
    snprintf(models, sizeof models, "models_directory=%s", scratch_directory);
    snprintf(runtime, sizeof runtime, "runtime_directory=%s", scratch_directory);
    snprintf(state, sizeof state, "state_directory=%s/.state", scratch_directory);
    while (settings != NULL && *settings != NULL && count < 9)
        all[count++] = *settings++;
    struct config_errors errors = {0};
    struct config *config = config_load(NULL, all, count, &errors);
    ck_assert_msg(config != NULL, "%s", errors.text);
    return config;
}

#endif
