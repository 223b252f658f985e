/* sandbox_filter: see sandbox_filter.h. What is here beside the tables are the calls of which only some uses
 * are harmless, by their arguments. SPDX-License-Identifier: MIT */
#include "sandbox_filter.h"

#include "sandbox_call.h"
#include "sandbox_gate.h"
#include "sandbox_policy.h"

#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of newer headers. */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

struct filter {
    scmp_filter_ctx context;
    unsigned groups;
    bool lists_interfaces;
    const struct sandbox_user *becomes;
    bool watched; /* mode "log": nobody is stopped */
    int error;    /* the first */
};

static void note(struct filter *filter, int result)
{
    if (result < 0 && filter->error == 0)
        filter->error = result;
}

/* Adds a rule with `count` comparisons; a call that this system does not know is left out. */
static void rule(struct filter *filter, uint32_t action, const char *name, unsigned count,
                 const struct scmp_arg_cmp *comparisons)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number >= 0)
        note(filter, seccomp_rule_add_array(filter->context, action, number, count, comparisons));
}

#define ALLOW_IF(filter, name, ...)                                                                          \
    rule(filter, SCMP_ACT_ALLOW, name,                                                                       \
         sizeof((struct scmp_arg_cmp[]){__VA_ARGS__}) / sizeof(struct scmp_arg_cmp),                         \
         (struct scmp_arg_cmp[]){__VA_ARGS__})

static void allow(struct filter *filter, const char *const *names)
{
    for (; *names != NULL; names++)
        rule(filter, SCMP_ACT_ALLOW, *names, 0, NULL);
}

/* ---- calls that depend on their arguments ---- */

/* What changes mappings must begin behind the sealed pages, which lie at the lowest address; or leave the
 * address to the kernel. */
static void allow_memory(struct filter *filter, uint64_t end)
{
    static const char *const changing[] = {"mprotect", "munmap", "madvise", "pkey_mprotect"};
    for (size_t i = 0; i < COUNT_OF(changing); i++)
        ALLOW_IF(filter, changing[i], SCMP_A0(SCMP_CMP_GE, end));
    ALLOW_IF(filter, "mmap", SCMP_A0(SCMP_CMP_GE, end));
    ALLOW_IF(filter, "mmap", SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_FIXED, 0));
    ALLOW_IF(filter, "mremap", SCMP_A0(SCMP_CMP_GE, end), SCMP_A3(SCMP_CMP_MASKED_EQ, MREMAP_FIXED, 0));
}

/* A thread of ours, and no other process. glibc tries clone3 first, whose flags no filter can see, and goes
 * on with clone where there is none. */
