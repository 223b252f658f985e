/* fuzz_xgboost_trees: any bytes as an XGBoost model whose trees are looked through.
 * SPDX-License-Identifier: MIT */
#include "xgboost_trees.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char error[256] = "";
    bool good = xgboost_trees_ok((const char *)bytes, length, error, sizeof error);
    ENSURE(good == (*error == '\0'));
    return 0;
}
