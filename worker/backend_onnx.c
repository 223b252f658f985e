/* backend_onnx: models in ONNX, computed by ONNX Runtime through its C API (onnxruntime_c_api.h).
 *
 * What an input or output is called, its datatype and its shape are read from the model. Inputs are run where
 * they lie. An output whose columns the model declares is computed straight into a buffer of ours that is
 * kept from call to call; the others (strings, shapes that depend on the values) are allocated by the engine
 * each time. The first call of a model lets the engine allocate everything, and shows which outputs keep to
 * their declaration.
 *
 * Official builds of ONNX Runtime report to Microsoft from 1.29 on, and keep a database for that in the home
 * directory; the environment variable that stops it must be there before the engine's environment is made.
 * SPDX-License-Identifier: MIT */
#include "backend.h"

#include "object.h"
#include "onnx_options.h"
#include "onnx_references.h"

#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN,
               "tensors are little-endian here and handed to the engine as they are");

enum { ONNX_MAGIC = 0x0a110001, BUFFER_ALIGNMENT = 64, LENGTH_PREFIX = 4 };

static const struct element_type {
    ONNXTensorElementDataType type;
    const char *datatype;
    size_t bytes; /* 0: strings */
} element_types[] = {
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, "BOOL", 1},     {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, "UINT8", 1},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16, "UINT16", 2}, {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32, "UINT32", 4},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64, "UINT64", 8}, {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, "INT8", 1},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16, "INT16", 2},   {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, "INT32", 4},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, "INT64", 8},   {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, "FP16", 2},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16, "BF16", 2}, {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, "FP32", 4},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, "FP64", 8},   {ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, "BYTES", 0},
};

/* The inputs, or the outputs, of a model. */
struct side {
    size_t count;
    struct backend_tensor tensors[BACKEND_TENSORS_MAX];
    const struct element_type *types[BACKEND_TENSORS_MAX];
    char *names[BACKEND_TENSORS_MAX];      /* the engine's memory */
    OrtValue *values[BACKEND_TENSORS_MAX]; /* of this call, and then of the last one */
    /* What of our memory the value is over, which is not looked at but in a call. */
    struct backend_values places[BACKEND_TENSORS_MAX];
    /* Outputs only. */
    bool declared[BACKEND_TENSORS_MAX]; /* keeps to its declaration: computed into `buffers` */
    void *buffers[BACKEND_TENSORS_MAX];
    size_t capacities[BACKEND_TENSORS_MAX];
};

struct onnx {
    unsigned magic;
    const OrtApi *api;
    OrtEnv *
        environment; /* of the process, and as long as it: some builds complain when they make a second one */
    OrtSession *session;
    OrtMemoryInfo *memory;
    OrtAllocator *allocator; /* the engine's default one, not ours to free */
    struct side inputs;
    struct side outputs;
};

static bool refused(const struct onnx *onnx, OrtStatus *status, char *error)
{
    return onnx_refused(onnx->api, status, error);
}

/* ---- loading ---- */

/* Sends stderr nowhere for a while; returns what it was, -1 when that failed. Debian 13's build of the engine
 * registers each operator twice when it loads its first model, and complains of each: a thousand lines that
 * would hide what people must see. What really goes wrong is in the status. */
static int silence(void)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int before = nowhere == -1 ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (before != -1)
        dup2(nowhere, STDERR_FILENO);
    if (nowhere != -1)
        close(nowhere);
    return before;
}

static void speak(int before)
{
    if (before == -1)
        return;
    dup2(before, STDERR_FILENO);
    close(before);
}

static bool make_environment(struct onnx *onnx, char *error)
{
    onnx->api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (onnx->api == NULL) {
        snprintf(error, BACKEND_ERROR_MAX,
                 "the ONNX Runtime library %s is older than the one this was built for",
                 OrtGetApiBase()->GetVersionString());
        return false;
    }
    setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    return !refused(onnx, onnx->api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "worker", &onnx->environment),
                    error) &&
           !refused(onnx, onnx->api->DisableTelemetryEvents(onnx->environment), error) &&
           !refused(onnx, onnx->api->GetAllocatorWithDefaultOptions(&onnx->allocator), error) &&
           !refused(onnx, onnx->api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeCPU, &onnx->memory),
                    error);
}

static bool make_session(struct onnx *onnx, const char *path, const struct backend_options *options,
                         char *error)
{
    OrtSessionOptions *settings;
    if (refused(onnx, onnx->api->CreateSessionOptions(&settings), error))
        return false;
    bool made =
        onnx_options_set(onnx->api, settings, options, error) &&
        !refused(onnx, onnx->api->CreateSession(onnx->environment, path, settings, &onnx->session), error);
    onnx->api->ReleaseSessionOptions(settings);
    return made;
}

