/* routing: the one place that turns names into the queue of a version.
 *
 * A stable version without workers is chosen all the same: its workers are loading or being started again,
 * and the request waits for them within its deadline; unless it is known that none of them can start. Another
 * version that was asked for by name gets that grace only while it has a worker. SPDX-License-Identifier: MIT
 */
#include "routing.h"

enum failure route_choose(struct model_table *models, struct text model_name, struct text version_name,
                          struct version **chosen)
{
    struct model *model = model_find(models, model_name);
    if (model == NULL)
        return FAILURE_UNKNOWN_MODEL;
    struct version *version = version_name.length == 0 ? model->stable : model_version(model, version_name);
    if (version == NULL)
        return version_name.length == 0 ? FAILURE_NOT_READY : FAILURE_UNKNOWN_VERSION;
    if (version->worker_count == 0 && (version->failed || version != model->stable || model->config == NULL))
        return FAILURE_NOT_READY;
    *chosen = version;
    return FAILURE_NONE;
}
