/* raw_onnx: what ONNX Runtime gives without anything around it, as the measure of the heavy model.
 *
 *     raw_onnx MODEL THREADS SECONDS BATCH...
 *
 * THREADS threads each run a session of their own, as so many workers would (one thread inside the engine,
 * none that spins), on one input of BATCH rows over and over. Prints a line for each BATCH: the rows a
 * second of all threads together. The model has one input, FP32, [rows, columns].
 * SPDX-License-Identifier: MIT */
#include "clock.h"
#include "object.h"

#include <onnxruntime_c_api.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS_MAX = 256, BATCH_MAX = 65536, OUTPUTS_MAX = 16, PIXEL_VALUES = 17 };

struct engine {
    const OrtApi *api;
    OrtEnv *environment;
    OrtMemoryInfo *memory;
    OrtAllocator *allocator;
};

struct runner {
    const struct engine *engine;
    OrtSession *session;
    int64_t rows_a_call;
    int64_t until;
    double rows_per_second; /* found by the thread */
};

static void must(const struct engine *engine, OrtStatus *status)
{
    if (status == NULL)
        return;
    fprintf(stderr, "raw_onnx: %s\n", engine->api->GetErrorMessage(status));
    exit(1);
}

static void start_engine(struct engine *engine)
{
    setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    engine->api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (engine->api == NULL) {
        fprintf(stderr, "raw_onnx: the library is older than its header\n");
        exit(1);
    }
    must(engine, engine->api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "raw", &engine->environment));
    must(engine, engine->api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeCPU, &engine->memory));
    must(engine, engine->api->GetAllocatorWithDefaultOptions(&engine->allocator));
}

static OrtSession *load(const struct engine *engine, const char *model)
{
    OrtSessionOptions *options;
    OrtSession *session;
    must(engine, engine->api->CreateSessionOptions(&options));
    must(engine, engine->api->SetIntraOpNumThreads(options, 1));
    must(engine, engine->api->SetInterOpNumThreads(options, 1));
    must(engine, engine->api->AddSessionConfigEntry(options, "session.intra_op.allow_spinning", "0"));
    must(engine, engine->api->CreateSession(engine->environment, model, options, &session));
    engine->api->ReleaseSessionOptions(options);
    return session;
}

static int64_t columns_of(const struct engine *engine, OrtSession *session)
{
    OrtTypeInfo *type;
    const OrtTensorTypeAndShapeInfo *info;
    size_t rank = 0;
    int64_t shape[2] = {0};
    must(engine, engine->api->SessionGetInputTypeInfo(session, 0, &type));
    must(engine, engine->api->CastTypeInfoToTensorInfo(type, &info));
    if (info != NULL)
        must(engine, engine->api->GetDimensionsCount(info, &rank));
    if (rank != COUNT_OF(shape)) {
        fprintf(stderr, "raw_onnx: the model's input is not of shape [rows, columns]\n");
        exit(1);
    }
    must(engine, engine->api->GetDimensions(info, shape, rank));
    engine->api->ReleaseTypeInfo(type);
    return shape[1];
}

/* Values like pixels: numbers far from what the model knows might make it slow, or fast. */
static OrtValue *make_input(const struct runner *runner)
{
    const struct engine *engine = runner->engine;
    int64_t shape[2] = {runner->rows_a_call, columns_of(engine, runner->session)};
    OrtValue *input;
    void *values;
    must(engine, engine->api->CreateTensorAsOrtValue(engine->allocator, shape, COUNT_OF(shape),
                                                     ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &input));
    must(engine, engine->api->GetTensorMutableData(input, &values));
    for (int64_t i = 0; i < shape[0] * shape[1]; i++)
        ((float *)values)[i] = (float)(i * 7 % PIXEL_VALUES);
    return input;
}

static void *run(void *argument)
{
    struct runner *runner = argument;
    const struct engine *engine = runner->engine;
    char *input_name;
    char *output_names[OUTPUTS_MAX];
    OrtValue *outputs[OUTPUTS_MAX] = {NULL};
    OrtValue *input = make_input(runner);
    size_t count;
    int64_t rows = 0, begin = clock_now(), now;
    must(engine, engine->api->SessionGetInputName(runner->session, 0, engine->allocator, &input_name));
    must(engine, engine->api->SessionGetOutputCount(runner->session, &count));
    ENSURE(count <= OUTPUTS_MAX);
    for (size_t i = 0; i < count; i++)
        must(engine,
             engine->api->SessionGetOutputName(runner->session, i, engine->allocator, &output_names[i]));
    do {
        must(engine, engine->api->Run(runner->session, NULL, (const char *const *)&input_name,
                                      (const OrtValue *const *)&input, 1, (const char *const *)output_names,
                                      count, outputs));
        for (size_t i = 0; i < count; i++) {
            engine->api->ReleaseValue(outputs[i]);
            outputs[i] = NULL;
        }
        rows += runner->rows_a_call;
        now = clock_now();
    } while (now < runner->until);
    runner->rows_per_second = (double)rows * (double)SECOND / (double)(now - begin);
    engine->api->ReleaseValue(input);
    return NULL;
}

static double measure(struct runner *runners, int threads, int64_t batch, double seconds)
{
    pthread_t thread[THREADS_MAX];
    int64_t until = clock_now() + (int64_t)(seconds * (double)SECOND);
    double rows_per_second = 0;
    for (int i = 0; i < threads; i++) {
        runners[i].rows_a_call = batch;
        runners[i].until = until;
        ENSURE(pthread_create(&thread[i], NULL, run, &runners[i]) == 0);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
        rows_per_second += runners[i].rows_per_second;
    }
    return rows_per_second;
}

int main(int argc, char **argv)
{
    struct engine engine;
    struct runner runners[THREADS_MAX];
    int threads = argc > 4 ? atoi(argv[2]) : 0;
    double seconds = argc > 4 ? atof(argv[3]) : 0;
    if (threads < 1 || threads > THREADS_MAX || seconds <= 0) {
        fprintf(stderr, "usage: raw_onnx MODEL THREADS SECONDS BATCH...\n");
        return 2;
    }
    start_engine(&engine);
    for (int i = 0; i < threads; i++)
        runners[i] = (struct runner){.engine = &engine, .session = load(&engine, argv[1])};
    for (int i = 4; i < argc; i++) {
        int64_t batch = atoi(argv[i]);
        if (batch < 1 || batch > BATCH_MAX) {
            fprintf(stderr, "raw_onnx: a batch has 1 to %d rows, got %s\n", BATCH_MAX, argv[i]);
            return 2;
        }
        printf("%d %.1f\n", (int)batch, measure(runners, threads, batch, seconds));
        fflush(stdout);
    }
    return 0;
}
