/* test_account: who becomes which user, what is left of root then, and that there is no way back. What needs
 * root is done apart, as the users that every Debian has. SPDX-License-Identifier: MIT */
#include "account.h"

#include "apart.h"
#include "scratch_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SETUID ACCOUNT_RIGHT(CAP_SETUID)
#define CHOWN  ACCOUNT_RIGHT(CAP_CHOWN)

static struct config config;
static struct account *account;

static void set_up(void)
{
    static char nobody[] = "";
    scratch_make();
    config = (struct config){.user = nobody, .worker_user = nobody};
    account = account_find("daemon");
    ck_assert_ptr_nonnull(account);
}

static void tear_down(void)
{
    account_free(account);
    scratch_remove();
}

/* Does it apart. Returns its exit status. */
static int run(void (*what)(void))
{
    int status = apart(what);
    ck_assert_msg(WIFEXITED(status), "%x: %s", status, said);
    return WEXITSTATUS(status);
}

static void expect_end(void (*what)(void))
{
    int status = run(what);
    ck_assert_msg(status == 42, "%d: %s", status, said);
}

static uint64_t capabilities(bool effective)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    ENSURE(syscall(SYS_capget, &header, data) == 0);
    return effective ? data[0].effective | (uint64_t)data[1].effective << 32
                     : data[0].permitted | (uint64_t)data[1].permitted << 32;
}

static void is_that_user(void)
{
    uid_t uid[3];
    gid_t gid[3], groups[8];
    ENSURE(getresuid(&uid[0], &uid[1], &uid[2]) == 0 && getresgid(&gid[0], &gid[1], &gid[2]) == 0);
    for (size_t i = 0; i < 3; i++)
        ENSURE(uid[i] == account->uid && gid[i] == account->gid);
    ENSURE(getgroups(COUNT_OF(groups), groups) == (int)account->group_count);
}

/* ---- without root ---- */

START_TEST(users_are_found_by_name_and_by_number)
{
    char number[16];
    const struct passwd *entry = getpwnam("daemon");
    ck_assert_uint_eq(account->uid, entry->pw_uid);
    ck_assert_uint_eq(account->gid, entry->pw_gid);
    ck_assert_str_eq(account->name, "daemon");
    snprintf(number, sizeof number, "%u", (unsigned)account->uid);
    struct account *same = account_find(number);
    ck_assert_ptr_nonnull(same);
    ck_assert_uint_eq(same->uid, account->uid);
    ck_assert_str_eq(same->name, number);
    account_free(same);
    static const char *const none[] = {"", "no-such-user", "4294967295", "99999999999", "-1", "1x"};
    for (size_t i = 0; i < COUNT_OF(none); i++)
        ck_assert_msg(account_find(none[i]) == NULL, "%s", none[i]);
    account_free(NULL);
}
END_TEST

START_TEST(its_own_group_is_none_of_the_others)
{
    for (size_t i = 0; i < account->group_count; i++)
        ck_assert_uint_ne(account->groups[i], account->gid);
}
END_TEST

START_TEST(nobody_named_is_nobody_to_become)
{
    static char name[16];
    ck_assert_ptr_null(account_of_service(&config));
    ck_assert_ptr_null(account_of_workers(&config));
    snprintf(name, sizeof name, "%u", (unsigned)geteuid());
    config.user = config.worker_user = name;
    ck_assert_ptr_null(account_of_service(&config));
    ck_assert_ptr_null(account_of_workers(&config));
    account_settle(&config, false);
    account_settle(&config, true);
}
END_TEST

START_TEST(a_file_is_tried_as_who_we_are)
{
    ck_assert_int_eq(account_try(NULL, scratch_file("file", "text")), 0);
    ck_assert_int_eq(account_try(NULL, scratch_directory), 0);
    ck_assert_int_eq(account_try(NULL, scratch_path("none")), ENOENT);
}
END_TEST

/* ---- with root ---- */

static void assumes(void)
{
    ENSURE(account_assume(account) == 0);
    is_that_user();
    ENSURE(capabilities(false) == 0 && capabilities(true) == 0);
    /* Not glibc's, which also turns to the thread of a sanitizer, who is still root. */
    ENSURE(syscall(SYS_setuid, 0) == -1 && syscall(SYS_setgid, 0) == -1 &&
           syscall(SYS_setgroups, 0, NULL) == -1);
    ENSURE(syscall(SYS_setresuid, -1, 0, -1) == -1);
    ENSURE(account_raise(SETUID) == 0 && capabilities(true) == 0);
}

START_TEST(nothing_is_left_of_root)
{
    expect_end(assumes);
}
END_TEST

static void keeps_some(void)
{
    ENSURE(account_assume_with(account, SETUID | CHOWN) == 0);
    is_that_user();
    ENSURE(capabilities(true) == 0 && capabilities(false) == (SETUID | CHOWN));
    ENSURE(syscall(SYS_setuid, 0) == -1);
    ENSURE(account_raise(CHOWN) == 0 && capabilities(true) == CHOWN);
    ENSURE(account_keep(SETUID) == 0 && capabilities(true) == SETUID && capabilities(false) == SETUID);
    ENSURE(account_raise(CHOWN) == 0 && capabilities(true) == 0);
    for (int number = 0; prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; number++)
        ENSURE(prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 0);
}

