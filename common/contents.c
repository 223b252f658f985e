/* contents: see contents.h. Hashing looks at bytes and at nothing that they mean, so a worker does it before
 * its sandbox is on: then links that lead where the sandbox does not are followed, too, and the digest is
 * that of the folder, whatever the rights of its reader are.
 *
 * Between this reading and the engine's somebody who may write in the folder can put another file in place.
 * contents_same tells, afterwards: the change time of a file or folder is the kernel's to set, so a file that
 * was written to, replaced or linked anew since has another, and so has a folder that was moved away and back
 * or in which any name came or went, be it a file's, a link's or a pipe's (two changes within one tick of the
 * kernel's clock, some milliseconds, look alike; a supervisor waits until a folder has rested for
 * supervisor.settle_ms).
 *
 * What stays unseen: a folder above this one (models/NAME) that gave way to another and came back; stores
 * through a mapping that others share, whose time the kernel sets when it writes the page out, and on tmpfs
 * perhaps never. Called by provenance.c, and by `outrigger models digest`. SPDX-License-Identifier: MIT */
#include "contents.h"

#include "hex.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNK = 1 << 18 };

struct walk {
    struct contents *contents;
    size_t room;         /* of contents->files */
    size_t folder_room;  /* of contents->folders */
    EVP_MD_CTX *hashing; /* NULL: files are looked at only */
    uint8_t *chunk;
    char *reason;
    size_t capacity;
};

static bool fault(const struct walk *walk, const char *name, const char *why)
{
    snprintf(walk->reason, walk->capacity, "%s%s%s: %s", walk->contents->folder, *name == '\0' ? "" : "/",
             name, why);
    return false;
}

/* ---- one file ---- */

static bool same_time(struct timespec left, struct timespec right)
{
    return left.tv_sec == right.tv_sec && left.tv_nsec == right.tv_nsec;
}

static bool is_same(const struct contents_file *left, const struct contents_file *right)
{
    return left->device == right->device && left->inode == right->inode && left->size == right->size &&
           same_time(left->modified, right->modified) && same_time(left->changed, right->changed);
}

static void note(struct contents_file *file, const struct stat *status)
{
    file->device = status->st_dev;
    file->inode = status->st_ino;
    file->size = status->st_size;
    file->modified = status->st_mtim;
    file->changed = status->st_ctim;
}

