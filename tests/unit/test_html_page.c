/* test_html_page: a page is put together, and its policy names what it brought and nothing else.
 * SPDX-License-Identifier: MIT */
#include "html_page.h"

#include "suite.h"

START_TEST(parts_stand_behind_their_marks_and_the_policy_names_them)
{
    const struct html_part parts[] = {{HTML_STYLE, "<style>", text_of("a{}")},
                                      {HTML_STYLE, "<style>", text_of("b{}")},
                                      {HTML_TEXT, "<pre>", text_of("words")},
                                      {HTML_SCRIPT, "<script>", text_of("1")}};
    struct html_page *page = html_page_new(
        text_of("<style></style><style></style><pre></pre><script></script>."), parts, COUNT_OF(parts));
    ck_assert(
        text_is(page->content, "<style>a{}</style><style>b{}</style><pre>words</pre><script>1</script>."));
    /* openssl dgst -sha256 -binary | base64 */
    ck_assert_str_eq(
        page->policy,
        "default-src 'none'; script-src 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='; "
        "style-src 'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk=' "
        "'sha256-7yqHVAesot11p6HczDsgKRipvI5UPgs97z80zNXlans='; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'");
    html_page_free(page);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {parts_stand_behind_their_marks_and_the_policy_names_them};
    return SUITE_RUN("html_page", NULL, NULL, tests);
}
