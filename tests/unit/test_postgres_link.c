/* test_postgres_link: what is tried again, by what PostgreSQL said. SPDX-License-Identifier: MIT */
#include "postgres_link.h"

#include "suite.h"

START_TEST(what_passes_is_tried_again)
{
    static const char *const passing[] = {"08006", /* the connection broke */
                                          "57P01", /* the server was stopped */
                                          "57P03", /* it starts */
                                          "57014", /* statement_timeout */
                                          "55P03", /* lock_timeout */
                                          "25P03", /* idle in a transaction */
                                          "25006", /* it is a standby now */
                                          "40001", "40P01", "53300", "53100", "58030"};
    for (size_t i = 0; i < COUNT_OF(passing); i++)
        ck_assert_msg(postgres_outcome_of(passing[i]) == POSTGRES_AGAIN, "%s", passing[i]);
    ck_assert_int_eq(postgres_outcome_of(NULL), POSTGRES_AGAIN);
}
END_TEST

START_TEST(what_would_fail_again_is_not)
{
    static const char *const lasting[] = {"42501", /* no right */
                                          "42P01", "42703", "22012", "23514",
                                          "23502", "22003", "55000", "XX000"};
    for (size_t i = 0; i < COUNT_OF(lasting); i++)
        ck_assert_msg(postgres_outcome_of(lasting[i]) == POSTGRES_FAILED, "%s", lasting[i]);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_passes_is_tried_again, what_would_fail_again_is_not};
    return SUITE_RUN("postgres_link", NULL, NULL, tests);
}
