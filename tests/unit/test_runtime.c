/* test_runtime: who has the directory. SPDX-License-Identifier: MIT */
#include "runtime.h"

#include "process.h"
#include "repository.h"

static struct config *config;

static void set_up(void)
{
    scratch_make();
    config = repository_config(NULL);
}

static void tear_down(void)
{
    config_free(config);
    scratch_remove();
}

/* Has the lock until it reads in `log` that somebody waits for it, and says in `ready` that it has it. */
static void hold(int log, int ready)
{
    char text[4096] = "";
    size_t length = 0;
    if (process_lock(scratch_path("supervisor.lock")) == -1)
        _exit(1);
    if (write(ready, "x", 1) != 1)
        _exit(1);
    while (strstr(text, "waiting") == NULL) {
        ssize_t more = read(log, text + length, sizeof text - 1 - length);
        if (more <= 0)
            _exit(1);
        length += (size_t)more;
    }
    _exit(0);
}

/* As the process has it that a supervisor was starting when it was killed. */
START_TEST(a_lock_that_is_about_to_be_given_back_is_waited_for)
{
    int log[2], ready[2], status;
    char byte;
    ck_assert_int_eq(pipe(log), 0);
    ck_assert_int_eq(pipe(ready), 0);
    pid_t holder = fork();
    if (holder == 0) {
        close(log[1]);
        hold(log[0], ready[1]);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(dup2(log[1], STDERR_FILENO), STDERR_FILENO);
    struct runtime *runtime = runtime_open(config);
    ck_assert_int_eq(waitpid(holder, &status, 0), holder);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_ptr_nonnull(runtime);
    runtime_abandon(runtime);
}
END_TEST

START_TEST(a_lock_that_somebody_keeps_is_respected)
{
    int lock = process_lock(scratch_path("supervisor.lock"));
    ck_assert_ptr_null(runtime_open(config));
    process_unlock(scratch_path("supervisor.lock"), lock);
    struct runtime *runtime = runtime_open(config);
    ck_assert_ptr_nonnull(runtime);
    runtime_abandon(runtime);
}
END_TEST

/* Where workers have no user of their own the folder decides, as somebody has set it. */
START_TEST(the_socket_has_the_group_of_its_folder)
{
    struct stat status;
    if (geteuid() != 0) {
        fprintf(stderr, "NOT TESTED, since not root: the group of a folder\n");
        return;
    }
    ck_assert_int_eq(chown(scratch_directory, 0, 1), 0);
    ck_assert_int_eq(chmod(scratch_directory, 02750), 0);
    struct runtime *runtime = runtime_open(config);
    ck_assert_ptr_nonnull(runtime);
    ck_assert(runtime_listen(runtime, -1, false));
    ck_assert_int_eq(stat(config->frontend_socket, &status), 0);
    ck_assert_uint_eq(status.st_gid, 1);
    runtime_close(runtime);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_lock_that_is_about_to_be_given_back_is_waited_for,
                                  a_lock_that_somebody_keeps_is_respected,
                                  the_socket_has_the_group_of_its_folder};
    return SUITE_RUN("runtime", set_up, tear_down, tests);
}
