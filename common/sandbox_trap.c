/* sandbox_trap: see sandbox_trap.h.
 *
 * The kernel refuses the call before it sends SIGSYS, so nothing here decides over safety: who gets at the
 * handler's memory, or blocks the signal, dies unnamed or gets an error instead of an end; the call is not
 * made. What the handler does make for the caller passes the filter and Landlock by itself.
 *
 * ZeroMQ's threads block all signals, and a blocked SIGSYS ends the process without a word. So setting the
 * mask is one of the calls that come here, and SIGSYS is left out of it. SPDX-License-Identifier: MIT */
#include "sandbox_trap.h"

#include "sandbox_gate.h"

#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#define REGISTER(context, i)                                                                                 \
    ((uint64_t)(context)                                                                                     \
         ->uc_mcontext.gregs[(const int[]){REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9}[i]])
#define SET_RESULT(context, value) ((context)->uc_mcontext.gregs[REG_RAX] = (value))
#elif defined(__aarch64__)
#define REGISTER(context, i)       ((uint64_t)(context)->uc_mcontext.regs[i])
#define SET_RESULT(context, value) ((context)->uc_mcontext.regs[0] = (uint64_t)(value))
#else
#error "where this machine keeps the arguments of a system call is to be told here"
#endif

/* A handler has no other way to what it needs. Set once, before the filter is. */
static const struct sandbox_judge *the_judge;

#define END_WORD 0x656e64L /* no process that could be traced */

/* The kernel's set of signals: one bit each, of which glibc's sigset_t has more. */
enum { KERNEL_SET_BYTES = 8 };

/* ---- what is done for the caller ---- */

/* As rt_sigprocmask, on the mask that holds when the handler returns. */
static long set_mask(const struct caught *call, ucontext_t *context)
{
    uint64_t given = 0, mask, before;
    const uint64_t unblockable = UINT64_C(1) << (SIGSYS - 1);
    memcpy(&mask, &context->uc_sigmask, sizeof mask);
    before = mask;
    if (call->arguments[3] != KERNEL_SET_BYTES)
        return -EINVAL;
    if (call_read(call, call->arguments[1], &given, sizeof given) != sizeof given)
        return -EFAULT;
    if (call->arguments[0] == SIG_BLOCK)
        mask |= given;
    else if (call->arguments[0] == SIG_SETMASK)
        mask = given;
    else
        return -EINVAL;
    mask &= ~unblockable;
    memcpy(&context->uc_sigmask, &mask, sizeof mask);
    if (call->arguments[2] != 0) /* NOLINTNEXTLINE(performance-no-int-to-ptr): the caller's own pointer */
        memcpy((void *)(uintptr_t)call->arguments[2], &before, sizeof before);
    return 0;
}

/* Cores and scheduling of a thread by its number: of the caller itself it is done, of another one of ours it
 * is an error that libraries can live with; who means another process is stopped. */
static bool schedules(const struct caught *call, long *result)
{
    long thread = (long)call->arguments[0];
    *result = -EPERM;
    if (thread == 0 || syscall(SYS_tgkill, (long)getpid(), thread, 0L) != 0)
        return false;
    if (thread == syscall(SYS_gettid)) {
        *result = syscall(call->number, 0L, (long)call->arguments[1], (long)call->arguments[2]);
        *result = *result == -1 ? -errno : *result;
    }
    return true;
}

/* A program that may go on without the file gets the error, and the log the line. */
static bool goes_on(const struct caught *call)
{
    if (!the_judge->goes_on)
        return false;
    judge_tell(the_judge, call, END_REFUSED);
    return true;
}

/* Asks Landlock; false when the call is refused and an end is to be made. An error of the file's own rights
 * is the caller's. */
