/* test_parameter: a table of parameters read from files and from the command line: every kind of row and of
 * fault with its line, what libconfig 1.5 gets wrong, and files that nobody should be able to stop us with.
 * SPDX-License-Identifier: MIT */
#include "nearest.h"
#include "parameter.h"
#include "scratch_directory.h"
#include "suite.h"

#include <stdlib.h>

struct sample {
    char *word;
    char *other;
    int64_t sure;
    struct config_names list;
    int64_t limits_count;
    int64_t limits_large;
};

/* clang-format off */
static const struct parameter rows[] = {
    PARAMETER_ROW_STRING(sample, , word, "a \"b\" \\", "a word"),
    PARAMETER_ROW_STRING(sample, , other, "",
                         "another word, with so much to say about it that its comment in the template has to be broken "
                         "between two of its words, more than once if need be, so that no terminal has to"),
    PARAMETER_ROW_INTEGER(sample, , sure, 1, 0, 1, "yes/no", "a truth"),
    PARAMETER_ROW_NAMES(sample, , list, "names"),
    PARAMETER_ROW_INTEGER(sample, limits, count, 2, 0, 64, "things", "how many"),
    PARAMETER_ROW_INTEGER(sample, limits, large, 17179869184, 1024, 17179869184, "bytes", "more than 32 bits"),
};
/* clang-format on */
static const struct parameter_table table = {.rows = rows, .count = COUNT_OF(rows)};

static struct config_errors errors;
static struct sample sample;

static void start(void)
{
    parameters_free(&table, &sample);
    sample = (struct sample){0};
    errors = (struct config_errors){0};
    parameters_default(&table, &sample);
}

static void set_up(void)
{
    scratch_make();
    start();
}

static void tear_down(void)
{
    parameters_free(&table, &sample);
    sample = (struct sample){0};
    scratch_remove();
}

static void read_text(const char *text)
{
    start();
    struct parameter_reader *reader = parameter_reader_new(&table, &sample, "sample", &errors);
    parameter_read_text(reader, "sample", text);
    parameter_reader_free(reader);
}

static void read_file(const char *path)
{
    start();
    struct parameter_reader *reader = parameter_reader_new(&table, &sample, path, &errors);
    parameter_read_file(reader, path);
    parameter_reader_free(reader);
}

static void read_setting(const char *setting)
{
    start();
    struct parameter_reader *reader = parameter_reader_new(&table, &sample, "sample", &errors);
    parameter_set(reader, setting);
    parameter_reader_free(reader);
}

static void expect_good(void)
{
    ck_assert_str_eq(errors.text, "");
    ck_assert_int_eq(errors.count, 0);
}

/* Reads the text, which must give exactly this complaint, after "sample:". */
static void expect_fault(const char *text, const char *complaint)
{
    char expected[1024];
    read_text(text);
    snprintf(expected, sizeof expected, "sample:%s\n", complaint);
    ck_assert_str_eq(errors.text, expected);
    ck_assert_int_eq(errors.count, 1);
}

static void expect_setting_fault(const char *setting, const char *complaint)
{
    char expected[1024];
    read_setting(setting);
    snprintf(expected, sizeof expected, "--set: %s\n", complaint);
    ck_assert_str_eq(errors.text, expected);
}

static void expect_file_fault(const char *path, const char *complaint)
{
    char expected[1024];
    read_file(path);
    snprintf(expected, sizeof expected, "%s%s\n", path, complaint);
    ck_assert_str_eq(errors.text, expected);
}

/* ---- values ---- */

START_TEST(defaults_stand_where_nothing_is_said)
{
    read_text("");
    expect_good();
    ck_assert_str_eq(sample.word, "a \"b\" \\");
    ck_assert_int_eq(sample.sure, 1);
    ck_assert_uint_eq(sample.list.count, 0);
    ck_assert_int_eq(sample.limits_large, INT64_C(17179869184));
}
END_TEST

START_TEST(sections_and_top_level_are_read)
{
    read_text("# comment\nword = \"x\";\nlimits =\n{\n  count = 0x10; large = 17179869183L; /* and */ "
              "};\nsure : false");
    expect_good();
    ck_assert_str_eq(sample.word, "x");
    ck_assert_int_eq(sample.limits_count, 16);
    ck_assert_int_eq(sample.limits_large, INT64_C(17179869183));
    ck_assert_int_eq(sample.sure, 0);
}
END_TEST