/* As many bytes as the file said that it has: what grows without end is never read to its end. */
static bool hash_bytes(struct walk *walk, struct contents_file *file, int fd)
{
    off_t left = file->size;
    ENSURE(EVP_DigestInit_ex(walk->hashing, EVP_sha256(), NULL) == 1);
    while (left > 0) {
        ssize_t got = read(fd, walk->chunk, left < CHUNK ? (size_t)left : CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fault(walk, file->name, got < 0 ? strerror(errno) : "it changes while it is read");
        ENSURE(EVP_DigestUpdate(walk->hashing, walk->chunk, (size_t)got) == 1);
        left -= got;
    }
    ENSURE(EVP_DigestFinal_ex(walk->hashing, file->hash, NULL) == 1);
    return true;
}

static bool hash_file(struct walk *walk, struct contents_file *file, int directory, const char *name)
{
    struct contents_file after = *file;
    struct stat status;
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fault(walk, file->name, strerror(errno));
    bool good = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    if (!good)
        fault(walk, file->name, "it changes while it is read");
    else
        note(file, &status);
    good = good && hash_bytes(walk, file, fd);
    if (good) {
        ENSURE(fstat(fd, &status) == 0);
        note(&after, &status);
        good = is_same(file, &after) || fault(walk, file->name, "it changes while it is read");
    }
    close(fd);
    return good;
}

/* ---- the folder ---- */

static struct contents_file *add(struct contents_file **list, size_t *count, size_t *room, const char *path,
                                 bool linked)
{
    if (*count == *room) {
        *room = 2 * *room + 16;
        *list = realloc(*list, *room * sizeof **list);
        ENSURE(*list != NULL);
    }
    struct contents_file *file = &(*list)[(*count)++];
    *file = (struct contents_file){.name = object_strdup(path), .linked = linked};
    return file;
}

static struct contents_file *new_file(struct walk *walk, const char *path, bool linked)
{
    struct contents *contents = walk->contents;
    return add(&contents->files, &contents->count, &walk->room, path, linked);
}

/* Before its names are read: whatever comes or goes from here on shows. */
static bool note_folder(struct walk *walk, int folder, const char *path, bool linked)
{
    struct contents *contents = walk->contents;
    struct stat status;
    if (contents->folder_count == CONTENTS_FILES_MAX)
        return fault(walk, "", "holds too many folders");
    if (fstat(folder, &status) != 0)
        return fault(walk, path, strerror(errno));
    note(add(&contents->folders, &contents->folder_count, &walk->folder_room, path, linked), &status);
    return true;
}

static bool add_folder(struct walk *walk, int folder, const char *path, int depth, bool linked);

static bool add_entry(struct walk *walk, int directory, const char *name, const char *path, int depth,
                      bool linked)
{
    struct stat status;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return fault(walk, path, strerror(errno));
    bool link = S_ISLNK(status.st_mode);
    bool there = !link || fstatat(directory, name, &status, 0) == 0;
    if (there && S_ISDIR(status.st_mode)) {
        if (link && walk->hashing == NULL)
            return true; /* it may lead where the sandbox does not */
        return add_folder(walk, openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path, depth + 1,
                          linked || link);
    }
    if (!there || !S_ISREG(status.st_mode)) {
        if (walk->contents->odd == NULL)
            walk->contents->odd = object_strdup(path);
        return true;
    }
    if (walk->contents->count == CONTENTS_FILES_MAX)
        return fault(walk, "", "holds too many files");
    struct contents_file *file = new_file(walk, path, linked || link);
    note(file, &status);
    return walk->hashing == NULL || hash_file(walk, file, directory, name);
}

/* Takes the descriptor. */
static bool add_folder(struct walk *walk, int folder, const char *path, int depth, bool linked)
{
    DIR *directory = folder < 0 ? NULL : fdopendir(folder);
    if (directory == NULL || depth > CONTENTS_DEPTH_MAX) {
        fault(walk, path, directory == NULL ? strerror(errno) : "folders lie too deep in each other");
        if (directory != NULL)
            closedir(directory);
        else if (folder >= 0)
            close(folder);
        return false;
    }
    bool good = note_folder(walk, dirfd(directory), path, linked);
    for (const struct dirent *entry; good && (entry = readdir(directory)) != NULL;) {
        char *below;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        ENSURE(asprintf(&below, "%s%s%s", path, *path == '\0' ? "" : "/", entry->d_name) >= 0);
        good = add_entry(walk, dirfd(directory), entry->d_name, below, depth, linked);
        free(below);
    }
    closedir(directory);
    return good;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct contents_file *)left)->name, ((const struct contents_file *)right)->name);
}

/* ---- the digest ---- */

char *contents_hex(const uint8_t hash[CONTENTS_HASH], char text[2 * CONTENTS_HASH + 1])
{
    hex_write(text, hash, CONTENTS_HASH);
    text[2 * CONTENTS_HASH] = '\0';
    return text;
}

/* A line of sha256sum -z for each file. */
static void add_up(struct walk *walk)
{
    struct contents *contents = walk->contents;
    char hex[2 * CONTENTS_HASH + 1];
    uint8_t sum[CONTENTS_HASH];
    ENSURE(EVP_DigestInit_ex(walk->hashing, EVP_sha256(), NULL) == 1);
    for (size_t i = 0; i < contents->count; i++) {
        const struct contents_file *file = &contents->files[i];
        if (strcmp(file->name, CONTENTS_SIGNATURE) == 0)
            continue;
        contents_hex(file->hash, hex);
        ENSURE(EVP_DigestUpdate(walk->hashing, hex, strlen(hex)) == 1 &&
               EVP_DigestUpdate(walk->hashing, "  ", 2) == 1 &&
               EVP_DigestUpdate(walk->hashing, file->name, strlen(file->name) + 1) == 1);
    }
    ENSURE(EVP_DigestFinal_ex(walk->hashing, sum, NULL) == 1);
    snprintf(contents->digest, sizeof contents->digest, "sha256:%s", contents_hex(sum, hex));
}

