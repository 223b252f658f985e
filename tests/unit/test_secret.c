/* test_secret: the places from which a secret may come, and what is done so that it stays one.
 * SPDX-License-Identifier: MIT */
#include "secret.h"

#include "scratch_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char reason[512];

static void set_up(void)
{
    scratch_make();
    *reason = '\0';
}

static const char *closed_file(const char *name, const char *text)
{
    const char *path = scratch_file(name, text);
    ck_assert_int_eq(chmod(path, 0600), 0);
    return path;
}

static void expect_secret(const char *reference, const char *text)
{
    struct secret *secret = secret_read(reference, reason, sizeof reason);
    ck_assert_msg(secret != NULL, "%s", reason);
    struct text got = secret_text(secret);
    ck_assert_uint_eq(got.length, strlen(text));
    ck_assert_mem_eq(got.at, text, got.length);
    secret_free(secret);
}

static void expect_none(const char *reference, const char *words)
{
    struct secret *secret = secret_read(reference, reason, sizeof reason);
    ck_assert_ptr_null(secret);
    ck_assert_msg(strstr(reason, words) != NULL, "%s", reason);
}

/* ---- files ---- */

START_TEST(a_file_holds_a_secret)
{
    char reference[300];
    const char *path = closed_file("s", "the secret\n");
    expect_secret(path, "the secret");
    snprintf(reference, sizeof reference, "file:%s", path);
    expect_secret(reference, "the secret");
    expect_secret(closed_file("two", "a\n\n"), "a\n"); /* one newline is no part of it */
    expect_secret(closed_file("none", "no newline"), "no newline");
    ck_assert_int_eq(chmod(path, 0640), 0);
    expect_secret(path, "the secret");
    ck_assert_int_eq(chmod(path, 0400), 0);
    expect_secret(path, "the secret");
}
END_TEST

START_TEST(a_file_that_others_can_read_is_none)
{
    static const mode_t open_modes[] = {0644, 0604, 0660, 0602, 0620, 0700};
    const char *path = closed_file("s", "hush-hush");
    for (size_t i = 0; i < COUNT_OF(open_modes); i++) {
        ck_assert_int_eq(chmod(path, open_modes[i]), 0);
        expect_none(path, "chmod 600");
        ck_assert_ptr_nonnull(strstr(reason, path));
        ck_assert_ptr_null(strstr(reason, "hush"));
    }
}
END_TEST

START_TEST(what_is_no_file_is_none)
{
    expect_none(scratch_path("nothing"), "No such file");
    expect_none(scratch_folder("folder"), "regular file");
    ck_assert_int_eq(mkfifo(scratch_path("pipe"), 0600), 0);
    expect_none(scratch_path("pipe"), "regular file"); /* and does not wait for a writer */
    expect_none("", "No such file");
    if (geteuid() == 0) {
        const char *path = closed_file("another's", "x");
        ck_assert_int_eq(chown(path, 1, 1), 0);
        expect_none(path, "belongs to another user");
    }
}
END_TEST

START_TEST(empty_and_too_long_ones_are_none)
{
    char text[SECRET_MAX + 4];
    expect_none(closed_file("empty", ""), "is empty");
    expect_none(closed_file("newline", "\n"), "is empty");
    memset(text, 's', sizeof text);
    text[SECRET_MAX] = '\0';
    expect_secret(closed_file("longest", text), text);
    text[SECRET_MAX] = '\n';
    text[SECRET_MAX + 1] = '\0';
    const char *path = closed_file("with newline", text);
    text[SECRET_MAX] = '\0';
    expect_secret(path, text);
    text[SECRET_MAX] = 's';
    expect_none(closed_file("long", text), "too long");
    text[SECRET_MAX + 1] = text[SECRET_MAX + 2] = 's';
    text[SECRET_MAX + 3] = '\0';
    expect_none(closed_file("longer", text), "larger");
}
END_TEST

/* ---- credentials of systemd ---- */

