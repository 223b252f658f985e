/* test_plain: the short cut for batches of numbers, beside the tree that it stands in for: the same floats to
 * the last bit, whatever way a number is written, and nothing of any other form. SPDX-License-Identifier: MIT
 */
#include "element.h"
#include "plain.h"
#include "suite.h"

#include <math.h>

static struct plain plain;
static unsigned seed;

static void set_up(void)
{
    plain = (struct plain){0};
    seed = 11;
}

static void tear_down(void)
{
    plain_free(&plain);
}

static size_t read_text(const char *text)
{
    char *exact = object_strdup(text); /* exactly: what is read beyond is found by the sanitizer */
    size_t length = plain_read(&plain, exact, strlen(exact));
    free(exact);
    return length;
}

/* ---- forms ---- */

START_TEST(rows_of_numbers_are_read)
{
    static const char *const forms[] = {
        "{\"instances\":[[1,2.5,-3],[4e2,5,6]]}",
        "{\"instances\": [[1, 2.5, -3], [4e2, 5, 6]]}",
        " \n{\t\"instances\"\r:\n[ [ 1 , 2.5\t,-3 ] ,\n[\n4E+2 ,\t5,6\n]\r\n] \n}",
    };
    static const float expected[] = {1, 2.5f, -3, 400, 5, 6};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        ck_assert_uint_eq(read_text(forms[i]), strlen(forms[i]) - 1);
        ck_assert_uint_eq(plain.rows, 2);
        ck_assert_uint_eq(plain.width, 3);
        ck_assert_mem_eq(plain.values, expected, sizeof expected);
    }
    ck_assert_uint_eq(read_text("{\"instances\":[[7]] , \"model\":\"m\"}"), strlen("{\"instances\":[[7]] "));
    ck_assert_uint_eq(plain.rows, 1);
    ck_assert_uint_eq(plain.width, 1);
}
END_TEST

/* Whether it is right in another way or wrong is not this reader's to say. */
START_TEST(anything_else_is_left_alone)
{
    static const char *const others[] = {
        "",
        " ",
        "{",
        "[[1]]",
        "{}",
        "{\"instances\"",
        "{\"instances\":",
        "{\"instances\":[",
        "{\"instances\":[]}",
        "{\"instances\":[[",
        "{\"instances\":[[]]}",
        "{\"instances\":[[1",
        "{\"instances\":[[1]",
        "{\"instances\":[[1,",
        "{\"instances\":[[1],",
        "{\"instances\":[[1],]}",
        "{\"instances\":[[1,]]}",
        "{\"instances\":[[,1]]}",
        "{\"instances\":[[1 2]]}",
        "{\"instances\":[[1][2]]}",
        "{\"instances\":[[1],[2,3]]}",
        "{\"instances\":[[1,2],[3]]}",
        "{\"instances\":[[[1]]]}",
        "{\"instances\":[1]}",
        "{\"instances\":[[1],2]}",
        "{\"instances\":[{\"a\":1}]}",
        "{\"instances\":[[1],{\"a\":1}]}",
        "{\"instances\":{}}",
        "{\"instances\":1}",
        "{\"instances\" [[1]]}",
        "{\"instance\":[[1]]}",
        "{\"instances2\":[[1]]}",
        "{\"Instances\":[[1]]}",
        "{\"\\u0069nstances\":[[1]]}",
        "{\"model\":\"m\",\"instances\":[[1]]}",
        "{\"features\":[1]}",
        "\xef\xbb\xbf{\"instances\":[[1]]}",
    };
    for (size_t i = 0; i < COUNT_OF(others); i++)
        ck_assert_msg(read_text(others[i]) == 0, "%s", others[i]);
    ck_assert_uint_eq(plain_read(&plain, "{\"instances\":[[1\0]]}", 20), 0);
}
END_TEST

START_TEST(what_is_no_finite_float_is_left_alone)
{
    static const char *const values[] = {
        "null",   "true",   "\"1\"",  "\"\"", "NaN",  "nan",       "Infinity", "-Infinity", "inf", "1e400",
        "-1e400", "1e39",   "3.5e38", "01",   "-01",  "00",        "-",        "--1",       "+1",  ".5",
        "5.",     "-.5",    "1e",     "1e+",  "0x10", "1_000",     "1.2.3",    "1.e5",      "1ee", "1-",
        "1f",     "1.0f32", "{}",     "[]",   "\x01", "\302\2401", "1\f",      "/**/1",     "e5",  "1.5x"};
    for (size_t i = 0; i < COUNT_OF(values); i++)
        for (size_t place = 0; place < 3; place++) {
            char text[128];
            snprintf(text, sizeof text, "{\"instances\":[[1,2],[%s,%s],[%s,6]]}",
                     place == 0 ? values[i] : "3", place == 1 ? values[i] : "4",
                     place == 2 ? values[i] : "5");
            ck_assert_msg(read_text(text) == 0, "%s", text);
        }
}
END_TEST

