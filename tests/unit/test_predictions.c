/* test_predictions: records come back as they were written, over files that take turns, beside a writer that
 * goes on, and from files that somebody has damaged. SPDX-License-Identifier: MIT */
#include "predictions.h"
#include "scratch_directory.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

static struct prediction answered(const char *version, uint64_t request)
{
    return (struct prediction){.kind = PREDICTION_ANSWERED,
                               .flags = PREDICTION_BINARY,
                               .request = request,
                               .row = (uint32_t)request % 7,
                               .at_ms = 1000 + (int64_t)request,
                               .value = 1,
                               .probability = 0.75,
                               .label = 5,
                               .positive = 6,
                               .model = text_of("churn"),
                               .version = text_of(version)};
}

static void expect_answered(const struct prediction *prediction, const char *version, uint64_t request)
{
    ck_assert_int_eq(prediction->kind, PREDICTION_ANSWERED);
    ck_assert_uint_eq(prediction->request, request);
    ck_assert_uint_eq(prediction->row, (uint32_t)request % 7);
    ck_assert_int_eq(prediction->at_ms, 1000 + (int64_t)request);
    ck_assert(prediction->value == 1 && prediction->probability == 0.75);
    ck_assert(prediction->label == 5 && prediction->positive == 6);
    ck_assert_uint_eq(prediction->flags, PREDICTION_BINARY);
    ck_assert(text_is(prediction->model, "churn") && text_is(prediction->version, version));
}

START_TEST(what_is_written_is_read)
{
    struct predictions *predictions = predictions_new(scratch_directory, "f", 1000);
    struct predictions_reader *reader = predictions_reader_new(scratch_path("f.0"));
    struct prediction one = answered("1", 10), other = answered("2", 11), read;
    struct prediction actual = {.kind = PREDICTION_ACTUAL,
                                .flags = PREDICTION_BY_NUMBER,
                                .request = 10,
                                .row = 3,
                                .at_ms = 2000,
                                .actual = 0.5,
                                .actual_label = 9};
    struct prediction joined = one;
    joined.kind = PREDICTION_JOINED;
    joined.flags = PREDICTION_RIGHT;
    joined.actual = -2;
    ck_assert(!predictions_read(reader, &read));
    ck_assert(predictions_add(predictions, &one, 1) && predictions_add(predictions, &other, 1));
    ck_assert(predictions_add(predictions, &actual, 1) && predictions_add(predictions, &joined, 1));
    ck_assert(!predictions_read(reader, &read)); /* it has not been written yet */
    ck_assert(predictions_flush(predictions));
    ck_assert(predictions_read(reader, &read));
    expect_answered(&read, "1", 10);
    ck_assert(predictions_read(reader, &read));
    expect_answered(&read, "2", 11);
    ck_assert(predictions_read(reader, &read));
    ck_assert(read.kind == PREDICTION_ACTUAL && read.request == 10 && read.row == 3 && read.at_ms == 2000);
    ck_assert(read.actual == 0.5 && read.actual_label == 9 && read.flags == PREDICTION_BY_NUMBER);
    ck_assert(predictions_read(reader, &read));
    ck_assert(read.kind == PREDICTION_JOINED && read.actual == -2 && read.flags == PREDICTION_RIGHT);
    ck_assert(text_is(read.model, "churn") && text_is(read.version, "1"));
    ck_assert(!predictions_read(reader, &read));
    predictions_rewind(reader);
    ck_assert(predictions_read(reader, &read));
    expect_answered(&read, "1", 10);
    predictions_reader_free(reader);
    predictions_free(predictions);
}
END_TEST

/* How many of the last requests the two files hold together; they are the newest without a gap. */
static uint64_t newest_kept(uint64_t last)
{
    uint64_t lowest = last + 1, kept = 0;
    for (unsigned i = 0; i < 2; i++) {
        char name[8];
        struct prediction read;
        snprintf(name, sizeof name, "f.%u", i);
        struct predictions_reader *reader = predictions_reader_new(scratch_path(name));
        while (predictions_read(reader, &read)) {
            expect_answered(&read, read.request % 2 ? "1" : "a-longer-name-of-a-version.2", read.request);
            lowest = read.request < lowest ? read.request : lowest;
            kept++;
        }
        predictions_reader_free(reader);
    }
    ck_assert_uint_eq(kept, last + 1 - lowest);
    return kept;
}

