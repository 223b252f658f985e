/* backend_plugin: a model that is a program: model.so, with an engine of its own (outrigger/backend.h tells
 * what it has to export). Whatever is wrong with the file is said in one line; what it does when it runs the
 * sandbox keeps from doing harm.
 *
 * The plug-in may be built with an older or a newer header than this worker, whose structures are shorter or
 * longer than ours. So nothing of ours is handed to it, and nothing of it is taken, as it stands: every
 * structure lies in memory that is as long as the longer of both, zeroed, arrays of them at the plug-in's
 * distance, and is copied as far as both know it. What a plug-in says of its outputs is checked before
 * anything relies on it: a slip of its author is an error of the request, and no crash.
 * SPDX-License-Identifier: MIT */
#include "backend.h"

#include "log.h"
#include "tensor.h"

#include <dlfcn.h>
#include <outrigger/backend.h>
#include <stdio.h>
#include <stdlib.h>

enum { PLUGIN_MAGIC = 0x61060001, NAME_SHOWN = 64 /* bytes of a name in a message */ };

/* The structures of the first header of version 1: no plug-in has shorter ones, whatever is added to ours. */
enum {
    FIRST_PLUGIN = 48,
    FIRST_TENSOR = 88,
    FIRST_VALUES = 88,
    FIRST_DESCRIPTION = 40,
    FIRST_OPTIONS = 64,
    SIZE_MAX_TOLD = 65536 /* no structure will ever be longer than this */
};

#define END_OF(type, member) (offsetof(struct type, member) + sizeof(((struct type *)NULL)->member))
_Static_assert(END_OF(outrigger_plugin, close) == FIRST_PLUGIN &&
                   END_OF(outrigger_tensor, shape) == FIRST_TENSOR &&
                   END_OF(outrigger_values, shape) == FIRST_VALUES &&
                   END_OF(outrigger_description, platform) == FIRST_DESCRIPTION &&
                   END_OF(outrigger_options, log_self) == FIRST_OPTIONS,
               "what the first header had stays where it was");

static const char symbol[] = "outrigger_backend";

/* `count` structures at the plug-in's distance. */
struct array {
    uint8_t *bytes;
    size_t distance;
};

struct plugin {
    unsigned magic;
    void *library;
    struct outrigger_plugin functions; /* as far as we know them */
    void *state;
    char *model;
    char *folder;
    void *options;
    struct backend_tensor tensors[2][BACKEND_TENSORS_MAX]; /* inputs, outputs */
    enum datatype datatypes[BACKEND_TENSORS_MAX];          /* of the outputs */
    size_t counts[2];
    struct array values[2];
};

/* ---- structures that are longer or shorter than ours ---- */

static size_t shorter(size_t ours, size_t theirs)
{
    return ours < theirs ? ours : theirs;
}

static void *alloc_longer(size_t ours, size_t theirs, size_t count)
{
    return object_alloc((ours > theirs ? ours : theirs) * count);
}

/* Copies a structure of theirs into one of ours: what they do not know is 0. */
static void take(void *ours, size_t our_size, const void *theirs, size_t their_size)
{
    memset(ours, 0, our_size);
    memcpy(ours, theirs, shorter(our_size, their_size));
}

/* ---- the library ---- */

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

static bool size_ok(uint32_t size, size_t first)
{
    return size >= first && size <= SIZE_MAX_TOLD && size % sizeof(void *) == 0;
}

static bool sizes_ok(const struct outrigger_plugin *theirs)
{
    return size_ok(theirs->size, FIRST_PLUGIN) && size_ok(theirs->tensor_size, FIRST_TENSOR) &&
           size_ok(theirs->values_size, FIRST_VALUES) &&
           size_ok(theirs->description_size, FIRST_DESCRIPTION) &&
           size_ok(theirs->options_size, FIRST_OPTIONS);
}

/* What the library offers, in `functions`; false: nothing that we can use. */
static bool find_functions(void *library, struct outrigger_plugin *functions, char *error)
{
    const struct outrigger_plugin *(*function)(uint32_t abi);
    *(void **)&function = dlsym(library, symbol); /* as POSIX says that a function's address is taken */
    if (function == NULL) {
        snprintf(error, BACKEND_ERROR_MAX, "exports no function %s", symbol);
        return false;
    }
    const struct outrigger_plugin *theirs = function(OUTRIGGER_BACKEND_ABI);
    if (theirs == NULL) {
        snprintf(error, BACKEND_ERROR_MAX, "does not speak version %u of the interface for plug-ins",
                 OUTRIGGER_BACKEND_ABI);
        return false;
    }
    if (theirs->abi != OUTRIGGER_BACKEND_ABI) {
        snprintf(error, BACKEND_ERROR_MAX,
                 "was built for version %u of the interface for plug-ins, this worker has version %u",
                 theirs->abi, OUTRIGGER_BACKEND_ABI);
        return false;
    }
    if (!sizes_ok(theirs)) {
        snprintf(error, BACKEND_ERROR_MAX,
                 "its plug-in says sizes that no header has: it lacks OUTRIGGER_PLUGIN_SIZES");
        return false;
    }
    take(functions, sizeof *functions, theirs, theirs->size);
    if (functions->open != NULL && functions->run != NULL && functions->close != NULL)
        return true;
    snprintf(error, BACKEND_ERROR_MAX, "its plug-in lacks open, run or close");
    return false;
}

