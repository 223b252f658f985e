/* test_contents: the digest is what sha256sum says, whatever the files are called; and what changes is seen.
 * SPDX-License-Identifier: MIT */
#include "contents.h"

#include "scratch_directory.h"

#include <fcntl.h>

static char reason[512];

static struct contents *read_folder(const char *name)
{
    struct contents *contents = contents_read(scratch_path(name), reason, sizeof reason);
    ck_assert_msg(contents != NULL, "%s", reason);
    return contents;
}

static char *digest_of(const char *name, char digest[CONTENTS_DIGEST])
{
    struct contents *contents = read_folder(name);
    strcpy(digest, contents->digest);
    contents_free(contents);
    return digest;
}

/* The command of contents.h, which is what an operator has. */
static void expect_command_agrees(const char *name)
{
    char command[512], line[128] = "", digest[CONTENTS_DIGEST];
    snprintf(command, sizeof command,
             "cd '%s' && find -L . -type f ! -path ./model.sig -printf '%%P\\0' | LC_ALL=C sort -z | "
             "xargs -0r sha256sum -z -- | sha256sum",
             scratch_path(name));
    FILE *output = popen(command, "r");
    ck_assert_ptr_nonnull(output);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, output));
    ck_assert_int_eq(pclose(output), 0);
    line[strcspn(line, " ")] = '\0';
    digest_of(name, digest);
    ck_assert_msg(strncmp(digest, "sha256:", 7) == 0 && strcmp(digest + 7, line) == 0, "%s, but %s", digest,
                  line);
}

static void make_folder(void)
{
    scratch_make();
    scratch_folder("1");
    scratch_file("1/model.onnx", "the model");
}

/* ---- the digest ---- */

START_TEST(the_digest_is_that_of_the_command)
{
    expect_command_agrees("1");
    scratch_folder("1/a");
    scratch_folder("1/a/b");
    scratch_folder("1/nothing in it");
    scratch_folder("1/.git");
    scratch_file("1/a/b/c", "");
    scratch_file("1/a.b", "between a and a/b/c, or not");
    scratch_file("1/a-b", "likewise");
    scratch_file("1/.git/HEAD", "hidden");
    scratch_file("1/-rf", "no option");
    scratch_file("1/two words", "x");
    scratch_file("1/line\nbreak", "y");
    scratch_file("1/back\\slash", "z");
    scratch_file("1/\xc3\xa4\xff", "no UTF-8");
    expect_command_agrees("1");
}
END_TEST

START_TEST(links_are_what_they_lead_to)
{
    char before[CONTENTS_DIGEST], after[CONTENTS_DIGEST];
    scratch_folder("shared");
    scratch_file("shared/weights", "large");
    ck_assert_int_eq(symlink("../shared/weights", scratch_path("1/weights")), 0);
    ck_assert_int_eq(symlink("../shared", scratch_path("1/folder")), 0);
    ck_assert_int_eq(symlink("nowhere", scratch_path("1/broken")), 0);
    expect_command_agrees("1");
    digest_of("1", before);
    scratch_file("shared/weights", "LARGE");
    ck_assert_str_ne(digest_of("1", after), before);
    expect_command_agrees("1");
    struct contents *contents = read_folder("1");
    ck_assert(contents_find(contents, text_of("weights"))->linked);
    ck_assert(contents_find(contents, text_of("folder/weights"))->linked);
    ck_assert(!contents_find(contents, text_of("model.onnx"))->linked);
    ck_assert_str_eq(contents->odd, "broken");
    contents_free(contents);
}
END_TEST

START_TEST(a_large_file)
{
    FILE *file = fopen(scratch_path("1/large"), "w");
    for (int i = 0; i < 300000; i++)
        ck_assert_int_gt(fprintf(file, "%d\n", i), 0);
    ck_assert_int_eq(fclose(file), 0);
    expect_command_agrees("1");
}
END_TEST

START_TEST(the_signature_is_no_part_of_it)
{
    char before[CONTENTS_DIGEST], after[CONTENTS_DIGEST];
    digest_of("1", before);
    scratch_file("1/model.sig", "{}");
    ck_assert_str_eq(digest_of("1", after), before);
    scratch_folder("1/below");
    scratch_file("1/below/model.sig", "{}"); /* this one is some file */
    ck_assert_str_ne(digest_of("1", after), before);
    expect_command_agrees("1");
}
END_TEST

START_TEST(names_and_bytes_count)
{
    char first[CONTENTS_DIGEST], second[CONTENTS_DIGEST], third[CONTENTS_DIGEST];
    digest_of("1", first);
    scratch_file("1/model.onnx", "the modeL");
    digest_of("1", second);
    ck_assert_int_eq(rename(scratch_path("1/model.onnx"), scratch_path("1/model.onnX")), 0);
    digest_of("1", third);
    ck_assert_str_ne(first, second);
    ck_assert_str_ne(second, third);
}
END_TEST

