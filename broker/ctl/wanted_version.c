/* wanted_version: see wanted_version.h. Used by the commands that work on versions that nobody need serve:
 * `outrigger validate` (validate_command.c) and `outrigger optimize` (optimize_command.c).
 * SPDX-License-Identifier: MIT */
#include "wanted_version.h"

#include <stdio.h>
#include <stdlib.h>

#define REFUSE(reason, ...) (snprintf((reason), WANTED_REASON_MAX, __VA_ARGS__), false)

bool wanted_version_find(struct wanted_version *wanted, const struct config *config, const char *operand,
                         char reason[WANTED_REASON_MAX])
{
    const char *colon = strchr(operand, ':');
    struct text name = {operand, colon == NULL ? strlen(operand) : (size_t)(colon - operand)};
    struct config_errors errors = {0};
    wanted->models = model_list_load(config->models_directory, &errors);
    wanted->model = model_list_find(wanted->models, name);
    if (wanted->model == NULL)
        return REFUSE(reason, "there is no model %.*s in %s%s%.*s", (int)name.length, name.at,
                      config->models_directory, errors.count > 0 ? ": " : "",
                      errors.count > 0 ? (int)strcspn(errors.text, "\n") : 0, errors.text);
    const struct config_names *versions = &wanted->model->versions;
    wanted->version = colon != NULL          ? colon + 1
                      : versions->count == 0 ? ""
                                             : versions->names[versions->count - 1];
    return colon == NULL || model_has_version(wanted->model, wanted->version) ||
           REFUSE(reason, "the model %s has no version %s", wanted->model->name, wanted->version);
}

bool wanted_version_data(struct wanted_version *wanted, const struct arguments *arguments,
                         char reason[WANTED_REASON_MAX])
{
    const struct model_config *model = wanted->model;
    const char *said = arguments_text(arguments, OPTION_DATA);
    const char *target = arguments_text(arguments, OPTION_TARGET);
    wanted->target = target != NULL ? target : model->validation_target;
    if (said == NULL && *model->validation_data == '\0')
        return REFUSE(reason, "--data FILE says by which rows, or validation.data in the model.conf");
    if (*wanted->target == '\0')
        return REFUSE(reason, "--target COLUMN says where their truth stands, or validation.target");
    if (said != NULL || *model->validation_data == '/')
        wanted->data = object_strdup(said != NULL ? said : model->validation_data);
    else
        ENSURE(asprintf(&wanted->data, "%s/%s", model->directory, model->validation_data) >= 0);
    return true;
}

void wanted_version_clear(struct wanted_version *wanted)
{
    model_list_free(wanted->models);
    free(wanted->data);
}
