/* admission: who may come in at the local endpoint, where neither keys nor users tell workers apart: they all
 * run as one user, and a model that is a program shares its process with the worker.
 *
 * So each worker shows a token, and the supervisor has said which process, model and version it is of. What
 * it says comes over another socket, and may come later than the worker, or was said to the broker before
 * this one: nobody is turned away for that. He waits, the supervisor is asked, and only when it has answered
 * that question and still nobody knows the token, it is nobody's. Called by admitting.c.
 * SPDX-License-Identifier: MIT */
#include "admission.h"

#include <stdlib.h>

enum { ADMISSION_MAGIC = 0x0ad31551 };

struct admission {
    unsigned magic;
    struct pass *passes;
    struct knocker *waiting;
    uint64_t next_pass;
    uint64_t questions;
    admission_is_held *is_held;
    void *self; /* of is_held */
};

struct admission *admission_new(admission_is_held *is_held, void *self)
{
    struct admission *admission = object_alloc(sizeof *admission);
    admission->magic = ADMISSION_MAGIC;
    admission->is_held = is_held;
    admission->self = self;
    return admission;
}

/* ---- passes ---- */

static void drop_pass(struct admission *admission, struct pass *pass)
{
    HASH_DEL(admission->passes, pass);
    key_wipe(&pass->claim.token, sizeof pass->claim.token);
    free(pass);
}

static void drop_passes(struct admission *admission)
{
    struct pass *pass, *next;
    HASH_ITER(hh, admission->passes, pass, next)
    {
        drop_pass(admission, pass);
    }
}

/* A worker that is there would not be believed any more when it connects anew, under another number. */
static void drop_those_not_held(struct admission *admission)
{
    struct pass *pass, *next;
    HASH_ITER(hh, admission->passes, pass, next)
    {
        if (!admission->is_held(admission->self, pass))
            drop_pass(admission, pass);
    }
}

struct pass *admission_find(struct admission *admission, const struct worker_token *token)
{
    CHECK_OBJECT(admission, ADMISSION_MAGIC);
    struct pass *pass;
    HASH_FIND(hh, admission->passes, token, sizeof *token, pass);
    return pass;
}

void admission_announce(struct admission *admission, const struct claim *claim)
{
    struct pass *pass = admission_find(admission, &claim->token);
    if (pass == NULL) {
        if (HASH_COUNT(admission->passes) >= ADMISSION_MAX)
            drop_those_not_held(admission);
        pass = object_alloc(sizeof *pass);
        pass->number = ++admission->next_pass;
        pass->claim = *claim;
        HASH_ADD(hh, admission->passes, claim.token, sizeof pass->claim.token, pass);
    }
    pass->claim = *claim;
}

void admission_forget_pid(struct admission *admission, uint32_t pid)
{
    CHECK_OBJECT(admission, ADMISSION_MAGIC);
    struct pass *pass, *next;
    HASH_ITER(hh, admission->passes, pass, next)
    {
        if (pass->claim.pid == pid)
            drop_pass(admission, pass);
    }
}

void admission_forget(struct admission *admission, uint64_t number)
{
    CHECK_OBJECT(admission, ADMISSION_MAGIC);
    struct pass *pass, *next;
    HASH_ITER(hh, admission->passes, pass, next)
    {
        if (pass->number == number)
            drop_pass(admission, pass);
    }
}

size_t admission_count(const struct admission *admission)
{
    return HASH_COUNT(admission->passes);
}

/* ---- who waits ---- */

static void take_off(struct admission *admission, struct knocker *knocker, struct knocker *copy)
{
    HASH_DEL(admission->waiting, knocker);
    if (copy != NULL)
        *copy = *knocker;
    key_wipe(&knocker->claim.token, sizeof knocker->claim.token);
    free(knocker);
}

static void drop_waiting(struct admission *admission)
{
    struct knocker *knocker, *next;
    HASH_ITER(hh, admission->waiting, knocker, next)
    {
        take_off(admission, knocker, NULL);
    }
}

void admission_wait(struct admission *admission, const struct peer *peer, const struct claim *claim)
{
    CHECK_OBJECT(admission, ADMISSION_MAGIC);
    struct knocker *knocker;
    HASH_FIND(hh, admission->waiting, peer, sizeof *peer, knocker);
    if (knocker == NULL) {
        if (HASH_COUNT(admission->waiting) >= ADMISSION_WAITING_MAX)
            drop_waiting(admission);
        knocker = object_alloc(sizeof *knocker);
        knocker->peer = *peer;
        HASH_ADD(hh, admission->waiting, peer, sizeof knocker->peer, knocker);
    } else if (strcmp(knocker->claim.token.text, claim->token.text) != 0) {
        knocker->question = 0; /* it shows another one now, of which nobody was asked */
    }
    knocker->claim = *claim;
}

size_t admission_waiting(const struct admission *admission)
{
    return HASH_COUNT(admission->waiting);
}

uint64_t admission_ask(struct admission *admission)
{
    CHECK_OBJECT(admission, ADMISSION_MAGIC);
    struct knocker *knocker, *next;
    admission->questions++;
    HASH_ITER(hh, admission->waiting, knocker, next)
    {
        if (knocker->question == 0)
            knocker->question = admission->questions;
    }
    return admission->questions;
}

bool admission_next_known(struct admission *admission, struct knocker *knocker)
{
    CHECK_OBJECT(admission, ADMISSION_MAGIC);
    struct knocker *found, *next;
    HASH_ITER(hh, admission->waiting, found, next)
    {
        if (admission_find(admission, &found->claim.token) != NULL) {
            take_off(admission, found, knocker);
            return true;
        }
    }
    return false;
}

bool admission_next_unknown(struct admission *admission, uint64_t answered, struct knocker *knocker)
{
    CHECK_OBJECT(admission, ADMISSION_MAGIC);
    struct knocker *found, *next;
    HASH_ITER(hh, admission->waiting, found, next)
    {
        if (found->question != 0 && found->question <= answered &&
            admission_find(admission, &found->claim.token) == NULL) {
            take_off(admission, found, knocker);
            return true;
        }
    }
    return false;
}

void admission_free(struct admission *admission)
{
    if (admission == NULL)
        return;
    CHECK_OBJECT(admission, ADMISSION_MAGIC);
    drop_passes(admission);
    drop_waiting(admission);
    admission->magic = 0;
    free(admission);
}