START_TEST(the_bounds_themselves_are_good)
{
    read_text("limits = { count = 64; large = 1024; };");
    expect_good();
    read_text("limits = { count = 0; large = 17179869184L; };");
    expect_good();
    ck_assert_int_eq(sample.limits_large, INT64_C(17179869184));
}
END_TEST

START_TEST(yes_and_no_are_written_in_two_ways)
{
    static const struct {
        const char *text;
        int64_t sure;
    } good[] = {{"sure = false;", 0}, {"sure = true;", 1}, {"sure = 0;", 0}, {"sure = 1;", 1}};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        read_text(good[i].text);
        expect_good();
        ck_assert_int_eq(sample.sure, good[i].sure);
    }
    expect_fault("sure = 2;", "1: sure: expected true or false, got 2");
    expect_fault("sure = \"yes\";", "1: sure: expected true or false, got \"yes\"");
}
END_TEST

START_TEST(lists_are_lists_of_texts)
{
    read_text("list = [\"a\", \"b\"];");
    expect_good();
    ck_assert_uint_eq(sample.list.count, 2);
    ck_assert_str_eq(sample.list.names[1], "b");
    read_text("list = (\"a\");");
    expect_good();
    ck_assert_uint_eq(sample.list.count, 1);
    read_text("list = ();");
    expect_good();
    static const char *const bad[] = {"list = 1;",      "list = \"a\";",      "list = (\"a\", 1);",
                                      "list = (\"\");", "list = (\"a\\n\");", "list = { a = 1; };",
                                      "list = [1];",    "list = ((\"a\"));"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        read_text(bad[i]);
        ck_assert_uint_eq(sample.list.count, 0);
        ck_assert_int_eq(errors.count, 1);
    }
}
END_TEST

START_TEST(lists_are_bounded)
{
    size_t capacity = 32 + PARAMETER_NAMES_MAX * 4;
    char *text = malloc(capacity), *at = text + sprintf(text, "list = [\"a\"");
    for (int i = 0; i < PARAMETER_NAMES_MAX; i++)
        at += sprintf(at, ",\"a\"");
    strcpy(at, "];");
    read_text(text);
    ck_assert_ptr_nonnull(strstr(errors.text, "got a list of more than 65536"));
    at = text + sprintf(text, "list = [\"");
    memset(at, 'a', PARAMETER_NAME_MAX + 1);
    strcpy(at + PARAMETER_NAME_MAX + 1, "\"];");
    read_text(text);
    ck_assert_ptr_nonnull(strstr(errors.text, "list: element 0: expected a text of 1 to 512 bytes"));
    free(text);
}
END_TEST

/* ---- faults ---- */

START_TEST(unknown_keys_name_the_nearest)
{
    expect_fault("\n\nlimits = {\n  cuont = 2; };",
                 "4: limits.cuont: unknown key; the nearest known is limits.count");
    expect_fault("wrod = \"x\";", "1: wrod: unknown key; the nearest known is word");
    expect_fault("zzzzzzzzzzzzzzzz = 1;", "1: zzzzzzzzzzzzzzzz: unknown key");
}
END_TEST

START_TEST(a_key_in_the_wrong_section_is_found)
{
    expect_fault("large = 1024;", "1: large: unknown key; the nearest known is limits.large");
    expect_fault("limits = { word = \"x\"; };", "1: limits.word: unknown key; the nearest known is word");
}
END_TEST

START_TEST(unknown_sections_name_the_nearest)
{
    expect_fault("limtis = { count = 1; };", "1: limtis: unknown section; the nearest known is limits");
    expect_fault("qqqqqqqqqqqq = { count = 1; };", "1: qqqqqqqqqqqq: unknown section");
}
END_TEST

START_TEST(a_section_must_be_a_section)
{
    expect_fault("limits = 5;", "1: limits: expected a section, as limits = { ... }, got 5");
    expect_fault("limits = (\"a\");", "1: limits: expected a section, as limits = { ... }, got a list");
}
END_TEST

