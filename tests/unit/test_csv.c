/* test_csv: texts to records, in one piece and cut at every byte, which must not differ; what is no CSV, with
 * the place that is told; the bounds. SPDX-License-Identifier: MIT */
#include "csv.h"
#include "suite.h"

static struct csv *csv;
static const struct csv_options ordinary = {.delimiter = ',', .max_field_bytes = 1000, .max_fields = 100};

/* What was read: each field in brackets (quoted ones in quotes), the line in front of each record, and in the
 * end the complaint. */
static char got[1 << 16];
static char *got_end;

static void use(const struct csv_options *options)
{
    csv_free(csv);
    csv = csv_new(options);
}

static void set_up(void)
{
    use(&ordinary);
}

static void tear_down(void)
{
    csv_free(csv);
    csv = NULL;
}

static void note_record(const struct csv_record *record)
{
    got_end += sprintf(got_end, "%d:", (int)record->line);
    for (size_t i = 0; i < record->count; i++) {
        struct text text = csv_text(record, i);
        char after = text.at[text.length];
        ck_assert_msg(after == '\0' || strchr(",;\t\"\r\n", after) != NULL, "a number might go on: %c",
                      after);
        got_end +=
            sprintf(got_end, record->fields[i].quoted ? "\"%.*s\"" : "[%.*s]", (int)text.length, text.at);
    }
    *got_end++ = ' ';
    *got_end = '\0';
}

/* All records that there are by now. */
static enum csv_result read_records(void)
{
    struct csv_record record;
    enum csv_result result;
    while ((result = csv_next(csv, &record)) == CSV_RECORD)
        note_record(&record);
    if (result == CSV_WRONG) {
        const struct csv_error *error = csv_error(csv);
        got_end += sprintf(got_end, "%d.%d %s", (int)error->line, (int)error->field, error->complaint);
        ck_assert_int_eq(csv_next(csv, &record), CSV_WRONG);
    }
    return result;
}

/* One piece, in memory of its own: what is read beyond is found by the sanitizer. `last`: a NUL stands behind
 * it. */
static enum csv_result read_piece(const char *bytes, size_t length, bool last)
{
    char *piece = object_alloc(length + last);
    memcpy(piece, bytes, length);
    csv_feed(csv, piece, length);
    if (last)
        csv_finish(csv);
    enum csv_result result = read_records();
    memset(piece, 'x', length);
    free(piece);
    return result;
}

/* In pieces of `size` bytes, the first one of `first`. */
static void read_pieces(const char *text, size_t length, size_t first, size_t size)
{
    enum csv_result result = CSV_MORE;
    got_end = got;
    *got = '\0';
    csv_begin(csv);
    for (size_t at = 0, piece = first; result == CSV_MORE && at < length; at += piece, piece = size) {
        piece = piece < length - at ? piece : length - at;
        result = read_piece(text + at, piece, at + piece == length);
    }
    if (result == CSV_MORE) {
        csv_finish(csv);
        result = read_records();
    }
    struct csv_record record;
    ck_assert(result == CSV_WRONG || (result == CSV_END && csv_next(csv, &record) == CSV_END));
}

static void gives_bytes(const char *text, size_t length, const char *expected)
{
    read_pieces(text, length, length, length);
    ck_assert_str_eq(got, expected);
    for (size_t cut = 0; cut < length; cut++) {
        read_pieces(text, length, cut, length);
        ck_assert_msg(strcmp(got, expected) == 0, "cut at %zu: %s, not %s", cut, got, expected);
        read_pieces(text, length, cut + 1, cut + 1);
        ck_assert_msg(strcmp(got, expected) == 0, "in pieces of %zu: %s, not %s", cut + 1, got, expected);
    }
}

static void gives(const char *text, const char *expected)
{
    gives_bytes(text, strlen(text), expected);
}

/* ---- texts ---- */

START_TEST(lines_are_records)
{
    gives("1,2,3\n4,5,6\n", "1:[1][2][3] 2:[4][5][6] ");
    gives("1,2,3\r\n4,5,6\r\n", "1:[1][2][3] 2:[4][5][6] ");
    gives("1,2,3\n4,5,6\r\n7,8,9\n", "1:[1][2][3] 2:[4][5][6] 3:[7][8][9] ");
    gives("a", "1:[a] ");
    gives("a\n", "1:[a] ");
    gives("longer than eight bytes,and this one as well\nand,so,on,with,many,short,ones,in,it\n",
          "1:[longer than eight bytes][and this one as well] "
          "2:[and][so][on][with][many][short][ones][in][it] ");
}
END_TEST

