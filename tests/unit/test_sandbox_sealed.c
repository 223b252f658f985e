/* test_sandbox_sealed: the addresses that a process may connect to, as they are asked for.
 * SPDX-License-Identifier: MIT */
#include "sandbox_sealed.h"
#include "suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(addresses_are_found_in_each_form)
{
    char reason[256];
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(7001)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(7001)};
    struct sandbox sandbox = {.mode = "on",
                              .peers = {"tcp://127.0.0.1:7001", "ipc://@name", "tcp://[::1]:7002"}};
    const struct sealed *sealed = sealed_new(&sandbox, reason, sizeof reason);
    ck_assert_ptr_nonnull(sealed);
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_ptr_nonnull(sealed_find(sealed, (struct sockaddr *)&four, sizeof four));
    ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:127.0.0.1", &six.sin6_addr), 1);
    ck_assert_ptr_nonnull(sealed_find(sealed, (struct sockaddr *)&six, sizeof six));
    six.sin6_addr = in6addr_loopback;
    ck_assert_ptr_null(sealed_find(sealed, (struct sockaddr *)&six, sizeof six));
    six.sin6_port = htons(7002);
    ck_assert_ptr_nonnull(sealed_find(sealed, (struct sockaddr *)&six, sizeof six));
    four.sin_port = htons(7002);
    ck_assert_ptr_null(sealed_find(sealed, (struct sockaddr *)&four, sizeof four));
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0name"};
    ck_assert_ptr_nonnull(sealed_find(sealed, (struct sockaddr *)&name, 2 + 5));
    ck_assert_ptr_null(sealed_find(sealed, (struct sockaddr *)&name, 2 + 6));
    ck_assert_ptr_null(sealed_find(sealed, (struct sockaddr *)&name, 2));
    ck_assert_ptr_null(sealed_find(sealed, (struct sockaddr *)&name, 4096));
}
END_TEST

START_TEST(what_is_no_address_is_said)
{
    static const struct {
        const char *endpoint, *reason;
    } cases[] = {{"tcp://host", "tcp://host: expected ADDRESS:PORT"},
                 {"ipc://", ": no path of a socket"},
                 {"pgm://x", "pgm://x: no endpoint"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char reason[256];
        struct sandbox sandbox = {.mode = "on", .peers = {cases[i].endpoint}};
        pid_t pid = fork(); /* the pages can be had once */
        if (pid == 0)
            _exit(sealed_new(&sandbox, reason, sizeof reason) == NULL && strcmp(reason, cases[i].reason) == 0
                      ? 0
                      : 1);
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(status == 0, "%s", cases[i].endpoint);
    }
}
END_TEST

static void nothing(void) {}

int main(void)
{
    const TTest *tests[] = {addresses_are_found_in_each_form, what_is_no_address_is_said};
    return SUITE_RUN("sandbox_sealed", nothing, nothing, tests);
}