static bool by_path(const struct caught *call, const struct sandbox_path_call *how, long *result)
{
    const uint64_t *arguments = call->arguments;
    bool unguarded = how->unguarded || call_hides_flags(how);
    *result = -EACCES;
    if (call_cuts_unseen(call, how)) /* the filter lets nobody do that, so it must not be tried */
        return goes_on(call);
    if ((unguarded || !the_judge->landlock) && !judge_path(the_judge, call, how))
        return goes_on(call);
    *result = -ENOSYS; /* as before Linux 5.6; who uses it can do without */
    if (call_hides_flags(how))
        return true;
    *result = gate_call(call->number, (long)arguments[0], (long)arguments[1], (long)arguments[2],
                        (long)arguments[3], (long)arguments[4]);
    bool refused = *result == -EACCES || *result == -EXDEV;
    return !refused || judge_path(the_judge, call, how) || goes_on(call);
}

static bool connects(const struct caught *call, long *result)
{
    const struct sealed_address *sealed = judge_address(the_judge, call);
    if (sealed != NULL)
        *result = gate_call(call->number, (long)call->arguments[0], (long)(uintptr_t)&sealed->address,
                            (long)sealed->length, 0, 0);
    else if (judge_goes_out(the_judge, call))
        *result = gate_call(call->number, (long)call->arguments[0], (long)call->arguments[1],
                            (long)call->arguments[2], 0, 0);
    else if (judge_asks_locally(the_judge, call))
        *result = -EACCES;
    else
        return false;
    return true;
}

/* False: it is refused. */
static bool make(const struct caught *call, ucontext_t *context, long *result)
{
    const struct sandbox_path_call *how = call_by_path(the_judge->names, call->number);
    if (call->number == SYS_rt_sigprocmask) {
        *result = set_mask(call, context);
        return true;
    }
    if (call->number == SYS_sched_setaffinity || call->number == SYS_sched_setscheduler)
        return schedules(call, result);
    if (call->number == SYS_connect)
        return connects(call, result);
    if (judge_removal(the_judge, call)) {
        *result = gate_call(call->number, (long)(uintptr_t)the_judge->sealed->remove, 0, 0, 0, 0);
        return true;
    }
    return judge_has(the_judge, how) && by_path(call, how, result);
}

/* ---- the handler ---- */

/* Ends the process as the kernel does where nobody handles SIGSYS: the first of these calls lets the handler
 * block the signal, and with that the next is the end. */
static _Noreturn void end(void)
{
    for (;;)
        syscall(SYS_ptrace, -1L, END_WORD, 0L, 0L);
}

static void block(ucontext_t *context)
{
    sigaddset(&context->uc_sigmask, SIGSYS);
}

/* Writing the line may make calls that come here, too; but none that is refused. */
static _Noreturn void tell_and_end(const struct caught *call)
{
    static pid_t telling; /* a thread */
    pid_t self = (pid_t)syscall(SYS_gettid);
    if (__atomic_exchange_n(&telling, self, __ATOMIC_SEQ_CST) != self)
        judge_tell(the_judge, call, END_STOPPED);
    end();
}

static void on_sigsys(int number, siginfo_t *info, void *self)
{
    ucontext_t *context = self;
    int before = errno;
    long result = -ENOSYS;
    struct caught call = {.pid = getpid(), .number = info->si_syscall};
    (void)number;
    for (int i = 0; i < 6; i++)
        call.arguments[i] = REGISTER(context, i);
    if (call.number == SYS_ptrace && call.arguments[1] == END_WORD)
        block(context);
    else if (!make(&call, context, &result))
        tell_and_end(&call);
    SET_RESULT(context, result);
    errno = before;
}

bool trap_set(const struct sandbox_judge *judge)
{
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER};
    sigset_t unblocked;
    the_judge = judge;
    sigemptyset(&action.sa_mask);
    sigemptyset(&unblocked);
    sigaddset(&unblocked, SIGSYS);
    return sigaction(SIGSYS, &action, NULL) == 0 && sigprocmask(SIG_UNBLOCK, &unblocked, NULL) == 0;
}
