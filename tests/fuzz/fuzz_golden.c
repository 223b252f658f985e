/* fuzz_golden: any bytes as golden.json, for a model with numbers and strings whose engine gives back what it
 * gets. Whatever is read is asked and compared; what is wrong is one line.
 * SPDX-License-Identifier: MIT */
#include "golden.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { ANSWER_MAX = 1 << 24 };

static int run(void *state, const struct backend_values *inputs, struct backend_values *outputs, char *error)
{
    (void)state;
    (void)error;
    outputs[0] = inputs[0];
    outputs[1] = inputs[1];
    return 0;
}

static const struct backend backend = {.name = "mirror", .run = run};

static void expect_line(const char *error)
{
    size_t length = strlen(error);
    ENSURE(length > strlen("golden.json:") && length < GOLDEN_ERROR_MAX);
    ENSURE(strncmp(error, "golden.json:", strlen("golden.json:")) == 0 && strchr(error, '\n') == NULL);
}

/* The values that fit are two, three or (any number: -1) columns; the task is either. */
static void try(const uint8_t *bytes, size_t length, int64_t columns, enum datatype datatype, bool regression)
{
    char error[GOLDEN_ERROR_MAX];
    char *features[] = {(char *)"a", (char *)"b", (char *)"s"};
    struct schema_tensor tensors[2] = {{(char *)"x", datatype, 2, {-1, columns}},
                                       {(char *)"s", DATATYPE_BYTES, 1, {-1}}};
    struct schema schema = {.inputs = tensors,
                            .input_count = 2,
                            .outputs = tensors,
                            .output_count = 2,
                            .features = features,
                            .feature_count = columns == 2 ? 3 : 0,
                            .regression = regression};
    struct loaded_model model = {.backend = &backend, .schema = &schema};
    struct golden *golden = golden_parse("golden.json", (const char *)bytes, length, &schema, error);
    if (golden == NULL) {
        expect_line(error);
        return;
    }
    struct batch *batch = batch_new(&model, 8, ANSWER_MAX);
    ENSURE(golden_count(golden) > 0);
    if (!golden_pass(golden, batch, error))
        expect_line(error);
    batch_free(batch);
    golden_free(golden);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    try(bytes, length, 2, DATATYPE_FP32, false);
    try(bytes, length, 1, DATATYPE_FP64, true);
    try(bytes, length, -1, DATATYPE_INT16, false);
    return 0;
}