/* ---- the doors ---- */

static struct contents *take(const char *folder, bool read, char *reason, size_t capacity)
{
    struct walk walk = {.contents = object_alloc(sizeof *walk.contents),
                        .hashing = read ? EVP_MD_CTX_new() : NULL,
                        .chunk = read ? object_alloc(CHUNK) : NULL,
                        .reason = reason,
                        .capacity = capacity};
    ENSURE(!read || walk.hashing != NULL);
    walk.contents->folder = object_strdup(folder);
    bool good = add_folder(&walk, open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "", 1, false);
    if (good && walk.contents->count > 0)
        qsort(walk.contents->files, walk.contents->count, sizeof *walk.contents->files, by_name);
    if (good && read)
        add_up(&walk);
    EVP_MD_CTX_free(walk.hashing);
    free(walk.chunk);
    if (good)
        return walk.contents;
    contents_free(walk.contents);
    return NULL;
}

struct contents *contents_read(const char *folder, char *reason, size_t capacity)
{
    return take(folder, true, reason, capacity);
}

/* The name of the first of a list that is not what it was, or is not there; NULL. */
static const char *first_changed(const struct contents *contents, const struct contents_file *list,
                                 size_t count)
{
    const char *changed = NULL;
    int folder = open(contents->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < count && changed == NULL; i++) {
        struct contents_file now = {0};
        struct stat status;
        bool there = fstatat(folder, list[i].name, &status, *list[i].name == '\0' ? AT_EMPTY_PATH : 0) == 0;
        if (there)
            note(&now, &status);
        if (!there || !is_same(&list[i], &now))
            changed = list[i].name;
    }
    if (folder >= 0)
        close(folder);
    return changed;
}

static const char *first_new(const struct contents *before, const struct contents *now)
{
    for (size_t i = 0; i < now->count; i++)
        if (contents_find(before, text_of(now->files[i].name)) == NULL)
            return now->files[i].name;
    return NULL;
}

bool contents_same(const struct contents *contents, char *reason, size_t capacity)
{
    const char *changed = first_changed(contents, contents->files, contents->count);
    struct contents *now = changed != NULL ? NULL : take(contents->folder, false, reason, capacity);
    if (changed == NULL && now == NULL)
        return false;
    if (changed == NULL)
        changed = first_new(contents, now);
    if (changed == NULL) /* last: a file says more than its folder */
        changed = first_changed(contents, contents->folders, contents->folder_count);
    if (changed != NULL)
        snprintf(reason, capacity, "%s%s%s: was changed while the model was loaded", contents->folder,
                 *changed == '\0' ? "" : "/", changed);
    contents_free(now);
    return changed == NULL;
}

const struct contents_file *contents_find(const struct contents *contents, struct text name)
{
    size_t from = 0, to = contents->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const char *at = contents->files[middle].name;
        size_t length = strlen(at), common = length < name.length ? length : name.length;
        int order = common == 0 ? 0 : memcmp(at, name.at, common);
        if (order == 0 && length == name.length)
            return &contents->files[middle];
        if (order < 0 || (order == 0 && length < name.length))
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

void contents_free(struct contents *contents)
{
    if (contents == NULL)
        return;
    for (size_t i = 0; i < contents->count; i++)
        free(contents->files[i].name);
    for (size_t i = 0; i < contents->folder_count; i++)
        free(contents->folders[i].name);
    free(contents->folders);
    free(contents->files);
    free(contents->folder);
    free(contents->odd);
    free(contents);
}
