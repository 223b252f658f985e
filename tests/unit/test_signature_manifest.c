/* test_signature_manifest: a statement fits exactly the files that it lists. SPDX-License-Identifier: MIT */
#include "signature_manifest.h"

#include "signed_model.h"

static char reason[1024];

static void set_up(void)
{
    scratch_make();
    scratch_folder("1");
    scratch_folder("1/a");
    scratch_file("1/model.onnx", "model");
    scratch_file("1/a/words", "words");
}

#define IGNORED "\"ignore_paths\":[\".git\",\".github\",\".gitattributes\",\".gitignore\",\"model.sig\"]"
#define FILES   "\"method\":\"files\",\"hash_type\":\"sha256\",\"allow_symlinks\":false," IGNORED

/* One resource: a name, and the bytes that it had when it was signed. */
static char *resource(const char *name, const char *bytes)
{
    return signed_text("{\"name\":\"%s\",\"algorithm\":\"sha256\",\"digest\":\"%s\"}", name,
                       signed_hash(bytes, strlen(bytes)));
}

/* The SHA-256 of the digests of the resources, in their order. */
static char *subject_of(const char *resources)
{
    unsigned char hashes[16 * 32];
    size_t count = 0;
    static const char key[] = "\"digest\":\"";
    for (const char *at = resources; (at = strstr(at, key)) != NULL; count++) {
        at += sizeof key - 1;
        for (size_t i = 0; i < 32; i++)
            ck_assert_int_eq(sscanf(at + 2 * i, "%2hhx", &hashes[32 * count + i]), 1);
    }
    return signed_hash(hashes, 32 * count);
}

static char *statement(const char *serialization, const char *resources)
{
    return signed_text("{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"name\":\"1\","
                       "\"digest\":{\"sha256\":\"%s\"}}],"
                       "\"predicateType\":\"https://model_signing/signature/v1.0\","
                       "\"predicate\":{\"serialization\":{%s},\"resources\":[%s]}}",
                       subject_of(resources), serialization, resources);
}

static char *both(void)
{
    return signed_text("%s,%s", resource("a/words", "words"), resource("model.onnx", "model"));
}

static bool fits(const char *text)
{
    struct contents *contents = contents_read(scratch_path("1"), reason, sizeof reason);
    ck_assert_msg(contents != NULL, "%s", reason);
    bool good = signature_manifest_fits(text_of(text), contents, reason, sizeof reason);
    contents_free(contents);
    return good;
}

static void expect_refused(const char *text, const char *words)
{
    *reason = '\0';
    ck_assert_msg(!fits(text), "%s is taken", text);
    ck_assert_msg(strstr(reason, words) != NULL, "expected %s, got %s", words, reason);
}

START_TEST(all_files_are_as_they_were_signed)
{
    ck_assert_msg(fits(statement(FILES, both())), "%s", reason);
    char *turned = signed_text("%s,%s", resource("model.onnx", "model"), resource("a/words", "words"));
    ck_assert_msg(fits(statement(FILES, turned)), "%s", reason); /* the order is the signer's */
    scratch_file("1/model.sig", "this");
    ck_assert_msg(fits(statement(FILES, both())), "%s", reason);
}
END_TEST

START_TEST(files_that_are_not)
{
    scratch_file("1/model.onnx", "modeL");
    expect_refused(statement(FILES, both()), "model.onnx is not the file that was signed: expected SHA-256 ");
    ck_assert_ptr_nonnull(strstr(reason, signed_hash("model", 5)));
    ck_assert_ptr_nonnull(strstr(reason, signed_hash("modeL", 5)));
    scratch_file("1/model.onnx", "model");
    ck_assert_int_eq(rename(scratch_path("1/a/words"), scratch_path("1/a/word")), 0);
    expect_refused(statement(FILES, both()), "a/words was signed and is not there");
    ck_assert_int_eq(rename(scratch_path("1/a/word"), scratch_path("1/a/words")), 0);
    scratch_file("1/numpy.py", "import os");
    expect_refused(statement(FILES, both()), "numpy.py was not signed");
    ck_assert_int_eq(remove(scratch_path("1/numpy.py")), 0);
    ck_assert_int_eq(mkfifo(scratch_path("1/pipe"), 0600), 0);
    expect_refused(statement(FILES, both()), "pipe is neither file nor folder");
    expect_refused(statement(FILES, signed_text("%s,%s", both(), resource("model.onnx", "model"))),
                   "model.onnx stands in the statement twice");
    expect_refused(statement(FILES, signed_text("%s,%s", both(), resource("../1/model.onnx", "model"))),
                   "../1/model.onnx was signed and is not there");
}
END_TEST

