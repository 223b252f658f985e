/* test_table_output: lines of predictions, rejects, and going on where the last progress was.
 * SPDX-License-Identifier: MIT */
#include "table_scene.h"

#include <signal.h>
#include <sys/resource.h>

static void *sink;
static const char *out;
static const char *const columns[] = {"age", "who"};

static void set_up(void)
{
    table_scene_make();
    job.head = (struct table_head){.line = "age,who", .names = columns, .count = 2};
}

static void close_sink(bool finished)
{
    if (sink != NULL) {
        ck_assert_msg(table_output.settle(sink, finished, reason), "%s", reason);
        table_output.close(sink);
    }
    sink = NULL;
}

static void tear_down(void)
{
    close_sink(false);
    table_scene_unmake();
}

static bool try_open(const char *source, const char *name, const char *more)
{
    char place[400];
    out = scratch_path(name);
    snprintf(place, sizeof place, "%s%s", out, more);
    close_sink(false);
    table_scene_places(source, place);
    sink = table_output.open(&job, TABLE_SINK, reason);
    return sink != NULL;
}

static void open_sink(const char *source, const char *name, const char *more)
{
    ck_assert_msg(try_open(source, name, more), "%s", reason);
}

/* Three rows from key `first` on, of which the second is rejected. */
static void commit(int64_t first, const char *original, const char *position)
{
    chunk_clear(chunk);
    table_scene_add(first, 40, 0.1, original);
    table_scene_add(first + 1, 99, 0.1, original);
    table_scene_add(first + 2, 41, 0.75, original);
    table_scene_score(chunk);
    strcpy(chunk->predicted_at, "T");
    strcpy(chunk->position, position);
    ck_assert_msg(table_output.commit(sink, 0, chunk, reason), "%s", reason);
}

static void expect(const char *path, const char *text)
{
    const char *got = table_scene_read(path);
    ck_assert_ptr_nonnull(got);
    ck_assert_str_eq(got, text);
}

static const char *rejects(void)
{
    static char path[300];
    snprintf(path, sizeof path, "%s.rejects.jsonl", out);
    return path;
}

static void expect_position(const char *expected)
{
    char position[CHUNK_POSITION_MAX];
    ck_assert(table_output.resume(sink, position, reason));
    ck_assert_str_eq(position, expected);
}

START_TEST(rows_of_a_file_of_the_same_kind_stand_as_they_were)
{
    open_sink("in.csv", "out.csv", "?label=class&model_version=");
    commit(1, "40,\"x,y\"", "p1");
    expect(out, "age,who,prediction,probability,class,predicted_at\n40,\"x,y\",40,0.1,years 40,T\n"
                "40,\"x,y\",41,0.75,years 41,T\n");
    expect(rejects(), "{\"row\": 2, \"reason\": \"it fell over\", \"input\": \"40,\\\"x,y\\\"\"}\n");
    open_sink("in.jsonl", "out.jsonl", "");
    commit(1, "{\"age\": 40 }", "p1");
    expect(out, "{\"age\": 40, \"prediction\": 40, \"probability\": 0.1, \"model_version\": \"7\", "
                "\"predicted_at\": \"T\"}\n{\"age\": 40, \"prediction\": 41, \"probability\": 0.75, "
                "\"model_version\": \"7\", \"predicted_at\": \"T\"}\n");
    open_sink("in.jsonl", "other.jsonl", "?model_version=&probability=");
    commit(1, "[4, {}]", "p1");
    ck_assert_ptr_nonnull(strstr(table_scene_read(out), "{\"features\": [4, {}], \"prediction\": 40, "));
    open_sink("in.jsonl", "empty.jsonl", "?model_version=&probability=");
    commit(1, "{}", "p1");
    ck_assert_ptr_nonnull(strstr(table_scene_read(out), "{\"prediction\": 40, "));
}
END_TEST

START_TEST(rows_of_another_kind_have_their_key)
{
    job.head.key = "who";
    open_sink("in.csv?key=who", "out.jsonl", "?model_version=&predicted_at=");
    commit(5, "40,x", "p1");
    ck_assert_ptr_nonnull(
        strstr(table_scene_read(out), "{\"who\": 5, \"prediction\": 40, \"probability\": 0.1}\n"));
    job.head = (struct table_head){.key = "id"};
    open_sink("sqlite:a.db?table=t", "out.csv", "?delimiter=;");
    commit(5, "", "p1");
    expect(out, "id;prediction;probability;model_version;predicted_at\n5;40;0.1;7;T\n7;41;0.75;7;T\n");
}
END_TEST

