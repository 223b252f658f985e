/* A model that does what it must not: at a row whose first value is one of the numbers below, or, built with
 * AT_LOAD, in a constructor, before anybody has asked it for anything. SECRET, FOLDER, SOCKET and BROKER are
 * given when it is built. SPDX-License-Identifier: MIT */
#include <outrigger/backend.h>
#define outrigger_backend example_backend
#include "../../worker/plugin/model.c"
#undef outrigger_backend

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#ifndef SECRET /* for who only reads this */
#define SECRET ""
#define FOLDER ""
#define SOCKET ""
#define BROKER ""
#endif

static void connect_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)!connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address);
}

static void connect_unix(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
    (void)!connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address);
}

static void execute(void)
{
    char *const arguments[] = {"sh", "-c", "true", NULL};
    execve("/bin/sh", arguments, environ);
}

static void spawn(void)
{
    pid_t pid;
    char *const arguments[] = {"sh", "-c", "true", NULL};
    posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ);
}

/* Opens a secret when nobody can name it any more. */
static void hide(void)
{
    signal(SIGSYS, SIG_IGN);
    open(SECRET, O_RDONLY);
}

/* ---- what only the broker can stop ---- */

/* What its worker shows to the broker: 64 hexadecimal digits somewhere above us on the stack. */
static const char *find_token(void)
{
    size_t run = 0;
    const char *here = __builtin_frame_address(0);
    for (const char *at = here; at < (const char *)environ; at++) {
        run = strchr("0123456789abcdef", *at) != NULL && *at != '\0' ? run + 1 : 0;
        if (run == 64 && at[1] == '\0')
            return at - 63;
    }
    abort();
}

static uint8_t *put_text(uint8_t *at, const char *text)
{
    size_t length = strlen(text);
    *at++ = 0xd9;
    *at++ = (uint8_t)length;
    memcpy(at, text, length);
    return at + length;
}

/* READY of common/PROTOCOL.md, with an empty schema. */
static size_t make_ready(uint8_t *message, const char *model, const char *token)
{
    static const uint8_t head[] = {0x9b, 1, 32, 0}, rows[] = {64, 1, 0xcd, 0x03, 0xe8, 7};
    static const uint8_t tail[] = {77, 0xc4, 1, 0x80};
    uint8_t *at = message;
    memcpy(at, head, sizeof head);
    at = put_text(put_text(at + sizeof head, model), "1");
    memcpy(at, rows, sizeof rows);
    at = put_text(at + sizeof rows, token);
    memcpy(at, tail, sizeof tail);
    return (size_t)(at + sizeof tail - message);
}

/* Says over a connection of its own that it serves that model. Only the broker's DRAIN is what is hoped for.
 */
static void pose_as(const char *model, const char *token)
{
    uint8_t message[256], answer[1024] = {0};
    const int patience_ms = 60000, none = 0;
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    if (zmq_connect(socket, BROKER) != 0 ||
        zmq_send(socket, message, make_ready(message, model, token), 0) < 0 ||
        zmq_recv(socket, answer, sizeof answer, 0) < 3 || answer[2] != 49)
        abort();
    fprintf(stderr, "evil: the broker says: %s\n", (char *)answer + 7);
    zmq_close(socket);
    zmq_ctx_term(context);
}

static void do_evil(int what)
{
    switch (what) {
    case -2001:
        open("/etc/passwd", O_RDONLY);
        break;
    case -2002:
        open(SECRET, O_RDONLY);
        break;
    case -2003:
        open(FOLDER "/stolen", O_WRONLY | O_CREAT, 0600);
        break;
    case -2004:
        connect_tcp();
        break;
    case -2005:
        connect_unix();
        break;
    case -2006:
        execute();
        break;
    case -2007:
        fork();
        break;
    case -2008:
        spawn();
        break;
    case -2009:
        kill(getppid(), SIGTERM);
        break;
    case -2010:
        ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
        break;
    case -2011:
        unlink(FOLDER "/model.so");
        break;
    case -2012:
        chmod(FOLDER "/model.so", 0777);
        break;
    case -2013:
        hide();
        break;
    case -2014: /* where the addresses stand that it may connect to */
        mprotect((void *)0x10000, 4096, PROT_READ | PROT_WRITE);
        break;
    case -2015:
        pose_as("sum", find_token());
        return;
    case -2016:
        pose_as("sum", "");
        return;
    case -2017: /* twice as many requests of its own */
        pose_as("evil", find_token());
        return;
    default:
        return;
    }
    abort(); /* it was not stopped */
}

/* The example's, with that before it. */
static int run_evil(void *state, const struct outrigger_values *inputs, struct outrigger_values *outputs,
                    char *error, size_t error_size)
{
    for (int64_t i = 0; i < inputs[0].shape[0]; i++)
        do_evil((int)((const float *)inputs[0].data)[i * COLUMNS]);
    return run_model(state, inputs, outputs, error, error_size);
}

const struct outrigger_plugin *outrigger_backend(uint32_t abi)
{
    static struct outrigger_plugin evil;
    evil = *example_backend(abi);
    evil.run = run_evil;
    return &evil;
}

#ifdef AT_LOAD
__attribute__((constructor)) static void at_load(void)
{
    do_evil(AT_LOAD);
}
#endif
