/* test_frame: messages between two processes of ours. SPDX-License-Identifier: MIT */
#include "frame.h"
#include "suite.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static int here, there;
static struct frame frame;

static void set_up(void)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    here = pair[0];
    there = pair[1];
}

static void tear_down(void)
{
    frame_free(&frame);
    close(here);
}

START_TEST(frames_come_as_they_were_sent)
{
    ck_assert(frame_write(there, 'A', "words", 5));
    ck_assert(frame_write(there, 'B', NULL, 0));
    ck_assert(frame_write(there, 'C', "more words", 10));
    ck_assert(frame_read(here, &frame));
    ck_assert_int_eq(frame.kind, 'A');
    ck_assert_uint_eq(frame.length, 5);
    ck_assert_mem_eq(frame.bytes, "words", 5);
    ck_assert(frame_read(here, &frame));
    ck_assert_int_eq(frame.kind, 'B');
    ck_assert_uint_eq(frame.length, 0);
    ck_assert(frame_read(here, &frame));
    ck_assert_mem_eq(frame.bytes, "more words", 10);
    close(there);
    ck_assert(!frame_read(here, &frame));
    ck_assert_int_eq(errno, 0); /* the end, in its place */
}
END_TEST

/* What is no frame, or not all of one. */
static const struct {
    const char *bytes;
    size_t length;
} wrong[] = {{"\0\0\0\0", 4},         /* not even a kind */
             {"\377\377\377\377", 4}, /* more than there may be */
             {"\5\0", 2},
             {"\5\0\0\0", 4},
             {"\5\0\0\0Aabc", 8}};

START_TEST(what_is_no_frame_is_refused)
{
    ck_assert_int_eq(write(there, wrong[_i].bytes, wrong[_i].length), (ssize_t)wrong[_i].length);
    close(there);
    ck_assert(!frame_read(here, &frame));
    ck_assert_int_eq(errno, EBADMSG);
}
END_TEST

START_TEST(what_is_too_large_is_not_sent)
{
    ck_assert(!frame_write(there, 'A', "", FRAME_BYTES_MAX));
    ck_assert_int_eq(errno, EMSGSIZE);
    close(there);
    ck_assert(!frame_read(here, &frame));
    ck_assert_int_eq(errno, 0); /* nothing of it has come */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame");
    TCase *group = suite_group(suite, "frame", set_up, tear_down);
    tcase_add_test(group, frames_come_as_they_were_sent);
    tcase_add_loop_test(group, what_is_no_frame_is_refused, 0, COUNT_OF(wrong));
    tcase_add_test(group, what_is_too_large_is_not_sent);
    return suite_finish(suite);
}
