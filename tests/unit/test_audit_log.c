/* test_audit_log: what is written, over crashes, many files and full disks, seen by who looks at the files.
 * SPDX-License-Identifier: MIT */
#include "audit_log.h"

#include "audit_file.h"
#include "audit_look.h"
#include "scratch_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct audit_file_settings settings;
static struct audit_file *file;
static struct audit_log *audit_log;
static struct audit_entry entry;

static void set_up(void)
{
    scratch_make();
    settings = (struct audit_file_settings){.state_directory = scratch_directory,
                                            .process = "p",
                                            .max_bytes = 1 << 20,
                                            .keep = 3,
                                            .reserve_bytes = 4096};
}

static void tear_down(void)
{
    audit_file_close(file);
    audit_log_free(audit_log);
    audit_entry_free(&entry);
    scratch_remove();
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/audit/%s", scratch_directory, name);
    return path;
}

static void open_file(void)
{
    file = audit_file_open(&settings);
    ck_assert_ptr_nonnull(file);
}

static void close_file(void)
{
    audit_file_close(file);
    file = NULL;
}

static int write_one(const char *what)
{
    audit_entry_begin(&entry, INT64_C(1000000000) * 1700000000, "test");
    audit_entry_text(&entry, "what", text_of(what));
    audit_entry_end(&entry);
    return audit_file_write(file, (struct text){entry.bytes, entry.length});
}

static void write_many(int count)
{
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(write_one("one of many, with so many words that some of them soon fill a file"), 0);
}

/* What verify says of the process: the caller looks at it, and it must be freed. */
static struct audit_verdict look(const char *process)
{
    int folder = open(path_of(""), O_RDONLY | O_DIRECTORY);
    ck_assert_int_ge(folder, 0);
    struct audit_verdict verdict = audit_look(folder, process);
    close(folder);
    return verdict;
}

static void expect_whole(const char *process, uint64_t lines)
{
    struct audit_verdict verdict = look(process);
    char text[256] = "";
    if (verdict.fault_count > 0)
        audit_fault_text(&verdict.faults[0], text, sizeof text);
    ck_assert_msg(audit_verdict_good(&verdict), "%s %d", text, verdict.error);
    ck_assert_uint_eq(verdict.lines, lines);
    ck_assert_uint_eq(verdict.unfinished, 0);
    audit_verdict_free(&verdict);
}

static int lines_with(const char *name, const char *words)
{
    static char line[1 << 16];
    int count = 0;
    FILE *stream = fopen(path_of(name), "r");
    ck_assert_ptr_nonnull(stream);
    while (fgets(line, sizeof line, stream) != NULL)
        count += strstr(line, words) != NULL;
    fclose(stream);
    return count;
}

static void add_bytes(const char *name, const void *bytes, size_t length)
{
    FILE *stream = fopen(path_of(name), "a");
    ck_assert_ptr_nonnull(stream);
    ck_assert_uint_eq(fwrite(bytes, 1, length, stream), length);
    ck_assert_int_eq(fclose(stream), 0);
}

static off_t size_of(const char *name)
{
    struct stat status;
    return stat(path_of(name), &status) == 0 ? status.st_size : -1;
}

/* ---- entries ---- */

START_TEST(an_entry_is_json_whatever_it_tells)
{
    audit_entry_begin(&entry, INT64_C(1767225599123456789), "test");
    audit_entry_text(&entry, "text", (struct text){"a\"\\\n\0\xc3\xa9\xff\xc2\x80\x7f", 11});
    audit_entry_text(&entry, "none", (struct text){0});
    audit_entry_number(&entry, "number", UINT64_MAX);
    audit_entry_number(&entry, "zero", 0);
    audit_entry_flag(&entry, "flag", true);
    audit_entry_end(&entry);
    audit_entry_raw(&entry, "", 1);
    ck_assert_str_eq(entry.bytes,
                     "\"time\":\"2025-12-31T23:59:59.123456Z\",\"event\":\"test\","
                     "\"text\":\"a\\\"\\\\\\u000a\\u0000\xc3\xa9\xef\xbf\xbd\\u0080\\u007f\","
                     "\"none\":\"\",\"number\":18446744073709551615,\"zero\":0,\"flag\":true}\n");
}
END_TEST

