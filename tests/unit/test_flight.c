/* test_flight: what is written is read, by whoever comes later; what was torn or written over is passed over.
 * SPDX-License-Identifier: MIT */
#include "flight.h"
#include "flight_entry.h"
#include "scratch_directory.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

enum { RECORDS = 8, PAYLOADS = 4096, HEAD = 4096, RECORD = 512, USED = 112 /* and its texts */ };

static struct flight *flight;
static struct flight_reader *reader;

static void set_up(void)
{
    scratch_make();
    flight = flight_new(scratch_directory, "frontend.1", RECORDS, PAYLOADS);
    ck_assert_ptr_nonnull(flight);
    reader = flight_reader_new(scratch_path("frontend.1"));
    ck_assert_ptr_nonnull(reader);
}

static void tear_down(void)
{
    flight_reader_free(reader);
    flight_free(flight);
    scratch_remove();
}

static struct flight_entry example(void)
{
    return (struct flight_entry){.at_ns = 1234567890123456789,
                                 .id = "request-1",
                                 .trace = {1, 2, 3},
                                 .call = "predict",
                                 .kind = "overloaded",
                                 .model = "iris",
                                 .version = "2",
                                 .status = 503,
                                 .hashed = true,
                                 .rows = 3,
                                 .batch_rows = 9,
                                 .total_us = 1000,
                                 .queue_us = 200,
                                 .compute_us = 30,
                                 .bytes_in = 77,
                                 .bytes_out = 88,
                                 .hash = 99};
}

/* Entries that can be read, by their sequences: the largest and how many. */
static size_t count_entries(uint64_t *largest)
{
    struct flight_entry entry;
    size_t records = flight_look(reader), count = 0;
    *largest = 0;
    for (size_t i = 0; i < records; i++)
        if (flight_read(reader, i, &entry)) {
            count++;
            if (entry.sequence > *largest)
                *largest = entry.sequence;
        }
    return count;
}

/* The entry of that sequence. */
static struct flight_entry entry_of(uint64_t sequence)
{
    struct flight_entry entry;
    for (size_t i = 0; i < flight_look(reader); i++)
        if (flight_read(reader, i, &entry) && entry.sequence == sequence)
            return entry;
    ck_abort_msg("there is no such entry");
}

START_TEST(an_entry_reads_as_it_was_written)
{
    struct flight_entry written = example();
    add_entry(flight, &written);
    struct flight_entry read = entry_of(1);
    written.sequence = 1;
    ck_assert_str_eq(read.id, written.id);
    ck_assert_str_eq(read.call, written.call);
    ck_assert_str_eq(read.kind, written.kind);
    ck_assert_str_eq(read.model, written.model);
    ck_assert_str_eq(read.version, written.version);
    ck_assert_mem_eq(read.trace, written.trace, sizeof read.trace);
    ck_assert_int_eq(read.at_ns, written.at_ns);
    ck_assert_uint_eq(read.status, 503);
    ck_assert(read.hashed);
    ck_assert_uint_eq(read.rows + read.batch_rows + read.total_us + read.queue_us + read.compute_us,
                      3 + 9 + 1230);
    ck_assert_uint_eq(read.bytes_in + read.bytes_out + read.hash, 77 + 88 + 99);
    ck_assert_uint_eq(read.payload_length, 0);
    ck_assert_ptr_null(flight_payload(reader, &read));
}
END_TEST

START_TEST(names_may_be_as_long_as_names_are)
{
    struct flight_entry written = example();
    memset(written.model, 'm', PROTOCOL_NAME_MAX);
    memset(written.id, 'i', FLIGHT_ID_BYTES);
    memset(written.call, 'c', FLIGHT_WORD_BYTES);
    strcpy(written.version, "two\nlines");
    add_entry(flight, &written);
    struct flight_entry read = entry_of(1);
    ck_assert_str_eq(read.model, written.model);
    ck_assert_str_eq(read.id, written.id);
    ck_assert_str_eq(read.call, written.call);
    ck_assert_str_eq(read.version, "two?lines");
}
END_TEST

START_TEST(the_oldest_make_room)
{
    struct flight_entry entry = example();
    uint64_t largest;
    ck_assert_uint_eq(count_entries(&largest), 0);
    for (int i = 0; i < 3 * RECORDS; i++)
        add_entry(flight, &entry);
    ck_assert_uint_eq(count_entries(&largest), RECORDS);
    ck_assert_uint_eq(largest, 3 * RECORDS);
}
END_TEST

