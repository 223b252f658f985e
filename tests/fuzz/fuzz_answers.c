/* fuzz_answers: what a worker answers, as `outrigger validate` takes it: any bytes as the answer to rows of
 * several kinds of models, twice, the second time in another order. SPDX-License-Identifier: MIT */
#include "validate_answers.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 4 };

static void take(const struct schema *schema, const uint8_t *data, size_t size)
{
    const size_t order[ROWS] = {0, 1, 2, 3}, other_order[ROWS] = {3, 1, 0, 2};
    struct answers *answers = answers_new(schema, ROWS), *again = answers_new(schema, ROWS);
    size_t first = 0, column;
    double largest;
    size_t count = size == 0 ? 1 : 1 + data[0] % ROWS;
    const uint8_t *payload = size == 0 ? data : data + 1;
    size_t bytes = size == 0 ? 0 : size - 1;
    bool taken = answers_take(answers, order, count, payload, bytes) == NULL;
    ENSURE((answers_take(again, other_order, count, payload, bytes) == NULL) == taken);
    ENSURE(!taken || answers_take(answers, other_order, count, payload, bytes) == NULL); /* the same form */
    for (size_t row = 0; row < ROWS; row++) {
        ENSURE(!answers->row[row].known || taken);
        (void)answers_is_class(&answers->row[row], text_of("yes"));
        if (answers->row[row].known)
            (void)answers_finite(answers, row);
    }
    ENSURE(!answers_column(answers, text_of("1"), &column) || column < answers->columns ||
           answers->columns == 0);
    ENSURE(answers_differ(answers, again, 1e-5, &first, &largest) <= ROWS && first < ROWS);
    answers_free(again);
    answers_free(answers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct schema *classifier = schema_new(), *regression = schema_new();
    regression->regression = true;
    take(classifier, data, size);
    take(regression, data, size);
    schema_free(regression);
    schema_free(classifier);
    return 0;
}