START_TEST(two_files_take_turns)
{
    struct predictions *predictions = predictions_new(scratch_directory, "f", 3000);
    for (uint64_t i = 1; i <= 5000; i++) {
        struct prediction one = answered(i % 2 ? "1" : "a-longer-name-of-a-version.2", i);
        ck_assert(predictions_add(predictions, &one, 1));
    }
    ck_assert(predictions_flush(predictions));
    uint64_t kept = newest_kept(5000);
    ck_assert_msg(kept >= 1300 && kept <= 3000, "%llu", (unsigned long long)kept);
    predictions_free(predictions);
    /* Whoever starts again leaves the newer file alone. */
    predictions = predictions_new(scratch_directory, "f", 3000);
    struct prediction one = answered("1", 5001);
    ck_assert(predictions_add(predictions, &one, 1) && predictions_flush(predictions));
    ck_assert_uint_ge(newest_kept(5001), 2);
    predictions_free(predictions);
}
END_TEST

START_TEST(many_may_be_written_at_a_time)
{
    struct predictions *predictions = predictions_new(scratch_directory, "f", 3000);
    struct prediction list[100];
    for (uint64_t i = 0; i < 50; i++) {
        for (uint64_t j = 0; j < COUNT_OF(list); j++)
            list[j] = answered("1", 1 + i * COUNT_OF(list) + j);
        ck_assert(predictions_add(predictions, list, COUNT_OF(list)));
    }
    ck_assert(predictions_flush(predictions));
    uint64_t lowest = UINT64_MAX, kept = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct predictions_reader *reader = predictions_reader_new(scratch_path(i == 0 ? "f.0" : "f.1"));
        struct prediction read;
        while (predictions_read(reader, &read)) {
            expect_answered(&read, "1", read.request);
            lowest = read.request < lowest ? read.request : lowest;
            kept++;
        }
        predictions_reader_free(reader);
    }
    ck_assert_uint_eq(kept, 5001 - lowest);
    ck_assert_msg(kept >= 1300 && kept <= 3000, "%llu", (unsigned long long)kept);
    predictions_free(predictions);
}
END_TEST

START_TEST(a_reader_follows_a_writer_that_begins_anew)
{
    struct predictions *predictions = predictions_new(scratch_directory, "f", 0);
    struct predictions_reader *readers[] = {predictions_reader_new(scratch_path("f.0")),
                                            predictions_reader_new(scratch_path("f.1"))};
    uint64_t seen = 0;
    for (uint64_t i = 1; i <= 9000; i++) {
        struct prediction one = answered("1", i), read;
        ck_assert(predictions_add(predictions, &one, 1) && predictions_flush(predictions));
        for (size_t j = 0; i % 5 == 0 && j < COUNT_OF(readers); j++)
            while (predictions_read(readers[j], &read)) {
                expect_answered(&read, "1", read.request);
                seen++;
            }
    }
    ck_assert_uint_eq(seen, 9000);
    for (size_t j = 0; j < COUNT_OF(readers); j++)
        predictions_reader_free(readers[j]);
    predictions_free(predictions);
}
END_TEST

START_TEST(damage_is_passed_over)
{
    srand(7);
    for (int round = 0; round < 200; round++) {
        struct predictions *predictions = predictions_new(scratch_directory, "f", 1000);
        for (uint64_t i = 1; i <= 20; i++) {
            struct prediction one = answered("1", i);
            ck_assert(predictions_add(predictions, &one, 1));
        }
        predictions_free(predictions);
        for (unsigned i = 0; i < 2; i++) {
            char name[8];
            struct prediction read;
            snprintf(name, sizeof name, "f.%u", i);
            FILE *file = fopen(scratch_path(name), "r+");
            for (int j = 0; file != NULL && j < 5; j++) {
                ck_assert_int_eq(fseek(file, rand() % 1300, SEEK_SET), 0);
                fputc(rand(), file);
            }
            if (file != NULL)
                fclose(file);
            struct predictions_reader *reader = predictions_reader_new(scratch_path(name));
            unsigned count = 0;
            while (predictions_read(reader, &read))
                count++;
            ck_assert_uint_le(count, 30);
            predictions_reader_free(reader);
        }
    }
}
END_TEST

