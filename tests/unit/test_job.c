/* test_job: the parameters of a batch job, and which places go with which. SPDX-License-Identifier: MIT */
#include "job.h"
#include "suite.h"

static struct job job;
static struct config_errors errors;

/* Reads a job file's text; returns what is complained of. */
static const char *read_job(const char *text)
{
    job_free(&job);
    job = (struct job){0};
    errors = (struct config_errors){0};
    parameters_default(job_parameters(), &job);
    struct parameter_reader *reader = parameter_reader_new(job_parameters(), &job, "job.conf", &errors);
    parameter_read_text(reader, "job.conf", text);
    job_settle(&job, reader);
    parameter_reader_free(reader);
    return errors.text;
}

static void expect_good(const char *text)
{
    const char *complaint = read_job(text);
    ck_assert_str_eq(complaint, "");
    ck_assert_int_eq(errors.count, 0);
}

static void expect_complaint(const char *text, const char *words)
{
    const char *complaint = read_job(text);
    ck_assert_msg(strstr(complaint, words) != NULL, "%s\n%s", text, complaint);
    ck_assert_ptr_nonnull(strstr(complaint, "job.conf:"));
}

static void tear_down(void)
{
    job_free(&job);
}

START_TEST(a_column_and_a_table_are_of_the_database_of_the_source)
{
    expect_good("from = \"a.db?table=t\"; to = \"column\";");
    ck_assert(job.together && job.database_sink);
    ck_assert_str_eq(job.rejects_name, "");
    expect_good("from = \"a.db?table=t\"; to = \"table:s\"; rejects = \"table:r\";");
    ck_assert(job.together && job.database_sink);
    ck_assert_str_eq(job.rejects_name, "r");
    expect_complaint("from = \"a.csv\"; to = \"column\";", "no table");
}
END_TEST

START_TEST(a_whole_name_of_the_same_database_is_a_table_of_it_and_another_is_not)
{
    expect_good("from = \"a.db?table=t\"; to = \"sqlite:a.db?table=s&prediction=p\";");
    ck_assert(job.together);
    ck_assert_int_eq(job.sink.kind, PLACE_TABLE);
    ck_assert_str_eq(job.sink.at, "s");
    ck_assert_str_eq(job.sink.prediction, "p");
    expect_good("from = \"a.db?table=t\"; to = \"sqlite:b.db?table=s\";");
    ck_assert(!job.together && job.database_sink);
    expect_good("from = \"a.db?table=t\"; to = \"b.csv\"; rejects = \"r.jsonl\";");
    ck_assert(!job.together && !job.database_sink);
    ck_assert_str_eq(job.rejects_name, "r.jsonl");
}
END_TEST

START_TEST(what_does_not_go_together_is_complained_of_where_it_is_said)
{
    expect_complaint("to = \"b.csv\";\nfrom = \"a.db\";", "job.conf:2: ");
    expect_complaint("from = \"a.db\"; to = \"b.csv\";", "?table=NAME");
    expect_complaint("from = \"column\"; to = \"b.csv\";", "expected a database or a file");
    expect_complaint("from = \"a.csv\"; to = \"csv:a.csv\";", "come from there");
    expect_complaint("from = \"a.csv\"; to = \"b.db\";", "?table=NAME");
    expect_complaint("from = \"a.csv\"; to = \"b.csv?where=1\";", "of `from`");
    expect_complaint("from = \"a.csv\"; to = \"b.csv\"; rejects = \"table:r\";", "expected a path");
    expect_complaint("from = \"a.db?table=t\"; to = \"column\"; rejects = \"r.jsonl\";",
                     "expected table:NAME");
    expect_complaint("from = \"a.csv\"; to = \"b.csv\"; rejects = \"r.csv\";", "JSON lines");
    expect_complaint("from = \"a.jsonl\"; to = \"b.csv\"; rejects = \"a.jsonl\";", "come from there");
    expect_complaint("from = \"a.csv\"; to = \"b.csv\"; batch_size = 0;", "batch_size");
}
END_TEST

START_TEST(both_ends_must_be_said)
{
    ck_assert_ptr_nonnull(strstr(read_job(""), "from"));
    ck_assert_ptr_nonnull(strstr(errors.text, "to"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_column_and_a_table_are_of_the_database_of_the_source,
                                  a_whole_name_of_the_same_database_is_a_table_of_it_and_another_is_not,
                                  what_does_not_go_together_is_complained_of_where_it_is_said,
                                  both_ends_must_be_said};
    return SUITE_RUN("job", NULL, tear_down, tests);
}