/* ---- files ---- */

START_TEST(a_chain_is_written_and_goes_on)
{
    open_file();
    write_many(3);
    close_file();
    expect_whole("p", 4); /* with the one that begins the file */
    open_file();
    write_many(2);
    close_file();
    expect_whole("p", 7); /* with the one of the start */
    ck_assert_int_eq(lines_with("p.log", "\"event\":\"file\""), 1);
    ck_assert_int_eq(lines_with("p.log", "\"event\":\"start\""), 1);
    struct stat status;
    ck_assert_int_eq(stat(path_of("p.log"), &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
}
END_TEST

START_TEST(files_follow_each_other_and_old_ones_go)
{
    settings.max_bytes = 4096;
    open_file();
    write_many(200);
    close_file();
    struct audit_verdict verdict = look("p");
    ck_assert(audit_verdict_good(&verdict));
    ck_assert_uint_eq(verdict.file_count, 4);
    ck_assert_uint_gt(verdict.removed_to, 10);
    ck_assert_str_eq(verdict.files[3], "p.log");
    for (size_t i = 0; i < verdict.file_count; i++)
        ck_assert_int_le(size_of(verdict.files[i]), 4096);
    ck_assert_int_eq(unlink(path_of(verdict.files[1])), 0); /* by a hand */
    audit_verdict_free(&verdict);
    verdict = look("p");
    ck_assert_uint_eq(verdict.fault_count, 1);
    ck_assert_int_eq(verdict.faults[0].fault, CHAIN_MISSING);
    ck_assert_uint_eq(verdict.faults[0].line, 1);
    audit_verdict_free(&verdict);
}
END_TEST

START_TEST(an_old_file_is_put_aside)
{
    settings.max_age = INT64_C(3600000000000); /* an hour */
    open_file();
    write_many(3);
    close_file();
    open_file();
    write_many(3);
    close_file();
    ck_assert_int_eq(size_of("p.log.1"), -1);
    settings.max_age = 1; /* a nanosecond */
    open_file();
    write_many(1);
    close_file();
    ck_assert_int_gt(size_of("p.log.1"), 0);
    ck_assert_int_eq(lines_with("p.log", "\"event\":\"test\""), 1);
    expect_whole("p", 11);
}
END_TEST

START_TEST(an_own_line_is_not_younger_than_what_follows)
{
    settings.max_bytes = 4096;
    open_file();
    write_many(60);
    ck_assert_int_eq(lines_with("p.log", "\"time\":\"2023-11-14T22:13:20.000000Z\",\"event\":\"file\""), 1);
}
END_TEST

START_TEST(a_second_process_of_the_name_has_files_of_its_own)
{
    open_file();
    write_many(1);
    struct audit_file *other = audit_file_open(&settings);
    ck_assert_ptr_nonnull(other);
    ck_assert_ptr_nonnull(strstr(audit_file_path(other), "/p-2.log"));
    audit_file_close(other);
    write_many(1);
    expect_whole("p-2", 1);
}
END_TEST

/* ---- crashes ---- */

START_TEST(a_torn_line_is_cut_off_and_told)
{
    open_file();
    write_many(2);
    close_file();
    off_t before = size_of("p.log");
    add_bytes("p.log", "{\"seq\":4,\"prev\":\"00", 19);
    struct audit_verdict verdict = look("p");
    ck_assert_uint_eq(verdict.unfinished, 19);
    ck_assert(audit_verdict_good(&verdict));
    audit_verdict_free(&verdict);
    open_file();
    ck_assert_int_eq(lines_with("p.log", "\"repaired_bytes\":19}"), 1);
    ck_assert_int_gt(size_of("p.log"), before);
    write_many(1);
    close_file();
    expect_whole("p", 5);
}
END_TEST

START_TEST(a_first_line_that_is_torn)
{
    open_file();
    close_file();
    ck_assert_int_eq(truncate(path_of("p.log"), 20), 0);
    ck_assert_int_eq(unlink(path_of("p.head")), 0);
    open_file();
    write_many(1);
    close_file();
    ck_assert_int_eq(lines_with("p.log", "\"event\":\"file\",\"process\":\"p\",\"file\":1,"), 1);
    ck_assert_int_eq(lines_with("p.log", "\"repaired_bytes\":20}"), 1);
    expect_whole("p", 2);
}
END_TEST

START_TEST(an_end_of_zeros_is_torn)
{
    static const char zeros[5000];
    open_file();
    write_many(1);
    close_file();
    add_bytes("p.log", zeros, sizeof zeros);
    open_file();
    close_file();
    expect_whole("p", 3);
    ck_assert_int_eq(lines_with("p.log", "\"repaired_bytes\":5000}"), 1);
}
END_TEST

START_TEST(a_crash_between_two_files)
{
    open_file();
    write_many(2);
    close_file();
    ck_assert_int_eq(rename(path_of("p.log"), scratch_path("audit/p.log.1")), 0);
    open_file();
    write_many(2);
    close_file();
    expect_whole("p", 6);
    ck_assert_int_eq(lines_with("p.log", "\"file\":2,"), 1);
}
END_TEST

START_TEST(numbers_of_lines_that_were_cut_off_are_not_given_again)
{
    open_file();
    write_many(5);
    close_file();
    static char line[4096];
    FILE *stream = fopen(path_of("p.log"), "r");
    ck_assert_ptr_nonnull(stream);
    off_t two = 0;
    for (int i = 0; i < 2 && fgets(line, sizeof line, stream) != NULL; i++)
        two += (off_t)strlen(line);
    fclose(stream);
    ck_assert_int_eq(truncate(path_of("p.log"), two), 0);
    open_file();
    write_many(1);
    close_file();
    ck_assert_int_eq(lines_with("p.log", "\"missing_to_seq\":6}"), 1);
    struct audit_verdict verdict = look("p");
    ck_assert_uint_eq(verdict.fault_count, 1);
    ck_assert_int_eq(verdict.faults[0].fault, CHAIN_MISSING);
    ck_assert_str_eq(verdict.faults[0].file, "p.log");
    ck_assert_uint_eq(verdict.faults[0].line, 3);
    ck_assert_uint_eq(verdict.faults[0].first, 3);
    ck_assert_uint_eq(verdict.faults[0].last, 6);
    audit_verdict_free(&verdict);
}
END_TEST

START_TEST(a_head_is_read_only_as_it_was_written)
{
    struct chain_point point = {.seq = 12}, again;
    char bytes[AUDIT_HEAD_BYTES];
    uint64_t number;
    memset(point.digest, 0xa5, sizeof point.digest);
    audit_head_write(&point, 3, bytes);
    ck_assert(audit_head_read((struct text){bytes, sizeof bytes}, &again, &number));
    ck_assert(chain_equal(&point, &again));
    ck_assert_uint_eq(number, 3);
    ck_assert(!audit_head_read((struct text){bytes, sizeof bytes - 1}, &again, &number));
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 0x40;
        ck_assert(!audit_head_read((struct text){bytes, sizeof bytes}, &again, &number));
        bytes[i] ^= 0x40;
    }
}
END_TEST

START_TEST(where_there_is_no_folder_it_does_not_open)
{
    settings.state_directory = "/nowhere/at/all";
    ck_assert_ptr_null(audit_file_open(&settings));
    ck_assert_int_eq(errno, ENOENT);
    scratch_file("audit", "in the way");
    settings.state_directory = scratch_directory;
    ck_assert_ptr_null(audit_file_open(&settings));
}
END_TEST

/* ---- the log ---- */

/* As on a disk that is full: no file of ours grows beyond so many bytes. Nothing may be asserted meanwhile,
 * since Check writes a file, too. */
static void disk_ends_at(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
        abort();
    limit.rlim_cur = bytes;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        abort();
}

static struct config config;

static void new_log(const char *when_full, enum audit_manner manner)
{
    config = (struct config){.state_directory = scratch_directory,
                             .audit_when_full = (char *)when_full,
                             .audit_max_bytes = 64 << 20,
                             .audit_keep = 3};
    audit_log = audit_log_new(&config, "p", manner);
}

static void add_line(const char *what)
{
    audit_entry_begin(&entry, INT64_C(1000000000) * 1700000000, "test");
    audit_entry_text(&entry, "what", text_of(what));
    audit_entry_end(&entry);
    audit_log_add(audit_log, &entry);
}

static uint64_t metric(enum metric metric)
{
    struct metrics *metrics = metrics_new(NULL);
    audit_log_measure(audit_log, metrics);
    uint64_t value = metrics_series(metrics, metric, NULL, NULL, NULL)->value;
    metrics_free(metrics);
    return value;
}

START_TEST(a_durable_line_is_there_at_once)
{
    new_log("continue", AUDIT_DURABLE);
    add_line("first");
    ck_assert_int_eq(lines_with("p.log", "\"what\":\"first\""), 1);
    expect_whole("p", 2);
    struct audit_verdict verdict = look("p");
    ck_assert_uint_eq(verdict.last_seq, 2);
    audit_verdict_free(&verdict);
    ck_assert_uint_eq(metric(METRIC_AUDIT_LINES), 1);
    ck_assert(audit_log_accepts(audit_log));
}
END_TEST

static void *add_hundred(void *self)
{
    struct audit_entry own = {0};
    for (int i = 0; i < 100; i++) {
        audit_entry_begin(&own, INT64_C(1000000000) * 1700000000, "test");
        audit_entry_text(&own, "what", text_of(self));
        audit_entry_end(&own);
        audit_log_add(audit_log, &own);
    }
    audit_entry_free(&own);
    return NULL;
}

START_TEST(threads_add_lines)
{
    static char many[] = "many";
    pthread_t threads[4];
    new_log("continue", AUDIT_BUFFERED);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_hundred, many), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    audit_log_settle(audit_log);
    expect_whole("p", 401);
    ck_assert_uint_eq(metric(METRIC_AUDIT_LINES), 400);
}
END_TEST