static const struct element_type *element_type(ONNXTensorElementDataType type)
{
    for (size_t i = 0; i < COUNT_OF(element_types); i++)
        if (element_types[i].type == type)
            return &element_types[i];
    return NULL;
}

/* Reads datatype and shape of a tensor into place `i` of the side. */
static bool describe_tensor(const struct onnx *onnx, struct side *side, size_t i,
                            const OrtTensorTypeAndShapeInfo *info, char *error)
{
    ONNXTensorElementDataType type;
    size_t rank;
    if (refused(onnx, onnx->api->GetTensorElementType(info, &type), error) ||
        refused(onnx, onnx->api->GetDimensionsCount(info, &rank), error))
        return false;
    side->types[i] = element_type(type);
    if (side->types[i] == NULL || rank > BACKEND_RANK_MAX) {
        snprintf(error, BACKEND_ERROR_MAX, "%s has %s", side->names[i],
                 rank > BACKEND_RANK_MAX ? "more than 8 dimensions" : "a datatype that cannot be served");
        return false;
    }
    side->tensors[i] = (struct backend_tensor){
        .name = side->names[i], .datatype = side->types[i]->datatype, .rank = (uint32_t)rank};
    return !refused(onnx, onnx->api->GetDimensions(info, side->tensors[i].shape, rank), error);
}

static bool describe_type(const struct onnx *onnx, struct side *side, size_t i, const OrtTypeInfo *type,
                          char *error)
{
    enum ONNXType kind;
    const OrtTensorTypeAndShapeInfo *info;
    if (refused(onnx, onnx->api->GetOnnxTypeFromTypeInfo(type, &kind), error))
        return false;
    if (kind != ONNX_TYPE_TENSOR) {
        snprintf(error, BACKEND_ERROR_MAX, "%s is no tensor%s", side->names[i],
                 kind == ONNX_TYPE_SEQUENCE || kind == ONNX_TYPE_MAP
                     ? " but a sequence or map: export the model with zipmap=False"
                     : "");
        return false;
    }
    return !refused(onnx, onnx->api->CastTypeInfoToTensorInfo(type, &info), error) &&
           describe_tensor(onnx, side, i, info, error);
}

static bool describe_side(const struct onnx *onnx, struct side *side, bool is_input, char *error)
{
    const OrtApi *api = onnx->api;
    size_t count;
    if (refused(onnx,
                is_input ? api->SessionGetInputCount(onnx->session, &count)
                         : api->SessionGetOutputCount(onnx->session, &count),
                error))
        return false;
    if (count == 0 || count > BACKEND_TENSORS_MAX) {
        snprintf(error, BACKEND_ERROR_MAX, "the model has %zu %s; 1 to %d can be served", count,
                 is_input ? "inputs" : "outputs", BACKEND_TENSORS_MAX);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        OrtTypeInfo *type;
        if (refused(onnx,
                    is_input ? api->SessionGetInputName(onnx->session, i, onnx->allocator, &side->names[i])
                             : api->SessionGetOutputName(onnx->session, i, onnx->allocator, &side->names[i]),
                    error))
            return false;
        side->count = i + 1;
        if (refused(onnx,
                    is_input ? api->SessionGetInputTypeInfo(onnx->session, i, &type)
                             : api->SessionGetOutputTypeInfo(onnx->session, i, &type),
                    error))
            return false;
        bool described = describe_type(onnx, side, i, type, error);
        api->ReleaseTypeInfo(type);
        if (!described)
            return false;
    }
    return true;
}

static void release_value(const struct onnx *onnx, struct side *side, size_t i)
{
    if (side->values[i] != NULL)
        onnx->api->ReleaseValue(side->values[i]);
    side->values[i] = NULL;
}

static void free_side(const struct onnx *onnx, struct side *side)
{
    for (size_t i = 0; i < side->count; i++) {
        char ignored[BACKEND_ERROR_MAX];
        release_value(onnx, side, i);
        refused(onnx, onnx->api->AllocatorFree(onnx->allocator, side->names[i]), ignored);
        free(side->buffers[i]);
    }
}

static void onnx_close(void *state)
{
    struct onnx *onnx = state;
    CHECK_OBJECT(onnx, ONNX_MAGIC);
    if (onnx->api != NULL) {
        free_side(onnx, &onnx->inputs);
        free_side(onnx, &onnx->outputs);
        if (onnx->session != NULL)
            onnx->api->ReleaseSession(onnx->session);
        if (onnx->memory != NULL)
            onnx->api->ReleaseMemoryInfo(onnx->memory);
    }
    onnx->magic = 0;
    free(onnx);
}

static bool load(struct onnx *onnx, const char *path, const struct backend_options *options, char *error)
{
    int before = silence();
    bool loaded = make_environment(onnx, error) && make_session(onnx, path, options, error);
    speak(before);
    return loaded && describe_side(onnx, &onnx->inputs, true, error) &&
           describe_side(onnx, &onnx->outputs, false, error);
}

