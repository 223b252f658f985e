/* account: see account.h. How root is given up, in this order: the groups, the group, the user (all three
 * of each, so that there is none to come back to), then the capabilities, and then it is tried whether there
 * is a way back. glibc's functions of these names tell other threads, of which there must be none: the bare
 * system calls are the same for a process that starts and for a child between fork and exec.
 *
 * A process that is to do more for root later (the supervisor) keeps single capabilities over the change, and
 * those have no effect until they are raised: until then it is held to what its user may, like the processes
 * that it starts.
 *
 * Called by descent.c and check.c of the command, by the programs' mains (account_settle), and between fork
 * and exec by process.c. SPDX-License-Identifier: MIT */
#include "account.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GROUPS_MAX = 65536 /* the kernel's */ };

/* ---- who ---- */

static bool is_number(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0' && strlen(text) < 10;
}

static void find_groups(struct account *account, const char *name)
{
    int count = 0;
    getgrouplist(name, account->gid, NULL, &count);
    count = count < 1 ? 1 : count > GROUPS_MAX ? GROUPS_MAX : count;
    account->groups = object_alloc((size_t)count * sizeof *account->groups);
    if (getgrouplist(name, account->gid, account->groups, &count) == -1)
        return; /* one more just now */
    for (int i = 0; i < count; i++)
        if (account->groups[i] != account->gid)
            account->groups[account->group_count++] = account->groups[i];
}

struct account *account_find(const char *user)
{
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL && is_number(user))
        entry = getpwuid((uid_t)strtoul(user, NULL, 10));
    if (entry == NULL)
        return NULL;
    struct account *account = object_alloc(sizeof *account);
    char *name = object_strdup(entry->pw_name); /* looking for groups may overwrite it */
    account->name = object_strdup(user);
    account->uid = entry->pw_uid;
    account->gid = entry->pw_gid;
    find_groups(account, name);
    free(name);
    return account;
}

void account_free(struct account *account)
{
    if (account == NULL)
        return;
    free(account->name);
    free(account->groups);
    free(account);
}

/* NULL for who we are already; the configuration was checked, but users can go. */
static struct account *find(const char *setting, const char *user)
{
    struct account *account = *user == '\0' ? NULL : account_find(user);
    if (*user == '\0' || (account != NULL && account->uid == geteuid())) {
        account_free(account);
        return NULL;
    }
    if (account == NULL)
        log_error("%s: there is no user \"%s\"", setting, user);
    else if (geteuid() != 0)
        log_error(
            "%s = \"%s\": only root can become another user, and this is the user %u: start it as root, or "
            "leave %s out",
            setting, user, (unsigned)geteuid(), setting);
    else
        return account;
    exit(1);
}

struct account *account_of_service(const struct config *config)
{
    return find("user", config->user);
}

struct account *account_of_workers(const struct config *config)
{
    if (*config->worker_user == '\0')
        return NULL;
    struct account *workers = find("worker.user", config->worker_user);
    struct account *others = *config->user == '\0' ? NULL : account_find(config->user);
    bool same = workers != NULL && others != NULL && workers->uid == others->uid;
    account_free(others);
    if (!same)
        return workers;
    account_free(workers);
    return NULL;
}

/* ---- becoming ---- */

static uint64_t permitted_now(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    (void)syscall(SYS_capget, &header, data); /* fails for no version but a wrong one */
    return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

static int set_capabilities(uint64_t effective, uint64_t permitted)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)effective, .permitted = (uint32_t)permitted},
        {.effective = (uint32_t)(effective >> 32), .permitted = (uint32_t)(permitted >> 32)}};
    return (int)syscall(SYS_capset, &header, data);
}

/* And nothing that is executed brings anything back, a program with the bit of root's neither. */
static int become(const struct account *account)
{
    if (account->uid != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        return -1;
    if (syscall(SYS_setgroups, account->group_count, account->groups) == -1 ||
        syscall(SYS_setresgid, account->gid, account->gid, account->gid) == -1)
        return -1;
    return (int)syscall(SYS_setresuid, account->uid, account->uid, account->uid);
}

/* Nothing else is taken for done: -1 with EPERM where root, or its group, can still be had. */
static int verify(const struct account *account)
{
    uid_t uids[3];
    gid_t gids[3];
    if (syscall(SYS_getresuid, &uids[0], &uids[1], &uids[2]) == -1 ||
        syscall(SYS_getresgid, &gids[0], &gids[1], &gids[2]) == -1)
        return -1;
    for (size_t i = 0; i < COUNT_OF(uids); i++)
        if (uids[i] != account->uid || gids[i] != account->gid) {
            errno = EPERM;
            return -1;
        }
    if (account->uid != 0 &&
        (syscall(SYS_setuid, 0) == 0 || (account->gid != 0 && syscall(SYS_setgid, 0) == 0))) {
        errno = EPERM;
        return -1;
    }
    return 0;
}

int account_assume(const struct account *account)
{
    if (become(account) == -1 || (account->uid != 0 && set_capabilities(0, 0) == -1))
        return -1;
    return verify(account);
}

int account_assume_with(const struct account *account, uint64_t rights)
{
    if (account->uid == 0)
        return become(account);
    rights &= permitted_now(); /* a container's root has not all */
    /* So that nothing which is executed gets any, whatever its file says. A container may not let us. */
    for (int number = 0; prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; number++)
        (void)prctl(PR_CAPBSET_DROP, number, 0, 0, 0);
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1 || become(account) == -1 ||
        set_capabilities(0, rights) == -1 || prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == -1)
        return -1;
    return verify(account);
}

int account_raise(uint64_t rights)
{
    uint64_t permitted = permitted_now();
    return set_capabilities(rights & permitted, permitted);
}

int account_keep(uint64_t rights)
{
    rights &= permitted_now();
    return set_capabilities(rights, rights);
}

bool account_borrow(const struct account *account)
{
    if (account == NULL || geteuid() != 0)
        return true;
    if (setgroups(account->group_count, account->groups) == 0 && setegid(account->gid) == 0 &&
        seteuid(account->uid) == 0)
        return true;
    int error = errno;
    account_return();
    errno = error;
    return false;
}

void account_return(void)
{
    if (getuid() == 0 && (seteuid(0) == -1 || setegid(getgid()) == -1))
        exit(1); /* cannot be: the kernel keeps both */
}

void account_settle(const struct config *config, bool worker)
{
    struct account *account = worker && *config->worker_user != '\0'
                                  ? find("worker.user", config->worker_user)
                                  : account_of_service(config);
    if (account == NULL)
        return;
    if (account_assume(account) == -1) {
        log_error("cannot become the user %s: %s", account->name, strerror(errno));
        exit(1);
    }
    account_free(account);
}

/* ---- trying ---- */

static int try_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd == -1)
        return errno;
    close(fd);
    return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0 ? 0 : errno;
}

int account_try(const struct account *account, const char *path)
{
    int status;
    if (account == NULL)
        return try_path(path);
    pid_t pid = fork();
    if (pid == 0)
        _exit(account_assume(account) == -1 ? errno : try_path(path));
    if (pid == -1)
        return errno;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
}