START_TEST(what_is_left_is_written_at_the_end)
{
    new_log("continue", AUDIT_BUFFERED);
    add_line("last");
    audit_log_free(audit_log);
    audit_log = NULL;
    expect_whole("p", 2);
}
END_TEST

START_TEST(lines_are_written_without_being_waited_for)
{
    new_log("continue", AUDIT_BUFFERED);
    add_line("soon");
    for (int i = 0; i < 100000 && lines_with("p.log", "soon") == 0; i++)
        usleep(1000);
    ck_assert_int_eq(lines_with("p.log", "soon"), 1);
}
END_TEST

START_TEST(a_full_disk_stops_in_the_middle_of_a_line_and_goes_on_there)
{
    new_log("continue", AUDIT_DURABLE);
    add_line("before");
    off_t before = size_of("p.log");
    disk_ends_at((rlim_t)before + 100);
    add_line("does not fit");
    off_t torn = size_of("p.log");
    bool accepts = audit_log_accepts(audit_log); /* continue */
    add_line("waits behind it");
    uint64_t full = metric(METRIC_AUDIT_FULL), failures = metric(METRIC_AUDIT_FAILURES);
    disk_ends_at(RLIM_INFINITY);
    ck_assert_int_eq(torn, before + 100);
    ck_assert(accepts);
    ck_assert_uint_eq(full, 1);
    ck_assert_uint_ge(failures, 2);
    ck_assert_int_eq(lines_with("p.log", "does not fit"), 0);
    add_line("after");
    ck_assert_uint_eq(metric(METRIC_AUDIT_FULL), 0);
    ck_assert_uint_eq(metric(METRIC_AUDIT_LOST), 0);
    expect_whole("p", 5);
}
END_TEST

