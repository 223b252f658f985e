/* outrigger/backend.h: a model that is a program: a shared object, 1/model.so, served like any other model.
 *
 * It exports one function, outrigger_backend, which gives the worker a struct outrigger_plugin: how a model
 * is opened, run and closed. A template lies in share/outrigger/plugin; model.conf(5), PLUG-INS, says how
 * it is built, served and tried. This header needs nothing but a C compiler (C99, or C++).
 *
 * The worker calls from one thread, one call at a time, and has given up its rights before it loads the file:
 * neither constructors nor what is computed can open files outside of the model's folder, write, connect, or
 * start anything (outrigger.conf: sandbox). A plug-in that crashes is started again, and harms no other
 * model.
 *
 * ---- what may change here, and what not ----
 *
 * This is version 1 of the interface. Within it, what stands here keeps its name, its place, its type and its
 * meaning; no structure has padding. Later headers may add
 *   - members at the end of structures: OUTRIGGER_BACKEND_MINOR counts those additions. Each side says how
 *     large its structures are, so that older and newer ones work together in both directions: the worker
 *     lays everything that a plug-in sees out by the sizes that the plug-in was built with
 *     (OUTRIGGER_PLUGIN_SIZES). What the other side does not know is 0 or NULL, and that always means what
 *     was meant before there was such a member;
 *   - functions of this header (static inline), macros, and values of `level`.
 * Anything else is version 2: the worker then asks for 2 first, and for 1 after it as long as it can do that.
 *
 * SPDX-License-Identifier: MIT */
#ifndef OUTRIGGER_BACKEND_H
#define OUTRIGGER_BACKEND_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OUTRIGGER_BACKEND_ABI   1u
#define OUTRIGGER_BACKEND_MINOR 0u

#define OUTRIGGER_RANK_MAX    8  /* dimensions */
#define OUTRIGGER_TENSORS_MAX 64 /* inputs, and outputs, of one model */

/* One input or output as the model declares it. */
struct outrigger_tensor {
    const char *name;     /* at most 512 bytes */
    const char *datatype; /* BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 BF16 FP32 FP64
                           * or BYTES */
    size_t rank;          /* 1 to 8; of an output also 0: not known */
    int64_t shape[OUTRIGGER_RANK_MAX]; /* -1 = any. shape[0] is the rows: -1, or (the same in all inputs) the
                                        * number of rows that every call must have */
};

/* The values of one input or output in a call: row-major, little-endian, without padding; BYTES: each element
 * as its length in 4 bytes and then that many bytes. */
struct outrigger_values {
    const void *data; /* of inputs: aligned to the size of an element */
    size_t bytes;
    size_t rank;
    int64_t shape[OUTRIGGER_RANK_MAX]; /* without a -1; shape[0] is the rows, 1 or more */
};

/* What `open` tells about the model. What it points to is the plug-in's, and stays until `close`. */
struct outrigger_description {
    const struct outrigger_tensor *inputs;
    size_t input_count; /* 1 or more */
    const struct outrigger_tensor *outputs;
    size_t output_count;  /* 1 or more */
    const char *platform; /* what people are told that it is: "mine 2.1"; NULL: "plugin" */
};

enum { OUTRIGGER_LOG_ERROR, OUTRIGGER_LOG_WARNING, OUTRIGGER_LOG_INFO, OUTRIGGER_LOG_DEBUG };

/* What `open` is told. It, and what it points to, is the worker's, and stays until `close`. */
struct outrigger_options {
    size_t size;        /* of this structure as the worker knows it */
    size_t threads;     /* how many the model may use, at least 1 */
    const char *path;   /* of the model.so */
    const char *folder; /* that it lies in: the version's. What else lies there may be read, now and later */
    const char *model;  /* its name; "" when it is only looked at, outside of a repository */
    const char *const *settings; /* `settings` of model.conf: name, value, name, value, ..., NULL; numbers,
                                  * true and false as text; outrigger_setting finds one */
    /* Writes a line to the worker's log: one of the levels above, others count as the nearest of them. From
     * any thread. */
    void (*log)(void *log_self, int level, const char *message);
    void *log_self; /* for `log` */
};

/* The plug-in itself: constant, or as long there as the library is. */
struct outrigger_plugin {
    uint32_t abi;  /* these six: OUTRIGGER_PLUGIN_SIZES */
    uint32_t size; /* of this structure */
    uint32_t tensor_size;
    uint32_t values_size;
    uint32_t description_size;
    uint32_t options_size;

    /* Loads the model. Returns its state, not NULL, and fills `description`; or NULL, and `error` (of
     * `error_size` bytes, 512 or more; one line, ended with a zero byte) says why. */
    void *(*open)(const struct outrigger_options *options, struct outrigger_description *description,
                  char *error, size_t error_size);
    /* Computes all rows of `inputs`, which are in the order of the description. Fills `outputs`, which are
     * zeroed, likewise; what they point to is good until the next call. Returns 0; or anything else, and
     * `error` says why: the request is answered 500, and the worker's log says why. */
    int (*run)(void *state, const struct outrigger_values *inputs, struct outrigger_values *outputs,
               char *error, size_t error_size);
    void (*close)(void *state);
};

#define OUTRIGGER_PLUGIN_SIZES                                                                               \
    .abi = OUTRIGGER_BACKEND_ABI, .size = sizeof(struct outrigger_plugin),                                   \
    .tensor_size = sizeof(struct outrigger_tensor), .values_size = sizeof(struct outrigger_values),          \
    .description_size = sizeof(struct outrigger_description),                                                \
    .options_size = sizeof(struct outrigger_options)

#ifdef __GNUC__
#define OUTRIGGER_EXPORT __attribute__((visibility("default")))
#else
#define OUTRIGGER_EXPORT
#endif

/* What the plug-in exports; `abi` is the version of this interface that the worker asks for. Returns NULL
 * when the plug-in cannot do that version, else its description in the structures of that version:
 *
 *     const struct outrigger_plugin *outrigger_backend(uint32_t abi)
 *     {
 *         static const struct outrigger_plugin plugin = {
 *             OUTRIGGER_PLUGIN_SIZES, .open = open_model, .run = run_model, .close = close_model};
 *         return abi == OUTRIGGER_BACKEND_ABI ? &plugin : NULL;
 *     }
 */
OUTRIGGER_EXPORT const struct outrigger_plugin *outrigger_backend(uint32_t abi);

/* The value of a setting; `standard` when model.conf does not have it. */
static inline const char *outrigger_setting(const struct outrigger_options *options, const char *name,
                                            const char *standard)
{
    for (const char *const *at = options->settings; at != NULL && *at != NULL; at += 2)
        if (strcmp(*at, name) == 0)
            return at[1];
    return standard;
}

/* The name of a setting that is none of `known` (which NULL ends), so that a misspelt one can be refused;
 * NULL when there is none. */
static inline const char *outrigger_unknown_setting(const struct outrigger_options *options,
                                                    const char *const *known)
{
    for (const char *const *at = options->settings; at != NULL && *at != NULL; at += 2) {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], *at) != 0)
            i++;
        if (known[i] == NULL)
            return *at;
    }
    return NULL;
}

#ifdef __cplusplus
}
#endif

#endif
