/* onnx_options: see onnx_options.h. The defaults favour many small processes beside each other: as many
 * threads as asked for and none that spins; no arena, since it keeps what the largest batch ever needed, and
 * measured no faster than malloc. SPDX-License-Identifier: MIT */
#include "onnx_options.h"

#include "engine_section.h"
#include "object.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define PROVIDER "ExecutionProvider" /* what their names end with */

bool onnx_refused(const OrtApi *api, OrtStatus *status, char *error)
{
    if (status == NULL)
        return false;
    snprintf(error, BACKEND_ERROR_MAX, "%s", api->GetErrorMessage(status));
    for (char *at = error; *at != '\0'; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
    api->ReleaseStatus(status);
    return true;
}

/* ---- what the settings say ---- */

static const char *word(const struct backend_options *options, const char *name, const char *standard)
{
    const char *text = engine_section_get(options->section, name);
    return text == NULL || *text == '\0' ? standard : text;
}

static int number(const struct backend_options *options, const char *name, int standard)
{
    const char *text = engine_section_get(options->section, name);
    return text == NULL ? standard : atoi(text);
}

static GraphOptimizationLevel optimization(const struct backend_options *options)
{
    static const struct {
        const char *word;
        GraphOptimizationLevel level;
    } levels[] = {{"none", ORT_DISABLE_ALL}, {"basic", ORT_ENABLE_BASIC}, {"extended", ORT_ENABLE_EXTENDED}};
    const char *asked = word(options, "optimization", "all");
    for (size_t i = 0; i < COUNT_OF(levels); i++)
        if (strcmp(levels[i].word, asked) == 0)
            return levels[i].level;
    return ORT_ENABLE_ALL;
}

/* ---- providers ---- */

/* "CUDAExecutionProvider" is cuda. */
static bool is_called(const char *provider, const char *name)
{
    size_t length = strlen(name);
    return strncasecmp(provider, name, length) == 0 && strcmp(provider + length, PROVIDER) == 0;
}

/* The providers of the library in words: "cpu, cuda". */
static void list_providers(char **providers, int count, char *list, size_t capacity)
{
    size_t length = 0;
    for (int i = 0; i < count && length < capacity; i++) {
        const char *end = strstr(providers[i], PROVIDER);
        int shown = end == NULL ? (int)strlen(providers[i]) : (int)(end - providers[i]);
        length += (size_t)snprintf(list + length, capacity - length, "%s%.*s", i > 0 ? ", " : "", shown,
                                   providers[i]);
    }
    for (char *at = list; *at != '\0'; at++)
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at + ('a' - 'A')) : *at;
}

/* Its own door in the library, which creates the options that it takes. */
static bool append_cuda(const OrtApi *api, OrtSessionOptions *settings, char *error)
{
    OrtCUDAProviderOptionsV2 *cuda;
    if (onnx_refused(api, api->CreateCUDAProviderOptions(&cuda), error))
        return false;
    bool appended =
        !onnx_refused(api, api->SessionOptionsAppendExecutionProvider_CUDA_V2(settings, cuda), error);
    api->ReleaseCUDAProviderOptions(cuda);
    return appended;
}

static bool append(const OrtApi *api, OrtSessionOptions *settings, const char *provider, char *error)
{
    char name[64];
    if (is_called(provider, "cuda"))
        return append_cuda(api, settings, error);
    text_copy((struct text){provider, strlen(provider) - strlen(PROVIDER)}, name, sizeof name);
    return !onnx_refused(api, api->SessionOptionsAppendExecutionProvider(settings, name, NULL, NULL, 0),
                         error);
}

static bool choose_provider(const OrtApi *api, OrtSessionOptions *settings, const char *asked, char *error)
{
    char **providers, list[256] = "", ignored[BACKEND_ERROR_MAX];
    const char *found = NULL;
    int count;
    if (strcmp(asked, "cpu") == 0)
        return true;
    if (onnx_refused(api, api->GetAvailableProviders(&providers, &count), error))
        return false;
    for (int i = 0; i < count; i++)
        if (is_called(providers[i], asked))
            found = providers[i];
    list_providers(providers, count, list, sizeof list);
    if (found == NULL)
        snprintf(error, BACKEND_ERROR_MAX,
                 "model.conf: onnx.provider: the ONNX Runtime library %s here has no \"%.40s\"; it has %s",
                 OrtGetApiBase()->GetVersionString(), asked, list);
    bool chosen = found != NULL && append(api, settings, found, error);
    onnx_refused(api, api->ReleaseAvailableProviders(providers, count), ignored);
    return chosen;
}

/* ---- all ---- */

bool onnx_options_set(const OrtApi *api, OrtSessionOptions *settings, const struct backend_options *options,
                      char *error)
{
    bool parallel = strcmp(word(options, "execution", "sequential"), "parallel") == 0;
    const char *spin = number(options, "spin", 0) != 0 ? "1" : "0";
    return !onnx_refused(api, api->SetIntraOpNumThreads(settings, options->threads), error) &&
           !onnx_refused(api, api->SetInterOpNumThreads(settings, number(options, "inter_op_threads", 1)),
                         error) &&
           !onnx_refused(api,
                         api->SetSessionExecutionMode(settings, parallel ? ORT_PARALLEL : ORT_SEQUENTIAL),
                         error) &&
           !onnx_refused(api, api->SetSessionGraphOptimizationLevel(settings, optimization(options)),
                         error) &&
           !onnx_refused(api, api->AddSessionConfigEntry(settings, "session.intra_op.allow_spinning", spin),
                         error) &&
           !onnx_refused(api, api->AddSessionConfigEntry(settings, "session.inter_op.allow_spinning", spin),
                         error) &&
           !onnx_refused(api,
                         number(options, "arena", 0) != 0 ? api->EnableCpuMemArena(settings)
                                                          : api->DisableCpuMemArena(settings),
                         error) &&
           !onnx_refused(api,
                         number(options, "memory_pattern", 0) != 0 ? api->EnableMemPattern(settings)
                                                                   : api->DisableMemPattern(settings),
                         error) &&
           (options->optimized == NULL ||
            !onnx_refused(api, api->SetOptimizedModelFilePath(settings, options->optimized), error)) &&
           choose_provider(api, settings, word(options, "provider", "cpu"), error);
}
