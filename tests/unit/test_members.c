/* test_members: who is there, by which names, who is one too many, who takes another's place, and what the
 * broker is told of them. SPDX-License-Identifier: MIT */
#include "gauge.h"
#include "members_scene.h"

#include "turnover.h"
#include "unix_socket.h"

#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

static int broker;      /* its socket */
static char told[1024]; /* the last line that came to it */
static const struct plan_version *version;

static void set_up(void)
{
    set_up_members("", "worker.heartbeat_ms=50");
    version = &plan->models[0].versions[0];
    broker = unix_listen(scratch_path("broker.sock"), 0600, (gid_t)-1, 8);
    ck_assert_int_ne(broker, -1);
    add_program("bin/outrigger-broker", SERVER);
    add_program("bin/outrigger-worker", SERVER);
    births = 0;
}

static void tear_down(void)
{
    close(broker);
    tear_down_members();
}

static void workers(int64_t wanted)
{
    members_have(&members, ROLE_WORKER, version, wanted);
}

static int64_t running(void)
{
    return members_count(&members, ROLE_WORKER, version, true);
}

static bool one_runs(void)
{
    return running() == 1;
}

static bool two_run(void)
{
    return running() == 2;
}

static bool three_run(void)
{
    return running() == 3;
}

/* All of them, as "worker.m.1.1 worker.m.1.2". */
static const char *names(void)
{
    static char text[512];
    const struct member *member;
    text[0] = '\0';
    DL_FOREACH(members.first, member)
    {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", *text == '\0' ? "" : " ",
                 member->command->name);
    }
    return text;
}

static bool is_told(void)
{
    int fd = accept(broker, NULL, NULL);
    if (fd < 0)
        return false;
    ssize_t length = recv(fd, told, sizeof told - 1, 0);
    told[length < 0 ? 0 : length] = '\0';
    close(fd);
    return true;
}

/* ---- how many ---- */

START_TEST(as_many_as_are_wanted)
{
    workers(3);
    ck_assert_int_eq(members_count(&members, ROLE_WORKER, version, false), 3);
    ck_assert_int_eq(running(), 0); /* none has said ready */
    run_until(three_run);
    ck_assert_str_eq(names(), "worker.m.1.1 worker.m.1.2 worker.m.1.3");
    ck_assert_int_eq(births, 3);
    ck_assert_str_eq(members_highest(&members, version)->command->name, "worker.m.1.3");
    ck_assert_int_eq(members_count(&members, ROLE_BROKER, NULL, false), 0);
    members_have_at_least(&members, ROLE_WORKER, version, 1);
    ck_assert_int_eq(running(), 3);
}
END_TEST

static bool the_retired_are_gone(void)
{
    members_remove_retired(&members);
    return members.first != NULL && members.first->next == NULL;
}

static bool has_gauges(const char *process)
{
    return gauge_is_told(metrics, METRIC_PROCESS_UP, process, NULL, NULL);
}

START_TEST(the_highest_go_first_and_their_numbers_are_given_again)
{
    workers(3);
    run_until(three_run);
    workers(1);
    ck_assert_int_eq(members_count(&members, ROLE_WORKER, version, false), 1);
    ck_assert_str_eq(members_highest(&members, version)->command->name, "worker.m.1.1");
    workers(2); /* 2 and 3 are still on their way out */
    ck_assert_str_eq(names(), "worker.m.1.1 worker.m.1.2 worker.m.1.3 worker.m.1.4");
    workers(1);
    run_until(the_retired_are_gone);
    ck_assert_str_eq(names(), "worker.m.1.1");
    ck_assert(has_gauges("worker.m.1.1") && !has_gauges("worker.m.1.3"));
    workers(2);
    run_until(two_run);
    ck_assert_str_eq(names(), "worker.m.1.1 worker.m.1.2");
}
END_TEST

START_TEST(who_takes_a_place_counts_for_it)
{
    char title[MEMBER_TITLE_BYTES], expected[64];
    workers(1);
    run_until(one_runs);
    struct member *old = members.first;
    ck_assert(member_serves(old) && member_fits(old, ROLE_WORKER, version));
    ck_assert(!member_fits(old, ROLE_BROKER, NULL));
    struct member *successor = members_succeed(&members, old, version, "it is old");
    ck_assert_str_eq(successor->command->name, "worker.m.1.2");
    ck_assert_str_eq(successor->origin, "after worker.m.1.1: it is old");
    ck_assert(member_serves(old) && !member_fits(old, ROLE_WORKER, version) && !member_serves(successor));
    ck_assert_int_eq(members_count(&members, ROLE_WORKER, version, false), 1);
    run_until(one_runs);
    ck_assert(member_serves(successor));
    snprintf(expected, sizeof expected, "worker.m.1.2 (%d)", (int)service_pid(successor->service));
    ck_assert_str_eq(member_title(successor, title), expected);
    member_retire(old);
    ck_assert(!member_serves(old));
    run_until(the_retired_are_gone);
    ck_assert_ptr_eq(members.first, successor);
}
END_TEST

/* ---- what an earlier supervisor left ---- */

START_TEST(an_adopted_one_is_as_good_as_our_own)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sleep", "sleep", "600", NULL);
        _exit(1);
    }
    struct ledger_process process = {.command = command_new(&setup.basis, ROLE_WORKER, 2, version),
                                     .orphan = {.pid = pid, .pidfd = pidfd_open(pid, 0)},
                                     .restarts = 5};
    const struct member *member = members_adopt(&members, &process);
    ck_assert(process.command == NULL && process.orphan.pidfd == -1);
    ck_assert_int_eq(service_pid(member->service), pid);
    ck_assert_uint_eq(service_restarts(member->service), 5);
    ck_assert_str_eq(member->origin, "adopted");
    ck_assert(member_serves(member)); /* it had said ready */
    workers(2);
    run_until(two_run);
    ck_assert_str_eq(names(), "worker.m.1.2 worker.m.1.1");
    ck_assert_int_eq(births, 1);
}
END_TEST

