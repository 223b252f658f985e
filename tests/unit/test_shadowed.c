/* test_shadowed: what `outrigger route` says of a shadow version. SPDX-License-Identifier: MIT */
#include "shadowed.h"
#include "suite.h"

#define NUMBERS "\"copies\":10,\"answered\":7,\"failed\":1,\"dropped\":2,"

static char *line;

static void tell(const char *models, const char *model, const char *shadow)
{
    char text[1024];
    snprintf(text, sizeof text, "{\"ok\":true,\"models\":[%s]}", models);
    yyjson_doc *answer = yyjson_read(text, strlen(text), 0);
    ck_assert_ptr_nonnull(answer);
    free(line);
    line = shadowed_line(answer, model, shadow);
    yyjson_doc_free(answer);
}

static void tear_down(void)
{
    free(line);
}

START_TEST(agreement_is_a_share)
{
    tell("{\"model\":\"m\",\"stable\":\"3\",\"shadow\":\"4\"," NUMBERS
         "\"compared\":800,\"agreed\":794,\"largest\":0.25,\"mean\":0.00125}",
         "m", "4");
    ck_assert_str_eq(line, "shadow 4 of 3: 99.25 % of 800 predictions agree; difference 0.00125 on average, "
                           "0.25 at most; of 10 copies 1 failed, 2 were dropped");
}
END_TEST

START_TEST(the_newest_stable_version_counts)
{
    tell("{\"model\":\"m\",\"stable\":\"2\",\"shadow\":\"4\",\"compared\":5,\"agreed\":1},"
         "{\"model\":\"m\",\"stable\":\"3\",\"shadow\":\"4\",\"copies\":1}",
         "m", "4");
    ck_assert_str_eq(line, "shadow 4 of 3: nothing compared yet; difference 0 on average, 0 at most; of 1 "
                           "copies 0 failed, 0 were dropped");
}
END_TEST

START_TEST(others_are_none)
{
    tell("{\"model\":\"m\",\"stable\":\"3\",\"shadow\":\"4\"}", "n", "4");
    ck_assert_ptr_null(line);
    tell("{\"model\":\"m\",\"stable\":\"3\",\"shadow\":\"4\"}", "m", "3");
    ck_assert_ptr_null(line);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        agreement_is_a_share,
        the_newest_stable_version_counts,
        others_are_none,
    };
    return SUITE_RUN("shadowed", NULL, tear_down, tests);
}
