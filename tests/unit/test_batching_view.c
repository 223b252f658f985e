/* test_batching_view: what `outrigger models show` says of batches. SPDX-License-Identifier: MIT */
#include "batching_view.h"
#include "suite.h"

#include <stdlib.h>

#define LEARNED                                                                                              \
    "{\"ok\":true,\"models\":[{\"model\":\"m\",\"version\":\"3\",\"learned\":true,\"max_batch_rows\":64,"    \
    "\"rows\":16,\"chosen\":16,\"sizes\":["                                                                  \
    "{\"rows\":1,\"told_ns\":6000000,\"guessed\":false,\"ns\":6500000,\"batches\":9},"                       \
    "{\"rows\":16,\"told_ns\":28000000,\"guessed\":false,\"ns\":27500000,\"batches\":800},"                  \
    "{\"rows\":64,\"told_ns\":100000000,\"guessed\":true,\"ns\":108800000,\"batches\":0}]},"                 \
    "{\"model\":\"m\",\"version\":\"2\",\"learned\":true,\"max_batch_rows\":64,\"rows\":64,\"sizes\":[]}]}"

static yyjson_doc *doc(const char *text)
{
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    ck_assert_ptr_nonnull(document);
    return document;
}

static void expect_printed(yyjson_doc *answer, const char *expected)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    batching_print(answer, out, false);
    fclose(out);
    ck_assert_str_eq(text, expected);
    free(text);
    yyjson_doc_free(answer);
}

START_TEST(a_curve_is_a_table)
{
    expect_printed(doc(LEARNED), "batches of version 3: up to 16 rows\n"
                                 "ROWS        US  US A ROW  AT LOAD  PAYS\n"
                                 "   1    6500.0   6500.00   6000.0  \n"
                                 "  16   27500.0   1718.75  28000.0  best\n"
                                 "  64  108800.0   1700.00        -  \n\n");
}
END_TEST

START_TEST(what_is_not_learned_is_said)
{
    expect_printed(doc("{\"models\":[{\"version\":\"1\",\"learned\":false,\"rows\":24,\"sizes\":"
                       "[{\"rows\":1,\"told_ns\":3000,\"ns\":3000}]}]}"),
                   "batches of version 1: up to 24 rows (batching.learned is off, or max_delay_us is set)\n"
                   "ROWS   US  US A ROW  AT LOAD  PAYS\n"
                   "   1  3.0      3.00      3.0  \n\n");
}
END_TEST

START_TEST(nobody_knows_is_nothing_to_print)
{
    expect_printed(NULL, "");
    expect_printed(doc("{\"models\":[]}"), "");
    expect_printed(doc("{\"models\":7}"), "");
}
END_TEST

static void expect_joined(const char *models, yyjson_doc *batching, const char *expected)
{
    yyjson_doc *answer = doc(models), *joined = batching_join(answer, batching);
    char *text = yyjson_write(joined, 0, NULL);
    ck_assert_str_eq(text, expected);
    free(text);
    yyjson_doc_free(joined);
    yyjson_doc_free(answer);
    yyjson_doc_free(batching);
}

START_TEST(the_json_has_both)
{
    expect_joined("{\"ok\":true,\"models\":[1]}", doc("{\"models\":[2]}"),
                  "{\"ok\":true,\"models\":[1],\"batching\":[2]}");
    expect_joined("{\"ok\":true,\"models\":[1]}", NULL, "{\"ok\":true,\"models\":[1]}");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_curve_is_a_table, what_is_not_learned_is_said,
                                  nobody_knows_is_nothing_to_print, the_json_has_both};
    return SUITE_RUN("batching_view", NULL, NULL, tests);
}
