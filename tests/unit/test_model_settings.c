/* test_model_settings: the group `settings` of model.conf: what becomes text, and what is refused.
 * SPDX-License-Identifier: MIT */
#include "model_config.h"
#include "model_settings.h"
#include "repository.h"
#include "suite.h"

static struct config_errors errors;
static struct model_list *list;

static void set_up(void)
{
    scratch_make();
    repository_add("m", "1");
    errors = (struct config_errors){0};
}

static void tear_down(void)
{
    model_list_free(list);
    list = NULL;
    scratch_remove();
}

static const struct model_config *load(const char *text)
{
    repository_configure("m", text);
    list = model_list_load(scratch_directory, &errors);
    return model_list_find(list, text_of("m"));
}

START_TEST(values_become_text)
{
    static const char *const expected[] = {"depth",   "3",       "ratio",   "0.1", "fast",
                                           "true",    "name",    "a \"b\"", "big", "-9000000000",
                                           "weights", "1 0.5 2", "none",    "",    NULL};
    const struct model_config *model =
        load("settings = { depth = 3; ratio = 0.1; fast = true; name = \"a \\\"b\\\"\"; big = -9000000000L;\n"
             "             weights = ( 1, 0.5, 2 ); none = [ ]; };");
    ck_assert_msg(model != NULL, "%s", errors.text);
    const char *const *settings = model_settings_list(model);
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        ck_assert_pstr_eq(settings[i], expected[i]);
}
END_TEST

START_TEST(without_any_the_list_is_empty)
{
    ck_assert_ptr_null(model_settings_list(load("instances = 1;"))[0]);
}
END_TEST

START_TEST(what_is_more_than_a_list_of_numbers_becomes_json)
{
    static const char *const expected[] = {"group", "{\"a\":1}", "words", "[\"a\",\"b\"]", NULL};
    const struct model_config *model = load("settings = { group = { a = 1; }; words = [ \"a\", \"b\" ]; };");
    ck_assert_msg(model != NULL, "%s", errors.text);
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        ck_assert_pstr_eq(model_settings_list(model)[i], expected[i]);
}
END_TEST

START_TEST(what_is_too_long_is_refused_with_its_line)
{
    enum { NUMBERS = 1400 }; /* of three bytes each, and a space between them */
    char text[NUMBERS * 4 + 64], *end = text + sprintf(text, "settings = { good = 1;\n long = [ 100");
    for (int i = 1; i < NUMBERS; i++)
        end += sprintf(end, ",100");
    sprintf(end, " ]; };");
    ck_assert_ptr_null(load(text));
    ck_assert_ptr_nonnull(strstr(errors.text, "/m/model.conf:2: settings.long: expected a value of at most "
                                              "4095 bytes as text in UTF-8, got a list"));
}
END_TEST

START_TEST(what_is_no_text_is_refused)
{
    ck_assert_ptr_null(
        load("settings = { word = \"\xff\";\n list = [ \"\xff\" ];\n group = { a = \"\xff\"; }; };"));
    for (int line = 1; line <= 3; line++) {
        static const char *const names[] = {"word", "list", "group"};
        char complaint[128];
        snprintf(complaint, sizeof complaint, "/m/model.conf:%d: settings.%s: expected a value of", line,
                 names[line - 1]);
        ck_assert_msg(strstr(errors.text, complaint) != NULL, "%s", errors.text);
    }
}
END_TEST

START_TEST(it_is_a_group)
{
    ck_assert_ptr_null(load("settings = 3;"));
    ck_assert_ptr_nonnull(strstr(
        errors.text,
        "/m/model.conf:1: settings: expected a group of at most 256 settings, as { depth = 3; }, got 3"));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {values_become_text,
                            without_any_the_list_is_empty,
                            what_is_more_than_a_list_of_numbers_becomes_json,
                            what_is_too_long_is_refused_with_its_line,
                            what_is_no_text_is_refused,
                            it_is_a_group};
    return SUITE_RUN("model_settings", set_up, tear_down, tests);
}