static void allow_threads(struct filter *filter)
{
    ALLOW_IF(filter, "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    rule(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
}

/* To itself, which is how abort works; and the handler that names refused calls stays where it is. */
static void allow_signals(struct filter *filter)
{
    uint64_t self = (uint64_t)getpid();
    ALLOW_IF(filter, "tgkill", SCMP_A0(SCMP_CMP_EQ, self));
    ALLOW_IF(filter, "kill", SCMP_A0(SCMP_CMP_EQ, self));
    ALLOW_IF(filter, "rt_tgsigqueueinfo", SCMP_A0(SCMP_CMP_EQ, self));
    ALLOW_IF(filter, "process_vm_readv", SCMP_A0(SCMP_CMP_EQ, self));
    if (filter->watched) {
        rule(filter, SCMP_ACT_ALLOW, "rt_sigaction", 0, NULL);
        rule(filter, SCMP_ACT_ALLOW, "rt_sigprocmask", 0, NULL);
        return;
    }
    ALLOW_IF(filter, "rt_sigaction", SCMP_A0(SCMP_CMP_NE, SIGSYS));
    /* Setting the mask goes through the handler, which leaves SIGSYS out of it (sandbox_trap.c). */
    ALLOW_IF(filter, "rt_sigprocmask", SCMP_A1(SCMP_CMP_EQ, 0));
    ALLOW_IF(filter, "rt_sigprocmask", SCMP_A0(SCMP_CMP_EQ, SIG_UNBLOCK));
}

static void allow_descriptors(struct filter *filter)
{
    static const uint64_t fcntls[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,      F_SETFD,     F_GETFL,
                                      F_SETFL, F_GETPIPE_SZ,    F_SETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS};
    static const uint64_t ioctls[] = {TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX};
    for (size_t i = 0; i < COUNT_OF(fcntls); i++)
        ALLOW_IF(filter, "fcntl", SCMP_A1(SCMP_CMP_EQ, fcntls[i]));
    for (size_t i = 0; i < COUNT_OF(ioctls); i++)
        ALLOW_IF(filter, "ioctl", SCMP_A1(SCMP_CMP_EQ, ioctls[i]));
}

static void allow_itself(struct filter *filter)
{
    static const uint64_t prctls[] = {PR_SET_NAME,     PR_GET_NAME,         PR_GET_DUMPABLE,
                                      PR_GET_SECCOMP,  PR_GET_NO_NEW_PRIVS, PR_SET_NO_NEW_PRIVS,
                                      PR_CAPBSET_READ, PR_SET_VMA};
    for (size_t i = 0; i < COUNT_OF(prctls); i++)
        ALLOW_IF(filter, "prctl", SCMP_A0(SCMP_CMP_EQ, prctls[i]));
    ALLOW_IF(filter, "prlimit64", SCMP_A2(SCMP_CMP_EQ, 0)); /* looking */
}

/* A thread its own cores and scheduling: ZeroMQ sets what its threads have anyway. Another's number could be
 * that of another process; the handler turns the caller's own into 0 (sandbox_trap.c). */
static void allow_scheduling(struct filter *filter)
{
    static const uint64_t policies[] = {SCHED_OTHER, SCHED_BATCH, SCHED_IDLE};
    if (filter->watched) {
        rule(filter, SCMP_ACT_ALLOW, "sched_setaffinity", 0, NULL);
        rule(filter, SCMP_ACT_ALLOW, "sched_setscheduler", 0, NULL);
        return;
    }
    ALLOW_IF(filter, "sched_setaffinity", SCMP_A0(SCMP_CMP_EQ, 0));
    for (size_t i = 0; i < COUNT_OF(policies); i++)
        ALLOW_IF(filter, "sched_setscheduler", SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A1(SCMP_CMP_EQ, policies[i]));
}

#define TYPE_MASK 0xfU /* without SOCK_CLOEXEC and SOCK_NONBLOCK */

/* `protocol`: or 0, which means the same. Not the others of a type: SCTP connects by setting an option. */
static void allow_socket(struct filter *filter, uint64_t family, uint64_t type, uint64_t protocol)
{
    ALLOW_IF(filter, "socket", SCMP_A0(SCMP_CMP_EQ, family), SCMP_A1(SCMP_CMP_MASKED_EQ, TYPE_MASK, type),
             SCMP_A2(SCMP_CMP_EQ, 0));
    if (protocol != 0)
        ALLOW_IF(filter, "socket", SCMP_A0(SCMP_CMP_EQ, family), SCMP_A1(SCMP_CMP_MASKED_EQ, TYPE_MASK, type),
                 SCMP_A2(SCMP_CMP_EQ, protocol));
}

/* Sending with MSG_FASTOPEN is connecting, of which neither the handler nor Landlock hears. An address beside
 * the bytes is for netlink alone, to whose sockets it can be nobody else's. */
static void allow_sending(struct filter *filter, bool netlink)
{
    ALLOW_IF(filter, "sendmsg", SCMP_A2(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));
    ALLOW_IF(filter, "sendmmsg", SCMP_A3(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));
    if (netlink)
        ALLOW_IF(filter, "sendto", SCMP_A3(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));
    else
        ALLOW_IF(filter, "sendto", SCMP_A3(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0), SCMP_A4(SCMP_CMP_EQ, 0));
}

static void allow_sockets(struct filter *filter, const struct sealed *sealed)
{
    bool resolves = (filter->groups & CALLS_RESOLVE) != 0, netlink = filter->lists_interfaces || resolves;
    if ((filter->groups & CALLS_CONNECT) == 0)
        return;
    /* No datagrams: they go to any address without being connected. */
    allow_socket(filter, AF_UNIX, SOCK_STREAM, 0);
    ALLOW_IF(filter, "socketpair", SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
             SCMP_A1(SCMP_CMP_MASKED_EQ, TYPE_MASK, SOCK_STREAM));
    allow_sending(filter, netlink);
    if ((filter->groups & CALLS_TCP) != 0) {
        allow_socket(filter, AF_INET, SOCK_STREAM, IPPROTO_TCP);
        allow_socket(filter, AF_INET6, SOCK_STREAM, IPPROTO_TCP);
    }
    if (netlink)
        ALLOW_IF(filter, "socket", SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE));
    if (resolves) {
        allow_socket(filter, AF_INET, SOCK_DGRAM, IPPROTO_UDP);
        allow_socket(filter, AF_INET6, SOCK_DGRAM, IPPROTO_UDP);
        ALLOW_IF(filter, "connect", SCMP_A5(SCMP_CMP_EQ, GATE_WORD)); /* the handler looks at the family */
    }
    for (size_t i = 0; i < sealed->count; i++)
        ALLOW_IF(filter, "connect", SCMP_A1(SCMP_CMP_EQ, (uint64_t)(uintptr_t)&sealed->addresses[i].address),
                 SCMP_A2(SCMP_CMP_EQ, sealed->addresses[i].length));
}

