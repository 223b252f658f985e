/* test_kept: what `outrigger replay` finds in the quarantine. SPDX-License-Identifier: MIT */
#include "kept.h"
#include "repository.h"
#include "suite.h"

#include <fcntl.h>

static struct config *config;
static struct kept kept;
static char reason[512];

static void set_up(void)
{
    scratch_make();
    config = repository_config(NULL);
    scratch_folder(".state");
}

static void tear_down(void)
{
    config_free(config);
    scratch_remove();
}

static void write_record(const char *name, const char *tag)
{
    const struct quarantined record = {.model = text_of("m"),
                                       .version = text_of("1"),
                                       .tag = text_of(tag),
                                       .cause = text_of("died"),
                                       .time_ms = 1700000000000,
                                       .rows = 3,
                                       .kills = 2,
                                       .payload = text_of("1234567")};
    uint8_t bytes[2048];
    size_t length = quarantined_encode(&record, bytes, sizeof bytes);
    FILE *file = fopen(scratch_path(name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static bool reads(const char *name)
{
    return kept_read(config, name, &kept, reason, sizeof reason);
}

START_TEST(a_file_is_found_by_path_and_by_name)
{
    scratch_folder(".state/quarantine");
    write_record(".state/quarantine/x.request", "inside");
    write_record("elsewhere", "outside");
    ck_assert(reads("x.request"));
    ck_assert(text_is(kept.record.tag, "inside") && text_is(kept.record.payload, "1234567"));
    kept_free(&kept);
    ck_assert(reads(scratch_path("elsewhere")));
    ck_assert(text_is(kept.record.tag, "outside"));
    kept_free(&kept);
    kept_free(&kept); /* twice does no harm */
}
END_TEST

START_TEST(what_is_no_such_file_is_named)
{
    ck_assert(!reads("none"));
    ck_assert_msg(strstr(reason, "/quarantine/none: No such file") != NULL, "%s", reason);
    ck_assert(!reads(scratch_path("none")));
    ck_assert(!reads(scratch_directory));
    ck_assert_msg(strstr(reason, "Invalid argument") != NULL, "%s", reason);
    ck_assert_int_eq(mkfifo(scratch_path("pipe"), 0600), 0); /* does not make us wait */
    ck_assert(!reads(scratch_path("pipe")));
    ck_assert(!reads(scratch_file("empty", "")));
    ck_assert(!reads(scratch_file("text", "not msgpack")));
    ck_assert_msg(strstr(reason, "text: no request that was kept: it is no msgpack map") != NULL, "%s",
                  reason);
}
END_TEST

START_TEST(a_file_above_the_bound_is_not_read)
{
    scratch_file("large", "");
    ck_assert_int_eq(truncate(scratch_path("large"), (INT64_C(1) << 30) + 65537), 0); /* all of it a hole */
    ck_assert(!reads(scratch_path("large")));
    ck_assert_msg(strstr(reason, "File too large") != NULL, "%s", reason);
}
END_TEST

/* What is printed, and in *good what is returned. */
static const char *listed(bool *good)
{
    static char text[4096];
    FILE *out = fmemopen(text, sizeof text, "w");
    ck_assert_ptr_nonnull(out);
    *good = kept_list(config, out, false);
    fclose(out);
    return text;
}

START_TEST(all_are_listed_oldest_first)
{
    bool good;
    ck_assert_ptr_nonnull(strstr(listed(&good), "nothing is kept in"));
    ck_assert(good);
    scratch_folder(".state/quarantine");
    ck_assert_ptr_nonnull(strstr(listed(&good), "nothing is kept in"));
    write_record(".state/quarantine/2.request", "younger");
    write_record(".state/quarantine/1.request", "older\033");
    write_record(".state/quarantine/3.request.new", "unfinished");
    write_record(".state/quarantine/.request", "nameless");
    const char *text = listed(&good);
    ck_assert(good);
    const char *older = strstr(text, "older?"), *younger = strstr(text, "younger");
    ck_assert(older != NULL && younger != NULL && older < younger);
    ck_assert_ptr_nonnull(strstr(text, "2023-11-14 22:13:20"));
    ck_assert_ptr_null(strstr(text, "unfinished"));
    ck_assert_ptr_null(strstr(text, "nameless"));
}
END_TEST

START_TEST(a_bad_one_does_not_hide_the_others)
{
    bool good;
    scratch_folder(".state/quarantine");
    scratch_file(".state/quarantine/1.request", "bad");
    write_record(".state/quarantine/2.request", "good-one");
    ck_assert_ptr_nonnull(strstr(listed(&good), "good-one"));
    ck_assert(!good);
}
END_TEST

START_TEST(a_folder_that_is_none_is_a_fault)
{
    bool good;
    scratch_file(".state/quarantine", "a file");
    listed(&good);
    ck_assert(!good);
}
END_TEST

START_TEST(times_are_utc_and_never_too_long)
{
    char buffer[KEPT_TIME_BYTES];
    ck_assert_str_eq(kept_time(0, buffer), "1970-01-01 00:00:00");
    ck_assert_str_eq(kept_time(1700000000999, buffer), "2023-11-14 22:13:20");
    ck_assert_uint_gt(strlen(kept_time(UINT64_C(1) << 53, buffer)), 0);
    ck_assert_str_eq(kept_time(UINT64_MAX, buffer), kept_time(UINT64_MAX, buffer));
}
END_TEST

START_TEST(the_list_as_json)
{
    scratch_folder(".state/quarantine");
    write_record(".state/quarantine/a.request", "id-1");
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_doc_set_root(document, yyjson_mut_obj(document));
    ck_assert(kept_add_list(config, document));
    char *text = yyjson_mut_write(document, 0, NULL);
    ck_assert_str_eq(text, "{\"requests\":[{\"file\":\"a.request\",\"model\":\"m\",\"version\":\"1\","
                           "\"request_id\":\"id-1\",\"cause\":\"died\",\"time_ms\":1700000000000,"
                           "\"rows\":3,\"kills\":2,\"bytes\":7}]}");
    free(text);
    yyjson_mut_doc_free(document);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_file_is_found_by_path_and_by_name, what_is_no_such_file_is_named,
                                  a_file_above_the_bound_is_not_read,  all_are_listed_oldest_first,
                                  a_bad_one_does_not_hide_the_others,  a_folder_that_is_none_is_a_fault,
                                  times_are_utc_and_never_too_long,    the_list_as_json};
    return SUITE_RUN("kept", set_up, tear_down, tests);
}
