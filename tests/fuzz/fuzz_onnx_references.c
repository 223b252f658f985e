/* fuzz_onnx_references: any bytes as an ONNX model whose references are looked for. All that is found must
 * lie within the bytes. SPDX-License-Identifier: MIT */
#include "onnx_references.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static bool found(void *self, struct text location)
{
    const struct text *all = self;
    ENSURE(location.length == 0 ||
           (location.at >= all->at && location.at + location.length <= all->at + all->length));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct text all = {(const char *)bytes, length};
    onnx_references_find(bytes, length, found, &all);
    return 0;
}
