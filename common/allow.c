/* allow: see allow.h. Whoever reads a list takes all of it or nothing: half a list would lock out some of
 * those who may come in, or, when it is read again, leave in some who must go. SPDX-License-Identifier: MIT
 */
#include "allow.h"

#include "api_key.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* As many lines as there may be keys, each with a comment of its own. */
enum { FILE_MAX = 1 << 20 };

struct allow_list *allow_new(void)
{
    return object_alloc(sizeof(struct allow_list));
}

void allow_free(struct allow_list *list)
{
    if (list == NULL)
        return;
    free(list->entries);
    free(list);
}

void allow_add(struct allow_list *list, const struct allow_entry *entry)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        list->entries = realloc(list->entries, list->capacity * sizeof *list->entries);
        ENSURE(list->entries != NULL);
    }
    list->entries[list->count++] = *entry;
}

/* NULL, or why it cannot be added. */
static const char *add(struct allow_list *list, struct text name, struct text key, unsigned doors,
                       const char *models)
{
    if (!key_name_ok(name))
        return "a name has 1 to 64 of A-Z a-z 0-9 . _ - and no dot first";
    if (!key_ok(key))
        return "a key has 40 characters of Z85";
    for (size_t i = 0; i < list->count; i++)
        if (text_is(name, list->entries[i].name) || text_is(key, list->entries[i].key))
            return "this name or this key is there twice";
    if (list->count == ALLOW_MAX)
        return "there are more than 4096 keys";
    struct allow_entry entry = {.doors = doors};
    text_copy(name, entry.name, sizeof entry.name);
    text_copy(key, entry.key, sizeof entry.key);
    text_copy(text_of(models), entry.models, sizeof entry.models);
    allow_add(list, &entry);
    return NULL;
}

/* ---- a file ---- */

/* Cuts the next word off the line; empty when there is none. */
static struct text next_word(struct text *line)
{
    size_t start = 0, end;
    while (start < line->length && strchr(" \t\r", line->at[start]) != NULL)
        start++;
    for (end = start; end < line->length && strchr(" \t\r", line->at[end]) == NULL; end++)
        continue;
    struct text word = {line->at + start, end - start};
    *line = (struct text){line->at + end, line->length - end};
    return word;
}

static const char *add_line(struct allow_list *list, struct text line)
{
    struct text name = next_word(&line), key = next_word(&line), door = next_word(&line);
    if (name.length == 0 || name.at[0] == '#')
        return NULL;
    char models[KEY_MODELS_MAX + 1] = "";
    struct text of_models = next_word(&line);
    unsigned doors = door.length == 0 ? KEY_ALL_DOORS : key_door_of(door);
    bool wrong = of_models.length > 0 && (doors != KEY_WORKERS || !key_models_read(of_models, models));
    if (doors == 0 || wrong || next_word(&line).length > 0)
        return "expected NAME KEY, and behind that workers, workers and MODEL,MODEL*,..., askers or nothing";
    return add(list, name, key, doors, models);
}

bool allow_parse(struct allow_list *list, struct text bytes, char *reason, size_t capacity)
{
    for (unsigned number = 1; bytes.length > 0; number++) {
        const char *end = memchr(bytes.at, '\n', bytes.length);
        size_t length = end == NULL ? bytes.length : (size_t)(end - bytes.at);
        const char *complaint = add_line(list, (struct text){bytes.at, length});
        if (complaint != NULL) {
            snprintf(reason, capacity, "line %u: %s", number, complaint);
            return false;
        }
        size_t taken = end == NULL ? length : length + 1;
        bytes = (struct text){bytes.at + taken, bytes.length - taken};
    }
    return true;
}

static bool read_file(struct allow_list *list, const char *path, char *reason, size_t capacity)
{
    char why[128];
    const char *complaint;
    char *bytes = object_alloc(FILE_MAX);
    ssize_t length = key_slurp(path, false, bytes, FILE_MAX, &complaint);
    if (length >= 0 && !allow_parse(list, (struct text){bytes, (size_t)length}, why, sizeof why))
        complaint = why;
    if (complaint != NULL)
        snprintf(reason, capacity, "%s: %s", path, complaint);
    free(bytes);
    return complaint == NULL;
}

/* ---- a folder ---- */

/* "host7" of "host7.key"; empty for a file that is no public key's. */
static struct text name_of(const char *file)
{
    size_t length = strlen(file), suffix = strlen(KEY_SUFFIX);
    if (file[0] == '.' || length <= suffix || strcmp(file + length - suffix, KEY_SUFFIX) != 0)
        return (struct text){0};
    return (struct text){file, length - suffix};
}

static bool add_certificate(struct allow_list *list, const char *directory, const char *file, char *reason,
                            size_t capacity)
{
    char path[4608];
    struct key_pair pair;
    snprintf(path, sizeof path, "%s/%s", directory, file);
    if (!key_read(path, false, &pair, reason, capacity))
        return false;
    const char *complaint = *pair.secret_key != '\0'
                                ? "holds a secret-key, which stays on the host that it is of"
                                : add(list, *pair.name != '\0' ? text_of(pair.name) : name_of(file),
                                      text_of(pair.public_key), pair.doors, pair.models);
    key_wipe(&pair, sizeof pair);
    if (complaint != NULL)
        snprintf(reason, capacity, "%s: %s", path, complaint);
    return complaint == NULL;
}

static bool read_folder(struct allow_list *list, const char *path, char *reason, size_t capacity)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        snprintf(reason, capacity, "%s: %s", path, strerror(errno));
        return false;
    }
    bool good = true;
    const struct dirent *entry;
    while (good && (entry = readdir(folder)) != NULL)
        if (name_of(entry->d_name).length > 0)
            good = add_certificate(list, path, entry->d_name, reason, capacity);
    closedir(folder);
    return good;
}

struct allow_list *allow_read(const char *path, char *reason, size_t capacity)
{
    struct stat status;
    struct allow_list *list = allow_new();
    bool is_folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    if (is_folder ? read_folder(list, path, reason, capacity) : read_file(list, path, reason, capacity))
        return list;
    allow_free(list);
    return NULL;
}

/* ---- looking ---- */

bool allow_serves(const struct allow_entry *entry, struct text model)
{
    return api_key_models_have(entry->models, model);
}

const struct allow_entry *allow_find(const struct allow_list *list, const char key[KEY_LENGTH],
                                     enum key_door door)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < list->count; i++) {
        size_t same = (size_t)key_equal(list->entries[i].key, key);
        found = (found & (same - 1)) | (i & (0 - same)); /* without a branch */
    }
    if (found >= list->count || (list->entries[found].doors & door) == 0)
        return NULL;
    return &list->entries[found];
}