START_TEST(a_full_disk_refuses)
{
    new_log("refuse", AUDIT_DURABLE);
    add_line("before");
    ck_assert(audit_log_accepts(audit_log));
    off_t before = size_of("p.log");
    disk_ends_at((rlim_t)before + 100);
    add_line("what was under way");
    bool accepts = audit_log_accepts(audit_log);
    audit_log_refused(audit_log);
    bool accepts_later = audit_log_accepts(audit_log);
    disk_ends_at(RLIM_INFINITY);
    ck_assert(!accepts);
    ck_assert(!accepts_later);
    ck_assert_int_eq(lines_with("p.log", "under way"), 0);
    ck_assert(audit_log_accepts(audit_log));
    ck_assert_int_eq(lines_with("p.log", "under way"), 1);
    ck_assert_int_eq(lines_with("p.log", "\"event\":\"full\",\"lost_lines\":0,\"refused\":1}"), 1);
    ck_assert_uint_eq(metric(METRIC_AUDIT_REFUSED), 1);
    audit_log_settle(audit_log);
    expect_whole("p", 4);
}
END_TEST

START_TEST(a_full_disk_is_found_by_the_thread_and_refuses)
{
    new_log("refuse", AUDIT_BUFFERED);
    ck_assert(audit_log_accepts(audit_log));
    disk_ends_at((rlim_t)size_of("p.log") + 100);
    add_line("one");
    audit_log_settle(audit_log);
    bool accepts = audit_log_accepts(audit_log);
    disk_ends_at(RLIM_INFINITY);
    ck_assert(!accepts);
    for (int i = 0; i < 100000 && !audit_log_accepts(audit_log); i++)
        usleep(1000); /* it tries once a second */
    ck_assert(audit_log_accepts(audit_log));
}
END_TEST

