/* audit_files: names and numbers, for who writes the files and for who looks at them.
 * SPDX-License-Identifier: MIT */
#include "audit_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char *audit_files_name(const char *process, uint64_t number, char name[AUDIT_NAME_MAX])
{
    if (number == 0)
        snprintf(name, AUDIT_NAME_MAX, "%.*s.log", AUDIT_PROCESS_MAX, process);
    else
        snprintf(name, AUDIT_NAME_MAX, "%.*s.log.%" PRIu64, AUDIT_PROCESS_MAX, process, number);
    return name;
}

char *audit_files_head_name(const char *process, char name[AUDIT_NAME_MAX])
{
    snprintf(name, AUDIT_NAME_MAX, "%.*s.head", AUDIT_PROCESS_MAX, process);
    return name;
}

/* The length of the process's part of a file's name, and its number (0: PROCESS.log or PROCESS.head); 0 when
 * the name is none of ours. */
static size_t take_apart(const char *name, uint64_t *number)
{
    size_t length = strlen(name), digits = length;
    *number = 0;
    if (length > 5 && strcmp(name + length - 5, ".head") == 0)
        return length - 5;
    while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9')
        digits--;
    if (digits < length && length - digits <= 18 && digits > 5 &&
        memcmp(name + digits - 5, ".log.", 5) == 0 && name[digits] != '0') {
        *number = strtoull(name + digits, NULL, 10);
        return digits - 5;
    }
    return length > 4 && strcmp(name + length - 4, ".log") == 0 ? length - 4 : 0;
}

static DIR *open_folder(int folder)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    if (directory == NULL && copy >= 0)
        close(copy);
    return directory;
}

static int compare_numbers(const void *left, const void *right)
{
    uint64_t one = *(const uint64_t *)left, other = *(const uint64_t *)right;
    return (one > other) - (one < other);
}

size_t audit_files_numbers(int folder, const char *process, uint64_t **numbers)
{
    size_t count = 0, capacity = 0, length = strlen(process);
    DIR *directory = open_folder(folder);
    *numbers = NULL;
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        uint64_t number;
        if (take_apart(entry->d_name, &number) != length || number == 0 ||
            memcmp(entry->d_name, process, length) != 0)
            continue;
        if (count == capacity) {
            capacity = 2 * capacity + 16;
            *numbers = realloc(*numbers, capacity * sizeof **numbers);
            ENSURE(*numbers != NULL);
        }
        (*numbers)[count++] = number;
    }
    if (directory != NULL)
        closedir(directory);
    if (count > 0)
        qsort(*numbers, count, sizeof **numbers, compare_numbers);
    return count;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static bool known(char *const *names, int count, struct text name)
{
    for (int i = 0; i < count; i++)
        if (text_is(name, names[i]))
            return true;
    return false;
}

int audit_files_processes(int folder, char ***names)
{
    int count = 0;
    DIR *directory = open_folder(folder);
    *names = NULL;
    if (directory == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        uint64_t number;
        struct text name = {entry->d_name, take_apart(entry->d_name, &number)};
        if (name.length == 0 || name.length > AUDIT_PROCESS_MAX || known(*names, count, name))
            continue;
        *names = realloc(*names, (size_t)(count + 1) * sizeof **names);
        ENSURE(*names != NULL);
        (*names)[count] = object_alloc(name.length + 1);
        text_copy(name, (*names)[count++], name.length + 1);
    }
    closedir(directory);
    if (count > 0)
        qsort(*names, (size_t)count, sizeof **names, compare_names);
    return count;
}

void audit_files_names_free(char **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* ---- heads ---- */

static const char head_form[] = "{\"seq\":%" PRIu64 ",\"digest\":\"%s\",\"file\":%" PRIu64 "}";

void audit_head_write(const struct chain_point *point, uint64_t file, char bytes[AUDIT_HEAD_BYTES])
{
    char hex[CHAIN_HEX + 1];
    chain_hex(point->digest, hex);
    int length = snprintf(bytes, AUDIT_HEAD_BYTES, head_form, point->seq, hex, file);
    memset(bytes + length, ' ', (size_t)(AUDIT_HEAD_BYTES - length));
    bytes[AUDIT_HEAD_BYTES - 1] = '\n';
}

bool audit_head_read(struct text bytes, struct chain_point *point, uint64_t *file)
{
    char text[AUDIT_HEAD_BYTES + 1], again[AUDIT_HEAD_BYTES], hex[CHAIN_HEX + 1];
    if (bytes.length != AUDIT_HEAD_BYTES)
        return false;
    text_copy(bytes, text, sizeof text);
    if (sscanf(text, "{\"seq\":%20" SCNu64 ",\"digest\":\"%64[0-9a-f]\",\"file\":%20" SCNu64 "}", &point->seq,
               hex, file) != 3 ||
        !chain_unhex(text_of(hex), point->digest))
        return false;
    audit_head_write(point, *file, again);
    return memcmp(again, bytes.at, AUDIT_HEAD_BYTES) == 0;
}

int audit_files_head(int folder, const char *process, struct chain_point *point, uint64_t *file)
{
    char name[AUDIT_NAME_MAX], bytes[AUDIT_HEAD_BYTES];
    int fd =
        openat(folder, audit_files_head_name(process, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    ssize_t length = pread(fd, bytes, sizeof bytes, 0);
    close(fd);
    return length > 0 && audit_head_read((struct text){bytes, (size_t)length}, point, file) ? 1 : -1;
}
