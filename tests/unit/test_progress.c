/* test_progress: what was asked for is told until many others have come after it.
 * SPDX-License-Identifier: MIT */
#include "progress.h"

#include "suite.h"

static struct progress *progress;
static struct progress_view view;

static void set_up(void)
{
    progress = progress_new();
}

static void tear_down(void)
{
    progress_free(progress);
}

START_TEST(lines_and_an_end)
{
    uint64_t id = progress_begin(progress);
    ck_assert(progress_look(progress, id, &view));
    ck_assert(!view.done && view.line_count == 0 && view.failure == NULL);
    progress_say(progress, id, "%d of %d", 1, 2);
    progress_say(progress, id, "done");
    progress_end(progress, id, NULL);
    progress_end(progress, id, "too late");
    ck_assert(progress_look(progress, id, &view));
    ck_assert(view.done && view.failure == NULL);
    ck_assert_uint_eq(view.line_count, 2);
    ck_assert_str_eq(view.lines[0], "1 of 2");
}
END_TEST

START_TEST(a_failure_is_told)
{
    uint64_t id = progress_begin(progress);
    progress_end(progress, id, "it broke");
    ck_assert(progress_look(progress, id, &view));
    ck_assert(view.done);
    ck_assert_str_eq(view.failure, "it broke");
}
END_TEST

START_TEST(numbers_are_never_used_again)
{
    uint64_t first = progress_begin(progress), last = 0;
    for (int i = 0; i < 63; i++)
        last = progress_begin(progress);
    ck_assert_uint_eq(last, first + 63);
    ck_assert(progress_look(progress, first, &view));
    progress_say(progress, first, "still there");
    progress_begin(progress);
    ck_assert(!progress_look(progress, first, &view));
    progress_say(progress, first, "to nobody");
    progress_end(progress, first, NULL);
    ck_assert(!progress_look(progress, 0, &view) && !progress_look(progress, last + 64, &view));
    progress_free(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {lines_and_an_end, a_failure_is_told, numbers_are_never_used_again};
    return SUITE_RUN("progress", set_up, tear_down, tests);
}