START_TEST(a_class_that_is_only_a_name_is_the_prediction_and_nan_is_nothing)
{
    open_sink("in.jsonl", "out.csv", "?model_version=&predicted_at=");
    table_scene_add(1, 40, 0.1, "");
    table_scene_score(chunk);
    chunk->scored[0].value = chunk->scored[0].probability = NAN;
    ck_assert(table_output.commit(sink, 0, chunk, reason));
    ck_assert_ptr_nonnull(strstr(table_scene_read(out), "\n1,years 40,\n"));
}
END_TEST

START_TEST(a_job_goes_on_where_the_progress_was_and_cuts_off_what_came_after)
{
    open_sink("in.csv", "out.csv", "?model_version=&predicted_at=");
    commit(1, "a", "p1");
    close_sink(false);
    char *whole = object_strdup(table_scene_read(out)), *refused = object_strdup(table_scene_read(rejects()));
    /* What a job that died between two looks at the disk may leave. */
    FILE *more = fopen(out, "a");
    fputs("b,1,0.2\nc,", more);
    fclose(more);
    more = fopen(rejects(), "a");
    fputs("{\"row\"", more);
    fclose(more);
    open_sink("in.csv", "out.csv", "?model_version=&predicted_at=");
    expect_position("p1");
    commit(4, "b", "p2");
    ck_assert_int_eq(strncmp(table_scene_read(out), whole, strlen(whole)), 0);
    ck_assert_str_eq(table_scene_read(out) + strlen(whole), "b,40,0.1\nb,41,0.75\n");
    ck_assert_str_eq(table_scene_read(rejects()) + strlen(refused),
                     "{\"row\": 5, \"reason\": \"it fell over\", \"input\": \"b\"}\n");
    /* A run without rejects forgets none of those that there are. */
    open_sink("in.csv", "out.csv", "?model_version=&predicted_at=");
    chunk_clear(chunk);
    table_scene_add(7, 1, 1, "c");
    table_scene_score(chunk);
    strcpy(chunk->position, "p3");
    ck_assert(table_output.commit(sink, 0, chunk, reason));
    open_sink("in.csv", "out.csv", "?model_version=&predicted_at=");
    expect_position("p3");
    commit(8, "d", "p4");
    ck_assert_ptr_nonnull(strstr(table_scene_read(rejects()), "{\"row\": 5, "));
    free(whole);
    free(refused);
}
END_TEST

START_TEST(a_job_that_dies_before_its_first_progress_begins_again)
{
    open_sink("in.csv", "out.csv", "");
    close_sink(false);
    scratch_file("out.csv", "age,who,predi");
    open_sink("in.csv", "out.csv", "?model_version=&predicted_at=");
    expect_position("");
    commit(1, "a", "p1");
    expect(out, "age,who,prediction,probability\na,40,0.1\na,41,0.75\n");
}
END_TEST

START_TEST(a_file_of_somebody_else_is_left_alone_unless_it_may_be_overwritten)
{
    open_sink("in.csv", "out.csv", "");
    commit(1, "a", "p1");
    close_sink(false);
    job.name = "another";
    ck_assert(!try_open("in.csv", "out.csv", ""));
    ck_assert_ptr_nonnull(strstr(reason, "of another job (m from to)"));
    job.overwrite = true;
    open_sink("in.csv", "out.csv", "");
    expect_position("");
    ck_assert_ptr_null(table_scene_read(rejects()));
    commit(1, "b", "p1");
    close_sink(false);
    job.overwrite = false;
    scratch_file("out.csv", "short");
    ck_assert(!try_open("in.csv", "out.csv", ""));
    ck_assert_ptr_nonnull(strstr(reason, "should have"));
    scratch_file("mine.csv", "mine");
    ck_assert(!try_open("in.csv", "mine.csv", ""));
    ck_assert_str_eq(table_scene_read(scratch_path("mine.csv")), "mine");
}
END_TEST

