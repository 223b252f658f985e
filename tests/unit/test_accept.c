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

int main(void)
{
    const TTest *const tests[] = {json_is_let_through_or_not};
    return SUITE_RUN("accept", NULL, NULL, tests);
}
