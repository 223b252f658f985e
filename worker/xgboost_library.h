/* xgboost_library: XGBoost's C API (xgboost/c_api.h), opened when it is needed. SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_XGBOOST_LIBRARY_H
#define OUTRIGGER_XGBOOST_LIBRARY_H

#include <stdbool.h>
#include <xgboost/c_api.h>

/* What is used of it. */
#define XGBOOST_FUNCTIONS(DO)                                                                                \
    DO(XGBGetLastError)                                                                                      \
    DO(XGBSetGlobalConfig)                                                                                   \
    DO(XGBoosterCreate)                                                                                      \
    DO(XGBoosterFree)                                                                                        \
    DO(XGBoosterSetParam)                                                                                    \
    DO(XGBoosterLoadModel)                                                                                   \
    DO(XGBoosterGetNumFeature)                                                                               \
    DO(XGBoosterBoostedRounds)                                                                               \
    DO(XGBoosterGetAttr)                                                                                     \
    DO(XGBoosterGetStrFeatureInfo)                                                                           \
    DO(XGBoosterSaveJsonConfig)                                                                              \
    DO(XGBoosterSaveModelToBuffer)                                                                           \
    DO(XGBoosterPredictFromDense)                                                                            \
    DO(XGDMatrixCreateFromMat)                                                                               \
    DO(XGDMatrixFree)                                                                                        \
    DO(XGBoosterPredictFromDMatrix)

/* The functions, by their own names; all 0 before it is open. */
struct xgboost_library {
    void *handle;
#define XGBOOST_MEMBER(function) __typeof__(function) *function;
    XGBOOST_FUNCTIONS(XGBOOST_MEMBER)
#undef XGBOOST_MEMBER
};

/* Opens it, for good, and tells OpenMP (by the environment) how many threads it may have. False when it is
 * not there: `error` (BACKEND_ERROR_MAX bytes) then names what is missing. */
bool xgboost_library_open(struct xgboost_library *library, int threads, char *error);

/* True when the call that returned `status` was refused; `error` then holds the library's words. */
bool xgboost_refused(const struct xgboost_library *library, int status, char *error);

#endif