START_TEST(what_is_no_file_is_named_and_not_opened)
{
    ck_assert_int_eq(mkfifo(scratch_path("1/pipe"), 0600), 0);
    expect_command_agrees("1");
    struct contents *contents = read_folder("1"); /* would wait for a writer for ever */
    ck_assert_str_eq(contents->odd, "pipe");
    ck_assert_uint_eq(contents->count, 1);
    contents_free(contents);
}
END_TEST

START_TEST(folders_without_end)
{
    ck_assert_int_eq(symlink(".", scratch_path("1/again")), 0);
    ck_assert_ptr_null(contents_read(scratch_path("1"), reason, sizeof reason));
    ck_assert_msg(strstr(reason, "folders lie too deep in each other") != NULL ||
                      strstr(reason, "Too many levels of symbolic links") != NULL,
                  "%s", reason);
}
END_TEST

START_TEST(a_folder_that_is_not_there)
{
    ck_assert_ptr_null(contents_read(scratch_path("none"), reason, sizeof reason));
    ck_assert_ptr_nonnull(strstr(reason, "none: No such file or directory"));
}
END_TEST

START_TEST(files_are_found_by_name)
{
    scratch_folder("1/a");
    scratch_file("1/a/b", "");
    scratch_file("1/a.b", "");
    struct contents *contents = read_folder("1");
    ck_assert_uint_eq(contents->count, 3);
    for (size_t i = 0; i < contents->count; i++)
        ck_assert_ptr_eq(contents_find(contents, text_of(contents->files[i].name)), &contents->files[i]);
    static const char *const others[] = {"", "a", "a/", "a/bc", "model.onn", "model.onnxx", "z", "../1/a.b"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        ck_assert_ptr_null(contents_find(contents, text_of(others[i])));
    contents_free(contents);
}
END_TEST

/* ---- whether it stays so ---- */

static void expect_change(struct contents *contents, const char *name)
{
    char expected[400];
    snprintf(expected, sizeof expected, "%s/%s: was changed while the model was loaded", scratch_path("1"),
             name);
    ck_assert(!contents_same(contents, reason, sizeof reason));
    ck_assert_str_eq(reason, expected);
}

/* Waits for the kernel's clock, so that what is done now has another time than what has been done. */
static void next_tick(void)
{
    struct stat before, now;
    scratch_file("tick", "");
    ck_assert_int_eq(stat(scratch_path("tick"), &before), 0);
    do {
        scratch_file("tick", "");
        ck_assert_int_eq(stat(scratch_path("tick"), &now), 0);
    } while (now.st_ctim.tv_sec == before.st_ctim.tv_sec && now.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
}

static void expect_folder_changed(struct contents *contents, const char *name)
{
    char expected[400];
    snprintf(expected, sizeof expected, "%s: was changed while the model was loaded", scratch_path(name));
    ck_assert(!contents_same(contents, reason, sizeof reason));
    ck_assert_str_eq(reason, expected);
}

static void move(const char *from, const char *to)
{
    char *old = object_strdup(scratch_path(from));
    ck_assert_int_eq(rename(old, scratch_path(to)), 0);
    free(old);
}

START_TEST(nothing_has_changed)
{
    scratch_folder("1/a");
    scratch_file("1/a/b", "");
    struct contents *contents = read_folder("1");
    ck_assert_msg(contents_same(contents, reason, sizeof reason), "%s", reason);
    contents_free(contents);
}
END_TEST

START_TEST(another_file_in_its_place)
{
    struct contents *contents = read_folder("1");
    scratch_file("other", "the model"); /* the same bytes, but who knows */
    ck_assert_int_eq(rename(scratch_path("other"), scratch_path("1/model.onnx")), 0);
    expect_change(contents, "model.onnx");
    contents_free(contents);
}
END_TEST

/* Written in place, with the time put back: only the kernel's own time tells, which has its ticks. */
START_TEST(a_file_that_was_written_to)
{
    struct stat before, now;
    struct contents *contents = read_folder("1");
    ck_assert_int_eq(stat(scratch_path("1/model.onnx"), &before), 0);
    do {
        const struct timespec times[2] = {before.st_atim, before.st_mtim};
        scratch_file("1/model.onnx", "THE MODEL");
        ck_assert_int_eq(utimensat(AT_FDCWD, scratch_path("1/model.onnx"), times, 0), 0);
        ck_assert_int_eq(stat(scratch_path("1/model.onnx"), &now), 0);
    } while (now.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
    ck_assert_int_eq(now.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    expect_change(contents, "model.onnx");
    contents_free(contents);
}
END_TEST

START_TEST(files_that_come_and_go)
{
    scratch_folder("1/a");
    scratch_file("1/a/b", "");
    struct contents *contents = read_folder("1");
    scratch_file("1/a/new", "");
    expect_change(contents, "a/new");
    ck_assert_int_eq(remove(scratch_path("1/a/new")), 0);
    ck_assert_int_eq(remove(scratch_path("1/a/b")), 0);
    expect_change(contents, "a/b");
    contents_free(contents);
}
END_TEST

/* The engine has read another's files, and not one of those that were hashed has changed. */
START_TEST(a_folder_that_was_away)
{
    scratch_folder("1/a");
    scratch_file("1/a/b", "");
    scratch_folder("evil");
    scratch_file("evil/model.onnx", "another");
    struct contents *contents = read_folder("1");
    next_tick();
    move("1", "good");
    move("evil", "1");
    ck_assert(!contents_same(contents, reason, sizeof reason));
    move("1", "evil");
    move("good", "1");
    expect_folder_changed(contents, "1");
    contents_free(contents);
    contents = read_folder("1");
    next_tick();
    move("1/a", "away");
    move("away", "1/a");
    ck_assert(!contents_same(contents, reason, sizeof reason));
    contents_free(contents);
}
END_TEST

START_TEST(a_name_that_was_there_meanwhile)
{
    scratch_folder("1/a");
    struct contents *contents = read_folder("1");
    next_tick();
    scratch_file("1/a/new", "");
    ck_assert_int_eq(remove(scratch_path("1/a/new")), 0);
    expect_folder_changed(contents, "1/a");
    contents_free(contents);
}
END_TEST

START_TEST(names_that_are_no_file)
{
    struct contents *contents = read_folder("1");
    next_tick();
    ck_assert_int_eq(symlink("/usr", scratch_path("1/link")), 0);
    expect_folder_changed(contents, "1");
    contents_free(contents);
    ck_assert_int_eq(remove(scratch_path("1/link")), 0);
    contents = read_folder("1");
    next_tick();
    ck_assert_int_eq(mkfifo(scratch_path("1/pipe"), 0600), 0);
    expect_folder_changed(contents, "1");
    contents_free(contents);
    contents = read_folder("1");
    next_tick();
    ck_assert_int_eq(symlink("nowhere", scratch_path("1/dangling")), 0);
    expect_folder_changed(contents, "1");
    contents_free(contents);
}
END_TEST

START_TEST(a_folder_behind_a_link)
{
    scratch_folder("shared");
    ck_assert_int_eq(symlink("../shared", scratch_path("1/folder")), 0);
    struct contents *contents = read_folder("1");
    ck_assert_msg(contents_same(contents, reason, sizeof reason), "%s", reason);
    next_tick();
    scratch_file("shared/new", "");
    expect_folder_changed(contents, "1/folder");
    contents_free(contents);
}
END_TEST

START_TEST(what_a_link_leads_to)
{
    scratch_folder("shared");
    scratch_file("shared/weights", "large");
    scratch_file("elsewhere", "large");
    ck_assert_int_eq(symlink("../shared", scratch_path("1/folder")), 0);
    ck_assert_int_eq(symlink("../elsewhere", scratch_path("1/file")), 0);
    struct contents *contents = read_folder("1");
    ck_assert_msg(contents_same(contents, reason, sizeof reason), "%s", reason);
    scratch_file("shared/weights", "larger");
    expect_change(contents, "folder/weights");
    contents_free(contents);
    contents = read_folder("1");
    scratch_file("elsewhere", "larger");
    expect_change(contents, "file");
    contents_free(contents);
}
END_TEST

int main(void)
{
    const TTest *const digests[] = {the_digest_is_that_of_the_command,
                                    links_are_what_they_lead_to,
                                    a_large_file,
                                    the_signature_is_no_part_of_it,
                                    names_and_bytes_count,
                                    what_is_no_file_is_named_and_not_opened,
                                    folders_without_end,
                                    a_folder_that_is_not_there,
                                    files_are_found_by_name,
                                    NULL};
    const TTest *const changes[] = {nothing_has_changed,
                                    another_file_in_its_place,
                                    a_file_that_was_written_to,
                                    files_that_come_and_go,
                                    what_a_link_leads_to,
                                    a_folder_that_was_away,
                                    a_name_that_was_there_meanwhile,
                                    names_that_are_no_file,
                                    a_folder_behind_a_link,
                                    NULL};
    Suite *suite = suite_create("contents");
    suite_add(suite, "the digest", make_folder, scratch_remove, digests);
    suite_add(suite, "changes", make_folder, scratch_remove, changes);
    return suite_finish(suite);
}