START_TEST(the_last_line_needs_no_end)
{
    gives("1,2\n3,4", "1:[1][2] 2:[3][4] ");
    gives("1,2\n3,", "1:[1][2] 2:[3][] ");
    gives("1,2\n\"3\"", "1:[1][2] 2:\"3\" ");
    gives("1,2\n\"3\",\"4\"\"\"", "1:[1][2] 2:\"3\"\"4\"\" ");
}
END_TEST

START_TEST(a_text_may_be_empty)
{
    gives("", "");
    gives("\n", "");
    gives("\r\n", "");
    gives("\xef\xbb\xbf", "");
    gives("\xef\xbb\xbf\r\n", "");
}
END_TEST

START_TEST(empty_lines_are_passed_over_and_counted)
{
    gives("\n\n1\n\n2\n\n", "3:[1] 5:[2] ");
    gives("\r\n1,2\r\n\r\n\r\n3,4", "2:[1][2] 5:[3][4] ");
    gives("\"\"\n\"\"", "1:\"\" 2:\"\" ");
    gives(" \n", "1:[ ] ");
}
END_TEST

START_TEST(fields_may_be_empty)
{
    gives(",", "1:[][] ");
    gives(",\n,,\n", "1:[][] 2:[][][] ");
    gives("1,,3\r\n,,\r\n", "1:[1][][3] 2:[][][] ");
    gives("\"\",,\"\"", "1:\"\"[]\"\" ");
}
END_TEST

START_TEST(fields_keep_their_blanks)
{
    gives(" a , b\t,\tc \n\" d \"\n", "1:[ a ][ b\t][\tc ] 2:\" d \" ");
}
END_TEST

START_TEST(quotes_hold_anything)
{
    gives("\"a,b\",\"c\"\n", "1:\"a,b\"\"c\" ");
    gives("\"two\nlines\",x\n\"and\r\nthree\nof\",them\n5\n",
          "1:\"two\nlines\"[x] 3:\"and\r\nthree\nof\"[them] 6:[5] ");
    gives("\"\"\"\"\n", "1:\"\"\" ");
    gives("\"\"\"\",\"\"\"\"\"\"\n", "1:\"\"\"\"\"\"\" ");
    gives("\"say \"\"hello\"\", then \"\"bye\"\"\",plain,\"\"\"\"\nplain,\"x\"\n",
          "1:\"say \"hello\", then \"bye\"\"[plain]\"\"\" 2:[plain]\"x\" ");
    gives("\"\r\"", "1:\"\r\" ");
}
END_TEST

START_TEST(a_byte_order_mark_is_passed_over)
{
    gives("\xef\xbb\xbf"
          "a,b\n1,2\n",
          "1:[a][b] 2:[1][2] ");
    gives("\xef\xbb\xbf\"a\"\n", "1:\"a\" ");
    gives("\xef\xbb\xbf\n\n1\n", "3:[1] ");
    gives("\xef\xbb\xbf\xef\xbb\xbf"
          "1\n",
          "1:[\xef\xbb\xbf"
          "1] ");
    gives("1\n\xef\xbb\xbf"
          "2\n",
          "1:[1] 2:[\xef\xbb\xbf"
          "2] ");
    /* What only looks like one is the first field's. */
    gives("\xef", "1:[\xef] ");
    gives("\xef\xbb", "1:[\xef\xbb] ");
    gives("\xef\n", "1:[\xef] ");
    gives("\xef\xbb,2\n", "1:[\xef\xbb][2] ");
    gives("\xef\xbb\xbc,2\n", "1:[\xef\xbb\xbc][2] ");
    gives("\xef\"\n", "1.1 a quote within a field that does not begin with one");
}
END_TEST

START_TEST(the_delimiter_is_given)
{
    use(&(struct csv_options){.delimiter = ';', .max_field_bytes = 10, .max_fields = 10});
    gives("1,5;2\n\"a;b\";,\n", "1:[1,5][2] 2:\"a;b\"[,] ");
    use(&(struct csv_options){.delimiter = '\t', .max_field_bytes = 10, .max_fields = 10});
    gives("1 2\t3\n\t\n", "1:[1 2][3] 2:[][] ");
}
END_TEST

