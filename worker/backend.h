/* backend: what an engine implements so that workers can serve its models. This is the worker's own and may
 * change with it; what models from outside are built with is outrigger/backend.h, which backend_plugin.c
 * brings together with it. A backend is called from one thread, and for one model, at a time.
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_WORKER_BACKEND_H
#define OUTRIGGER_WORKER_BACKEND_H

#include <stddef.h>
#include <stdint.h>

enum {
    BACKEND_RANK_MAX = 8,
    BACKEND_TENSORS_MAX = 64, /* inputs, and outputs, of one model */
    BACKEND_ERROR_MAX = 512,  /* bytes of an error text with its terminator */
    BACKEND_INVALID = -2      /* of run: the engine is well, and these values are none that it takes */
};

/* One input or output as the model declares it. */
struct backend_tensor {
    const char *name;
    const char *datatype; /* BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 BF16 FP32 FP64
                           * or BYTES */
    uint32_t rank;        /* 0: the model does not say (outputs only) */
    int64_t shape[BACKEND_RANK_MAX]; /* -1 = any. shape[0] is the rows: -1, or (the same in all inputs) the
                                      * number of rows that every call must have */
};

/* One column of a row, as the model file knows it. */
struct backend_column {
    const char *name;
    const char *type; /* "number", "integer" or "boolean"; NULL: it does not say */
};

/* What open tells about the model. Its memory is the state's. */
struct backend_description {
    const char *platform; /* a constant: "onnxruntime_onnx" */
    const struct backend_tensor *inputs;
    size_t input_count;
    const struct backend_tensor *outputs;
    size_t output_count;
    /* From here on nothing need be filled in: all is 0 before. */
    const struct backend_column *columns; /* over all inputs in their order; NULL: it names none */
    size_t column_count;                  /* else as many as a row has values */
    const char *task;                     /* as model.conf has it; NULL: the outputs tell */
    int takes_missing;         /* not 0: NaN is a value that is missing, and may be in any column */
    const char *const *labels; /* names of the classes, by index, where model.conf names none */
    size_t label_count;
};

/* The values of one input or output in a call: row-major, little-endian, without padding; BYTES: each element
 * as its length in 4 bytes and then that many bytes. */
struct backend_values {
    const void *data; /* aligned to the size of an element */
    size_t bytes;
    uint32_t rank;
    int64_t shape[BACKEND_RANK_MAX]; /* without a -1 */
};

struct backend_options {
    int threads;       /* inside the engine, at least 1 */
    const char *model; /* its name; NULL: it belongs to no repository */
    /* `settings` of model.conf, which only the model itself understands. Both are there until it is closed:
     * a plug-in is given texts, and needs no parser for them; a model in Python numbers, lists and groups as
     * they stand, which texts do not tell apart. */
    const char *const *settings; /* name, value, name, value, ..., NULL; NULL: none */
    const char *settings_json;   /* the same as a JSON object; never NULL: "{}" */
    int allow_nan; /* 0: no value is NaN or infinite, or whoever sent it was let do as he likes */
    /* What model.conf says in the section of the engine's name (model_parameters.def), which says how it is
     * to compute, whatever the model: name, value, name, value, ..., NULL. There until open returns. NULL:
     * nothing, and that is what the defaults are for. */
    const char *const *section;
    const char
        *optimized; /* not NULL: the engine writes the graph there, as it has optimised it, if it can */
};

struct backend {
    const char *name;   /* as model.conf names it */
    const char *suffix; /* of the model file, by which it is found: ".onnx" */

    /* Loads the model file. Returns the state and fills `description`; or NULL, and `error`
     * (BACKEND_ERROR_MAX bytes, one line) says why. Never ends the process, whatever the file holds. */
    void *(*open)(const char *path, const struct backend_options *options,
                  struct backend_description *description, char *error);
    /* Computes all rows of `inputs`, in the order of the description. Fills `outputs` likewise; what they
     * point to is good until the next call. Returns 0; or -1, and `error` says why; or BACKEND_INVALID, and
     * `error` says what is wrong with the inputs, for whoever has sent them. */
    int (*run)(void *state, const struct backend_values *inputs, struct backend_values *outputs, char *error);
    void (*close)(void *state);
};

/* The backend with that name, NULL when there is none. */
const struct backend *backend_named(const char *name);
/* The backend whose suffix the path has, NULL when there is none. */
const struct backend *backend_for_file(const char *path);

#endif