/* What a signer leaves out nobody has signed; only what is git's own cannot matter. */
START_TEST(files_that_were_left_out)
{
    scratch_folder("1/.git");
    scratch_file("1/.git/HEAD", "ref");
    scratch_file("1/.gitignore", "*.o");
    ck_assert_msg(fits(statement(FILES, both())), "%s", reason);
    expect_refused(
        statement("\"method\":\"files\",\"hash_type\":\"sha256\",\"allow_symlinks\":false", both()),
        ".git/HEAD was not signed");
    scratch_file("1/.gitter", "no git");
    expect_refused(statement(FILES, both()), ".gitter was not signed");
    ck_assert_int_eq(remove(scratch_path("1/.gitter")), 0);
    expect_refused(statement("\"method\":\"files\",\"hash_type\":\"sha256\",\"ignore_paths\":[\"a\",\".git\","
                             "\".gitignore\"]",
                             resource("model.onnx", "model")),
                   "a/words is left out of the signature (ignore_paths)");
    expect_refused(statement("\"method\":\"files\",\"hash_type\":\"sha256\",\"ignore_paths\":[\"model.onnx\","
                             "\".git\",\".gitignore\"]",
                             resource("a/words", "words")),
                   "model.onnx is left out of the signature");
    expect_refused(
        statement("\"method\":\"files\",\"hash_type\":\"sha256\",\"ignore_paths\":[\"a/words\\u0000"
                  "and something behind the end of the name\",\".git\",\".gitignore\"]",
                  resource("model.onnx", "model")),
        "a/words was not signed");
    expect_refused(
        statement("\"method\":\"files\",\"hash_type\":\"sha256\",\"ignore_paths\":[\"\",7,\".\"]", both()),
        ".git/HEAD was not signed");
}
END_TEST

START_TEST(links)
{
    ck_assert_int_eq(rename(scratch_path("1/model.onnx"), scratch_path("shared")), 0);
    ck_assert_int_eq(symlink("../shared", scratch_path("1/model.onnx")), 0);
    expect_refused(statement(FILES, both()), "model.onnx is a symbolic link, and was signed as a file");
    ck_assert_msg(
        fits(statement("\"method\":\"files\",\"hash_type\":\"sha256\",\"allow_symlinks\":true", both())),
        "%s", reason);
}
END_TEST

START_TEST(statements_about_something_else)
{
    const char *good = statement(FILES, both());
    static const struct {
        const char *from, *to, *words;
    } changes[] = {
        {"Statement/v1", "Statement/v0.1", "no in-toto statement of version 1"},
        {"signature/v1.0", "signature/v2.0", "what is signed is no model"},
        {"model_signing/signature/v1.0", "model_signing/Digests/v0.1", "before v1.0"},
        {"\"method\":\"files\"", "\"method\":\"shards\"", "SHA-256 of whole files"},
        {"\"hash_type\":\"sha256\"", "\"hash_type\":\"blake3\"", "SHA-256 of whole files"},
        {"\"algorithm\":\"sha256\"", "\"algorithm\":\"md5\"", "without name or SHA-256"},
        {"\"name\":\"a/words\"", "\"title\":\"a/words\"", "without name or SHA-256"},
        {"\"digest\":\"", "\"digest\":\"0", "without name or SHA-256"},
        {"\"digest\":\"", "\"digest\":\"G", "without name or SHA-256"},
        {"\"resources\"", "\"files\"", "lists no files"},
        {"{\"sha256\":\"", "{\"sha512\":\"", "subject is not what its files add up to"},
        {"\"subject\":[", "\"subject\":[{},", "subject is not what its files add up to"},
        {"\"subject\":[", "\"predicateType\":[", "it is no JSON, or holds a member twice"},
        {"}}", "}", "it is no JSON"},
    };
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        const char *at = strstr(good, changes[i].from);
        ck_assert_ptr_nonnull(at);
        expect_refused(
            signed_text("%.*s%s%s", (int)(at - good), good, changes[i].to, at + strlen(changes[i].from)),
            changes[i].words);
    }
    expect_refused("", "it is no JSON");
    expect_refused(statement(FILES, ""), "lists no files");
}
END_TEST

/* The subject's digest follows from the resources: one that does not was put together wrongly. */
START_TEST(a_subject_that_does_not_fit)
{
    const char *good = statement(FILES, both());
    char *sum = subject_of(both());
    const char *at = strstr(good, sum);
    expect_refused(signed_text("%.*s%s%s", (int)(at - good), good, signed_hash("x", 1), at + 64),
                   "subject is not what its files add up to");
}
END_TEST

START_TEST(a_name_that_would_change_the_terminal)
{
    scratch_file("1/\x1b[2J", "");
    expect_refused(statement(FILES, both()), "?[2J was not signed");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {all_files_are_as_they_were_signed,
                                  files_that_are_not,
                                  files_that_were_left_out,
                                  links,
                                  statements_about_something_else,
                                  a_subject_that_does_not_fit,
                                  a_name_that_would_change_the_terminal};
    return SUITE_RUN("signature_manifest", set_up, scratch_remove, tests);
}