static void *onnx_open(const char *path, const struct backend_options *options,
                       struct backend_description *description, char *error)
{
    if (!onnx_references_stay(path, error, BACKEND_ERROR_MAX))
        return NULL;
    struct onnx *onnx = object_alloc(sizeof *onnx);
    onnx->magic = ONNX_MAGIC;
    if (!load(onnx, path, options, error)) {
        onnx_close(onnx);
        return NULL;
    }
    *description = (struct backend_description){.platform = "onnxruntime_onnx",
                                                .inputs = onnx->inputs.tensors,
                                                .input_count = onnx->inputs.count,
                                                .outputs = onnx->outputs.tensors,
                                                .output_count = onnx->outputs.count};
    return onnx;
}

/* ---- values over our memory ---- */

static bool is_over(const struct side *side, size_t i, const struct backend_values *place)
{
    const struct backend_values *before = &side->places[i];
    return side->values[i] != NULL && before->data == place->data && before->bytes == place->bytes &&
           before->rank == place->rank &&
           memcmp(before->shape, place->shape, place->rank * sizeof place->shape[0]) == 0;
}

/* Makes value `i` one over the numbers that lie there. It is that of the last call where they lie at the same
 * place in the same shape: of a small model the engine takes a tenth of its time to make three of them. */
static bool put_over(const struct onnx *onnx, struct side *side, size_t i, const struct backend_values *place,
                     char *error)
{
    if (is_over(side, i, place))
        return true;
    release_value(onnx, side, i);
    side->places[i] = *place;
    return !refused(onnx,
                    onnx->api->CreateTensorWithDataAsOrtValue(onnx->memory, (void *)place->data, place->bytes,
                                                              place->shape, place->rank, side->types[i]->type,
                                                              &side->values[i]),
                    error);
}

/* ---- inputs of a call ---- */

/* The engine keeps strings as objects of its own: each is resized and copied into. */
static bool fill_strings(const struct onnx *onnx, OrtValue *value, const struct backend_values *input,
                         char *error)
{
    const uint8_t *at = input->data;
    const uint8_t *end = at + input->bytes;
    for (size_t i = 0; at < end; i++) {
        uint32_t length;
        char *room;
        memcpy(&length, at, LENGTH_PREFIX);
        if (refused(onnx, onnx->api->GetResizedStringTensorElementBuffer(value, i, length, &room), error))
            return false;
        memcpy(room, at + LENGTH_PREFIX, length);
        at += LENGTH_PREFIX + length;
    }
    return true;
}

static bool is_strings(const struct side *side, size_t i)
{
    return side->types[i]->type == ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING;
}

static bool make_input(struct onnx *onnx, size_t i, const struct backend_values *input, char *error)
{
    struct side *side = &onnx->inputs;
    if (!is_strings(side, i))
        return put_over(onnx, side, i, input, error);
    return !refused(onnx,
                    onnx->api->CreateTensorAsOrtValue(onnx->allocator, input->shape, input->rank,
                                                      side->types[i]->type, &side->values[i]),
                    error) &&
           fill_strings(onnx, side->values[i], input, error);
}

/* ---- outputs of a call ---- */

/* At least `bytes` in buffer `i`; what was there is gone. */
static void *reserve(struct side *side, size_t i, size_t bytes)
{
    if (side->capacities[i] < bytes) {
        free(side->buffers[i]);
        side->capacities[i] = (bytes + BUFFER_ALIGNMENT - 1) / BUFFER_ALIGNMENT * BUFFER_ALIGNMENT;
        side->buffers[i] = aligned_alloc(BUFFER_ALIGNMENT, side->capacities[i]);
        ENSURE(side->buffers[i] != NULL);
    }
    return side->buffers[i];
}

static bool place_output(const struct onnx *onnx, struct side *side, size_t i, int64_t rows,
                         struct backend_values *output, char *error)
{
    const struct backend_tensor *declared = &side->tensors[i];
    *output = (struct backend_values){.rank = declared->rank};
    output->bytes = (size_t)rows * side->types[i]->bytes;
    output->shape[0] = rows;
    for (uint32_t d = 1; d < declared->rank; d++) {
        output->shape[d] = declared->shape[d];
        output->bytes *= (size_t)declared->shape[d];
    }
    output->data = reserve(side, i, output->bytes);
    return put_over(onnx, side, i, output, error);
}

