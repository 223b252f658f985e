/* descent: see descent.h.
 *
 * Not even the parent of all stays root: it reads what others write, commands, names and files of models, the
 * last words of its children; and it writes into folders that its children write into, too, where root could
 * be led by a link to any file of the host. So it becomes the same user as its children, and all files are
 * made by whom they belong to, in the one way there is.
 *
 *     root           makes the folders, gives away the control group, looks what users can read
 *     the user with  CHOWN, for the socket's group; SYS_PTRACE and DAC_READ_SEARCH, for the pipes and the
 *                    listening socket of processes that an earlier supervisor left; KILL
 *     the user with  nothing; or SETUID, SETGID and KILL, when the workers have a user of their own: to
 *                    become that in a child before its program runs, and to end it
 *
 * With SETUID a process can be any user, if somebody else's code runs in it. That is why the sandbox refuses
 * the supervisor to become anybody but the workers' user (sandbox.h, becomes). Rights about files it has none
 * for good: what it opens, makes and removes is opened, made and removed as its user. KILL ends anybody; what
 * it is told to end, by a file that its user can write, is therefore looked at for whose it is (ledger.c).
 *
 * A process of another user lets nobody but root into its descriptors. So an earlier supervisor's workers are
 * reached in the middle step (ledger.c).
 *
 * SPDX-License-Identifier: MIT */
#include "descent.h"

#include "cgroup.h"
#include "folders.h"
#include "log.h"
#include "safety.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define OF_WORKERS (ACCOUNT_RIGHT(CAP_SETUID) | ACCOUNT_RIGHT(CAP_SETGID) | ACCOUNT_RIGHT(CAP_KILL))
#define OF_BEGINNING                                                                                         \
    (OF_WORKERS | ACCOUNT_RIGHT(CAP_CHOWN) | ACCOUNT_RIGHT(CAP_SYS_PTRACE) |                                 \
     ACCOUNT_RIGHT(CAP_DAC_READ_SEARCH))

static bool can_read(const struct config *config, const struct descent *descent)
{
    struct config_errors errors = {0};
    char *rest = errors.text;
    safety_check_readers(config, descent->service, descent->workers, &errors);
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n"))
        if (*line != '\0')
            log_error("%s", line);
    return errors.count == 0;
}

static void give_cgroup(const struct account *service)
{
    char own[CGROUP_PATH_BYTES];
    cgroup_own(own);
    cgroup_give(own, service->uid, service->gid);
}

/* Workers of another user are watched in /proc, which may show everybody his own processes alone. */
static bool sees_others(void)
{
    if (access("/proc/1/stat", R_OK) == 0)
        return true;
    log_error(
        "/proc hides the processes of other users here (hidepid), and worker.user is another one: mount it "
        "without, or leave worker.user out");
    return false;
}

static bool refuse(const char *what)
{
    log_error("%s: %s", what, strerror(errno));
    return false;
}

bool descent_begin(struct descent *descent, const struct config *config)
{
    *descent = (struct descent){account_of_service(config), account_of_workers(config)};
    const struct account *service = descent->service;
    if (!can_read(config, descent) || !folders_give(config, service, descent->workers))
        return false;
    if (service == NULL)
        return true;
    give_cgroup(service);
    if (account_assume_with(service, OF_BEGINNING) == -1) {
        log_error("cannot become the user %s: %s", service->name, strerror(errno));
        return false;
    }
    if (descent->workers != NULL && !sees_others())
        return false;
    if (config->core_dumps != 0) /* changing the user has switched them off, and more */
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    log_info("runs as the user %s", service->name);
    return true;
}

bool descent_raise(const struct descent *descent)
{
    return descent->service == NULL || account_raise(OF_BEGINNING) == 0 || refuse("capabilities");
}

bool descent_end(const struct descent *descent)
{
    return descent->service == NULL || account_keep(descent->workers == NULL ? 0 : OF_WORKERS) == 0 ||
           refuse("capabilities");
}

void descent_free(struct descent *descent)
{
    account_free(descent->service);
    account_free(descent->workers);
    *descent = (struct descent){0};
}
