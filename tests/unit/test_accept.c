/* test_accept: Accept headers as clients send them, and strange ones. SPDX-License-Identifier: MIT */
#include "accept.h"
#include "suite.h"

START_TEST(json_is_let_through_or_not)
{
    static const char *const good[] = {"",
                                       "*/*",
                                       "application/json",
                                       "Application/JSON;charset=utf-8",
                                       "text/html, application/*;q=0.1",
                                       "text/html,application/xhtml+xml,*/*;q=0.8",
                                       "text/plain;q=0, */*",
                                       "application/json;q=0.001",
                                       "text/html;x=\"a,b;q=0\", application/json",
                                       "nonsense",
                                       ",,;;",
                                       "*/*;q=0, application/json"};
    static const char *const bad[] = {"text/html",
                                      "application/xml, text/*",
                                      "application/json;q=0",
                                      "application/json ; q=0.000 , */*",
                                      "*/*;q=0",
                                      "application/jsonx",
                                      "text/html;x=\"*/*, application/json\""};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        ck_assert_msg(accept_allows(text_of(good[i]), "application/json"), "%s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_assert_msg(!accept_allows(text_of(bad[i]), "application/json"), "%s", bad[i]);
}
END_TEST

START_TEST(likings_have_weights)
{
    static const struct {
        const char *accept;
        int weight, named;
    } cases[] = {{"", 0, 0},
                 {"*/*", 1000, 0},
                 {"application/json", 1000, 1000},
                 {"application/json;q=0.25, */*", 250, 250},
                 {"application/*;q=0.5;x=y, */*;q=0.1", 500, 0},
                 {"application/json;version=1;q=0.3,application/json;version=2;q=0.7", 700, 700},
                 {"application/json;q=2", 1000, 1000},
                 {"application/json;q=0.0001", 0, 0},
                 {"application/json;q=x", 1000, 1000},
                 {"text/html", 0, 0}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct text accept = text_of(cases[i].accept);
        ck_assert_msg(accept_weight(accept, "application/json", false) == cases[i].weight, "%s",
                      cases[i].accept);
        ck_assert_msg(accept_weight(accept, "application/json", true) == cases[i].named, "%s",
                      cases[i].accept);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {json_is_let_through_or_not, likings_have_weights};
    return SUITE_RUN("accept", NULL, NULL, tests);
}
