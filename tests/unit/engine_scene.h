/* engine_scene: one engine behind our interface, and the model that it has opened.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_ENGINE_SCENE_H
#define OUTRIGGER_ENGINE_SCENE_H

#include "backend.h"
#include "object.h"
#include "scratch_directory.h"
#include "suite.h"

static const struct backend *backend;
static const struct backend_options one_thread = {.threads = 1};
static struct backend_description description;
static struct backend_values outputs[BACKEND_TENSORS_MAX];
static char error[BACKEND_ERROR_MAX];
static void *state;

static inline void begin_engine(const char *name)
{
    scratch_make();
    backend = backend_named(name);
}

static inline void close_model(void)
{
    if (state != NULL)
        backend->close(state);
    state = NULL;
}

static inline void tear_down(void)
{
    close_model();
    scratch_remove();
}

static inline void open_model_with(const char *path, const struct backend_options *options)
{
    close_model();
    memset(&description, 0, sizeof description);
    state = backend->open(path, options, &description, error);
    ck_assert_msg(state != NULL, "%s: %s", path, error);
}

static inline void open_model(const char *path)
{
    open_model_with(path, &one_thread);
}

static inline const char *refusal(const char *path)
{
    error[0] = '\0';
    ck_assert_ptr_null(backend->open(path, &one_thread, &description, error));
    ck_assert_uint_gt(strlen(error), 0);
    ck_assert_ptr_null(strchr(error, '\n'));
    return error;
}

#endif
