/* sandbox_call: see sandbox_call.h. Arguments are read by process_vm_readv, or through /proc/self/mem, which
 * say no to a bad pointer where our own looking would end the process without a word.
 * SPDX-License-Identifier: MIT */
#include "sandbox_call.h"

#include "object.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATH_SHOWN = 200, PAGE = 4096 };

struct call_names {
    char *names[CALLS_MAX];
    const struct sandbox_path_call *by_path[CALLS_MAX];
};

static void note_path_calls(struct call_names *names, enum sandbox_group group)
{
    for (const struct sandbox_path_call *how = sandbox_path_calls(group); how->name != NULL; how++) {
        int number = seccomp_syscall_resolve_name(how->name);
        if (number >= 0 && number < CALLS_MAX)
            names->by_path[number] = how;
    }
}

struct call_names *call_names_new(void)
{
    struct call_names *names = object_alloc(sizeof *names);
    for (int number = 0; number < CALLS_MAX; number++)
        names->names[number] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
    note_path_calls(names, CALLS_READ);
    note_path_calls(names, CALLS_WRITE);
    return names;
}

void call_names_free(struct call_names *names)
{
    for (int number = 0; number < CALLS_MAX; number++)
        free(names->names[number]);
    free(names);
}

const char *call_name(const struct call_names *names, int number)
{
    return number < 0 || number >= CALLS_MAX ? NULL : names->names[number];
}

const struct sandbox_path_call *call_by_path(const struct call_names *names, int number)
{
    return number < 0 || number >= CALLS_MAX ? NULL : names->by_path[number];
}

/* ---- the caller's memory ---- */

/* Where process_vm_readv is forbidden: /proc/self/mem of that process. A handler has no other way to it. */
static struct {
    int fd;
    pid_t pid; /* 0: there is no need of it */
} own_memory;

static ssize_t read_directly(pid_t pid, uint64_t address, void *buffer, size_t bytes)
{
    struct iovec to = {buffer, bytes};
    struct iovec from = {(void *)(uintptr_t)address, bytes}; /* NOLINT(performance-no-int-to-ptr) */
    return process_vm_readv(pid, &to, 1, &from, 1, 0);
}

bool call_prepare(void)
{
    char byte = 1, copy = 0;
    if (own_memory.pid == getpid() || read_directly(getpid(), (uintptr_t)&byte, &copy, 1) == 1)
        return true;
    own_memory.fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    own_memory.pid = own_memory.fd == -1 ? 0 : getpid();
    return own_memory.fd != -1;
}

static size_t read_piece(const struct caught *call, uint64_t address, void *buffer, size_t bytes)
{
    ssize_t count = own_memory.pid != 0 && own_memory.pid == call->pid
                        ? pread(own_memory.fd, buffer, bytes, (off_t)address)
                        : read_directly(call->pid, address, buffer, bytes);
    return count < 0 ? 0 : (size_t)count;
}

size_t call_read(const struct caught *call, uint64_t address, void *buffer, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) { /* page by page: the one behind may not be there */
        size_t piece = PAGE - (address + done) % PAGE;
        piece = piece < bytes - done ? piece : bytes - done;
        size_t count = read_piece(call, address + done, (char *)buffer + done, piece);
        done += count;
        if (count < piece)
            break;
    }
    return done;
}

static bool read_text(const struct caught *call, uint64_t address, char *text, size_t capacity)
{
    size_t count = call_read(call, address, text, capacity - 1);
    text[count] = '\0';
    return count > 0;
}

bool call_path(const struct caught *call, const struct sandbox_path_call *how, char *path, size_t capacity)
{
    return read_text(call, call->arguments[how->path], path, capacity);
}

/* ---- what it wants ---- */

static uint64_t open_flags(const struct caught *call, const struct sandbox_path_call *how)
{
    uint64_t flags = 0;
    if (how->flags >= 0)
        return call->arguments[how->flags];
    call_read(call, call->arguments[2], &flags, sizeof flags); /* openat2: the first of struct open_how */
    return flags;
}

bool call_opens(const struct sandbox_path_call *how)
{
    return strncmp(how->name, "open", 4) == 0;
}

bool call_makes(const struct sandbox_path_call *how)
{
    return strncmp(how->name, "mkdir", 5) == 0 || strncmp(how->name, "link", 4) == 0 ||
           strncmp(how->name, "symlink", 7) == 0;
}

bool call_hides_flags(const struct sandbox_path_call *how)
{
    return call_opens(how) && how->flags < 0;
}

bool call_cuts_unseen(const struct caught *call, const struct sandbox_path_call *how)
{
    uint64_t flags = call_opens(how) ? open_flags(call, how) : 0, mode = flags & O_ACCMODE;
    return (flags & O_TRUNC) != 0 && mode != O_WRONLY && mode != O_RDWR;
}

unsigned call_access(const struct caught *call, const struct sandbox_path_call *how)
{
    if (!call_opens(how))
        return ACCESS_WRITE;
    uint64_t flags = open_flags(call, how);
    if ((flags & O_PATH) == O_PATH)
        return 0;
    bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
    return writes ? ACCESS_WRITE : ACCESS_READ;
}

