/* A model that does what it must not: at a row whose first value is one of the numbers below, or, built with
 * AT_LOAD, in a constructor, before anybody has asked it for anything. SECRET, FOLDER and SOCKET are given
 * when it is built. SPDX-License-Identifier: MIT */
static void each_row(const float *row);
#define EACH_ROW(row) each_row(row)
#include "plugin_sum.c"

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

#ifndef SECRET /* for who only reads this */
#define SECRET ""
#define FOLDER ""
#define SOCKET ""
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
    default:
        return;
    }
    abort(); /* it was not stopped */
}

static void each_row(const float *row)
{
    do_evil((int)row[0]);
}

#ifdef AT_LOAD
__attribute__((constructor)) static void at_load(void)
{
    do_evil(AT_LOAD);
}
#endif
