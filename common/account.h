/* account: the user that a process is, when root starts it and the configuration names another.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ACCOUNT_H
#define OUTRIGGER_ACCOUNT_H

#include "config.h"

#include <sys/types.h>

/* A user with its groups. */
struct account {
    char *name; /* as it was asked for */
    uid_t uid;
    gid_t gid;     /* of its primary group */
    gid_t *groups; /* those that it has beside that one */
    size_t group_count;
};

/* Rights of root that a process keeps when it becomes another user: the numbers of capabilities(7), added up
 * as ACCOUNT_RIGHT(CAP_KILL). 0: none. */
#define ACCOUNT_RIGHT(number) (UINT64_C(1) << (number))

/* Looks a user up, by name or by number; NULL when there is none. The caller frees with account_free. */
struct account *account_find(const char *user);
void account_free(struct account *account); /* NULL is fine */

/* Who the processes of this configuration become; NULL: they stay who they are. Ends the process after a
 * complaint when we are neither root nor that user. */
struct account *account_of_service(const struct config *config);
/* The same for workers; NULL, too, when it is the user of all others. */
struct account *account_of_workers(const struct config *config);

/* Becomes the user for good, with the user's groups and no others, and without any right of root. 0, or -1
 * with errno; then the process must end. Only with one thread; allowed between fork and exec. */
int account_assume(const struct account *account);
/* The same, but keeps rights, which have no effect until account_raise. */
int account_assume_with(const struct account *account, uint64_t rights);
/* Exactly these of the rights that were kept have an effect from now on; the others can still be had. */
int account_raise(uint64_t rights);
/* Gives up all but these, which have an effect from now on. */
int account_keep(uint64_t rights);

/* Root acts as that user until account_return: opens and finds what it may. Nothing for NULL, and for who is
 * not root. False with errno. One thread only. */
bool account_borrow(const struct account *account);
void account_return(void);

/* What a program of ours does at its start that root has started by hand: becomes the user that the
 * configuration names for it. Ends the process after a complaint when that cannot be. */
void account_settle(const struct config *config, bool worker);

/* Tries as that user (NULL: as we are) whether `path` can be read, and searched if it is a folder: 0, or the
 * errno that it gets. */
int account_try(const struct account *account, const char *path);

#endif