/* ---- what it says ---- */

/* An error is one line that ends, whatever the plug-in has written. */
static void settle_error(char *error, const char *otherwise)
{
    error[BACKEND_ERROR_MAX - 1] = '\0';
    if (*error == '\0')
        snprintf(error, BACKEND_ERROR_MAX, "%s", otherwise);
    for (char *at = error; *at != '\0'; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
}

static void write_log(void *log_self, int level, const char *message)
{
    const struct plugin *plugin = log_self;
    enum log_level known = level <= OUTRIGGER_LOG_ERROR     ? LOG_ERROR
                           : level == OUTRIGGER_LOG_WARNING ? LOG_WARNING
                           : level == OUTRIGGER_LOG_INFO    ? LOG_INFO
                                                            : LOG_DEBUG;
    log_write(known, NULL, "%s: %s", *plugin->model == '\0' ? "the plug-in" : plugin->model,
              message == NULL ? "" : message);
}

static const char *tensor_fault(const struct outrigger_tensor *tensor, enum datatype *datatype)
{
    if (tensor->name == NULL || *tensor->name == '\0')
        return "a name";
    if (tensor->datatype == NULL || !datatype_parse(text_of(tensor->datatype), datatype))
        return "a datatype, as FP32";
    return tensor->rank > BACKEND_RANK_MAX ? "at most 8 dimensions" : NULL;
}

static bool take_tensors(struct plugin *plugin, int side, const struct outrigger_tensor *theirs, size_t count,
                         char *error)
{
    const char *what = side == 0 ? "input" : "output";
    if (theirs == NULL || count == 0 || count > BACKEND_TENSORS_MAX) {
        snprintf(error, BACKEND_ERROR_MAX, "the model has %zu %ss; 1 to %d can be served", count, what,
                 BACKEND_TENSORS_MAX);
        return false;
    }
    plugin->counts[side] = count;
    for (size_t i = 0; i < count; i++) {
        struct outrigger_tensor tensor;
        take(&tensor, sizeof tensor, (const uint8_t *)theirs + i * plugin->functions.tensor_size,
             plugin->functions.tensor_size);
        enum datatype datatype;
        const char *expected = tensor_fault(&tensor, &datatype);
        if (expected != NULL) {
            snprintf(error, BACKEND_ERROR_MAX, "%s %zu of the plug-in (%.*s): expected %s", what, i,
                     NAME_SHOWN, tensor.name == NULL ? "" : tensor.name, expected);
            return false;
        }
        struct backend_tensor *ours = &plugin->tensors[side][i];
        *ours = (struct backend_tensor){
            .name = tensor.name, .datatype = tensor.datatype, .rank = (uint32_t)tensor.rank};
        memcpy(ours->shape, tensor.shape, sizeof ours->shape);
        if (side == 1)
            plugin->datatypes[i] = datatype;
    }
    plugin->values[side] =
        (struct array){alloc_longer(sizeof(struct outrigger_values), plugin->functions.values_size, count),
                       plugin->functions.values_size};
    return true;
}

/* ---- opening ---- */

static void make_options(struct plugin *plugin, const char *path, const struct backend_options *options)
{
    const char *slash = strrchr(path, '/');
    plugin->folder = slash == NULL ? object_strdup(".") : strndup(path, (size_t)(slash - path));
    plugin->model = object_strdup(options->model == NULL ? "" : options->model);
    static const char *const none[] = {NULL};
    const struct outrigger_options ours = {.size = sizeof ours,
                                           .threads = (size_t)options->threads,
                                           .path = path,
                                           .folder = plugin->folder,
                                           .model = plugin->model,
                                           .settings = options->settings == NULL ? none : options->settings,
                                           .log = write_log,
                                           .log_self = plugin};
    plugin->options = alloc_longer(sizeof ours, plugin->functions.options_size, 1);
    memcpy(plugin->options, &ours, shorter(sizeof ours, plugin->functions.options_size));
}

static void release(struct plugin *plugin)
{
    if (plugin->state != NULL)
        plugin->functions.close(plugin->state);
    if (plugin->library != NULL)
        dlclose(plugin->library);
    for (int side = 0; side < 2; side++)
        free(plugin->values[side].bytes);
    free(plugin->options);
    free(plugin->model);
    free(plugin->folder);
    plugin->magic = 0;
    free(plugin);
}

static bool open_model(struct plugin *plugin, struct backend_description *description, char *error)
{
    struct outrigger_description ours;
    void *theirs = alloc_longer(sizeof ours, plugin->functions.description_size, 1);
    *error = '\0';
    plugin->state = plugin->functions.open(plugin->options, theirs, error, BACKEND_ERROR_MAX);
    take(&ours, sizeof ours, theirs, plugin->functions.description_size);
    free(theirs);
    if (plugin->state == NULL) {
        settle_error(error, "its open says no more than that it failed");
        return false;
    }
    if (!take_tensors(plugin, 0, ours.inputs, ours.input_count, error) ||
        !take_tensors(plugin, 1, ours.outputs, ours.output_count, error))
        return false;
    *description = (struct backend_description){.platform = ours.platform == NULL ? "plugin" : ours.platform,
                                                .inputs = plugin->tensors[0],
                                                .input_count = ours.input_count,
                                                .outputs = plugin->tensors[1],
                                                .output_count = ours.output_count};
    return true;
}

static void *plugin_open(const char *path, const struct backend_options *options,
                         struct backend_description *description, char *error)
{
    struct plugin *plugin = object_alloc(sizeof *plugin);
    plugin->magic = PLUGIN_MAGIC;
    plugin->library = load(path);
    if (plugin->library == NULL)
        say_why(path, error);
    if (plugin->library != NULL && find_functions(plugin->library, &plugin->functions, error)) {
        make_options(plugin, path, options);
        if (open_model(plugin, description, error))
            return plugin;
    }
    release(plugin);
    return NULL;
}

/* ---- a call ---- */

static void give_inputs(struct plugin *plugin, const struct backend_values *inputs)
{
    const struct array *array = &plugin->values[0];
    for (size_t i = 0; i < plugin->counts[0]; i++) {
        struct outrigger_values values = {
            .data = inputs[i].data, .bytes = inputs[i].bytes, .rank = inputs[i].rank};
        memcpy(values.shape, inputs[i].shape, sizeof values.shape);
        memcpy(array->bytes + i * array->distance, &values, shorter(sizeof values, array->distance));
    }
}

/* NULL, or what is wrong with an output. */
static const char *output_fault(const struct outrigger_values *values, enum datatype datatype)
{
    struct tensor tensor = {
        .datatype = datatype, .rank = (uint32_t)values->rank, .data = values->data, .bytes = values->bytes};
    if (values->rank == 0 || values->rank > BACKEND_RANK_MAX)
        return "its rank is not 1 to 8";
    if (values->data == NULL && values->bytes > 0)
        return "its data is NULL";
    memcpy(tensor.shape, values->shape, sizeof tensor.shape);
    return tensor_check(&tensor);
}

static bool take_outputs(struct plugin *plugin, struct backend_values *outputs, char *error)
{
    const struct array *array = &plugin->values[1];
    for (size_t i = 0; i < plugin->counts[1]; i++) {
        struct outrigger_values values;
        take(&values, sizeof values, array->bytes + i * array->distance, array->distance);
        const char *fault = output_fault(&values, plugin->datatypes[i]);
        if (fault != NULL) {
            snprintf(error, BACKEND_ERROR_MAX, "output %.*s of the plug-in: %s", NAME_SHOWN,
                     plugin->tensors[1][i].name, fault);
            return false;
        }
        outputs[i] = (struct backend_values){
            .data = values.data, .bytes = values.bytes, .rank = (uint32_t)values.rank};
        memcpy(outputs[i].shape, values.shape, sizeof outputs[i].shape);
    }
    return true;
}

static int plugin_run(void *state, const struct backend_values *inputs, struct backend_values *outputs,
                      char *error)
{
    struct plugin *plugin = state;
    CHECK_OBJECT(plugin, PLUGIN_MAGIC);
    const struct array *array = &plugin->values[1];
    give_inputs(plugin, inputs);
    memset(array->bytes, 0, array->distance * plugin->counts[1]);
    *error = '\0';
    if (plugin->functions.run(plugin->state, (const struct outrigger_values *)plugin->values[0].bytes,
                              (struct outrigger_values *)array->bytes, error, BACKEND_ERROR_MAX) == 0)
        return take_outputs(plugin, outputs, error) ? 0 : -1;
    settle_error(error, "its run says no more than that it failed");
    return -1;
}

static void plugin_close(void *state)
{
    struct plugin *plugin = state;
    CHECK_OBJECT(plugin, PLUGIN_MAGIC);
    release(plugin);
}

const struct backend backend_plugin = {
    .name = "plugin",
    .suffix = ".so",
    .open = plugin_open,
    .run = plugin_run,
    .close = plugin_close,
};