START_TEST(what_is_kept_has_no_effect_until_it_is_raised)
{
    expect_end(keeps_some);
}
END_TEST

static void becomes_the_next(void)
{
    struct account *next = account_find("nobody");
    ENSURE(account_assume_with(account, SETUID | ACCOUNT_RIGHT(CAP_SETGID)) == 0);
    ENSURE(account_assume(next) == -1 && errno == EPERM);
    ENSURE(account_keep(SETUID | ACCOUNT_RIGHT(CAP_SETGID)) == 0 && account_assume(next) == 0);
    account_free(account);
    account = next;
    is_that_user();
    ENSURE(capabilities(false) == 0);
}

START_TEST(who_kept_the_right_becomes_the_next_one_with_none)
{
    expect_end(becomes_the_next);
}
END_TEST

static void settles(void)
{
    static char daemon[] = "daemon";
    config.user = daemon;
    account_settle(&config, false);
    is_that_user();
    account_settle(&config, true); /* it is already */
}

static void settles_as_a_worker(void)
{
    static char daemon[] = "daemon", root[] = "root";
    config.user = root;
    config.worker_user = daemon;
    account_settle(&config, true);
    is_that_user();
}

START_TEST(a_program_that_root_starts_by_hand_becomes_its_user)
{
    expect_end(settles);
    expect_end(settles_as_a_worker);
}
END_TEST

static void is_another_already(void)
{
    static char nobody[] = "nobody";
    ENSURE(account_assume(account) == 0);
    config.user = nobody;
    account_settle(&config, false);
}

START_TEST(who_is_neither_root_nor_that_user_ends)
{
    ck_assert_int_eq(run(is_another_already), 1);
    ck_assert_msg(strstr(said, "user = \\\"nobody\\\": only root can become another user") != NULL, "%s",
                  said);
}
END_TEST

START_TEST(workers_of_the_same_user_have_none_of_their_own)
{
    static char daemon[] = "daemon", nobody[] = "nobody";
    config.user = daemon;
    config.worker_user = daemon;
    ck_assert_ptr_null(account_of_workers(&config));
    config.worker_user = nobody;
    struct account *workers = account_of_workers(&config);
    ck_assert_ptr_nonnull(workers);
    ck_assert_str_eq(workers->name, "nobody");
    account_free(workers);
}
END_TEST

START_TEST(root_acts_as_a_user_and_is_root_again)
{
    const char *path = scratch_file("file", "text");
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert(account_borrow(account));
    ck_assert_uint_eq(geteuid(), account->uid);
    ck_assert_uint_eq(getegid(), account->gid);
    ck_assert_int_eq(open(path, O_RDONLY | O_CLOEXEC), -1);
    account_return();
    ck_assert_uint_eq(geteuid(), 0);
    ck_assert_uint_eq(getegid(), 0);
    ck_assert(account_borrow(NULL));
    account_return();
    ck_assert_uint_eq(geteuid(), 0);
}
END_TEST

START_TEST(a_file_is_tried_as_that_user)
{
    const char *path = scratch_file("file", "text");
    chmod(scratch_directory, 0711);
    chmod(path, 0600);
    ck_assert_int_eq(account_try(account, path), EACCES);
    ck_assert_int_eq(account_try(account, scratch_directory), EACCES);
    ck_assert_int_eq(chown(path, account->uid, (gid_t)-1), 0);
    ck_assert_int_eq(account_try(account, path), 0);
    ck_assert_int_eq(account_try(account, scratch_path("none")), ENOENT);
    ck_assert_uint_eq(geteuid(), 0); /* we are who we were */
}
END_TEST

int main(void)
{
    const TTest *const for_all[] = {users_are_found_by_name_and_by_number,
                                    its_own_group_is_none_of_the_others, nobody_named_is_nobody_to_become,
                                    a_file_is_tried_as_who_we_are, NULL};
    const TTest *const for_root[] = {nothing_is_left_of_root,
                                     what_is_kept_has_no_effect_until_it_is_raised,
                                     who_kept_the_right_becomes_the_next_one_with_none,
                                     a_program_that_root_starts_by_hand_becomes_its_user,
                                     who_is_neither_root_nor_that_user_ends,
                                     workers_of_the_same_user_have_none_of_their_own,
                                     root_acts_as_a_user_and_is_root_again,
                                     a_file_is_tried_as_that_user,
                                     NULL};
    Suite *suite = suite_create("account");
    suite_add(suite, "for all", set_up, tear_down, for_all);
    if (geteuid() == 0)
        suite_add(suite, "for root", set_up, tear_down, for_root);
    else
        fprintf(stderr, "NOT TESTED, since not root: becoming another user\n");
    return suite_finish(suite);
}