/* ---- values ---- */

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* One number by the short cut and by the tree. */
static void compare(const char *number)
{
    char text[128];
    float expected;
    snprintf(text, sizeof text, "{\"instances\":[[%s]]}", number);
    yyjson_doc *document = yyjson_read(number, strlen(number), YYJSON_READ_ALLOW_INF_AND_NAN);
    ck_assert_msg(document != NULL, "%s", number);
    bool good = element_write_floats(yyjson_doc_get_root(document), 1, false, (uint8_t *)&expected);
    yyjson_doc_free(document);
    ck_assert_msg((read_text(text) != 0) == good, "%s", number);
    ck_assert_msg(!good || bits_of(plain.values[0]) == bits_of(expected), "%s: %a, not %a", number,
                  (double)plain.values[0], (double)expected);
}

START_TEST(numbers_of_note_are_the_tree_s)
{
    static const char *const numbers[] = {
        "0",
        "-0",
        "0.0",
        "-0.0",
        "-0.00",
        "0e5",
        "-0e5",
        "1",
        "-1",
        "0.1",
        "-0.1",
        "1e-45",
        "1e-46",
        "1e-60",
        "7e-46",
        "1.1754943508222875e-38",
        "1.1754942e-38",
        "3.4028234663852886e38",
        "3.4028235677973366e38",
        "340282346638528859811704183484516925440",
        "340282356779733661637539395458142568447",
        "340282356779733661637539395458142568448",
        "16777216",
        "16777217",
        "16777218",
        "16777219",
        "16777217.0000000001",
        "16777216.9999999999",
        "9007199254740991",
        "9007199254740992",
        "9007199254740993",
        "9007199254740995",
        "9007199791611904",
        "9007199791611905",
        "9007199791611903",
        "9223372036854775807",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "9999999999999999999",
        "99999999999999999999",
        "0.30000000000000004",
        "0.1000000000000000055511151231257827",
        "1.00000005960464477539",
        "1.0000000596046447753906",
        "1.0000000596046447754",
        "1.000000059604644775",
        "1.000000059604644776",
        "0.0000000000000000001",
        "0.00000000000000000001",
        "1234567890.123456789",
        "123456789012345678901234567890",
        "1000000000000000000000000000000000000000000e-40",
    };
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        compare(numbers[i]);
}
END_TEST

static uint64_t any(void)
{
    return (uint64_t)rand_r(&seed) << 42 ^ (uint64_t)rand_r(&seed) << 21 ^ (uint64_t)rand_r(&seed);
}

static float any_float(void)
{
    uint32_t bits = (uint32_t)any();
    float value;
    memcpy(&value, &bits, sizeof value);
    return isfinite(value) ? value : 1.0f;
}

/* As programs write numbers: doubles and floats of any size, with any number of digits. */
START_TEST(printed_numbers_are_the_tree_s)
{
    for (int i = 0; i < 30000; i++) {
        char number[96];
        double value = (double)any_float();
        double ordinary = (double)(int32_t)any() / 1e6;
        snprintf(number, sizeof number, "%.*g", (int)(any() % 20) + 1, value);
        compare(number);
        snprintf(number, sizeof number, "%.*g", (int)(any() % 20) + 1, ordinary);
        compare(number);
        snprintf(number, sizeof number, "%.*f", (int)(any() % 22), ordinary);
        compare(number);
    }
}
END_TEST

/* Where rounding twice shows: close to the middle between two floats. */
START_TEST(numbers_between_two_floats_are_the_tree_s)
{
    for (int i = 0; i < 30000; i++) {
        char number[96];
        float value = (float)(int32_t)any() * 1e-6f;
        double middle = ((double)value + (double)nextafterf(value, INFINITY)) / 2;
        for (int step = (int)(any() % 7); step > 0; step--)
            middle = nextafter(middle, any() % 2 == 0 ? INFINITY : -INFINITY);
        snprintf(number, sizeof number, "%.*f", (int)(any() % 20), middle);
        compare(number);
        snprintf(number, sizeof number, "%.*g", 14 + (int)(any() % 7), middle);
        compare(number);
    }
}
END_TEST

START_TEST(digits_of_any_number_are_the_tree_s)
{
    for (int i = 0; i < 30000; i++) {
        char number[64], *at = number;
        size_t whole = any() % 22 + 1, decimals = any() % 22;
        if (any() % 2 == 0)
            *at++ = '-';
        for (size_t digit = 0; digit < whole; digit++)
            *at++ = (char)('0' + (digit == 0 && whole > 1 ? any() % 9 + 1 : any() % 10));
        if (decimals > 0)
            *at++ = '.';
        for (size_t digit = 0; digit < decimals; digit++)
            *at++ = (char)('0' + any() % 10);
        *at = '\0';
        compare(number);
    }
}
END_TEST