START_TEST(beyond_the_memory_for_them_lines_are_lost_and_counted)
{
    static char long_text[100000];
    memset(long_text, 'x', sizeof long_text - 1);
    new_log("continue", AUDIT_BUFFERED);
    disk_ends_at((rlim_t)size_of("p.log") + 100);
    add_line("finds it full");
    audit_log_settle(audit_log);
    for (int i = 0; i < 100; i++) /* 10 MB, of which 8 are kept */
        add_line(long_text);
    uint64_t lost = metric(METRIC_AUDIT_LOST);
    disk_ends_at(RLIM_INFINITY);
    audit_log_settle(audit_log);
    ck_assert_uint_ge(lost, 10);
    ck_assert_uint_lt(lost, 50);
    char words[80];
    snprintf(words, sizeof words, "\"event\":\"full\",\"lost_lines\":%d,\"refused\":0}", (int)lost);
    ck_assert_int_eq(lines_with("p.log", words), 1);
    expect_whole("p", 1 + 1 + 100 - lost + 1);
}
END_TEST

START_TEST(a_line_longer_than_any_is_lost)
{
    char *text = malloc(2 << 20);
    memset(text, 'x', (2 << 20) - 1);
    text[(2 << 20) - 1] = '\0';
    new_log("continue", AUDIT_DURABLE);
    add_line(text);
    free(text);
    add_line("after");
    ck_assert_uint_eq(metric(METRIC_AUDIT_LOST), 1);
    expect_whole("p", 3);
}
END_TEST

START_TEST(a_folder_that_comes_later_is_found)
{
    new_log("refuse", AUDIT_DURABLE);
    audit_log_free(audit_log);
    suite_remove_folder(path_of(""));
    scratch_file("audit", "in the way");
    new_log("refuse", AUDIT_DURABLE);
    ck_assert(!audit_log_accepts(audit_log));
    ck_assert_int_eq(unlink(scratch_path("audit")), 0);
    ck_assert(audit_log_accepts(audit_log));
    add_line("there");
    expect_whole("p", 2);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_entry_is_json_whatever_it_tells,
        a_chain_is_written_and_goes_on,
        files_follow_each_other_and_old_ones_go,
        an_old_file_is_put_aside,
        an_own_line_is_not_younger_than_what_follows,
        a_second_process_of_the_name_has_files_of_its_own,
        a_torn_line_is_cut_off_and_told,
        a_first_line_that_is_torn,
        an_end_of_zeros_is_torn,
        a_crash_between_two_files,
        numbers_of_lines_that_were_cut_off_are_not_given_again,
        a_head_is_read_only_as_it_was_written,
        where_there_is_no_folder_it_does_not_open,
        a_durable_line_is_there_at_once,
        threads_add_lines,
        what_is_left_is_written_at_the_end,
        lines_are_written_without_being_waited_for,
        a_full_disk_stops_in_the_middle_of_a_line_and_goes_on_there,
        a_full_disk_refuses,
        a_full_disk_is_found_by_the_thread_and_refuses,
        beyond_the_memory_for_them_lines_are_lost_and_counted,
        a_line_longer_than_any_is_lost,
        a_folder_that_comes_later_is_found,
    };
    return SUITE_RUN("audit_log", set_up, tear_down, tests);
}