/* ---- how it is written ---- */

static void write_open(const struct caught *call, const struct sandbox_path_call *how, const char *path,
                       char *text)
{
    static const char *const modes[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
    uint64_t flags = open_flags(call, how);
    snprintf(text, CALL_TEXT_MAX, "%s(\"%s\", %s%s%s)", how->name, path, modes[flags & O_ACCMODE],
             (flags & O_CREAT) != 0 ? "|O_CREAT" : "", (flags & O_TRUNC) != 0 ? "|O_TRUNC" : "");
}

static const char *family_name(uint64_t family, char number[24])
{
    snprintf(number, 24, "%llu", (unsigned long long)family);
    return family == AF_UNIX    ? "AF_UNIX"
           : family == AF_INET  ? "AF_INET"
           : family == AF_INET6 ? "AF_INET6"
                                : number;
}

static void write_socket(const char *name, const struct caught *call, char *text)
{
    char number[24];
    uint64_t type = call->arguments[1] & 0xf;
    snprintf(text, CALL_TEXT_MAX, "%s(%s, %s)", name, family_name(call->arguments[0], number),
             type == SOCK_STREAM  ? "SOCK_STREAM"
             : type == SOCK_DGRAM ? "SOCK_DGRAM"
             : type == SOCK_RAW   ? "SOCK_RAW"
                                  : "?");
}

static void write_address(const char *name, const struct caught *call, char *text)
{
    union {
        struct sockaddr_storage any;
        struct sockaddr_un local;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address = {0};
    char host[INET6_ADDRSTRLEN] = "?", number[24];
    size_t length = call->arguments[2] < sizeof address ? call->arguments[2] : sizeof address;
    call_read(call, call->arguments[1], &address, length);
    switch (address.any.ss_family) {
    case AF_UNIX:
        snprintf(text, CALL_TEXT_MAX, "%s(\"%s%.*s\")", name, address.local.sun_path[0] == '\0' ? "@" : "",
                 (int)sizeof address.local.sun_path - 1,
                 address.local.sun_path + (address.local.sun_path[0] == '\0'));
        break;
    case AF_INET:
        inet_ntop(AF_INET, &address.four.sin_addr, host, sizeof host);
        snprintf(text, CALL_TEXT_MAX, "%s(%s:%d)", name, host, ntohs(address.four.sin_port));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &address.six.sin6_addr, host, sizeof host);
        snprintf(text, CALL_TEXT_MAX, "%s([%s]:%d)", name, host, ntohs(address.six.sin6_port));
        break;
    default:
        snprintf(text, CALL_TEXT_MAX, "%s(%s)", name, family_name(address.any.ss_family, number));
    }
}

static void write_path(const char *name, const struct caught *call, uint64_t address, char *text)
{
    char path[PATH_SHOWN];
    if (read_text(call, address, path, sizeof path))
        snprintf(text, CALL_TEXT_MAX, "%s(\"%s\")", name, path);
    else
        snprintf(text, CALL_TEXT_MAX, "%s(?)", name);
}

static void write_numbers(const char *name, const struct caught *call, char *text)
{
    snprintf(text, CALL_TEXT_MAX, "%s(0x%llx, 0x%llx, 0x%llx)", name, (unsigned long long)call->arguments[0],
             (unsigned long long)call->arguments[1], (unsigned long long)call->arguments[2]);
}

static bool is(const char *name, const char *other)
{
    return strcmp(name, other) == 0;
}

static void write_by_path(const struct caught *call, const struct sandbox_path_call *how, char *text)
{
    char path[PATH_SHOWN];
    if (!call_path(call, how, path, sizeof path))
        snprintf(text, CALL_TEXT_MAX, "%s(?)", how->name);
    else if (call_opens(how))
        write_open(call, how, path, text);
    else
        snprintf(text, CALL_TEXT_MAX, "%s(\"%s\")", how->name, path);
}

void call_write(const struct call_names *names, const struct caught *call, char text[CALL_TEXT_MAX])
{
    const char *name = call_name(names, call->number);
    const struct sandbox_path_call *how = call_by_path(names, call->number);
    if (name == NULL)
        snprintf(text, CALL_TEXT_MAX, "system call %d", call->number);
    else if (how != NULL)
        write_by_path(call, how, text);
    else if (is(name, "socket") || is(name, "socketpair"))
        write_socket(name, call, text);
    else if (is(name, "connect") || is(name, "bind"))
        write_address(name, call, text);
    else if (is(name, "execve"))
        write_path(name, call, call->arguments[0], text);
    else if (is(name, "execveat"))
        write_path(name, call, call->arguments[1], text);
    else if (is(name, "fork") || is(name, "vfork") || is(name, "clone") || is(name, "clone3"))
        snprintf(text, CALL_TEXT_MAX, "%s() for a new process", name);
    else
        write_numbers(name, call, text);
}
