/* kept: reads what broker/quarantine.c writes. It looks at the files alone and needs no broker: what killed
 * the workers can be looked at when nothing runs any more. SPDX-License-Identifier: MIT */
#include "kept.h"

#include "table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Above broker.max_message_bytes at its largest: no request was ever longer. */
#define FILE_BYTES_MAX ((INT64_C(1) << 30) + 65536)

/* ---- one file ---- */

/* All of the descriptor's bytes; NULL with errno. */
static uint8_t *read_all(int fd, size_t *length)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return NULL;
    if (!S_ISREG(status.st_mode) || status.st_size > FILE_BYTES_MAX) {
        errno = S_ISREG(status.st_mode) ? EFBIG : EINVAL;
        return NULL;
    }
    uint8_t *bytes = object_alloc((size_t)status.st_size + 1);
    ssize_t got = 1;
    for (*length = 0; got > 0 && *length < (size_t)status.st_size; *length += (size_t)got) {
        got = read(fd, bytes + *length, (size_t)status.st_size - *length);
        if (got < 0) {
            int error = errno;
            free(bytes);
            errno = error;
            return NULL;
        }
    }
    return bytes;
}

static bool read_path(const char *path, struct kept *kept, char *reason, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    kept->bytes = fd < 0 ? NULL : read_all(fd, &kept->length);
    if (kept->bytes == NULL)
        snprintf(reason, capacity, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (kept->bytes == NULL)
        return false;
    const char *complaint = quarantined_decode(kept->bytes, kept->length, &kept->record);
    if (complaint == NULL)
        return true;
    snprintf(reason, capacity, "%s: no request that was kept: %s", path, complaint);
    kept_free(kept);
    return false;
}

static char *folder_path(const struct config *config, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/" QUARANTINE_FOLDER "%s%s", config->state_directory,
             *name == '\0' ? "" : "/", name);
    return path;
}

bool kept_read(const struct config *config, const char *name, struct kept *kept, char *reason,
               size_t capacity)
{
    char path[PATH_MAX];
    bool is_name = strchr(name, '/') == NULL && access(name, F_OK) != 0;
    return read_path(is_name ? folder_path(config, name, path) : name, kept, reason, capacity);
}

void kept_free(struct kept *kept)
{
    free(kept->bytes);
    *kept = (struct kept){0};
}

const char *kept_time(uint64_t time_ms, char *buffer)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL || strftime(buffer, KEPT_TIME_BYTES, "%Y-%m-%d %H:%M:%S", &utc) == 0)
        snprintf(buffer, KEPT_TIME_BYTES, "?");
    return buffer;
}

/* ---- all of them ---- */

static int is_kept(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name), end = strlen(QUARANTINE_SUFFIX);
    return length > end && strcmp(entry->d_name + length - end, QUARANTINE_SUFFIX) == 0;
}

static void text_cell(struct table *table, struct text text)
{
    table_cell(table, TONE_PLAIN, "%.*s", (int)text.length, text.at);
}

static void add_row(void *self, const char *name, const struct quarantined *record)
{
    struct table *table = self;
    char time[KEPT_TIME_BYTES];
    table_cell(table, TONE_PLAIN, "%s", name);
    table_cell(table, TONE_PLAIN, "%s", kept_time(record->time_ms, time));
    text_cell(table, record->model);
    text_cell(table, record->version);
    table_cell(table, TONE_PLAIN, "%" PRIu32, record->rows);
    table_cell(table, TONE_PLAIN, "%zu", record->payload.length);
    table_cell(table, TONE_PLAIN, "%" PRIu32, record->kills);
    text_cell(table, record->cause);
    text_cell(table, record->tag);
}

/* What is done with each file that can be read. */
typedef void each_kept(void *self, const char *name, const struct quarantined *record);

static bool take_file(const struct config *config, const char *name, each_kept *take, void *self)
{
    struct kept kept;
    char path[PATH_MAX], reason[PATH_MAX + 128];
    if (!read_path(folder_path(config, name, path), &kept, reason, sizeof reason)) {
        fprintf(stderr, "outrigger: %s\n", reason);
        return false;
    }
    take(self, name, &kept.record);
    kept_free(&kept);
    return true;
}

/* All files, the oldest first; *count says how many there are. */
static bool take_all(const struct config *config, int *count, each_kept *take, void *self)
{
    char path[PATH_MAX];
    struct dirent **entries = NULL;
    *count = scandir(folder_path(config, "", path), &entries, is_kept, alphasort);
    if (*count < 0 && errno != ENOENT) {
        fprintf(stderr, "outrigger: %s: %s\n", path, strerror(errno));
        return false;
    }
    bool good = true;
    for (int i = 0; i < *count; i++) {
        good = take_file(config, entries[i]->d_name, take, self) && good;
        free(entries[i]);
    }
    free(entries);
    return good;
}

bool kept_list(const struct config *config, FILE *out, bool coloured)
{
    static const char *const heads[] = {"FILE",   "TIME (UTC)", "MODEL", "VERSION",   ">ROWS",
                                        ">BYTES", ">KILLS",     "CAUSE", "REQUEST ID"};
    char path[PATH_MAX];
    int count;
    struct table *table = table_new(heads, COUNT_OF(heads));
    bool good = take_all(config, &count, add_row, table);
    if (good && count <= 0)
        fprintf(out, "nothing is kept in %s\n", folder_path(config, "", path));
    table_print(table, out, coloured);
    table_free(table);
    return good;
}

/* ---- JSON ---- */

static void add_text(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name, struct text text)
{
    yyjson_mut_obj_add_strncpy(document, object, name, text.at == NULL ? "" : text.at, text.length);
}

void kept_add(const struct quarantined *record, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    add_text(document, object, "model", record->model);
    add_text(document, object, "version", record->version);
    add_text(document, object, "request_id", record->tag);
    add_text(document, object, "cause", record->cause);
    yyjson_mut_obj_add_uint(document, object, "time_ms", record->time_ms);
    yyjson_mut_obj_add_uint(document, object, "rows", record->rows);
    yyjson_mut_obj_add_uint(document, object, "kills", record->kills);
    yyjson_mut_obj_add_uint(document, object, "bytes", record->payload.length);
}

static void add_entry(void *self, const char *name, const struct quarantined *record)
{
    yyjson_mut_doc *document = self;
    yyjson_mut_val *root = yyjson_mut_doc_get_root(document);
    yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, yyjson_mut_obj_get(root, "requests"));
    yyjson_mut_obj_add_strcpy(document, entry, "file", name);
    kept_add(record, document, entry);
}

bool kept_add_list(const struct config *config, yyjson_mut_doc *document)
{
    int count;
    yyjson_mut_obj_add_arr(document, yyjson_mut_doc_get_root(document), "requests");
    return take_all(config, &count, add_entry, document);
}
