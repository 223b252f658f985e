/* test_sandbox_program: what follows for a program from the configuration, where that is more than a list:
 * the file of the name servers, in a mount namespace whose /etc is the test's own. SPDX-License-Identifier:
 * MIT */
#include "sandbox_program.h"

#include "repository.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static struct config *config;
static int ask[2], answer[2]; /* the one who replaces the file waits for a byte, and says when it is done */

static void set_up(void)
{
    scratch_make();
    scratch_folder("names");
    scratch_file("names/resolv.conf", "nameserver 127.0.0.1\n");
    config = repository_config(NULL);
}

static void tear_down(void)
{
    config_free(config);
    scratch_remove();
}

static bool has_own_etc(void)
{
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("etc", "/etc", "tmpfs", 0, NULL) == 0)
        return true;
    fprintf(stderr, "SKIPPED: name servers that change: no right to mount an /etc: %s\n", strerror(errno));
    return false;
}

static void write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    ENSURE(fd != -1 && write(fd, "nameserver ::1\n", 15) == 15 && close(fd) == 0);
}

/* Somebody outside of the sandbox puts a new file into the old one's place, when asked. */
static void begin_replacing(const char *file)
{
    char byte, fresh[200];
    ENSURE(pipe(ask) == 0 && pipe(answer) == 0);
    if (fork() != 0)
        return;
    snprintf(fresh, sizeof fresh, "%s.new", file);
    write_file(fresh);
    ENSURE(read(ask[0], &byte, 1) == 1 && rename(fresh, file) == 0 && write(answer[1], "x", 1) == 1);
    _exit(0);
}

static void replace(void)
{
    char byte;
    ENSURE(write(ask[1], "x", 1) == 1 && read(answer[0], &byte, 1) == 1);
}

static void enter(void)
{
    sandbox_program_enter(sandbox_program_fetcher(config, "frontend.1.fetch", ""));
}

static void follows_a_link(void)
{
    const char *file = scratch_path("names/resolv.conf");
    ENSURE(symlink(file, "/etc/resolv.conf") == 0);
    begin_replacing(file);
    enter();
    ENSURE(sandbox_program_no_names() == NULL);
    replace();
    ENSURE(sandbox_program_no_names() == NULL);
}

static void loses_a_file(void)
{
    bool knows_files = sandbox_powers().landlock > 0; /* else the sandbox goes by their names */
    write_file("/etc/resolv.conf");
    begin_replacing("/etc/resolv.conf");
    enter();
    ENSURE(sandbox_program_no_names() == NULL);
    replace();
    const char *why = sandbox_program_no_names();
    ENSURE(!knows_files || (why != NULL && strstr(why, "outrigger restart frontends") != NULL));
}

static void has_none(void)
{
    enter();
    ENSURE(sandbox_program_no_names() == NULL); /* that is not the sandbox's doing */
}

/* In a process of its own, which the sandbox does not let clear up. */
static void expect(void (*what)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (has_own_etc())
            what();
        _exit(42);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 42, "status %x", status);
}

START_TEST(a_frontend_has_no_network_and_who_asks_for_it_has)
{
    free(config->token_jwks_url);
    config->token_jwks_url = object_strdup("https://issuer.example/keys");
    free(config->trace_ca_file);
    config->trace_ca_file = object_strdup(scratch_path("another/authorities.pem"));
    struct sandbox *frontend = sandbox_program_new(config, SANDBOX_FRONTEND, "frontend.1", NULL);
    struct sandbox *fetcher =
        sandbox_program_fetcher(config, "frontend.1.fetch", scratch_path("its/authorities.pem"));
    ck_assert(!frontend->network_out && fetcher->network_out);
    ck_assert(frontend->peers[0] != NULL && fetcher->peers[0] == NULL && fetcher->write[0] == NULL);
    bool reads_its = false; /* its authorities, and nobody else's */
    for (size_t i = 0; fetcher->read[i] != NULL; i++) {
        reads_its = reads_its || strcmp(fetcher->read[i], scratch_path("its")) == 0;
        ck_assert_str_ne(fetcher->read[i], scratch_path("another"));
    }
    ck_assert(reads_its);
    frontend->mode = fetcher->mode = "off";
    sandbox_program_enter(frontend);
    sandbox_program_enter(fetcher);
}
END_TEST

START_TEST(new_name_servers_behind_a_link_are_seen)
{
    expect(follows_a_link);
}
END_TEST

START_TEST(a_new_file_in_etc_is_not_seen_and_that_is_said)
{
    expect(loses_a_file);
    expect(has_none);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_frontend_has_no_network_and_who_asks_for_it_has,
                                  new_name_servers_behind_a_link_are_seen,
                                  a_new_file_in_etc_is_not_seen_and_that_is_said};
    return SUITE_RUN("sandbox_program", set_up, tear_down, tests);
}
