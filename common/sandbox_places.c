/* sandbox_places: see sandbox_places.h. Landlock has no C library's functions; its numbers here are those of
 * its interface, of which this system's header may know only the oldest.
 * SPDX-License-Identifier: MIT */
#include "sandbox_places.h"

#include "sandbox_gate.h"

#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Landlock's interface: uapi/linux/landlock.h ---- */

enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446, RULE_PATH_BENEATH = 1, RULE_NET_PORT = 2 };

#define FS_EXECUTE          (UINT64_C(1) << 0)
#define FS_WRITE_FILE       (UINT64_C(1) << 1)
#define FS_READ_FILE        (UINT64_C(1) << 2)
#define FS_READ_DIR         (UINT64_C(1) << 3)
#define FS_REMOVE_FILE      (UINT64_C(1) << 5)
#define FS_MAKE_CHAR        (UINT64_C(1) << 6)
#define FS_MAKE_BLOCK       (UINT64_C(1) << 11)
#define FS_ALL_OF_1         ((UINT64_C(1) << 13) - 1)
#define FS_REFER            (UINT64_C(1) << 13) /* from version 2 */
#define FS_TRUNCATE         (UINT64_C(1) << 14) /* from version 3 */
#define FS_IOCTL_DEV        (UINT64_C(1) << 15) /* from version 5 */
#define NET_BIND_TCP        (UINT64_C(1) << 0)  /* from version 4 */
#define NET_CONNECT_TCP     (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0) /* from version 6 */
#define SCOPE_SIGNAL        (UINT64_C(1) << 1)

/* What a rule about a single file may give. */
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset {
    uint64_t fs, net, scoped;
};

struct path_beneath {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

struct net_port {
    uint64_t allowed, port;
};

/* ---- the list ---- */

struct place {
    char *path; /* without links; "/" for the root */
    unsigned access;
    bool folder;
};

struct places {
    size_t count;
    struct place *places;
};

static void add(struct places *places, const char *path, unsigned access)
{
    struct stat status;
    char *real = realpath(path, NULL);
    if (real == NULL || stat(real, &status) != 0) {
        free(real);
        return;
    }
    places->places[places->count++] = (struct place){real, access, S_ISDIR(status.st_mode)};
}

/* A sanitizer reads the program to name the lines of what it finds, looks at its threads, and reads what it
 * is not to tell in files that tests/harness/sanitized names. */
static void add_for_sanitizers(struct places *places)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    add(places, "/proc", ACCESS_READ);
    add(places, "/proc/self/exe", ACCESS_READ);
    const char *files = getenv("SANITIZER_FILES");
    if (files != NULL)
        add(places, files, ACCESS_READ);
#else
    (void)places;
#endif
}

struct places *places_new(const struct sandbox *sandbox)
{
    const struct sandbox_place *of_role = sandbox_policy_of(sandbox->role)->places;
    struct places *places = object_alloc(sizeof *places);
    size_t most = 2 * SANDBOX_PATHS_MAX + 3;
    for (const struct sandbox_place *place = of_role; place != NULL && place->path != NULL; place++)
        most++;
    places->places = object_alloc(most * sizeof *places->places);
    for (const struct sandbox_place *place = of_role; place != NULL && place->path != NULL; place++)
        add(places, place->path, place->access);
    add_for_sanitizers(places);
    for (size_t i = 0; i < SANDBOX_PATHS_MAX && sandbox->read[i] != NULL; i++)
        add(places, sandbox->read[i], ACCESS_READ);
    for (size_t i = 0; i < SANDBOX_PATHS_MAX && sandbox->write[i] != NULL; i++)
        add(places, sandbox->write[i], ACCESS_READ | ACCESS_WRITE);
    return places;
}

void places_free(struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        free(places->places[i].path);
    free(places->places);
    free(places);
}

/* ---- telling the kernel ---- */

static uint64_t known_rights(int version)
{
    return FS_ALL_OF_1 | (version >= 2 ? FS_REFER : 0) | (version >= 3 ? FS_TRUNCATE : 0) |
           (version >= 5 ? FS_IOCTL_DEV : 0);
}

/* Nothing is executed, no devices are made. */
static uint64_t rights_of(const struct place *place, uint64_t known)
{
    uint64_t rights = 0;
    if ((place->access & ACCESS_READ) != 0)
        rights |= FS_READ_FILE | FS_READ_DIR;
    if ((place->access & ACCESS_WRITE) != 0)
        rights |= known & ~(FS_EXECUTE | FS_READ_FILE | FS_READ_DIR | FS_MAKE_CHAR | FS_MAKE_BLOCK);
    return rights & known & (place->folder ? ~UINT64_C(0) : FS_OF_FILES);
}

static int add_rule(int ruleset, const char *path, uint64_t rights)
{
    struct path_beneath rule = {rights, open(path, O_PATH | O_CLOEXEC)};
    if (rule.parent_fd == -1)
        return errno == ENOENT ? 0 : -1; /* gone since */
    long result = syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0);
    int error = errno;
    close(rule.parent_fd);
    errno = error;
    return (int)result;
}

