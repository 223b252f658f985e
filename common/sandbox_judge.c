/* sandbox_judge: see sandbox_judge.h. SPDX-License-Identifier: MIT */
#include "sandbox_judge.h"

#include "log.h"
#include "object.h"

#include <fcntl.h>
#include <unistd.h>

enum { REFUSED_AT_ONCE = 20, REFUSED_SECONDS = 10 };

bool judge_has(const struct sandbox_judge *judge, const struct sandbox_path_call *how)
{
    return how != NULL && (judge->groups & (call_opens(how) ? CALLS_READ : CALLS_WRITE)) != 0;
}

bool judge_path(const struct sandbox_judge *judge, const struct caught *call,
                const struct sandbox_path_call *how)
{
    char path[PATH_MAX], resolved[PATH_MAX];
    unsigned access = call_access(call, how);
    if (call_cuts_unseen(call, how))
        return false;
    int directory = how->directory < 0 ? AT_FDCWD : (int)call->arguments[how->directory];
    if (access == 0 || call->arguments[how->path] == 0) /* utimensat of a descriptor */
        return true;
    if (!call_path(call, how, path, sizeof path))
        return false;
    pid_t pid = call->pid == getpid() ? 0 : call->pid;
    /* "It exists" is the kernel's answer before it asks for rights: who makes all folders of a path needs it.
     */
    if (call_makes(how) && places_resolve(pid, directory, path, false, resolved))
        return true;
    bool creates = (access & ACCESS_WRITE) != 0;
    /* What is not there is for the kernel to say. */
    return !places_resolve(pid, directory, path, creates, resolved) ||
           places_allow(judge->places, resolved, access);
}

const struct sealed_address *judge_address(const struct sandbox_judge *judge, const struct caught *call)
{
    struct sockaddr_storage address = {0};
    size_t length = call->arguments[2];
    if (length > sizeof address || call_read(call, call->arguments[1], &address, length) != length)
        return NULL;
    return sealed_find(judge->sealed, (const struct sockaddr *)&address, (socklen_t)length);
}

static bool is_local(const struct caught *call, bool local)
{
    sa_family_t family = AF_UNSPEC;
    return call_read(call, call->arguments[1], &family, sizeof family) == sizeof family &&
           (family == AF_UNIX) == local;
}

bool judge_goes_out(const struct sandbox_judge *judge, const struct caught *call)
{
    return judge->network_out && is_local(call, false);
}

bool judge_asks_locally(const struct sandbox_judge *judge, const struct caught *call)
{
    return judge->network_out && is_local(call, true);
}

bool judge_removal(const struct sandbox_judge *judge, const struct caught *call)
{
    char path[SEALED_PATH_MAX];
    const struct sandbox_path_call *how = call_by_path(judge->names, call->number);
    return judge->sealed->remove[0] != '\0' && how != NULL && strcmp(how->name, "unlink") == 0 &&
           call_path(call, how, path, sizeof path) && strcmp(path, judge->sealed->remove) == 0;
}

void judge_tell(const struct sandbox_judge *judge, const struct caught *call, enum sandbox_end end)
{
    static long long told;
    static unsigned count;
    static const char *const words[] = {[END_STOPPED] = " and was stopped",
                                        [END_REFUSED] = " and was refused it",
                                        [END_LET] = ": with sandbox.mode = \"on\" it would be refused"};
    char text[CALL_TEXT_MAX];
    if (end == END_REFUSED && __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED) >= REFUSED_AT_ONCE &&
        !log_allowed(&told, REFUSED_SECONDS))
        return;
    call_write(judge->names, call, text);
    log_write(end == END_STOPPED ? LOG_ERROR : LOG_WARNING, NULL, "sandbox: the %s %s called %s%s",
              judge->word, judge->name, text, words[end]);
}
