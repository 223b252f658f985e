/* test_config_documents: what is written of outrigger.conf agrees with the table of its parameters: the
 * template and the sample have each with its default, the manual page says of each what the table says.
 * SPDX-License-Identifier: MIT */
#include "config_scene.h"

#include <stdlib.h>

/* ---- the template and the sample ---- */

static void expect_equal_to_defaults(const struct config *config)
{
    struct config *standard = config_load(NULL, NULL, 0, &errors);
    ck_assert_ptr_nonnull(standard);
#define INTEGER(section, name, ...)                                                                          \
    ck_assert_int_eq(config->CONFIG_NAME(section, name), standard->CONFIG_NAME(section, name));
#define STRING(section, name, ...)                                                                           \
    ck_assert_str_eq(config->CONFIG_NAME(section, name), standard->CONFIG_NAME(section, name));
#include "parameters.def"
#undef INTEGER
#undef STRING
    config_free(standard);
}

static char *template_text(void (*print)(FILE *))
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    print(out);
    fclose(out);
    return text;
}

/* True when a line of the text, blanks aside, starts with the key and an equals sign. */
static bool has_key(const char *text, const char *key)
{
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += strspn(line, "\n ");
        size_t length = strlen(key);
        if (strncmp(line, key, length) == 0 && line[length + strspn(line + length, " ")] == '=')
            return true;
    }
    return false;
}

static void expect_every_parameter(const char *text)
{
#define INTEGER(section, name, ...) ck_assert_msg(has_key(text, #name), "%s is missing", #name);
#define STRING(section, name, ...)  ck_assert_msg(has_key(text, #name), "%s is missing", #name);
#include "parameters.def"
#undef INTEGER
#undef STRING
}

static void read_repository_file(const char *path, char *text, size_t capacity)
{
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s: run the tests from the top folder", path);
    size_t length = fread(text, 1, capacity - 1, file);
    fclose(file);
    ck_assert_uint_lt(length, capacity - 1);
    text[length] = '\0';
}

START_TEST(the_template_is_complete_and_equal_to_the_defaults)
{
    char *text = template_text(config_print_template);
    expect_every_parameter(text);
    load_text(text);
    expect_good();
    expect_equal_to_defaults(loaded);
    free(text);
}
END_TEST

START_TEST(the_sample_is_complete_and_equal_to_the_defaults)
{
    char text[65536];
    read_repository_file("conf/outrigger.conf", text, sizeof text);
    expect_every_parameter(text);
    loaded = config_load("conf/outrigger.conf", NULL, 0, &errors);
    expect_good();
    expect_equal_to_defaults(loaded);
}
END_TEST

/* ---- the manual page ---- */

/* A manual page has a paragraph for each: ".TP", its path in bold, what it is. */
static void expect_in_manual(const char *manual, const char *section, const char *name, const char *help)
{
    char head[256];
    snprintf(head, sizeof head, "\n.TP\n.BR %s%s%s ", section, *section == '\0' ? "" : ".", name);
    const char *at = strstr(manual, head);
    ck_assert_msg(at != NULL, "no paragraph for %s.%s", section, name);
    const char *text = strchr(at + strlen(head), '\n') + 1;
    ck_assert_msg(strncmp(text, help, strlen(help)) == 0, "%s.%s says something else", section, name);
}

START_TEST(the_manual_pages_have_every_parameter)
{
    char text[65536];
    read_repository_file("deploy/man/outrigger.conf.5", text, sizeof text);
#define INTEGER(section, name, standard, minimum, maximum, unit, help)                                       \
    expect_in_manual(text, #section, #name, help);
#define STRING(section, name, standard, help) expect_in_manual(text, #section, #name, help);
#include "parameters.def"
#undef INTEGER
#undef STRING
    char model[65536];
    read_repository_file("deploy/man/model.conf.5", model, sizeof model);
#define INTEGER(section, name, standard, minimum, maximum, unit, help)                                       \
    expect_in_manual(model, #section, #name, help);
#define REAL(section, name, standard, minimum, maximum, unit, help)                                          \
    expect_in_manual(model, #section, #name, help);
#define STRING(section, name, standard, help) expect_in_manual(model, #section, #name, help);
#define NAMES(section, name, help)            expect_in_manual(model, #section, #name, help);
#include "model_parameters.def"
#undef INTEGER
#undef REAL
#undef STRING
#undef NAMES
    static const char *const fields[] = {"arms", "by", "rules", "force_header", "force_from", "shadow"};
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        char row[64];
        snprintf(row, sizeof row, ".BR route.%s \"", fields[i]);
        ck_assert_msg(strstr(model, row) != NULL, "%s", fields[i]);
    }
}
END_TEST

/* A parameter of a job, in the part of the page behind `part`. */
static void expect_in_job_manual(const char *part, const char *name, const char *help)
{
    ck_assert_ptr_nonnull(part);
    expect_in_manual(part, "", name, help);
}

START_TEST(the_manual_page_of_jobs_has_every_parameter)
{
    char text[65536];
    read_repository_file("deploy/man/outrigger-job.5", text, sizeof text);
    const char *batch = strstr(text, ".SH PARAMETERS OF A BATCH JOB");
    const char *stream = strstr(text, ".SH PARAMETERS OF A STREAM JOB");
#define INTEGER(section, name, standard, minimum, maximum, unit, help)                                       \
    expect_in_job_manual(part, #name, help);
#define STRING(section, name, standard, help) expect_in_job_manual(part, #name, help);
#define NAMES(section, name, help)            expect_in_job_manual(part, #name, help);
    const char *part = batch;
#include "job.def"
    part = stream;
#include "stream_job.def"
#undef INTEGER
#undef STRING
#undef NAMES
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        the_template_is_complete_and_equal_to_the_defaults,
        the_sample_is_complete_and_equal_to_the_defaults,
        the_manual_pages_have_every_parameter,
        the_manual_page_of_jobs_has_every_parameter,
    };
    return SUITE_RUN("config_documents", set_up, tear_down, tests);
}