START_TEST(rows_that_were_scored_before_have_no_two_columns_of_one_name)
{
    static const char *const scored[] = {"age", "prediction"}, *const near[] = {"my prediction",
                                                                                "predictions"};
    job.head = (struct table_head){.line = "age,prediction", .names = scored, .count = 2};
    ck_assert(!try_open("in.csv", "out.csv", ""));
    ck_assert_ptr_nonnull(strstr(reason, "a column prediction already"));
    ck_assert_ptr_null(table_scene_read(out));
    open_sink("in.csv", "out.csv", "?prediction=second");
    job.head.names = near;
    open_sink("in.csv", "other.csv", "");
    ck_assert(!try_open("in.csv", "out.csv", "?prediction=same&probability=same"));
    ck_assert_ptr_nonnull(strstr(reason, "prediction and probability are both called same"));
    job.head = (struct table_head){.key = "who"};
    ck_assert(!try_open("in.csv?key=who", "out.jsonl", "?prediction=who"));
    ck_assert(!try_open("in.jsonl", "out.jsonl", "?prediction=features"));
}
END_TEST

START_TEST(members_of_json_lines_that_are_called_as_ours_are_replaced)
{
    static const struct {
        const char *before, *after;
    } rows[] = {{"{\"prediction\": 7, \"n\": 1.50, \"a\": [1, {\"probability\": 2e3}], \"big\": "
                 "123456789012345678901}",
                 "{\"n\": 1.50, \"a\": [1,{\"probability\":2e3}], \"big\": 123456789012345678901, "
                 "\"prediction\": 40, "},
                {"{\"pre\\u0064iction\": 7, \"\\u00e9\\\"\": \"\\u0000\"}",
                 "{\"é\\\"\": \"\\u0000\", \"prediction\": 40, "},
                {"{\"probability\": 1, \"prediction\": 0.5}", "{\"prediction\": 40, "},
                {"{\"say\":\"prediction\",  \"\\u0061\": 1}",
                 "{\"say\":\"prediction\",  \"\\u0061\": 1, \"prediction\": 40, "}};
    job.head = (struct table_head){0};
    job.overwrite = true;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_sink("in.jsonl", "out.jsonl", "?model_version=&predicted_at=");
        commit(1, rows[i].before, "p1");
        ck_assert_int_eq(strncmp(table_scene_read(out), rows[i].after, strlen(rows[i].after)), 0);
    }
}
END_TEST

/* A disk that is full, as far as a process can have one of its own: the limit of a file's size. */
START_TEST(a_chunk_whose_rejects_have_no_room_is_taken_back_whole)
{
    struct rlimit limit, small;
    signal(SIGXFSZ, SIG_IGN);
    open_sink("in.csv", "out.csv", "?model_version=&predicted_at=");
    commit(1, "a", "p1");
    char *lines = object_strdup(table_scene_read(out)), *refused = object_strdup(table_scene_read(rejects()));
    getrlimit(RLIMIT_FSIZE, &limit);
    small = (struct rlimit){.rlim_cur = strlen(refused) + 30, .rlim_max = limit.rlim_max};
    ck_assert_uint_gt(small.rlim_cur, strlen(lines) + 20); /* there is room for the lines */
    chunk_clear(chunk);
    table_scene_add(4, 99, 0.1, "b");
    table_scene_add(5, 41, 0.75, "b");
    table_scene_score(chunk);
    strcpy(chunk->position, "p2");
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert(!table_output.commit(sink, 0, chunk, reason));
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_ptr_nonnull(strstr(reason, "out.csv.rejects.jsonl: File too large"));
    expect(out, lines);
    expect(rejects(), refused);
    open_sink("in.csv", "out.csv", "?model_version=&predicted_at="); /* the progress is what it was */
    expect_position("p1");
    expect(out, lines);
    free(lines);
    free(refused);
}
END_TEST

START_TEST(a_table_without_rows_has_its_head)
{
    open_sink("in.csv", "out.csv", "?model_version=&predicted_at=&probability=");
    close_sink(true);
    expect(out, "age,who,prediction\n");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {rows_of_a_file_of_the_same_kind_stand_as_they_were,
                                  rows_of_another_kind_have_their_key,
                                  a_class_that_is_only_a_name_is_the_prediction_and_nan_is_nothing,
                                  a_job_goes_on_where_the_progress_was_and_cuts_off_what_came_after,
                                  a_job_that_dies_before_its_first_progress_begins_again,
                                  a_file_of_somebody_else_is_left_alone_unless_it_may_be_overwritten,
                                  rows_that_were_scored_before_have_no_two_columns_of_one_name,
                                  members_of_json_lines_that_are_called_as_ours_are_replaced,
                                  a_chunk_whose_rejects_have_no_room_is_taken_back_whole,
                                  a_table_without_rows_has_its_head};
    return SUITE_RUN("table_output", set_up, tear_down, tests);
}
