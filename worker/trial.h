/* trial: what a model goes through before it serves: it is loaded, answers its golden requests, is warmed up.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_TRIAL_H
#define OUTRIGGER_TRIAL_H

#include "loaded_model.h"
#include "provenance.h"

struct pipeline_host;

enum {
    TRIAL_ERROR_MAX = 1024,    /* bytes of an error with its terminator */
    TRIAL_DO_NOT_RESTART = 125 /* exit status, to the supervisor: it would end the same way again */
};

enum trial_result {
    TRIAL_PASSED,
    TRIAL_FAILED,  /* it cannot be loaded just now */
    TRIAL_HOPELESS /* it would fail in the same way again: it is not signed as it must be, or its answers are
                    * others than the golden ones */
};

struct trial {
    /* What is tried. */
    const char *path; /* the model file; golden.json may lie beside it */
    const struct backend *backend;
    struct pipeline_host *pipeline; /* what asks the models that it is made of; NULL: it is not made of any */
    const struct model_config *config; /* whose folder may have a golden.json, too; NULL: nothing is known */
    int threads;
    size_t most_rows; /* of a batch */
    size_t max_answer_bytes;
    int64_t warm_up_limit;         /* ns; 0: no more than a batch of one */
    struct provenance *provenance; /* of the file's folder; NULL: nobody asks who made it */
    /* What comes out of it. */
    struct loaded_model *model; /* the caller frees it; NULL unless it passed */
    size_t golden;              /* requests that it answered as it must */
    int64_t one_row;            /* ns that a batch of one takes; 0: unknown */
};

/* Finds out what exactly is tried, and who has signed it (provenance.h); ends the process with one line when
 * that cannot be known. */
void trial_identify(struct trial *trial, const char *signing_keys);
/* Tries it. Unless it passes, `error` is one line that names the file. */
enum trial_result trial_run(struct trial *trial, char error[TRIAL_ERROR_MAX]);
/* Does no more of that than to open it, when who made it is trusted; the digest is in its schema then. */
enum trial_result trial_open(struct trial *trial, char error[TRIAL_ERROR_MAX]);
/* The exit status after either; prints why it is not 0. */
int trial_status(enum trial_result result, const char *error);

#endif
