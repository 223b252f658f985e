/* test_hidden: which process gets which secret of the environment, and that the others do not.
 * SPDX-License-Identifier: MIT */
#include "hidden.h"

#include "process.h"
#include "scratch_directory.h"

#include <fcntl.h>
#include <sys/wait.h>

static struct config *config;

static void set_up(void)
{
    static const char *const settings[] = {"broker.curve_secret_file=env:OF_THE_BROKER",
                                           "worker.curve_secret_file=env:OF_WORKERS",
                                           "worker.curve_server_key=env:OF_THE_BROKER", "python=file:env:X"};
    struct config_errors errors = {0};
    scratch_make();
    config = config_load(NULL, settings, COUNT_OF(settings), &errors);
    ck_assert_msg(config != NULL, "%s", errors.text);
}

static void tear_down(void)
{
    config_free(config);
    scratch_remove();
}

static bool hides(enum role role, const char *name)
{
    bool found = false;
    char **names = hidden_variables(config, role);
    for (char **at = names; *at != NULL; at++)
        found = found || strcmp(*at, name) == 0;
    hidden_free(names);
    return found;
}

START_TEST(each_has_its_own)
{
    ck_assert(!hides(ROLE_BROKER, "OF_THE_BROKER"));
    ck_assert(hides(ROLE_BROKER, "OF_WORKERS"));
    ck_assert(!hides(ROLE_WORKER, "OF_WORKERS"));
    ck_assert(!hides(ROLE_WORKER, "OF_THE_BROKER")); /* another parameter of theirs names it, too */
    ck_assert(hides(ROLE_FRONTEND, "OF_THE_BROKER") && hides(ROLE_FRONTEND, "OF_WORKERS"));
    ck_assert(hides(ROLE_COLLECTOR, "OF_THE_BROKER") && hides(ROLE_COLLECTOR, "OF_WORKERS"));
    ck_assert(!hides(ROLE_COLLECTOR, "X"));
    hidden_free(NULL);
}
END_TEST

/* What a program that is started with these names hidden has in its environment. */
static const char *environment_without(char *const *hidden)
{
    static char text[1 << 16];
    const char *arguments[] = {"sh", "-c", "exec env >&2", NULL};
    int status, pidfd, out = open(scratch_path("out"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct spawn spawn = {.program = "/bin/sh",
                          .arguments = arguments,
                          .listen_fd = -1,
                          .ready_fd = -1,
                          .token_fd = -1,
                          .error_fd = out,
                          .hidden = hidden};
    pid_t pid = process_spawn(&spawn, &pidfd);
    ck_assert_int_gt(pid, 0);
    close(pidfd);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ssize_t length = pread(out, text, sizeof text - 1, 0);
    close(out);
    ck_assert_int_gt(length, 0);
    text[length] = '\0';
    return text;
}

START_TEST(a_process_does_not_have_what_is_hidden_from_it)
{
    char *hidden[] = {(char[]){"FIRST"}, (char[]){"THIRD"}, NULL};
    setenv("FIRST", "one-value", 1);
    setenv("SECOND", "two-value", 1);
    setenv("THIRD", "three-value", 1);
    setenv("THIRD_AND_MORE", "four-value", 1);
    const char *text = environment_without(hidden);
    ck_assert(strstr(text, "one-value") == NULL && strstr(text, "three-value") == NULL);
    ck_assert(strstr(text, "two-value") != NULL && strstr(text, "four-value") != NULL);
    ck_assert_str_eq(getenv("FIRST"), "one-value"); /* ours stays */
    ck_assert_ptr_nonnull(strstr(environment_without(NULL), "one-value"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {each_has_its_own, a_process_does_not_have_what_is_hidden_from_it};
    return SUITE_RUN("hidden", set_up, tear_down, tests);
}
