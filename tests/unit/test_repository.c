/* test_repository: whatever changes in a model repository is noticed, on all three levels and in folders that
 * have come since. SPDX-License-Identifier: MIT */
#include "../../broker/supervisor/repository.h" /* not the tests' own of that name */

#include "scratch_directory.h"
#include "suite.h"

static struct loop *loop;
static struct repository *repository;
static int changes;

static void changed(void *self)
{
    (void)self;
    changes++;
    loop_stop(loop);
}

static void set_up(void)
{
    scratch_make();
    scratch_folder("models");
    scratch_folder("models/m");
    scratch_folder("models/m/1");
    loop = loop_new();
    repository = repository_new(loop, scratch_path("models"), changed, NULL);
    changes = 0;
}

static void tear_down(void)
{
    repository_free(repository);
    loop_free(loop);
    scratch_remove();
}

/* Comes back when a change was noticed. */
static void expect_notice(void)
{
    int before = changes;
    loop_run(loop);
    ck_assert_int_eq(changes, before + 1);
    repository_rescan(repository);
}

START_TEST(files_of_a_version)
{
    scratch_file("models/m/1/model.onnx", "x");
    expect_notice();
    ck_assert_int_eq(rename(scratch_path("models/m/1/model.onnx"), scratch_path("models/m/1/other")), 0);
    expect_notice();
    ck_assert_int_eq(unlink(scratch_path("models/m/1/other")), 0);
    expect_notice();
    ck_assert(repository_sees_all(repository));
}
END_TEST

START_TEST(files_and_folders_of_a_model)
{
    scratch_file("models/m/model.conf", "");
    expect_notice();
    scratch_folder("models/m/2");
    expect_notice();
    scratch_file("models/m/2/model.onnx", ""); /* the folder is watched since the rescan */
    expect_notice();
    ck_assert_int_eq(rename(scratch_path("models/m/2"), scratch_path("models/m/3")), 0);
    expect_notice();
    scratch_file("models/m/3/more", "");
    expect_notice();
    suite_remove_folder(scratch_path("models/m/3"));
    expect_notice();
}
END_TEST

START_TEST(models_that_come_and_go)
{
    scratch_folder("other");
    scratch_folder("other/1");
    scratch_file("other/1/model.onnx", "");
    ck_assert_int_eq(rename(scratch_path("other"), scratch_path("models/other")), 0);
    expect_notice();
    scratch_file("models/other/1/model.onnx", "x");
    expect_notice();
    ck_assert_int_eq(symlink(scratch_path("models/m"), scratch_path("models/link")), 0);
    expect_notice();
    suite_remove_folder(scratch_path("models/other"));
    expect_notice();
    ck_assert(repository_sees_all(repository));
}
END_TEST

START_TEST(a_repository_that_is_not_there_is_not_seen)
{
    repository_free(repository);
    repository = repository_new(loop, scratch_path("none"), changed, NULL);
    ck_assert(!repository_sees_all(repository));
    scratch_folder("none");
    repository_rescan(repository);
    ck_assert(repository_sees_all(repository));
    scratch_folder("none/m");
    expect_notice();
    repository_free(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {files_of_a_version, files_and_folders_of_a_model, models_that_come_and_go,
                                  a_repository_that_is_not_there_is_not_seen};
    return SUITE_RUN("repository", set_up, tear_down, tests);
}
