/* strays: what process 1 of a container owes all others: whoever loses its parent becomes its child, and
 * stays a zombie until it is waited for. That happens to what an operator has started inside (`podman exec`,
 * an exec probe of Kubernetes) and what leaves the process group of its worker; the groups themselves child.c
 * waits for.
 *
 * Our own processes are waited for by who started them, as soon as their pidfds are readable, with the usage
 * and the status that somebody wants to know. So nothing is taken at first sight (WNOWAIT): only who is still
 * there at the next look, when the loop has called whoever was waiting, is waited for by nobody.
 * SPDX-License-Identifier: MIT */
#include "strays.h"

#include "clock.h"
#include "object.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STRAYS_MAGIC = 0x57a4a900 };

#define LOOK_EVERY SECOND
#define LOOK_AGAIN (50 * MILLISECOND) /* with somebody in sight */

struct strays {
    unsigned magic;
    struct loop *loop;
    struct loop_timer timer;
    pid_t seen; /* at the look before; 0: nobody */
};

/* Somebody who has ended and is still to be waited for; 0: there is nobody. */
static pid_t somebody(void)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ? info.si_pid : 0;
}

bool strays_look(struct strays *strays)
{
    CHECK_OBJECT(strays, STRAYS_MAGIC);
    pid_t pid = somebody();
    if (pid != 0 && pid == strays->seen) {
        waitpid(pid, NULL, WNOHANG);
        pid = somebody();
    }
    strays->seen = pid;
    return pid != 0;
}

static void look(void *self)
{
    struct strays *strays = self;
    int64_t pause = strays_look(strays) ? LOOK_AGAIN : LOOK_EVERY;
    loop_timer_set(strays->loop, &strays->timer, loop_now(strays->loop) + pause, look, strays);
}

struct strays *strays_new(struct loop *loop)
{
    if (getpid() != 1)
        return NULL;
    struct strays *strays = object_alloc(sizeof(*strays));
    *strays = (struct strays){.magic = STRAYS_MAGIC, .loop = loop};
    look(strays);
    return strays;
}

void strays_free(struct strays *strays)
{
    if (strays == NULL)
        return;
    CHECK_OBJECT(strays, STRAYS_MAGIC);
    loop_timer_cancel(strays->loop, &strays->timer);
    free(strays);
}