START_TEST(payloads_are_kept_until_they_are_written_over)
{
    char text[PAYLOADS / 4];
    for (int i = 1; i <= 6; i++) {
        struct flight_entry entry = example();
        memset(text, 'a' + i, sizeof text);
        flight_keep(flight, text, sizeof text - 10, &entry);
        add_entry(flight, &entry);
    }
    for (int i = 1; i <= 6; i++) {
        struct flight_entry entry = entry_of((uint64_t)i);
        uint8_t *payload = flight_payload(reader, &entry);
        ck_assert_int_eq(payload != NULL, i > 2);
        if (payload != NULL) {
            ck_assert_uint_eq(entry.payload_length, sizeof text - 10);
            ck_assert_int_eq(payload[0], 'a' + i);
            ck_assert_int_eq(payload[entry.payload_length - 1], 'a' + i);
        }
        free(payload);
    }
    struct flight_entry large = example();
    flight_keep(flight, text, sizeof text + 1, &large);
    ck_assert_uint_eq(large.payload_length, 0);
}
END_TEST

START_TEST(a_large_payload_is_not_kept)
{
    static uint8_t large[FLIGHT_PAYLOAD_MAX + 1];
    struct flight *roomy = flight_new(scratch_directory, "roomy", RECORDS, 8 * FLIGHT_PAYLOAD_MAX);
    struct flight_entry entry = example();
    flight_keep(roomy, large, FLIGHT_PAYLOAD_MAX + 1, &entry);
    ck_assert_uint_eq(entry.payload_length, 0);
    flight_keep(roomy, large, FLIGHT_PAYLOAD_MAX, &entry);
    ck_assert_uint_eq(entry.payload_length, FLIGHT_PAYLOAD_MAX);
    flight_free(roomy);
}
END_TEST

/* ---- a file that somebody has changed ---- */

enum { PAYLOAD_END = 32 /* where it stands in the head */ };

static void change(off_t at, uint64_t number)
{
    int fd = open(scratch_path("frontend.1"), O_RDWR);
    ck_assert_int_eq(pwrite(fd, &number, sizeof number, at), sizeof number);
    close(fd);
}

/* What is counted on from it would not stay within the ring. */
START_TEST(a_file_that_counts_beyond_all_bounds_begins_anew)
{
    struct flight_entry entry = example();
    flight_keep(flight, "payload", 7, &entry);
    add_entry(flight, &entry);
    flight_free(flight);
    change(PAYLOAD_END, UINT64_MAX - 3);
    flight = flight_new(scratch_directory, "frontend.1", RECORDS, PAYLOADS);
    ck_assert_ptr_nonnull(flight);
    uint64_t largest;
    ck_assert_uint_eq(count_entries(&largest), 0);
    flight_keep(flight, "another", 7, &entry);
    ck_assert_uint_eq(entry.payload_at, 0);
    add_entry(flight, &entry);
    entry = entry_of(1);
    uint8_t *payload = flight_payload(reader, &entry);
    ck_assert_mem_eq(payload, "another", 7);
    free(payload);
}
END_TEST

START_TEST(what_becomes_of_the_head_leads_nobody_astray)
{
    struct flight_entry entry = example();
    change(16, UINT64_MAX / 2); /* its records */
    change(24, UINT64_MAX / 2); /* its bytes for payloads */
    change(PAYLOAD_END, UINT64_MAX - 3);
    for (int i = 0; i < 2 * RECORDS; i++) {
        flight_keep(flight, "payload", 7, &entry);
        add_entry(flight, &entry);
    }
    ck_assert_uint_eq(entry.payload_at, (2 * RECORDS - 1) * 7);
    ck_assert_uint_eq(entry.payload_length, 7);
}
END_TEST

/* ---- who dies ---- */

/* Writes without end, until it is killed. */
static void write_on(void)
{
    struct flight *mine = flight_new(scratch_directory, "other", RECORDS, PAYLOADS);
    struct flight_entry entry = example();
    for (uint64_t i = 0;; i++) {
        snprintf(entry.id, sizeof entry.id, "request-%llu", (unsigned long long)i + 1);
        flight_keep(mine, entry.id, strlen(entry.id), &entry);
        add_entry(mine, &entry);
    }
}

