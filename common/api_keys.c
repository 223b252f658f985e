/* api_keys: reads and writes STATE/keys.json.
 *
 *   {"keys": [{"id": "0aB...", "name": "billing", "sha256": "64 hexadecimal digits", "scopes": ["predict"],
 *              "models": ["fraud", "churn-*"], "created": 1760000000, "expires": 1790000000,
 *              "previous": {"sha256": "...", "until": 1760086400},
 *              "limits": {"requests_per_s": 50, "rows_per_s": 1000, "burst": 100}}]}
 *
 * The file can tell nobody a key. Written by `outrigger key` alone, read again by every frontend after each
 * change; so it is whole at any moment, and who changes it holds a lock on its folder. All or nothing: an
 * entry that cannot be read must not become a key with other rights than were meant. SPDX-License-Identifier:
 * MIT */
#include "api_key.h"

#include "durable.h"
#include "hex.h"
#include "key.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

enum { DIRECTORY_MODE = 0750, FILE_MODE = 0640 };

#define TIME_MAX (INT64_C(1) << 40) /* seconds; the year 36812 */
#define RATE_MAX 1e9

/* ---- reading ---- */

struct reading {
    const char *file;
    size_t index; /* of the entry */
    struct config_errors *errors;
};

static bool complain(const struct reading *reading, const char *member, const char *what)
{
    config_complain(reading->errors, "%s: keys[%zu].%s: %s", reading->file, reading->index, member, what);
    return false;
}

static struct text text_in(yyjson_val *value)
{
    return (struct text){yyjson_get_str(value), yyjson_get_len(value)};
}

static bool read_id(const struct reading *reading, yyjson_val *value, struct api_key *key)
{
    struct text text = text_in(value);
    if (text.at == NULL || !api_key_id_ok(text))
        return complain(reading, "id", "expected 12 of 0-9 A-Z a-z");
    text_copy(text, key->id, sizeof key->id);
    return true;
}

static bool read_name(const struct reading *reading, yyjson_val *value, struct api_key *key)
{
    struct text text = text_in(value);
    if (text.at == NULL || !api_key_name_ok(text))
        return complain(reading, "name", "expected 1 to 64 printable characters");
    text_copy(text, key->name, sizeof key->name);
    return true;
}

static bool read_digest(const struct reading *reading, const char *member, yyjson_val *value,
                        uint8_t digest[SHA256_BYTES])
{
    struct text text = text_in(value);
    bool good =
        text.at != NULL && text.length == 2 * (size_t)SHA256_BYTES && hex_read(text.at, digest, SHA256_BYTES);
    return good || complain(reading, member, "expected 64 hexadecimal digits, small letters");
}

static bool read_sha256(const struct reading *reading, yyjson_val *value, struct api_key *key)
{
    return read_digest(reading, "sha256", value, key->digest);
}

static bool read_scopes(const struct reading *reading, yyjson_val *list, struct api_key *key)
{
    size_t index, count;
    yyjson_val *value;
    bool good = yyjson_is_arr(list);
    yyjson_arr_foreach(list, index, count, value)
    {
        enum right right = yyjson_is_str(value) ? right_of(text_in(value)) : RIGHT_NONE;
        good = good && right != RIGHT_NONE;
        key->rights |= right;
    }
    return good || complain(reading, "scopes", "expected a list of predict, feedback, metrics, admin");
}

static bool read_models(const struct reading *reading, yyjson_val *list, struct api_key *key)
{
    size_t index, count, length = 0;
    yyjson_val *value;
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) == 0)
        return complain(reading, "models", "expected a list of names; all models are meant without it");
    yyjson_arr_foreach(list, index, count, value)
    {
        struct text text = text_in(value);
        if (text.at == NULL || !api_key_model_ok(text))
            return complain(reading, "models", "expected names of models, or beginnings of such with a *");
        if (length + text.length + 1 > API_KEY_MODELS_MAX)
            return complain(reading, "models", "longer than 512 bytes together");
        if (length > 0)
            key->models[length++] = ' ';
        memcpy(key->models + length, text.at, text.length);
        length += text.length;
    }
    return true;
}