static bool one_waits(void)
{
    return members.first != NULL && service_state(members.first->service) == SERVICE_WAITING;
}

/* It would be started as it was, without what its successor is given. */
START_TEST(an_outdated_one_that_died_has_a_successor_all_the_same)
{
    struct progress *progress = progress_new();
    struct turnover *turnover = turnover_new(&members, NULL, progress);
    add_program("bin/outrigger-worker", "#!/none/such\n");
    workers(1);
    run_until(one_waits);
    turnover_add(turnover, members.first, TURNOVER_MAX_RSS);
    turnover_advance(turnover, plan);
    ck_assert_str_eq(names(), "worker.m.1.1"); /* it is started anew anyway */
    turnover_add(turnover, members.first, TURNOVER_OUTDATED);
    turnover_advance(turnover, plan);
    ck_assert_str_eq(names(), "worker.m.1.1 worker.m.1.2");
    ck_assert(members.first->leaving);
    turnover_free(turnover);
    progress_free(progress);
}
END_TEST

/* ---- what the broker is told ---- */

static bool is_told_of(const char *command)
{
    while (is_told()) /* of who has come, and of each death */
        if (strstr(told, command) != NULL)
            return true;
    return false;
}

static bool is_told_of_announcement(void)
{
    return is_told_of("announce");
}

static bool is_told_of_death(void)
{
    return is_told_of("worker-gone");
}

static bool is_told_of_failure(void)
{
    return is_told_of("worker-failed");
}

START_TEST(who_is_started_is_announced)
{
    char expected[64];
    workers(1);
    run_until(is_told_of_announcement);
    snprintf(expected, sizeof expected, "\"model\":\"m\",\"version\":\"1\",\"pid\":%d}",
             (int)service_pid(members.first->service));
    ck_assert_ptr_nonnull(strstr(told, expected));
}
END_TEST

START_TEST(a_death_is_told_with_its_number)
{
    char expected[64];
    workers(1);
    run_until(one_runs);
    pid_t pid = service_pid(members.first->service);
    kill(pid, SIGKILL);
    run_until(is_told_of_death);
    snprintf(expected, sizeof expected, "{\"command\":\"worker-gone\",\"pid\":%d}\n", (int)pid);
    ck_assert_str_eq(told, expected);
    run_until(one_runs); /* another one in its place */
    ck_assert_int_ne(service_pid(members.first->service), pid);
    ck_assert_uint_eq(metrics_series(metrics, METRIC_PROCESS_RESTARTS, "worker.m.1.1", "signal", NULL)->value,
                      1);
}
END_TEST

/* It was announced, and its program never ran. */
START_TEST(one_without_a_program_is_told_to_be_gone)
{
    char *pid;
    add_program("bin/outrigger-worker", "#!/none/such\n");
    workers(1);
    run_until(is_told_of_announcement);
    pid = strstr(told, "\"pid\":");
    ck_assert_ptr_nonnull(pid);
    long announced = strtol(pid + strlen("\"pid\":"), NULL, 10);
    char expected[64];
    run_until(is_told_of_death);
    snprintf(expected, sizeof expected, "{\"command\":\"worker-gone\",\"pid\":%ld}\n", announced);
    ck_assert_str_eq(told, expected);
}
END_TEST

START_TEST(one_that_does_not_start_is_told_with_its_reason)
{
    add_program("bin/outrigger-worker", "#!/bin/sh\necho broken >&2; exit 125\n");
    workers(1);
    run_until(is_told_of_failure);
    ck_assert_str_eq(told, "{\"command\":\"worker-failed\",\"model\":\"m\",\"version\":\"1\",\"all\":true,"
                           "\"reason\":\"exit 125: broken\"}\n");
    members_tell_failures(&members); /* to a broker that has just come */
    ck_assert(is_told_of_failure());
    ck_assert_ptr_nonnull(strstr(told, "\"reason\":\"exit 125: broken\""));
    members_tell_fault(&members, "m", "1", true, "\xff\xfe");
    ck_assert(is_told_of_failure());
    ck_assert_ptr_nonnull(strstr(told, "\"reason\":\"its last words are no text\""));
}
END_TEST

/* Others that start hold back the verdict about the version. */
START_TEST(of_one_that_fails_beside_others_not_all_is_told)
{
    workers(1);
    run_until(one_runs);
    add_program("bin/outrigger-worker", "#!/bin/sh\nexit 125\n");
    workers(2);
    run_until(is_told_of_failure);
    ck_assert_msg(strstr(told, "\"all\":false") != NULL, "%s", told);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {as_many_as_are_wanted,
                                  the_highest_go_first_and_their_numbers_are_given_again,
                                  who_takes_a_place_counts_for_it,
                                  an_adopted_one_is_as_good_as_our_own,
                                  an_outdated_one_that_died_has_a_successor_all_the_same,
                                  who_is_started_is_announced,
                                  a_death_is_told_with_its_number,
                                  one_without_a_program_is_told_to_be_gone,
                                  one_that_does_not_start_is_told_with_its_reason,
                                  of_one_that_fails_beside_others_not_all_is_told};
    return SUITE_RUN("members", set_up, tear_down, tests);
}
