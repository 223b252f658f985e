/* A file of the history in which some bytes are others: whatever a crash or a disk has made of it, what is
 * read of it is bounded, and samples can be taken on top. SPDX-License-Identifier: MIT */
#include "history.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { START = 1800000000, POINTS = 40 };

static void look(struct history *history)
{
    static const struct history_scope scopes[] = {{"", NULL}, {NULL, NULL}, {"iris", NULL}, {"iris", "1"}};
    static const int64_t steps[] = {1, 10, 60, 300};
    struct history_point points[POINTS];
    for (size_t i = 0; i < COUNT_OF(scopes); i++)
        for (size_t j = 0; j < COUNT_OF(steps); j++)
            history_read(history, scopes[i], START - steps[j] * (POINTS - 5), steps[j], POINTS, points);
    history_last(history, scopes[1], 300);
    history_last(history, scopes[1], 3600);
}

/* What is taken is there, whatever was. */
static void take(struct history *history, int64_t second, uint64_t total)
{
    ENSURE(history_begin(history, second * 1000, second * 1000));
    history_set(history, "iris", "1", HISTORY_OK, total);
    ENSURE(history_end(history));
}

/* A file with some samples of the run before. */
static int good_file(void)
{
    int fd = memfd_create("history", 0);
    ENSURE(fd != -1);
    struct history *history = history_new(dup(fd), 1);
    for (int64_t i = 0; i < 5; i++)
        take(history, START - 5 + i, 100 * (uint64_t)i);
    history_free(history);
    return fd;
}

/* The first three bytes say where in the file the others stand. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < 3)
        return 0;
    int fd = good_file();
    off_t place = bytes[0] | bytes[1] << 8 | bytes[2] << 16;
    ENSURE(pwrite(fd, bytes + 3, length - 3, place) == (ssize_t)length - 3);
    struct history *history = history_new(fd, 1);
    int64_t newest = history_newest(history);
    ENSURE(newest >= 0);
    look(history);
    int64_t second = newest == START ? START + 1 : START;
    take(history, second, 1000);
    take(history, second + 1, 1007);
    struct history_point point;
    history_read(history, (struct history_scope){"iris", "1"}, second + 1, 1, 1, &point);
    ENSURE(point.seconds > 0 && point.numbers[HISTORY_OK] <= 1007);
    look(history);
    history_free(history);
    return 0;
}
