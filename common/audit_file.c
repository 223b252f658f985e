/* audit_file: one descriptor that only adds, and a head beside it.
 *
 * The head says up to which line the chain is on the disk, and is written after those lines: who cuts lines
 * off the end is told by it, and so is a disk that lost them. It is locked by its writer for all its life.
 * Lines are chained before they are written: what a full disk does not take is kept as bytes, and goes on in
 * the middle of the line where it stopped. SPDX-License-Identifier: MIT */
#include "audit_file.h"

#include "audit_entry.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

enum {
    FILE_MAGIC = 0x0a0d17f1,
    NAMES_MAX = 9,                  /* processes of one name at a time */
    END_BYTES = 2 * CHAIN_LINE_MAX, /* of a file's end that are looked at: a whole line and a torn one */
    TIME_AT = 8,                    /* "time":" in front of an entry's time */
    TIME_BYTES = 27                 /* of that */
};

struct audit_file {
    unsigned magic;
    struct audit_file_settings settings; /* its texts are not kept */
    char process[AUDIT_PROCESS_MAX + 1]; /* with -2 when it is the second */
    char *path;                          /* of the current file */
    int folder, head, log;               /* -1: not open */
    uint64_t number;                     /* of the current file */
    int64_t size, born;                  /* bytes; nanoseconds since 1970 */
    int64_t rotate_at;                   /* monotonic nanoseconds: not before, since it failed */
    struct chain_hash *hash;
    struct chain_point point;
    struct audit_entry entry;   /* one of ours */
    char time[TIME_BYTES];      /* of the entry before which it stands; "": now */
    struct audit_entry pending; /* chained, not written yet */
    size_t written;             /* of pending */
    bool unsynced;
    bool reserved; /* blocks behind the end of the current file are ours */
};

/* ---- the end of what is there ---- */

struct end {
    struct chain_point point; /* of its last whole line; seq 0: it says none */
    int64_t size;             /* with that line's newline */
    int64_t torn;             /* bytes behind it */
};

static struct text last_line(struct text text)
{
    const char *newline = text.length == 0 ? NULL : memrchr(text.at, '\n', text.length);
    if (newline == NULL)
        return (struct text){0};
    size_t length = (size_t)(newline - text.at);
    const char *before = length == 0 ? NULL : memrchr(text.at, '\n', length);
    const char *start = before == NULL ? text.at : before + 1;
    return (struct text){start, (size_t)(newline - start)};
}

static void look_at_end(struct audit_file *file, int fd, struct end *end)
{
    struct stat status;
    *end = (struct end){0};
    if (fstat(fd, &status) != 0 || status.st_size == 0)
        return;
    size_t wanted = status.st_size < END_BYTES ? (size_t)status.st_size : END_BYTES;
    char *bytes = object_alloc(wanted);
    ssize_t length = pread(fd, bytes, wanted, status.st_size - (off_t)wanted);
    struct text text = {bytes, length < 0 ? 0 : (size_t)length}, line = last_line(text);
    uint8_t previous[CHAIN_DIGEST];
    if (line.at != NULL) {
        chain_digest(file->hash, line, end->point.digest);
        if (!chain_read(line, &end->point.seq, previous))
            end->point.seq = 0;
        end->torn = (int64_t)(text.at + text.length - (line.at + line.length + 1));
    } else {
        end->torn = (int64_t)text.length;
    }
    end->size = status.st_size - end->torn;
    free(bytes);
}

