/* Feeds a fuzz target without a fuzzer: every file named on the command line, and every truncation of it. So
 * the corpus is tried in each run of the tests, with any compiler. SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { INPUT_MAX = 1 << 20 };

static void feed(const uint8_t *bytes, size_t length)
{
    /* In memory of exactly its size, so that a read behind the end is seen. */
    uint8_t *exact = calloc(length == 0 ? 1 : length, 1);
    if (exact == NULL)
        abort();
    memcpy(exact, bytes, length);
    LLVMFuzzerTestOneInput(exact, length);
    free(exact);
}

int main(int argc, char **argv)
{
    static uint8_t bytes[INPUT_MAX];
    unsigned long fed = 1;
    feed(bytes, 0);
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (file == NULL) {
            perror(argv[i]);
            return 1;
        }
        size_t length = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        for (size_t part = 0; part <= length; part++, fed++)
            feed(bytes, part);
    }
    printf("%s: %lu inputs\n", argv[0], fed);
    return 0;
}
