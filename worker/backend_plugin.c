/* backend_plugin: a model that is a program: model.so, with an engine of its own (backend.h tells what it has
 * to export). Whatever is wrong with the file is said in one line; what it does when it runs the sandbox
 * keeps from doing harm. SPDX-License-Identifier: MIT */
#include "backend.h"

#include "object.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { PLUGIN_MAGIC = 0x61060001 };

static const char symbol[] = "outrigger_backend";

struct plugin {
    unsigned magic;
    void *library;
    const struct backend *backend;
    void *state;
};

/* All of its symbols now: what is missing must not be found out by a request. A name without a folder would
 * be looked for among the system's libraries. */
static void *load(const char *path)
{
    char *named = NULL;
    ENSURE(asprintf(&named, "%s%s", strchr(path, '/') == NULL ? "./" : "", path) >= 0);
    void *library = dlopen(named, RTLD_NOW | RTLD_LOCAL);
    free(named);
    return library;
}

/* dlerror's text without the path, which whoever prints it knows and has named. */
static void say_why(const char *path, char *error)
{
    const char *why = dlerror();
    size_t length = strlen(path);
    if (why == NULL)
        why = "the loader does not say why";
    if (strncmp(why, path, length) == 0 && strncmp(why + length, ": ", 2) == 0)
        why += length + 2;
    snprintf(error, BACKEND_ERROR_MAX, "cannot be loaded: %s", why);
}

/* The engine that the library offers; NULL: none that we can use. */
static const struct backend *find_backend(void *library, char *error)
{
    outrigger_backend_function *function;
    *(void **)&function = dlsym(library, symbol); /* as POSIX says that a function's address is taken */
    if (function == NULL) {
        snprintf(error, BACKEND_ERROR_MAX, "exports no function %s", symbol);
        return NULL;
    }
    const struct outrigger_backend_plugin *plugin = function(OUTRIGGER_BACKEND_ABI);
    if (plugin == NULL) {
        snprintf(error, BACKEND_ERROR_MAX, "does not speak version %u of the interface for plug-ins",
                 OUTRIGGER_BACKEND_ABI);
        return NULL;
    }
    if (plugin->abi != OUTRIGGER_BACKEND_ABI || plugin->size != sizeof *plugin) {
        snprintf(
            error, BACKEND_ERROR_MAX,
            "was built for version %u of the interface for plug-ins (%u bytes), this worker has version %u "
            "(%zu bytes)",
            plugin->abi, plugin->size, OUTRIGGER_BACKEND_ABI, sizeof *plugin);
        return NULL;
    }
    const struct backend *backend = &plugin->backend;
    if (backend->open != NULL && backend->run != NULL && backend->close != NULL)
        return backend;
    snprintf(error, BACKEND_ERROR_MAX, "its plug-in lacks open, run or close");
    return NULL;
}

static void *plugin_open(const char *path, const struct backend_options *options,
                         struct backend_description *description, char *error)
{
    void *library = load(path);
    if (library == NULL) {
        say_why(path, error);
        return NULL;
    }
    const struct backend *backend = find_backend(library, error);
    void *state = backend == NULL ? NULL : backend->open(path, options, description, error);
    if (state == NULL) {
        dlclose(library);
        return NULL;
    }
    struct plugin *plugin = object_alloc(sizeof *plugin);
    *plugin = (struct plugin){PLUGIN_MAGIC, library, backend, state};
    return plugin;
}

static int plugin_run(void *state, const struct backend_values *inputs, struct backend_values *outputs,
                      char *error)
{
    struct plugin *plugin = state;
    CHECK_OBJECT(plugin, PLUGIN_MAGIC);
    return plugin->backend->run(plugin->state, inputs, outputs, error);
}

static void plugin_close(void *state)
{
    struct plugin *plugin = state;
    CHECK_OBJECT(plugin, PLUGIN_MAGIC);
    plugin->backend->close(plugin->state);
    plugin->magic = 0;
    dlclose(plugin->library);
    free(plugin);
}

const struct backend backend_plugin = {
    .name = "plugin",
    .suffix = ".so",
    .open = plugin_open,
    .run = plugin_run,
    .close = plugin_close,
};