START_TEST(any_other_byte_is_of_a_field)
{
    char text[3 * 256], expected[4 * 256 + 8];
    char *at = text, *to = stpcpy(expected, "1:");
    for (int byte = 1; byte < 256; byte++) {
        if (strchr(",\"\r\n", byte) != NULL)
            continue;
        at += sprintf(at, "%c,", byte);
        to += sprintf(to, "[%c]", byte);
    }
    use(&(struct csv_options){.delimiter = ',', .max_field_bytes = 10, .max_fields = 300});
    strcpy(to, "[] ");
    gives(text, expected);
    csv_begin(csv);
    csv_feed(csv, "1\0002\n", 4);
    struct csv_record record;
    ck_assert_int_eq(csv_next(csv, &record), CSV_RECORD);
    ck_assert_uint_eq(csv_text(&record, 0).length, 3);
}
END_TEST

START_TEST(it_is_known_how_far_the_piece_is_read)
{
    struct csv_record record;
    csv_feed(csv, "\n1,2\r\n3", 7);
    ck_assert_int_eq(csv_next(csv, &record), CSV_RECORD);
    ck_assert_uint_eq(csv_read(csv), 6);
    ck_assert_int_eq(csv_next(csv, &record), CSV_MORE);
    ck_assert_uint_eq(csv_read(csv), 7);
    csv_begin(csv);
    ck_assert_uint_eq(csv_read(csv), 0);
}
END_TEST

/* ---- what is no CSV ---- */

START_TEST(wrong_texts_are_refused_where_they_are_wrong)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"1,2\n3,4\"5\"\n", "1:[1][2] 2.2 a quote within a field that does not begin with one"},
        {"1,2\n3, \"4\"\n", "1:[1][2] 2.2 a quote within a field that does not begin with one"},
        {"a\"", "1.1 a quote within a field that does not begin with one"},
        {"1\n\"2\" ,3\n", "1:[1] 2.1 something stands behind the closing quote"},
        {"1,\"2\"3\n", "1.2 something stands behind the closing quote"},
        {"1,\"2\n3\"x\n", "2.2 something stands behind the closing quote"},
        {"1\n2,\"3\n4\n5", "1:[1] 2.2 the closing quote is missing"},
        {"\"", "1.1 the closing quote is missing"},
        {"1,\"\"\"", "1.2 the closing quote is missing"},
        {"1\r2\n", "1.1 a carriage return that no line feed follows"},
        {"1\n2,3\r", "1:[1] 2.2 a carriage return that no line feed follows"},
        {"\r\r\n", "1.1 a carriage return that no line feed follows"},
        {"1\n\n\r", "1:[1] 3.1 a carriage return that no line feed follows"},
        {"\"1\"\r,", "1.1 a carriage return that no line feed follows"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        gives(cases[i].text, cases[i].expected);
}
END_TEST

START_TEST(fields_have_bounds)
{
    use(&(struct csv_options){.delimiter = ',', .max_field_bytes = 4, .max_fields = 3});
    gives("1234,\"12\",1234\n\"\"\"\"\n1234", "1:[1234]\"12\"[1234] 2:\"\"\" 3:[1234] ");
    gives("1,12345,1\n", "1.2 more than 4 bytes");
    gives("1\n12345", "1:[1] 2.1 more than 4 bytes");
    gives("1\n\"123\"", "1:[1] 2.1 more than 4 bytes");
    gives("1\n\"123\"\n", "1:[1] 2.1 more than 4 bytes");
    gives("\"1\"\"\"\n", "1.1 more than 4 bytes");
    gives("1\n2,\"3\n4\n5\n", "1:[1] 2.2 more than 4 bytes, or the closing quote is missing");
    gives("1,12345\"", "1.2 more than 4 bytes");
    gives("1,2,3\n1,2,3,\n", "1:[1][2][3] 2.4 more than 3 fields");
    gives("1,2,3,4", "1.4 more than 3 fields");
    gives("1,2,3,\"4\"\n", "1.4 more than 3 fields");
    use(&(struct csv_options){.delimiter = ',', .max_field_bytes = 0, .max_fields = 2});
    gives(",\n", "1:[][] ");
    gives("1", "1.1 more than 0 bytes");
    gives("\"\"", "1.1 more than 0 bytes, or the closing quote is missing");
    gives("\xef\xbb", "1.1 more than 0 bytes");
}
END_TEST

