/* backend_python: a model in Python. The whole worker (worker/) is a library here, which the interpreter
 * loads and whose main it calls; the engine is two functions of outrigger_worker.py, called back through
 * ctypes. So a model in Python has what all others have, written once: messages, batches, heartbeats from a
 * thread that no lock of the interpreter holds up, counters, golden requests, signatures, the sandbox.
 *
 * What a model is comes as JSON: an interpreter need not know how our structs lie in memory, but for
 * struct backend_values, which every call has. Its memory is the interpreter's until the next call.
 * SPDX-License-Identifier: MIT */
#include "backend.h"
#include "host.h"
#include "log.h"
#include "object.h"

#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#define FOR_PYTHON __attribute__((visibility("default")))

/* What outrigger_worker.py offers; Python has the same struct, in the same order. Each function has said
 * what there is to say (outrigger_python_say) when it returns. */
struct outrigger_python {
    const char *reads; /* struct host's, as the next */
    int64_t started;
    /* Loads the model file and says its description; or -1 and says why not. */
    int (*open)(const char *path, const char *settings, int allow_nan);
    /* As struct backend's run. */
    int (*run)(const struct backend_values *inputs, struct backend_values *outputs);
};

/* The worker, until it ends: the status for exit. The arguments are outrigger-worker's. */
FOR_PYTHON int outrigger_python_run(int argc, char **argv, const struct outrigger_python *python);
/* What a function above has to say, in UTF-8. */
FOR_PYTHON void outrigger_python_say(const char *text);
/* A line for the log; level 0 error, 1 warning, 2 information, 3 debug. */
FOR_PYTHON void outrigger_python_log(int level, const char *text);
int main(int argc, char **argv); /* of worker/main.c */

/* There is one interpreter in a process, and one worker in it. */
static struct {
    const struct outrigger_python *functions;
    struct host host;
    char *said;
} python;

/* ---- for Python ---- */

int outrigger_python_run(int argc, char **argv, const struct outrigger_python *functions)
{
    python.functions = functions;
    python.host = (struct host){
        .role = SANDBOX_PYTHON_WORKER, .started = functions->started, .reads = functions->reads};
    return main(argc, argv);
}

void outrigger_python_say(const char *text)
{
    free(python.said);
    python.said = object_strdup(text);
}

void outrigger_python_log(int level, const char *text)
{
    log_write(level < LOG_ERROR || level > LOG_DEBUG ? LOG_INFO : (enum log_level)level, NULL, "%s", text);
}

const struct host *host(void)
{
    return &python.host;
}

/* ---- what the model is ---- */

struct state {
    yyjson_doc *document;
    struct backend_tensor inputs[BACKEND_TENSORS_MAX];
    struct backend_tensor outputs[BACKEND_TENSORS_MAX];
    struct backend_column *columns;
    const char **labels;
};

/* Written by outrigger_worker.py, so whatever is wrong with it is a mistake of ours, not of the model. */
static size_t read_tensors(yyjson_val *list, struct backend_tensor *tensors)
{
    size_t index, count, dimension, rank;
    yyjson_val *value, *size;
    ENSURE(yyjson_arr_size(list) <= BACKEND_TENSORS_MAX);
    yyjson_arr_foreach(list, index, count, value)
    {
        struct backend_tensor *tensor = &tensors[index];
        tensor->name = yyjson_get_str(yyjson_obj_get(value, "name"));
        tensor->datatype = yyjson_get_str(yyjson_obj_get(value, "datatype"));
        ENSURE(tensor->name != NULL && tensor->datatype != NULL);
        yyjson_arr_foreach(yyjson_obj_get(value, "shape"), dimension, rank, size)
        {
            ENSURE(dimension < BACKEND_RANK_MAX);
            tensor->shape[tensor->rank++] = yyjson_get_sint(size);
        }
    }
    return count;
}

static const char **read_names(yyjson_val *list, size_t *count)
{
    size_t index;
    yyjson_val *value;
    const char **names = object_alloc(yyjson_arr_size(list) * sizeof *names);
    yyjson_arr_foreach(list, index, *count, value) ENSURE((names[index] = yyjson_get_str(value)) != NULL);
    return names;
}

static struct backend_column *read_columns(yyjson_val *list, size_t *count)
{
    size_t index;
    yyjson_val *value;
    struct backend_column *columns = object_alloc(yyjson_arr_size(list) * sizeof *columns);
    yyjson_arr_foreach(list, index, *count, value)
        ENSURE((columns[index].name = yyjson_get_str(value)) != NULL);
    return columns;
}

static void python_close(void *self)
{
    struct state *state = self;
    yyjson_doc_free(state->document);
    free(state->columns);
    free(state->labels);
    free(state);
}

static void take_error(char *error)
{
    snprintf(error, BACKEND_ERROR_MAX, "%s", python.said == NULL ? "it does not say why" : python.said);
}

static void *python_open(const char *path, const struct backend_options *options,
                         struct backend_description *description, char *error)
{
    outrigger_python_say("it does not say why");
    if (python.functions->open(path, options->settings_json, options->allow_nan) != 0) {
        take_error(error);
        return NULL;
    }
    yyjson_doc *document = yyjson_read(python.said, strlen(python.said), YYJSON_READ_NOFLAG);
    if (document == NULL) {
        snprintf(error, BACKEND_ERROR_MAX, "a name that it gives is no text in UTF-8");
        return NULL;
    }
    yyjson_val *root = yyjson_doc_get_root(document);
    struct state *state = object_alloc(sizeof *state);
    state->document = document;
    *description = (struct backend_description){.platform = yyjson_get_str(yyjson_obj_get(root, "platform")),
                                                .inputs = state->inputs,
                                                .outputs = state->outputs};
    description->input_count = read_tensors(yyjson_obj_get(root, "inputs"), state->inputs);
    description->output_count = read_tensors(yyjson_obj_get(root, "outputs"), state->outputs);
    description->columns = state->columns =
        read_columns(yyjson_obj_get(root, "features"), &description->column_count);
    description->labels = state->labels =
        read_names(yyjson_obj_get(root, "labels"), &description->label_count);
    return state;
}

/* ---- computing ---- */

static int python_run(void *self, const struct backend_values *inputs, struct backend_values *outputs,
                      char *error)
{
    (void)self;
    int result = python.functions->run(inputs, outputs);
    if (result != 0)
        take_error(error);
    return result;
}

static const struct backend backend_python = {
    .name = "python",
    .suffix = ".py",
    .open = python_open,
    .run = python_run,
    .close = python_close,
};

/* ---- in the place of worker/backend.c: the engines of this worker ---- */

const struct backend *backend_named(const char *name)
{
    return strcmp(name, backend_python.name) == 0 ? &backend_python : NULL;
}

const struct backend *backend_for_file(const char *path)
{
    (void)path;
    return NULL;
}
