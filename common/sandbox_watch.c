/* sandbox_watch: see sandbox_watch.h. Its thread has all the rights that the process had before, which is
 * fine where nothing is to be refused, and would not be otherwise. SPDX-License-Identifier: MIT */
#include "sandbox_watch.h"

#include "log.h"
#include "object.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

enum { LINES_MAX = 1000 /* a program that goes astray would fill the log */ };

struct watch_thread {
    const struct sandbox_judge *judge;
    sem_t begun;
    int notify;
    int lines;
};

static bool allowed(const struct sandbox_judge *judge, const struct caught *call)
{
    const struct sandbox_path_call *how = call_by_path(judge->names, call->number);
    if (call->number == SYS_connect)
        return judge_address(judge, call) != NULL || judge_goes_out(judge, call) ||
               judge_asks_locally(judge, call);
    return judge_removal(judge, call) || (judge_has(judge, how) && judge_path(judge, call, how));
}

static void look(struct watch_thread *thread, const struct seccomp_notif *asked)
{
    struct caught call = {.pid = (pid_t)asked->pid, .number = asked->data.nr};
    for (int i = 0; i < 6; i++)
        call.arguments[i] = asked->data.args[i];
    if (thread->lines >= LINES_MAX || allowed(thread->judge, &call))
        return;
    judge_tell(thread->judge, &call, END_LET);
    if (++thread->lines == LINES_MAX)
        log_warning("sandbox: more refused calls are not named");
}

static void *watch(void *self)
{
    struct watch_thread *thread = self;
    struct seccomp_notif *asked = NULL;
    struct seccomp_notif_resp *answer = NULL;
    while (sem_wait(&thread->begun) != 0)
        continue;
    if (thread->notify == -1 || seccomp_notify_alloc(&asked, &answer) != 0) {
        free(thread);
        return NULL;
    }
    for (;;) {
        memset(asked, 0, sizeof *asked);
        if (seccomp_notify_receive(thread->notify, asked) != 0)
            continue; /* the caller is gone */
        look(thread, asked);
        *answer = (struct seccomp_notif_resp){.id = asked->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        (void)seccomp_notify_respond(thread->notify, answer);
    }
}

struct watch_thread *watch_new(const struct sandbox_judge *judge)
{
    struct watch_thread *thread = object_alloc(sizeof *thread);
    pthread_t id;
    sigset_t all, before;
    thread->judge = judge;
    sem_init(&thread->begun, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&id, NULL, watch, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        free(thread);
        errno = error;
        return NULL;
    }
    pthread_detach(id);
    return thread;
}

void watch_begin(struct watch_thread *thread, int notify)
{
    thread->notify = notify;
    sem_post(&thread->begun);
}
