/* fuzz_xgboost_model: any bytes as what XGBoost's library says of a model: its configuration, and a
 * complaint. SPDX-License-Identifier: MIT */
#include "xgboost_model.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char objective[XGBOOST_OBJECTIVE_MAX], error[512], *text = malloc(length + 1);
    bool linear;
    ENSURE(text != NULL);
    text_copy((struct text){(const char *)bytes, length}, text, length + 1);
    if (xgboost_objective_read((const char *)bytes, length, objective, &linear))
        ENSURE(*objective != '\0' && strlen(objective) < sizeof objective);
    xgboost_complaint(text, error, sizeof error);
    ENSURE(strlen(error) <= strlen(text) && strchr(error, '\n') == NULL);
    ENSURE(xgboost_rounds_of(text, 10) < 10);
    free(text);
    return 0;
}
