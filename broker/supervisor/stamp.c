/* stamp: see stamp.h. Nothing is remembered from look to look: what the files themselves tell holds after a
 * restart of the supervisor, too, and for changes of which no notice came.
 *
 * Files in folders of the folder count, too, as they do in the digest and in the signature. Python's
 * __pycache__ does not, which comes while the model is loaded, nor what begins with a dot.
 * SPDX-License-Identifier: MIT */
#include "stamp.h"

#include "contents.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- what the files are ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

static uint64_t hash_of(const char *name, const struct stat *status)
{
    uint64_t hash = 0;
    for (; *name != '\0'; name++)
        hash = mix(hash, (unsigned char)*name);
    hash = mix(hash, (uint64_t)status->st_ino);
    hash = mix(hash, (uint64_t)status->st_size);
    hash = mix(hash, (uint64_t)status->st_mtim.tv_sec);
    return mix(hash, (uint64_t)status->st_mtim.tv_nsec);
}

/* `name` in `folder`, which is `path` below the folder of the version. */
typedef void file_visit(void *self, int folder, const char *name, const char *path,
                        const struct stat *status);

struct visiting {
    file_visit *visit;
    void *self;
    size_t left; /* names that may still be looked at: links can lead in circles */
};

static void visit_folder(struct visiting *visiting, int fd, const char *above, int depth);

static void visit_entry(struct visiting *visiting, int folder, const char *name, const char *path, int depth)
{
    struct stat status;
    if (fstatat(folder, name, &status, 0) != 0)
        return;
    if (S_ISREG(status.st_mode))
        visiting->visit(visiting->self, folder, name, path, &status);
    else if (S_ISDIR(status.st_mode) && depth < CONTENTS_DEPTH_MAX && strcmp(name, "__pycache__") != 0)
        visit_folder(visiting, openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path, depth + 1);
}

/* Takes the descriptor. `above`: the path of the folder; "" for that of the version. */
static void visit_folder(struct visiting *visiting, int fd, const char *above, int depth)
{
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    while (folder != NULL && visiting->left > 0 && (entry = readdir(folder)) != NULL) {
        char *path;
        if (entry->d_name[0] == '.')
            continue;
        visiting->left--;
        ENSURE(asprintf(&path, "%s%s%s", above, *above == '\0' ? "" : "/", entry->d_name) >= 0);
        visit_entry(visiting, dirfd(folder), entry->d_name, path, depth);
        free(path);
    }
    if (folder != NULL)
        closedir(folder);
    else if (fd >= 0)
        close(fd);
}

/* Every regular file of the folder and of the folders in it, also behind a symbolic link; names that begin
 * with a dot are nobody's. */
static void each_file(const char *directory, file_visit *visit, void *self)
{
    struct visiting visiting = {.visit = visit, .self = self, .left = CONTENTS_FILES_MAX};
    visit_folder(&visiting, open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "", 1);
}

static void add_hash(void *self, int folder, const char *name, const char *path, const struct stat *status)
{
    uint64_t *sum = self; /* of all: folders are read in any order */
    (void)folder, (void)name;
    *sum += hash_of(path, status);
}

static char *print(uint64_t hash, unsigned long times)
{
    char *text;
    ENSURE(asprintf(&text, "%016llx+%lu", (unsigned long long)hash, times) >= 0);
    return text;
}

char *stamp_of_folder(const char *directory)
{
    uint64_t sum = 0;
    each_file(directory, add_hash, &sum);
    return print(sum, 0);
}

char *stamp_of_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? print(hash_of("", &status), 0) : object_strdup("");
}

static unsigned long times(const char *stamp)
{
    const char *plus = strchr(stamp, '+');
    return plus == NULL ? 0 : strtoul(plus + 1, NULL, 10);
}

char *stamp_renewed(const char *stamp)
{
    return print(strtoull(stamp, NULL, 16), times(stamp) + 1);
}

bool stamp_same_files(const char *left, const char *right)
{
    size_t length = strcspn(left, "+");
    return length == strcspn(right, "+") && strncmp(left, right, length) == 0;
}

bool stamp_fits(const char *have, const char *want)
{
    return stamp_same_files(have, want) && times(have) >= times(want);
}

/* ---- whether they stay so ---- */

struct look {
    int64_t newest; /* ms of the wall clock at which anything changed */
    bool open_to_write;
};

static int64_t ms_of(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000 + time->tv_nsec / 1000000;
}

/* The kernel gives no read lease on a file that is open for writing. Whom it gives none anyway (another's
 * file, a file system without) learns nothing. */
static bool open_to_write(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd == -1)
        return false;
    bool refused = fcntl(fd, F_SETLEASE, F_RDLCK) == -1 && errno == EAGAIN;
    if (!refused)
        fcntl(fd, F_SETLEASE, F_UNLCK);
    close(fd);
    return refused;
}

static void look_at(void *self, int folder, const char *name, const char *path, const struct stat *status)
{
    struct look *look = self;
    (void)path;
    /* The time of the last change of the inode: that of the content can be set back, as cp -p does. */
    int64_t changed = ms_of(&status->st_ctim);
    look->newest = changed > look->newest ? changed : look->newest;
    look->open_to_write = look->open_to_write || open_to_write(folder, name);
}

int64_t stamp_unsettled_ms(const char *path, int64_t settle_ms)
{
    struct timespec now;
    struct stat status;
    struct look look = {0};
    if (settle_ms == 0 || stat(path, &status) != 0)
        return 0;
    clock_gettime(CLOCK_REALTIME, &now);
    if (S_ISDIR(status.st_mode)) {
        look.newest = ms_of(&status.st_mtim); /* names that came or went */
        each_file(path, look_at, &look);
    } else {
        look_at(&look, AT_FDCWD, path, path, &status);
    }
    int64_t age = ms_of(&now) - look.newest;
    if (look.open_to_write)
        return settle_ms;
    /* A time to come is that of another clock: it says nothing. */
    return age >= 0 && age < settle_ms ? settle_ms - age : 0;
}
