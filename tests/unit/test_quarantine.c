/* test_quarantine: what the broker's thread writes, what it throws away, and what it does not write.
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "log.h"
#include "quarantine.h"
#include "repository.h"
#include "suite.h"

#include <dirent.h>

static struct config *config;
static struct quarantine *quarantine;

static void set_up(void)
{
    scratch_make();
    log_open("test_quarantine", "error");
    config = repository_config(NULL);
}

static void tear_down(void)
{
    quarantine_free(quarantine);
    quarantine = NULL;
    config_free(config);
    scratch_remove();
}

/* Keeps a request with a payload of so many bytes, all the same letter. */
static void keep(size_t bytes, char letter)
{
    struct payload payload = payload_new(bytes);
    memset((char *)payload_bytes(&payload).at, letter, bytes);
    char tag[] = {letter, '\0'};
    const struct quarantined record = {.model = text_of("m"),
                                       .version = text_of("1"),
                                       .tag = text_of(tag),
                                       .cause = text_of("died"),
                                       .time_ms = 1,
                                       .rows = 1,
                                       .kills = 2};
    quarantine_keep(quarantine, &record, &payload);
    payload_close(&payload);
}

/* Ends the quarantine, which writes what waits; the tags of the files, oldest first. */
static const char *tags_of_files(void)
{
    static char tags[256];
    struct dirent **entries;
    size_t length = 0;
    quarantine_free(quarantine);
    quarantine = NULL;
    int count = scandir(scratch_path(".state/quarantine"), &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[160];
        uint8_t bytes[4096];
        struct quarantined record;
        snprintf(path, sizeof path, ".state/quarantine/%.120s", entries[i]->d_name);
        free(entries[i]);
        FILE *file = fopen(scratch_path(path), "rb");
        size_t got = file == NULL ? 0 : fread(bytes, 1, sizeof bytes, file);
        if (file != NULL)
            fclose(file);
        if (got > 0 && quarantined_decode(bytes, got, &record) == NULL)
            tags[length++] = record.tag.at[0];
        else if (strstr(path, QUARANTINE_SUFFIX) != NULL)
            tags[length++] = '?';
    }
    free(count < 0 ? NULL : entries);
    tags[length] = '\0';
    return tags;
}

static void start(const char *max_bytes)
{
    char setting[64];
    snprintf(setting, sizeof setting, "broker.max_quarantine_bytes=%s", max_bytes);
    config_free(config);
    config = repository_config((const char *const[]){setting, NULL});
    quarantine = quarantine_new(config);
}

START_TEST(what_is_kept_lies_there_in_order)
{
    start("100000");
    for (int letter = 'a'; letter <= 'e'; letter++)
        keep(10, (char)letter);
    ck_assert_str_eq(tags_of_files(), "abcde");
    struct stat status;
    ck_assert_int_eq(stat(scratch_path(".state/quarantine"), &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 0700);
    start("100000"); /* another broker adds to it */
    keep(10, 'f');
    ck_assert_str_eq(tags_of_files(), "abcdef");
}
END_TEST

START_TEST(the_oldest_go_when_there_is_no_room)
{
    start("6000"); /* what waits counts with its bound; so each is written before the next */
    for (int letter = 'a'; letter <= 'h'; letter++) {
        keep(1000, (char)letter);
        quarantine_free(quarantine);
        quarantine = quarantine_new(config);
    }
    ck_assert_str_eq(tags_of_files(), "defgh"); /* 5 x (1000 + 100) */
}
END_TEST

static struct quarantine_counts counts_when(uint64_t done)
{
    struct quarantine_counts counts;
    int64_t limit = clock_now() + 30 * SECOND;
    do {
        counts = quarantine_counts(quarantine);
        ck_assert_int_lt(clock_now(), limit);
    } while (counts.kept + counts.failed < done);
    return counts;
}

START_TEST(what_has_no_room_at_all_is_dropped)
{
    start("3000");
    keep(3000, 'a');
    keep(10, 'b');
    struct quarantine_counts counts = counts_when(1);
    ck_assert(counts.kept == 1 && counts.dropped == 1 && counts.failed == 0);
    ck_assert_str_eq(tags_of_files(), "b");
}
END_TEST

START_TEST(what_cannot_be_written_is_counted)
{
    scratch_file(".state", "in the way");
    start("100000");
    keep(10, 'a');
    struct quarantine_counts counts = counts_when(1);
    ck_assert(counts.kept == 0 && counts.dropped == 0 && counts.failed == 1);
    ck_assert_int_eq(unlink(scratch_path(".state")), 0); /* and then it can */
    keep(10, 'b');
    counts = counts_when(2);
    ck_assert(counts.kept == 1 && counts.failed == 1);
    ck_assert_str_eq(tags_of_files(), "b");
}
END_TEST

START_TEST(what_a_killed_broker_left_half_written_goes)
{
    scratch_folder(".state");
    scratch_folder(".state/quarantine");
    scratch_file(".state/quarantine/20200101T000000.000000Z.request.new", "half");
    scratch_file(".state/quarantine/note.txt", "somebody's own");
    start("100000");
    keep(10, 'a');
    ck_assert_str_eq(tags_of_files(), "a");
    ck_assert_int_eq(access(scratch_path(".state/quarantine/note.txt"), F_OK), 0);
}
END_TEST

START_TEST(nothing_is_kept_when_nobody_wants_it)
{
    start("0");
    ck_assert_ptr_null(quarantine);
    keep(10, 'a');
    ck_assert_uint_eq(quarantine_counts(quarantine).dropped, 0);
    quarantine_free(NULL);
    ck_assert_str_eq(tags_of_files(), "");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_is_kept_lies_there_in_order,
                                  the_oldest_go_when_there_is_no_room,
                                  what_has_no_room_at_all_is_dropped,
                                  what_cannot_be_written_is_counted,
                                  what_a_killed_broker_left_half_written_goes,
                                  nothing_is_kept_when_nobody_wants_it};
    return SUITE_RUN("quarantine", set_up, tear_down, tests);
}
