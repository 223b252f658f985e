/* test_identity: what somebody is called, and that nobody else is called so. SPDX-License-Identifier: MIT */
#include "identity.h"
#include "suite.h"

#include <stdio.h>

static struct identity named(const char *said_by, struct text name)
{
    struct identity identity = {.kind = IDENTITY_TOKEN};
    identity_name(&identity, said_by, name);
    ck_assert(identity.tenant != 0 && *identity.name != '\0');
    return identity;
}

START_TEST(a_name_that_can_be_shown_is_shown)
{
    char longest[IDENTITY_NAME_MAX + 1];
    snprintf(longest, sizeof longest, "%0*d", IDENTITY_NAME_MAX, 7);
    const char *const names[] = {"a", "CN=Zoë,O=Acme ~ Co", "a~0123456789abcdef", longest};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        ck_assert_str_eq(named("", text_of(names[i])).name, names[i]);
}
END_TEST

START_TEST(any_other_has_a_mark)
{
    /* printf 'a\nb' | sha256sum */
    ck_assert_str_eq(named("", text_of("a\nb")).name, "a?b~7e18f737311b2dc3b2f269dd78396b03");
    char name[200];
    snprintf(name, sizeof name, "%094d\xc3\xa9%050d", 1, 2); /* the second byte of a character would be cut */
    struct identity identity = named("", text_of(name));
    ck_assert_int_eq(strncmp(identity.name, name, 94), 0);
    ck_assert_int_eq(identity.name[94], '~');
    ck_assert_uint_eq(strlen(identity.name), 94 + 33);
}
END_TEST

/* Names of which each would be another's if anything were cut off or mended. */
START_TEST(no_two_share_a_name_or_a_place)
{
    char names[9][400], marked[IDENTITY_NAME_MAX + 1];
    size_t lengths[COUNT_OF(names)];
    for (size_t i = 0; i < 3; i++)
        snprintf(names[i], sizeof names[i], "%0*d%zu", i == 2 ? 300 : 200, 1, i);
    snprintf(names[3], sizeof names[3], "a\nb");
    snprintf(names[4], sizeof names[4], "a\rb");
    snprintf(names[5], sizeof names[5], "a?b");
    snprintf(names[6], sizeof names[6], "a\xff");
    snprintf(names[7], sizeof names[7], "a\xfe");
    for (size_t i = 0; i < COUNT_OF(names) - 1; i++)
        lengths[i] = strlen(names[i]);
    /* somebody chooses what another is shown as */
    strcpy(marked, named("", text_of(names[0])).name);
    lengths[8] = (size_t)snprintf(names[8], sizeof names[8], "%s", marked);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        for (size_t j = 0; j < i; j++) {
            struct identity one = named("", (struct text){names[i], lengths[i]});
            struct identity other = named("", (struct text){names[j], lengths[j]});
            ck_assert_str_ne(one.name, other.name);
            ck_assert_uint_ne(one.tenant, other.tenant);
        }
}
END_TEST

START_TEST(whoever_says_it_counts)
{
    ck_assert_uint_ne(named("", text_of("a")).tenant, named("https://issuer", text_of("a")).tenant);
    ck_assert_uint_ne(named("https://issue", text_of("ra")).tenant,
                      named("https://issuer", text_of("a")).tenant);
    ck_assert_uint_eq(named("i", text_of("a")).tenant, named("i", text_of("a")).tenant);
    ck_assert_uint_ne(named("", (struct text){"a\0b", 3}).tenant, named("", text_of("a")).tenant);
    ck_assert_str_ne(named("", (struct text){"a\0b", 3}).name, "a");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_name_that_can_be_shown_is_shown, any_other_has_a_mark,
                                  no_two_share_a_name_or_a_place, whoever_says_it_counts};
    return SUITE_RUN("identity", NULL, NULL, tests);
}
