/* raw_xgboost: what XGBoost gives without anything around it, as the measure of its models.
 *
 *     raw_xgboost MODEL SECONDS BATCH...
 *
 * One thread asks for the predictions of one array of BATCH rows over and over, in place, as a program that
 * has nothing else to do would. Prints a line for each BATCH: the rows a second.
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "object.h"

#include <stdio.h>
#include <stdlib.h>
#include <xgboost/c_api.h>

enum { BATCH_MAX = 65536, PIXEL_VALUES = 17 };

static void must(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "raw_xgboost: %s\n", XGBGetLastError());
    exit(1);
}

static double measure(BoosterHandle booster, size_t columns, size_t batch, double seconds)
{
    static const char question[] = "{\"type\":0,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,"
                                   "\"missing\":NaN,\"strict_shape\":true,\"cache_id\":0}";
    float *values = object_alloc(batch * columns * sizeof *values);
    char array[128];
    size_t rows = 0;
    for (size_t i = 0; i < batch * columns; i++)
        values[i] = (float)(i * 7 % PIXEL_VALUES);
    int64_t begin = clock_now(), until = begin + (int64_t)(seconds * (double)SECOND), now;
    do {
        const bst_ulong *shape;
        bst_ulong rank;
        const float *result;
        snprintf(array, sizeof array,
                 "{\"data\":[%zu,true],\"shape\":[%zu,%zu],\"typestr\":\"<f4\",\"version\":3}",
                 (size_t)values, batch, columns);
        must(XGBoosterPredictFromDense(booster, array, question, NULL, &shape, &rank, &result));
        rows += batch;
        now = clock_now();
    } while (now < until);
    free(values);
    return (double)rows * (double)SECOND / (double)(now - begin);
}

int main(int argc, char **argv)
{
    BoosterHandle booster;
    bst_ulong columns;
    double seconds = argc > 3 ? atof(argv[2]) : 0;
    if (seconds <= 0) {
        fprintf(stderr, "usage: raw_xgboost MODEL SECONDS BATCH...\n");
        return 2;
    }
    setenv("OMP_NUM_THREADS", "1", 1);
    must(XGBSetGlobalConfig("{\"verbosity\":0}"));
    must(XGBoosterCreate(NULL, 0, &booster));
    must(XGBoosterSetParam(booster, "nthread", "1"));
    must(XGBoosterLoadModel(booster, argv[1]));
    must(XGBoosterSetParam(booster, "nthread", "1"));
    must(XGBoosterGetNumFeature(booster, &columns));
    for (int i = 3; i < argc; i++) {
        int batch = atoi(argv[i]);
        if (batch < 1 || batch > BATCH_MAX) {
            fprintf(stderr, "raw_xgboost: a batch has 1 to %d rows, got %s\n", BATCH_MAX, argv[i]);
            return 2;
        }
        printf("%d %.1f\n", batch, measure(booster, (size_t)columns, (size_t)batch, seconds));
        fflush(stdout);
    }
    return 0;
}
