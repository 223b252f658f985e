/* test_postgres_link: what is tried again, by what PostgreSQL said. SPDX-License-Identifier: MIT */
#include "postgres_link.h"

#include "suite.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

START_TEST(what_passes_is_tried_again)
{
    static const char *const passing[] = {"08006", /* the connection broke */
                                          "57P01", /* the server was stopped */
                                          "57P03", /* it starts */
                                          "57014", /* statement_timeout */
                                          "55P03", /* lock_timeout */
                                          "25P03", /* idle in a transaction */
                                          "25006", /* it is a standby now */
                                          "40001", "40P01", "53300", "53100", "58030"};
    for (size_t i = 0; i < COUNT_OF(passing); i++)
        ck_assert_msg(postgres_outcome_of(passing[i]) == POSTGRES_AGAIN, "%s", passing[i]);
    ck_assert_int_eq(postgres_outcome_of(NULL), POSTGRES_AGAIN);
}
END_TEST

START_TEST(what_would_fail_again_is_not)
{
    static const char *const lasting[] = {"42501", /* no right */
                                          "42P01", "42703", "22012", "23514",
                                          "23502", "22003", "55000", "XX000"};
    for (size_t i = 0; i < COUNT_OF(lasting); i++)
        ck_assert_msg(postgres_outcome_of(lasting[i]) == POSTGRES_FAILED, "%s", lasting[i]);
}
END_TEST

/* libpq would tell pieces of them. */
START_TEST(an_address_that_cannot_be_read_is_not_told)
{
    static const char *const wrong[] = {"host=nowhere.invalid password=a secret",
                                        "postgres://me:%zzsecret@h/d", "postgres://me:p@secret@h/d",
                                        "postgres://me:secret/w@h/d", "postgres://me:w/secret@h/d"};
    char reason[TABLE_REASON_MAX];
    struct postgres_shared shared = {0};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct postgres_link *link = postgres_link_new(wrong[i], NULL, &shared);
        ck_assert(!postgres_link_open(link, reason));
        ck_assert_ptr_null(strstr(reason, "secret"));
        ck_assert_ptr_nonnull(strstr(reason, "the address cannot be read"));
        postgres_link_free(link);
    }
}
END_TEST

static bool to_end(void *self)
{
    return --*(int *)self < 0;
}

START_TEST(who_never_answers_does_not_keep_a_job_that_is_to_end)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), looks = 2;
    ck_assert(bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, 1) == 0 &&
              getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    const struct table_job job = {.stopping = to_end, .self = &looks};
    char at[128], reason[TABLE_REASON_MAX];
    struct postgres_shared shared = {0};
    snprintf(at, sizeof at, "host=127.0.0.1 port=%d connect_timeout=1000", ntohs(address.sin_port));
    struct postgres_link *link = postgres_link_new(at, &job, &shared);
    ck_assert(!postgres_link_open(link, reason));
    ck_assert_str_eq(reason, "PostgreSQL: interrupted");
    postgres_link_free(link);
    close(fd);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_passes_is_tried_again, what_would_fail_again_is_not,
                                  an_address_that_cannot_be_read_is_not_told,
                                  who_never_answers_does_not_keep_a_job_that_is_to_end};
    return SUITE_RUN("postgres_link", NULL, NULL, tests);
}