static int open_to_read(const struct audit_file *file, uint64_t number)
{
    char name[AUDIT_NAME_MAX];
    return openat(file->folder, audit_files_name(file->process, number, name),
                  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

static struct end end_of(struct audit_file *file, uint64_t number)
{
    struct end end = {0};
    int fd = open_to_read(file, number);
    if (fd < 0)
        return end;
    look_at_end(file, fd, &end);
    close(fd);
    return end;
}

/* The first line of a file; its document is to be freed, NULL when it has none. */
static yyjson_doc *first_line(const struct audit_file *file, uint64_t number, uint64_t *seq)
{
    char bytes[4096];
    uint8_t previous[CHAIN_DIGEST];
    int fd = open_to_read(file, number);
    ssize_t length = fd < 0 ? -1 : pread(fd, bytes, sizeof bytes, 0);
    const char *end = length <= 0 ? NULL : memchr(bytes, '\n', (size_t)length);
    if (fd >= 0)
        close(fd);
    if (end == NULL || !chain_read((struct text){bytes, (size_t)(end - bytes)}, seq, previous))
        return NULL;
    return yyjson_read(bytes, (size_t)(end - bytes), 0);
}

/* When the current file was begun; now, when it does not say. */
static int64_t birth(const char *time)
{
    struct tm parts = {0};
    if (time == NULL || strptime(time, "%Y-%m-%dT%H:%M:%S", &parts) == NULL)
        return clock_wall();
    return (int64_t)timegm(&parts) * SECOND;
}

/* ---- writing ---- */

int audit_file_flush(struct audit_file *file)
{
    CHECK_OBJECT(file, FILE_MAGIC);
    while (file->written < file->pending.length) {
        ssize_t length =
            write(file->log, file->pending.bytes + file->written, file->pending.length - file->written);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return -1;
        file->written += (size_t)length;
        file->size += length;
        file->unsynced = true;
    }
    file->written = 0;
    audit_entry_clear(&file->pending);
    return 0;
}

/* One entry, with its newline, becomes a line. */
static void chain(struct audit_file *file, struct text entry)
{
    char head[CHAIN_HEAD_MAX];
    size_t start = file->pending.length;
    audit_entry_raw(&file->pending, head, chain_next(&file->point, head));
    audit_entry_raw(&file->pending, entry.at, entry.length);
    chain_move(file->hash, &file->point,
               (struct text){file->pending.bytes + start, file->pending.length - start - 1});
}

/* One of ours. It happened before the entry that comes next, if there is one: it must not be younger. */
static void begin_own(struct audit_file *file, const char *event)
{
    audit_entry_begin(&file->entry, clock_wall(), event);
    if (*file->time != '\0')
        memcpy(file->entry.bytes + TIME_AT, file->time, TIME_BYTES);
}

static void chain_own(struct audit_file *file)
{
    audit_entry_end(&file->entry);
    chain(file, (struct text){file->entry.bytes, file->entry.length});
}

int audit_file_sync(struct audit_file *file)
{
    CHECK_OBJECT(file, FILE_MAGIC);
    char bytes[AUDIT_HEAD_BYTES];
    if (!file->unsynced || file->written < file->pending.length)
        return 0;
    if (fdatasync(file->log) != 0)
        return -1;
    audit_head_write(&file->point, file->number, bytes);
    file->unsynced = pwrite(file->head, bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes;
    return file->unsynced ? -1 : 0;
}

/* ---- from file to file ---- */

/* An empty file beside the current one, so that what fails costs nothing. Its descriptor, or -1 with errno.
 */
static int make_file(const struct audit_file *file, char name[AUDIT_NAME_MAX])
{
    snprintf(name, AUDIT_NAME_MAX, "%s.new", file->process);
    unlinkat(file->folder, name, 0);
    return openat(file->folder, name, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* What was kept free behind its end is given back. */
static void close_log(struct audit_file *file)
{
    if (file->log < 0)
        return;
    if (file->reserved)
        (void)!ftruncate(file->log, file->size);
    close(file->log);
    file->log = -1;
    file->reserved = false;
}

/* A new current file, whose first line names the end of the one before, as every line does. The one that was
 * current gets its number. 0, or -1 with errno; then all is as it was. */
static int begin_file(struct audit_file *file, int64_t torn)
{
    char fresh[AUDIT_NAME_MAX], name[AUDIT_NAME_MAX], numbered[AUDIT_NAME_MAX];
    int log = make_file(file, fresh);
    audit_files_name(file->process, 0, name);
    if (log < 0)
        return -1;
    if ((file->log >= 0 &&
         renameat2(file->folder, name, file->folder, audit_files_name(file->process, file->number, numbered),
                   RENAME_NOREPLACE) != 0) ||
        renameat(file->folder, fresh, file->folder, name) != 0) {
        int error = errno;
        close(log);
        errno = error;
        return -1;
    }
    close_log(file);
    file->log = log;
    file->number++;
    file->size = 0;
    file->born = clock_wall();
    begin_own(file, "file");
    audit_entry_text(&file->entry, "process", text_of(file->process));
    audit_entry_number(&file->entry, "file", file->number);
    audit_entry_number(&file->entry, "pid", (uint64_t)getpid());
    if (torn > 0)
        audit_entry_number(&file->entry, "repaired_bytes", (uint64_t)torn);
    chain_own(file);
    fsync(file->folder);
    return 0;
}

/* An old file goes; the chain says up to which line. It says so before, unless the disk is full: then taking
 * it away is what helps. */
static void remove_file(struct audit_file *file, uint64_t number)
{
    char name[AUDIT_NAME_MAX], hex[CHAIN_HEX + 1];
    uint64_t first = 0;
    yyjson_doc_free(first_line(file, number, &first));
    struct end end = end_of(file, number);
    chain_hex(end.point.digest, hex);
    begin_own(file, "removed");
    audit_entry_number(&file->entry, "file", number);
    audit_entry_number(&file->entry, "first_seq", first);
    audit_entry_number(&file->entry, "last_seq", end.point.seq);
    audit_entry_text(&file->entry, "digest", text_of(hex));
    chain_own(file);
    if (audit_file_flush(file) == 0)
        audit_file_sync(file);
    unlinkat(file->folder, audit_files_name(file->process, number, name), 0);
}

static void sweep(struct audit_file *file)
{
    uint64_t *numbers;
    size_t count = audit_files_numbers(file->folder, file->process, &numbers);
    for (size_t i = 0; i + (size_t)file->settings.keep < count; i++)
        remove_file(file, numbers[i]);
    free(numbers);
}

/* What fails is tried again, not with every line. */
static void rotate(struct audit_file *file)
{
    int64_t now = clock_now();
    if (now < file->rotate_at)
        return;
    file->rotate_at = now + SECOND;
    if (audit_file_flush(file) != 0 || audit_file_sync(file) != 0 || begin_file(file, 0) != 0)
        return;
    file->rotate_at = 0;
    sweep(file);
}

static bool is_full(const struct audit_file *file, size_t bytes)
{
    int64_t size = file->size + (int64_t)(file->pending.length - file->written);
    return size > 0 && (size + (int64_t)bytes > file->settings.max_bytes ||
                        (file->settings.max_age > 0 && clock_wall() - file->born >= file->settings.max_age));
}

int audit_file_write(struct audit_file *file, struct text entries)
{
    CHECK_OBJECT(file, FILE_MAGIC);
    ENSURE(file->pending.length == 0);
    while (entries.length > 0) {
        const char *newline = memchr(entries.at, '\n', entries.length);
        ENSURE(newline != NULL);
        size_t length = (size_t)(newline - entries.at) + 1;
        if (is_full(file, length + CHAIN_HEAD_MAX)) {
            ENSURE(length > TIME_AT + TIME_BYTES);
            memcpy(file->time, entries.at + TIME_AT, TIME_BYTES);
            rotate(file);
            *file->time = '\0';
        }
        chain(file, (struct text){entries.at, length});
        entries = (struct text){entries.at + length, entries.length - length};
    }
    return audit_file_flush(file);
}

bool audit_file_reserve(struct audit_file *file)
{
    CHECK_OBJECT(file, FILE_MAGIC);
    if (fallocate(file->log, FALLOC_FL_KEEP_SIZE, file->size, file->settings.reserve_bytes) == 0)
        file->reserved = true;
    else
        return errno == EOPNOTSUPP || errno == ENOSYS;
    return true;
}

/* ---- opening ---- */

/* The folder, the name that nobody else has, and its head. */
static bool take_name(struct audit_file *file)
{
    char path[4096], name[AUDIT_NAME_MAX];
    if (snprintf(path, sizeof path, "%s/" AUDIT_FOLDER, file->settings.state_directory) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return false;
    file->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 1; file->folder >= 0 && i <= NAMES_MAX; i++) {
        snprintf(file->process, sizeof file->process, i == 1 ? "%.*s" : "%.*s-%d", AUDIT_PROCESS_MAX - 4,
                 file->settings.process, i);
        file->head = openat(file->folder, audit_files_head_name(file->process, name),
                            O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (file->head < 0 || flock(file->head, LOCK_EX | LOCK_NB) == 0)
            break;
        close(file->head);
        file->head = -1;
        errno = EWOULDBLOCK;
    }
    if (file->head < 0)
        return false;
    audit_files_name(file->process, 0, name);
    ENSURE(asprintf(&file->path, "%s/%s", path, name) >= 0);
    return true;
}

static uint64_t highest_number(const struct audit_file *file)
{
    uint64_t *numbers;
    size_t count = audit_files_numbers(file->folder, file->process, &numbers);
    uint64_t highest = count == 0 ? 0 : numbers[count - 1];
    free(numbers);
    return highest;
}

/* The current file goes on: its torn end is cut off, and what happened is told. */
static bool go_on(struct audit_file *file, const struct end *end, const struct chain_point *head)
{
    char name[AUDIT_NAME_MAX];
    uint64_t seq;
    file->log = openat(file->folder, audit_files_name(file->process, 0, name),
                       O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (file->log < 0 || (end->torn > 0 && ftruncate(file->log, end->size) != 0))
        return false;
    file->size = end->size;
    yyjson_doc *first = first_line(file, 0, &seq);
    yyjson_val *root = yyjson_doc_get_root(first);
    uint64_t number = yyjson_get_uint(yyjson_obj_get(root, "file"));
    file->number = number > file->number ? number : file->number + 1;
    file->born = birth(yyjson_get_str(yyjson_obj_get(root, "time")));
    yyjson_doc_free(first);
    begin_own(file, "start");
    audit_entry_number(&file->entry, "pid", (uint64_t)getpid());
    if (end->torn > 0)
        audit_entry_number(&file->entry, "repaired_bytes", (uint64_t)end->torn);
    if (head->seq > end->point.seq) /* they were on the disk, and are gone */
        audit_entry_number(&file->entry, "missing_to_seq", head->seq);
    chain_own(file);
    return true;
}

/* Finds out where the chain ended. What the head says was on the disk is never counted anew. */
static bool open_end(struct audit_file *file)
{
    struct chain_point head = {0};
    uint64_t head_number = 0;
    if (audit_files_head(file->folder, file->process, &head, &head_number) < 0)
        head = (struct chain_point){0}; /* a crash in its first write, or a hand: the lines are there */
    file->number = highest_number(file);
    struct end end = end_of(file, 0), before = {0};
    if (end.point.seq == 0 && file->number > 0)
        before = end_of(file, file->number);
    const struct chain_point *last = end.size > 0 ? &end.point : &before.point;
    file->point = head.seq > 0 && head.seq >= last->seq ? head : *last;
    if (end.size > 0)
        return go_on(file, &end, &head);
    file->number = head_number > file->number ? head_number : file->number;
    return begin_file(file, end.torn) == 0; /* in place of one without a whole line, if that is there */
}

struct audit_file *audit_file_open(const struct audit_file_settings *settings)
{
    struct audit_file *file = object_alloc(sizeof *file);
    file->magic = FILE_MAGIC;
    file->settings = *settings;
    file->folder = file->head = file->log = -1;
    file->hash = chain_hash_new();
    bool good = take_name(file) && open_end(file);
    file->settings.state_directory = file->settings.process = NULL;
    if (good) {
        (void)audit_file_flush(file); /* what does not go now is kept */
        return file;
    }
    int error = errno;
    audit_file_close(file);
    errno = error;
    return NULL;
}

void audit_file_close(struct audit_file *file)
{
    if (file == NULL)
        return;
    CHECK_OBJECT(file, FILE_MAGIC);
    if (file->log >= 0 && audit_file_flush(file) == 0)
        audit_file_sync(file);
    close_log(file);
    if (file->head >= 0)
        close(file->head);
    if (file->folder >= 0)
        close(file->folder);
    chain_hash_free(file->hash);
    audit_entry_free(&file->entry);
    audit_entry_free(&file->pending);
    free(file->path);
    file->magic = 0;
    free(file);
}

struct chain_point audit_file_point(const struct audit_file *file)
{
    return file->point;
}

const char *audit_file_path(const struct audit_file *file)
{
    return file->path;
}
