/* fuzz_signature: a file model.sig with any bytes, and what it would sign though nobody has signed it. Then
 * the bytes themselves as such a statement. SPDX-License-Identifier: MIT */
#include "signature_bundle.h"
#include "signature_manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* As contents_read would give it. */
static struct contents contents_of(struct contents_file *files, size_t count)
{
    static char folder[] = "/models/m/1";
    for (size_t i = 0; i < count; i++)
        memset(files[i].hash, (int)i, sizeof files[i].hash);
    return (struct contents){.folder = folder, .files = files, .count = count};
}

/* A refusal says why, in one line. */
static void look(struct text statement, const struct contents *contents)
{
    char reason[300] = "";
    if (!signature_manifest_fits(statement, contents, reason, sizeof reason))
        ENSURE(*reason != '\0' && strchr(reason, '\n') == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static char git[] = ".git/HEAD", weights[] = "a/weights", model[] = "model.onnx",
                signature[] = "model.sig";
    struct contents_file files[] = {
        {.name = git}, {.name = weights, .linked = true}, {.name = model}, {.name = signature}};
    struct contents contents = contents_of(files, COUNT_OF(files));
    struct signature_bundle bundle;
    if (signature_bundle_read((struct text){(const char *)bytes, length}, &bundle) == NULL) {
        ENSURE(bundle.hint == NULL || strlen(bundle.hint) == 2 * CONTENTS_HASH);
        look((struct text){(const char *)bundle.payload, bundle.payload_length}, &contents);
        signature_bundle_free(&bundle);
    }
    look((struct text){(const char *)bytes, length}, &contents);
    return 0;
}
