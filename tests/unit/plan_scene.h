/* plan_scene: a repository of models, and what the supervisor's plan makes of it. Include it in one test
 * program's only .c. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PLAN_SCENE_H
#define OUTRIGGER_PLAN_SCENE_H

#include "plan.h"
#include "scratch_directory.h"
#include "suite.h"

static struct config *config;
static struct config_errors errors;
static struct plan *plan;
static struct options options;
static struct plan_basis basis;
static struct deployments *said;

static inline void set_up(void)
{
    static const char *settings[3];
    static char models[128];
    static char binaries[128];
    scratch_make();
    scratch_folder("models");
    scratch_folder("bin");
    snprintf(models, sizeof models, "models_directory=%s", scratch_path("models"));
    snprintf(binaries, sizeof binaries, "binary_directory=%s", scratch_path("bin"));
    settings[0] = models;
    settings[1] = binaries;
    settings[2] = "frontend.processes=3";
    errors = (struct config_errors){0};
    config = config_load(NULL, settings, COUNT_OF(settings), &errors);
    ck_assert_msg(config != NULL, "%s", errors.text);
    options = (struct options){.settings = settings, .setting_count = 1, .ready_fd = -1};
    basis = (struct plan_basis){.config = config, .options = &options, .listen_fd = 42};
    strcpy(basis.placement.light, "1");
    strcpy(basis.placement.heavy, "0");
    plan = NULL;
    said = deployments_parse("said", "{\"models\":{}}", 13, &errors);
}

static inline void tear_down(void)
{
    plan_free(plan);
    deployments_free(said);
    config_free(config);
    scratch_remove();
}

static inline void add_model(const char *name, const char *version, const char *file,
                             const char *configuration)
{
    char path[128];
    snprintf(path, sizeof path, "models/%s", name);
    mkdir(scratch_path(path), 0700);
    snprintf(path, sizeof path, "models/%s/%s", name, version);
    scratch_folder(path);
    snprintf(path, sizeof path, "models/%s/%s/%s", name, version, file);
    scratch_file(path, "");
    snprintf(path, sizeof path, "models/%s/model.conf", name);
    scratch_file(path, configuration);
}

/* Reads the repository as it is. */
static inline struct plan *read_all(const struct plan *before, int64_t settle_ms)
{
    const struct plan_reading reading = {
        .config = config, .said = said, .before = before, .settle_ms = settle_ms};
    return plan_new(&reading, &errors);
}

static inline const struct plan_model *only_model(void)
{
    plan_free(plan);
    plan = read_all(NULL, 0);
    ck_assert_uint_eq(plan->model_count, 1);
    return &plan->models[0];
}

static inline const struct plan_version *only_version(void)
{
    const struct plan_model *model = only_model();
    ck_assert_uint_eq(model->version_count, 1);
    return &model->versions[0];
}

#endif