static int add_port(int ruleset, const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');
    struct net_port rule = {NET_CONNECT_TCP, strtoul(colon == NULL ? "" : colon + 1, NULL, 10)};
    if (strncmp(endpoint, "tcp://", 6) != 0)
        return 0;
    return (int)syscall(ADD_RULE, ruleset, RULE_NET_PORT, &rule, 0);
}

/* The file that is removed at the end; its folder gets the right, and which file it is seccomp says. */
static int add_removed(int ruleset, const char *path)
{
    char folder[PATH_MAX];
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    if (slash == NULL)
        return 0;
    text_copy((struct text){path, (size_t)(slash - path)}, folder, sizeof folder);
    return add_rule(ruleset, folder, FS_REMOVE_FILE);
}

static int add_rules(int ruleset, const struct places *places, const struct sandbox *sandbox, int version)
{
    for (size_t i = 0; i < places->count; i++)
        if (add_rule(ruleset, places->places[i].path, rights_of(&places->places[i], known_rights(version))) !=
            0)
            return -1;
    for (size_t i = 0; version >= 4 && i < SANDBOX_PEERS_MAX && sandbox->peers[i] != NULL; i++)
        if (add_port(ruleset, sandbox->peers[i]) != 0)
            return -1;
    return add_removed(ruleset, sandbox->remove);
}

/* A socket without a file is reached across the border that the scope draws, so whoever has such a peer has
 * no border. */
static bool has_abstract_peer(const struct sandbox *sandbox)
{
    for (size_t i = 0; i < SANDBOX_PEERS_MAX && sandbox->peers[i] != NULL; i++)
        if (strncmp(sandbox->peers[i], "ipc://@", 7) == 0)
            return true;
    return false;
}

int places_lock(const struct places *places, const struct sandbox *sandbox, int version)
{
    struct ruleset set = {.fs = known_rights(version)};
    size_t size = version >= 6 ? sizeof set : version >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    if (version >= 4)
        set.net = (sandbox->listens ? 0 : NET_BIND_TCP) | (sandbox->network_out ? 0 : NET_CONNECT_TCP);
    if (version >= 6)
        set.scoped = SCOPE_SIGNAL | (has_abstract_peer(sandbox) ? 0 : SCOPE_ABSTRACT_UNIX);
    int ruleset = (int)syscall(CREATE_RULESET, &set, size, 0);
    if (ruleset == -1)
        return -1;
    int result = add_rules(ruleset, places, sandbox, version);
    if (result == 0)
        result = (int)syscall(RESTRICT_SELF, ruleset, 0);
    int error = errno;
    close(ruleset);
    errno = error;
    return result;
}

/* ---- asking ---- */

static bool name_of(int fd, char resolved[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, resolved, PATH_MAX - 1);
    resolved[length < 0 ? 0 : length] = '\0';
    return length > 0;
}

static bool resolve_existing(const char *path, char resolved[PATH_MAX])
{
    long fd = gate_call(SYS_openat, AT_FDCWD, (long)path, O_PATH | O_CLOEXEC, 0, 0);
    if (fd < 0)
        return false;
    bool named = name_of((int)fd, resolved);
    close((int)fd);
    return named;
}

/* The path as seen from here. */
static bool absolute(pid_t pid, int directory, const char *path, char full[PATH_MAX])
{
    char whose[32];
    snprintf(whose, sizeof whose, pid == 0 ? "/proc/self" : "/proc/%d", (int)pid);
    int length = path[0] == '/'          ? snprintf(full, PATH_MAX, "%s", path)
                 : directory == AT_FDCWD ? snprintf(full, PATH_MAX, "%s/cwd/%s", whose, path)
                                         : snprintf(full, PATH_MAX, "%s/fd/%d/%s", whose, directory, path);
    return length < PATH_MAX;
}

bool places_resolve(pid_t pid, int directory, const char *path, bool creates, char resolved[PATH_MAX])
{
    char full[PATH_MAX];
    if (!absolute(pid, directory, path, full))
        return false;
    if (resolve_existing(full, resolved))
        return true;
    char *slash = strrchr(full, '/');
    if (!creates || slash == NULL)
        return false;
    *slash = '\0';
    if (!resolve_existing(slash == full ? "/" : full, resolved))
        return false;
    size_t length = strlen(resolved);
    int added = snprintf(resolved + length, PATH_MAX - length, "/%s", slash + 1);
    return added >= 0 && (size_t)added < PATH_MAX - length;
}

static bool is_below(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    if (length == 1) /* the root */
        return true;
    return strncmp(path, folder, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

bool places_allow(const struct places *places, const char *resolved, unsigned access)
{
    unsigned found = 0;
    for (size_t i = 0; i < places->count; i++)
        if (is_below(resolved, places->places[i].path))
            found |= places->places[i].access;
    return (found & access) == access;
}