/* Copies strings out of the engine's objects, each behind its length. */
static bool take_strings(const struct onnx *onnx, struct side *side, size_t i, size_t elements,
                         struct backend_values *output, char *error)
{
    size_t total;
    if (refused(onnx, onnx->api->GetStringTensorDataLength(side->values[i], &total), error))
        return false;
    uint8_t *at = reserve(side, i, total + elements * LENGTH_PREFIX + 1);
    output->data = at;
    output->bytes = total + elements * LENGTH_PREFIX;
    for (size_t element = 0; element < elements; element++) {
        size_t length;
        if (refused(onnx, onnx->api->GetStringTensorElementLength(side->values[i], element, &length), error))
            return false;
        uint32_t prefix = (uint32_t)length;
        memcpy(at, &prefix, LENGTH_PREFIX);
        if (refused(onnx,
                    onnx->api->GetStringTensorElement(side->values[i], length, element, at + LENGTH_PREFIX),
                    error))
            return false;
        at += LENGTH_PREFIX + length;
    }
    return true;
}

static bool keeps_declaration(const struct backend_tensor *declared, const struct backend_values *output,
                              int64_t rows)
{
    if (declared->rank == 0 || declared->rank != output->rank || output->shape[0] != rows)
        return false;
    for (uint32_t d = 1; d < declared->rank; d++)
        if (declared->shape[d] != output->shape[d])
            return false;
    return true;
}

/* Finds out shape and place of an output that the engine allocated. */
static bool take_output(const struct onnx *onnx, struct side *side, size_t i, int64_t rows,
                        struct backend_values *output, char *error)
{
    const OrtApi *api = onnx->api;
    OrtTensorTypeAndShapeInfo *info;
    size_t rank, elements;
    void *data;
    if (refused(onnx, api->GetTensorTypeAndShape(side->values[i], &info), error))
        return false;
    snprintf(error, BACKEND_ERROR_MAX, "%s has more than 8 dimensions", side->names[i]);
    *output = (struct backend_values){0};
    bool known = !refused(onnx, api->GetDimensionsCount(info, &rank), error) && rank <= BACKEND_RANK_MAX &&
                 !refused(onnx, api->GetDimensions(info, output->shape, rank), error) &&
                 !refused(onnx, api->GetTensorShapeElementCount(info, &elements), error);
    api->ReleaseTensorTypeAndShapeInfo(info);
    if (!known)
        return false;
    output->rank = (uint32_t)rank;
    if (is_strings(side, i))
        return take_strings(onnx, side, i, elements, output, error);
    if (refused(onnx, api->GetTensorMutableData(side->values[i], &data), error))
        return false;
    output->data = data;
    output->bytes = elements * side->types[i]->bytes;
    side->declared[i] = keeps_declaration(&side->tensors[i], output, rows);
    return true;
}

/* ---- a call ---- */

static void release_strings(struct onnx *onnx)
{
    for (size_t i = 0; i < onnx->inputs.count; i++)
        if (is_strings(&onnx->inputs, i))
            release_value(onnx, &onnx->inputs, i);
}

/* What the engine has allocated in the last call it is to allocate anew. */
static void release_allocated(struct onnx *onnx)
{
    for (size_t i = 0; i < onnx->outputs.count; i++)
        if (!onnx->outputs.declared[i])
            release_value(onnx, &onnx->outputs, i);
}

static bool make_values(struct onnx *onnx, const struct backend_values *inputs,
                        struct backend_values *outputs, char *error)
{
    for (size_t i = 0; i < onnx->inputs.count; i++)
        if (!make_input(onnx, i, &inputs[i], error))
            return false;
    for (size_t i = 0; i < onnx->outputs.count; i++)
        if (onnx->outputs.declared[i] &&
            !place_output(onnx, &onnx->outputs, i, inputs[0].shape[0], &outputs[i], error))
            return false;
    return true;
}

static bool compute(struct onnx *onnx, int64_t rows, struct backend_values *outputs, char *error)
{
    if (refused(onnx,
                onnx->api->Run(onnx->session, NULL, (const char *const *)onnx->inputs.names,
                               (const OrtValue *const *)onnx->inputs.values, onnx->inputs.count,
                               (const char *const *)onnx->outputs.names, onnx->outputs.count,
                               onnx->outputs.values),
                error))
        return false;
    for (size_t i = 0; i < onnx->outputs.count; i++)
        if (!onnx->outputs.declared[i] && !take_output(onnx, &onnx->outputs, i, rows, &outputs[i], error))
            return false;
    return true;
}

static int onnx_run(void *state, const struct backend_values *inputs, struct backend_values *outputs,
                    char *error)
{
    struct onnx *onnx = state;
    CHECK_OBJECT(onnx, ONNX_MAGIC);
    release_allocated(onnx);
    bool computed =
        make_values(onnx, inputs, outputs, error) && compute(onnx, inputs[0].shape[0], outputs, error);
    release_strings(onnx);
    return computed ? 0 : -1;
}

const struct backend backend_onnx = {
    .name = "onnx",
    .suffix = ".onnx",
    .open = onnx_open,
    .run = onnx_run,
    .close = onnx_close,
};
