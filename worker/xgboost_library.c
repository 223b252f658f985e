/* xgboost_library: see xgboost_library.h. It is not linked to: workers of other models neither load it nor
 * need it to be installed, and it brings OpenMP with it.
 *
 * It is never closed: threads of OpenMP cannot have the ground taken from under their feet. How many there
 * are, and that they do not spin between batches, is read from the environment once, when OpenMP is loaded.
 * SPDX-License-Identifier: MIT */
#include "xgboost_library.h"

#include "backend.h"
#include "xgboost_model.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static bool find_functions(struct xgboost_library *library, char *error)
{
    const char *missing = NULL;
#define FIND(function)                                                                                       \
    *(void **)&library->function = dlsym(library->handle, #function);                                        \
    if (library->function == NULL)                                                                           \
        missing = #function;
    XGBOOST_FUNCTIONS(FIND)
#undef FIND
    if (missing != NULL)
        snprintf(error, BACKEND_ERROR_MAX, "the XGBoost library here is too old: it has no %s", missing);
    return missing == NULL;
}

bool xgboost_library_open(struct xgboost_library *library, int threads, char *error)
{
    char number[16];
    snprintf(number, sizeof number, "%d", threads);
    setenv("OMP_NUM_THREADS", number, 1);
    setenv("OMP_THREAD_LIMIT", number, 1);
    setenv("OMP_WAIT_POLICY", "passive", 1);
    library->handle = dlopen("libxgboost.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library->handle != NULL)
        return find_functions(library, error);
    snprintf(error, BACKEND_ERROR_MAX,
             "it takes the XGBoost library (Debian's package libxgboost0), which cannot be loaded: %s",
             dlerror());
    return false;
}

bool xgboost_refused(const struct xgboost_library *library, int status, char *error)
{
    if (status == 0)
        return false;
    xgboost_complaint(library->XGBGetLastError(), error, BACKEND_ERROR_MAX);
    return true;
}
