/* pipeline_host: a pipeline as the model that its worker loads: it waits for the models that it is made of,
 * and asks them. SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_PIPELINE_HOST_H
#define OUTRIGGER_PIPELINE_HOST_H

#include "flow.h"
#include "loaded_model.h"
#include "pipeline_tree.h"

struct pipeline_host;

struct pipeline_host_options {
    void *zmq; /* libzmq's context */
    struct loop *loop;
    struct metrics *metrics;
    const char *endpoint;       /* the broker's, for askers */
    struct pipeline_tree *tree; /* of the repository: its own version must not be a part of itself */
    const char *model;          /* whose version it is */
    const char *version;
    size_t slots;      /* requests under way at a time */
    int64_t patience;  /* ns: how long models that are on their way are waited for, all together */
    int64_t most_time; /* ns, that one request may take */
};

/* The texts and all else outlive it. Never NULL. */
struct pipeline_host *pipeline_host_new(const struct pipeline_host_options *options);
/* NULL is fine. */
void pipeline_host_free(struct pipeline_host *host);

/* Reads the model.pipeline and connects; runs the loop until the models are there, and until they are what it
 * needs. The schema has of theirs what model.conf does not say: columns, labels, task. Closing the model (the
 * host stays) ends nothing. NULL, and `error` (BACKEND_ERROR_MAX bytes) says what is missing, and of which
 * step. */
struct loaded_model *pipeline_host_open(struct pipeline_host *host, const char *path,
                                        const struct model_config *config, char *error);

/* From now on `changed` is called, once, when the models are not any more what the schema was made of; the
 * reason is a line for people. */
typedef void pipeline_changed(void *self, const char *reason);
void pipeline_host_watch(struct pipeline_host *host, pipeline_changed *changed, void *self);

/* Of an open host: where its requests go through. */
struct flows *pipeline_host_flows(struct pipeline_host *host);

#endif
