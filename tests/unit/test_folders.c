/* test_folders: whose the two folders are when root starts for others, and what it keeps its hands off.
 * SPDX-License-Identifier: MIT */
#include "folders.h"

#include "process.h"
#include "scratch_directory.h"

#include <linux/capability.h>
#include <unistd.h>

static struct config config;
static struct account *service, *workers;
static char runtime[128], state[128], models[160];

static void set_up(void)
{
    scratch_make();
    snprintf(runtime, sizeof runtime, "%s", scratch_path("run"));
    snprintf(state, sizeof state, "%s", scratch_path("state"));
    snprintf(models, sizeof models, "%s", scratch_path("models"));
    config =
        (struct config){.runtime_directory = runtime, .state_directory = state, .models_directory = models};
    service = account_find("daemon");
    workers = account_find("nobody");
    ck_assert(service != NULL && workers != NULL);
}

static void tear_down(void)
{
    account_free(service);
    account_free(workers);
    scratch_remove();
}

static void expect(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    struct stat status;
    ck_assert_int_eq(lstat(path, &status), 0);
    ck_assert_msg(status.st_uid == uid && status.st_gid == gid && (status.st_mode & 07777) == mode,
                  "%s: %u:%u %o", path, (unsigned)status.st_uid, (unsigned)status.st_gid,
                  (unsigned)status.st_mode);
}

START_TEST(nobody_is_given_nothing)
{
    ck_assert(folders_give(&config, NULL, NULL));
    ck_assert_int_eq(access(runtime, F_OK), -1);
    ck_assert_int_eq(access(state, F_OK), -1);
}
END_TEST

START_TEST(what_is_missing_is_made_for_the_user)
{
    ck_assert(folders_give(&config, service, NULL));
    expect(runtime, service->uid, service->gid, 0750);
    expect(state, service->uid, service->gid, 0750);
    ck_assert(folders_give(&config, service, NULL)); /* the next start */
    expect(runtime, service->uid, service->gid, 0750);
}
END_TEST

START_TEST(workers_pass_through_and_make_their_pages)
{
    ck_assert(folders_give(&config, service, workers));
    expect(runtime, service->uid, workers->gid, 02711);
    expect(scratch_path("run/stats"), service->uid, workers->gid, 03770);
    expect(state, service->uid, service->gid, 0750);
    ck_assert(folders_give(&config, service, workers));
    expect(runtime, service->uid, workers->gid, 02711);
    ck_assert(folders_give(&config, service, NULL)); /* they have no user of their own any more */
    expect(runtime, service->uid, service->gid, 0750);
    expect(scratch_path("run/stats"), service->uid, service->gid, 0750);
}
END_TEST

START_TEST(workers_pass_through_the_folder_that_the_models_lie_in)
{
    snprintf(models, sizeof models, "%s/models", state);
    ck_assert(folders_give(&config, service, workers));
    expect(state, service->uid, workers->gid, 0710);
}
END_TEST

START_TEST(workers_alone_may_be_others)
{
    ck_assert(folders_give(&config, NULL, workers));
    expect(runtime, 0, workers->gid, 02711);
    expect(scratch_path("run/stats"), 0, workers->gid, 03770);
}
END_TEST

START_TEST(an_empty_folder_is_given_away_and_a_full_one_is_not)
{
    scratch_folder("run");
    scratch_folder("state");
    ck_assert(folders_give(&config, service, NULL));
    expect(runtime, service->uid, service->gid, 0700); /* somebody wanted it like this */
    ck_assert_int_eq(chown(state, 0, 0), 0);
    scratch_file("state/keys.json", "{}");
    ck_assert(!folders_give(&config, service, NULL));
    expect(state, 0, 0, 0700);
    expect(scratch_path("state/keys.json"), 0, 0, 0644);
    ck_assert_int_eq(chown(state, service->uid, 0), 0);
    ck_assert(folders_give(&config, service, NULL));
    expect(scratch_path("state/keys.json"), 0, 0, 0644); /* nothing below it is given to anybody */
}
END_TEST

START_TEST(a_container_whose_root_may_not_hand_on_a_group_is_told)
{
    ck_assert_int_eq(account_raise(~ACCOUNT_RIGHT(CAP_FSETID)), 0);
    ck_assert(!folders_give(&config, service, workers));
    ck_assert(folders_give(&config, service, NULL)); /* for which it takes none */
}
END_TEST

