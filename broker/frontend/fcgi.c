/* fcgi: the only file that knows libfcgi.
 *
 * libfcgi's own way (FCGX_Accept_r waits for a connection, then for its bytes, in a thread of its own) would
 * cost a thread for every idle connection of a web server. Here it is given a descriptor on which the whole
 * request is known to lie (scan.c), so that none of its blocking reads blocks. What that takes: the request
 * is told that it kept its connection (or libfcgi would close the descriptor first), that it may not accept
 * (listening socket -1), and that it is detached (no draining of the socket, which may take 2 s). A request
 * whose bytes we had to read ourselves is lent back through a memory file: libfcgi reads from that descriptor
 * and writes to the connection's.
 *
 * Called by connection.c on the loop's thread, and by the side lane's threads for large requests; one fcgi
 * object belongs to one thread at a time. SPDX-License-Identifier: MIT */
#include "fcgi.h"

#include <fcgiapp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FCGI_MAGIC = 0x0fc91001 };

struct fcgi {
    unsigned magic;
    bool open;
    int fd;
    FCGX_Request request;
};

bool fcgi_init(void)
{
    return FCGX_Init() == 0;
}

struct fcgi *fcgi_new(void)
{
    struct fcgi *fcgi = object_alloc(sizeof *fcgi);
    fcgi->magic = FCGI_MAGIC;
    return fcgi;
}

void fcgi_free(struct fcgi *fcgi)
{
    if (fcgi == NULL)
        return;
    CHECK_OBJECT(fcgi, FCGI_MAGIC);
    fcgi_drop(fcgi);
    fcgi->magic = 0;
    free(fcgi);
}

int fcgi_memory(void)
{
    return memfd_create("outrigger-request", MFD_CLOEXEC);
}

/* The bytes as a file to be read. -1 when there is no memory for it. */
static int lend(int *memory_fd, const uint8_t *bytes, size_t length)
{
    size_t written = 0;
    if (*memory_fd < 0)
        *memory_fd = fcgi_memory();
    while (*memory_fd >= 0 && written < length) {
        ssize_t count = pwrite(*memory_fd, bytes + written, length - written, (off_t)written);
        if (count <= 0)
            return -1;
        written += (size_t)count;
    }
    if (ftruncate(*memory_fd, (off_t)length) != 0 || lseek(*memory_fd, 0, SEEK_SET) != 0)
        return -1;
    return *memory_fd;
}

bool fcgi_open(struct fcgi *fcgi, int fd, const uint8_t *bytes, size_t length, int *memory_fd)
{
    CHECK_OBJECT(fcgi, FCGI_MAGIC);
    ENSURE(!fcgi->open);
    int from = bytes == NULL ? fd : lend(memory_fd, bytes, length);
    if (from < 0)
        return false;
    fcgi->fd = fd;
    FCGX_InitRequest(&fcgi->request, -1, 0);
    fcgi->request.ipcFd = from;
    fcgi->request.keepConnection = 1;
    fcgi->request.detached = 1;
    fcgi->open = FCGX_Accept_r(&fcgi->request) == 0;
    if (!fcgi->open && bytes != NULL)
        *memory_fd = -1; /* libfcgi has closed it, as it does with what it cannot read */
    return fcgi->open;
}

char **fcgi_parameters(const struct fcgi *fcgi)
{
    return fcgi->request.envp;
}

int64_t fcgi_read_body(struct fcgi *fcgi, char *body, size_t capacity)
{
    CHECK_OBJECT(fcgi, FCGI_MAGIC);
    ENSURE(fcgi->open);
    FCGX_Stream *in = fcgi->request.in;
    int64_t total = 0;
    char rest[4096];
    int count;
    /* Read to the end in any case: what is left over would be taken for the next request. */
    for (;;) {
        bool fits = (size_t)total < capacity;
        size_t room = fits ? capacity - (size_t)total : sizeof rest;
        /* cppcheck-suppress legacyUninitvar ; it is only written to */
        count = FCGX_GetStr(fits ? body + total : rest, room > INT32_MAX ? INT32_MAX : (int)room, in);
        if (count <= 0)
            break;
        total += count;
    }
    fcgi->request.ipcFd = fcgi->fd; /* the answer goes to the connection, wherever the request was lent */
    return FCGX_GetError(in) == 0 ? total : -1;
}

bool fcgi_close(struct fcgi *fcgi, const char *head, size_t head_length, const char *body, size_t body_length)
{
    CHECK_OBJECT(fcgi, FCGI_MAGIC);
    ENSURE(fcgi->open);
    FCGX_Request *request = &fcgi->request;
    bool written = FCGX_PutStr(head, (int)head_length, request->out) == (int)head_length;
    if (written && body_length > 0)
        written = FCGX_PutStr(body, (int)body_length, request->out) == (int)body_length;
    /* What FCGX_Finish_r does, but for closing the descriptor, which is the connection's. */
    written = FCGX_FClose(request->err) == 0 && FCGX_FClose(request->out) == 0 && written;
    bool keep = written && request->keepConnection;
    FCGX_Free(request, 0);
    fcgi->open = false;
    return keep;
}

void fcgi_drop(struct fcgi *fcgi)
{
    if (!fcgi->open)
        return;
    FCGX_Free(&fcgi->request, 0);
    fcgi->open = false;
}