static struct prediction said(const char *allowed, uint64_t request)
{
    return (struct prediction){.kind = PREDICTION_ACTUAL,
                               .flags = PREDICTION_BY_NUMBER,
                               .request = request,
                               .actual = 1,
                               .allowed = text_of(allowed)};
}

/* The list of models that goes with request `i`: more of them than have a number at a time, of every length.
 */
static const char *list_of(uint64_t i)
{
    static char list[PREDICTION_ALLOWED_MAX + 1];
    size_t length = i % 3 == 0 ? 0 : 3 + i * 7 % (PREDICTION_ALLOWED_MAX - 2);
    memset(list, 'm', length);
    list[length] = '\0';
    if (length > 0)
        snprintf(list, 4, "%03u", (unsigned)(i % 100));
    if (length > 3)
        list[3] = ' ';
    return list;
}

START_TEST(a_truth_keeps_what_its_teller_may_use)
{
    struct predictions *predictions = predictions_new(scratch_directory, "f", 1000000);
    struct predictions_reader *reader = predictions_reader_new(scratch_path("f.0"));
    for (uint64_t i = 1; i <= 3000; i++) {
        struct prediction one = said(list_of(i), i), between = answered("1", i);
        ck_assert(predictions_add(predictions, &one, 1));
        ck_assert(i % 5 > 0 || predictions_add(predictions, &between, 1));
    }
    char long_list[PREDICTION_ALLOWED_MAX + 2] = {0};
    struct prediction longer = said(memset(long_list, 'm', sizeof long_list - 1), 1);
    ck_assert(!predictions_add(predictions, &longer, 1)); /* than one that is cut: that would be another */
    ck_assert(predictions_flush(predictions));
    uint64_t expected = 1;
    for (struct prediction read; predictions_read(reader, &read);) {
        if (read.kind != PREDICTION_ACTUAL)
            continue;
        ck_assert_uint_eq(read.request, expected);
        ck_assert(text_is(read.allowed, list_of(expected)));
        expected++;
    }
    ck_assert_uint_eq(expected, 3001);
    predictions_reader_free(reader);
    predictions_free(predictions);
}
END_TEST

/* Its lists of models come with it, whoever else writes between. */
START_TEST(a_truth_is_found_among_predictions)
{
    struct predictions *predictions = predictions_new(scratch_directory, "f", 1000000);
    struct predictions_reader *reader = predictions_reader_new(scratch_path("f.0"));
    struct prediction read;
    for (uint64_t i = 1; i <= 3000; i++) {
        struct prediction one = answered("1", i), truth = said("churn digits-*", i);
        ck_assert(predictions_add(predictions, i % 1000 == 0 ? &truth : &one, 1));
    }
    ck_assert(predictions_flush(predictions));
    for (uint64_t i = 1000; i <= 2000; i += 1000) {
        ck_assert(predictions_read_actual(reader, &read) && read.kind == PREDICTION_ACTUAL);
        ck_assert(read.request == i && text_is(read.allowed, "churn digits-*"));
    }
    ck_assert(predictions_read(reader, &read)); /* what names the version has been read on the way */
    expect_answered(&read, "1", 2001);
    ck_assert(predictions_read_actual(reader, &read) && read.request == 3000);
    ck_assert(!predictions_read_actual(reader, &read));
    predictions_reader_free(reader);
    predictions_free(predictions);
}
END_TEST

/* ext4 writes to the disk what was put into a file that had been emptied. */
START_TEST(a_file_is_never_emptied)
{
    enum { RECORDS = 9000 };
    struct predictions *predictions = predictions_new(scratch_directory, "f", 0);
    off_t before = 0;
    unsigned begun = 0;
    for (uint64_t i = 1; i <= RECORDS; i++) {
        struct stat now;
        struct prediction one = answered("1", i);
        ck_assert(predictions_add(predictions, &one, 1) && predictions_flush(predictions));
        ck_assert(stat(scratch_path("f.0"), &now) == 0 && now.st_size >= PREDICTION_BYTES);
        begun += now.st_size == PREDICTION_BYTES && before > PREDICTION_BYTES;
        before = now.st_size;
    }
    ck_assert_uint_ge(begun, 2);
    predictions_free(predictions);
}
END_TEST

