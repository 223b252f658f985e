/* test_complete: what may stand where the cursor is. SPDX-License-Identifier: MIT */
#include "complete.h"
#include "suite.h"

enum { WORDS_MAX = 16 };
static char found[16384]; /* "a b c " */
static char asked[256];   /* of the source */

/* The models m and n, and of each the versions 1 and 2. */
static void each(void *self, const struct complete_place *place, const char *model, complete_take *take,
                 void *taker)
{
    (void)self;
    snprintf(asked, sizeof asked, "%s %zu %s", place->config_file == NULL ? "-" : place->config_file,
             place->setting_count, place->setting_count > 0 ? place->settings[0] : "-");
    take(taker, model == NULL ? "m" : "1", "");
    take(taker, model == NULL ? "n" : "2", "");
}

static void take(void *self, const char *candidate, const char *meaning)
{
    (void)self;
    ck_assert_ptr_nonnull(meaning);
    strcat(strcat(found, candidate), " ");
}

/* The candidates for the last of the words in `line`; "" is written as _. */
static const char *completed(const char *line)
{
    static char copy[1024];
    const char *words[WORDS_MAX];
    const struct complete_source source = {.each = each};
    size_t count = 0;
    strcpy(copy, line);
    found[0] = asked[0] = '\0';
    for (char *word = strtok(copy, " "); word != NULL && count < WORDS_MAX; word = strtok(NULL, " "))
        words[count++] = strcmp(word, "_") == 0 ? "" : word;
    return complete(words, count, &source, take, NULL) ? ":files" : found;
}

START_TEST(commands)
{
    ck_assert_str_eq(completed("statu"), "status ");
    ck_assert_str_eq(completed("re"), "reload restart replay ");
    ck_assert_str_eq(completed("--ver"), "--version ");
    ck_assert_str_eq(completed("xyz"), "");
    ck_assert_str_eq(completed("xyz _"), "");
    ck_assert_str_eq(completed("complet"), "completion ");
    completed("_");
    for (size_t i = 0; command_at(i) != NULL; i++)
        ck_assert(command_at(i)->hidden || strchr(command_at(i)->name, ' ') != NULL ||
                  strstr(found, command_at(i)->name) != NULL);
}
END_TEST

START_TEST(options)
{
    ck_assert_str_eq(completed("status --"), "--config --set --json --wait --help ");
    ck_assert_str_eq(completed("status --json -s a=1 --w"), "--wait ");
    ck_assert_str_eq(completed("version -"), "--json --help ");
    ck_assert_str_eq(completed("status --wait _"), "");
    ck_assert_str_eq(completed("status -- --w"), "");
    ck_assert_str_eq(completed("status --none=x"), "");
}
END_TEST

START_TEST(values_of_options)
{
    ck_assert_str_eq(completed("status --config _"), ":files");
    ck_assert_str_eq(completed("status -c _"), ":files");
    ck_assert_str_eq(completed("status --config=x"), ":files");
    ck_assert_str_eq(completed("restart workers --model _"), "m n ");
    ck_assert_str_eq(completed("restart workers --model=n"), "--model=n ");
    ck_assert_str_eq(completed("status -s frontend.max_b"), "frontend.max_body_bytes= ");
    ck_assert_str_eq(completed("status --set models_d"), "models_directory= ");
    ck_assert_str_eq(completed("replay f --model n --version _"), "1 2 ");
    ck_assert_str_eq(completed("replay f --version _"), "");
}
END_TEST

START_TEST(operands)
{
    ck_assert_str_eq(completed("restart _"), "workers frontends broker collector all ");
    ck_assert_str_eq(completed("restart --json -c f fr"), "frontends ");
    ck_assert_str_eq(completed("restart all _"), "");
    ck_assert_str_eq(completed("check _"), ":files");
    ck_assert_str_eq(completed("completion b"), "bash ");
    ck_assert_str_eq(completed("help statu"), "status ");
    ck_assert_str_eq(completed("stop _"), "");
}
END_TEST

START_TEST(the_configuration_so_far_is_asked)
{
    completed("restart workers -c f -s a=1 --set=b=2 --model _");
    ck_assert_str_eq(asked, "f 2 a=1");
    completed("restart workers --config=g --model _");
    ck_assert_str_eq(asked, "g 0 -");
    completed("restart workers _");
    ck_assert_str_eq(asked, "");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {commands, options, values_of_options, operands,
                                  the_configuration_so_far_is_asked};
    return SUITE_RUN("complete", NULL, NULL, tests);
}
