/* trial: see trial.h. The order is of use: golden requests come before the warm-up, since they are also what
 * it is best done with, and the memory that loading needed is given back between them, so that the warm-up
 * brings back what computing needs and nothing else. SPDX-License-Identifier: MIT */
#include "trial.h"

#include "footprint.h"
#include "pipeline_host.h"
#include "warm_up.h"

#include <stdlib.h>

_Static_assert((int)TRIAL_ERROR_MAX >= (int)GOLDEN_ERROR_MAX, "errors of golden requests are handed on");

/* The golden requests of the model. False when there are some that cannot be read. */
static bool read_golden(const struct trial *trial, struct golden **golden, char *error)
{
    const char *slash = strrchr(trial->path, '/');
    char *folder = object_strdup(slash == NULL ? "." : trial->path);
    if (slash != NULL)
        folder[slash - trial->path] = '\0';
    *golden = golden_read(folder, trial->config == NULL ? folder : trial->config->directory,
                          trial->model->schema, error);
    free(folder);
    return *error == '\0';
}

static enum trial_result try_out(struct trial *trial, struct warm_up *warm_up, char *error)
{
    char reason[BACKEND_ERROR_MAX] = "";
    if (!warm_up_first(warm_up, reason)) {
        snprintf(error, TRIAL_ERROR_MAX, "%s: cannot serve this model: %s", trial->path, reason);
        return TRIAL_FAILED;
    }
    trial->golden = golden_count(warm_up->golden);
    if (trial->golden > 0 && !golden_pass(warm_up->golden, warm_up->batch, error))
        return TRIAL_HOPELESS;
    footprint_give_back();
    trial->one_row = warm_up_run(warm_up);
    return TRIAL_PASSED;
}

/* What the model file is, is told with what it takes. */
static void add_digest(const struct trial *trial)
{
    struct schema *schema = trial->model->schema;
    free(schema->digest);
    schema->digest = object_strdup(provenance_digest(trial->provenance));
}

static bool has_held(const struct trial *trial, char *error)
{
    return trial->provenance == NULL || provenance_holds(trial->provenance, error, TRIAL_ERROR_MAX);
}

static struct loaded_model *open_model(const struct trial *trial, char *reason)
{
    return trial->pipeline != NULL
               ? pipeline_host_open(trial->pipeline, trial->path, trial->config, reason)
               : loaded_model_open(trial->path, trial->backend, trial->config, trial->threads, reason);
}

void trial_identify(struct trial *trial, const char *signing_keys)
{
    char reason[TRIAL_ERROR_MAX];
    trial->provenance = provenance_gather(trial->path, signing_keys, reason, sizeof reason);
    if (trial->provenance != NULL)
        return;
    fprintf(stderr, "%s\n", reason);
    exit(1);
}

enum trial_result trial_open(struct trial *trial, char error[TRIAL_ERROR_MAX])
{
    char reason[BACKEND_ERROR_MAX] = "";
    *error = '\0';
    if (trial->provenance != NULL && !provenance_trusted(trial->provenance, error, TRIAL_ERROR_MAX))
        return TRIAL_HOPELESS;
    trial->model = open_model(trial, reason);
    if (trial->model == NULL) {
        snprintf(error, TRIAL_ERROR_MAX, "%s: cannot serve this model: %s", trial->path, reason);
        return TRIAL_FAILED;
    }
    if (trial->provenance != NULL)
        add_digest(trial);
    return TRIAL_PASSED;
}

enum trial_result trial_run(struct trial *trial, char error[TRIAL_ERROR_MAX])
{
    enum trial_result result = trial_open(trial, error);
    if (result != TRIAL_PASSED)
        return result;
    struct golden *golden = NULL;
    struct batch *batch = batch_new(trial->model, trial->most_rows, trial->max_answer_bytes);
    struct warm_up warm_up = {
        .model = trial->model, .batch = batch, .most_rows = trial->most_rows, .limit = trial->warm_up_limit};
    result = TRIAL_HOPELESS;
    if (read_golden(trial, &golden, error)) {
        warm_up.golden = golden;
        result = try_out(trial, &warm_up, error);
    }
    batch_free(batch);
    golden_free(golden);
    if (result == TRIAL_PASSED && !has_held(trial, error))
        result = TRIAL_FAILED;
    if (result == TRIAL_PASSED)
        return result;
    loaded_model_free(trial->model);
    trial->model = NULL;
    return result;
}

int trial_status(enum trial_result result, const char *error)
{
    if (result == TRIAL_PASSED)
        return 0;
    fprintf(stderr, "%s\n", error);
    return result == TRIAL_HOPELESS ? TRIAL_DO_NOT_RESTART : 1;
}