static bool read_time(const struct reading *reading, const char *member, yyjson_val *value, int64_t *time)
{
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) == 0 || yyjson_get_uint(value) > (uint64_t)TIME_MAX)
        return complain(reading, member, "expected seconds since 1970");
    *time = (int64_t)yyjson_get_uint(value);
    return true;
}

static bool read_created(const struct reading *reading, yyjson_val *value, struct api_key *key)
{
    return read_time(reading, "created", value, &key->created);
}

static bool read_expires(const struct reading *reading, yyjson_val *value, struct api_key *key)
{
    return read_time(reading, "expires", value, &key->expires);
}

static bool read_previous(const struct reading *reading, yyjson_val *value, struct api_key *key)
{
    if (!yyjson_is_obj(value) || yyjson_obj_size(value) != 2)
        return complain(reading, "previous", "expected an object with sha256 and until");
    return read_digest(reading, "previous.sha256", yyjson_obj_get(value, "sha256"), key->previous) &&
           read_time(reading, "previous.until", yyjson_obj_get(value, "until"), &key->previous_until);
}

static bool read_limits(const struct reading *reading, yyjson_val *object, struct api_key *key)
{
    static const char expected[] = "expected requests_per_s, rows_per_s and burst as numbers above 0";
    size_t index, count;
    yyjson_val *name, *value;
    if (!yyjson_is_obj(object))
        return complain(reading, "limits", expected);
    yyjson_obj_foreach(object, index, count, name, value)
    {
        double *member = yyjson_equals_str(name, "requests_per_s") ? &key->requests_per_s
                         : yyjson_equals_str(name, "rows_per_s")   ? &key->rows_per_s
                         : yyjson_equals_str(name, "burst")        ? &key->burst
                                                                   : NULL;
        double number = yyjson_get_num(value);
        if (member == NULL || !yyjson_is_num(value) || !(number > 0) || number > RATE_MAX)
            return complain(reading, "limits", expected);
        *member = number;
    }
    return true;
}

static const struct {
    const char *name;
    bool (*read)(const struct reading *reading, yyjson_val *value, struct api_key *key);
    bool required;
} members[] = {
    {"id", read_id, true},
    {"name", read_name, true},
    {"sha256", read_sha256, true},
    {"scopes", read_scopes, true},
    {"models", read_models, false},
    {"created", read_created, true},
    {"expires", read_expires, false},
    {"previous", read_previous, false},
    {"limits", read_limits, false},
};

static bool read_member(const struct reading *reading, yyjson_val *name, yyjson_val *value,
                        struct api_key *key, unsigned *seen)
{
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (!yyjson_equals_str(name, members[i].name))
            continue;
        if ((*seen & 1u << i) != 0)
            return complain(reading, members[i].name, "stands there twice");
        *seen |= 1u << i;
        return members[i].read(reading, value, key);
    }
    return complain(reading, yyjson_get_str(name), "is no key that is known here");
}

static bool read_key(const struct reading *reading, yyjson_val *object, struct api_key *key)
{
    size_t index, count;
    yyjson_val *name, *value;
    unsigned seen = 0;
    bool good = yyjson_is_obj(object) || complain(reading, "id", "expected an object");
    *key = (struct api_key){.created = 0};
    yyjson_obj_foreach(object, index, count, name, value)
    {
        good = read_member(reading, name, value, key, &seen) && good;
    }
    for (size_t i = 0; good && i < COUNT_OF(members); i++)
        if (members[i].required && (seen & 1u << i) == 0)
            good = complain(reading, members[i].name, "is missing");
    return good;
}

static bool read_list(const char *file, yyjson_val *list, struct api_keys *keys, struct config_errors *errors)
{
    size_t index, count;
    yyjson_val *value;
    bool good = true;
    keys->keys = object_alloc((yyjson_arr_size(list) + 1) * sizeof *keys->keys);
    yyjson_arr_foreach(list, index, count, value)
    {
        struct api_key key;
        struct reading reading = {file, index, errors};
        if (!read_key(&reading, value, &key))
            good = false;
        else if (!api_keys_add(keys, &key))
            good = complain(&reading, "id", "is that of another entry, too");
    }
    return good;
}