START_TEST(wrong_types_are_said)
{
#define EXPECTED "1: limits.count: expected an integer from 0 to 64 (things), got "
    expect_fault("limits = { count = \"two\"; };", EXPECTED "\"two\"");
    expect_fault("limits = { count = 1.5; };", EXPECTED "a floating-point number");
    expect_fault("limits = { count = true; };", EXPECTED "true");
    expect_fault("limits = { count = { a = 1; }; };", EXPECTED "a section");
    expect_fault("limits = { count = [1, 2]; };", EXPECTED "a list with something else in it");
    expect_fault("limits = { count = 65; };", EXPECTED "65");
    expect_fault("limits = { count = -1; };", EXPECTED "-1");
#undef EXPECTED
    expect_fault("word = 3;", "1: word: expected a text in quotation marks, got 3");
    expect_fault("word = { a = 1; };", "1: word: expected a text in quotation marks, got a section");
    expect_fault("limits = {\n large = 17179869185L; };",
                 "2: limits.large: expected an integer from 1024 to 17179869184 (bytes), got 17179869185");
}
END_TEST

START_TEST(long_and_dirty_texts_are_refused)
{
    char text[8192] = "word = \"";
    memset(text + strlen(text), 'x', PARAMETER_STRING_MAX);
    strcat(text, "\";");
    read_text(text);
    expect_good();
    text[strlen("word = \"") + PARAMETER_STRING_MAX] = 'x';
    strcpy(text + strlen("word = \"") + PARAMETER_STRING_MAX + 1, "\";");
    read_text(text);
    ck_assert_ptr_nonnull(
        strstr(errors.text, "sample:1: word: expected a shorter text (at most 4095 bytes), got \"xxx"));
    expect_fault("word = \"a\\nb\";", "1: word: expected a text without control characters, got \"a?b\"");
}
END_TEST

START_TEST(duplicates_and_syntax_errors_have_a_line)
{
    expect_fault("word = \"x\";\nword = \"x\";", "2: duplicate setting name");
    expect_fault("limits = { count = 1;\n count = 1; };", "2: duplicate setting name");
    expect_fault("\nlimits = {\n  count = ;\n};", "3: syntax error");
    expect_fault("word = \"x", "1: syntax error");
}
END_TEST

START_TEST(what_is_wrong_leaves_the_default)
{
    read_text("word = 1; limits = { count = 100; }; list = (1);");
    ck_assert_int_eq(errors.count, 3);
    ck_assert_str_eq(sample.word, "a \"b\" \\");
    ck_assert_int_eq(sample.limits_count, 2);
}
END_TEST

START_TEST(later_checks_know_the_line)
{
    struct parameter_reader *reader = parameter_reader_new(&table, &sample, "sample", &errors);
    parameter_read_text(reader, "sample", "\n\nlimits = {\n count = 3; };");
    parameter_set(reader, "word=x");
    parameter_complain(reader, &sample.limits_count, "is %d", 3);
    parameter_complain(reader, &sample.word, "is x");
    parameter_complain(reader, &sample.limits_large, "is wrong by default");
    parameter_reader_free(reader);
    ck_assert_str_eq(errors.text,
                     "sample:4: limits.count: is 3\n--set: word: is x\nsample: limits.large: is wrong by "
                     "default\n");
    parameter_reader_free(NULL);
}
END_TEST

/* ---- the command line ---- */

START_TEST(settings_are_values)
{
    read_setting("limits.count=7");
    expect_good();
    ck_assert_int_eq(sample.limits_count, 7);
    read_setting("word=a=b");
    ck_assert_str_eq(sample.word, "a=b");
    read_setting("word=");
    ck_assert_str_eq(sample.word, "");
    read_setting("sure=false");
    ck_assert_int_eq(sample.sure, 0);
    read_setting("sure=0");
    ck_assert_int_eq(sample.sure, 0);
    read_setting("limits.large=17179869184");
    expect_good();
}
END_TEST

START_TEST(bad_settings_are_said)
{
    expect_setting_fault("limits.count", "expected SECTION.NAME=VALUE, got \"limits.count\"");
    expect_setting_fault("=3", "expected SECTION.NAME=VALUE, got \"=3\"");
    expect_setting_fault("limits.cont=3", "limits.cont: unknown key; the nearest known is limits.count");
    expect_setting_fault("limits.count=true",
                         "limits.count: expected an integer from 0 to 64 (things), got true");
    expect_setting_fault("list=a", "list: expected a list of texts, as ( \"a\", \"b\" ), got \"a\"");
    static const char *const no_integers[] = {"two", "",    "3x",  "1.5", " 3", "99999999999999999999",
                                              "-",   "+-3", "0x10"};
    for (size_t i = 0; i < COUNT_OF(no_integers); i++) {
        char setting[128], complaint[256];
        snprintf(setting, sizeof setting, "limits.count=%s", no_integers[i]);
        snprintf(complaint, sizeof complaint,
                 "limits.count: expected an integer from 0 to 64 (things), got \"%s\"", no_integers[i]);
        expect_setting_fault(setting, complaint);
    }
}
END_TEST

