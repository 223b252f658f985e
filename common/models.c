/* models: the model repository as a list: each folder below models_directory that is a model, by name. The
 * supervisor starts workers from it, the broker takes limits and batching from it, `outrigger check` prints
 * it. A model whose model.conf is wrong is complained of and left out; the others are good all the same.
 * SPDX-License-Identifier: MIT */
#include "model_config.h"

#include "protocol.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MODELS_MAX = PROTOCOL_COUNT_MAX }; /* more would not fit a CATALOG */

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* True for a folder, also behind a symbolic link. A link that leads nowhere is a mistake and is said; plain
 * files (a README) lie there rightly. */
static bool is_folder(const char *directory, const char *name, struct config_errors *errors)
{
    char *path;
    struct stat status;
    ENSURE(asprintf(&path, "%s/%s", directory, name) >= 0);
    bool there = stat(path, &status) == 0;
    if (!there)
        config_complain(errors, "%s: %s", path, strerror(errno));
    free(path);
    return there && S_ISDIR(status.st_mode);
}

static void add_model(struct model_list *list, const char *directory, const char *name,
                      struct config_errors *errors)
{
    if (!is_folder(directory, name, errors))
        return;
    struct model_config *model = model_config_load(directory, name, errors);
    if (model == NULL)
        return;
    if (list->count == MODELS_MAX) {
        config_complain(errors, "%s: more than %d models", model->directory, MODELS_MAX);
        model_config_free(model);
        return;
    }
    list->models[list->count++] = model;
}

struct model_list *model_list_load(const char *models_directory, struct config_errors *errors)
{
    struct model_list *list = object_alloc(sizeof *list);
    struct dirent **entries;
    int count = scandir(models_directory, &entries, is_visible, alphasort);
    if (count < 0) {
        config_complain(errors, "models_directory: %s: %s", models_directory, strerror(errno));
        return list;
    }
    list->models = object_alloc(MODELS_MAX * sizeof(struct model_config *));
    for (int i = 0; i < count; i++) {
        add_model(list, models_directory, entries[i]->d_name, errors);
        free(entries[i]);
    }
    free(entries);
    return list;
}

void model_list_free(struct model_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++)
        model_config_free(list->models[i]);
    free(list->models);
    free(list);
}

void model_list_keep(struct model_list *list, struct model_list *before)
{
    size_t left = 0;
    struct stat status;
    for (size_t i = 0; i < before->count; i++) {
        struct model_config *model = before->models[i];
        if (model_list_find(list, text_of(model->name)) == NULL && list->count < MODELS_MAX &&
            list->models != NULL && stat(model->directory, &status) == 0 && S_ISDIR(status.st_mode))
            list->models[list->count++] = model;
        else
            before->models[left++] = model;
    }
    before->count = left;
}

struct model_config *model_list_find(const struct model_list *list, struct text name)
{
    for (size_t i = 0; i < list->count; i++)
        if (text_is(name, list->models[i]->name))
            return list->models[i];
    return NULL;
}

const char *model_default(const struct config *config, const struct model_list *list)
{
    if (*config->default_model != '\0')
        return config->default_model;
    return list->count == 1 ? list->models[0]->name : NULL;
}
