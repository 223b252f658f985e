/* suite: how a test program runs: Check tests with a fixture, each in a process of its own, and what remains
 * of them cleared away.
 *
 * A test that fails, is stopped, or is meant to exit never comes to its tear-down. So the suite clears up
 * after it: folders of tests lie in the one of the suite (scratch_directory.h), and processes that a test has
 * started, also those with a process group of their own, become the suite's children when the test has ended.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SUITE_H
#define OUTRIGGER_SUITE_H

#include <check.h>
#include <ftw.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { SUITE_TEST_SECONDS = 120 }; /* far more than any takes, also under a sanitizer on a busy machine */

static char suite_folder[32];

static inline int suite_remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

/* Removes a folder and all that is in it. */
static inline void suite_remove_folder(const char *path)
{
    nftw(path, suite_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The first of our children; 0 when there is none. */
static inline pid_t suite_child(void)
{
    int pid = 0;
    FILE *list = fopen("/proc/thread-self/children", "r");
    if (list != NULL && fscanf(list, "%d", &pid) != 1)
        pid = 0;
    if (list != NULL)
        fclose(list);
    return pid;
}

/* One after the other: with the end of one its own children become ours. */
static inline void suite_kill_children(void)
{
    for (pid_t pid; (pid = suite_child()) != 0; waitpid(pid, NULL, 0))
        kill(pid, SIGKILL);
}

/* Runs the suite. Returns the status for main: 0 when all passed. */
static inline int suite_finish(Suite *suite)
{
    strcpy(suite_folder, "/tmp/outrigger-test.XXXXXX");
    if (mkdtemp(suite_folder) == NULL || chmod(suite_folder, 0711) != 0 ||
        prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        perror(suite_folder);
        return 1;
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    suite_kill_children();
    suite_remove_folder(suite_folder);
    return failed == 0 ? 0 : 1;
}

/* A group of tests between `set_up` and `tear_down` (NULL: none), to which tests are to be added. */
static inline TCase *suite_group(Suite *suite, const char *name, SFun set_up, SFun tear_down)
{
    TCase *group = tcase_create(name);
    tcase_set_timeout(group, SUITE_TEST_SECONDS);
    tcase_add_checked_fixture(group, set_up, tear_down);
    suite_add_tcase(suite, group);
    return group;
}

/* The same with its tests, ended by NULL. */
static inline void suite_add(Suite *suite, const char *name, SFun set_up, SFun tear_down,
                             const TTest *const *tests)
{
    TCase *group = suite_group(suite, name, set_up, tear_down);
    for (; *tests != NULL; tests++)
        tcase_add_test(group, *tests);
}

/* The whole of main for a suite with one group. */
static inline int suite_run(const char *name, SFun set_up, SFun tear_down, const TTest *const *tests,
                            size_t count)
{
    Suite *suite = suite_create(name);
    TCase *group = suite_group(suite, name, set_up, tear_down);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(group, tests[i]);
    return suite_finish(suite);
}

/* A test of suite_run_beside, `times` times, with _i from 0 on. */
struct suite_test {
    const TTest *test;
    int times;
};

/* The whole of main for a suite whose tests do nothing but wait for clocks that nobody can wind, most of the
 * time: all of them at once, each as a suite of one test in a process of its own. */
static inline int suite_run_beside(const char *name, SFun set_up, SFun tear_down,
                                   const struct suite_test *tests, size_t count)
{
    int failed = 0, status;
    for (size_t i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            Suite *suite = suite_create(name);
            TCase *group = suite_group(suite, tests[i].test->name, set_up, tear_down);
            tcase_add_loop_test(group, tests[i].test, 0, tests[i].times);
            exit(suite_finish(suite));
        }
        failed += pid < 0;
    }
    while (wait(&status) > 0)
        failed += status != 0;
    return failed == 0 ? 0 : 1;
}

#define SUITE_RUN(name, set_up, tear_down, tests)                                                            \
    suite_run(name, set_up, tear_down, tests, sizeof(tests) / sizeof((tests)[0]))

#endif
