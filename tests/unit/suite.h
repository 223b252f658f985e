/* suite: a list of Check tests with one fixture, run as a program's whole work. SPDX-License-Identifier: MIT
 */
#ifndef OUTRIGGER_SUITE_H
#define OUTRIGGER_SUITE_H

#include <check.h>
#include <stddef.h>

/* Runs the tests, each in a process of its own between `set_up` and `tear_down` (NULL: none). Returns the
 * status for main: 0 when all passed. */
static inline int suite_run(const char *name, SFun set_up, SFun tear_down, const TTest *const *tests,
                            size_t count)
{
    Suite *suite = suite_create(name);
    TCase *group = tcase_create(name);
    tcase_set_timeout(group, 60); /* far more than any takes, also under a sanitizer on a busy machine */
    tcase_add_checked_fixture(group, set_up, tear_down);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(group, tests[i]);
    suite_add_tcase(suite, group);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

#define SUITE_RUN(name, set_up, tear_down, tests)                                                            \
    suite_run(name, set_up, tear_down, tests, sizeof(tests) / sizeof((tests)[0]))

#endif
