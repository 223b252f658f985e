/* sandbox_sealed: see sandbox_sealed.h. SPDX-License-Identifier: MIT */
#include "sandbox_sealed.h"

#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

enum { LOWEST_ADDRESS = 65536 }; /* below, the kernel lets nobody but root map anything */

/* ---- addresses ---- */

static void add(struct sealed *sealed, const void *address, size_t length)
{
    if (sealed->count == SEALED_ADDRESSES_MAX)
        return;
    struct sealed_address *entry = &sealed->addresses[sealed->count++];
    entry->length = (socklen_t)length;
    memcpy(&entry->address, address, length);
}

static bool add_unix(struct sealed *sealed, const char *path, char *reason, size_t capacity)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof address.sun_path) {
        snprintf(reason, capacity, "%s: no path of a socket", path);
        return false;
    }
    memcpy(address.sun_path, path, length);
    bool abstract = path[0] == '@'; /* ZeroMQ's way to write the name of a socket without a file */
    if (abstract)
        address.sun_path[0] = '\0';
    add(sealed, &address, offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
    return true;
}

/* An IPv4 address is also reached by an IPv6 socket. */
static void add_mapped(struct sealed *sealed, const struct sockaddr_in *address)
{
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = address->sin_port};
    mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&mapped.sin6_addr.s6_addr[12], &address->sin_addr, 4);
    add(sealed, &mapped, sizeof mapped);
}

/* "ADDRESS:PORT", "[ADDRESS]:PORT" or "NAME:PORT". */
static bool add_tcp(struct sealed *sealed, const char *text, char *reason, size_t capacity)
{
    const char *colon = strrchr(text, ':');
    char host[256];
    if (colon == NULL || (size_t)(colon - text) >= sizeof host) {
        snprintf(reason, capacity, "tcp://%s: expected ADDRESS:PORT", text);
        return false;
    }
    bool bracketed = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
    text_copy((struct text){text + bracketed, (size_t)(colon - text) - (bracketed ? 2 : 0)}, host,
              sizeof host);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(host, colon + 1, &hints, &found);
    if (error != 0) {
        snprintf(reason, capacity, "tcp://%s: %s", text, gai_strerror(error));
        return false;
    }
    for (const struct addrinfo *entry = found; entry != NULL; entry = entry->ai_next) {
        add(sealed, entry->ai_addr, entry->ai_addrlen);
        if (entry->ai_family == AF_INET)
            add_mapped(sealed, (const struct sockaddr_in *)(const void *)entry->ai_addr);
    }
    freeaddrinfo(found);
    return true;
}

static bool add_peer(struct sealed *sealed, const char *endpoint, char *reason, size_t capacity)
{
    if (strncmp(endpoint, "ipc://", 6) == 0)
        return add_unix(sealed, endpoint + 6, reason, capacity);
    if (strncmp(endpoint, "tcp://", 6) == 0)
        return add_tcp(sealed, endpoint + 6, reason, capacity);
    snprintf(reason, capacity, "%s: no endpoint", endpoint);
    return false;
}

/* ---- the pages ---- */

static size_t whole_pages(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

static uintptr_t lowest_address(void)
{
    char text[32] = "";
    unsigned long lowest = 0;
    int fd = open("/proc/sys/vm/mmap_min_addr", O_RDONLY | O_CLOEXEC);
    if (fd != -1) {
        if (read(fd, text, sizeof text - 1) > 0)
            lowest = strtoul(text, NULL, 10);
        close(fd);
    }
    return whole_pages(lowest < LOWEST_ADDRESS ? LOWEST_ADDRESS : lowest);
}

const struct sealed *sealed_new(const struct sandbox *sandbox, char *reason, size_t capacity)
{
    size_t bytes = whole_pages(sizeof(struct sealed));
    void *wanted = (void *)lowest_address(); /* NOLINT(performance-no-int-to-ptr): it is an address */
    struct sealed *sealed =
        mmap(wanted, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (sealed != wanted) { /* older kernels take the address for a hint */
        snprintf(reason, capacity, "the lowest page cannot be had: %s",
                 sealed == MAP_FAILED ? strerror(errno) : "the kernel is too old");
        return NULL;
    }
    for (size_t i = 0; i < SANDBOX_PEERS_MAX && sandbox->peers[i] != NULL; i++)
        if (!add_peer(sealed, sandbox->peers[i], reason, capacity))
            return NULL;
    if (sandbox->remove != NULL)
        text_copy(text_of(sandbox->remove), sealed->remove, sizeof sealed->remove);
    if (mprotect(sealed, bytes, PROT_READ) == 0)
        return sealed;
    snprintf(reason, capacity, "mprotect: %s", strerror(errno));
    return NULL;
}

const void *sealed_end(const struct sealed *sealed)
{
    return (const char *)sealed + whole_pages(sizeof *sealed);
}

/* ---- finding ---- */

static bool same_place(const struct sealed_address *entry, const struct sockaddr_storage *address,
                       socklen_t length)
{
    const void *left = &entry->address, *right = address;
    const struct sockaddr_un *unix_left = left, *unix_right = right;
    const struct sockaddr_in *four_left = left, *four_right = right;
    const struct sockaddr_in6 *six_left = left, *six_right = right;
    if (entry->address.ss_family != address->ss_family)
        return false;
    switch (address->ss_family) {
    case AF_UNIX: /* both are zeros behind their ends */
        return (unix_left->sun_path[0] != '\0' || length == entry->length) &&
               memcmp(unix_left->sun_path, unix_right->sun_path, sizeof unix_left->sun_path) == 0;
    case AF_INET:
        return four_left->sin_port == four_right->sin_port &&
               four_left->sin_addr.s_addr == four_right->sin_addr.s_addr;
    case AF_INET6:
        return six_left->sin6_port == six_right->sin6_port &&
               memcmp(&six_left->sin6_addr, &six_right->sin6_addr, sizeof six_left->sin6_addr) == 0;
    default:
        return false;
    }
}

const struct sealed_address *sealed_find(const struct sealed *sealed, const struct sockaddr *address,
                                         socklen_t length)
{
    struct sockaddr_storage copy = {0};
    if (length > sizeof copy || length <= offsetof(struct sockaddr_un, sun_path))
        return NULL;
    memcpy(&copy, address, length);
    for (size_t i = 0; i < sealed->count; i++)
        if (same_place(&sealed->addresses[i], &copy, length))
            return &sealed->addresses[i];
    return NULL;
}