struct api_keys *api_keys_parse(const char *name, struct text text, struct config_errors *errors)
{
    yyjson_read_err error = {0};
    struct api_keys *keys = object_alloc(sizeof *keys);
    /* Without INSITU yyjson does not write to it, whatever its prototype says. */
    yyjson_doc *document =
        yyjson_read_opts((char *)(uintptr_t)text.at, text.length, YYJSON_READ_NOFLAG, NULL, &error);
    yyjson_val *root = yyjson_doc_get_root(document), *list = yyjson_obj_get(root, "keys");
    bool good = false;
    if (document == NULL)
        config_complain(errors, "%s: %s at byte %zu", name, error.msg, error.pos);
    else if (!yyjson_is_arr(list) || yyjson_obj_size(root) != 1 || yyjson_arr_size(list) > API_KEYS_MAX)
        config_complain(errors, "%s: expected {\"keys\": [...]} with at most %d of them", name, API_KEYS_MAX);
    else
        good = read_list(name, list, keys, errors);
    yyjson_doc_free(document);
    if (good)
        return keys;
    api_keys_free(keys);
    return NULL;
}

/* The folder of the file, which the caller frees. */
static char *folder_of(const char *path)
{
    char *copy = object_strdup(path);
    char *folder = object_strdup(dirname(copy));
    free(copy);
    return folder;
}

/* Root reads it for whom it belongs to: the user whose folder it is in, as it is written. */
static uid_t reader_of(const char *path)
{
    struct stat status;
    char *folder = folder_of(path);
    bool known = geteuid() == 0 && stat(folder, &status) == 0;
    free(folder);
    return known ? status.st_uid : geteuid();
}

struct api_keys *api_keys_read(const char *path, struct config_errors *errors)
{
    const char *complaint;
    if (access(path, F_OK) == -1 && errno == ENOENT)
        return object_alloc(sizeof(struct api_keys));
    char *bytes = malloc(API_KEY_FILE_MAX);
    ENSURE(bytes != NULL);
    ssize_t length = key_slurp_of(path, reader_of(path), bytes, API_KEY_FILE_MAX, &complaint);
    struct api_keys *keys = NULL;
    if (length < 0)
        config_complain(errors, "%s: %s", path, complaint);
    else
        keys = api_keys_parse(path, (struct text){bytes, (size_t)length}, errors);
    free(bytes);
    return keys;
}

/* ---- the list ---- */

void api_keys_free(struct api_keys *keys)
{
    if (keys == NULL)
        return;
    free(keys->keys);
    free(keys);
}

/* Where the id is, or would be. */
static size_t place_of(const struct api_keys *keys, const char *id)
{
    size_t from = 0, to = keys->count;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (memcmp(keys->keys[middle].id, id, API_KEY_ID) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

struct api_key *api_keys_find(const struct api_keys *keys, const char *id)
{
    size_t place = place_of(keys, id);
    if (place == keys->count || memcmp(keys->keys[place].id, id, API_KEY_ID) != 0)
        return NULL;
    return &keys->keys[place];
}

bool api_keys_add(struct api_keys *keys, const struct api_key *key)
{
    if (keys->count >= API_KEYS_MAX || api_keys_find(keys, key->id) != NULL)
        return false;
    size_t place = place_of(keys, key->id);
    keys->keys = realloc(keys->keys, (keys->count + 1) * sizeof *keys->keys);
    ENSURE(keys->keys != NULL);
    memmove(&keys->keys[place + 1], &keys->keys[place], (keys->count - place) * sizeof *keys->keys);
    keys->keys[place] = *key;
    keys->count++;
    return true;
}

void api_keys_remove(struct api_keys *keys, struct api_key *key)
{
    size_t place = (size_t)(key - keys->keys);
    keys->count--;
    memmove(key, key + 1, (keys->count - place) * sizeof *key);
}

/* ---- writing ---- */

static void write_digest(yyjson_mut_doc *document, yyjson_mut_val *object, const uint8_t digest[SHA256_BYTES])
{
    char text[2 * SHA256_BYTES + 1] = "";
    hex_write(text, digest, SHA256_BYTES);
    yyjson_mut_obj_add_strcpy(document, object, "sha256", text);
}

static void write_scopes(yyjson_mut_doc *document, yyjson_mut_val *object, unsigned rights)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, "scopes");
    for (unsigned bit = 1; bit <= RIGHTS_ALL; bit <<= 1)
        if ((rights & bit) != 0)
            yyjson_mut_arr_add_str(document, list, right_text((enum right)bit));
}

