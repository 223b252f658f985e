/* test_splitmix: the numbers that the authors' own program gives. SPDX-License-Identifier: MIT */
#include "splitmix.h"
#include "suite.h"

START_TEST(it_is_splitmix64)
{
    static const uint64_t numbers[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                       UINT64_C(9817491932198370423), UINT64_C(4593380528125082431),
                                       UINT64_C(16408922859458223821)};
    uint64_t state = 1234567;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        ck_assert_uint_eq(splitmix_next(&state), numbers[i]);
    ck_assert_uint_eq(splitmix_of(1234567 + 3 * SPLITMIX_STEP), numbers[2]); /* any of them at once */
}
END_TEST

START_TEST(seeds_differ)
{
    ck_assert_uint_ne(splitmix_seed(), splitmix_seed());
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {it_is_splitmix64, seeds_differ};
    return SUITE_RUN("splitmix", NULL, NULL, tests);
}