static void allow_removal(struct filter *filter, const struct sealed *sealed)
{
    if (sealed->remove[0] != '\0')
        ALLOW_IF(filter, "unlink", SCMP_A0(SCMP_CMP_EQ, (uint64_t)(uintptr_t)sealed->remove));
}

/* A call by path past the trap. Landlock before version 3 does not know that a file is cut, so that is for
 * openings for writing, of which it knows; and what openat2 wants is not to be seen from here. */
static void allow_by_path(struct filter *filter, const struct sandbox_path_call *how)
{
    static const uint64_t writing[] = {O_WRONLY | O_TRUNC, O_RDWR | O_TRUNC};
    const struct scmp_arg_cmp gate = SCMP_A5(SCMP_CMP_EQ, GATE_WORD);
    unsigned flags = (unsigned)how->flags;
    if (!call_opens(how)) {
        ALLOW_IF(filter, how->name, gate);
        return;
    }
    if (call_hides_flags(how))
        return;
    ALLOW_IF(filter, how->name, gate, SCMP_CMP(flags, SCMP_CMP_MASKED_EQ, O_TRUNC, 0));
    for (size_t i = 0; i < COUNT_OF(writing); i++)
        ALLOW_IF(filter, how->name, gate,
                 SCMP_CMP(flags, SCMP_CMP_MASKED_EQ, O_ACCMODE | O_TRUNC, writing[i]));
}

/* ---- the whole ---- */

static void allow_groups(struct filter *filter)
{
    for (unsigned group = 1; group <= CALLS_RESOLVE; group <<= 1) {
        if ((filter->groups & group) == 0)
            continue;
        allow(filter, sandbox_calls(group));
        for (const struct sandbox_path_call *how = sandbox_path_calls(group); how->name != NULL; how++)
            allow_by_path(filter, how);
    }
}

static void refuse_unless(struct filter *filter, const char *name, unsigned argument, uint64_t value)
{
    struct scmp_arg_cmp other = SCMP_CMP(argument, SCMP_CMP_NE, value);
    rule(filter, SCMP_ACT_ERRNO(EPERM), name, 1, &other);
}

/* Which groups are meant cannot be seen from here, only how many: a user who has none but its own is exactly
 * that user. An error and no trap, since who becomes a user tries whether there is a way back. */
