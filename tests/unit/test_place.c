/* test_place: sources and sinks as they are written down, taken apart; what is refused; what people and names
 * see of them. SPDX-License-Identifier: MIT */
#include "place.h"
#include "suite.h"

static struct place place;
static char reason[PLACE_REASON_MAX];

static void parse(const char *text)
{
    place_free(&place);
    ck_assert_msg(place_parse(text, &place, reason), "%s: %s", text, reason);
}

static void tear_down(void)
{
    place_free(&place);
}

START_TEST(a_place_is_known_by_its_scheme_or_by_its_ending)
{
    static const struct {
        const char *text;
        enum place_kind kind;
        const char *at;
        bool packed;
    } rows[] = {{"sqlite:a/b.txt?table=t", PLACE_SQLITE, "a/b.txt", false},
                {"b.sqlite3?table=t", PLACE_SQLITE, "b.sqlite3", false},
                {"csv:-", PLACE_CSV, "-", false},
                {"-", PLACE_CSV, "-", false},
                {"a.CSV", PLACE_CSV, "a.CSV", false},
                {"a.csv.gz", PLACE_CSV, "a.csv.gz", true},
                {"jsonl:rows.txt", PLACE_JSONL, "rows.txt", false},
                {"rows.ndjson.gz", PLACE_JSONL, "rows.ndjson.gz", true},
                {"column", PLACE_COLUMN, "", false},
                {"table:scores", PLACE_TABLE, "scores", false},
                {"postgres:host=/run dbname=d?table=t", PLACE_POSTGRES, "host=/run dbname=d", false},
                {"postgresql://u@h/d?table=t", PLACE_POSTGRES, "postgresql://u@h/d", false}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        parse(rows[i].text);
        ck_assert_int_eq(place.kind, rows[i].kind);
        ck_assert_str_eq(place.at, rows[i].at);
        ck_assert_int_eq(place.packed, rows[i].packed);
    }
}
END_TEST

START_TEST(parameters_are_decoded_and_those_of_libpq_stay)
{
    parse("sqlite:a.db?table=my%20table&where=a = 'x%26y' AND b+1 > 100%&key=id");
    ck_assert_str_eq(place.table, "my table");
    ck_assert_str_eq(place.where, "a = 'x&y' AND b+1 > 100%");
    ck_assert_str_eq(place.key, "id");
    ck_assert_ptr_null(place.columns);
    parse("postgres://h/d?sslmode=require&table=t&connect_timeout=3&where=x=1");
    ck_assert_str_eq(place.at, "postgres://h/d?sslmode=require&connect_timeout=3");
    ck_assert_str_eq(place.table, "t");
    ck_assert_str_eq(place.where, "x=1");
}
END_TEST

START_TEST(what_is_no_place_is_refused)
{
    static const char *const rows[] = {"",
                                       "a.txt",
                                       "sqlite:?table=t",
                                       "csv:",
                                       "table:",
                                       "columns",
                                       "a.csv?tabel=t",
                                       "a.csv?key",
                                       "a.csv?key=a&key=b"};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        place_free(&place);
        *reason = '\0';
        ck_assert_msg(!place_parse(rows[i], &place, reason), "%s", rows[i]);
        ck_assert_str_ne(reason, "");
    }
}
END_TEST

static void expect_text(const char *from, const char *expected)
{
    parse(from);
    char *text = place_text(&place);
    ck_assert_str_eq(text, expected);
    free(text);
}

START_TEST(its_name_has_no_password)
{
    expect_text("postgres://me:secret@h/d?where=a&table=t", "postgres://me@h/d?table=t&where=a");
    expect_text("postgres://me@h/d?table=t", "postgres://me@h/d?table=t");
    expect_text("postgres:host=h password=secret user=me?table=t", "postgres:host=h  user=me?table=t");
    expect_text("postgres:host=h password='it\\'s a secret'?table=t", "postgres:host=h ?table=t");
    expect_text("postgres:host=h password = 'a b' user = me?table=t", "postgres:host=h  user = me?table=t");
    expect_text("postgres:host=h password=a\\ b user=me?table=t", "postgres:host=h  user=me?table=t");
    expect_text("postgres:password=a secret of&me host=h?table=t", "postgres: host=h?table=t");
    expect_text("postgres:password= user=me?table=t", "postgres: user=me?table=t");
    expect_text("postgres://me:a b@h/d?table=t", "postgres://me@h/d?table=t");
    expect_text("postgres://me:p@ss:w@h/d?table=t", "postgres://me@h/d?table=t");
    expect_text("postgres://me:p%40%20/w@h/d?table=t", "postgres://me@h/d?table=t");
    expect_text("postgres://h:54/d?user=me&password=a b&table=t", "postgres://h:54/d?user=me&?table=t");
    expect_text("postgres://h/d?pass%77ord=a%20b&sslpassword=c&table=t", "postgres://h/d?&?table=t");
    expect_text("sqlite:a.db?table=t", "sqlite:a.db?table=t");
    expect_text("column?prediction=p", "column?prediction=p");
}
END_TEST

START_TEST(what_is_wrong_with_it_is_told_without_its_password)
{
    static const char *const wrong[] = {"postgress://me:secret@h/d?table=t",
                                        "pg:host=h password='secret'?table=t",
                                        "postgres:host=h password='wh?secret' user=me?table=t"};
    char words[PLACE_REASON_MAX], setting[] = "from=postgres://me:secret@h/d?table=t";
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        ck_assert(!place_parse(wrong[i], &place, words));
        ck_assert_ptr_null(strstr(words, "secret"));
        ck_assert_ptr_nonnull(strstr(words, "expected"));
        place_free(&place);
    }
    place_hide(setting);
    ck_assert_mem_eq(setting, "from=postgres://me@h/d?table=t\0\0\0\0\0\0", sizeof setting - 1);
}
END_TEST

START_TEST(results_have_columns_of_their_names_unless_others_are_said)
{
    parse("column?prediction=score&probability=&label=class");
    ck_assert_str_eq(place_result(&place, "prediction"), "score");
    ck_assert_ptr_null(place_result(&place, "probability"));
    ck_assert_str_eq(place_result(&place, "label"), "class");
    ck_assert_str_eq(place_result(&place, "predicted_at"), "predicted_at");
    parse("column");
    ck_assert_ptr_null(place_result(&place, "label"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_place_is_known_by_its_scheme_or_by_its_ending,
                                  parameters_are_decoded_and_those_of_libpq_stay,
                                  what_is_no_place_is_refused,
                                  its_name_has_no_password,
                                  what_is_wrong_with_it_is_told_without_its_password,
                                  results_have_columns_of_their_names_unless_others_are_said};
    return SUITE_RUN("place", NULL, tear_down, tests);
}
