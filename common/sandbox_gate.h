/* sandbox_gate: system calls past the filter's trap. For sandbox*.c alone.
 *
 * Calls by path are trapped so that a refused one can be named; whether it is refused is Landlock's to say.
 * The handler makes the call again with this word in the sixth argument, which none of them has, and the
 * filter lets that pass. It is no secret: who knows it is still kept by Landlock, and only goes unnamed; but
 * connects to whatever it likes where network_out is set (sandbox.h).
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_SANDBOX_GATE_H
#define OUTRIGGER_SANDBOX_GATE_H

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GATE_WORD 0x6f75747269676765UL

/* The call's result, or -errno; errno itself stays as it was. */
static inline long gate_call(long number, long a, long b, long c, long d, long e)
{
    int before = errno;
    long result = syscall(number, a, b, c, d, e, (long)GATE_WORD);
    if (result == -1)
        result = -errno;
    errno = before;
    return result;
}

#endif