/* ---- files ---- */

START_TEST(unreadable_files_are_said)
{
    expect_file_fault(scratch_path("missing"), ": No such file or directory");
    expect_file_fault(scratch_folder("folder"), ": is a folder");
    const char *pipe = scratch_path("pipe"), *large = scratch_file("large", "");
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    expect_file_fault(pipe, ": is no regular file");
    ck_assert_int_eq(truncate(large, PARAMETER_FILE_MAX + 1), 0);
    expect_file_fault(large, ": is larger than 16 MiB");
    ck_assert_int_eq(truncate(large, 100), 0);
    expect_file_fault(large, ": has zero bytes in it");
}
END_TEST

START_TEST(includes_are_relative_to_the_file)
{
    scratch_file("inner", "limits = { count = 5; };\n");
    read_file(scratch_file("outer", "word = \"x\";\n  @include \"inner\"\n"));
    expect_good();
    ck_assert_int_eq(sample.limits_count, 5);
    ck_assert_str_eq(sample.word, "x");
}
END_TEST

START_TEST(faults_of_an_included_file_name_it)
{
    const char *outer = scratch_file("outer", "@include \"inner\"\n");
    scratch_file("inner", "\nlimits = { count = 500; };\n");
    read_file(outer);
    ck_assert_ptr_nonnull(strstr(errors.text, "inner:2: limits.count: expected an integer"));
    scratch_file("inner", "\n\nlimits = { count = 99999999999; };\n");
    read_file(outer);
    ck_assert_ptr_nonnull(strstr(errors.text, "inner:3: 99999999999: a whole number"));
}
END_TEST

START_TEST(bad_includes_are_refused)
{
    char complaint[512];
    read_file(scratch_file("outer", "\n@include \"missing\"\n"));
    ck_assert_ptr_nonnull(strstr(errors.text, "outer:2: "));
    snprintf(complaint, sizeof complaint, ":1: @include: %s is a folder", scratch_folder("folder"));
    expect_file_fault(scratch_file("outer", "@include \"folder\"\n"), complaint);
    read_file(scratch_file("outer", "@include \"/tmp\"\n"));
    ck_assert_ptr_nonnull(strstr(errors.text, "@include: /tmp is a folder"));
}
END_TEST

START_TEST(circles_of_includes_end)
{
    read_file(scratch_file("outer", "@include \"outer\"\n"));
    ck_assert_int_eq(errors.count, 1);
    read_file(scratch_file("outer", "@include \"outer\"\n@include \"outer\"\n@include \"outer\"\n"));
    ck_assert_ptr_nonnull(strstr(errors.text, "outer is one of more than 100"));
}
END_TEST

/* ---- what libconfig 1.5 gets wrong ---- */

START_TEST(numbers_that_would_be_cut_are_refused)
{
#define CUT ": a whole number above 2147483647 is written with an L at its end, and must fit 64 bits"
    expect_fault("limits = {\n large = 4297967296; };", "2: 4297967296" CUT);
    expect_fault("limits = { count = 4294967297; };", "1: 4294967297" CUT);
    expect_fault("limits = { count = 0x100000001; };", "1: 0x100000001" CUT);
    expect_fault("limits = { count = -2147483649; };", "1: -2147483649" CUT);
    expect_fault("limits = { count = 18446744073709551617L; };", "1: 18446744073709551617L" CUT);
    expect_fault("limits = { count = 0xFFFFFFFFFFFFFFFFL; };", "1: 0xFFFFFFFFFFFFFFFFL" CUT);
    expect_fault("limits = { count = 11111111112222222222333333333344444444445555555555; };",
                 "1: 1111111111222222222233333333334444444444..." CUT);
#undef CUT
}
END_TEST

START_TEST(numbers_in_other_places_are_left_alone)
{
    read_text("# 99999999999999\n// 99999999999999\n/* 99999999999999\n 99999999999999 */\n"
              "word = \"99999999999999 \\\" 99999999999999\";\n"
              "limits = { count = 0x10; large = 2147483647; };\n");
    expect_good();
    ck_assert_int_eq(sample.limits_count, 16);
}
END_TEST

