/* test_tally: whose fault the ends of requests are. SPDX-License-Identifier: MIT */
#include "tally.h"

#include "clock.h"
#include "suite.h"

static yyjson_doc *document;
static struct judged judged;
static uint64_t epoch;

static void tear_down(void)
{
    yyjson_doc_free(document);
}

static bool read_version(const char *answer, const char *version)
{
    yyjson_doc_free(document);
    document = yyjson_read(answer, strlen(answer), 0);
    ck_assert_ptr_nonnull(document);
    return tally_read(yyjson_doc_get_root(document), "m", version, &epoch, &judged);
}

#define ANSWER(version)                                                                                      \
    "{\"ok\":true,\"epoch\":5,\"models\":[{\"model\":\"n\",\"versions\":[]},{\"model\":\"m\",\"versions\":[" \
    "{\"version\":\"1\",\"outcomes\":{\"none\":3}}," version "]}]}"

START_TEST(ends_of_requests_are_sorted_by_fault)
{
    ck_assert(read_version(
        ANSWER(
            "{\"version\":\"2\",\"outcomes\":{\"none\":100,\"model_failed\":1,\"internal\":2,\"worker_died\":"
            "4,"
            "\"deadline\":10,\"poison\":1000,\"overloaded\":20,\"not_ready\":40,\"invalid\":80,"
            "\"cancelled\":5000,\"too_large\":5000,\"stopping\":5000,\"unknown_version\":5000},\"shared\":30,"
            "\"late_computing\":3,\"deaths\":16,\"latency_ns\":[[1152,60],[1048576,10]]}"),
        "2"));
    ck_assert_uint_eq(epoch, 5);
    ck_assert_uint_eq(judged.answered, 70);
    ck_assert_uint_eq(judged.errors, 1 + 2 + 4 + 3 + 16);
    ck_assert_uint_eq(judged.unserved, 20 + 40 + 80 + 7);
    ck_assert_uint_eq(latency_total(&judged.latency), 70);
    ck_assert_uint_eq(judged.latency.counts[0], 60);
    ck_assert_uint_eq(judged.latency.counts[latency_bucket(1048575)], 10);
}
END_TEST

START_TEST(a_version_that_is_not_there_has_nothing)
{
    ck_assert(read_version(ANSWER("{}"), "2"));
    ck_assert_uint_eq(judged_requests(&judged), 0);
    ck_assert(read_version(ANSWER("7"), "1"));
    ck_assert_uint_eq(judged.answered, 3);
    ck_assert(read_version("{\"epoch\":1,\"models\":[]}", "1"));
}
END_TEST

START_TEST(what_is_no_answer_is_none)
{
    ck_assert(!read_version("{\"ok\":false,\"error\":\"no\"}", "1"));
    ck_assert(!read_version("{\"epoch\":0,\"models\":[]}", "1"));
    ck_assert(!read_version("{\"epoch\":1,\"models\":{}}", "1"));
    ck_assert(!read_version("[]", "1"));
    ck_assert(!tally_read(NULL, "m", "1", &epoch, &judged));
    ck_assert(
        read_version(ANSWER("{\"version\":\"2\",\"outcomes\":{\"none\":1},\"shared\":5,\"late_computing\":2,"
                            "\"latency_ns\":[[-5,3],[0,2],7,[]]}"),
                     "2"));
    ck_assert_uint_eq(judged.answered, 0);
    ck_assert_uint_eq(judged.unserved, 0);
    ck_assert_uint_eq(latency_total(&judged.latency), 0);
}
END_TEST

START_TEST(gains_are_added_and_losses_are_not)
{
    struct judged sum = {.answered = 1, .errors = 1}, before = {.answered = 10, .errors = 10};
    struct judged after = {.answered = 25, .errors = 4, .unserved = 3};
    after.latency.counts[7] = 9;
    before.latency.counts[7] = 4;
    tally_gather(&sum, &after, &before);
    ck_assert_uint_eq(sum.answered, 16);
    ck_assert_uint_eq(sum.errors, 1);
    ck_assert_uint_eq(sum.unserved, 3);
    ck_assert_uint_eq(sum.latency.counts[7], 5);
}
END_TEST

START_TEST(a_file_gives_back_what_it_was_given)
{
    struct judged before = {.answered = 5, .errors = 6, .unserved = 7}, after;
    before.latency.counts[0] = 1;
    before.latency.counts[100] = 2;
    before.latency.counts[LATENCY_BUCKETS - 1] = 3;
    yyjson_mut_doc *written = yyjson_mut_doc_new(NULL);
    yyjson_mut_doc_set_root(written, yyjson_mut_obj(written));
    tally_to_json(&before, written, yyjson_mut_doc_get_root(written));
    yyjson_doc *copy = yyjson_mut_doc_imut_copy(written, NULL);
    tally_from_json(yyjson_doc_get_root(copy), &after);
    ck_assert_mem_eq(&before, &after, sizeof before);
    yyjson_doc_free(copy);
    yyjson_mut_doc_free(written);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        ends_of_requests_are_sorted_by_fault,
        a_version_that_is_not_there_has_nothing,
        what_is_no_answer_is_none,
        gains_are_added_and_losses_are_not,
        a_file_gives_back_what_it_was_given,
    };
    return SUITE_RUN("tally", NULL, tear_down, tests);
}