START_TEST(a_credential_is_a_file_in_its_folder)
{
    closed_file("name", "of systemd\n");
    setenv("CREDENTIALS_DIRECTORY", scratch_directory, 1);
    expect_secret("credential:name", "of systemd");
    ck_assert_str_eq(getenv("CREDENTIALS_DIRECTORY"), scratch_directory);
    expect_none("credential:other", "No such file");
    static const char *const bad[] = {"credential:", "credential:../name", "credential:a/b", "credential:.x"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        expect_none(bad[i], "is no name of a credential");
    unsetenv("CREDENTIALS_DIRECTORY");
    expect_none("credential:name", "no systemd credentials");
}
END_TEST

/* ---- the environment ---- */

START_TEST(a_variable_is_taken_out_of_the_environment)
{
    setenv("OUTRIGGER_TEST_SECRET", "from outside", 1);
    expect_secret("env:OUTRIGGER_TEST_SECRET", "from outside");
    ck_assert_ptr_null(getenv("OUTRIGGER_TEST_SECRET"));
    expect_none("env:OUTRIGGER_TEST_SECRET", "not in the environment");
    setenv("OUTRIGGER_TEST_SECRET", "", 1);
    expect_none("env:OUTRIGGER_TEST_SECRET", "is empty");
}
END_TEST

START_TEST(who_only_looks_leaves_it_there)
{
    setenv("OUTRIGGER_TEST_SECRET", "from outside", 1);
    struct secret *secret = secret_peek("env:OUTRIGGER_TEST_SECRET", reason, sizeof reason);
    ck_assert_ptr_nonnull(secret);
    ck_assert_uint_eq(secret_text(secret).length, 12);
    secret_free(secret);
    ck_assert_str_eq(getenv("OUTRIGGER_TEST_SECRET"), "from outside");
    ck_assert_ptr_null(secret_peek("env:OUTRIGGER_NO_SECRET", reason, sizeof reason));
}
END_TEST

/* The bytes of a file of /proc contain the word. */
static bool holds(const char *path, const char *word)
{
    static char bytes[1 << 20];
    int fd = open(path, O_RDONLY);
    ssize_t length = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    if (fd >= 0)
        close(fd);
    return length > 0 && memmem(bytes, (size_t)length, word, strlen(word)) != NULL;
}

/* What this program does when it is run with the secret in its environment: 0 when it was seen there before
 * and nowhere afterwards. */
static int read_and_look(void)
{
    if (!holds("/proc/self/environ", "in-the-environment"))
        return 2;
    struct secret *secret = secret_read("env:OUTRIGGER_TEST_SECRET", reason, sizeof reason);
    if (secret == NULL || secret_text(secret).length != 18)
        return 3;
    secret_free(secret);
    return holds("/proc/self/environ", "in-the-environment") ? 4 : 0;
}

START_TEST(the_kernel_shows_it_no_more)
{
    char *arguments[] = {(char[]){"test_secret"}, (char[]){"--read-and-look"}, NULL};
    char *environment[] = {(char[]){"A=b"}, (char[]){"OUTRIGGER_TEST_SECRET=in-the-environment"},
                           (char[]){"C=d"}, NULL};
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        execve("/proc/self/exe", arguments, environment);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

/* ---- memory ---- */

START_TEST(it_is_left_out_of_core_dumps)
{
    struct secret *secret = secret_read(closed_file("s", "x"), reason, sizeof reason);
    static char line[1024];
    unsigned long first, last;
    bool found = false, kept_out = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    ck_assert_ptr_nonnull(maps);
    unsigned long at = (unsigned long)secret_text(secret).at;
    for (bool here = false; fgets(line, sizeof line, maps) != NULL;) {
        if (sscanf(line, "%lx-%lx ", &first, &last) == 2)
            here = at >= first && at < last;
        found = found || here;
        kept_out = kept_out || (here && strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dd") != NULL);
    }
    fclose(maps);
    secret_free(secret);
    ck_assert(found);
    ck_assert(kept_out);
    secret_free(NULL);
}
END_TEST

int main(int argc, char **argv)
{
    const TTest *const tests[] = {
        a_file_holds_a_secret,
        a_file_that_others_can_read_is_none,
        what_is_no_file_is_none,
        empty_and_too_long_ones_are_none,
        a_credential_is_a_file_in_its_folder,
        a_variable_is_taken_out_of_the_environment,
        who_only_looks_leaves_it_there,
        the_kernel_shows_it_no_more,
        it_is_left_out_of_core_dumps,
    };
    if (argc == 2 && strcmp(argv[1], "--read-and-look") == 0)
        return read_and_look();
    return SUITE_RUN("secret", set_up, scratch_remove, tests);
}