static void pin_user(struct filter *filter, const struct sandbox_user *user)
{
    static const char *const others[] = {"setuid", "setreuid", "setfsuid", "setgid", "setregid", "setfsgid"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        rule(filter, SCMP_ACT_ERRNO(EPERM), others[i], 0, NULL);
    for (unsigned argument = 0; argument < 3; argument++) {
        refuse_unless(filter, "setresuid", argument, user->uid);
        refuse_unless(filter, "setresgid", argument, user->gid);
    }
    refuse_unless(filter, "setgroups", 0, user->groups);
    /* In a namespace of its own it could have the others all the same; clone3's flags cannot be seen. */
    struct scmp_arg_cmp fresh = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER);
    rule(filter, SCMP_ACT_ERRNO(EPERM), "clone", 1, &fresh);
    rule(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
}

static void add_rules(struct filter *filter, const struct sealed *sealed, uint32_t refuse)
{
    if ((filter->groups & CALLS_ANYTHING) != 0) {
        for (const char *const *name = sandbox_forbidden_calls(); *name != NULL; name++)
            rule(filter, refuse, *name, 0, NULL);
        if (filter->becomes != NULL && !filter->watched)
            pin_user(filter, filter->becomes);
        return;
    }
    allow_groups(filter);
    allow_memory(filter, (uint64_t)(uintptr_t)sealed_end(sealed));
    allow_threads(filter);
    allow_signals(filter);
    allow_descriptors(filter);
    allow_itself(filter);
    allow_scheduling(filter);
    allow_sockets(filter, sealed);
    allow_removal(filter, sealed);
}

static unsigned groups_of(const struct sandbox *sandbox)
{
    unsigned groups = sandbox_policy_of(sandbox->role)->groups;
    for (size_t i = 0; i < SANDBOX_PEERS_MAX && sandbox->peers[i] != NULL; i++)
        if (strncmp(sandbox->peers[i], "tcp://", 6) == 0)
            groups |= CALLS_TCP;
    if ((groups & CALLS_LISTEN) != 0)
        groups |= CALLS_TCP;
    return sandbox->network_out ? groups | CALLS_TCP | CALLS_RESOLVE : groups;
}

bool filter_load(const struct sandbox *sandbox, const struct sealed *sealed, int *notify, char *reason,
                 size_t capacity)
{
    struct filter filter = {.groups = groups_of(sandbox),
                            .lists_interfaces = sandbox->lists_interfaces,
                            .becomes = sandbox->becomes,
                            .watched = strcmp(sandbox->mode, "log") == 0};
    bool anything = (filter.groups & CALLS_ANYTHING) != 0;
    /* A filter that tells a descriptor can be had once in a line of processes: children's must be theirs. */
    uint32_t refuse = !filter.watched ? SCMP_ACT_TRAP : anything ? SCMP_ACT_LOG : SCMP_ACT_NOTIFY;
    *notify = -1;
    filter.context = seccomp_init(anything ? SCMP_ACT_ALLOW : refuse);
    if (filter.context == NULL) {
        snprintf(reason, capacity, "seccomp: no filter can be made");
        return false;
    }
    /* Without it older kernels slow the whole process down against attacks on speculation. */
    (void)seccomp_attr_set(filter.context, SCMP_FLTATR_CTL_SSB, 1);
    note(&filter, seccomp_attr_set(filter.context, SCMP_FLTATR_CTL_OPTIMIZE, 2));
    note(&filter, seccomp_attr_set(filter.context, SCMP_FLTATR_ACT_BADARCH,
                                   filter.watched ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS));
    add_rules(&filter, sealed, refuse);
    if (filter.error == 0)
        note(&filter, seccomp_load(filter.context));
    if (filter.error == 0 && refuse == SCMP_ACT_NOTIFY)
        *notify = seccomp_notify_fd(filter.context);
    seccomp_release(filter.context);
    if (filter.error != 0)
        snprintf(reason, capacity, "seccomp: %s", strerror(-filter.error));
    return filter.error == 0;
}