/* ---- lines of CSV ---- */

static bool read_lines(const char *text, size_t width, const size_t *column_of)
{
    char *exact = object_strdup(text);
    bool good = plain_read_lines(&plain, exact, strlen(exact), width, column_of);
    free(exact);
    return good;
}

START_TEST(lines_of_numbers_are_read)
{
    static const char *const forms[] = {"1,2.5,-3\n4e2,5,6", "1,2.5,-3\r\n4e2,5,6\r\n",
                                        "\n\r\n1,2.5,-3\n\n\r\n400,5,6.0\n\n", "1.0,2.5,-3e0\n400.00,5,6\n"};
    static const float in_order[] = {1, 2.5f, -3, 400, 5, 6}, moved[] = {2.5f, -3, 1, 5, 6, 400};
    static const size_t column_of[] = {2, 0, 1};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        ck_assert_msg(read_lines(forms[i], 3, NULL), "%s", forms[i]);
        ck_assert_uint_eq(plain.rows, 2);
        ck_assert_uint_eq(plain.width, 3);
        ck_assert_mem_eq(plain.values, in_order, sizeof in_order);
        ck_assert(read_lines(forms[i], 3, column_of));
        ck_assert_mem_eq(plain.values, moved, sizeof moved);
    }
}
END_TEST

START_TEST(other_lines_are_left_alone)
{
    static const char *const others[] = {
        "",       "\n",       "1",           "1,",           "1,2,3",       "1,2,",
        "1,2\n3", "1,2\n3,",  "1,2\n3,4,5",  "1,2\n\"3\",4", "1, 2",        " 1,2",
        "1,2 ",   "+1,2",     "1,,2",        "1,2\r",        "1,2\r3,4",    "1\n,2",
        "1;2",    "a,b\n1,2", "1,2\n3,1e39", "1,nan",        "1,2\n\r\r\n", "\xef\xbb\xbf\x31,2"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        ck_assert_msg(!read_lines(others[i], 2, NULL), "%s", others[i]);
    ck_assert(!plain_read_lines(&plain, "1,2\0\n", 5, 2, NULL));
    ck_assert(!plain_read_lines(&plain, "1,2\n\0", 5, 2, NULL));
}
END_TEST

/* The shortest lines that there are, which make the most values of a text. */
START_TEST(there_is_room_for_any_number_of_lines)
{
    enum { ROWS = 100000 };
    char *text = object_alloc(4 * ROWS);
    for (size_t width = 1; width <= 2; width++) {
        for (size_t row = 0; row < ROWS; row++)
            memcpy(text + 2 * width * row, width == 1 ? "7\n" : "7,8\n", 2 * width);
        text[2 * width * ROWS - 1] = '\0';
        ck_assert(read_lines(text, width, NULL));
        ck_assert_uint_eq(plain.rows, ROWS);
        plain_free(&plain);
    }
    free(text);
}
END_TEST

/* ---- memory ---- */

START_TEST(there_is_room_for_any_number_of_rows)
{
    enum { ROWS = 3 << 20 };
    char *text = object_alloc(4 * ROWS + 32);
    char *at = stpcpy(text, "{\"instances\":[");
    for (size_t row = 0; row < ROWS; row++)
        at = stpcpy(at, row == 0 ? "[7]" : ",[8]");
    strcpy(at, "]}");
    ck_assert_uint_gt(plain_read(&plain, text, strlen(text)), 0);
    ck_assert_uint_eq(plain.rows, ROWS);
    ck_assert(plain.values[0] == 7 && plain.values[ROWS - 1] == 8);
    plain_done(&plain); /* too much to keep */
    ck_assert_uint_eq(plain.capacity, 0);
    ck_assert_uint_gt(read_text("{\"instances\":[[1,2]]}"), 0);
    plain_done(&plain);
    ck_assert_uint_gt(plain.capacity, 0);
    free(text);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {rows_of_numbers_are_read,
                                  anything_else_is_left_alone,
                                  what_is_no_finite_float_is_left_alone,
                                  numbers_of_note_are_the_tree_s,
                                  printed_numbers_are_the_tree_s,
                                  numbers_between_two_floats_are_the_tree_s,
                                  digits_of_any_number_are_the_tree_s,
                                  lines_of_numbers_are_read,
                                  other_lines_are_left_alone,
                                  there_is_room_for_any_number_of_lines,
                                  there_is_room_for_any_number_of_rows};
    return SUITE_RUN("plain", set_up, tear_down, tests);
}