static void write_bytes(const char *name, const uint8_t *bytes, size_t length)
{
    FILE *file = fopen(scratch_path(name), "w");
    ck_assert(file != NULL && fwrite(bytes, 1, length, file) == length && fclose(file) == 0);
}

START_TEST(files_from_before_are_read)
{
    /* as it was written when nobody's models went with it */
    const uint8_t record[PREDICTION_BYTES] = {3,    8, 0, 0, 3, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0,    0,
                                              0xd0, 7, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0xe0, 0x3f,
                                              0,    0, 0, 0, 0, 0, 0, 0, 9,  0, 0, 0, 0, 0, 0,    0,
                                              0,    0, 0, 0, 0, 0, 0, 0, 1,  2, 3, 4, 5, 6, 7,    8};
    struct prediction read;
    write_bytes("f.0", record, sizeof record);
    struct predictions_reader *reader = predictions_reader_new(scratch_path("f.0"));
    ck_assert(predictions_read(reader, &read));
    ck_assert(read.kind == PREDICTION_ACTUAL && read.request == 10 && read.row == 3 && read.at_ms == 2000);
    ck_assert(read.actual == 0.5 && read.actual_label == 9 && read.flags == PREDICTION_BY_NUMBER);
    ck_assert_uint_eq(read.allowed.length, 0);
    ck_assert(!predictions_read(reader, &read));
    predictions_reader_free(reader);
}
END_TEST

/* Whichever record is lost: what is left says what was said, or nothing. */
START_TEST(a_truth_is_lost_with_what_its_teller_may_use)
{
    enum { LISTS = 2, PARTS = 2, RECORDS = 1 + LISTS * (PARTS + 1) }; /* the first one says nothing */
    static const char *const lists[LISTS] = {
        "first-name-of-a-model second-name-of-a-model third-name-of-a-model",
        "other-name-of-a-model second-name-of-a-model other-name-of-a-model"};
    uint8_t whole[RECORDS * PREDICTION_BYTES], part[sizeof whole];
    struct predictions *predictions = predictions_new(scratch_directory, "f", 1000);
    for (uint64_t i = 0; i < LISTS; i++) {
        struct prediction one = said(lists[i], i);
        ck_assert(predictions_add(predictions, &one, 1));
    }
    predictions_free(predictions);
    FILE *file = fopen(scratch_path("f.0"), "r");
    ck_assert(file != NULL && fread(whole, 1, sizeof whole, file) == sizeof whole && fgetc(file) == EOF);
    fclose(file);
    for (size_t i = 0; i < LISTS; i++) /* the second list under the number of the first */
        whole[(1 + i * (PARTS + 1) + PARTS) * PREDICTION_BYTES + 2] = 1;
    for (size_t i = 0; i < PARTS; i++)
        whole[(1 + PARTS + 1 + i) * PREDICTION_BYTES + 2] = 1;
    for (size_t lost = 0; lost <= RECORDS; lost++) {
        memcpy(part, whole, sizeof part);
        if (lost < RECORDS)
            part[lost * PREDICTION_BYTES] = 99; /* no kind */
        write_bytes("g.0", part, sizeof part);
        struct predictions_reader *reader = predictions_reader_new(scratch_path("g.0"));
        size_t count = 0;
        for (struct prediction read; predictions_read(reader, &read); count++)
            ck_assert(read.request < LISTS && text_is(read.allowed, lists[read.request]));
        ck_assert_uint_eq(count, lost > 0 && lost < RECORDS ? LISTS - 1 : LISTS);
        predictions_reader_free(reader);
    }
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_said)
{
    ck_assert_ptr_null(predictions_new(scratch_path("none"), "f", 100));
    ck_assert_uint_ne(prediction_label(text_of("yes")), prediction_label(text_of("no")));
    ck_assert_uint_ne(prediction_label((struct text){"", 0}), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_is_written_is_read,
                                  two_files_take_turns,
                                  many_may_be_written_at_a_time,
                                  a_reader_follows_a_writer_that_begins_anew,
                                  damage_is_passed_over,
                                  a_truth_keeps_what_its_teller_may_use,
                                  a_truth_is_found_among_predictions,
                                  a_file_is_never_emptied,
                                  files_from_before_are_read,
                                  a_truth_is_lost_with_what_its_teller_may_use,
                                  a_folder_that_is_not_there_is_said};
    return SUITE_RUN("predictions", scratch_make, scratch_remove, tests);
}
