/* test_address: addresses as web servers and configurations write them, networks, and what limits count by.
 * SPDX-License-Identifier: MIT */
#include "address.h"
#include "suite.h"

static struct address read_one(const char *text)
{
    struct address address;
    ck_assert_msg(address_read(text_of(text), &address), "%s", text);
    return address;
}

static bool network_has(const char *network, const char *address)
{
    struct address_network one;
    struct address which = read_one(address);
    ck_assert_msg(address_network_read(text_of(network), &one), "%s", network);
    return address_network_has(&one, &which);
}

START_TEST(what_is_an_address_and_what_is_none)
{
    static const char *const good[] = {"127.0.0.1", "::1", "2001:db8::1", "::ffff:10.0.0.1",
                                       "255.255.255.255"};
    static const char *const bad[] = {"",           " ",
                                      "1.2.3",      "1.2.3.4.5",
                                      "01.2.3.4x",  "256.1.1.1",
                                      "0x7f.0.0.1", "[::1]",
                                      "::1%lo",     "1.2.3.4:80",
                                      " 1.2.3.4",   "localhost",
                                      "1.2.3.4/32", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
    struct address address;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        ck_assert_msg(address_read(text_of(good[i]), &address) && address_known(&address), "%s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_assert_msg(!address_read(text_of(bad[i]), &address) && !address_known(&address), "%s", bad[i]);
    ck_assert(!address_read((struct text){"1.2.3.4\0", 8}, &address));
    ck_assert(!address_read((struct text){NULL, 0}, &address));
}
END_TEST

START_TEST(an_address_is_written_as_it_is_read)
{
    static const char *const texts[] = {"127.0.0.1", "::1", "2001:db8::1"};
    char text[ADDRESS_TEXT_MAX];
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct address address = read_one(texts[i]);
        ck_assert_str_eq(address_text(&address, text), texts[i]);
    }
    struct address mapped = read_one("::ffff:10.0.0.1"), none = {{0}};
    ck_assert_str_eq(address_text(&mapped, text), "10.0.0.1");
    ck_assert_str_eq(address_text(&none, text), "");
}
END_TEST

START_TEST(the_loopback_is_known)
{
    static const char *const local[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"};
    static const char *const remote[] = {"128.0.0.1", "::2", "10.0.0.1", "::"};
    struct address address;
    for (size_t i = 0; i < COUNT_OF(local); i++) {
        address = read_one(local[i]);
        ck_assert_msg(address_is_loopback(&address), "%s", local[i]);
    }
    for (size_t i = 0; i < COUNT_OF(remote); i++) {
        address_read(text_of(remote[i]), &address);
        ck_assert_msg(!address_is_loopback(&address), "%s", remote[i]);
    }
}
END_TEST

START_TEST(limits_count_whole_networks_of_ipv6)
{
    struct address one = read_one("2001:db8:1:2::1"), two = read_one("2001:db8:1:2:ffff::9");
    struct address other = read_one("2001:db8:1:3::1"), none = {{0}};
    struct address a = read_one("10.0.0.1"), b = read_one("10.0.0.2"), mapped = read_one("::ffff:10.0.0.1");
    ck_assert_uint_eq(address_number(&one), address_number(&two));
    ck_assert_uint_ne(address_number(&one), address_number(&other));
    ck_assert_uint_ne(address_number(&a), address_number(&b));
    ck_assert_uint_eq(address_number(&a), address_number(&mapped));
    ck_assert_uint_eq(address_number(&none), 0);
    ck_assert_uint_ne(address_number(&a), 0);
}
END_TEST

START_TEST(networks_have_what_begins_so)
{
    ck_assert(network_has("10.0.0.0/8", "10.255.0.1"));
    ck_assert(!network_has("10.0.0.0/8", "11.0.0.1"));
    ck_assert(network_has("10.1.2.3/8", "10.9.9.9")); /* what stands behind the prefix does not count */
    ck_assert(network_has("10.0.0.128/25", "10.0.0.200"));
    ck_assert(!network_has("10.0.0.128/25", "10.0.0.100"));
    ck_assert(network_has("0.0.0.0/0", "1.2.3.4"));
    ck_assert(!network_has("0.0.0.0/0", "2001:db8::1"));
    ck_assert(network_has("::/0", "1.2.3.4"));
    ck_assert(network_has("2001:db8::/33", "2001:db8:7fff::"));
    ck_assert(!network_has("2001:db8::/33", "2001:db8:8000::"));
    ck_assert(network_has("127.0.0.1", "::ffff:127.0.0.1"));
}
END_TEST

START_TEST(a_network_is_written_as_it_is_read)
{
    static const char *const texts[] = {"10.0.0.0/8",    "10.0.0.1",  "::1",
                                        "2001:db8::/32", "0.0.0.0/0", "::/0"};
    char text[ADDRESS_NETWORK_MAX];
    struct address_network network;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        ck_assert(address_network_read(text_of(texts[i]), &network));
        ck_assert_str_eq(address_network_text(&network, text), texts[i]);
    }
}
END_TEST

START_TEST(strange_networks_are_none)
{
    static const char *const bad[] = {"",
                                      "/8",
                                      "10.0.0.0/",
                                      "10.0.0.0/33",
                                      "::/129",
                                      "10.0.0.0/-1",
                                      "10.0.0.0/8x",
                                      "10.0.0.0/0008",
                                      "10.0.0.0 /8",
                                      "x/8"};
    struct address_network network;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_assert_msg(!address_network_read(text_of(bad[i]), &network), "%s", bad[i]);
}
END_TEST

START_TEST(lists_are_parted_by_commas_or_blanks)
{
    struct address_list list;
    char word[ADDRESS_WORD_MAX] = "";
    struct address inside = read_one("10.0.0.1"), also = read_one("::1"), outside = read_one("11.0.0.1");
    ck_assert(address_list_read(" 10.0.0.0/8,, ::1\t", &list, word));
    ck_assert_uint_eq(list.count, 2);
    ck_assert(address_list_has(&list, &inside) && address_list_has(&list, &also));
    ck_assert(!address_list_has(&list, &outside));
    address_list_free(&list);
    ck_assert(address_list_read("", &list, word) && list.count == 0 && !address_list_has(&list, &inside));
    ck_assert(!address_list_read("10.0.0.0/8, nonsense", &list, word));
    ck_assert_str_eq(word, "nonsense");
    ck_assert_uint_eq(list.count, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_is_an_address_and_what_is_none,
                                  an_address_is_written_as_it_is_read,
                                  the_loopback_is_known,
                                  limits_count_whole_networks_of_ipv6,
                                  networks_have_what_begins_so,
                                  a_network_is_written_as_it_is_read,
                                  strange_networks_are_none,
                                  lists_are_parted_by_commas_or_blanks};
    return SUITE_RUN("address", NULL, NULL, tests);
}
