/* test_worker_token: tokens are drawn, handed over once, and told from what is none.
 * SPDX-License-Identifier: MIT */
#include "suite.h"
#include "worker_token.h"

#include <fcntl.h>
#include <unistd.h>

START_TEST(no_two_are_alike)
{
    struct worker_token one = worker_token_draw(), two = worker_token_draw();
    ck_assert(worker_token_ok(text_of(one.text)) && worker_token_ok(text_of(two.text)));
    ck_assert_str_ne(one.text, two.text);
    ck_assert_str_eq(worker_token_read(text_of(one.text)).text, one.text);
}
END_TEST

START_TEST(what_is_none)
{
    char text[WORKER_TOKEN_LENGTH + 2];
    static const char bad[] = "gAF/:` \n";
    memset(text, 'a', sizeof text);
    ck_assert(worker_token_ok((struct text){text, WORKER_TOKEN_LENGTH}));
    ck_assert(!worker_token_ok((struct text){text, WORKER_TOKEN_LENGTH - 1}));
    ck_assert(!worker_token_ok((struct text){text, WORKER_TOKEN_LENGTH + 1}));
    ck_assert(!worker_token_ok((struct text){0}));
    for (size_t i = 0; i < sizeof bad; i++) { /* its terminator, too */
        text[WORKER_TOKEN_LENGTH - 1] = bad[i];
        ck_assert(!worker_token_ok((struct text){text, WORKER_TOKEN_LENGTH}));
        ck_assert_str_eq(worker_token_read((struct text){text, WORKER_TOKEN_LENGTH}).text, "");
    }
}
END_TEST

START_TEST(it_is_read_once)
{
    struct worker_token laid = worker_token_draw(), taken, again;
    int fd = worker_token_lay(&laid);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    int copy = dup(fd);
    ck_assert(worker_token_take(fd, &taken));
    ck_assert_str_eq(taken.text, laid.text);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1); /* closed */
    ck_assert(!worker_token_take(copy, &again));
    ck_assert_str_eq(again.text, "");
}
END_TEST

START_TEST(what_cannot_be_read_is_none)
{
    struct worker_token token = worker_token_draw();
    ck_assert(!worker_token_take(-1, &token));
    ck_assert_str_eq(token.text, "");
    ck_assert(!worker_token_take(open("/dev/zero", O_RDONLY), &token));
    ck_assert_str_eq(token.text, "");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {no_two_are_alike, what_is_none, it_is_read_once,
                                  what_cannot_be_read_is_none};
    return SUITE_RUN("worker_token", NULL, NULL, tests);
}