START_TEST(unfinished_texts_and_comments_end_the_scan)
{
    static const char *const texts[] = {"/*",
                                        "/* *",
                                        "\"",
                                        "\"\\",
                                        "#",
                                        "//",
                                        "@include",
                                        "@include ",
                                        "@include \"",
                                        "0x",
                                        "L",
                                        "-",
                                        "@include \"\"",
                                        "@include \"x",
                                        "@include \"\\",
                                        "1L2",
                                        "/",
                                        "1.5.5"};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        read_text(texts[i]);
}
END_TEST

/* Each cut and each replaced byte of a good file is read or refused; nothing else. */
START_TEST(no_mutation_aborts)
{
    static const char good[] = "word = \"info\";\nlimits = {\n  count = 2; # two\n  large = 4096L; };\n"
                               "list : ( \"a\" \"b\", \"c\" );\nsure=true;\n";
    static const char hostile[] = "\"'{}()[]=:;,#/*@\\\n\t -0L.x\x01\xff";
    char text[sizeof good];
    for (size_t cut = 0; cut < sizeof good; cut++) {
        memcpy(text, good, cut);
        text[cut] = '\0';
        read_text(text);
    }
    for (size_t i = 0; i < sizeof good - 1; i++)
        for (size_t j = 0; j < sizeof hostile - 1; j++) {
            memcpy(text, good, sizeof good);
            text[i] = hostile[j];
            read_text(text);
        }
}
END_TEST

/* ---- complaints and the template ---- */

START_TEST(complaints_are_bounded_and_counted)
{
    char text[32768] = "", *printed;
    size_t length;
    for (int i = 0; i < 500; i++)
        sprintf(text + strlen(text), "unknown_number_%d = 1;\n", i);
    read_text(text);
    ck_assert_int_eq(errors.count, 500);
    ck_assert_uint_lt(errors.length, sizeof errors.text);
    ck_assert_uint_eq(errors.length, strlen(errors.text));
    ck_assert_int_eq(errors.text[errors.length - 1], '\n');
    FILE *out = open_memstream(&printed, &length);
    config_errors_print(&errors, out);
    fclose(out);
    ck_assert_ptr_nonnull(strstr(printed, "\nand "));
    ck_assert_ptr_nonnull(strstr(printed, " more\n"));
    free(printed);
}
END_TEST

START_TEST(the_template_reads_as_the_defaults)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    parameters_print(&table, out);
    fclose(out);
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1)
        ck_assert_int_le(strchr(line, '\n') - line, 110);
    read_text(text);
    expect_good();
    ck_assert_str_eq(sample.word, "a \"b\" \\");
    ck_assert_int_eq(sample.limits_large, INT64_C(17179869184));
    free(text);
}
END_TEST

START_TEST(distances_are_those_of_levenshtein)
{
    char long_word[200] = "";
    memset(long_word, 'a', sizeof long_word - 1);
    ck_assert_uint_eq(nearest_distance("", ""), 0);
    ck_assert_uint_eq(nearest_distance("", "abc"), 3);
    ck_assert_uint_eq(nearest_distance("abc", ""), 3);
    ck_assert_uint_eq(nearest_distance("kitten", "sitting"), 3);
    ck_assert_uint_eq(nearest_distance("status", "statsu"), 2);
    ck_assert_uint_eq(nearest_distance(long_word, "a"), 63);
    ck_assert(nearest_plausible("statsu", "status"));
    ck_assert(!nearest_plausible("run", "status"));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        defaults_stand_where_nothing_is_said,
        sections_and_top_level_are_read,
        the_bounds_themselves_are_good,
        yes_and_no_are_written_in_two_ways,
        lists_are_lists_of_texts,
        lists_are_bounded,
        unknown_keys_name_the_nearest,
        a_key_in_the_wrong_section_is_found,
        unknown_sections_name_the_nearest,
        a_section_must_be_a_section,
        wrong_types_are_said,
        long_and_dirty_texts_are_refused,
        duplicates_and_syntax_errors_have_a_line,
        what_is_wrong_leaves_the_default,
        later_checks_know_the_line,
        settings_are_values,
        bad_settings_are_said,
        unreadable_files_are_said,
        includes_are_relative_to_the_file,
        faults_of_an_included_file_name_it,
        bad_includes_are_refused,
        circles_of_includes_end,
        numbers_that_would_be_cut_are_refused,
        numbers_in_other_places_are_left_alone,
        unfinished_texts_and_comments_end_the_scan,
        no_mutation_aborts,
        complaints_are_bounded_and_counted,
        the_template_reads_as_the_defaults,
        distances_are_those_of_levenshtein,
    };
    return SUITE_RUN("parameter", set_up, tear_down, tests);
}