START_TEST(a_folder_of_others_is_not_opened_to_workers)
{
    scratch_folder("run");
    scratch_file("run/other.pid", "1");
    ck_assert(!folders_give(&config, NULL, workers));
    expect(runtime, 0, 0, 0700);
    ck_assert_int_eq(chown(runtime, service->uid, service->gid), 0);
    ck_assert(!folders_give(&config, service, workers));
    expect(runtime, service->uid, service->gid, 0700);
    ck_assert_int_eq(access(scratch_path("run/stats"), F_OK), -1);
    scratch_file("run/supervisor.lock", ""); /* of one that was killed before there was a workers' user */
    ck_assert(folders_give(&config, service, workers));
    expect(runtime, service->uid, workers->gid, 02711);
}
END_TEST

/* The folder is the user's: what lies in it may be anything. */
START_TEST(a_link_in_place_of_the_pages_leads_root_nowhere)
{
    scratch_folder("run");
    scratch_folder("victim");
    ck_assert_int_eq(chmod(scratch_path("victim"), 0755), 0);
    char victim[128];
    snprintf(victim, sizeof victim, "%s", scratch_path("victim"));
    ck_assert_int_eq(symlink(victim, scratch_path("run/stats")), 0);
    ck_assert_int_eq(chown(runtime, service->uid, service->gid), 0);
    ck_assert(!folders_give(&config, service, workers));
    expect(victim, 0, 0, 0755);
}
END_TEST

START_TEST(the_folder_of_one_that_runs_stays_as_it_is)
{
    ck_assert(folders_give(&config, service, workers));
    int lock = process_lock(scratch_path("run/supervisor.lock"));
    ck_assert_int_ne(lock, -1);
    ck_assert(folders_give(&config, service, NULL)); /* its lock is not to be had: that is said later */
    expect(runtime, service->uid, workers->gid, 02711);
    expect(scratch_path("run/stats"), service->uid, workers->gid, 03770);
    close(lock); /* as if it was killed */
    ck_assert(folders_give(&config, service, NULL));
    expect(runtime, service->uid, service->gid, 0750);
}
END_TEST

START_TEST(a_link_in_place_of_a_folder_leads_root_nowhere)
{
    char victim[128];
    scratch_folder("victim");
    ck_assert_int_eq(chmod(scratch_path("victim"), 0755), 0);
    snprintf(victim, sizeof victim, "%s", scratch_path("victim"));
    ck_assert_int_eq(symlink(victim, runtime), 0);
    ck_assert(!folders_give(&config, service, workers));
    ck_assert(!folders_give(&config, service, NULL));
    expect(victim, 0, 0, 0755);
    ck_assert_int_eq(unlink(runtime), 0);
    ck_assert_int_eq(symlink(victim, state), 0);
    snprintf(state, sizeof state, "%s/", scratch_path("state")); /* behind which a link is followed */
    ck_assert(!folders_give(&config, service, NULL));
    expect(victim, 0, 0, 0755);
}
END_TEST

START_TEST(what_others_can_have_put_there_is_not_given_away)
{
    static const mode_t modes[] = {0775, 0757, 01777};
    scratch_folder("shared");
    scratch_folder("shared/run"); /* anybody's empty one, moved there */
    snprintf(runtime, sizeof runtime, "%s", scratch_path("shared/run"));
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        ck_assert_int_eq(chmod(scratch_path("shared"), modes[i]), 0);
        ck_assert(!folders_give(&config, service, NULL));
        expect(runtime, 0, 0, 0700);
    }
    ck_assert_int_eq(chmod(scratch_path("shared"), 0755), 0);
    ck_assert_int_eq(chown(scratch_path("shared"), service->uid, service->gid), 0);
    ck_assert(!folders_give(&config, service, NULL));
    expect(runtime, 0, 0, 0700);
    ck_assert_int_eq(chown(runtime, service->uid, service->gid), 0); /* as it is told to */
    ck_assert(folders_give(&config, service, NULL));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {nobody_is_given_nothing,
                                  what_is_missing_is_made_for_the_user,
                                  workers_pass_through_and_make_their_pages,
                                  workers_pass_through_the_folder_that_the_models_lie_in,
                                  workers_alone_may_be_others,
                                  an_empty_folder_is_given_away_and_a_full_one_is_not,
                                  a_folder_of_others_is_not_opened_to_workers,
                                  a_container_whose_root_may_not_hand_on_a_group_is_told,
                                  a_link_in_place_of_the_pages_leads_root_nowhere,
                                  the_folder_of_one_that_runs_stays_as_it_is,
                                  a_link_in_place_of_a_folder_leads_root_nowhere,
                                  what_others_can_have_put_there_is_not_given_away};
    if (geteuid() != 0) {
        fprintf(stderr, "NOT TESTED, since not root: giving folders to other users\n");
        return 0;
    }
    return SUITE_RUN("folders", set_up, tear_down, tests);
}
