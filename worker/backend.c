/* backend: the engines that this worker was built with. A new one is a file backend_NAME.c and a row here.
 * SPDX-License-Identifier: MIT */
#include "backend.h"

#include "object.h"

extern const struct backend backend_onnx;
extern const struct backend backend_xgboost;
extern const struct backend backend_xgboost_binary;
extern const struct backend backend_plugin;
extern const struct backend backend_echo;

static const struct backend *const backends[] = {&backend_onnx, &backend_xgboost, &backend_xgboost_binary,
                                                 &backend_plugin, &backend_echo};

const struct backend *backend_named(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(backends); i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}

const struct backend *backend_for_file(const char *path)
{
    size_t length = strlen(path);
    for (size_t i = 0; i < COUNT_OF(backends); i++) {
        size_t suffix = strlen(backends[i]->suffix);
        if (length > suffix && strcmp(path + length - suffix, backends[i]->suffix) == 0)
            return backends[i];
    }
    return NULL;
}
