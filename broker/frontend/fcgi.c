/* fcgi: the only file that knows libfcgi, which reads and writes the records here, and no descriptor.
 *
 * libfcgi's own way (FCGX_Accept_r waits for a connection, then for its bytes, in a thread of its own) would
 * cost a thread for every idle connection of a web server, and a slow peer could hold it. Its fcgios.h keeps
 * the operating system behind a few functions, OS_Read and OS_Write among them, which it calls as any symbol
 * of a shared library is called: the program's own come first. So they stand here, read from the bytes of a
 * request that came in whole (scan.c), write to where the answer is to go, and close nothing. fcgi_init
 * proves that it is so with the library that it finds.
 *
 * The request is told that it kept its connection (or FCGX_Accept_r would finish it first), that it may not
 * accept (listening socket -1), and that it is detached. Called by connection.c on the loop's thread, and by
 * the side lane's threads for large requests; one fcgi object belongs to one thread at a time.
 *
 * What libfcgi has of a request, its parameters one by one and three buffers, is 20 KB in some thirty pieces.
 * A request that waits for its answer is put down: it is a number and a flag then, and libfcgi reads a few
 * bytes with them when it is to be answered. So a thread goes over the same warm 20 KB with each request,
 * however many wait, and the heap does not grow with the most that ever waited.
 * SPDX-License-Identifier: MIT */
#include "fcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcgios.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    FCGI_MAGIC = 0x0fc91001,
    NO_DESCRIPTOR = INT_MAX /* where libfcgi wants a number that is not negative */
};

struct fcgi {
    unsigned magic;
    bool open;
    bool held;         /* libfcgi has it; if not, it was put down */
    uint8_t number[2]; /* of the request, as it stands in each record */
    bool keep;         /* the web server wants the connection to stay */
    int fd;            /* of the answer */
    const uint8_t *bytes;
    size_t length; /* of `bytes`, which libfcgi has yet to read */
    FCGX_Request request;
};

/* ---- what libfcgi takes for the operating system ---- */

/* Whose request this thread is at: libfcgi hands on no more than the number of a descriptor. */
static _Thread_local struct fcgi *current;

int OS_Read(int fd, char *buffer, size_t length)
{
    (void)fd;
    if (length > current->length)
        length = current->length;
    memcpy(buffer, current->bytes, length);
    current->bytes += length;
    current->length -= length;
    return (int)length;
}

int OS_Write(int fd, char *buffer, size_t length)
{
    (void)fd;
    return (int)send(current->fd, buffer, length, MSG_NOSIGNAL);
}

int OS_IpcClose(int fd, int shutdown)
{
    (void)fd;
    (void)shutdown;
    return 0;
}

/* ---- life ---- */

/* One request to ourselves. */
static bool reads_through_us(void)
{
    static const uint8_t nothing[] = {
        1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0,  /* BEGIN_REQUEST */
        1, 4, 0, 1, 0, 0, 0, 0, 1, 5, 0, 1, 0, 0, 0, 0}; /* no PARAMS, no STDIN */
    struct fcgi *fcgi = fcgi_new();
    bool read = fcgi_open(fcgi, nothing, sizeof nothing) && fcgi_read_body(fcgi, NULL, 0) == 0;
    fcgi_free(fcgi);
    return read;
}

bool fcgi_init(void)
{
    return FCGX_Init() == 0 && reads_through_us();
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

/* ---- a request ---- */

/* libfcgi reads the beginning of a request, to the end of its parameters. */
static bool take_up(struct fcgi *fcgi, const uint8_t *bytes, size_t length)
{
    current = fcgi;
    fcgi->fd = -1; /* nothing is to be written yet */
    fcgi->bytes = bytes;
    fcgi->length = length;
    FCGX_InitRequest(&fcgi->request, -1, 0);
    fcgi->request.ipcFd = NO_DESCRIPTOR;
    fcgi->request.keepConnection = 1;
    fcgi->request.detached = 1;
    fcgi->held = FCGX_Accept_r(&fcgi->request) == 0;
    return fcgi->held;
}

/* One that was put down. What it had beside its number was of use to the reader only. */
static void take_up_again(struct fcgi *fcgi)
{
    uint8_t bytes[] = {1, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, /* BEGIN_REQUEST of a responder */
                       1, 4, 0, 0, 0, 0, 0, 0};                        /* no PARAMS */
    memcpy(bytes + 2, fcgi->number, sizeof fcgi->number);
    memcpy(bytes + 18, fcgi->number, sizeof fcgi->number);
    bytes[10] = fcgi->keep;
    ENSURE(take_up(fcgi, bytes, sizeof bytes));
    fcgi->length = 0;
}

bool fcgi_open(struct fcgi *fcgi, const uint8_t *bytes, size_t length)
{
    CHECK_OBJECT(fcgi, FCGI_MAGIC);
    ENSURE(!fcgi->open);
    fcgi->open = take_up(fcgi, bytes, length);
    fcgi->number[0] = (uint8_t)(fcgi->request.requestId >> 8);
    fcgi->number[1] = (uint8_t)fcgi->request.requestId;
    fcgi->keep = fcgi->request.keepConnection != 0;
    return fcgi->open;
}

void fcgi_put_down(struct fcgi *fcgi)
{
    CHECK_OBJECT(fcgi, FCGI_MAGIC);
    if (fcgi->held)
        FCGX_Free(&fcgi->request, 0);
    fcgi->held = false;
}

char **fcgi_parameters(const struct fcgi *fcgi)
{
    return fcgi->request.envp;
}

int64_t fcgi_read_body(struct fcgi *fcgi, char *body, size_t capacity)
{
    CHECK_OBJECT(fcgi, FCGI_MAGIC);
    ENSURE(fcgi->held);
    current = fcgi;
    FCGX_Stream *in = fcgi->request.in;
    int64_t total = 0;
    char rest[4096];
    int count;
    /* To the end in any case: only then is it known whether it was broken off. */
    for (;;) {
        bool fits = (size_t)total < capacity;
        size_t room = fits ? capacity - (size_t)total : sizeof rest;
        /* cppcheck-suppress legacyUninitvar ; it is only written to */
        count = FCGX_GetStr(fits ? body + total : rest, room > INT32_MAX ? INT32_MAX : (int)room, in);
        if (count <= 0)
            break;
        total += count;
    }
    fcgi->length = 0; /* `bytes` are their owner's again */
    return FCGX_GetError(in) == 0 ? total : -1;
}

bool fcgi_close(struct fcgi *fcgi, int fd, const char *head, size_t head_length, const char *body,
                size_t body_length)
{
    CHECK_OBJECT(fcgi, FCGI_MAGIC);
    ENSURE(fcgi->open);
    if (!fcgi->held)
        take_up_again(fcgi);
    current = fcgi;
    fcgi->fd = fd;
    FCGX_Request *request = &fcgi->request;
    bool written = FCGX_PutStr(head, (int)head_length, request->out) == (int)head_length;
    if (written && body_length > 0)
        written = FCGX_PutStr(body, (int)body_length, request->out) == (int)body_length;
    written = FCGX_FClose(request->err) == 0 && FCGX_FClose(request->out) == 0 && written;
    fcgi_drop(fcgi);
    return written && fcgi->keep;
}

void fcgi_drop(struct fcgi *fcgi)
{
    fcgi_put_down(fcgi);
    fcgi->open = false;
}
