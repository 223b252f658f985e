/* limit_keys: keys.json as the broker reads it: who has limits of its own, and nothing else of it.
 *
 * The file is written by `outrigger key`, in one step (a rename), and looked at by limiting.c twice a second:
 * a stat that says whether it is another file than the one that was read. SPDX-License-Identifier: MIT */
#include "limit_keys.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>
#include <yyjson.h>

enum { LIMIT_KEYS_MAGIC = 0x011141ce, FILE_MAX = 8 << 20, ID_MAX = 64 };

struct own {
    uint64_t tenant;
    struct limit_rule rule;
    UT_hash_handle hh;
};

struct limit_keys {
    unsigned magic;
    char *path;
    struct stat seen; /* zeroed: there was no file */
    double requests_per_s, rows_per_s, burst_s;
    struct own *own;
};

struct limit_keys *limit_keys_new(const char *path)
{
    struct limit_keys *keys = object_alloc(sizeof *keys);
    keys->magic = LIMIT_KEYS_MAGIC;
    keys->path = object_strdup(path);
    return keys;
}

void limit_keys_usual(struct limit_keys *keys, double requests_per_s, double rows_per_s, double burst_s)
{
    keys->requests_per_s = requests_per_s;
    keys->rows_per_s = rows_per_s;
    keys->burst_s = burst_s;
}

static void forget_all(struct own **list)
{
    struct own *own, *next;
    HASH_ITER(hh, *list, own, next)
    {
        HASH_DEL(*list, own);
        free(own);
    }
}

void limit_keys_free(struct limit_keys *keys)
{
    if (keys == NULL)
        return;
    CHECK_OBJECT(keys, LIMIT_KEYS_MAGIC);
    forget_all(&keys->own);
    free(keys->path);
    keys->magic = 0;
    free(keys);
}

const struct limit_rule *limit_keys_find(const struct limit_keys *keys, uint64_t tenant)
{
    struct own *own;
    if (keys->own == NULL)
        return NULL;
    HASH_FIND(hh, keys->own, &tenant, sizeof tenant, own);
    return own == NULL ? NULL : &own->rule;
}

size_t limit_keys_count(const struct limit_keys *keys)
{
    return HASH_COUNT(keys->own);
}

/* ---- reading ---- */

/* The member's number; `usual` where it is not there, and for 0, which says nothing. */
static double number_in(yyjson_val *entry, const char *name, double usual)
{
    double number = yyjson_get_num(yyjson_obj_get(entry, name));
    return number > 0 ? number : usual;
}

/* A burst of its own is in requests; rows may come at once for as long a time as requests may. */
static struct limit_rule rule_of(const struct limit_keys *keys, yyjson_val *entry)
{
    double requests = number_in(entry, "requests_per_s", keys->requests_per_s);
    double rows = number_in(entry, "rows_per_s", keys->rows_per_s);
    double burst = number_in(entry, "burst", requests * keys->burst_s);
    struct limit_rule rule = limit_rule(requests, rows, keys->burst_s);
    if (requests > 0 && burst > 0)
        rule = (struct limit_rule){
            {limit_rate(requests, burst < 1 ? 1 : burst), limit_rate(rows, rows * burst / requests)}};
    return rule;
}

static void add(const struct limit_keys *keys, struct own **list, yyjson_val *entry)
{
    const char *id = yyjson_get_str(yyjson_obj_get(entry, "id"));
    struct limit_rule rule = rule_of(keys, entry);
    bool says = number_in(entry, "requests_per_s", 0) > 0 || number_in(entry, "rows_per_s", 0) > 0 ||
                number_in(entry, "burst", 0) > 0;
    if (id == NULL || !says || !limit_rule_limits(&rule))
        return;
    struct own *own = object_alloc(sizeof *own), *twin;
    own->tenant = limit_number_of(id);
    own->rule = rule;
    HASH_FIND(hh, *list, &own->tenant, sizeof own->tenant, twin);
    if (twin == NULL)
        HASH_ADD(hh, *list, tenant, sizeof own->tenant, own);
    else
        free(own);
}

/* NULL with `complaint` when it cannot be read. */
static yyjson_doc *read_json(const char *path, const char **complaint)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    yyjson_doc *document = NULL;
    *complaint = NULL;
    if (fd < 0 || fstat(fd, &status) != 0)
        *complaint = strerror(errno);
    else if (!S_ISREG(status.st_mode) || status.st_size > FILE_MAX)
        *complaint = "is no file of at most 8 MiB";
    if (*complaint == NULL) {
        char *text = object_alloc((size_t)status.st_size + 1);
        ssize_t length = read(fd, text, (size_t)status.st_size);
        document = yyjson_read(text, length < 0 ? 0 : (size_t)length, 0);
        free(text);
        if (!yyjson_is_arr(yyjson_obj_get(yyjson_doc_get_root(document), "keys")))
            *complaint = "is no object of JSON with an array \"keys\"";
    }
    if (fd >= 0)
        close(fd);
    if (*complaint == NULL)
        return document;
    yyjson_doc_free(document);
    return NULL;
}

static bool same_file(const struct stat *left, const struct stat *right)
{
    return left->st_ino == right->st_ino && left->st_dev == right->st_dev &&
           left->st_size == right->st_size && left->st_mtim.tv_sec == right->st_mtim.tv_sec &&
           left->st_mtim.tv_nsec == right->st_mtim.tv_nsec;
}

bool limit_keys_look(struct limit_keys *keys)
{
    CHECK_OBJECT(keys, LIMIT_KEYS_MAGIC);
    struct stat now = {0};
    bool there = stat(keys->path, &now) == 0;
    if (!there)
        now = (struct stat){0};
    if (same_file(&now, &keys->seen))
        return false;
    keys->seen = now;
    struct own *fresh = NULL;
    if (there) {
        const char *complaint;
        yyjson_doc *document = read_json(keys->path, &complaint);
        if (document == NULL) {
            log_warning("%s: %s; the limits of keys are those that were known", keys->path, complaint);
            return false;
        }
        size_t i, count;
        yyjson_val *entry;
        yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(document), "keys"), i, count, entry)
        {
            add(keys, &fresh, entry);
        }
        yyjson_doc_free(document);
    }
    forget_all(&keys->own);
    keys->own = fresh;
    return true;
}