/* ---- much of it ---- */

static unsigned seed;

static char *add_field(char *at, char *expected, size_t *expected_length)
{
    static const char bytes[] = "0123456789abcdefghijklmnopqrstuvwxyz-+. ,\"\n\r";
    bool quoted = rand_r(&seed) % 3 == 0;
    size_t length = (size_t)rand_r(&seed) % (rand_r(&seed) % 20 == 0 ? 100 : 12);
    if (quoted)
        *at++ = '"';
    for (size_t i = 0; i < length; i++) {
        char byte = bytes[(size_t)rand_r(&seed) % (sizeof bytes - 1 - (quoted ? 0 : 4))];
        if (byte == '"')
            *at++ = byte;
        *at++ = byte;
        expected[(*expected_length)++] = byte;
    }
    if (quoted)
        *at++ = '"';
    return at;
}

START_TEST(what_is_written_is_read)
{
    enum { ROWS = 2000, COLUMNS = 7 };
    static char text[ROWS * COLUMNS * 250], expected[ROWS * COLUMNS * 100];
    static size_t lengths[ROWS * COLUMNS];
    size_t expected_length = 0, field = 0;
    char *at = text;
    seed = 5;
    for (size_t row = 0; row < ROWS; row++)
        for (size_t column = 0; column < COLUMNS; column++) {
            size_t before = expected_length;
            at = add_field(at, expected, &expected_length);
            lengths[field++] = expected_length - before;
            *at++ = column + 1 < COLUMNS ? ',' : '\n';
        }
    struct csv_record record;
    size_t next = 0, rows = 0;
    for (const char *piece = text; piece < at;) {
        size_t length = 1 + (size_t)rand_r(&seed) % 500;
        length = length < (size_t)(at - piece) ? length : (size_t)(at - piece);
        csv_feed(csv, piece, length);
        piece += length;
        for (; csv_next(csv, &record) == CSV_RECORD; rows++) {
            ck_assert_uint_eq(record.count, COLUMNS);
            for (size_t i = 0; i < COLUMNS; i++) {
                struct text got_text = csv_text(&record, i);
                ck_assert_uint_eq(got_text.length, lengths[rows * COLUMNS + i]);
                ck_assert(got_text.length == 0 || memcmp(got_text.at, expected + next, got_text.length) == 0);
                next += got_text.length;
            }
        }
    }
    csv_finish(csv);
    ck_assert_int_eq(csv_next(csv, &record), CSV_END);
    ck_assert_uint_eq(rows, ROWS);
}
END_TEST

START_TEST(a_record_may_be_as_wide_as_is_allowed)
{
    enum { FIELDS = 100000 };
    use(&(struct csv_options){.delimiter = ',', .max_field_bytes = 8, .max_fields = FIELDS});
    char *text = object_alloc(2 * FIELDS);
    for (size_t i = 0; i < FIELDS; i++)
        memcpy(text + 2 * i, i + 1 < FIELDS ? "7," : "7\n", 2);
    struct csv_record record;
    for (size_t i = 0; i < 2 * FIELDS - 1; i++) { /* byte by byte: no work is done twice */
        csv_feed(csv, text + i, 1);
        ck_assert_int_eq(csv_next(csv, &record), CSV_MORE);
    }
    csv_feed(csv, text + 2 * FIELDS - 1, 1);
    ck_assert_int_eq(csv_next(csv, &record), CSV_RECORD);
    ck_assert_uint_eq(record.count, FIELDS);
    ck_assert(text_is(csv_text(&record, FIELDS - 1), "7"));
    free(text);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {lines_are_records,
                                  the_last_line_needs_no_end,
                                  a_text_may_be_empty,
                                  empty_lines_are_passed_over_and_counted,
                                  fields_may_be_empty,
                                  fields_keep_their_blanks,
                                  quotes_hold_anything,
                                  a_byte_order_mark_is_passed_over,
                                  the_delimiter_is_given,
                                  any_other_byte_is_of_a_field,
                                  it_is_known_how_far_the_piece_is_read,
                                  wrong_texts_are_refused_where_they_are_wrong,
                                  fields_have_bounds,
                                  what_is_written_is_read,
                                  a_record_may_be_as_wide_as_is_allowed};
    return SUITE_RUN("csv", set_up, tear_down, tests);
}
