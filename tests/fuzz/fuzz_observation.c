/* fuzz_observation: any bytes as a frame of observations: what can be read lies inside it, reads as the same
 * when it is written again, and its answers are compared, whatever they are. SPDX-License-Identifier: MIT */
#include "comparison.h"
#include "sampled.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void expect_inside(const uint8_t *bytes, size_t length, struct text text)
{
    ENSURE(text.length == 0 ||
           ((const uint8_t *)text.at >= bytes && (const uint8_t *)text.at + text.length <= bytes + length));
}

static void expect_the_same_again(const struct observation *first)
{
    size_t bound = observation_bound(first);
    uint8_t *again = malloc(bound);
    struct observation second;
    size_t length = observation_encode(first, again, bound);
    ENSURE(length > 0);
    struct wire_reader reader = wire_reader(again, length);
    ENSURE(observation_read(&reader, &second) == NULL && wire_finished(&reader));
    ENSURE(second.task == first->task && second.tolerance_ppm == first->tolerance_ppm &&
           second.failure == first->failure && second.answer.length == first->answer.length &&
           memcmp(second.answer.at, first->answer.at, second.answer.length) == 0);
    free(again);
}

static void expect_agreement(const struct observation *observation)
{
    struct agreement agreement;
    if (comparison_of(observation, &agreement) != NULL)
        return;
    ENSURE(agreement.rows > 0 && agreement.agreed <= agreement.rows);
    ENSURE(agreement.largest >= 0 && agreement.sum >= agreement.largest);
}

static void look_at_rows(const uint8_t *bytes, size_t length)
{
    static double scores[SAMPLED_ROWS_MAX];
    struct wire_reader reader = wire_reader(bytes, length);
    struct observation_any any;
    struct sampled sampled;
    while (!wire_finished(&reader) && observation_next(&reader, &any) == NULL) {
        expect_inside(bytes, length, any.body);
        if (sampled_read(&any, &sampled, scores) != NULL)
            continue;
        expect_inside(bytes, length, sampled.inputs);
        uint8_t *again = malloc(sampled_bound(&sampled));
        ENSURE(sampled_encode(&sampled, again, sampled_bound(&sampled)) > 0);
        free(again);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    look_at_rows(bytes, length);
    struct wire_reader reader = wire_reader(bytes, length);
    struct observation observation;
    while (!wire_finished(&reader) && observation_read(&reader, &observation) == NULL) {
        if (observation.kind != OBSERVATION_SHADOW)
            continue;
        expect_inside(bytes, length, observation.model);
        expect_inside(bytes, length, observation.shadow_answer);
        expect_the_same_again(&observation);
        expect_agreement(&observation);
    }
    return 0;
}