void api_key_models_to_json(const char *models, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    if (*models == '\0')
        return;
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, "models");
    for (; *models != '\0'; models += strspn(models, " ")) {
        size_t length = strcspn(models, " ");
        yyjson_mut_arr_add_strncpy(document, list, models, length);
        models += length;
    }
}

static void write_limit(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name, double limit)
{
    if (limit > 0 && floor(limit) == limit)
        yyjson_mut_obj_add_uint(document, object, name, (uint64_t)limit);
    else if (limit > 0)
        yyjson_mut_obj_add_real(document, object, name, limit);
}

void api_key_limits_to_json(const struct api_key *key, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    if (!(key->requests_per_s > 0 || key->rows_per_s > 0 || key->burst > 0))
        return;
    yyjson_mut_val *limits = yyjson_mut_obj_add_obj(document, object, "limits");
    write_limit(document, limits, "requests_per_s", key->requests_per_s);
    write_limit(document, limits, "rows_per_s", key->rows_per_s);
    write_limit(document, limits, "burst", key->burst);
}

static void write_key(yyjson_mut_doc *document, yyjson_mut_val *object, const struct api_key *key)
{
    yyjson_mut_obj_add_str(document, object, "id", key->id);
    yyjson_mut_obj_add_str(document, object, "name", key->name);
    write_digest(document, object, key->digest);
    write_scopes(document, object, key->rights);
    api_key_models_to_json(key->models, document, object);
    yyjson_mut_obj_add_int(document, object, "created", key->created);
    if (key->expires != 0)
        yyjson_mut_obj_add_int(document, object, "expires", key->expires);
    if (key->previous_until != 0) {
        yyjson_mut_val *previous = yyjson_mut_obj_add_obj(document, object, "previous");
        write_digest(document, previous, key->previous);
        yyjson_mut_obj_add_int(document, previous, "until", key->previous_until);
    }
    api_key_limits_to_json(key, document, object);
}

char *api_keys_print(const struct api_keys *keys, size_t *length)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    ENSURE(document != NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, root, "keys");
    for (size_t i = 0; i < keys->count; i++)
        write_key(document, yyjson_mut_arr_add_obj(document, list), &keys->keys[i]);
    char *text = yyjson_mut_write(document, YYJSON_WRITE_PRETTY, length);
    ENSURE(text != NULL); /* every text in it was checked when it came in */
    yyjson_mut_doc_free(document);
    return text;
}

/* What root writes must be readable by whom Outrigger runs as, whose the folder is; what was opened to a
 * group stays so. */
int api_keys_write(const char *path, const struct api_keys *keys)
{
    struct stat status;
    char *folder = folder_of(path);
    bool there = stat(path, &status) == 0;
    mode_t mode = there ? (status.st_mode & FILE_MODE) | 0600 : 0600;
    bool known = there || stat(folder, &status) == 0, root = geteuid() == 0;
    free(folder);
    if (!known)
        return -1;
    size_t length;
    char *text = api_keys_print(keys, &length);
    int result = durable_write_as(path, text, length, mode, root ? status.st_uid : (uid_t)-1,
                                  root ? status.st_gid : (gid_t)-1);
    int error = errno;
    free(text);
    errno = error;
    return result;
}

/* On the folder, since the file itself is another one after each change. */
int api_keys_lock(const char *path)
{
    char *folder = folder_of(path);
    int fd = -1;
    if (process_make_directory(folder, DIRECTORY_MODE) == 0)
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = errno;
    free(folder);
    errno = error;
    while (fd != -1 && flock(fd, LOCK_EX) == -1)
        if (errno != EINTR) {
            error = errno;
            close(fd);
            errno = error;
            return -1;
        }
    return fd;
}