START_TEST(entries_outlive_their_writer)
{
    pid_t pid = fork();
    ck_assert_int_ne(pid, -1);
    if (pid == 0)
        write_on();
    flight_reader_free(reader);
    while ((reader = flight_reader_new(scratch_path("other"))) == NULL)
        continue;
    uint64_t largest = 0;
    while (largest < 1000) /* it is read while it is written */
        count_entries(&largest);
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    size_t count = count_entries(&largest);
    ck_assert_uint_ge(count, RECORDS - 1); /* one may be torn */
    for (uint64_t sequence = largest - count + 1; sequence <= largest; sequence++) {
        char id[64];
        struct flight_entry entry = entry_of(sequence);
        snprintf(id, sizeof id, "request-%llu", (unsigned long long)sequence);
        ck_assert_str_eq(entry.id, id);
    }
    struct flight *next = flight_new(scratch_directory, "other", RECORDS, PAYLOADS);
    struct flight_entry entry = example();
    add_entry(next, &entry);
    ck_assert_str_eq(entry_of(largest + 1).id, "request-1");
    flight_free(next);
}
END_TEST

/* Any one byte of a record that is another makes it none. */
START_TEST(a_torn_record_is_passed_over)
{
    struct flight_entry entry = example();
    uint64_t largest;
    add_entry(flight, &entry);
    add_entry(flight, &entry);
    int fd = open(scratch_path("frontend.1"), O_RDWR);
    for (off_t at = 0; at < USED; at += 7) {
        uint8_t byte;
        ck_assert_int_eq(pread(fd, &byte, 1, HEAD + RECORD + at), 1);
        byte ^= 0x10;
        ck_assert_int_eq(pwrite(fd, &byte, 1, HEAD + RECORD + at), 1);
        ck_assert_uint_eq(count_entries(&largest), 1);
        ck_assert_uint_eq(largest, 2);
        byte ^= 0x10;
        ck_assert_int_eq(pwrite(fd, &byte, 1, HEAD + RECORD + at), 1);
    }
    ck_assert_uint_eq(count_entries(&largest), 2);
    close(fd);
}
END_TEST

START_TEST(a_successor_writes_beside_who_drains)
{
    struct flight *successor = flight_new(scratch_directory, "frontend.1", RECORDS, PAYLOADS);
    struct flight_entry entry = example();
    ck_assert_ptr_nonnull(successor);
    add_entry(successor, &entry);
    uint64_t largest;
    ck_assert_uint_eq(count_entries(&largest), 0);
    ck_assert_int_eq(access(scratch_path("frontend.1.2"), F_OK), 0);
    ck_assert_ptr_null(flight_new(scratch_directory, "frontend.1", RECORDS, PAYLOADS));
    ck_assert_int_eq(errno, EWOULDBLOCK);
    flight_free(successor);
}
END_TEST

START_TEST(another_size_begins_anew)
{
    struct flight_entry entry = example();
    uint64_t largest;
    struct stat status;
    add_entry(flight, &entry);
    flight_free(flight);
    flight = flight_new(scratch_directory, "frontend.1", 2 * RECORDS, 0);
    ck_assert_ptr_nonnull(flight);
    ck_assert_uint_eq(count_entries(&largest), 0);
    ck_assert_uint_eq(flight_look(reader), 2 * RECORDS);
    ck_assert_int_eq(stat(scratch_path("frontend.1"), &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    flight_keep(flight, "x", 1, &entry); /* there is no room for any */
    ck_assert_uint_eq(entry.payload_length, 0);
}
END_TEST

START_TEST(what_is_no_recorder_is_not_read)
{
    ck_assert_ptr_null(flight_reader_new(scratch_path("nothing")));
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_ptr_null(flight_reader_new(scratch_file("text", "not this")));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(symlink(scratch_path("frontend.1"), scratch_path("link")), 0);
    ck_assert_ptr_null(flight_reader_new(scratch_path("link")));
    ck_assert_int_eq(truncate(scratch_path("frontend.1"), HEAD + RECORD / 2), 0);
    ck_assert_uint_eq(flight_look(reader), 0);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        an_entry_reads_as_it_was_written,
        names_may_be_as_long_as_names_are,
        the_oldest_make_room,
        payloads_are_kept_until_they_are_written_over,
        a_large_payload_is_not_kept,
        a_file_that_counts_beyond_all_bounds_begins_anew,
        what_becomes_of_the_head_leads_nobody_astray,
        entries_outlive_their_writer,
        a_torn_record_is_passed_over,
        a_successor_writes_beside_who_drains,
        another_size_begins_anew,
        what_is_no_recorder_is_not_read,
    };
    return SUITE_RUN("flight", set_up, tear_down, tests);
}
