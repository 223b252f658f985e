/* test_provenance: a version that the tool has signed, what may not be done to it, and one that nobody has
 * signed. SPDX-License-Identifier: MIT */
#include "provenance.h"

#include "signed_model.h"

#define TRUSTED "tests/models/signed/trusted.pem"
#define OTHER   "tests/models/signed/other/p384.pem"

static char reason[1024];
static struct provenance *provenance;

/* A copy of the signed version: scratch/1. */
static void set_up(void)
{
    char command[400];
    scratch_make();
    snprintf(command, sizeof command, "cp -R tests/models/signed/1 %s", scratch_path("1"));
    ck_assert_int_eq(system(command), 0);
}

static void tear_down(void)
{
    provenance_free(provenance);
    scratch_remove();
}

static void gather(const char *keys)
{
    provenance_free(provenance);
    provenance = provenance_gather(scratch_path("1/model.onnx"), keys, reason, sizeof reason);
    ck_assert_msg(provenance != NULL, "%s", reason);
}

static void expect_distrust(const char *name, const char *words)
{
    char path[300];
    snprintf(path, sizeof path, "%s: ", scratch_path(name));
    ck_assert(!provenance_trusted(provenance, reason, sizeof reason));
    ck_assert_msg(strncmp(reason, path, strlen(path)) == 0 && strstr(reason, words) != NULL, "%s", reason);
}

START_TEST(signed_by_who_is_trusted)
{
    gather(TRUSTED);
    ck_assert(provenance_demanded(provenance));
    ck_assert_msg(provenance_trusted(provenance, reason, sizeof reason), "%s", reason);
    ck_assert_msg(provenance_holds(provenance, reason, sizeof reason), "%s", reason);
    ck_assert_msg(strncmp(provenance_digest(provenance), "sha256:", 7) == 0, "%s",
                  provenance_digest(provenance));
    gather(OTHER ":" TRUSTED);
    ck_assert_msg(provenance_trusted(provenance, reason, sizeof reason), "%s", reason);
}
END_TEST

START_TEST(signed_by_somebody_else)
{
    gather(OTHER);
    expect_distrust("1/model.sig", "signed with a key that is not among the trusted ones");
}
END_TEST

START_TEST(not_signed)
{
    ck_assert_int_eq(remove(scratch_path("1/model.sig")), 0);
    gather(TRUSTED);
    expect_distrust("1", "the model is not signed: expected model.sig there");
    gather("");
    ck_assert(!provenance_demanded(provenance));
    ck_assert_msg(provenance_trusted(provenance, reason, sizeof reason), "%s", reason);
}
END_TEST

START_TEST(files_that_were_changed)
{
    scratch_file("1/vocabulary/words.txt", "malignant\nbenign\n");
    gather(TRUSTED);
    expect_distrust("1/model.sig", "vocabulary/words.txt is not the file that was signed");
    set_up();
    scratch_file("1/vocabulary/more.txt", "");
    gather(TRUSTED);
    expect_distrust("1/model.sig", "vocabulary/more.txt was not signed");
    set_up();
    ck_assert_int_eq(remove(scratch_path("1/empty")), 0);
    gather(TRUSTED);
    expect_distrust("1/model.sig", "empty was signed and is not there");
}
END_TEST

START_TEST(forms_that_we_do_not_take)
{
    static const char *const forms[] = {"shards", "blake3"};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        char command[400];
        snprintf(command, sizeof command, "cp tests/models/signed/other/%s.sig %s", forms[i],
                 scratch_path("1/model.sig"));
        ck_assert_int_eq(system(command), 0);
        gather(TRUSTED);
        expect_distrust("1/model.sig", "was not signed by the SHA-256 of whole files");
    }
}
END_TEST

START_TEST(a_signature_that_is_none)
{
    scratch_file("1/model.sig", "");
    gather(TRUSTED);
    expect_distrust("1/model.sig", "is no signature");
    ck_assert_int_eq(truncate(scratch_path("1/model.sig"), (16 << 20) + 1), 0);
    gather(TRUSTED);
    expect_distrust("1/model.sig", "is too long");
    ck_assert_int_eq(remove(scratch_path("1/model.sig")), 0);
    ck_assert_int_eq(mkfifo(scratch_path("1/model.sig"), 0600), 0);
    gather(TRUSTED);
    expect_distrust("1", "the model is not signed");
}
END_TEST

START_TEST(changed_after_it_was_read)
{
    gather(TRUSTED);
    scratch_file("1/model.onnx", "another");
    ck_assert(provenance_trusted(provenance, reason, sizeof reason)); /* the one that was read */
    ck_assert(!provenance_holds(provenance, reason, sizeof reason));
    ck_assert_ptr_nonnull(strstr(reason, "1/model.onnx: was changed while the model was loaded"));
}
END_TEST

START_TEST(what_cannot_be_read)
{
    ck_assert_ptr_null(
        provenance_gather(scratch_path("1/model.onnx"), scratch_path("none.pem"), reason, sizeof reason));
    ck_assert_ptr_nonnull(strstr(reason, "signing.keys: "));
    ck_assert_ptr_nonnull(strstr(reason, "none.pem: No such file or directory"));
    ck_assert_int_eq(symlink(".", scratch_path("1/again")), 0); /* folders without end */
    ck_assert_ptr_null(provenance_gather(scratch_path("1/model.onnx"), TRUSTED, reason, sizeof reason));
    gather("");
    ck_assert_str_eq(provenance_digest(provenance), "");
    ck_assert(provenance_trusted(provenance, reason, sizeof reason));
    ck_assert(provenance_holds(provenance, reason, sizeof reason));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        signed_by_who_is_trusted,  signed_by_somebody_else,   not_signed,
        files_that_were_changed,   forms_that_we_do_not_take, a_signature_that_is_none,
        changed_after_it_was_read, what_cannot_be_read};
    return SUITE_RUN("provenance", set_up, tear_down, tests);
}
