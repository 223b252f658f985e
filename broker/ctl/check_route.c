/* check_route: whether the versions that share a route take the same inputs. A frontend checks a request
 * against the stable version, so the broker leads none to a version that takes others (broker/likeness.c),
 * and says so in its log when that version's worker has come: too late for who wrote the route. Here it is a
 * fault, as is one of them that cannot be loaded. What model.conf says of the columns it says of all
 * versions; so tensors are all that can differ. SPDX-License-Identifier: MIT */
#include "checked.h"

#include "inspect.h"
#include "route.h"

#include <stdlib.h>

struct route_check {
    struct check *check;
    const struct check_model *entry;
    bool is_said; /* by the operator, and not by model.conf */
};

/* "x FP32[-1,2], y INT64[-1]", which the caller frees. */
static char *tensors_of(yyjson_doc *description)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);
    ENSURE(stream != NULL);
    inspect_print_tensors(yyjson_obj_get(yyjson_doc_get_root(description), "inputs"), stream);
    ENSURE(fclose(stream) == 0);
    return text;
}

static void compare(const struct route_check *self, const char *version, yyjson_doc *description)
{
    const struct check_model *entry = self->entry;
    yyjson_val *inputs = yyjson_obj_get(yyjson_doc_get_root(description), "inputs");
    if (yyjson_equals(inputs, yyjson_obj_get(yyjson_doc_get_root(entry->description), "inputs")))
        return;
    char *its = tensors_of(description), *stable = tensors_of(entry->description);
    config_complain(
        &self->check->errors,
        "%s%s: route: version %s takes %s, and version %s, which is the stable one, %s: who shares "
        "a route shares the inputs, and no request would be led there",
        self->is_said ? "the operator's word on the model " : entry->model->directory,
        self->is_said ? entry->model->name : "/model.conf", version, its, entry->version, stable);
    free(its);
    free(stable);
}

static void look_at(const struct route_check *self, const char *version)
{
    const struct check *check = self->check;
    char reason[1024];
    const char *backend = NULL;
    char *file = model_file(self->entry->model, version, &backend, &self->check->errors);
    if (file == NULL)
        return;
    if (strcmp(backend, "python") != 0 && strcmp(backend, "pipeline") != 0) {
        yyjson_doc *description =
            inspect_model(check->config, file, self->entry->model->directory, reason, sizeof reason);
        if (description == NULL)
            config_complain(&self->check->errors, "%s: %s", file, reason);
        else
            compare(self, version, description);
        yyjson_doc_free(description);
    }
    free(file);
}

/* Every version that is named and is there, once. */
static void look_at_all(const struct route_check *self, const struct route *route)
{
    const struct model_config *model = self->entry->model;
    for (size_t i = 0; i < model->versions.count; i++) {
        const char *version = model->versions.names[i];
        if (strcmp(version, self->entry->version) != 0 && route_names(route, version))
            look_at(self, version);
    }
}

void check_routes(struct check *check)
{
    for (size_t i = 0; i < check->list->count; i++) {
        const struct check_model *entry = &check->models[i];
        const struct deployment *said = deployments_find(check->said, entry->model->name);
        bool is_said = said != NULL && said->route != NULL;
        struct route_check self = {.check = check, .entry = entry, .is_said = is_said};
        if (entry->description != NULL) /* else there is nothing to compare with */
            look_at_all(&self, is_said ? said->route : entry->model->route);
    }
}
